//! The threads that look host names up.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{
    Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tidelock_core::{Directory, Endpoint, Event, Fault, FaultKind, SocketId};

use crate::errno::fault;
use crate::resolve::Resolve;
use crate::sys::Waker;

/// Looks host names up without blocking the network thread.
///
/// Its threads start at the first lookup. They take names from a bounded queue and wake the network
/// thread with each answer. The system's resolver cannot be interrupted, so a thread inside it is
/// not waited for at the end; it holds nothing that would keep the runtime alive.
#[derive(Debug)]
pub(crate) struct Resolver {
    waker: Weak<Waker>,
    /// `None` until the first lookup.
    queue: Option<SyncSender<Job>>,
    answers: Receiver<Event>,
    answers_sender: Sender<Event>,
    /// Tells which sockets are still alive, so that a dead one costs no lookup.
    directory: Arc<Directory>,
    lookup: Lookup,
}

/// The resolver to use, and the number of its threads.
#[derive(Clone)]
pub(crate) struct Lookup {
    pub(crate) resolve: Arc<dyn Resolve>,
    pub(crate) threads: usize,
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Default for Lookup {
    fn default() -> Self {
        Self { resolve: Arc::new(crate::SystemResolve), threads: 2 }
    }
}

#[derive(Debug)]
struct Job {
    id: SocketId,
    host: Box<str>,
    port: u16,
}

/// The most lookups that wait for a thread; further ones are refused at once.
const QUEUE_MAX: usize = 1024;

impl Resolver {
    /// Creates a resolver that wakes the network thread with `waker`.
    pub(crate) fn new(waker: Weak<Waker>, directory: Arc<Directory>, lookup: Lookup) -> Self {
        assert!(lookup.threads > 0, "a resolver without threads");
        let (answers_sender, answers) = channel();
        Self { waker, queue: None, answers, answers_sender, directory, lookup }
    }

    /// Begins a lookup. Its answer comes from [`poll`](Self::poll), unless the socket dies before a
    /// thread takes the lookup.
    ///
    /// # Errors
    /// If too many lookups wait, or no thread can be started.
    pub(crate) fn resolve(&mut self, id: SocketId, host: &str, port: u16) -> Result<(), Fault> {
        let queue = match &self.queue {
            Some(queue) => queue,
            None => {
                let queue = self.start().map_err(|error| fault(&error))?;
                self.queue.insert(queue)
            }
        };
        match queue.try_send(Job { id, host: host.into(), port }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job)) => {
                tracing::warn!(host = %job.host, "refused a lookup: {QUEUE_MAX} others wait");
                Err(FaultKind::NameResolution.into())
            }
            Err(TrySendError::Disconnected(_job)) => {
                unreachable!("all resolver threads have ended")
            }
        }
    }

    /// Returns the next answer, if there is one.
    pub(crate) fn poll(&mut self) -> Option<Event> {
        match self.answers.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => unreachable!("this end holds a sender"),
        }
    }

    fn start(&self) -> io::Result<SyncSender<Job>> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..self.lookup.threads {
            let (jobs, answers) = (Arc::clone(&jobs), self.answers_sender.clone());
            let (waker, resolve) = (self.waker.clone(), Arc::clone(&self.lookup.resolve));
            let directory = Arc::clone(&self.directory);
            thread::Builder::new()
                .name(format!("tidelock-resolve-{number}"))
                .spawn(move || work(&jobs, &answers, &waker, &directory, &*resolve))?;
        }
        Ok(queue)
    }
}

/// The body of one resolver thread, which ends with the resolver.
fn work(
    jobs: &Mutex<Receiver<Job>>,
    answers: &Sender<Event>,
    waker: &Weak<Waker>,
    directory: &Directory,
    resolve: &dyn Resolve,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { id, host, port }) = job else {
            return;
        };
        if !directory.is_alive(id) {
            continue;
        }
        let result = look_up(resolve, &host, port);
        tracing::debug!(%id, %host, ?result, "resolved");
        if answers.send(Event::Resolved { id, result }).is_err() {
            return;
        }
        if let Some(waker) = waker.upgrade()
            && let Err(error) = waker.wake()
        {
            // Not fatal: the network thread takes the answer when it next wakes.
            tracing::warn!(%error, "cannot wake the network thread");
        }
    }
}

fn look_up(resolve: &dyn Resolve, host: &str, port: u16) -> Result<Vec<Endpoint>, Fault> {
    // A panic in the user's resolver fails this lookup, and nothing else.
    let looked_up = catch_unwind(AssertUnwindSafe(|| resolve.resolve(host, port)));
    match looked_up {
        Ok(Ok(addresses)) if addresses.is_empty() => Err(FaultKind::NameNotFound.into()),
        Ok(Ok(addresses)) => Ok(addresses.into_iter().map(Endpoint::from).collect()),
        Ok(Err(error)) => Err(lookup_fault(&error)),
        Err(_panic) => {
            tracing::error!(%host, "the resolver panicked");
            Err(FaultKind::NameResolution.into())
        }
    }
}

fn lookup_fault(error: &io::Error) -> Fault {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Fault::of_system(FaultKind::NameResolution, number),
        (None, io::ErrorKind::NotFound) => FaultKind::NameNotFound.into(),
        (None, _) => FaultKind::NameResolution.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};
    use tidelock_core::Config;

    type Function = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

    struct By(Function);

    impl Resolve for By {
        fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            (self.0)(host, port)
        }
    }

    const THREADS: usize = 2;

    fn resolver(function: Function) -> Resolver {
        with(Arc::new(By(function)))
    }

    fn with(resolve: Arc<dyn Resolve>) -> Resolver {
        let directory = Arc::new(Directory::new(Config::default()).unwrap());
        Resolver::new(Weak::new(), directory, Lookup { resolve, threads: THREADS })
    }

    /// Takes the id of a live socket; its kind does not matter here.
    fn id(resolver: &Resolver) -> SocketId {
        {
            let owner = resolver.directory.take_service().unwrap();
            let at = ([127, 0, 0, 1], 1).into();
            resolver.directory.take_listener(owner, &at).unwrap().0
        }
    }

    fn poll_within(resolver: &mut Resolver, bound: Duration) -> Option<Event> {
        let start = Instant::now();
        loop {
            if let Some(event) = resolver.poll() {
                return Some(event);
            }
            if start.elapsed() > bound {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn localhost_has_a_loopback_address() {
        let mut resolver = with(Arc::new(crate::SystemResolve));
        let id = id(&resolver);
        resolver.resolve(id, "localhost", 80).unwrap();
        match poll_within(&mut resolver, Duration::from_secs(10)) {
            Some(Event::Resolved { id: of, result: Ok(addresses) }) => {
                assert_eq!(of, id);
                for address in addresses {
                    let address = address.socket_addr().unwrap();
                    assert!(address.ip().is_loopback() && address.port() == 80);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slow_name_does_not_stop_another() {
        fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            if host == "slow" {
                thread::sleep(Duration::from_millis(500));
            }
            Ok(vec![([127, 0, 0, 1], port).into()])
        }
        let mut resolver = resolver(lookup);
        let (slow, fast) = (id(&resolver), id(&resolver));
        let start = Instant::now();
        resolver.resolve(slow, "slow", 1).unwrap();
        resolver.resolve(fast, "fast", 2).unwrap();
        assert!(start.elapsed() < Duration::from_millis(250), "a lookup blocked its caller");
        for expected in [fast, slow] {
            let event = poll_within(&mut resolver, Duration::from_secs(10));
            assert_eq!(event.map(|event| event.socket()), Some(expected));
        }
    }

    #[test]
    fn a_dead_socket_costs_no_lookup() {
        let mut resolver = resolver(|_, _| panic!("looked up for a dead socket"));
        let never_alive = SocketId::new(7, NonZeroU32::MIN);
        resolver.resolve(never_alive, "a", 1).unwrap();
        assert!(poll_within(&mut resolver, Duration::from_millis(100)).is_none());
        resolver.resolve(never_alive, "b", 1).expect("the threads go on");
    }

    #[test]
    fn too_many_lookups_are_refused_at_once() {
        fn lookup(_host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            thread::sleep(Duration::from_millis(200));
            Ok(Vec::new())
        }
        let mut resolver = resolver(lookup);
        let id = id(&resolver);
        let refused =
            (0..QUEUE_MAX + THREADS + 8).filter(|_| resolver.resolve(id, "a", 1).is_err()).count();
        assert!(
            (8..=8 + THREADS).contains(&refused),
            "{refused} refused, not 8 to {}",
            8 + THREADS
        );
    }

    #[test]
    fn every_failure_of_a_lookup_becomes_a_fault_with_a_meaning() {
        let of = |function: Function| look_up(&By(function), "a", 1).unwrap_err();
        assert_eq!(of(|_, _| Ok(Vec::new())), FaultKind::NameNotFound.into());
        let unknown = |_: &str, _: u16| Err(io::ErrorKind::NotFound.into());
        assert_eq!(of(unknown), FaultKind::NameNotFound.into());
        let passing = |_: &str, _: u16| Err(io::Error::other("try again"));
        assert_eq!(of(passing), FaultKind::NameResolution.into());
        let system = |_: &str, _: u16| Err(io::Error::from_raw_os_error(24));
        assert_eq!(of(system), Fault::of_system(FaultKind::NameResolution, 24));
        assert_eq!(of(|_, _| panic!("a user's mistake")), FaultKind::NameResolution.into());
    }
}
