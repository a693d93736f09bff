//! The situation of one socket, for observers.

use crate::SocketState;

/// The situation of one socket of a Mux at a call or an event. An observer records it to tell which
/// cases were reached.
///
/// [`Mux::situation`](crate::Mux::situation) returns it between calls, and the Mux passes it to
/// [`Backend::regard`](crate::Backend::regard) right before each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Situation {
    /// The state.
    pub state: SocketState,
    /// `true` if the owner wants no input, in a state in which it could get some.
    pub is_paused: bool,
    /// `true` if the end of the stream was read.
    pub is_eof: bool,
    /// The output that waits to be written.
    pub output: OutputState,
}

/// The output that waits to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputState {
    /// Nothing.
    Empty,
    /// Whole messages.
    Whole,
    /// Messages of which the first has begun: a part of it was written, or was offered to a write
    /// that is pending.
    Begun,
}
