//! Effects of one socket's transition on another socket, as values.

use crate::timeouts::Timeouts;
use crate::{Accepted, ConnectOptions, Connected, Endpoint, Fault, Instant, ServiceId, SocketId};

/// An effect of one socket's transition on another socket.
///
/// A transition sees its own socket alone. What it wants of another it leaves on the desk, and the
/// Mux does it when the transition is over, before it settles the socket.
pub(crate) enum Errand {
    /// A listener accepted a connection: it becomes a socket of its owner.
    OpenAccepted { child: SocketId, birth: Box<Birth>, owner: ServiceId, auto_start: bool },
    /// A listener that has ended accepted a connection: it is reset, and nobody is told.
    RefuseAccepted { child: SocketId, birth: Box<Birth> },
    /// A connect tries another address beside those under way.
    BeginRacer { racer: SocketId, told: SocketId, start: Box<RacerStart> },
    /// A racer is the first to connect.
    RacerConnected { racer: SocketId, told: SocketId, connected: Connected },
    /// A racer did not connect.
    RacerFailed { racer: SocketId, told: SocketId, fault: Fault },
    /// A racer is not needed any more, and nobody is told.
    AbandonRacer { racer: SocketId },
    /// The backend knows a racer under the id that was told.
    ForgetRacer { racer: SocketId },
}

/// A connection that was accepted.
pub(crate) struct Birth {
    pub(crate) accepted: Accepted,
    /// The times of its own.
    pub(crate) timeouts: Option<Box<Timeouts>>,
}

/// The start of a racer.
pub(crate) struct RacerStart {
    pub(crate) address: Option<Endpoint>,
    pub(crate) options: Box<ConnectOptions>,
    pub(crate) deadline: Instant,
}
