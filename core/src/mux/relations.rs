//! What the fields of a slot say about each other.
//!
//! Each relation is one that must hold whenever the Mux is between two steps, whatever peers and
//! services do. `Slot::check` holds after every step; what involves other parts of the Mux stands
//! in `invariants.rs`.

use super::slot::{Attempt, Closing, Kind, Latch, Listener, Slot};
use crate::{CloseHow, CloseReason, SocketState};

impl Slot {
    /// # Panics
    /// If two fields contradict each other.
    pub(super) fn check(&self) {
        self.check_kind();
        self.check_times();
        self.check_cause();
        self.check_parts();
        self.check_input();
        self.check_output();
        self.check_flags();
        self.check_counters();
        match &self.rare.listener {
            Some(listener) => self.check_listener(listener),
            None => assert_ne!(self.kind, Kind::Listener, "{} lacks a listener's part", self.id),
        }
        match self.state {
            SocketState::Connecting => self.check_dial(),
            SocketState::Closing => self.check_closing(),
            _ => assert_eq!(self.closing, Closing::No, "{} lives and is closing", self.id),
        }
    }

    fn check_kind(&self) {
        let (id, state) = (self.id, self.state);
        let is_legal = match self.kind {
            Kind::Stream => !matches!(state, SocketState::Listening | SocketState::Datagram),
            Kind::Listener => matches!(
                state,
                SocketState::Opening | SocketState::Listening | SocketState::Closing
            ),
            Kind::Datagram => matches!(
                state,
                SocketState::Opening
                    | SocketState::Datagram
                    | SocketState::Flushing
                    | SocketState::Closing
            ),
        };
        assert!(is_legal, "{id} is a {:?} and {state:?}", self.kind);
        if !matches!(state, SocketState::Connecting | SocketState::Closing) {
            let is_asked_for = state == SocketState::Opening;
            assert_eq!(self.is_open, !is_asked_for, "{id} is {state:?}: what holds the backend?");
        }
        assert!(!self.is_told || !self.is_helper, "{id} is known, and helps another");
        let may_live = self.is_told || self.is_helper;
        assert!(may_live || state == SocketState::Closing, "{id} lives and nobody knows");
        let may_be_owned = self.is_told || self.is_twin();
        assert!(may_be_owned || self.owner.is_none(), "{id} is owned by who never heard of it");
        assert!(self.is_told || !self.has_output(), "{id} has output of nobody");
    }

    fn check_times(&self) {
        let id = self.id;
        assert!(self.progress_at >= self.since, "{id} went on before it was {:?}", self.state);
        if self.rare.stalled_at.is_some() {
            let is_over = self.state == SocketState::Closing || self.rare.write_fault.is_some();
            assert!(is_over || self.has_output(), "{id} is stuck with nothing to write");
            assert_eq!(self.kind, Kind::Stream, "{id}: a datagram is sent or not");
        }
        let has_moved = self.rare.resumed_at.is_none_or(|at| at <= self.progress_at);
        assert!(has_moved, "{id} was resumed after it last went on");
        let has_own_times = self.rare.timeouts.is_some();
        assert!(!has_own_times || self.kind != Kind::Listener, "{id} waits for clients alone");
        // A socket may be closed late: after a time that no turn has looked at yet.
        if let Some(listener) = &self.rare.listener
            && let Some(retry_at) = listener.retry_at
            && self.state != SocketState::Closing
        {
            assert!(retry_at >= self.since, "{id} retries before it listens");
        }
        if let Some(dial) = &self.rare.dial {
            assert!(dial.deadline >= self.since, "{id} was late before it began");
            assert!(dial.next_at >= self.since, "{id} tried two addresses before it began");
        }
    }

    /// The cause of the end is known exactly when the end has begun, and fits how it goes.
    fn check_cause(&self) {
        let (id, state) = (self.id, self.state);
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
            assert!(!by_peer || self.is_eof, "{id}: a peer that ended was heard");
        }
    }

    /// Which parts there are.
    fn check_parts(&self) {
        let (id, state, rare) = (self.id, self.state, &self.rare);
        let is_opening = state == SocketState::Opening;
        assert_eq!(rare.opening.is_some(), is_opening, "{id} is {state:?}: what is opened?");
        assert!(!is_opening || rare.local.is_none(), "{id} is somewhere before it is open");
        assert!(!is_opening || rare.peer.is_none(), "{id} has a far end before it is open");
        assert!(!is_opening || self.armed_at.is_none(), "{id} is opened without a bound");
        let is_connecting = state == SocketState::Connecting;
        assert_eq!(rare.dial.is_some(), is_connecting, "{id} is {state:?}: what is dialled?");
        let is_listener = self.kind == Kind::Listener;
        assert_eq!(rare.listener.is_some(), is_listener, "{id}: a part of another kind");
        let is_closing = state == SocketState::Closing;
        assert!(rare.deferred.is_empty() || !is_closing, "{id} closes and sets options");
        assert!(rare.fatal.is_none() || is_closing, "{id} lives on after its fatal error");
        let is_established = state.is_established()
            || matches!(state, SocketState::Datagram | SocketState::Listening);
        assert!(!is_established || rare.local.is_some(), "{id} is {state:?} nowhere");
        let has_far_end = is_established && self.kind == Kind::Stream;
        assert!(!has_far_end || rare.peer.is_some(), "{id} is {state:?} to nobody");
        assert!(!is_listener || rare.peer.is_none(), "{id} listens to one peer");
    }

    fn check_input(&self) {
        let (id, state) = (self.id, self.state);
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
        assert!(may_be_read || !self.has_held_input(), "{id} is {state:?} and has input");
        let is_held = self.has_held_input();
        assert!(!is_held || self.input == Latch::Ready, "{id} has input and still asks for it");
        let is_closing = state == SocketState::Closing;
        assert!(!is_held || !is_closing, "{id} closes and keeps input");
        let is_stream = self.kind == Kind::Stream;
        assert!(is_stream || self.rare.held.is_none(), "{id}: bytes of no stream");
        let is_datagram = self.kind == Kind::Datagram;
        assert!(is_datagram || self.rare.held_datagram.is_none(), "{id}: a stray datagram");
        assert!(!self.is_eof || is_stream, "{id}: the end of no stream");
        assert!(!self.is_eof || self.rare.held.is_none(), "{id}: bytes behind the end");
        let may_have_ended =
            matches!(state, SocketState::EofSeen | SocketState::Flushing | SocketState::Closing);
        assert!(may_have_ended || !self.is_eof, "{id} is {state:?} after the end");
        assert!(self.is_eof || state != SocketState::EofSeen, "{id} saw no end");
        let is_asked_after_end = self.is_eof && !is_closing && self.input == Latch::Pending;
        assert!(!is_asked_after_end, "{id} asks for more than the end");
    }

    fn check_output(&self) {
        let (id, state) = (self.id, self.state);
        let may_be_written = matches!(
            state,
            SocketState::Connecting
                | SocketState::Accepted
                | SocketState::Open
                | SocketState::EofSeen
                | SocketState::Flushing
                | SocketState::Draining
                | SocketState::Datagram
                | SocketState::Closing
        );
        assert!(may_be_written || self.output == Latch::Ready, "{id} is {state:?}, and wrote");
        let is_stream = self.kind == Kind::Stream;
        assert!(is_stream || self.outbox.is_empty(), "{id}: bytes for no stream");
        let is_datagram = self.kind == Kind::Datagram;
        assert!(is_datagram || self.rare.datagrams.is_empty(), "{id}: datagrams in a stream");
        let is_draining = state == SocketState::Draining;
        assert!(!is_draining || !self.has_output(), "{id} queues behind FIN");
        assert!(!is_draining || self.output == Latch::Ready, "{id} writes behind FIN");
        let is_offered = self.outbox.offered_bytes() > 0;
        assert!(!is_offered || self.output == Latch::Pending, "{id} offers bytes to no write");
        let is_written = self.writes() || state == SocketState::Closing;
        assert!(!is_offered || is_written, "{id} is {state:?} and offers bytes");
        if self.rare.write_fault.is_some() {
            assert!(is_stream, "{id}: one datagram breaks nothing");
            assert!(self.outbox.is_empty(), "{id} queues behind a failed write");
            assert_eq!(self.output, Latch::Ready, "{id} writes after a failed write");
            let reads_on =
                matches!(state, SocketState::Open | SocketState::Flushing | SocketState::Closing);
            assert!(reads_on, "{id} is {state:?} after a failed write");
        }
    }

    fn check_flags(&self) {
        let (id, state) = (self.id, self.state);
        let is_before = matches!(state, SocketState::Opening | SocketState::Connecting);
        let is_closing = state == SocketState::Closing;
        let twins = self.rare.listener.as_ref().and_then(|listener| listener.twins.as_ref());
        let awaits_pause = twins.is_some_and(|twins| twins.pauses_awaited > 0);
        let may_owe = is_before || is_closing || awaits_pause;
        assert!(!self.is_pause_owed || may_owe, "{id} owes `Paused`");
        assert!(!self.is_pause_owed || !self.is_reading, "{id} was started and owes `Paused`");
        let is_accepted = state == SocketState::Accepted;
        assert!(!is_accepted || !self.is_reading, "{id} is read and was never started");
        let ends = matches!(state, SocketState::Flushing | SocketState::Draining) || is_closing;
        assert!(!self.is_shutdown_wanted || is_before || ends, "{id} forgot its shutdown");
        assert!(!self.is_finishing || is_before || ends, "{id} finishes and is {state:?}");
        assert!(
            !(self.is_finishing && is_before) || self.is_shutdown_wanted,
            "{id} finishes what it does not shut down"
        );
        let is_listener = self.kind == Kind::Listener;
        assert!(!is_listener || !self.is_finishing, "{id}: a listener has nothing to finish");
        assert!(!is_listener || !self.is_shutdown_wanted, "{id}: a listener has no FIN");
        let is_stream = self.kind == Kind::Stream;
        assert!(!self.is_fin_noticed || is_stream && !is_before, "{id} noticed no peer's FIN");
        assert!(!self.is_failure_noticed || is_stream, "{id} noticed another's failure");
        let can_fail = !is_before && !is_closing;
        assert!(!self.is_failure_noticed || can_fail, "{id} is {state:?} and asks for an error");
        assert!(!self.waits_for_mailbox || self.owner.is_some(), "{id} waits for nobody");
        assert!(!self.waits_for_mailbox || !is_closing, "{id} closes and waits to be read");
        assert!(self.warn_next_bytes > 0, "{id} would warn of nothing");
    }

    fn check_counters(&self) {
        let (id, counters) = (self.id, &self.rare.counters);
        let has_written = counters.last_write.is_some();
        let is_silent = counters.messages_out == 0 && counters.bytes_out == 0;
        assert_eq!(is_silent, !has_written, "{id} wrote at no time");
        match self.kind {
            Kind::Stream => {
                assert!(counters.messages_in <= counters.bytes_in, "{id}: an empty message came");
                assert!(counters.messages_out <= counters.bytes_out, "{id}: one went");
            }
            Kind::Datagram => {
                assert!(counters.bytes_in == 0 || counters.messages_in > 0, "{id}: loose bytes");
                assert!(counters.bytes_out == 0 || counters.messages_out > 0, "{id}: loose bytes");
            }
            Kind::Listener => {
                let bytes = counters.bytes_in + counters.bytes_out;
                assert_eq!(bytes, 0, "{id}: a listener carried bytes");
                assert_eq!(self.rare.unsent_bytes, 0, "{id}: a listener lost bytes");
            }
        }
        let was_read = counters.messages_in > 0 || counters.bytes_in > 0;
        assert!(was_read || counters.last_read.is_none(), "{id} read nothing, at some time");
        let is_accepted = self.state == SocketState::Accepted;
        assert!(!is_accepted || !was_read, "{id} was read and was never started");
        let can_lose = self.kind != Kind::Stream
            || self.rare.write_fault.is_some()
            || matches!(self.state, SocketState::Draining | SocketState::Closing);
        assert!(can_lose || self.rare.unsent_bytes == 0, "{id} lost bytes and goes on");
        let is_before = matches!(self.state, SocketState::Opening | SocketState::Connecting);
        assert!(!is_before || counters.bytes_in == 0, "{id} was read before it was open");
        assert!(!is_before || counters.bytes_out == 0, "{id} was written before it was open");
    }

    fn check_listener(&self, listener: &Listener) {
        let id = self.id;
        let has_id = listener.reserved.is_some();
        assert_ne!(listener.reserved, Some(id), "{id} would accept itself");
        assert!(has_id || listener.held.is_none(), "{id} accepted without an id");
        let is_asked = self.input == Latch::Pending && self.state == SocketState::Listening;
        assert!(!is_asked || has_id, "{id} accepts without an id");
        assert!(!listener.is_stalled || !has_id, "{id} has an id and waits for one");
        let waits = listener.retry_at.is_some();
        assert!(!(waits && listener.is_stalled), "{id} waits for two things");
        assert!(!waits || listener.failures > 0, "{id} tries again what did not fail");
        assert!(!waits || listener.is_reported, "{id} did not tell that it failed");
        assert!(!waits || !is_asked, "{id} accepts before its time");
        let is_paced = listener.paced_until.is_some();
        assert!(!is_paced || !waits && !listener.is_stalled, "{id} waits for two things");
        assert!(!is_paced || listener.pace.is_some(), "{id} waits and may accept");
        assert!(!is_paced || listener.has_waited, "{id} waits and nobody had to");
        let has_pace = listener.pace.is_some();
        assert!(has_pace || !listener.has_waited, "{id} waited and has no rate");
        assert!(has_pace || !listener.is_pace_reported, "{id} told of a rate that it has not");
        let is_new = self.state == SocketState::Opening;
        assert!(!is_new || listener.accepted == 0, "{id} accepted before it was open");
        assert!(!is_new || listener.failures == 0, "{id} failed before it was open");
        assert!(!is_new || !has_id, "{id} offers an id before it is open");
        assert!(!is_new || !listener.is_stalled, "{id} needs an id before it is open");
        assert!(!listener.is_stalled || !is_asked, "{id} waits for an id and accepts");
    }

    fn check_dial(&self) {
        let id = self.id;
        let dial = self.rare.dial.as_ref().expect("a connecting socket dials");
        let is_tried = dial.attempt != Attempt::None;
        assert_eq!(self.is_open, is_tried, "{id}: {:?}, what holds the backend?", dial.attempt);
        assert!(!is_tried || dial.address.is_some(), "{id} connects to no address");
        let is_unresolved = dial.is_unresolved();
        assert!(dial.target.is_none() || is_unresolved, "{id} is resolved already");
        let is_given_up = matches!(dial.attempt, Attempt::GivenUp | Attempt::Closing);
        assert!(!is_given_up || dial.winner.is_some(), "{id} is given up, and nobody has won");
        let is_raced = dial.winner.as_ref().is_none_or(|(racer, _)| dial.racers == [*racer]);
        assert!(is_raced, "{id} has a winner and racers");
        let races = dial.races_for.is_some();
        assert_eq!(races, self.is_helper, "{id} helps whom?");
        assert!(!races || dial.racers.is_empty() && dial.untried.is_empty(), "{id} is raced for");
        assert!(races || dial.attempt != Attempt::Won, "{id} waits for its own id");
        assert!(is_tried || self.output == Latch::Ready, "{id} waits for no connect");
        assert_eq!(self.input, Latch::Ready, "{id} was read before it was open");
        assert!(self.rare.local.is_none(), "{id} is somewhere before it is open");
        assert!(self.armed_at.is_none_or(|at| at >= self.since), "{id} has a stale timer");
    }

    fn check_closing(&self) {
        let (id, rare) = (self.id, &self.rare);
        assert_ne!(self.closing, Closing::No, "{id} does not know how far its end is");
        assert!(self.cause.is_some(), "{id} ends without a cause");
        assert!(rare.opening.is_none() && rare.dial.is_none(), "{id} ends and is opened");
        let is_asked = matches!(self.closing, Closing::Asked(_) | Closing::Waiting);
        assert!(!is_asked || self.is_open, "{id}: the backend holds nothing");
        if let Closing::Asked(how) = self.closing {
            let is_stream = self.kind == Kind::Stream;
            assert!(is_stream || how == CloseHow::Plain, "{id}: only streams are reset");
            let is_lossy = is_stream && self.has_output();
            assert!(!is_lossy || how == CloseHow::Reset, "{id}: the peer must learn of the loss");
        }
        let is_orderly = matches!(
            self.cause,
            Some(CloseReason::Shutdown | CloseReason::Peer | CloseReason::TimedOut(_))
        );
        assert!(rare.fatal.is_none() || !is_orderly, "{id} failed, and ends as if it had not");
        let is_done = self.closing == Closing::Done;
        assert!(!is_done || self.outbox.offered_bytes() == 0, "{id}: a write outlived its close");
        assert!(!self.has_input_work(), "{id} ends and is read");
    }
}
