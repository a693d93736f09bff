//! The remains of a write from a service's own thread.

use std::fmt;

use crate::permit::PostedPermit;
use crate::{Fault, Outbox, SocketId};

/// The remains of a write from a service's own thread, with the right to write.
#[derive(Debug)]
pub struct Unfinished {
    pub(crate) permit: PostedPermit,
    /// The bytes that the system took.
    pub(crate) bytes: usize,
    /// The messages that this finished.
    pub(crate) messages: usize,
    /// The bytes that it did not take.
    pub(crate) rest: Outbox,
    /// Why not, if it failed.
    pub(crate) fault: Option<Fault>,
}

impl Unfinished {
    /// The socket.
    pub fn socket(&self) -> SocketId {
        debug_assert!(!self.rest.is_empty(), "all of it is written, and it is posted");
        debug_assert!(self.messages <= self.bytes, "a message without bytes went");
        self.permit.id()
    }
}

/// One line for a trace.
impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} B, {} B left", self.socket(), self.bytes, self.rest.pending_bytes())?;
        self.fault.map_or(Ok(()), |fault| write!(f, ", {fault}"))
    }
}
