//! The relations between a socket's fields that types do not express.
//!
//! Each must hold whenever the Mux is between two steps, whatever peers and services do.
//! They are checked after every step of a debug build, and by `check_invariants`; relations that
//! involve other parts of the Mux stand in `invariants.rs`.

use super::dial::{Attempt, Dial};
use super::head::{CloseStep, Closing, Head, Latch, Role};
use super::kind::Kind;
use super::listener;
use super::listener::Listener;
use super::stream::{Phase, Stream};
use crate::{CloseHow, CloseReason, SocketId, SocketKind, SocketState};

/// The states that may follow a state: the arrows of the picture in `docs/states.md`. A state that
/// stands among its own followers begins anew, with new times: `shutdown` after `finish`.
const FOLLOWERS: [(SocketState, &[SocketState]); 10] = {
    use SocketState::{
        Accepted, Closing, Connecting, Datagram, Draining, EofSeen, Flushing, Listening, Open,
        Opening,
    };
    [
        (Opening, &[Listening, Open, Datagram, Closing]),
        (Connecting, &[Open, Closing]),
        (Listening, &[Closing]),
        (Accepted, &[Open, Flushing, Closing]),
        (Open, &[EofSeen, Flushing, Closing]),
        (EofSeen, &[Flushing, Closing]),
        (Flushing, &[Flushing, Draining, Closing]),
        (Draining, &[Draining, Closing]),
        (Datagram, &[Flushing, Closing]),
        (Closing, &[]),
    ]
};

/// # Panics
/// If no arrow leads from one state to the other.
pub(crate) fn assert_follows(id: SocketId, from: SocketState, to: SocketState) {
    let mut rows = FOLLOWERS.iter().filter(|(row, _)| *row == from);
    let (_, followers) = rows.next().expect("each state has a row");
    assert!(followers.contains(&to), "{id}: {to:?} does not follow {from:?}");
}

impl Head {
    /// # Panics
    /// If a relation is broken that sockets of every kind have.
    pub(crate) fn check(&self, part: &impl Kind) {
        self.check_role(part);
        self.check_cause(part);
        self.check_input(part);
        self.check_output(part);
        self.check_flags(part);
        self.check_counters(part);
        if let Some(closing) = part.closing() {
            self.check_closing(part, closing);
        }
    }

    fn check_role(&self, part: &impl Kind) {
        let id = self.id;
        assert!(self.progress_at >= self.since, "{id} made progress before its state");
        let may_live = self.role != Role::Refused || part.is_closing();
        assert!(may_live, "{id} was refused and lives");
        // A helper that is a listener is the twin of one.
        let is_twin = self.is_helper() && part.kind() == SocketKind::Listener;
        let may_be_owned = self.is_told() || is_twin;
        assert!(may_be_owned || self.owner.is_none(), "{id} is owned, and its id was never told");
        assert!(self.is_told() || !part.has_output(), "{id} has output, and its id was never told");
        let state = part.state();
        let is_established = state.is_established()
            || matches!(state, SocketState::Datagram | SocketState::Listening);
        assert!(!is_established || self.rare.local.is_some(), "{id} is {state:?} nowhere");
        let has_far_end = is_established && part.kind() == SocketKind::Stream;
        assert!(!has_far_end || self.rare.peer.is_some(), "{id} is {state:?} to nobody");
    }

    /// The cause of the end is known exactly when the end has begun, and fits how it goes.
    fn check_cause(&self, part: &impl Kind) {
        let (id, state) = (self.id, part.state());
        let has_begun = self.is_shutdown_wanted
            || matches!(
                state,
                SocketState::EofSeen
                    | SocketState::Flushing
                    | SocketState::Draining
                    | SocketState::Closing
            );
        assert_eq!(self.cause.is_some(), has_begun, "{id} is {state:?}, cause {:?}", self.cause);
        if state == SocketState::EofSeen {
            assert_eq!(self.cause, Some(CloseReason::Peer), "{id}: the peer ended it");
        } else if state != SocketState::Closing {
            let is_orderly = matches!(
                self.cause,
                None | Some(
                    CloseReason::Shutdown
                        | CloseReason::Peer
                        | CloseReason::OwnerGone
                        | CloseReason::Exit
                )
            );
            assert!(is_orderly, "{id} goes on after {:?}", self.cause);
        }
        if self.is_finishing && state != SocketState::Closing {
            let by_peer = self.cause == Some(CloseReason::Peer);
            assert!(!by_peer || part.is_eof(), "{id} ended by a peer whose FIN was not read");
        }
    }

    fn check_input(&self, part: &impl Kind) {
        let (id, state) = (self.id, part.state());
        let may_be_read = matches!(
            state,
            SocketState::Open
                | SocketState::Flushing
                | SocketState::Draining
                | SocketState::Listening
                | SocketState::Datagram
                | SocketState::Closing
        );
        assert!(may_be_read || self.input == Latch::Ready, "{id} is {state:?} and was read");
        let is_held = part.has_held_input();
        assert!(may_be_read || !is_held, "{id} is {state:?} and holds input");
        assert!(!is_held || self.input == Latch::Ready, "{id} holds input and asks for more");
        assert!(!is_held || !part.is_closing(), "{id} closes and keeps input");
    }

    fn check_output(&self, part: &impl Kind) {
        let (id, state) = (self.id, part.state());
        let is_ready = self.output == Latch::Ready;
        assert!(is_ready || state != SocketState::Opening, "{id} wrote before it was open");
        assert!(is_ready || state != SocketState::Listening, "{id} listens and wrote");
        let is_draining = state == SocketState::Draining;
        assert!(!is_draining || !part.has_output(), "{id} queues behind FIN");
        assert!(!is_draining || is_ready, "{id} writes behind FIN");
    }

    fn check_flags(&self, part: &impl Kind) {
        let (id, state) = (self.id, part.state());
        let is_before = matches!(state, SocketState::Opening | SocketState::Connecting);
        let is_closing = state == SocketState::Closing;
        let may_owe = is_before || is_closing || part.awaits_pause();
        assert!(!self.is_pause_owed || may_owe, "{id} owes `Paused` and is {state:?}");
        assert!(!self.is_pause_owed || !self.is_reading, "{id} was started and owes `Paused`");
        let is_accepted = state == SocketState::Accepted;
        assert!(!is_accepted || !self.is_reading, "{id} is read and was never started");
        let ends = matches!(state, SocketState::Flushing | SocketState::Draining) || is_closing;
        assert!(!self.is_shutdown_wanted || is_before || ends, "{id} forgot its shutdown");
        assert!(!self.is_finishing || is_before || ends, "{id} finishes and is {state:?}");
        let is_early = self.is_finishing && is_before;
        assert!(!is_early || self.is_shutdown_wanted, "{id} finishes and is not shut down");
        let is_listener = part.kind() == SocketKind::Listener;
        let has_end = self.is_finishing || self.is_shutdown_wanted;
        assert!(!is_listener || !has_end, "{id} is a listener and has output to end");
        assert!(!is_listener || self.timeouts.is_none(), "{id} is a listener with times");
    }

    fn check_counters(&self, part: &impl Kind) {
        let (id, counters) = (self.id, &self.counters);
        match part.kind() {
            SocketKind::Stream => {
                assert!(counters.messages_in <= counters.bytes_in, "{id}: an empty message came");
                assert!(counters.messages_out <= counters.bytes_out, "{id}: an empty one went");
            }
            SocketKind::Datagram => {
                assert!(counters.bytes_in == 0 || counters.messages_in > 0, "{id}: loose bytes");
                assert!(counters.bytes_out == 0 || counters.messages_out > 0, "{id}: loose bytes");
            }
            SocketKind::Listener => {
                let bytes = counters.bytes_in + counters.bytes_out + self.rare.unsent_bytes;
                assert_eq!(bytes, 0, "{id} is a listener and carried bytes");
            }
        }
        let was_read = counters.messages_in > 0 || counters.bytes_in > 0;
        let was_written = counters.messages_out > 0 || counters.bytes_out > 0;
        assert_eq!(was_read, counters.last_read.is_some(), "{id}: the time of a read");
        assert_eq!(was_written, counters.last_write.is_some(), "{id}: the time of a write");
        let state = part.state();
        assert!(state != SocketState::Accepted || !was_read, "{id} was read before `start`");
        let is_before = matches!(state, SocketState::Opening | SocketState::Connecting);
        assert!(!is_before || !was_read && !was_written, "{id} carried bytes before it was open");
    }

    fn check_closing(&self, part: &impl Kind, closing: &Closing) {
        let id = self.id;
        assert!(self.rare.deferred.is_empty(), "{id} closes and sets options");
        if let CloseStep::Asked(how) = closing.step {
            let is_stream = part.kind() == SocketKind::Stream;
            assert!(is_stream || how == CloseHow::Plain, "{id} is no stream and is reset");
            let is_lossy = is_stream && part.has_output();
            assert!(!is_lossy || how == CloseHow::Reset, "{id}: the peer must learn of the loss");
        }
        let is_orderly = matches!(
            self.cause,
            Some(CloseReason::Shutdown | CloseReason::Peer | CloseReason::TimedOut(_))
        );
        assert!(closing.fatal.is_none() || !is_orderly, "{id} failed, and ends in order");
        assert!(!part.has_input_work(self), "{id} closes and is read");
    }
}

impl Stream {
    /// # Panics
    /// If a relation of streams is broken.
    pub(crate) fn check_relations(&self, head: &Head) {
        let (id, state) = (head.id, self.state());
        if self.stalled_at.is_some() {
            let is_over = self.is_closing() || self.write_fault.is_some();
            assert!(is_over || self.has_output(), "{id} is stalled with nothing to write");
        }
        let has_moved = self.resumed_at.is_none_or(|at| at <= head.progress_at);
        assert!(has_moved, "{id} was resumed after its last progress");
        assert!(!self.is_eof || self.held.is_none(), "{id} holds bytes behind the end");
        let may_have_ended =
            matches!(self.phase, Phase::EofSeen | Phase::Flushing | Phase::Closing(_));
        assert!(may_have_ended || !self.is_eof, "{id} is {state:?} after the end");
        assert!(self.is_eof || state != SocketState::EofSeen, "{id} saw no end");
        let asks_on = self.is_eof && !self.is_closing() && head.input == Latch::Pending;
        assert!(!asks_on, "{id} asks for more than the end");
        let is_offered = self.outbox.offered_bytes() > 0;
        assert!(!is_offered || head.output == Latch::Pending, "{id} offers bytes to no write");
        let is_written = self.writes() || self.is_closing();
        assert!(!is_offered || is_written, "{id} is {state:?} and offers bytes");
        if let Some(fault) = &self.write_fault {
            assert!(self.outbox.is_empty(), "{id} queues after {fault}");
            assert_eq!(head.output, Latch::Ready, "{id} writes after {fault}");
            let reads_on = matches!(self.phase, Phase::Open | Phase::Flushing | Phase::Closing(_));
            assert!(reads_on, "{id} is {state:?} after {fault}");
        }
        let is_before = matches!(self.phase, Phase::Adopting(_) | Phase::Dialling(_));
        assert!(!self.is_fin_noticed || !is_before, "{id} noticed a FIN before it was open");
        let can_fail = !is_before && !self.is_closing();
        assert!(!self.is_failure_noticed || can_fail, "{id} is {state:?} and asks for an error");
        let can_lose =
            self.write_fault.is_some() || matches!(self.phase, Phase::Draining | Phase::Closing(_));
        assert!(can_lose || head.rare.unsent_bytes == 0, "{id} lost bytes and goes on");
        match &self.phase {
            Phase::Adopting(descriptor) => {
                assert!(descriptor.is_some(), "{id} has nothing to adopt");
            }
            Phase::Dialling(dial) => dial.check(head),
            Phase::Closing(closing) if closing.step == CloseStep::Done => {
                assert_eq!(self.outbox.offered_bytes(), 0, "{id}: a write outlived its close");
            }
            _ => {}
        }
    }
}

impl Dial {
    fn check(&self, head: &Head) {
        let id = head.id;
        assert!(self.deadline >= head.since, "{id} was late before it began");
        assert!(self.next_at >= head.since, "{id} tried a second address before it began");
        let is_tried = self.attempt != Attempt::None;
        assert!(!is_tried || self.address.is_some(), "{id} connects to no address");
        let is_unresolved = self.is_unresolved();
        assert!(self.target.is_none() || is_unresolved, "{id} is resolved already");
        let is_given_up = matches!(self.attempt, Attempt::GivenUp | Attempt::Closing);
        assert!(!is_given_up || self.winner.is_some(), "{id} is given up, and nobody has won");
        let is_decided = self.winner.as_ref().is_none_or(|(racer, _)| self.racers == [*racer]);
        assert!(is_decided, "{id} has a winner and other racers");
        let races = self.races_for.is_some();
        assert_eq!(races, head.is_helper(), "{id} races, but is no helper, or the reverse");
        let has_racers = !self.racers.is_empty() || !self.untried.is_empty();
        assert!(!races || !has_racers, "{id} is a racer and has racers");
        assert!(races || self.attempt != Attempt::Won, "{id} waits for its own id");
        assert!(is_tried || head.output == Latch::Ready, "{id} waits for no connect");
        assert!(head.rare.local.is_none(), "{id} has an address before it is open");
    }
}

impl Listener {
    /// # Panics
    /// If a relation of listeners is broken.
    pub(crate) fn check_relations(&self, head: &Head) {
        let id = head.id;
        let has_id = self.reserved.is_some();
        assert_ne!(self.reserved, Some(id), "{id} would accept itself");
        assert!(has_id || self.held.is_none(), "{id} accepted without an id");
        let is_listening = matches!(self.phase, listener::Phase::Listening);
        let is_asked = head.input == Latch::Pending && is_listening;
        assert!(!is_asked || has_id, "{id} accepts without an id");
        assert!(!self.is_stalled || !has_id, "{id} has an id and waits for one");
        let retries = self.retry_at.is_some();
        assert!(!(retries && self.is_stalled), "{id} waits for a time and for an id");
        assert!(!retries || self.failures > 0, "{id} retries without a failure");
        assert!(!retries || self.is_reported, "{id} did not report its failure");
        assert!(!retries || !is_asked, "{id} accepts before its time");
        let is_paced = self.paced_until.is_some();
        assert!(!is_paced || !retries && !self.is_stalled, "{id} waits for two things");
        assert!(!is_paced || self.pace.is_some(), "{id} waits without a rate");
        assert!(!is_paced || self.has_waited, "{id} waits, and nobody had to");
        let is_new = matches!(self.phase, listener::Phase::Opening(_));
        let was_used = self.accepted > 0 || self.failures > 0 || has_id || self.is_stalled;
        assert!(!is_new || !was_used, "{id} accepted before it was open");
        assert!(!self.is_twin() || !head.is_told(), "{id} is a twin, and its id was told");
        assert!(!self.is_twin() || !self.holds_close(), "{id} is a twin with twins");
        if let Some(retry_at) = self.retry_at
            && is_listening
        {
            assert!(retry_at >= head.since, "{id} retries before it listens");
        }
    }
}
