//! Servers of the same protocols, to be measured side by side.

mod raw;
mod tidelock;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;

use crate::child::Child;
use crate::cpu;

/// The beginning of the names of all threads of a server in this process.
const THREADS: [&str; 2] = [raw::THREAD, tidelock::THREAD];

/// The servers that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// mio by hand: what there is to reach.
    Raw,
    /// tokio on one thread, a task for each connection.
    Tokio,
    /// message-io.
    MessageIo,
    /// Tidelock, the service on the network thread.
    Inline,
    /// Tidelock, the service on worker threads.
    Workers,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] =
        [Kind::Raw, Kind::Tokio, Kind::MessageIo, Kind::Inline, Kind::Workers];

    /// Returns `true` if it is a program of the package `peers`, which may be missing.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Kind::Tokio | Kind::MessageIo)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Raw => "raw-mio",
            Kind::Tokio => "tokio",
            Kind::MessageIo => "message-io",
            Kind::Inline => "inline",
            Kind::Workers => "workers",
        }
    }
}

/// The work of a server with what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It sends it back.
    Echo,
    /// It drops it.
    Sink,
    /// It sends [`BROADCAST_BYTES`] to everybody, [`BROADCAST_ROUNDS`] times.
    Broadcast,
    /// Echo, beside [`TIMERS`] armed ones. Only Tidelock has it.
    EchoBesideTimers,
    /// Echo; but who sends [`PLEASE_QUEUE`] first gets [`QUEUED_MESSAGES`]. Only Tidelock has it.
    EchoBesideSlow,
}

/// One message of a broadcast.
pub(crate) const BROADCAST_BYTES: usize = 64;
/// So many messages to each connection, for each broadcast that is asked for.
pub(crate) const BROADCAST_ROUNDS: usize = 100;
/// So many timers are armed for later.
pub(crate) const TIMERS: usize = 100_000;
/// Asks for many messages.
pub(crate) const PLEASE_QUEUE: u8 = b'Q';
/// So many messages of 64 B.
pub(crate) const QUEUED_MESSAGES: usize = 100_000;

/// A server that runs, on a port that the kernel chose.
pub(crate) enum Server {
    Tidelock(tidelock::Running),
    Raw(Running),
    Peer(Child),
}

/// A server on one thread of its own.
pub(crate) struct Running {
    address: SocketAddr,
    stop: Box<dyn FnOnce()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts one; `peers` is the folder of the other libraries' programs.
    pub(crate) fn start(kind: Kind, work: Work, peers: &Path) -> Self {
        let workers = match kind {
            Kind::Raw => return Self::Raw(raw::start(work)),
            Kind::Tokio | Kind::MessageIo => {
                let mut program = Command::new(peers.join(format!("peer-{}", kind.name())));
                match work {
                    Work::Echo => program.arg("echo"),
                    Work::Broadcast => program
                        .arg("broadcast")
                        .args([BROADCAST_ROUNDS, BROADCAST_BYTES].map(|number| number.to_string())),
                    other => panic!("{other:?} is not compared with {kind:?}"),
                };
                return Self::Peer(Child::start(program).expect("the peer starts"));
            }
            Kind::Inline => 0,
            Kind::Workers => 2,
        };
        Self::Tidelock(tidelock::Running::start(workers, work))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Tidelock(running) => running.address(),
            Self::Raw(running) => running.address,
            Self::Peer(child) => child.address(),
        }
    }

    /// Returns the time that its threads ran so far, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        match self {
            Self::Peer(child) => cpu::of_process(child.process()),
            Self::Tidelock(_) | Self::Raw(_) => cpu::of_threads(&THREADS),
        }
    }

    pub(crate) fn stop(self) {
        match self {
            Self::Tidelock(running) => running.stop(),
            Self::Peer(child) => child.stop(),
            Self::Raw(Running { stop, thread, .. }) => {
                stop();
                thread.join().expect("the server ends in peace");
            }
        }
    }
}
