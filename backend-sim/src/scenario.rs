//! A scenario as a value: hosts, services, and what is asked from outside.

use std::fmt;

use tidelock_core::Service;

use crate::kernel::{Lookup, NAMES};
use crate::streams::Stream;
use crate::swarm::Options;

/// A kind of world. Every number of it comes from a seed.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// One line on what it is about.
    pub about: &'static str,
    /// Makes the drawn options fit, as a limit that this scenario needs.
    pub adjust: fn(&mut Options),
    /// What is asked from outside, in order of time.
    pub plan: fn(&Options, &mut Stream) -> Vec<Operation>,
    /// The services of the server's host, besides its operator.
    pub services: fn(&Options) -> Vec<Box<dyn Service>>,
    /// The services of the client's host, besides its operator: for a protocol of one's own,
    /// clients that panic when they are told what they must not be.
    pub clients: fn(&Options) -> Vec<Box<dyn Service>>,
    /// What a scripted peer does in the server's place.
    pub server: Behaviour,
}

/// A scenario, and who makes its options fit and the services of its hosts: by default the
/// scenario itself.
#[derive(Clone, Copy)]
pub struct Cast<'a> {
    /// The kind of world.
    pub scenario: &'a Scenario,
    /// Makes the drawn options fit; instead of the scenario's own.
    pub adjust: &'a dyn Fn(&mut Options),
    /// Makes the services of a host, by its number; called once for each host of each world.
    pub services: &'a MakeServices<'a>,
}

/// Makes the services of a host, by its number.
pub type MakeServices<'a> = dyn Fn(u16, &Options) -> Vec<Box<dyn Service>> + 'a;

/// The host where connections begin.
pub const CLIENT: u16 = 0;
/// The host that they go to.
pub const SERVER: u16 = 1;
/// Where the server listens.
pub const SERVER_PORT: u16 = 9000;
/// Where nobody ever listens.
pub const DEAD_PORT: u16 = 9999;
/// The hosts' names, by their number.
pub const HOST_NAMES: [&str; 2] = ["client", "server"];

/// What a scripted peer does with what it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Sends back what it reads, and FIN after FIN.
    Echo,
    /// Reads and says nothing; FIN after FIN.
    Sink,
}

/// The name of something that comes from outside, as `c2`. Labels are never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// What it is, by a lower-case letter.
    pub letter: u8,
    /// Which of them.
    pub number: u32,
}

impl Label {
    /// The letter of what connects.
    pub const CONNECT: u8 = b'c';
    /// The letter of what opens a datagram socket.
    pub const DATAGRAM: u8 = b'u';

    /// The connect with this number.
    pub const fn connect(number: u32) -> Self {
        Self { letter: Self::CONNECT, number }
    }

    /// Reads a label.
    pub fn parse(text: &str) -> Option<Self> {
        let letter = *text.as_bytes().first()?;
        let number = text.get(1..)?.parse().ok()?;
        letter.is_ascii_lowercase().then_some(Self { letter, number })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.letter), self.number)
    }
}

/// One side of a connection, or a datagram socket: the label of what opened it, and a tick for
/// the accepted side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    /// What opened it.
    pub label: Label,
    /// Whether it is the accepted side.
    pub is_accepted: bool,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.label, if self.is_accepted { "'" } else { "" })
    }
}

/// When something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this time.
    At {
        /// Nanoseconds since the world's beginning.
        nanos: u64,
    },
    /// As soon as the operation with this label was handed over.
    After(Label),
}

/// Something that is asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name.
    pub label: Label,
    /// When.
    pub when: When,
    /// On which host.
    pub host: u16,
    /// What.
    pub action: Action,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to a host. The operation's label names the connection.
    Connect {
        /// The host.
        to: u16,
        /// The port.
        port: u16,
        /// Do not read before `Start`.
        is_paused: bool,
    },
    /// Connect by a name of [`NAMES`].
    ConnectName {
        /// Which of the names.
        name: u8,
        /// The port.
        port: u16,
        /// Do not read before `Start`.
        is_paused: bool,
    },
    /// Send one message; on a datagram socket one datagram to its peer.
    Send {
        /// From where.
        on: Side,
        /// Which message of this side and priority, from 0.
        message: u32,
        /// Its length.
        bytes: u32,
        /// With low priority.
        is_low: bool,
    },
    /// Send one message with high priority that begins with its length, in two parts.
    Frame {
        /// From where.
        on: Side,
        /// Which message of this side and priority, from 0.
        message: u32,
        /// Its length, with the head.
        bytes: u32,
    },
    /// Flush, FIN, discard what comes.
    Shutdown {
        /// Which.
        on: Side,
    },
    /// Flush, FIN, keep reading.
    Finish {
        /// Which.
        on: Side,
    },
    /// Discard what is unsent.
    Close {
        /// Which.
        on: Side,
    },
    /// Stop reading.
    Pause {
        /// Which.
        on: Side,
    },
    /// Read again.
    Start {
        /// Which.
        on: Side,
    },
    /// Outlive the peer's FIN.
    KeepOpen {
        /// Which.
        on: Side,
    },
    /// Set an option.
    Nodelay {
        /// Which.
        on: Side,
    },
    /// Give it to a service of its own, which starts it.
    HandOver {
        /// Which.
        on: Side,
    },
    /// Release the service that it was given to.
    Release {
        /// Which.
        on: Side,
    },
    /// Ask about all sockets.
    Info,
    /// Open a datagram socket. The operation's label names it.
    Udp {
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// Give a datagram socket its only peer.
    UdpConnect {
        /// Which.
        on: Side,
        /// The host.
        to: u16,
        /// The port.
        port: u16,
    },
    /// Send one datagram.
    SendTo {
        /// From where.
        on: Side,
        /// The host.
        to: u16,
        /// The port.
        port: u16,
        /// Which datagram of this side, from 0.
        message: u32,
        /// Its length.
        bytes: u32,
    },
}

impl Action {
    /// The side that it is about, if it is not the one that opens it.
    pub fn side(&self) -> Option<Side> {
        match self {
            Action::Connect { .. }
            | Action::ConnectName { .. }
            | Action::Udp { .. }
            | Action::Info => None,
            Action::Send { on, .. }
            | Action::Shutdown { on }
            | Action::Finish { on }
            | Action::Close { on }
            | Action::Pause { on }
            | Action::Start { on }
            | Action::Frame { on, .. }
            | Action::KeepOpen { on }
            | Action::Nodelay { on }
            | Action::HandOver { on }
            | Action::Release { on }
            | Action::UdpConnect { on, .. }
            | Action::SendTo { on, .. } => Some(*on),
        }
    }

    /// Whether it tries to reach what nobody ever serves, so that trying completes it.
    pub fn is_hopeless(&self) -> bool {
        match self {
            Action::Connect { port, .. } => *port == DEAD_PORT,
            Action::ConnectName { name, .. } => !NAMES[*name as usize].1.contains(&Lookup::Right),
            _ => false,
        }
    }
}

/// Actor, verb and arguments, as in a script.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |host: u16| HOST_NAMES.get(host as usize).copied().unwrap_or("nowhere");
        write!(f, "{} ", host(self.host))?;
        match self.action {
            Action::Connect { to, port, is_paused } => {
                let paused = if is_paused { " paused" } else { "" };
                write!(f, "connect {}:{port}{paused}", host(to))
            }
            Action::ConnectName { name, port, is_paused } => {
                let paused = if is_paused { " paused" } else { "" };
                write!(f, "connect-name {}:{port}{paused}", NAMES[name as usize].0)
            }
            Action::Send { on, message, bytes, is_low } => {
                let verb = if is_low { "send-low" } else { "send" };
                write!(f, "{verb} {on} {message} {bytes}")
            }
            Action::Frame { on, message, bytes } => write!(f, "frame {on} {message} {bytes}"),
            Action::KeepOpen { on } => write!(f, "keep-open {on}"),
            Action::Nodelay { on } => write!(f, "nodelay {on}"),
            Action::HandOver { on } => write!(f, "hand-over {on}"),
            Action::Release { on } => write!(f, "release {on}"),
            Action::Info => write!(f, "info"),
            Action::UdpConnect { on, to, port } => {
                write!(f, "udp-connect {on} {}:{port}", host(to))
            }
            Action::Shutdown { on } => write!(f, "shutdown {on}"),
            Action::Finish { on } => write!(f, "finish {on}"),
            Action::Close { on } => write!(f, "close {on}"),
            Action::Pause { on } => write!(f, "pause {on}"),
            Action::Start { on } => write!(f, "start {on}"),
            Action::Udp { port } => write!(f, "udp {port}"),
            Action::SendTo { on, to, port, message, bytes } => {
                write!(f, "send-to {on} {}:{port} {message} {bytes}", host(to))
            }
        }
    }
}
