//! The questions that sockets of every kind answer.

use super::head::{CloseStep, Closing, Due, Head, Latch};
use crate::{Config, Directory, Instant, OutputState, Situation, SocketKind, SocketState};

/// A socket's part that depends on its kind: a stream, a listener, a datagram socket.
///
/// The phase of the part is the state of the socket; what a phase needs lies in it.
pub(crate) trait Kind {
    fn kind(&self) -> SocketKind;

    fn state(&self) -> SocketState;

    /// Returns the progress of the end, if it has begun.
    fn closing(&self) -> Option<&Closing>;

    fn closing_mut(&mut self) -> Option<&mut Closing>;

    /// Returns `true` if the backend holds something for the id, so that `close` must be called.
    fn is_open(&self) -> bool;

    /// Payload bytes that are queued.
    fn pending_bytes(&self) -> usize;

    /// The charge of what is queued.
    fn charge_bytes(&self) -> usize;

    /// Returns `true` if anything is queued: stream bytes, or datagrams, an empty one included.
    fn has_output(&self) -> bool;

    /// Returns `true` if a queued message has begun.
    fn has_begun(&self) -> bool;

    /// Drops what is queued and returns how many payload bytes that was.
    fn clear_output(&mut self) -> usize;

    /// Returns `true` if input is wanted, but for a full mailbox.
    fn wants_input(&self, head: &Head) -> bool;

    /// Returns `true` if the state is one in which the owner may want input.
    fn may_want_input(&self, head: &Head) -> bool;

    /// Returns `true` if completed input waits only to be wanted.
    fn has_held_input(&self) -> bool;

    /// Returns `true` if a completed read brought an error, which is served even while nothing is
    /// wanted.
    fn has_held_fault(&self) -> bool {
        false
    }

    /// Returns `true` if input is read only to be thrown away.
    fn discards_input(&self, _head: &Head) -> bool {
        false
    }

    /// Returns `true` if the end of the stream was read.
    fn is_eof(&self) -> bool {
        false
    }

    /// Returns `true` if the backend is closing it before its end has begun.
    fn is_being_closed(&self) -> bool {
        false
    }

    /// Returns `true` if `Paused` waits for sockets of other Muxes.
    fn awaits_pause(&self) -> bool {
        false
    }

    /// Returns `true` if `Close` waits for sockets of other Muxes.
    fn holds_close(&self) -> bool {
        false
    }

    /// Returns `true` if there is output work that can be done now, given what is on its way.
    fn has_output_work(&self, head: &Head, way: Way<'_>) -> bool;

    /// When the state ends if nothing happens, and what that means.
    fn deadline(&self, head: &Head, config: &Config) -> Option<(Instant, Due)>;

    /// Returns `true` if there is surely no deadline: a short look, for each message.
    /// `may_be_silent`: the configuration asks for no bound of silence.
    #[inline]
    fn has_no_deadline(&self, _head: &Head, _may_be_silent: bool) -> bool {
        false
    }

    /// # Panics
    /// If two fields contradict each other.
    fn check(&self, head: &Head);

    fn is_closing(&self) -> bool {
        self.closing().is_some()
    }

    /// Returns `true` if there is input work that can be done now, but for a full mailbox.
    #[inline]
    fn has_input_work(&self, head: &Head) -> bool {
        // Of what is pending nothing is held, as `check` sees to.
        head.input == Latch::Ready && (self.wants_input(head) || self.has_held_fault())
    }

    /// Returns `true` if input work makes messages, so that a full mailbox holds it back.
    #[inline]
    fn needs_mailbox(&self, head: &Head) -> bool {
        !self.discards_input(head) && !self.has_held_fault()
    }

    /// The situation of the socket, for an observer. It looks only at what is at hand, so that it
    /// costs nothing where nobody observes.
    #[inline]
    fn situation(&self, head: &Head) -> Situation {
        let is_eof = self.is_eof();
        Situation {
            state: self.state(),
            is_paused: self.may_want_input(head) && !is_eof && !head.is_reading,
            is_eof,
            output: match (self.has_output(), self.has_begun()) {
                (false, _) => OutputState::Empty,
                (true, false) => OutputState::Whole,
                (true, true) => OutputState::Begun,
            },
        }
    }
}

/// A part that can enter another phase of its life.
pub(crate) trait Phased: Kind {
    type Phase;

    fn phase_mut(&mut self) -> &mut Self::Phase;
}

/// A look at the sends that are on their way to a socket. The gate is read only when it matters.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    directory: &'a Directory,
    /// Services are not waited for any more.
    is_forcing: bool,
}

impl<'a> Way<'a> {
    #[inline]
    pub(crate) fn new(directory: &'a Directory, is_forcing: bool) -> Self {
        Self { directory, is_forcing }
    }

    /// Returns `true` if sends are on their way and are waited for.
    #[inline]
    pub(crate) fn has_sends(self, head: &Head) -> bool {
        let gate = self.directory.gate(head.id).expect("a living id has a gate");
        gate.has_sends(head.id) && !self.is_forcing
    }
}

impl Closing {
    /// Returns `true` if the next step of the end can be taken now.
    pub(crate) fn has_work(&self, head: &Head, way: Way<'_>) -> bool {
        match self.step {
            // The loss, and whether the peer must learn of it, is known when all has come.
            CloseStep::Asked(_) | CloseStep::Done => !way.has_sends(head),
            CloseStep::Waiting => false,
        }
    }
}
