//! The runtime: threads around one Mux.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidelock_core::{
    Config, ConfigError, Directory, Dispatcher, ExitReport, Mux, ServiceId, Stats,
};

use crate::backend::{MioBackend, WAKE_TOKEN};
use crate::clock::Clock;
use crate::guarded::AbortOnPanic;
use crate::handle::Handle;
use crate::inbox::Inbox;
use crate::inside;
use crate::network::{Network, Services};
use crate::remote::Remote;
use crate::resolve::Resolve;
use crate::resolver::Lookup;
use crate::stats::{Calls, Histogram};
use crate::sys::{Poll, Waker};
use crate::workers::{Pool, WorkerContext};

/// Services on real sockets: one network thread, and worker threads or none.
///
/// Dropping it shuts down and gives the services one second; [`shutdown`](Self::shutdown) says
/// how long, and tells what was not sent.
///
/// ```no_run
/// use tidelock_core::{ListenOptions, Message, Net, Service};
/// use tidelock_mio::Runtime;
///
/// struct Echo;
/// impl Service for Echo {
///     fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
///         if let Message::Data { socket, bytes } = message {
///             // A socket that closed meanwhile, or that does not read, loses its echo.
///             net.send(socket, bytes).ok();
///         }
///     }
/// }
///
/// let runtime = Runtime::builder().workers(2).build()?;
/// let echo = runtime.handle().spawn(Box::new(Echo))?;
/// let options = ListenOptions::default().auto_start(true);
/// let at = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
/// let (_listener, local) = runtime.handle().listen(echo, at, options)?;
/// println!("listening on {local}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    network: Option<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

/// What the network thread, the workers and every [`Handle`] share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: Arc<Directory>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Clock,
    /// The service that the network thread is inside of, as bits, or zero.
    pub(crate) inside: AtomicU64,
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) remote: Option<Arc<Remote>>,
    pub(crate) end: End,
    /// What the network thread counted when it last looked for events.
    pub(crate) counted: Mutex<Counted>,
}

/// What the network thread counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) mux: Stats,
    pub(crate) calls: Calls,
    pub(crate) turns: Histogram,
    pub(crate) commands_queued: u64,
    /// With services on the network thread: how many there are, and how many have messages.
    pub(crate) services: Option<(u64, u64)>,
}

/// Where the network thread leaves its report.
#[derive(Debug, Default)]
pub(crate) struct End {
    report: Mutex<Option<ExitReport>>,
    reported: Condvar,
}

impl End {
    fn set(&self, report: ExitReport) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        self.reported.notify_all();
    }

    /// The report; waits for it, at most `bound`.
    pub(crate) fn wait(&self, bound: Duration) -> Option<ExitReport> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.reported.wait_timeout_while(report, bound, |report| report.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// What a shutdown cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// What was not sent, and what was closed. Empty if the runtime did not end.
    pub exit: ExitReport,
    /// Services that were still inside a call at the deadline; they are not waited for, and
    /// nothing that they ask any more has an effect.
    pub inside: Vec<ServiceId>,
    /// Whether the network thread ended. It does not if a service on it (`workers(0)`) never
    /// returned from a call.
    pub is_complete: bool,
}

/// How a [`Runtime`] is to be.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    config: Config,
    workers: usize,
    seed: u64,
    lookup: Lookup,
}

impl Builder {
    /// Sets limits and timeouts. Default: [`Config::default`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets how many threads run services. With zero, the default, services run on the network
    /// thread: best for many small messages and services that compute little.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets what services' `Net::random` answers depend on. Default 0: not secret, and the same
    /// in every run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how host names are looked up. Default: [`SystemResolve`](crate::SystemResolve).
    pub fn resolver(mut self, resolve: impl Resolve) -> Self {
        self.lookup.resolve = Arc::new(resolve);
        self
    }

    /// Sets how many threads look host names up; they start with the first name. Default 2. A
    /// resolver that hangs keeps its thread, so who connects to many names at once wants more; of
    /// lookups that wait for a thread 1,024 are kept, and more are refused with `NameResolution`.
    ///
    /// # Panics
    /// With zero: no name would ever be found.
    pub fn resolver_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "at least one thread looks names up");
        self.lookup.threads = threads;
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If two limits contradict, or if the system gives no poller or no thread.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let mux = Mux::new(self.config)?;
        let directory = Arc::clone(mux.directory());
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN)?);
        let registry = poll.registry().try_clone()?;
        let weak = Arc::downgrade(&waker);
        let mut backend = MioBackend::new(registry, weak, Arc::clone(&directory), self.lookup);
        let config = directory.config();
        let remote = (self.workers > 0 && config.direct_write)
            .then(|| Arc::new(Remote::new(config.sockets_max)));
        remote.iter().for_each(|remote| backend.share_streams(Arc::clone(remote)));
        let inbox = Arc::new(Inbox::new(waker, directory.config().mailbox_bytes_max));
        let clock = Clock::start();
        let dispatcher = Dispatcher::new(Arc::clone(&directory), self.seed);
        let (services, pool) = if self.workers == 0 {
            (Services::Inline(Box::new(dispatcher)), None)
        } else {
            let pool = Arc::new(Pool::new(dispatcher, self.workers));
            (Services::Pool(Arc::clone(&pool)), Some(pool))
        };
        let workers = match &pool {
            None => Vec::new(),
            Some(pool) => {
                let (directory, inbox) = (Arc::clone(&directory), Arc::clone(&inbox));
                pool.start(&WorkerContext { directory, inbox, remote: remote.clone(), clock })?
            }
        };
        let inside = AtomicU64::new(0);
        let end = End::default();
        let counted = Mutex::default();
        let shared =
            Arc::new(Shared { directory, inbox, clock, inside, pool, remote, end, counted });
        let network = Network::new(poll, mux, backend, Arc::clone(&shared), services);
        let thread = thread::Builder::new().name("tidelock-net".into());
        let thread = thread.spawn(move || network_thread(network)).inspect_err(|_error| {
            if let Some(pool) = &shared.pool {
                pool.stop();
            }
        })?;
        let handle = Handle::new(shared);
        Ok(Runtime { handle, network: Some(thread), workers })
    }
}

fn network_thread(network: Network) {
    let _abort = AbortOnPanic("network thread");
    inside::enter();
    let shared = Arc::clone(&network.shared);
    let report = network.run();
    shared.end.set(report);
}

impl Runtime {
    /// A runtime with the default configuration and services on the network thread, to be
    /// changed.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What other threads use to speak to the runtime.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Shuts down: listeners close, services get `Exit`, their output is flushed, and at the
    /// deadline what is left is closed. Waits for that, and answers what was not sent.
    ///
    /// It takes a second more than `within` only if a service on the network thread does not
    /// return from a call.
    pub fn shutdown(mut self, within: Duration) -> ShutdownReport {
        self.end(within)
    }

    fn end(&mut self, within: Duration) -> ShutdownReport {
        let Some(network) = self.network.take() else {
            return ShutdownReport::default();
        };
        let report = self.handle.shut_down_and_wait(within);
        if !report.is_complete {
            tracing::error!(inside = ?report.inside, "a service never returned from a call");
            return report;
        }
        if network.join().is_err() {
            unreachable!("a panic of the network thread ends the process");
        }
        for (worker, thread) in self.workers.drain(..).enumerate() {
            let is_inside = self.handle.is_worker_inside(worker);
            if !is_inside && thread.join().is_err() {
                unreachable!("a panic of a worker outside of a service ends the process");
            }
        }
        report
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        const DEADLINE: Duration = Duration::from_secs(1);
        let report = self.end(DEADLINE);
        if report.exit.unsent_bytes > 0 {
            tracing::warn!(bytes = report.exit.unsent_bytes, "dropped with unsent bytes");
        }
    }
}

/// Why no runtime was built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// Two limits contradict.
    Config(ConfigError),
    /// The system gave no poller or no thread.
    Io(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Config(error) => write!(f, "invalid configuration: {error}"),
            BuildError::Io(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BuildError::Config(error) => Some(error),
            BuildError::Io(error) => Some(error),
        }
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        BuildError::Config(error)
    }
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        BuildError::Io(error)
    }
}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Config(error) => io::Error::new(io::ErrorKind::InvalidInput, error),
            BuildError::Io(error) => error,
        }
    }
}

impl Shared {
    /// Who is inside a call.
    pub(crate) fn services_inside(&self) -> Vec<ServiceId> {
        match &self.pool {
            Some(pool) => pool.inside(),
            None => {
                let bits = self.inside.load(Ordering::Relaxed);
                ServiceId::from_bits(bits).into_iter().collect()
            }
        }
    }
}
