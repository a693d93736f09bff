//! The reports to a host about its sockets.

use bytes::Bytes;

use super::{Address, Errno};

/// The way in which a host is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Readiness {
    /// One entry for each descriptor and batch, its bits are the current ones, each arrival
    /// queues it again.
    Linux,
    /// One entry for each direction: a descriptor may come twice in a batch. The end of the stream
    /// stands on both.
    Kqueue,
    /// As promised and no more: after an event none until a call answered that it would block, one
    /// direction at a time, no word of FIN or errors.
    Weakest,
    /// No readiness: what was asked for is completed.
    Completion,
}

/// The bits of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bits {
    /// A read, an accept, a receive may go on.
    pub readable: bool,
    /// A write, a connect, a send may go on.
    pub writable: bool,
    /// FIN came.
    pub peer_closed: bool,
    /// It broke, or both directions ended.
    pub failed: bool,
}

impl Bits {
    pub(super) fn is_empty(self) -> bool {
        self == Bits::default()
    }
}

/// The result of a poll.
#[derive(Debug)]
pub enum Polled {
    /// Calls may go on.
    Ready {
        /// The socket, as its owner calls it.
        token: u64,
        /// Which calls.
        bits: Bits,
    },
    /// A call was completed; [`Kernel::handed_over`](super::Kernel::handed_over) must follow.
    Completion {
        /// The descriptor.
        socket: u32,
        /// The result of the call.
        completion: Completion,
    },
}

/// A completed call.
#[derive(Debug, Hash)]
#[expect(missing_docs, reason = "`token` is the socket, `result` what the call answers")]
pub enum Completion {
    Connected { token: u64, result: Result<(Address, Address), Errno> },
    Accepted { token: u64, child: u64, result: Result<(u32, Address, Address), Errno> },
    Received { token: u64, result: Result<Bytes, Errno> },
    ReceivedFrom { token: u64, result: Result<(Address, Bytes), Errno> },
    Written { token: u64, result: Result<usize, Errno> },
    Closed { token: u64 },
}
