//! The runtime: threads around one Mux.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidelock_core::{Config, ConfigError, Directory, Dispatcher, ExitReport, Mux, ServiceId};

use crate::backend::{MioBackend, WAKE_TOKEN};
use crate::clock::Clock;
use crate::guarded::AbortOnPanic;
use crate::handle::Handle;
use crate::inbox::Inbox;
use crate::inboxes::Inboxes;
use crate::inside;
use crate::network::{Network, Services};
use crate::remote::Remote;
use crate::resolve::Resolve;
use crate::resolver::Lookup;
use crate::shared::Shared;
use crate::sys::{Poll, Waker};
use crate::workers::{Pool, WorkerContext};

/// Services on real sockets: one network thread or several, and worker threads or none.
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
    /// Empty once it has ended.
    network: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
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
    /// Whether the network threads ended. One does not if a service on it (`workers(0)`) never
    /// returned from a call.
    pub is_complete: bool,
}

/// How a [`Runtime`] is to be.
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
    workers: usize,
    shards: u32,
    seed: u64,
    lookup: Lookup,
}

impl Default for Builder {
    fn default() -> Self {
        let (config, workers, seed, lookup) = Default::default();
        Self { config, workers, shards: 1, seed, lookup }
    }
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

    /// Sets how many network threads there are, each with sockets of its own. Default 1, which is
    /// best until one network thread is busy all the time.
    ///
    /// * A listener accepts on all of them, under one id: the system gives each connection to one,
    ///   with `SO_REUSEPORT`, and takes its address for it alone, as ever. A Unix-domain listener
    ///   accepts on one. Its `accept_rate` is shared out evenly.
    /// * Each has an equal part of `sockets_max`. A full one leaves its clients in the backlog while
    ///   others may have room; what a service opens goes where there are the fewest sockets.
    /// * A service may use sockets of all. With workers, it runs on any of those. With `workers(0)`
    ///   it runs on one network thread, opens its sockets there while there is room, and what
    ///   happens to its other sockets is handed over from thread to thread: there, give each thread
    ///   services of its own.
    /// * `mailbox_bytes_max` holds for what each network thread tells a service.
    /// * A failure to accept is told once for each stretch, by each network thread that meets it.
    ///
    /// It costs a poller, a table of sockets and read buffers each; a batch of a service's commands
    /// is shared out, which allocates; at `total_bytes_max`, `SendReady` may come 10 ms late.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
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
    /// If two limits contradict, if there are no shards or more than
    /// [`SHARDS_MAX`](tidelock_core::SHARDS_MAX), or if the system gives no poller or no thread.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let directory = Arc::new(Directory::with_shards(self.config, self.shards)?);
        let config = directory.config();
        let remote = (self.workers > 0 && config.direct_write)
            .then(|| Arc::new(Remote::new(config.sockets_max, self.shards)));
        let mut pollers = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..self.shards {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN)?);
            inboxes.push(Inbox::new(Arc::clone(&waker), config.mailbox_bytes_max));
            let registry = poll.registry().try_clone()?;
            let (weak, directory) = (Arc::downgrade(&waker), Arc::clone(&directory));
            let mut backend = MioBackend::new(registry, weak, directory, self.lookup.clone());
            remote.iter().for_each(|remote| backend.share_streams(Arc::clone(remote)));
            pollers.push((poll, backend));
        }
        let inboxes = Arc::new(Inboxes::new(Arc::clone(&directory), inboxes.into()));
        let clock = Clock::start();
        let dispatcher = || Dispatcher::new(Arc::clone(&directory), self.seed);
        let pool = (self.workers > 0).then(|| Arc::new(Pool::new(dispatcher(), self.workers)));
        let workers = match &pool {
            None => Vec::new(),
            Some(pool) => {
                let (directory, inboxes) = (Arc::clone(&directory), Arc::clone(&inboxes));
                pool.start(&WorkerContext { directory, inboxes, remote: remote.clone(), clock })?
            }
        };
        let shared = Shared::new(Arc::clone(&directory), inboxes, clock, pool, remote);
        let shared = Arc::new(shared);
        let mut networks = Vec::new();
        for (shard, (poll, backend)) in (0..).zip(pollers) {
            let mux = Mux::of_shard(Arc::clone(&shared.directory), shard);
            let services = match &shared.pool {
                None => Services::Inline(Box::new(dispatcher())),
                Some(pool) => Services::Pool(Arc::clone(pool)),
            };
            networks.push(Network::new(poll, mux, backend, Arc::clone(&shared), services));
        }
        start(networks, shared, workers)
    }
}

/// Starts the network threads; if the system gives no more, those that were started end.
fn start(
    networks: Vec<Network>,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
) -> Result<Runtime, BuildError> {
    let shards = networks.len();
    let handle = Handle::new(Arc::clone(&shared));
    let mut threads = Vec::with_capacity(shards);
    for network in networks {
        let shard = network.mux.shard();
        let name = match shards {
            1 => "tidelock-net".into(),
            _ => format!("tidelock-net-{shard}"),
        };
        match thread::Builder::new().name(name).spawn(move || network_thread(network)) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                // Those that run wait for nobody: the others are done before they began.
                (shard..shards as u32).for_each(|never| {
                    shared.end.agree(never, true);
                });
                handle.begin_shutdown(Duration::ZERO);
                if let Some(pool) = &shared.pool {
                    pool.stop();
                }
                return Err(error.into());
            }
        }
    }
    Ok(Runtime { handle, network: threads, workers })
}

fn network_thread(network: Network) {
    let _abort = AbortOnPanic("network thread");
    inside::enter();
    let shared = Arc::clone(&network.shared);
    let report = network.run();
    // Whoever waits for the reports of all finds no worker that begins something more.
    if shared.end.is_last()
        && let Some(pool) = &shared.pool
    {
        pool.stop();
    }
    shared.end.report(report);
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
        if self.network.is_empty() {
            return ShutdownReport::default();
        }
        let networks = std::mem::take(&mut self.network);
        let report = self.handle.shut_down_and_wait(within);
        if !report.is_complete {
            tracing::error!(inside = ?report.inside, "a service never returned from a call");
            return report;
        }
        for network in networks {
            if network.join().is_err() {
                unreachable!("a panic of a network thread ends the process");
            }
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
