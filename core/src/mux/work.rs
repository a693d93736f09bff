//! What work a socket has.

use super::slot::{Attempt, Closing, Kind, Latch, Slot};
use crate::SocketState;
use crate::gate::OnTheWay;

impl Slot {
    /// Whether there is input work that can be done now, but for a full mailbox.
    #[inline]
    pub(super) fn has_input_work(&self) -> bool {
        if self.input == Latch::Pending {
            // So nothing is held, as `check` sees to.
            debug_assert!(!self.has_held_input(), "{} has input and asks for it", self.id);
            return false;
        }
        self.wants_input() || self.has_held_fault()
    }

    /// Whether input work makes messages, so that a full mailbox holds it back.
    #[inline]
    pub(super) fn needs_mailbox(&self) -> bool {
        !self.discards_input() && !self.has_held_fault()
    }

    /// Whether the socket writes what is queued.
    #[inline]
    pub(super) fn writes(&self) -> bool {
        let writes = matches!(
            self.state,
            SocketState::Accepted
                | SocketState::Open
                | SocketState::EofSeen
                | SocketState::Flushing
                | SocketState::Datagram
        );
        debug_assert!(!writes || self.kind != Kind::Listener, "{}: a listener writes", self.id);
        debug_assert!(!writes || self.closing == Closing::No, "{} ends and writes", self.id);
        writes
    }

    /// Whether the error that an event told of is to be asked for, since no read will meet it.
    #[inline]
    pub(super) fn asks_for_error(&self) -> bool {
        debug_assert!(!self.is_failure_noticed || self.kind == Kind::Stream, "{}", self.id);
        debug_assert!(!self.is_failure_noticed || self.is_open, "{} failed too early", self.id);
        self.is_failure_noticed && !self.has_input_work()
    }

    /// Whether it depends on what is on its way whether there is output work: mostly there is none.
    #[inline]
    pub(super) fn may_have_output_work(&self) -> bool {
        use SocketState::{Accepted, Datagram, EofSeen, Listening, Open};
        let is_at_rest = matches!(self.state, Open | Accepted | EofSeen | Datagram | Listening);
        let has_own = self.asks_for_error() || !self.rare.deferred.is_empty();
        debug_assert!(!is_at_rest || self.closing == Closing::No, "{} ends and rests", self.id);
        debug_assert!(!has_own || self.state != SocketState::Closing, "{} ends", self.id);
        !is_at_rest || has_own || self.has_output()
    }

    /// Whether there is output work that can be done now, given what is on its way.
    #[inline]
    pub(super) fn has_output_work(&self, on_the_way: OnTheWay) -> bool {
        let OnTheWay { has_sends, has_direct, has_flush } = on_the_way;
        let is_draining = self.state == SocketState::Draining;
        assert!(!is_draining || !(has_sends || has_direct), "{}: FIN overtook a send", self.id);
        match self.state {
            SocketState::Opening => true,
            SocketState::Connecting => {
                let dial = self.rare.dial.as_ref().expect("a connecting socket dials");
                match dial.attempt {
                    Attempt::None => {
                        let has_address = dial.target.is_some() || dial.address.is_some();
                        has_address || dial.winner.is_some()
                    }
                    Attempt::UnderWay => self.output == Latch::Ready,
                    Attempt::GivenUp => true,
                    Attempt::Closing | Attempt::Won => false,
                }
            }
            SocketState::Closing => match self.closing {
                // What is lost is known, and whether the peer must learn of it, when all has come.
                Closing::Asked(_) => !(has_sends || has_direct),
                Closing::Waiting => false,
                Closing::Done => !(has_sends || has_direct || has_flush || self.waits_for_twins()),
                Closing::No => unreachable!("a closing socket knows how far it is"),
            },
            _ => {
                let has_output = self.has_output();
                let has_turn = self.output == Latch::Ready && !has_direct;
                let can_write = has_output && has_turn && self.writes();
                let is_waited_for = has_sends || has_direct;
                // After a failed write no FIN is sent: the end comes when the input is read.
                let has_end = self.rare.write_fault.is_none() || self.discards_input();
                let can_end =
                    self.state == SocketState::Flushing && has_end && !has_output && !is_waited_for;
                can_write || can_end || self.asks_for_error() || !self.rare.deferred.is_empty()
            }
        }
    }

    /// Whether the socket must be in the list of those with output work, else the work would be
    /// forgotten. What a direct write held back is looked for when the `Flush` comes that tells of
    /// its end, and a worker may end it between two looks.
    pub(super) fn must_be_in_output(&self, on_the_way: OnTheWay) -> bool {
        let must = self.has_output_work(on_the_way) && !on_the_way.has_flush;
        assert!(!must || self.may_have_output_work(), "{}: the short look missed work", self.id);
        assert!(!must || self.closing != Closing::Waiting, "{} waits for the backend", self.id);
        let is_stream = self.kind == Kind::Stream;
        assert!(!on_the_way.has_flush || is_stream, "{}: only streams are written so", self.id);
        must
    }
}
