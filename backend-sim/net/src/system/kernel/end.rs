//! Ends of connections.

use super::{Address, Errno};

/// One end of a connection.
#[derive(Clone, Debug, Hash)]
pub struct End {
    /// Where it is.
    pub local: Address,
    /// Where the other one is.
    pub peer: Address,
    /// The state.
    pub state: EndState,
    /// For decisions.
    pub entity: u32,
    /// Its descriptor; `None` before accept and after close.
    pub socket: Option<u32>,
    /// The pending error: one call takes it.
    pub(crate) error: Option<Errno>,
    /// RST came, or it broke.
    pub(crate) is_reset: bool,
    /// It broke, and the peer does not know: what comes is answered with RST.
    pub(crate) is_broken: bool,
}

impl End {
    /// Returns `true` if what arrives meets nobody.
    pub(super) fn is_gone(&self) -> bool {
        self.state == EndState::Closed || self.is_broken
    }
}

/// The state of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndState {
    /// Waits for the answer to its first packet.
    Connecting,
    /// Bytes may flow.
    Established,
    /// Connecting failed.
    Failed,
    /// Its descriptor was closed; what it wrote may still be under way.
    Closed,
}
