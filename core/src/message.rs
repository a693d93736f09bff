//! The messages to a service.

use std::any::Any;
use std::fmt;

use bytes::Bytes;

use crate::{
    Config, Endpoint, Fault, MESSAGE_OVERHEAD_BYTES, Operation, ServiceId, SocketId, SocketInfo,
    TimerId,
};

/// A message to a service. The first seven kinds come from Skynet's socket layer.
///
/// Messages about one socket reach its owner in the order in which things happened. `Close` is
/// produced exactly once for every id that was ever returned, and is the last about it.
#[non_exhaustive]
pub enum Message {
    /// Bytes from the peer of a stream; never empty.
    Data {
        /// The socket that received them.
        socket: SocketId,
        /// The bytes; they now belong to the receiver.
        bytes: Bytes,
    },
    /// An outgoing or adopted socket is open. Once per such socket.
    Connect {
        /// The socket.
        socket: SocketId,
        /// Its own end.
        local: Endpoint,
        /// The far end.
        peer: Endpoint,
    },
    /// The socket is gone; nothing about it follows.
    Close {
        /// The socket.
        socket: SocketId,
        /// The first cause.
        reason: CloseReason,
        /// Payload bytes that were accepted from services and that the system did not take.
        unsent: u64,
    },
    /// A listener has a new connection. It is not read before `start`, unless the listener says
    /// `auto_start`.
    Accept {
        /// The listener.
        socket: SocketId,
        /// The new socket.
        accepted: SocketId,
        /// The far end.
        peer: Endpoint,
        /// Its own end.
        local: Endpoint,
    },
    /// An operation failed. After a fatal one only `Close` follows.
    Error {
        /// The socket.
        socket: SocketId,
        /// The answer of the failing call.
        fault: Fault,
        /// Which call it was.
        operation: Operation,
        /// `true` if the socket dies of it.
        fatal: bool,
    },
    /// One datagram.
    Udp {
        /// The socket that received it.
        socket: SocketId,
        /// The sender.
        from: Endpoint,
        /// Its payload; may be empty.
        payload: Bytes,
    },
    /// Unsent bytes passed `warn_bytes · 2^k`, or, with zero, fell below half of `warn_bytes`.
    Warning {
        /// The socket.
        socket: SocketId,
        /// Unsent payload bytes, or zero.
        pending_bytes: u64,
    },
    /// A listener or a datagram socket is open.
    Listening {
        /// The socket.
        socket: SocketId,
        /// The address with the real port.
        local: Endpoint,
    },
    /// The peer sent FIN; all of its data came before. When the owner has handled this, the
    /// socket is shut down, unless the owner changed, the socket is `half_open`, or the service
    /// called `keep_open`.
    Eof {
        /// The socket.
        socket: SocketId,
    },
    /// Reading has stopped. The last message about the socket (but `Warning`, `Error`, `Close`)
    /// until somebody starts it.
    Paused {
        /// The socket.
        socket: SocketId,
    },
    /// An outbox that was full has room again.
    SendReady {
        /// The socket that the refused send was for.
        socket: SocketId,
    },
    /// A command came too late. No part of the socket's own sequence: it may come after `Close`.
    Refused {
        /// The socket.
        socket: SocketId,
        /// The refused command.
        operation: Operation,
        /// Why.
        why: RefusedReason,
    },
    /// A timer of this service is due.
    Timer {
        /// The timer.
        timer: TimerId,
    },
    /// A value from another service, or from outside.
    Posted {
        /// The service that posted it; `None` for code outside services.
        from: Option<ServiceId>,
        /// The value.
        value: Box<dyn Any + Send>,
    },
    /// The answer to `info`.
    Info(Vec<SocketInfo>),
    /// The runtime is shutting down. The service may still send; when it has handled this, its
    /// sockets are shut down.
    Exit,
}

impl Message {
    /// The kind, without the fields.
    pub fn kind(&self) -> MessageKind {
        match self {
            Message::Data { .. } => MessageKind::Data,
            Message::Connect { .. } => MessageKind::Connect,
            Message::Close { .. } => MessageKind::Close,
            Message::Accept { .. } => MessageKind::Accept,
            Message::Error { .. } => MessageKind::Error,
            Message::Udp { .. } => MessageKind::Udp,
            Message::Warning { .. } => MessageKind::Warning,
            Message::Listening { .. } => MessageKind::Listening,
            Message::Eof { .. } => MessageKind::Eof,
            Message::Paused { .. } => MessageKind::Paused,
            Message::SendReady { .. } => MessageKind::SendReady,
            Message::Refused { .. } => MessageKind::Refused,
            Message::Timer { .. } => MessageKind::Timer,
            Message::Posted { .. } => MessageKind::Posted,
            Message::Info(_) => MessageKind::Info,
            Message::Exit => MessageKind::Exit,
        }
    }

    /// The socket that it is about, if it is about one.
    pub fn socket(&self) -> Option<SocketId> {
        match self {
            Message::Data { socket, .. }
            | Message::Connect { socket, .. }
            | Message::Close { socket, .. }
            | Message::Accept { socket, .. }
            | Message::Error { socket, .. }
            | Message::Udp { socket, .. }
            | Message::Warning { socket, .. }
            | Message::Listening { socket, .. }
            | Message::Eof { socket }
            | Message::Paused { socket }
            | Message::SendReady { socket }
            | Message::Refused { socket, .. } => Some(*socket),
            Message::Timer { .. } | Message::Posted { .. } | Message::Info(_) | Message::Exit => {
                None
            }
        }
    }

    /// Checks what every message must be, whoever made it. Nothing that a peer or a service does
    /// can break this.
    #[inline]
    pub(crate) fn check(&self) {
        match self {
            Message::Data { socket, bytes } => {
                assert!(!bytes.is_empty(), "{socket}: data without a byte");
            }
            seldom => seldom.check_seldom(),
        }
    }

    fn check_seldom(&self) {
        match self {
            Message::Data { .. } => {}
            Message::Connect { socket, local, .. } => {
                assert_ne!(local.port(), Some(0), "{socket} is connected at no real port");
            }
            Message::Eof { .. } | Message::Paused { .. } => {}
            Message::Close { socket, reason, .. } => reason.check(*socket),
            Message::Accept { socket, accepted, local, .. } => {
                assert_ne!(local.port(), Some(0), "{socket} accepted at no real port");
                assert_ne!(socket, accepted, "a listener accepted itself");
                assert_ne!(socket.index(), accepted.index(), "{socket}: two sockets in a place");
            }
            Message::Error { socket, fault, operation, fatal } => {
                fault.check();
                let is_fatal = operation.can_be_fatal();
                assert_eq!(*fatal, is_fatal, "{socket}: does it survive {operation:?}?");
                assert_ne!(*operation, Operation::Start, "{socket}: `start` is refused instead");
            }
            Message::Udp { socket, payload, .. } => {
                assert!(payload.len() <= 65_527, "{socket}: {} B in a datagram", payload.len());
            }
            Message::Warning { .. } | Message::SendReady { .. } => {}
            Message::Listening { socket, local } => {
                assert_ne!(local.port(), Some(0), "{socket} listens at no real port");
            }
            Message::Refused { socket, operation, why } => {
                assert_eq!(*operation, Operation::Start, "{socket}: only `start` is refused");
                assert_eq!(*why, RefusedReason::Gone, "{socket} is there");
            }
            Message::Timer { .. } | Message::Posted { .. } | Message::Exit => {}
            Message::Info(sockets) => {
                sockets.iter().for_each(SocketInfo::check);
                let is_sorted =
                    sockets.is_sorted_by(|one, next| one.socket.index() < next.socket.index());
                assert!(is_sorted, "each socket is told of once, in order");
            }
        }
    }

    /// Returns the charge of the message in a mailbox: its payload and 64 bytes. Bytes that were
    /// read are charged with the buffer that they keep alive, if they fill half of it: less is
    /// copied out.
    #[inline]
    pub fn charge_bytes(&self, config: &Config) -> usize {
        let payload = match self {
            Message::Data { bytes, .. } => config.read_charge_bytes(bytes.len()),
            Message::Udp { payload, .. } => payload.len(),
            Message::Info(sockets) => sockets.len() * size_of::<SocketInfo>(),
            _ => 0,
        };
        MESSAGE_OVERHEAD_BYTES + payload
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line for a trace: the kind, the socket, and what matters of the rest.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Data { socket, bytes } => write!(f, "Data {socket} {} B", bytes.len()),
            Message::Connect { socket, local, peer } => {
                write!(f, "Connect {socket} {local} to {peer}")
            }
            Message::Close { socket, reason, unsent } => {
                write!(f, "Close {socket} {reason}, {unsent} B unsent")
            }
            Message::Accept { socket, accepted, peer, .. } => {
                write!(f, "Accept {socket} new {accepted} from {peer}")
            }
            Message::Error { socket, fault, operation, fatal } => {
                let weight = if *fatal { "fatal" } else { "passing" };
                write!(f, "Error {socket} {operation:?}: {fault} ({weight})")
            }
            Message::Udp { socket, from, payload } => {
                write!(f, "Udp {socket} {} B from {from}", payload.len())
            }
            Message::Warning { socket, pending_bytes } => {
                write!(f, "Warning {socket} {pending_bytes} B pending")
            }
            Message::Listening { socket, local } => write!(f, "Listening {socket} at {local}"),
            Message::Eof { socket } => write!(f, "Eof {socket}"),
            Message::Paused { socket } => write!(f, "Paused {socket}"),
            Message::SendReady { socket } => write!(f, "SendReady {socket}"),
            Message::Refused { socket, operation, why } => {
                write!(f, "Refused {socket} {operation:?}: {why:?}")
            }
            Message::Timer { timer } => write!(f, "Timer {timer}"),
            Message::Posted { from: Some(from), .. } => write!(f, "Posted from {from}"),
            Message::Posted { from: None, .. } => f.write_str("Posted from outside"),
            Message::Info(sockets) => write!(f, "Info on {} sockets", sockets.len()),
            Message::Exit => f.write_str("Exit"),
        }
    }
}

/// A [`Message`] without its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the variant of Message with the same name")]
pub enum MessageKind {
    Data,
    Connect,
    Close,
    Accept,
    Error,
    Udp,
    Warning,
    Listening,
    Eof,
    Paused,
    SendReady,
    Refused,
    Timer,
    Posted,
    Info,
    Exit,
}

impl MessageKind {
    /// The number that Skynet's socket layer gives the kind (`SKYNET_SOCKET_TYPE_*`), where it
    /// has one. `Listening` shares `Connect`'s, as there.
    pub const fn code(self) -> Option<u8> {
        match self {
            MessageKind::Data => Some(1),
            MessageKind::Connect | MessageKind::Listening => Some(2),
            MessageKind::Close => Some(3),
            MessageKind::Accept => Some(4),
            MessageKind::Error => Some(5),
            MessageKind::Udp => Some(6),
            MessageKind::Warning => Some(7),
            _ => None,
        }
    }
}

/// Why a socket closed: the first cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Own `close`.
    Closed,
    /// Own `shutdown` or `finish`, before the peer's FIN.
    Shutdown,
    /// The peer's FIN came first.
    Peer,
    /// The connection broke.
    Fault(Fault),
    /// It never opened.
    ConnectFailed(Fault),
    /// A bound of the configuration passed.
    TimedOut(Timeout),
    /// The owner was released.
    OwnerGone,
    /// The runtime stopped.
    Exit,
}

impl CloseReason {
    fn check(self, socket: SocketId) {
        match self {
            CloseReason::Fault(fault) => {
                fault.check();
                assert!(!fault.kind.is_own_limit(), "{socket}: limits break nothing");
            }
            CloseReason::ConnectFailed(fault) => {
                fault.check();
                assert!(!fault.kind.is_own_limit(), "{socket} never had an id");
            }
            CloseReason::Closed
            | CloseReason::Shutdown
            | CloseReason::Peer
            | CloseReason::TimedOut(_)
            | CloseReason::OwnerGone
            | CloseReason::Exit => {}
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Closed => f.write_str("closed"),
            CloseReason::Shutdown => f.write_str("shut down"),
            CloseReason::Peer => f.write_str("by the peer"),
            CloseReason::Fault(fault) => write!(f, "fault: {fault}"),
            CloseReason::ConnectFailed(fault) => write!(f, "connect failed: {fault}"),
            CloseReason::TimedOut(which) => write!(f, "timed out: {which:?}"),
            CloseReason::OwnerGone => f.write_str("owner gone"),
            CloseReason::Exit => f.write_str("exit"),
        }
    }
}

/// Which bound of the configuration passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Timeout {
    /// `idle_timeout`.
    Idle,
    /// `half_open_timeout`.
    HalfOpen,
    /// `start_timeout`.
    Start,
    /// `flush_stall_timeout` or `flush_timeout`.
    Flush,
    /// `linger_timeout`.
    Linger,
    /// `read_idle_timeout`.
    ReadIdle,
    /// `write_stall_timeout`.
    WriteStall,
}

impl Timeout {
    /// All of them.
    pub const ALL: [Timeout; 7] = [
        Timeout::Idle,
        Timeout::HalfOpen,
        Timeout::Start,
        Timeout::Flush,
        Timeout::Linger,
        Timeout::ReadIdle,
        Timeout::WriteStall,
    ];

    /// Which one in lower case, words joined by hyphens: for labels of figures and of logs.
    pub const fn name(self) -> &'static str {
        match self {
            Timeout::Idle => "idle",
            Timeout::HalfOpen => "half-open",
            Timeout::Start => "start",
            Timeout::Flush => "flush",
            Timeout::Linger => "linger",
            Timeout::ReadIdle => "read-idle",
            Timeout::WriteStall => "write-stall",
        }
    }
}

/// Why a command was refused after the call had returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusedReason {
    /// The socket closed, or began to, before the command arrived.
    Gone,
}

// A message is moved several times on its way; `Accept` with two addresses by value sets the size.
const _: () = assert!(size_of::<Message>() <= 88);
