//! The commands of services to a Mux.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::shard::ShardOrder;
use crate::{
    ConnectOptions, Descriptor, Endpoint, Instant, ListenOptions, MESSAGE_OVERHEAD_BYTES, Service,
    ServiceId, ShardCommand, SocketId, SocketOption, Target, TimerId, UdpOptions,
};

/// A request of a service, on its way to the Mux.
///
/// `Net` makes commands and `Mux::handle_command` takes them. The socket's gate has admitted a
/// command before it is made, so the bytes of a send are already charged. The socket may close
/// while the command is on its way; the Mux answers such a command.
#[non_exhaustive]
pub enum Command {
    /// Open a listener under the id.
    Listen {
        /// The id, taken at the call.
        id: SocketId,
        /// The ids of the listener's twins, one in each other Mux of the runtime.
        parts: Vec<SocketId>,
        /// The service that asked, and owns the socket.
        owner: ServiceId,
        /// The address to listen at.
        at: Endpoint,
        /// The listener's options.
        options: Box<ListenOptions>,
    },
    /// Connect a stream under the id.
    Connect {
        /// The id, taken at the call.
        id: SocketId,
        /// The service that asked, and owns the socket.
        owner: ServiceId,
        /// The endpoint, or the host name and port, to connect to.
        target: Box<Target>,
        /// The options of the connection.
        options: Box<ConnectOptions>,
    },
    /// Take a descriptor over under the id.
    Adopt {
        /// The id, taken at the call.
        id: SocketId,
        /// The service that asked, and owns the socket.
        owner: ServiceId,
        /// The descriptor to adopt.
        descriptor: Descriptor,
        /// `true` if nothing is to be read before `start`.
        paused: bool,
    },
    /// Open a datagram socket under the id.
    Udp {
        /// The id, taken at the call.
        id: SocketId,
        /// The service that asked, and owns the socket.
        owner: ServiceId,
        /// The socket's options.
        options: Box<UdpOptions>,
    },
    /// Set a datagram socket's peer.
    UdpConnect {
        /// The socket.
        id: SocketId,
        /// The only peer from now on.
        peer: Endpoint,
    },
    /// Begin or resume reading; the service that asks becomes the owner.
    Start {
        /// The socket.
        id: SocketId,
        /// The service that asked.
        by: ServiceId,
    },
    /// Stop reading.
    Pause {
        /// The socket.
        id: SocketId,
    },
    /// Discard unsent output, and close.
    Close {
        /// The socket.
        id: SocketId,
    },
    /// Flush, send FIN, read and discard until the peer's FIN, then close.
    Shutdown {
        /// The socket.
        id: SocketId,
    },
    /// Flush, send FIN, keep delivering what is read, and close after the peer's FIN.
    Finish {
        /// The socket.
        id: SocketId,
    },
    /// Keep the socket open after the peer's FIN.
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
        /// `true` for low priority.
        low: bool,
        /// The message.
        bytes: Bytes,
    },
    /// Send one message that consists of several buffers.
    SendVectored {
        /// The socket.
        id: SocketId,
        /// `true` for low priority.
        low: bool,
        /// The buffers; none is empty.
        parts: Box<[Bytes]>,
    },
    /// Send one datagram.
    SendTo {
        /// The socket.
        id: SocketId,
        /// The destination.
        to: Endpoint,
        /// The payload.
        bytes: Bytes,
    },
    /// Send `SendReady` once there is room again: a send was refused because an outbox was full.
    AwaitSendReady {
        /// The socket.
        id: SocketId,
        /// The service that waits.
        by: ServiceId,
        /// The charge of the refused message, which has to fit.
        charge_bytes: usize,
        /// `true` if all outboxes together were full, `false` if this socket's was.
        total: bool,
    },
    /// Shut the socket down after `Eof`, unless it is to be kept open or has another owner now.
    FinishAfterEof {
        /// The socket.
        id: SocketId,
        /// The service that handled `Eof`.
        owner: ServiceId,
    },
    /// Report on all sockets.
    Info {
        /// The service that asked.
        by: ServiceId,
    },
    /// Arm a timer.
    SetTimer {
        /// The timer; ids of timers are unique within their service.
        timer: TimerId,
        /// The service that the timer belongs to.
        service: ServiceId,
        /// The time at which it is due.
        deadline: Instant,
    },
    /// Disarm a timer.
    CancelTimer {
        /// The timer.
        timer: TimerId,
        /// The service that the timer belongs to.
        service: ServiceId,
    },
    /// Start a service.
    Spawn {
        /// The id, taken at the call.
        id: ServiceId,
        /// The service.
        service: Box<dyn Service>,
    },
    /// Hand a value to a service.
    Post {
        /// The receiver.
        to: ServiceId,
        /// The sender; `None` for code outside services.
        from: Option<ServiceId>,
        /// The value.
        value: Box<dyn Any + Send>,
    },
    /// End a service.
    Release {
        /// The service.
        service: ServiceId,
        /// `false` if its sockets are to be shut down; `true`, after a panic, if they are to be
        /// closed.
        abrupt: bool,
    },
    /// Take handled messages off the charge of a service's mailbox.
    Handled {
        /// The service.
        service: ServiceId,
        /// The sum of the messages' [`charge_bytes`](crate::Message::charge_bytes).
        charge_bytes: usize,
        /// The shard whose Mux delivered the messages.
        shard: u32,
        /// `true` if `Exit` was among them.
        exit: bool,
    },
    /// Stop the runtime: tell every service, flush, and end after `within` at the latest.
    Exit {
        /// The time allowed for all of it.
        within: Duration,
    },
    /// A request of another Mux of the same runtime, which came out of that one as
    /// [`Delivery::Command`](crate::Delivery::Command).
    Shard(ShardCommand),
}

impl Command {
    /// Asserts what `Net` and the gates guarantee of every command. No service can break it: ids
    /// may be stale, endpoints may be nonsense, and times may lie in the past.
    pub(crate) fn check(&self) {
        match self {
            Command::Connect { id, target, .. } => {
                assert!(target.is_valid(), "{id}: the call admitted the invalid target {target}");
            }
            Command::SendVectored { id, parts, .. } => {
                let is_empty = parts.iter().any(Bytes::is_empty);
                assert!(!is_empty, "{id}: the call left an empty buffer among {}", parts.len());
            }
            Command::AwaitSendReady { id, charge_bytes, .. } => {
                let is_one = *charge_bytes >= MESSAGE_OVERHEAD_BYTES;
                assert!(is_one, "{id}: a charge of {charge_bytes} B is less than one message's");
            }
            Command::Handled { service, charge_bytes, .. } => {
                let is_one = *charge_bytes >= MESSAGE_OVERHEAD_BYTES;
                assert!(
                    is_one,
                    "{service}: a charge of {charge_bytes} B is less than one message's"
                );
            }
            _ => {}
        }
    }

    /// Returns the socket that the command is about, if it is about one.
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
            | Command::FinishAfterEof { id, .. } => Some(*id),
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

/// Formats the command as one line for a trace.
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

impl From<ShardOrder> for Command {
    fn from(order: ShardOrder) -> Self {
        Command::Shard(ShardCommand(order))
    }
}
