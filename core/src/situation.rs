//! How one socket stands, for those who watch.

use crate::SocketState;

/// How one socket of a Mux stands at a call or at an event: what an observer needs in order to say
/// which cases were reached.
///
/// [`Mux::situation`](crate::Mux::situation) gives it between calls, and the Mux itself gives it to
/// [`Backend::regard`](crate::Backend::regard) right before each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Situation {
    /// The state.
    pub state: SocketState,
    /// The owner does not want input, in a state in which it may want some.
    pub is_paused: bool,
    /// The end of the stream was read.
    pub is_eof: bool,
    /// What waits to be written.
    pub output: OutputState,
}

/// What waits to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputState {
    /// Nothing.
    Empty,
    /// Whole messages.
    Whole,
    /// The first message has begun: a part of it went, or was offered to a write that is pending.
    Begun,
}
