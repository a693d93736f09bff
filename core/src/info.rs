//! The kinds and states of sockets, and the report of `info` about them.

use crate::{Endpoint, Instant, ServiceId, SocketId};

/// The report of `info` about one socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SocketInfo {
    /// The socket.
    pub socket: SocketId,
    /// Its kind.
    pub kind: SocketKind,
    /// Its state.
    pub state: SocketState,
    /// The service that owns it; `None` if that service is gone.
    pub owner: Option<ServiceId>,
    /// The local end, once known.
    pub local: Option<Endpoint>,
    /// The far end, once known.
    pub peer: Option<Endpoint>,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes that the system accepted.
    pub bytes_out: u64,
    /// `Data` or `Udp` messages produced.
    pub messages_in: u64,
    /// Messages that the system accepted whole.
    pub messages_out: u64,
    /// The time at which bytes last came in.
    pub last_read: Option<Instant>,
    /// The time at which the system last accepted bytes.
    pub last_write: Option<Instant>,
    /// Unsent payload bytes.
    pub queued_bytes: u64,
    /// `true` if the socket is being read, or accepts.
    pub reading: bool,
    /// `true` if output is pending.
    pub writing: bool,
    /// Connections accepted, if it is a listener.
    pub accepted: u64,
}

impl SocketInfo {
    /// # Panics
    /// If the fields contradict each other.
    pub(crate) fn check(&self) {
        let (id, state) = (self.socket, self.state);
        let (bytes_in, bytes_out) = (self.bytes_in, self.bytes_out);
        let has_output = self.queued_bytes == 0 || self.writing;
        assert!(has_output, "{id}: {} B are queued, but nothing is written", self.queued_bytes);
        let is_listener = self.kind == SocketKind::Listener;
        assert!(self.accepted == 0 || is_listener, "{id} accepted, but is a {:?}", self.kind);
        assert!(!is_listener || !self.writing, "{id} is a listener with output");
        let is_listening = state == SocketState::Listening;
        assert!(!is_listening || self.local.is_some(), "{id} listens without a local address");
        assert!(!is_listening || self.peer.is_none(), "{id} is a listener with a peer");
        let is_silent = bytes_in == 0 && bytes_out == 0;
        assert!(!is_listening || is_silent, "{id} listens, but carried {bytes_in}/{bytes_out} B");
        let is_new = matches!(state, SocketState::Opening | SocketState::Connecting);
        assert!(!is_new || is_silent, "{id} is {state:?}, but carried {bytes_in}/{bytes_out} B");
        assert!(!is_new || !self.reading, "{id} is {state:?}, but is being read");
        let has_time = bytes_out == 0 || self.last_write.is_some();
        assert!(has_time, "{id} wrote {bytes_out} B without a time of the last write");
    }
}

/// The kind of a socket.
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

/// The state of a socket. [`states`](crate::states) has the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketState {
    /// Asked for, before the first call of the system.
    Opening,
    /// A host name is being resolved, or a connect is under way.
    Connecting,
    /// A listener.
    Listening,
    /// Accepted, and not started yet.
    Accepted,
    /// A stream that is read, unless paused, and written.
    Open,
    /// The peer's FIN was read.
    EofSeen,
    /// After `shutdown` or `finish`: the queued output goes out, then FIN.
    Flushing,
    /// FIN was sent; the peer's is awaited.
    Draining,
    /// A datagram socket.
    Datagram,
    /// Closed, while a backend or a sender still holds something of it.
    Closing,
}

impl SocketState {
    /// Returns `true` if a stream in this state is connected, and not yet closed. A datagram socket
    /// can be in one of these states too: it is [`Flushing`](Self::Flushing) while it sends its
    /// last output.
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

    /// Returns the name of the state in lower case with hyphens, as a label for metrics and logs.
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
