//! The runtime: the threads around the Muxes.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidelock_core::{Config, ConfigError, Directory, Dispatcher, ExitReport, Mux, ServiceId};

use crate::backend::{MioBackend, WAKE_TOKEN};
use crate::clock::Clock;
use crate::guarded::{self, AbortOnPanic};
use crate::handle::Handle;
use crate::inbox::Inbox;
use crate::inboxes::Inboxes;
use crate::inline::InlineServices;
use crate::inside;
use crate::network::{Network, Services};
use crate::resolve::Resolve;
use crate::resolver::Lookup;
use crate::shared::Shared;
use crate::sys::{Poll, Waker};
use crate::workers::{Pool, WorkerContext};

/// A runtime for services on real sockets: one or more network threads, and any number of worker
/// threads.
///
/// Dropping it shuts it down and gives the services one second. [`shutdown`](Self::shutdown) takes
/// the time as an argument, and reports what was not sent.
///
/// ```no_run
/// use tidelock_core::{ListenOptions, Message, Net, Service};
/// use tidelock_mio::Runtime;
///
/// struct Echo;
/// impl Service for Echo {
///     fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
///         if let Message::Data { socket, bytes } = message {
///             // The echo is lost if the socket has closed, or if its peer does not read.
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
    /// Empty once the runtime has ended.
    network: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

/// The result of a shutdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The bytes that were not sent, and the sockets that were closed. Empty if the runtime did not
    /// end.
    pub exit: ExitReport,
    /// Services that were still inside a call at the deadline. They are not waited for, and nothing
    /// that they ask has an effect any more.
    pub inside: Vec<ServiceId>,
    /// `true` if all network threads ended. One does not end if a service on it (`workers(0)`)
    /// never returns from a call.
    pub is_complete: bool,
}

/// The settings of a new [`Runtime`].
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
    /// Sets the limits and timeouts. Default: [`Config::default`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the number of threads that run services. With zero, the default, services run on the
    /// network thread, which is best for many small messages and services that compute little.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the number of network threads, each of which has sockets of its own. Default 1, which
    /// is best until one network thread is busy all the time.
    ///
    /// * A listener accepts on all network threads, under one id: with `SO_REUSEPORT` the system
    ///   gives each connection to one of them. Another program still cannot take the address. A
    ///   Unix-domain listener accepts on one network thread. An `accept_rate` is divided evenly.
    /// * Each network thread has an equal part of `sockets_max`. A full one leaves its clients in
    ///   the backlog, although others may have room. A socket that a service opens goes to the
    ///   network thread with the fewest sockets.
    /// * A service may use the sockets of all network threads. With workers, it runs on any worker.
    ///   With `workers(0)` it runs on one network thread and opens its sockets there while there is
    ///   room. Messages about its other sockets are handed from thread to thread, so in this mode
    ///   give each network thread services of its own.
    /// * `mailbox_bytes_max` applies to the messages of each network thread separately.
    /// * A failure to accept is reported once per period of failures, by each network thread that
    ///   meets it.
    ///
    /// Each network thread costs a poller, a table of sockets and read buffers. With several, the
    /// commands of a batch are divided among them, which allocates, and at `total_bytes_max` a
    /// `SendReady` may come 10 ms late.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Sets the seed of `Net::random` in all services. Default 0: the numbers are the same in every
    /// run, and not secret.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the resolver of host names. Default: [`SystemResolve`](crate::SystemResolve).
    pub fn resolver(mut self, resolve: impl Resolve) -> Self {
        self.lookup.resolve = Arc::new(resolve);
        self
    }

    /// Sets the number of threads that look host names up. Default 2; they start with the first
    /// lookup. A resolver that hangs blocks its thread, so a program that connects to many names at
    /// once needs more. Up to 1,024 lookups wait for a thread; further ones are refused with
    /// `NameResolution`.
    ///
    /// # Panics
    /// If `threads` is zero: no name would ever be found.
    pub fn resolver_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "at least one thread must look names up");
        self.lookup.threads = threads;
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If two limits contradict each other, if the number of shards is zero or above
    /// [`SHARDS_MAX`](tidelock_core::SHARDS_MAX), or if the system refuses a poller or a thread.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let directory = Arc::new(Directory::with_shards(self.config, self.shards)?);
        let config = directory.config();
        let mut pollers = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..self.shards {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN)?);
            inboxes.push(Inbox::new(Arc::clone(&waker), config.mailbox_bytes_max));
            let registry = poll.registry().try_clone()?;
            let (weak, directory) = (Arc::downgrade(&waker), Arc::clone(&directory));
            let backend = MioBackend::new(registry, weak, directory, self.lookup.clone());
            pollers.push((poll, backend));
        }
        let inboxes = Arc::new(Inboxes::new(Arc::clone(&directory), inboxes.into()));
        let clock = Clock::start();
        let dispatcher =
            || Dispatcher::new(Arc::clone(&directory), self.seed).with_dispose(guarded::dispose);
        let pool = (self.workers > 0).then(|| Arc::new(Pool::new(dispatcher(), self.workers)));
        let workers = match &pool {
            None => Vec::new(),
            Some(pool) => {
                let (directory, inboxes) = (Arc::clone(&directory), Arc::clone(&inboxes));
                pool.start(&WorkerContext { directory, inboxes, clock })?
            }
        };
        let shared = Arc::new(Shared::new(Arc::clone(&directory), inboxes, clock, pool));
        let mut networks = Vec::new();
        for (shard, (poll, backend)) in (0..).zip(pollers) {
            let mux = Mux::of_shard(Arc::clone(&shared.directory), shard);
            let services = match &shared.pool {
                None => Services::Inline(InlineServices::new(dispatcher())),
                Some(pool) => Services::Pool(Arc::clone(pool)),
            };
            networks.push(Network::new(poll, mux, backend, Arc::clone(&shared), services));
        }
        start(networks, shared, workers)
    }
}

/// Starts the network threads. If the system refuses one, those already started end again.
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
                // Mark those that will never run as done, so that the running ones do not wait for
                // them to agree on the end.
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
    // The workers stop before the last report, so that a thread which has waited for all reports
    // sees no service begin another call.
    if shared.end.is_last()
        && let Some(pool) = &shared.pool
    {
        pool.stop();
    }
    shared.end.report(report);
}

impl Runtime {
    /// Returns a builder with the default configuration, and services on the network thread.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the handle, for other threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Shuts the runtime down and waits for its end: listeners close, services get `Exit`, their
    /// output is flushed, and at the deadline the remaining sockets are closed. The report tells
    /// what was not sent.
    ///
    /// It takes a second longer than `within` only if a service on a network thread does not return
    /// from a call.
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
            tracing::error!(inside = ?report.inside, "a service has not returned from its call");
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
                unreachable!("a panic of a worker outside a service ends the process");
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
            let bytes = report.exit.unsent_bytes;
            tracing::warn!(bytes, "the runtime was dropped with unsent bytes");
        }
    }
}

/// The reason why no runtime was built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration is invalid.
    Config(ConfigError),
    /// The system refused a poller or a thread.
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
