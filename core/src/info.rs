//! What `info` tells about sockets.

use crate::{Endpoint, Instant, ServiceId, SocketId};

/// What `info` tells about one socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SocketInfo {
    /// The socket.
    pub socket: SocketId,
    /// What it is.
    pub kind: SocketKind,
    /// Its state, by the names of the specification.
    pub state: SocketState,
    /// Who owns it; `None` if that service is gone.
    pub owner: Option<ServiceId>,
    /// Its own end, once known.
    pub local: Option<Endpoint>,
    /// The far end, once known.
    pub peer: Option<Endpoint>,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes that the system took.
    pub bytes_out: u64,
    /// `Data` or `Udp` messages produced.
    pub messages_in: u64,
    /// Messages wholly taken by the system.
    pub messages_out: u64,
    /// When the last bytes came in.
    pub last_read: Option<Instant>,
    /// When the system last took bytes.
    pub last_write: Option<Instant>,
    /// Unsent payload bytes.
    pub queued_bytes: u64,
    /// Whether it is being read (or accepts).
    pub reading: bool,
    /// Whether output is pending.
    pub writing: bool,
    /// Connections that a listener accepted.
    pub accepted: u64,
}

impl SocketInfo {
    pub(crate) fn check(&self) {
        let id = self.socket;
        assert!(self.queued_bytes == 0 || self.writing, "{id} has output and none");
        let is_listener = self.kind == SocketKind::Listener;
        assert!(self.accepted == 0 || is_listener, "{id} accepted and is no listener");
        assert!(!is_listener || !self.writing, "{id} listens and writes");
        let is_listening = self.state == SocketState::Listening;
        assert!(!is_listening || self.local.is_some(), "{id} listens nowhere");
        assert!(!is_listening || self.peer.is_none(), "{id} listens to one peer");
        let is_silent = self.bytes_in == 0 && self.bytes_out == 0;
        assert!(!is_listening || is_silent, "{id} listens and carries bytes");
        let is_new = matches!(self.state, SocketState::Opening | SocketState::Connecting);
        assert!(!is_new || is_silent, "{id} carried bytes before it was open");
        assert!(!is_new || !self.reading, "{id} is read before it is open");
        assert!(self.bytes_out == 0 || self.last_write.is_some(), "{id} wrote at no time");
    }
}

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketKind {
    /// A stream: accepted, connected or adopted.
    Stream,
    /// A listener.
    Listener,
    /// A datagram socket.
    Datagram,
}

/// The states of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketState {
    /// Asked for; the system was not called yet.
    Opening,
    /// A host name is being resolved, or a connect is under way.
    Connecting,
    /// A listener.
    Listening,
    /// Accepted, not started.
    Accepted,
    /// A stream that is read (or paused) and written.
    Open,
    /// The peer's FIN was read.
    EofSeen,
    /// Own `shutdown` or `finish`: what is queued goes out, then FIN.
    Flushing,
    /// FIN is out; waiting for the peer's.
    Draining,
    /// A datagram socket.
    Datagram,
    /// Closed, but the system or a sender still holds something of it.
    Closing,
}

impl SocketState {
    /// Whether a stream in this state is connected, and neither closed nor let go of. A datagram
    /// socket that sends its last is [`Flushing`](Self::Flushing), too.
    #[inline]
    pub const fn is_established(self) -> bool {
        matches!(
            self,
            SocketState::Accepted
                | SocketState::Open
                | SocketState::EofSeen
                | SocketState::Flushing
                | SocketState::Draining
        )
    }

    /// The state in lower case, words joined by hyphens: for labels of figures and of logs.
    pub const fn name(self) -> &'static str {
        match self {
            SocketState::Opening => "opening",
            SocketState::Connecting => "connecting",
            SocketState::Listening => "listening",
            SocketState::Accepted => "accepted",
            SocketState::Open => "open",
            SocketState::EofSeen => "eof-seen",
            SocketState::Flushing => "flushing",
            SocketState::Draining => "draining",
            SocketState::Datagram => "datagram",
            SocketState::Closing => "closing",
        }
    }
}
