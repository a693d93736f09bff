//! Host names, looked up on threads of their own.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{
    Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tidelock_core::{Directory, Endpoint, Event, Fault, FaultKind, SocketId};

use crate::errno::fault;
use crate::sys::Waker;

/// Looks host names up without stopping the network thread.
///
/// Two threads, started at the first lookup, take names from a bounded queue and wake the network
/// thread with each answer. A system resolver cannot be interrupted: a thread inside one is not
/// waited for at the end, and holds nothing of the runtime.
#[derive(Debug)]
pub(crate) struct Resolver {
    waker: Weak<Waker>,
    /// `None` until the first lookup.
    queue: Option<SyncSender<Job>>,
    answers: Receiver<Event>,
    answers_sender: Sender<Event>,
    /// Tells whether a lookup's socket still wants its answer.
    directory: Arc<Directory>,
    lookup: Lookup,
}

/// How one name is looked up; the system's way, but for tests.
pub(crate) type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

#[derive(Debug)]
struct Job {
    id: SocketId,
    host: Box<str>,
    port: u16,
}

const THREADS: usize = 2;
/// Lookups that wait for a thread; more are refused at once.
const QUEUE_MAX: usize = 1024;

impl Resolver {
    /// A resolver that wakes the network thread with `waker`.
    pub(crate) fn new(waker: Weak<Waker>, directory: Arc<Directory>) -> Self {
        Self::with_lookup(waker, directory, system_lookup)
    }

    pub(crate) fn with_lookup(
        waker: Weak<Waker>,
        directory: Arc<Directory>,
        lookup: Lookup,
    ) -> Self {
        let (answers_sender, answers) = channel();
        Self { waker, queue: None, answers, answers_sender, directory, lookup }
    }

    /// Looks names up in another way from now on.
    #[cfg(test)]
    pub(crate) fn set_lookup(&mut self, lookup: Lookup) {
        assert!(self.queue.is_none(), "its threads look names up in the old way already");
        self.lookup = lookup;
    }

    /// Begins a lookup; its answer comes from [`poll`](Self::poll), unless the socket dies before
    /// a thread has time for it.
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
                tracing::warn!(host = %job.host, "too many lookups wait");
                Err(FaultKind::NameResolution.into())
            }
            Err(TrySendError::Disconnected(_job)) => unreachable!("resolver threads never panic"),
        }
    }

    /// The next answer, if one is there.
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
        for number in 0..THREADS {
            let (jobs, answers) = (Arc::clone(&jobs), self.answers_sender.clone());
            let (waker, lookup) = (self.waker.clone(), self.lookup);
            let directory = Arc::clone(&self.directory);
            thread::Builder::new()
                .name(format!("tidelock-resolve-{number}"))
                .spawn(move || work(&jobs, &answers, &waker, &directory, lookup))?;
        }
        Ok(queue)
    }
}

/// One resolver thread: ends when the resolver is gone.
fn work(
    jobs: &Mutex<Receiver<Job>>,
    answers: &Sender<Event>,
    waker: &Weak<Waker>,
    directory: &Directory,
    lookup: Lookup,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { id, host, port }) = job else {
            return;
        };
        if !directory.is_alive(id) {
            continue;
        }
        let result = resolve(lookup, &host, port);
        tracing::debug!(%id, %host, ?result, "resolved");
        if answers.send(Event::Resolved { id, result }).is_err() {
            return;
        }
        if let Some(waker) = waker.upgrade()
            && let Err(error) = waker.wake()
        {
            // Not fatal: the answer is taken when the network thread next wakes.
            tracing::warn!(%error, "the network thread could not be woken");
        }
    }
}

fn resolve(lookup: Lookup, host: &str, port: u16) -> Result<Vec<Endpoint>, Fault> {
    match lookup(host, port) {
        Ok(addresses) if addresses.is_empty() => Err(FaultKind::NameNotFound.into()),
        Ok(addresses) => Ok(addresses.into_iter().map(Endpoint::from).collect()),
        Err(error) => Err(lookup_fault(&error)),
    }
}

fn system_lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// The standard library keeps a resolver's own code only as a text. glibc's and musl's texts for
/// "try again" are told apart from a name that has no address; a system error keeps its number.
fn lookup_fault(error: &io::Error) -> Fault {
    if let Some(number) = error.raw_os_error() {
        return Fault { kind: FaultKind::NameResolution, os: Some(number) };
    }
    let text = error.to_string();
    let is_passing = ["Temporary failure", "Try again", "Non-recoverable", "Memory allocation"];
    if is_passing.iter().any(|passing| text.contains(passing)) {
        FaultKind::NameResolution.into()
    } else {
        FaultKind::NameNotFound.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};
    use tidelock_core::Config;

    fn resolver(lookup: Lookup) -> Resolver {
        let directory = Arc::new(Directory::new(Config::default()).unwrap());
        Resolver::with_lookup(Weak::new(), directory, lookup)
    }

    /// A living socket; the kind does not matter here.
    fn id(resolver: &Resolver) -> SocketId {
        resolver.directory.take_listener().unwrap()
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
        let mut resolver = resolver(system_lookup);
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
        assert!(start.elapsed() < Duration::from_millis(250), "a lookup stopped its asker");
        for expected in [fast, slow] {
            let event = poll_within(&mut resolver, Duration::from_secs(10));
            assert_eq!(event.map(|event| event.socket()), Some(expected));
        }
    }

    #[test]
    fn a_socket_that_died_meanwhile_costs_no_lookup() {
        let mut resolver = resolver(|_, _| panic!("looked up for nobody"));
        let never_alive = SocketId::new(7, NonZeroU32::MIN);
        resolver.resolve(never_alive, "a", 1).unwrap();
        assert!(poll_within(&mut resolver, Duration::from_millis(100)).is_none());
        resolver.resolve(never_alive, "b", 1).expect("the threads live on");
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
        assert!((8..=8 + THREADS).contains(&refused), "{refused} were refused");
    }

    #[test]
    fn a_name_without_an_address_is_not_found() {
        assert_eq!(resolve(|_, _| Ok(Vec::new()), "a", 1), Err(FaultKind::NameNotFound.into()));
        let again = |_: &str, _: u16| {
            Err(io::Error::other("failed to lookup: Temporary failure in name resolution"))
        };
        assert_eq!(resolve(again, "a", 1), Err(FaultKind::NameResolution.into()));
        let never = |_: &str, _: u16| Err(io::Error::other("Name or service not known"));
        assert_eq!(resolve(never, "a", 1), Err(FaultKind::NameNotFound.into()));
    }
}
