//! What a service asks.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    ConnectOptions, Endpoint, Instant, ListenOptions, MESSAGE_OVERHEAD_BYTES, Service, ServiceId,
    ShardCommand, SocketId, SocketOption, Target, TimerId, UdpOptions, Unfinished,
};

/// A descriptor to adopt, opaque to the core. tidelock-mio expects an `OwnedFd` in it.
pub type Descriptor = Box<dyn Any + Send>;

/// What a service asks, on its way to the Mux.
///
/// `Net` makes commands and `Mux::handle_command` takes them. A command is made only after the
/// gate admitted it, so its announced bytes are already charged; the Mux answers commands that
/// the socket's fate has overtaken.
#[non_exhaustive]
pub enum Command {
    /// Open a listener under the id.
    Listen {
        /// The id, taken at the call.
        id: SocketId,
        /// Ids for the parts of it that other Muxes of the runtime have.
        parts: Vec<SocketId>,
        /// Who asked; the owner.
        owner: ServiceId,
        /// Where.
        at: Endpoint,
        /// How.
        options: Box<ListenOptions>,
    },
    /// Connect a stream under the id.
    Connect {
        /// The id, taken at the call.
        id: SocketId,
        /// Who asked; the owner.
        owner: ServiceId,
        /// To where.
        target: Box<Target>,
        /// How.
        options: Box<ConnectOptions>,
    },
    /// Take a descriptor over under the id.
    Adopt {
        /// The id, taken at the call.
        id: SocketId,
        /// Who asked; the owner.
        owner: ServiceId,
        /// What.
        descriptor: Descriptor,
        /// Do not read before `start`.
        paused: bool,
    },
    /// Open a datagram socket under the id.
    Udp {
        /// The id, taken at the call.
        id: SocketId,
        /// Who asked; the owner.
        owner: ServiceId,
        /// How.
        options: Box<UdpOptions>,
    },
    /// Set a datagram socket's peer.
    UdpConnect {
        /// The socket.
        id: SocketId,
        /// Its only peer from now on.
        peer: Endpoint,
    },
    /// Begin or resume reading; the asker becomes the owner.
    Start {
        /// The socket.
        id: SocketId,
        /// Who asked.
        by: ServiceId,
    },
    /// Stop reading.
    Pause {
        /// The socket.
        id: SocketId,
    },
    /// Discard what is unsent, and close.
    Close {
        /// The socket.
        id: SocketId,
    },
    /// Flush, FIN, read and discard until the peer's FIN, close.
    Shutdown {
        /// The socket.
        id: SocketId,
    },
    /// Flush, FIN, keep reading; close after the peer's FIN.
    Finish {
        /// The socket.
        id: SocketId,
    },
    /// The owner wants a socket to outlive the peer's FIN.
    KeepOpen {
        /// The socket.
        id: SocketId,
    },
    /// Set an option.
    SetOption {
        /// The socket.
        id: SocketId,
        /// The option.
        option: SocketOption,
    },
    /// Send one message on a stream, or one datagram to the socket's peer.
    Send {
        /// The socket.
        id: SocketId,
        /// Whether low-priority.
        low: bool,
        /// The message.
        bytes: Bytes,
    },
    /// Send one message that lies in several parts.
    SendVectored {
        /// The socket.
        id: SocketId,
        /// Whether low-priority.
        low: bool,
        /// The parts; none is empty.
        parts: Box<[Bytes]>,
    },
    /// Send one datagram.
    SendTo {
        /// The socket.
        id: SocketId,
        /// To whom.
        to: Endpoint,
        /// The datagram.
        bytes: Bytes,
    },
    /// A send was refused because an outbox was full: the asker waits for `SendReady`.
    AwaitSendReady {
        /// The socket.
        id: SocketId,
        /// Who waits.
        by: ServiceId,
        /// The charge that has to fit.
        charge_bytes: usize,
        /// Whether the total was full, not the socket.
        total: bool,
    },
    /// What is left of a write that a worker thread did itself; output is the Mux's own again.
    FinishWrite(Box<Unfinished>),
    /// A worker thread wrote a stream itself, and the Mux waited for that.
    Flush {
        /// The socket.
        id: SocketId,
    },
    /// The owner has handled `Eof`: shut the socket down, unless something speaks against it.
    FinishAfterEof {
        /// The socket.
        id: SocketId,
        /// Who handled `Eof`.
        owner: ServiceId,
    },
    /// Tell about all sockets.
    Info {
        /// Who asked.
        by: ServiceId,
    },
    /// Arm a timer.
    SetTimer {
        /// The timer, numbered by its service.
        timer: TimerId,
        /// Whose it is.
        service: ServiceId,
        /// When it is due.
        deadline: Instant,
    },
    /// Disarm a timer.
    CancelTimer {
        /// The timer.
        timer: TimerId,
        /// Whose it is.
        service: ServiceId,
    },
    /// Start a service.
    Spawn {
        /// Its id, taken at the call.
        id: ServiceId,
        /// The service.
        service: Box<dyn Service>,
    },
    /// Hand a value to a service.
    Post {
        /// To whom.
        to: ServiceId,
        /// From whom; `None` for code outside services.
        from: Option<ServiceId>,
        /// The value.
        value: Box<dyn Any + Send>,
    },
    /// End a service.
    Release {
        /// The service.
        service: ServiceId,
        /// `false`: its sockets are shut down. `true` (it panicked): they are closed.
        abrupt: bool,
    },
    /// A service has handled messages of this charge.
    Handled {
        /// The service.
        service: ServiceId,
        /// The sum of their [`charge_bytes`](crate::Message::charge_bytes).
        charge_bytes: usize,
        /// The shard whose Mux told it these messages.
        shard: u32,
        /// Whether `Exit` was among them.
        exit: bool,
    },
    /// Stop the runtime: tell every service, flush, and be done after `within` at the latest.
    Exit {
        /// The time for all of it.
        within: Duration,
    },
    /// What another Mux of the same runtime asks, in
    /// [`Delivery::Command`](crate::Delivery::Command).
    Shard(ShardCommand),
}

impl Command {
    /// What every command must be, whoever made it. Nothing that a service does can break this:
    /// ids may be stale, endpoints may be nonsense, and times may lie in the past.
    pub(crate) fn check(&self) {
        match self {
            Command::Connect { id, target, .. } => {
                assert!(target.is_valid(), "{id}: {target} is refused at the call");
            }
            Command::SendVectored { id, parts, .. } => {
                let is_empty = parts.iter().any(Bytes::is_empty);
                assert!(!is_empty, "{id}: empty parts are dropped at the call");
            }
            Command::AwaitSendReady { id, charge_bytes, .. } => {
                let is_one = *charge_bytes >= MESSAGE_OVERHEAD_BYTES;
                assert!(is_one, "{id} awaits {charge_bytes} B, less than one message");
            }
            Command::Handled { service, charge_bytes, .. } => {
                let is_one = *charge_bytes >= MESSAGE_OVERHEAD_BYTES;
                assert!(is_one, "{service} handled {charge_bytes} B, less than one message");
            }
            _ => {}
        }
    }

    /// The socket that it is about, if it is about one.
    pub fn socket(&self) -> Option<SocketId> {
        match self {
            Command::Listen { id, .. }
            | Command::Connect { id, .. }
            | Command::Adopt { id, .. }
            | Command::Udp { id, .. }
            | Command::UdpConnect { id, .. }
            | Command::Start { id, .. }
            | Command::Pause { id }
            | Command::Close { id }
            | Command::Shutdown { id }
            | Command::Finish { id }
            | Command::KeepOpen { id }
            | Command::SetOption { id, .. }
            | Command::Send { id, .. }
            | Command::SendVectored { id, .. }
            | Command::SendTo { id, .. }
            | Command::AwaitSendReady { id, .. }
            | Command::Flush { id }
            | Command::FinishAfterEof { id, .. } => Some(*id),
            Command::FinishWrite(unfinished) => Some(unfinished.socket()),
            Command::Info { .. }
            | Command::SetTimer { .. }
            | Command::CancelTimer { .. }
            | Command::Spawn { .. }
            | Command::Post { .. }
            | Command::Release { .. }
            | Command::Handled { .. }
            | Command::Exit { .. }
            | Command::Shard(_) => None,
        }
    }
}

/// One line for a trace.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Listen { id, owner, at, .. } => write!(f, "Listen {id} at {at} for {owner}"),
            Command::Connect { id, owner, target, .. } => {
                write!(f, "Connect {id} to {target} for {owner}")
            }
            Command::Adopt { id, owner, .. } => write!(f, "Adopt {id} for {owner}"),
            Command::Udp { id, owner, .. } => write!(f, "Udp {id} for {owner}"),
            Command::UdpConnect { id, peer } => write!(f, "UdpConnect {id} to {peer}"),
            Command::Start { id, by } => write!(f, "Start {id} by {by}"),
            Command::Pause { id } => write!(f, "Pause {id}"),
            Command::Close { id } => write!(f, "Close {id}"),
            Command::Shutdown { id } => write!(f, "Shutdown {id}"),
            Command::Finish { id } => write!(f, "Finish {id}"),
            Command::KeepOpen { id } => write!(f, "KeepOpen {id}"),
            Command::SetOption { id, option } => write!(f, "SetOption {id} {option:?}"),
            Command::Send { id, low, bytes } => {
                write!(f, "Send{} {id} {} B", if *low { "Low" } else { "" }, bytes.len())
            }
            Command::SendVectored { id, parts, .. } => {
                write!(f, "SendVectored {id} {} parts", parts.len())
            }
            Command::SendTo { id, to, bytes } => write!(f, "SendTo {id} {} B to {to}", bytes.len()),
            Command::AwaitSendReady { id, by, total, .. } => {
                write!(f, "AwaitSendReady {id} by {by}{}", if *total { ", total" } else { "" })
            }
            Command::FinishWrite(unfinished) => write!(f, "FinishWrite {unfinished}"),
            Command::Flush { id } => write!(f, "Flush {id}"),
            Command::FinishAfterEof { id, owner } => write!(f, "FinishAfterEof {id} by {owner}"),
            Command::Info { by } => write!(f, "Info for {by}"),
            Command::SetTimer { timer, service, deadline } => {
                write!(f, "SetTimer {timer} of {service} at {deadline}")
            }
            Command::CancelTimer { timer, service } => {
                write!(f, "CancelTimer {timer} of {service}")
            }
            Command::Spawn { id, .. } => write!(f, "Spawn {id}"),
            Command::Post { to, .. } => write!(f, "Post to {to}"),
            Command::Release { service, abrupt } => {
                write!(f, "Release {service}{}", if *abrupt { ", abruptly" } else { "" })
            }
            Command::Handled { service, charge_bytes, .. } => {
                write!(f, "Handled {service} {charge_bytes} B")
            }
            Command::Exit { within } => write!(f, "Exit within {within:?}"),
            Command::Shard(order) => write!(f, "{order:?}"),
        }
    }
}
