//! The requests between the Muxes of one runtime.

use std::fmt;

use crate::timeouts::Timeouts;
use crate::{Descriptor, Fault, ListenOptions, ServiceId, SocketId, SocketInfo, SocketOption};

/// A request of one Mux to another of the same runtime; see [`Command::Shard`](crate::Command::Shard). Drivers carry it.
pub struct ShardCommand(pub(crate) ShardOrder);

/// A request of one Mux to another.
pub(crate) enum ShardOrder {
    /// A service exists whose home is another shard.
    Know { service: ServiceId },
    /// A service has handled `Exit`.
    Drain { service: ServiceId },
    /// Report all sockets of the shard to `reply_to`, on behalf of a service.
    Info { by: ServiceId, reply_to: u32 },
    /// The answer of shard `from` to `Info`.
    InfoPart { by: ServiceId, from: u32, part: Box<InfoPart> },
    /// Free an id that was taken for a listener's twin, and is not needed.
    GiveBack { id: SocketId },
    /// A request to the twin of a listener.
    Twin { id: SocketId, order: TwinOrder },
    /// A report of a listener's twin, to the Mux that has the listener's own id.
    TwinReport { listener: SocketId, twin: SocketId, report: TwinReport },
}

/// The report of one shard for `info`.
#[derive(Default)]
pub(crate) struct InfoPart {
    /// The shard's sockets, in order of index.
    pub(crate) sockets: Vec<SocketInfo>,
    /// The number of connections that the shard accepted for each listener of another shard.
    pub(crate) accepted: Vec<(SocketId, u64)>,
}

/// A request of a listener to each of its twins.
pub(crate) enum TwinOrder {
    /// Accept from a descriptor that listens already.
    Open(Box<TwinOpening>),
    Start {
        by: ServiceId,
    },
    /// Stop accepting; answered by `Paused`, behind the last `Accept`.
    Pause,
    SetOption(SocketOption),
    /// Close; answered by `Closed`.
    Close,
}

/// The initial state of a listener's twin.
pub(crate) struct TwinOpening {
    pub(crate) listener: SocketId,
    pub(crate) owner: ServiceId,
    pub(crate) descriptor: Descriptor,
    pub(crate) options: ListenOptions,
    pub(crate) timeouts: Option<Box<Timeouts>>,
    /// The number of the twin among the parts of the listener; the listener itself is number 0.
    pub(crate) part: u32,
    pub(crate) is_reading: bool,
}

/// A report of a twin to its listener.
pub(crate) enum TwinReport {
    Paused,
    AcceptFailed(Fault),
    /// The twin is gone. The fault is the reason if it never came to accept.
    Closed(Option<Fault>),
}

impl fmt::Debug for ShardCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ShardOrder::Know { service } => write!(f, "Know {service}"),
            ShardOrder::Drain { service } => write!(f, "Drain {service}"),
            ShardOrder::Info { by, reply_to } => write!(f, "Info for {by} at shard {reply_to}"),
            ShardOrder::InfoPart { by, from, part } => {
                write!(f, "Info for {by} of shard {from}: {} sockets", part.sockets.len())
            }
            ShardOrder::GiveBack { id } => write!(f, "GiveBack {id}"),
            ShardOrder::Twin { id, order } => match order {
                TwinOrder::Open(opening) => write!(f, "Open {id} for {}", opening.listener),
                TwinOrder::Start { by } => write!(f, "Start {id} by {by}"),
                TwinOrder::Pause => write!(f, "Pause {id}"),
                TwinOrder::SetOption(option) => write!(f, "SetOption {id} {option:?}"),
                TwinOrder::Close => write!(f, "Close {id}"),
            },
            ShardOrder::TwinReport { listener, twin, report } => match report {
                TwinReport::Paused => write!(f, "Paused {twin} of {listener}"),
                TwinReport::AcceptFailed(fault) => {
                    write!(f, "Failed {twin} of {listener}: {fault}")
                }
                TwinReport::Closed(None) => write!(f, "Closed {twin} of {listener}"),
                TwinReport::Closed(Some(fault)) => {
                    write!(f, "Closed {twin} of {listener}: {fault}")
                }
            },
        }
    }
}
