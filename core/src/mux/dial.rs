//! Streams that are to be connected.

use std::collections::VecDeque;
use std::time::Duration;

use super::Mux;
use super::slot::{Attempt, Dial, Kind, Latch};
use crate::{
    Answer, Backend, CloseHow, ConnectOptions, Endpoint, Fault, FaultKind, Operation, ServiceId,
    SocketId, SocketState, Target,
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
        let (target, addresses, attempt_deadline) = match target {
            Target::Endpoint(endpoint) => (None, VecDeque::from([endpoint]), deadline),
            host @ Target::Host { .. } => {
                let resolve_deadline = self.now + self.config().resolve_timeout;
                (Some(host), VecDeque::new(), resolve_deadline.min(deadline))
            }
        };
        assert!(attempt_deadline <= deadline, "{id}: a part takes longer than the whole");
        let mut slot = self.new_slot(id, Kind::Stream, SocketState::Connecting);
        slot.is_reading = !options.paused;
        slot.is_kept_open = options.half_open;
        slot.take_timeouts(&mut options.options);
        slot.rare.dial = Some(Box::new(Dial {
            target,
            addresses,
            options,
            deadline,
            attempt_deadline,
            attempt: Attempt::None,
            last_fault: None,
        }));
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
            assert!(dial.addresses.is_empty(), "{id} is resolved and has an address");
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
                Answer::Ready(()) => self.attempt_ended(id, FaultKind::TimedOut.into()),
                Answer::Later => dial.attempt = Attempt::Closing,
            },
            Attempt::None | Attempt::UnderWay => {
                let Some(address) = dial.addresses.front() else { return };
                assert_eq!(slot.output, Latch::Ready, "{id} connects while it waits");
                match backend.connect(id, address, &dial.options) {
                    Answer::Ready(Ok(connected)) => self.connected(id, connected),
                    Answer::Ready(Err(fault)) => self.attempt_ended(id, fault),
                    Answer::Later => {
                        dial.attempt = Attempt::UnderWay;
                        slot.is_open = true;
                        slot.output = Latch::Pending;
                    }
                }
            }
            Attempt::Closing => {}
        }
    }

    /// The name is resolved, or is not.
    pub(super) fn resolved(&mut self, id: SocketId, result: Result<Vec<Endpoint>, Fault>) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        let Some(dial) = slot.rare.dial.as_mut() else { return };
        let addresses = match result {
            Ok(addresses) if addresses.is_empty() => {
                return self.fail(id, FaultKind::NameNotFound.into(), Operation::Resolve);
            }
            Ok(addresses) => addresses,
            Err(fault) => return self.fail(id, fault, Operation::Resolve),
        };
        assert!(dial.addresses.is_empty(), "{id} is resolved once");
        assert_eq!(dial.attempt, Attempt::None, "{id} connected before it was resolved");
        assert!(dial.target.is_none(), "{id} was resolved and nobody asked");
        dial.addresses = addresses.into();
        dial.allot_time(now);
        self.settle(id);
    }

    /// The current address failed: the next one, or the end.
    pub(super) fn attempt_ended(&mut self, id: SocketId, fault: Fault) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        slot.is_open = false;
        slot.output = Latch::Ready;
        assert_eq!(slot.state, SocketState::Connecting, "{id} tries addresses");
        let dial = slot.rare.dial.as_mut().expect("a connecting socket dials");
        assert!(!dial.addresses.is_empty(), "{id} tried no address");
        assert_ne!(fault.kind, FaultKind::Cancelled, "{id}: nobody cancelled the attempt");
        dial.attempt = Attempt::None;
        dial.last_fault = Some(fault);
        dial.addresses.pop_front();
        if dial.addresses.is_empty() {
            return self.fail(id, fault, Operation::Connect);
        }
        dial.allot_time(now);
        self.settle(id);
    }

    /// The time for a connect, or for its current address, is over.
    pub(super) fn dial_timed_out(&mut self, id: SocketId) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        let dial = slot.rare.dial.as_mut().expect("a connecting socket dials");
        assert!(dial.attempt_deadline.min(dial.deadline) <= now, "{id} has time left");
        if dial.addresses.is_empty() {
            assert_eq!(dial.attempt, Attempt::None, "{id} connected before it was resolved");
            return self.fail(id, FaultKind::TimedOut.into(), Operation::Resolve);
        }
        if dial.deadline <= now || dial.addresses.len() == 1 {
            return self.fail(id, FaultKind::TimedOut.into(), Operation::Connect);
        }
        match dial.attempt {
            Attempt::UnderWay => dial.attempt = Attempt::GivenUp,
            // The backend takes its time to let go of the last attempt, or was not asked yet:
            // the time of this attempt is extended to the end.
            Attempt::None | Attempt::GivenUp | Attempt::Closing => {}
        }
        dial.attempt_deadline = dial.deadline;
        self.settle(id);
    }
}

impl Dial {
    /// Gives the address in front an equal share of the time that is left, at least a second of
    /// it where there is one.
    fn allot_time(&mut self, now: crate::Instant) {
        assert_eq!(self.attempt, Attempt::None, "an attempt is given time twice");
        assert!(!self.addresses.is_empty(), "time for no address");
        let left = self.deadline.saturating_since(now);
        let addresses = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX).max(1);
        let share = (left / addresses).max(Duration::from_secs(1).min(left));
        assert!(share <= left, "an address gets more time than there is");
        self.attempt_deadline = now + share;
        assert!(self.attempt_deadline >= now, "an address is given up before it is tried");
    }
}
