//! The events that a backend reports.

use std::fmt;

use bytes::Bytes;

use crate::backend::{Accepted, Connected};
use crate::{Endpoint, Fault, SocketId};

/// A report of a backend, owed after an `Answer::Later`; see [`Backend`](crate::Backend).
///
/// A readiness backend reports [`Event::Ready`]; a completion backend reports the results
/// themselves, each of them final. Events of stale ids are harmless, because the Mux compares
/// generations.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The calls named by the bits may now answer something other than `Later`. The event may be
    /// spurious, repeated, or merged from several.
    Ready {
        /// The socket.
        id: SocketId,
        /// The calls.
        readiness: Readiness,
    },
    /// Completes `resolve`, with both styles of backend.
    Resolved {
        /// The socket.
        id: SocketId,
        /// The addresses in the order in which to try them; not empty.
        result: Result<Vec<Endpoint>, Fault>,
    },
    /// Completes `connect`.
    Connected {
        /// The socket.
        id: SocketId,
        /// The answer.
        result: Result<Connected, Fault>,
    },
    /// Completes `accept`.
    Accepted {
        /// The listener.
        listener: SocketId,
        /// The id that was offered for the new socket.
        id: SocketId,
        /// The answer.
        result: Result<Accepted, Fault>,
    },
    /// Completes `read`.
    Received {
        /// The socket.
        id: SocketId,
        /// The answer; empty bytes mean the end of the stream.
        result: Result<Bytes, Fault>,
    },
    /// Completes `receive_from`.
    ReceivedFrom {
        /// The socket.
        id: SocketId,
        /// The answer.
        result: Result<(Endpoint, Bytes), Fault>,
    },
    /// Completes `write`.
    Written {
        /// The socket.
        id: SocketId,
        /// The number of the offered bytes that were taken: at least one.
        result: Result<usize, Fault>,
    },
    /// Completes `send_to`.
    SentTo {
        /// The socket.
        id: SocketId,
        /// The answer.
        result: Result<(), Fault>,
    },
    /// Completes `close`, after the completions of everything that was pending.
    Closed {
        /// The socket.
        id: SocketId,
    },
}

impl Event {
    /// Asserts the contract of [`Backend`](crate::Backend), as far as a single event shows it.
    pub(crate) fn check(&self) {
        match self {
            Event::Ready { .. } | Event::Resolved { .. } | Event::Connected { .. } => {}
            Event::Accepted { listener, id, .. } => {
                assert_ne!(
                    listener.index(),
                    id.index(),
                    "{id} was accepted in its listener's place"
                );
            }
            Event::Received { .. } | Event::SentTo { .. } | Event::Closed { .. } => {}
            Event::ReceivedFrom { id, result } => {
                // 65,535 less the UDP header: the most that a datagram carries, over IPv6.
                let len = result.as_ref().map_or(0, |(_, payload)| payload.len());
                assert!(len <= 65_527, "{id}: a datagram of {len} B, more than UDP carries");
            }
            Event::Written { id, result } => {
                assert_ne!(*result, Ok(0), "{id}: a write completed without having taken a byte");
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Event::Ready { .. } => "Ready",
            Event::Resolved { .. } => "Resolved",
            Event::Connected { .. } => "Connected",
            Event::Accepted { .. } => "Accepted",
            Event::Received { .. } => "Received",
            Event::ReceivedFrom { .. } => "ReceivedFrom",
            Event::Written { .. } => "Written",
            Event::SentTo { .. } => "SentTo",
            Event::Closed { .. } => "Closed",
        }
    }

    /// Returns the socket that the event is about; for `Accepted`, the listener.
    pub fn socket(&self) -> SocketId {
        match self {
            Event::Ready { id, .. }
            | Event::Resolved { id, .. }
            | Event::Connected { id, .. }
            | Event::Received { id, .. }
            | Event::ReceivedFrom { id, .. }
            | Event::Written { id, .. }
            | Event::SentTo { id, .. }
            | Event::Closed { id } => *id,
            Event::Accepted { listener, .. } => *listener,
        }
    }
}

/// Formats the event as one line for a trace: the socket, and the gist of the answer. Payloads
/// are shown by their length only.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.socket())?;
        match self {
            Event::Ready { readiness, .. } => write!(f, "{readiness}"),
            Event::Resolved { result: Ok(addresses), .. } => {
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Event::Connected { result: Ok(Connected { local, peer }), .. } => {
                write!(f, " {local} to {peer}")
            }
            Event::Accepted { id, result: Ok(accepted), .. } => {
                write!(f, " new {id} from {}", accepted.peer)
            }
            Event::Received { result: Ok(bytes), .. } if bytes.is_empty() => {
                f.write_str(" the end")
            }
            Event::Received { result: Ok(bytes), .. } => write!(f, " {} B", bytes.len()),
            Event::ReceivedFrom { result: Ok((from, payload)), .. } => {
                write!(f, " {} B from {from}", payload.len())
            }
            Event::Written { result: Ok(count), .. } => write!(f, " {count} B"),
            Event::SentTo { result: Ok(()), .. } | Event::Closed { .. } => Ok(()),
            Event::Resolved { result: Err(fault), .. }
            | Event::Connected { result: Err(fault), .. }
            | Event::Accepted { result: Err(fault), .. }
            | Event::Received { result: Err(fault), .. }
            | Event::ReceivedFrom { result: Err(fault), .. }
            | Event::Written { result: Err(fault), .. }
            | Event::SentTo { result: Err(fault), .. } => write!(f, ": {fault}"),
        }
    }
}

/// The calls that may go on, as the bits of one readiness event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Readiness {
    /// `read`, `accept` or `receive_from` may make progress.
    pub readable: bool,
    /// `write`, `connect` or `send_to` may make progress.
    pub writable: bool,
    /// The peer sent FIN. Unread data may precede it, so this alone is not the end of the stream.
    pub peer_closed: bool,
    /// The socket failed, or both directions ended.
    pub failed: bool,
}

impl Readiness {
    /// Readable, and nothing else.
    pub const READABLE: Readiness =
        Readiness { readable: true, writable: false, peer_closed: false, failed: false };
    /// Writable, and nothing else.
    pub const WRITABLE: Readiness =
        Readiness { readable: false, writable: true, peer_closed: false, failed: false };
}

/// Lists the bits that are set, each after a space.
impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = [
            (self.readable, " readable"),
            (self.writable, " writable"),
            (self.peer_closed, " peer closed"),
            (self.failed, " failed"),
        ];
        let mut set = bits.iter().filter(|(is_set, _)| *is_set);
        set.try_for_each(|(_, name)| f.write_str(name))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::FaultKind;

    #[test]
    fn a_line_says_how_much_came_and_not_what() {
        let id = SocketId::from_bits(u64::from(NonZeroU32::MIN.get()) << 32 | 3).unwrap();
        let readiness = Readiness { peer_closed: true, ..Readiness::WRITABLE };
        assert_eq!(Event::Ready { id, readiness }.to_string(), "Ready #3.1 writable peer closed");
        let from = Endpoint::from(([127, 0, 0, 1], 7));
        let event = Event::ReceivedFrom { id, result: Ok((from, vec![7; 5000].into())) };
        assert_eq!(event.to_string(), "ReceivedFrom #3.1 5000 B from 127.0.0.1:7");
        let event = Event::Received { id, result: Ok(Bytes::new()) };
        assert_eq!(event.to_string(), "Received #3.1 the end");
        let event = Event::Written { id, result: Err(FaultKind::BrokenPipe.into()) };
        assert_eq!(event.to_string(), "Written #3.1: broken pipe");
    }
}
