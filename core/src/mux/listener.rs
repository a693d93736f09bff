//! Listeners.

use super::Mux;
use super::deadline::Timeouts;
use super::pace::Pace;
use super::shards::Twins;
use super::slot::{Closing, Kind, Latch, Listener};
use crate::gate::GateKind;
use crate::{
    Accepted, Answer, Backend, CloseHow, CloseReason, Fault, FaultKind, Instant, ListenOptions,
    Message, Operation, SocketId, SocketState,
};

impl Listener {
    /// A listener of which other Muxes are to have `others`. Times of what it accepts are taken out
    /// of the options.
    pub(super) fn new(options: &mut ListenOptions, now: Instant, others: Vec<SocketId>) -> Self {
        let parts = 1 + u32::try_from(others.len()).expect("there are few Muxes");
        assert!(parts <= crate::SHARDS_MAX, "more parts than there are Muxes");
        let twins = (parts > 1).then(|| Box::new(Twins { places: others, ..Twins::default() }));
        let timeouts = Timeouts::taken_from(&mut options.accepted);
        let auto_start = options.auto_start;
        let pace = options.accept_rate.map(|rate| Pace::of_part(rate, 0, parts, now));
        Self { twins, auto_start, timeouts, pace, ..Self::default() }
    }
}

impl Mux {
    pub(super) fn serve_accept<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        for _ in 0..self.config().accepts_per_turn {
            let slot = self.table.slot(id);
            if !slot.has_input_work() || self.services.is_held_back(slot.owner) {
                return;
            }
            // A backend of readiness is not asked: what it accepted would have events at once. A
            // completed accept is there already, and waits here.
            if backend.may_repeat() && self.must_wait(id) {
                return;
            }
            let Some(reserved) = self.reserve_for_accept(id) else { return };
            let slot = self.table.slot_mut(id);
            assert_eq!(slot.state, SocketState::Listening, "{id} accepts");
            assert_eq!(slot.input, Latch::Ready, "{id} accepts while an accept is pending");
            backend.regard(id, slot.situation());
            let listener = slot.rare.listener.as_mut().expect("a listener's part");
            assert!(!listener.waits_for_time(), "{id} accepts before its time");
            let result = match listener.held.take() {
                Some(held) => held,
                None => match backend.accept(id, reserved) {
                    Answer::Ready(result) => result,
                    Answer::Later => {
                        assert_eq!(listener.reserved, Some(reserved), "{id} offered another id");
                        slot.input = Latch::Pending;
                        if std::mem::take(&mut listener.is_recovering) {
                            // Everybody who waited is in: the next failure is a new one.
                            listener.failures = 0;
                            listener.is_reported = false;
                        }
                        if backend.may_repeat() {
                            // It waited, and nobody else did.
                            listener.has_waited = false;
                            listener.is_pace_reported = false;
                        }
                        return;
                    }
                },
            };
            match result {
                Ok(accepted) if self.must_wait(id) => {
                    return self.listener_mut(id).held = Some(Ok(accepted));
                }
                Ok(accepted) => {
                    let is_news = self.count_pace(id);
                    self.accepted(id, accepted);
                    if is_news {
                        // Behind the connection, which the mailbox had room for.
                        let fault = FaultKind::RateLimited.into();
                        self.tell_passing_error(id, fault, Operation::Accept);
                    }
                }
                Err(fault) => self.accept_failed(id, fault),
            }
        }
    }

    /// Whether the listener's rate lets it accept nobody yet; then it waits from now on.
    fn must_wait(&mut self, id: SocketId) -> bool {
        let now = self.now;
        let listener = self.listener_mut(id);
        assert!(!listener.waits_for_time(), "{id} accepts before its time");
        listener.paced_until = listener.pace.and_then(|pace| pace.wait(now));
        listener.has_waited |= listener.paced_until.is_some();
        listener.paced_until.is_some()
    }

    /// One is accepted, in its time. One that did not have to wait ends the stretch of those that
    /// had to; of a stretch the owner is told once. Answers whether it is to be told now.
    fn count_pace(&mut self, id: SocketId) -> bool {
        let now = self.now;
        let listener = self.listener_mut(id);
        assert!(!listener.waits_for_time(), "{id} accepts before its time");
        let Some(pace) = &mut listener.pace else { return false };
        pace.took(now);
        let has_waited = std::mem::take(&mut listener.has_waited);
        let was_reported = std::mem::replace(&mut listener.is_pace_reported, has_waited);
        self.stats.accepts_paced += u64::from(has_waited);
        has_waited && !was_reported
    }

    /// The id for the next connection: the one that was reserved before, or a new one. A full
    /// table leaves the client in the backlog.
    fn reserve_for_accept(&mut self, id: SocketId) -> Option<SocketId> {
        let listener = self.listener_mut(id);
        assert!(!listener.is_stalled, "{id} waits for an id and accepts");
        if let Some(reserved) = listener.reserved {
            assert!(!self.directory.is_alive(reserved), "{reserved} lives before it is accepted");
            return Some(reserved);
        }
        assert!(listener.held.is_none(), "{id} accepted without an id");
        let reserved = self.directory.reserve_socket(self.shard);
        if reserved.is_none() {
            let listener = self.listener_mut(id);
            listener.is_stalled = true;
            self.stalled_listeners.push_back(id);
            self.stats.listeners_stalled += 1;
            self.report_accept_failure(id, FaultKind::LimitReached.into());
        } else {
            self.listener_mut(id).reserved = reserved;
        }
        reserved
    }

    fn accepted(&mut self, id: SocketId, accepted: Accepted) {
        let child = self.open_accepted(id, accepted.clone());
        assert_ne!(child, id, "{id} accepted itself");
        let slot = self.table.slot_mut(id);
        let owner = slot.owner;
        let listener = slot.rare.listener.as_mut().expect("a listener's part");
        listener.accepted += 1;
        listener.is_recovering = true;
        assert!(listener.reserved.is_none(), "{child} would be given away twice");
        let auto_start = listener.auto_start;
        let Accepted { local, peer } = accepted;
        // The message about the child's birth goes first: whatever follows is about the child.
        match self.listener_of(id) {
            own if own == id => {
                let message = Message::Accept { socket: id, accepted: child, peer, local };
                self.tell_owner(id, message);
            }
            socket => self.tell(owner, Message::Accept { socket, accepted: child, peer, local }),
        }
        match owner {
            Some(owner) => self.change_owner(child, owner),
            None => unreachable!("a listener without owner is closing"),
        }
        let now = self.now;
        let slot = self.table.slot_mut(child);
        if auto_start && slot.state == SocketState::Accepted {
            slot.enter(SocketState::Open, now);
            slot.is_reading = true;
        }
        let is_reading = slot.is_reading;
        assert!(!is_reading || auto_start, "{child} is read and was never started");
        self.settle(child);
    }

    /// Makes a slot of the reserved id.
    fn open_accepted(&mut self, id: SocketId, accepted: Accepted) -> SocketId {
        let listener = self.listener_mut(id);
        let child = listener.reserved.take().expect("accept was offered an id");
        assert_eq!(child.shard(), id.shard(), "{id} accepted for another Mux");
        let timeouts = listener.timeouts.clone();
        self.directory.open_reserved(child, GateKind::Stream);
        let mut slot = self.new_slot(child, Kind::Stream, SocketState::Accepted);
        slot.is_open = true;
        slot.rare.local = Some(accepted.local);
        slot.rare.timeouts = timeouts;
        slot.rare.peer = Some(accepted.peer);
        self.add_slot(slot);
        child
    }

    /// A connection arrived for a listener that is closing, or paused for good: nobody was told
    /// of it, and nobody will be.
    pub(super) fn refuse_accepted(&mut self, id: SocketId, accepted: Accepted) {
        let now = self.now;
        let child = self.open_accepted(id, accepted);
        let slot = self.table.slot_mut(child);
        assert!(slot.owner.is_none() && !slot.has_output(), "{child}: nobody knows of it");
        slot.is_told = false;
        slot.add_cause(CloseReason::Closed);
        slot.closing = Closing::Asked(CloseHow::Reset);
        slot.enter(SocketState::Closing, now);
        self.directory.gate(child).expect("a living id has a gate").close_output(child);
        self.settle(child);
    }

    fn accept_failed(&mut self, id: SocketId, fault: Fault) {
        if fault.kind == FaultKind::ConnectionAborted {
            // That client has gone meanwhile; the next one may be there already.
            self.stats.accepts_aborted += 1;
            return;
        }
        assert!(!fault.kind.is_own_limit(), "{id}: the Mux's own limit");
        self.stats.accepts_failed += 1;
        let (now, config) = (self.now, self.config());
        let (retry_min, retry_max) = (config.accept_retry_min, config.accept_retry_max);
        let listener = self.listener_mut(id);
        assert!(listener.retry_at.is_none(), "{id} accepted before its time");
        let factor = 1_u32 << listener.failures.min(16);
        listener.failures += 1;
        let pause = retry_min.saturating_mul(factor).min(retry_max);
        assert!(pause >= retry_min && !pause.is_zero(), "{id} would spin");
        // With edge-triggered readiness no second edge comes for the clients that wait already.
        listener.retry_at = Some(now + pause);
        self.report_accept_failure(id, fault);
    }

    /// Tells the owner once for each stretch of failures.
    fn report_accept_failure(&mut self, id: SocketId, fault: Fault) {
        let listener = self.listener_mut(id);
        let goes_on = listener.retry_at.is_some() || listener.is_stalled;
        assert!(goes_on, "{id} failed and did not stop accepting");
        self.listener_mut(id).is_recovering = false;
        if !std::mem::replace(&mut self.listener_mut(id).is_reported, true) {
            self.tell_passing_error(id, fault, Operation::Accept);
        }
    }

    /// An id was given back: listeners that waited for one try again.
    pub(super) fn wake_stalled_listeners(&mut self) {
        while let Some(id) = self.stalled_listeners.pop_front() {
            let Some(slot) = self.table.get_mut(id) else { continue };
            if let Some(listener) = slot.rare.listener.as_mut() {
                assert!(listener.is_stalled, "{id} waits for no id");
                assert!(listener.reserved.is_none(), "{id} has an id and waits for one");
                listener.is_stalled = false;
                self.settle(id);
            }
        }
    }

    fn listener_mut(&mut self, id: SocketId) -> &mut Listener {
        let slot = self.table.slot_mut(id);
        assert_eq!(slot.kind, Kind::Listener, "{id} is no listener");
        slot.rare.listener.as_mut().expect("a listener's part")
    }
}
