//! What the backend reports.

use super::Mux;
use super::slot::{Attempt, Closing, Kind, Latch, Slot, Style};
use crate::{
    Accepted, Bytes, Connected, Event, Fault, FaultKind, Instant, Message, Readiness, SocketId,
    SocketState,
};

impl Mux {
    /// Takes an event in; no I/O, cannot fail. A stale one is counted and touches nothing.
    ///
    /// # Panics
    /// If `now` lies before the time of an earlier call, or a completion comes that nothing is
    /// pending for.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        self.advance_clock(now);
        event.check();
        let id = event.socket();
        let Some(slot) = self.table.get_mut(id) else {
            self.stats.stale_events += 1;
            return;
        };
        slot.note_style(&event);
        match event {
            Event::Ready { readiness, .. } => self.ready(id, readiness),
            Event::Resolved { result, .. } => {
                if self.table.slot(id).state == SocketState::Connecting {
                    self.resolved(id, result);
                }
            }
            Event::Connected { result, .. } => self.connect_completed(id, result),
            Event::Accepted { id: child, result, .. } => self.accept_completed(id, child, result),
            Event::Received { result, .. } => self.read_completed(id, result),
            Event::ReceivedFrom { result, .. } => {
                let slot = self.table.slot_mut(id);
                complete_input(slot);
                assert_eq!(slot.kind, Kind::Datagram, "{id} received a datagram");
                assert!(slot.rare.held_datagram.is_none(), "{id} completed two receives");
                if slot.state != SocketState::Closing {
                    slot.rare.held_datagram = Some(Box::new(result));
                }
            }
            Event::Written { result, .. } => self.write_completed(id, result),
            Event::SentTo { result, .. } => {
                let slot = self.table.slot_mut(id);
                complete_output(slot);
                assert_eq!(slot.kind, Kind::Datagram, "{id} sent a datagram");
                self.datagram_went(id, result);
            }
            Event::Closed { .. } => self.close_completed(id),
        }
        self.settle(id);
    }

    fn ready(&mut self, id: SocketId, readiness: Readiness) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        assert_ne!(slot.state, SocketState::Opening, "{id}: the backend was not asked yet");
        if slot.state == SocketState::Closing {
            return;
        }
        if readiness.readable || readiness.peer_closed || readiness.failed {
            slot.input = Latch::Ready;
        }
        if readiness.writable || readiness.failed {
            slot.output = Latch::Ready;
        }
        let is_read = slot.wants_input();
        let is_established = slot.state.is_established() && slot.kind == Kind::Stream;
        if readiness.peer_closed && is_established && !slot.is_fin_noticed {
            slot.is_fin_noticed = true;
            if !is_read && slot.state == SocketState::Open {
                slot.progress_at = now;
            }
        }
        if readiness.failed && is_established {
            // Also of what is read: a `pause` may come before the read that would have met it.
            slot.is_failure_noticed = true;
        }
    }

    fn connect_completed(&mut self, id: SocketId, result: Result<Connected, Fault>) {
        let slot = self.table.slot_mut(id);
        complete_output(slot);
        assert_eq!(slot.kind, Kind::Stream, "{id} is no stream");
        if slot.state != SocketState::Connecting {
            assert_eq!(slot.state, SocketState::Closing, "{id} is connected twice");
            // A connect that failed left nothing behind, so the backend is not asked to let go.
            if result.is_err() && matches!(slot.closing, Closing::Asked(_)) {
                slot.is_open = false;
                slot.closing = Closing::Done;
            }
            return;
        }
        let dial = slot.rare.dial.as_ref().expect("a connecting socket dials");
        if dial.attempt == Attempt::Closing {
            // The attempt was given up; `Closed` follows and moves on.
            return;
        }
        match result {
            Ok(connected) => self.attempt_connected(id, connected),
            Err(fault) => self.attempt_ended(id, fault),
        }
    }

    fn accept_completed(&mut self, id: SocketId, child: SocketId, result: Result<Accepted, Fault>) {
        let slot = self.table.slot_mut(id);
        complete_input(slot);
        let is_closing = slot.state == SocketState::Closing;
        let listener = slot.rare.listener.as_mut().expect("a listener's part");
        assert!(listener.held.is_none(), "{id} completed two accepts");
        assert_eq!(listener.reserved, Some(child), "{id} accepted under an id it was not offered");
        match result {
            Ok(accepted) if is_closing => self.refuse_accepted(id, accepted),
            Err(_cancelled) if is_closing => {}
            result => listener.held = Some(result),
        }
    }

    fn read_completed(&mut self, id: SocketId, result: Result<Bytes, Fault>) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        complete_input(slot);
        assert_eq!(slot.kind, Kind::Stream, "{id} is no stream");
        if slot.state == SocketState::Closing {
            // The last bytes before a failed write's end are still the owner's.
            let is_wanted = slot.is_reading && slot.rare.fatal.is_some() && !slot.is_eof;
            match result {
                Ok(bytes) if is_wanted && !bytes.is_empty() => {
                    slot.rare.counters.came(&mut self.stats, bytes.len(), true, now);
                    self.tell_owner(id, Message::Data { socket: id, bytes });
                }
                Ok(_) | Err(_) => {}
            }
            return;
        }
        assert!(slot.rare.held.is_none(), "{id} completed two reads");
        let is_cancelled = matches!(&result, Err(fault) if fault.kind == FaultKind::Cancelled);
        assert!(!is_cancelled, "{id} lives, and its read was cancelled");
        let is_end = matches!(&result, Ok(bytes) if bytes.is_empty());
        if is_end && !slot.is_fin_noticed {
            slot.is_fin_noticed = true;
            if slot.state == SocketState::Open && !slot.wants_input() {
                slot.progress_at = now;
            }
        }
        slot.rare.held = Some(Box::new(result));
        if slot.discards_input() && !slot.wants_input() {
            self.drop_held_input(id);
        }
    }

    fn write_completed(&mut self, id: SocketId, result: Result<usize, Fault>) {
        let slot = self.table.slot_mut(id);
        complete_output(slot);
        let charge_before = slot.charge_bytes();
        let messages_before = slot.outbox.messages();
        assert_eq!(slot.kind, Kind::Stream, "{id} is no stream");
        assert!(
            slot.outbox.offered_bytes() > 0,
            "{id}: a write completed that was offered nothing"
        );
        match result {
            Ok(count) => {
                slot.outbox.advance(count);
                let messages = messages_before - slot.outbox.messages();
                self.output_went(id, count, messages, charge_before);
            }
            Err(fault) => {
                slot.outbox.withdraw_offer();
                if slot.state != SocketState::Closing {
                    assert_ne!(fault.kind, FaultKind::Cancelled, "{id} lives and is cancelled");
                    self.write_failed(id, fault);
                }
            }
        }
    }

    fn close_completed(&mut self, id: SocketId) {
        let slot = self.table.slot_mut(id);
        if slot.state == SocketState::Closing {
            assert_eq!(slot.closing, Closing::Waiting, "{id} closed without being asked");
            assert!(slot.is_open, "{id}: the backend held nothing");
            let is_over = slot.input == Latch::Ready && slot.output == Latch::Ready;
            let is_owed = slot.style == Some(Style::Completion) && !is_over;
            assert!(!is_owed, "{id} closed before the completion of what was pending");
            slot.outbox.withdraw_offer();
            slot.closing = Closing::Done;
            return;
        }
        let dial = slot.rare.dial.as_mut().expect("only a connect is given up and goes on");
        assert_eq!(dial.attempt, Attempt::Closing, "{id} closed without being asked");
        self.attempt_ended(id, FaultKind::Cancelled.into());
    }
}

impl Slot {
    /// A backend speaks of one socket in one style: readiness, or completions.
    fn note_style(&mut self, event: &Event) {
        let style = match event {
            // Both styles tell these.
            Event::Resolved { .. } | Event::Closed { .. } => return,
            Event::Ready { .. } => Style::Readiness,
            Event::Connected { .. }
            | Event::Accepted { .. }
            | Event::Received { .. }
            | Event::ReceivedFrom { .. }
            | Event::Written { .. }
            | Event::SentTo { .. } => Style::Completion,
        };
        let noted = *self.style.get_or_insert(style);
        assert_eq!(noted, style, "{} is told of in two styles: {event:?}", self.id);
    }
}

fn complete_input(slot: &mut Slot) {
    assert!(slot.is_open, "{}: a call completed before it was open", slot.id);
    assert_eq!(slot.input, Latch::Pending, "{}: no input call is pending", slot.id);
    slot.input = Latch::Ready;
}

fn complete_output(slot: &mut Slot) {
    assert!(slot.is_open, "{}: a call completed before it was open", slot.id);
    assert_eq!(slot.output, Latch::Pending, "{}: no output call is pending", slot.id);
    slot.output = Latch::Ready;
}
