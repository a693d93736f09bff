//! Operations that are asked from outside, and their names.

use std::fmt;

use super::names::{Lookup, NAMES};
use super::ports::DEAD_PORT;

/// The name of something that comes from outside, as `c2`. Labels are never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The kind, as a lower-case letter.
    pub letter: u8,
    /// Which of them.
    pub number: u32,
}

impl Label {
    /// The letter of what connects.
    pub const CONNECT: u8 = b'c';
    /// The letter of what opens a datagram socket.
    pub const DATAGRAM: u8 = b'u';
    /// The letter of what plays a client's script.
    pub const PLAY: u8 = b'd';

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Side {
    /// The operation that opened it.
    pub label: Label,
    /// It is the accepted side.
    pub is_accepted: bool,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.label, if self.is_accepted { "'" } else { "" })
    }
}

/// When something is asked, or done to the world. `L` is a label: [`Label`], or a word of a script
/// that may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When<L = Label> {
    /// At this time.
    At {
        /// Nanoseconds since the world's beginning.
        nanos: u64,
    },
    /// As soon as the operation with this label was handed over.
    After(L),
}

/// Something that is asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// Its name.
    pub label: Label,
    /// When.
    pub when: When,
    /// On which host.
    pub host: u16,
    /// The action.
    pub action: Action,
}

/// The action of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Play a client's script: the operation's label names its connection.
    Play {
        /// Which of the stage's clients.
        client: u16,
    },
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
    /// Returns its word in scripts and signatures.
    pub const fn verb(&self) -> &'static str {
        match self {
            Action::Connect { .. } => "connect",
            Action::ConnectName { .. } => "connect-name",
            Action::Send { is_low: true, .. } => "send-low",
            Action::Send { is_low: false, .. } => "send",
            Action::Frame { .. } => "frame",
            Action::KeepOpen { .. } => "keep-open",
            Action::Nodelay { .. } => "nodelay",
            Action::HandOver { .. } => "hand-over",
            Action::Release { .. } => "release",
            Action::Info => "info",
            Action::Play { .. } => "play",
            Action::UdpConnect { .. } => "udp-connect",
            Action::Shutdown { .. } => "shutdown",
            Action::Finish { .. } => "finish",
            Action::Close { .. } => "close",
            Action::Pause { .. } => "pause",
            Action::Start { .. } => "start",
            Action::Udp { .. } => "udp",
            Action::SendTo { .. } => "send-to",
        }
    }

    /// The side that it is about, if it is not the one that opens it.
    pub fn side(&self) -> Option<Side> {
        match self {
            Action::Connect { .. }
            | Action::ConnectName { .. }
            | Action::Udp { .. }
            | Action::Play { .. }
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

    /// Returns `true` if it tries to reach an address that nobody ever serves, so that trying
    /// completes it.
    pub fn is_hopeless(&self) -> bool {
        match self {
            Action::Connect { port, .. } => *port == DEAD_PORT,
            Action::ConnectName { name, .. } => !NAMES[*name as usize].1.contains(&Lookup::Right),
            _ => false,
        }
    }
}
