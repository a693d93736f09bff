//! Streams that are to be connected.

use std::collections::VecDeque;

use super::Mux;
use super::slot::{Attempt, Dial, Kind, Latch};
use crate::{
    Answer, Backend, CloseHow, ConnectOptions, Connected, Endpoint, Fault, FaultKind, Instant,
    Operation, ServiceId, SocketId, SocketState, Target,
};

impl Mux {
    pub(super) fn dial(
        &mut self,
        id: SocketId,
        owner: ServiceId,
        target: Target,
        mut options: Box<ConnectOptions>,
    ) {
        let deadline = self.now + options.timeout.unwrap_or(self.config().connect_timeout);
        let (target, address, next_at) = match target {
            Target::Endpoint(endpoint) => (None, Some(endpoint), deadline),
            host @ Target::Host { .. } => {
                let resolve_deadline = self.now + self.config().resolve_timeout;
                (Some(host), None, resolve_deadline.min(deadline))
            }
        };
        assert!(next_at <= deadline, "{id}: a part takes longer than the whole");
        let mut slot = self.new_slot(id, Kind::Stream, SocketState::Connecting);
        slot.is_reading = !options.paused;
        slot.is_kept_open = options.half_open;
        slot.take_timeouts(&mut options.options);
        let dial = Dial { target, next_at, ..Dial::new(address, options, deadline) };
        slot.rare.dial = Some(Box::new(dial));
        self.add_slot(slot);
        self.change_owner(id, owner);
        self.refuse_after_exit(id);
        self.settle(id);
    }

    pub(super) fn serve_dial<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let slot = self.table.slot_mut(id);
        backend.regard(id, slot.situation());
        let dial = slot.rare.dial.as_mut().expect("a connecting socket dials");
        if let Some(target) = dial.target.take() {
            let Target::Host { host, port } = target else {
                unreachable!("only names are resolved")
            };
            assert!(dial.address.is_none(), "{id} is resolved and has an address");
            assert_eq!(dial.attempt, Attempt::None, "{id} connects before it is resolved");
            if let Answer::Ready(result) = backend.resolve(id, &host, port) {
                self.resolved(id, result);
            }
            return;
        }
        let is_tried = dial.attempt != Attempt::None;
        assert_eq!(slot.is_open, is_tried, "{id}: what holds the backend?");
        match dial.attempt {
            Attempt::GivenUp => match backend.close(id, CloseHow::Plain) {
                Answer::Ready(()) => self.attempt_ended(id, FaultKind::Cancelled.into()),
                Answer::Later => dial.attempt = Attempt::Closing,
            },
            Attempt::None if dial.winner.is_some() => self.take_winner(id, backend),
            Attempt::None | Attempt::UnderWay => {
                let Some(address) = &dial.address else { return };
                assert_eq!(slot.output, Latch::Ready, "{id} connects while it waits");
                if let (Some(told), Attempt::None) = (dial.races_for, dial.attempt) {
                    backend.beside(id, told);
                }
                match backend.connect(id, address, &dial.options) {
                    Answer::Ready(Ok(connected)) => self.attempt_connected(id, connected),
                    Answer::Ready(Err(fault)) => self.attempt_ended(id, fault),
                    Answer::Later => {
                        dial.attempt = Attempt::UnderWay;
                        slot.is_open = true;
                        slot.output = Latch::Pending;
                    }
                }
            }
            Attempt::Closing | Attempt::Won => {}
        }
    }

    /// The name is resolved, or is not.
    pub(super) fn resolved(&mut self, id: SocketId, result: Result<Vec<Endpoint>, Fault>) {
        let slot = self.table.slot_mut(id);
        let Some(dial) = slot.rare.dial.as_mut() else { return };
        let addresses = match result {
            Ok(addresses) if addresses.is_empty() => {
                return self.fail(id, FaultKind::NameNotFound.into(), Operation::Resolve);
            }
            Ok(addresses) => addresses,
            Err(fault) => return self.fail(id, fault, Operation::Resolve),
        };
        assert!(dial.untried.is_empty(), "{id} is resolved once");
        assert_eq!(dial.attempt, Attempt::None, "{id} connected before it was resolved");
        assert!(dial.target.is_none(), "{id} was resolved and nobody asked");
        dial.untried = super::race::interleaved(addresses);
        self.begin_attempt(id);
        self.settle(id);
    }

    /// The attempt that goes under the socket's own id ended without a connection.
    pub(super) fn attempt_ended(&mut self, id: SocketId, fault: Fault) {
        let slot = self.table.slot_mut(id);
        slot.is_open = false;
        slot.output = Latch::Ready;
        assert_eq!(slot.state, SocketState::Connecting, "{id} tries addresses");
        let dial = slot.rare.dial.as_mut().expect("a connecting socket dials");
        let address = dial.address.take();
        assert!(address.is_some(), "{id} tried no address");
        if let Some(id_told) = dial.races_for {
            return self.racer_failed(id, id_told, fault);
        }
        dial.attempt = Attempt::None;
        if dial.winner.is_none() {
            assert_ne!(fault.kind, FaultKind::Cancelled, "{id}: nobody cancelled the attempt");
            dial.last_fault = Some(fault);
            self.begin_attempt(id);
        }
        self.settle(id);
    }

    /// An attempt has come to a connection.
    pub(super) fn attempt_connected(&mut self, id: SocketId, connected: Connected) {
        let dial = self.table.slot(id).rare.dial.as_ref().expect("a connecting socket dials");
        assert!(dial.address.is_some(), "{id} is connected to no address");
        assert!(dial.target.is_none(), "{id} is connected and not resolved");
        match dial.races_for {
            Some(id_told) => self.racer_connected(id, id_told, connected),
            None => {
                self.end_race(id);
                self.connected(id, connected);
            }
        }
    }

    /// The time for a connect is over, or the next attempt may begin.
    pub(super) fn dial_timed_out(&mut self, id: SocketId) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        let dial = slot.rare.dial.as_mut().expect("a connecting socket dials");
        assert!(dial.races_for.is_none(), "{id}: who races has no time of its own");
        assert!(dial.due_at() <= now, "{id} has time left");
        if dial.is_unresolved() {
            assert_eq!(dial.attempt, Attempt::None, "{id} connected before it was resolved");
            return self.fail(id, FaultKind::TimedOut.into(), Operation::Resolve);
        }
        if dial.deadline <= now {
            return self.fail(id, FaultKind::TimedOut.into(), Operation::Connect);
        }
        self.begin_attempt(id);
        self.settle(id);
    }
}

impl Dial {
    /// One that tries one address, if it has it already.
    pub(super) fn new(
        address: Option<Endpoint>,
        options: Box<ConnectOptions>,
        deadline: Instant,
    ) -> Self {
        Self {
            target: None,
            address,
            untried: VecDeque::new(),
            options,
            deadline,
            next_at: deadline,
            attempt: Attempt::None,
            racers: Vec::new(),
            winner: None,
            races_for: None,
            last_fault: None,
        }
    }

    /// Whether the name is still being looked up.
    pub(super) fn is_unresolved(&self) -> bool {
        let is_idle = self.address.is_none() && self.untried.is_empty() && self.racers.is_empty();
        assert!(!is_idle || self.attempt == Attempt::None, "an attempt at no address");
        is_idle && self.last_fault.is_none() && self.winner.is_none()
    }

    /// When something is to be done about it, if nothing happens.
    #[inline]
    pub(super) fn due_at(&self) -> Instant {
        let waits_for_next = self.is_unresolved() || self.has_next();
        debug_assert!(self.races_for.is_none() || !waits_for_next, "who races has one address");
        if waits_for_next { self.next_at.min(self.deadline) } else { self.deadline }
    }

    /// Whether another attempt is going to begin.
    pub(super) fn has_next(&self) -> bool {
        let has_next = !self.untried.is_empty() && self.winner.is_none();
        debug_assert!(!has_next || self.races_for.is_none(), "who races has one address");
        has_next
    }
}
