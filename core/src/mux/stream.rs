//! Streams that are open.

use super::Mux;
use super::slot::{Kind, Latch, Style};
use crate::{
    Answer, Backend, Bytes, CloseReason, Connected, Fault, FaultKind, Message, Operation, SocketId,
    SocketState,
};

impl Mux {
    /// An outgoing or adopted stream is open.
    pub(super) fn connected(&mut self, id: SocketId, connected: Connected) {
        let now = self.now;
        let Connected { local, peer } = connected;
        let slot = self.table.slot_mut(id);
        let was_asked = matches!(slot.state, SocketState::Opening | SocketState::Connecting);
        assert!(was_asked && slot.kind == Kind::Stream, "{id} connected and did not ask");
        assert!(!slot.has_held_input() && !slot.is_eof, "{id} was read before it was open");
        slot.is_open = true;
        slot.rare.dial = None;
        slot.rare.local = Some(local.clone());
        slot.rare.peer = Some(peer.clone());
        slot.input = Latch::Ready;
        slot.output = Latch::Ready;
        slot.enter(SocketState::Open, now);
        self.tell_owner(id, Message::Connect { socket: id, local, peer });
        self.pay_owed_pause(id);
        let slot = self.table.slot_mut(id);
        if slot.is_shutdown_wanted {
            slot.enter(SocketState::Flushing, now);
        }
    }

    pub(super) fn serve_stream_output<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        self.serve_noticed_failure(id, backend);
        let mut budget_bytes = self.config().write_bytes_per_turn;
        loop {
            let slot = self.table.slot_mut(id);
            let can_write = slot.writes() && !slot.outbox.is_empty() && slot.output == Latch::Ready;
            if !can_write || budget_bytes == 0 {
                break;
            }
            let gate = self.directory.gate(id).expect("a living id has a gate");
            if gate.has_direct() {
                break;
            }
            assert!(gate.is_queued(), "{id}: two may write it");
            let pending_before = slot.outbox.pending_bytes();
            let charge_before = slot.charge_bytes();
            let messages_before = slot.outbox.messages();
            assert_eq!(slot.outbox.offered_bytes(), 0, "{id}: an offer is out and no write");
            assert!(slot.rare.write_fault.is_none(), "{id} writes after a failed write");
            backend.regard(id, slot.situation());
            let answer = backend.write(id, &mut slot.outbox, budget_bytes);
            assert!(slot.outbox.pending_bytes() <= pending_before, "{id}: a write queued bytes");
            assert!(slot.outbox.messages() <= messages_before, "{id}: a write queued messages");
            let taken = pending_before - slot.outbox.pending_bytes();
            match answer {
                Answer::Ready(Ok(count)) => {
                    assert!(count > 0, "a write that took nothing is `Later`");
                    assert_eq!(count, taken, "{id}: the outbox and the answer disagree");
                    assert_eq!(slot.outbox.offered_bytes(), 0, "a finished write offers nothing");
                    budget_bytes = budget_bytes.saturating_sub(count);
                    let messages = messages_before - slot.outbox.messages();
                    assert!(messages <= count, "{id}: each message has a byte at least");
                    self.output_went(id, count, messages, charge_before);
                }
                Answer::Ready(Err(fault)) => {
                    assert_eq!(taken, 0, "{id}: a failed write took bytes");
                    assert_eq!(slot.outbox.offered_bytes(), 0, "{id}: a failed write goes on");
                    return self.write_failed(id, fault);
                }
                Answer::Later => {
                    assert_eq!(taken, 0, "{id}: a write that answers later took bytes");
                    slot.output = Latch::Pending;
                    slot.rare.stalled_at.get_or_insert(self.now);
                }
            }
        }
        self.end_output_if_flushed(id, backend);
    }

    /// The system took `count` bytes and finished `messages` messages.
    pub(super) fn output_went(
        &mut self,
        id: SocketId,
        count: usize,
        messages: usize,
        charge_before: usize,
    ) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        slot.rare.counters.went(&mut self.stats, count as u64, messages as u64, now);
        slot.progress_at = now;
        slot.rare.stalled_at = None;
        let released = charge_before - slot.charge_bytes();
        let cost = count + messages * crate::MESSAGE_OVERHEAD_BYTES;
        assert_eq!(released, cost, "{id}: what left and what is given back differ");
        assert!(slot.rare.counters.last_write >= Some(slot.since), "{id} wrote too early");
        self.release_charge(id, released);
        self.withdraw_warning_if_drained(id);
    }

    /// A write failed: what is queued is lost; what can still be read is delivered first.
    pub(super) fn write_failed(&mut self, id: SocketId, fault: Fault) {
        self.directory.gate(id).expect("a living id has a gate").close_output(id);
        let may_repeat = self.may_repeat;
        let slot = self.table.slot_mut(id);
        assert_eq!(slot.kind, Kind::Stream, "{id}: one datagram breaks nothing");
        assert!(slot.rare.write_fault.is_none(), "{id} wrote after a failed write");
        let charge = slot.charge_bytes();
        assert!(charge > 0, "{id} had nothing to write");
        slot.rare.unsent_bytes += slot.outbox.clear() as u64;
        slot.output = Latch::Ready;
        let is_read = slot.wants_input() && !slot.discards_input();
        if is_read && may_repeat {
            assert_ne!(slot.style, Some(Style::Completion), "{id} would be read twice at a time");
            // What broke the write may have come behind bytes whose event was not fetched yet.
            slot.input = Latch::Ready;
        }
        let reads_on = is_read && (slot.input == Latch::Ready || slot.has_held_input());
        if reads_on {
            slot.rare.write_fault = Some(Box::new(fault));
            slot.progress_at = self.now;
        }
        self.release_charge(id, charge);
        if !reads_on {
            self.fail(id, fault, Operation::Write);
        }
    }

    /// Sends FIN when everything that was ever accepted is out.
    fn end_output_if_flushed<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let slot = self.table.slot(id);
        if slot.state != SocketState::Flushing || !slot.outbox.is_empty() {
            return;
        }
        let on_the_way = self.on_the_way(id);
        if on_the_way.has_sends || on_the_way.has_direct {
            return;
        }
        let slot = self.table.slot_mut(id);
        assert!(slot.is_open && slot.cause.is_some(), "{id} ends its output");
        if let Some(&fault) = slot.rare.write_fault.as_deref() {
            if slot.discards_input() {
                self.fail(id, fault, Operation::Write);
            }
            // Otherwise what can still be read comes first, and its end is this one's, too.
            return;
        }
        assert_eq!(slot.output, Latch::Ready, "{id}: a write is pending with nothing to write");
        assert_eq!(slot.pending_bytes(), 0, "{id}: FIN would overtake bytes");
        if slot.is_eof {
            // The descriptor's end says FIN as well, and nothing is left to read.
            return self.begin_close(id);
        }
        backend.regard(id, slot.situation());
        match backend.shutdown_write(id) {
            Ok(()) => slot.enter(SocketState::Draining, self.now),
            Err(fault) if fault.kind == FaultKind::Unsupported => self.begin_close(id),
            Err(fault) => {
                // Everything was taken by the system, so nothing is lost that the owner does not
                // know of: as while draining, the reason says it, unless input was still wanted.
                if slot.is_finishing {
                    self.fail(id, fault, Operation::ShutdownWrite);
                } else {
                    slot.fail_cause(CloseReason::Fault(fault));
                    self.begin_close(id);
                }
            }
        }
    }

    pub(super) fn serve_stream_input<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let size_hint = self.config().read_buffer_bytes_max;
        for _ in 0..self.config().reads_per_turn {
            let slot = self.table.slot_mut(id);
            let is_held_back = slot.needs_mailbox() && self.services.is_held_back(slot.owner);
            if !slot.has_input_work() || is_held_back {
                break;
            }
            assert_eq!(slot.input, Latch::Ready, "{id} is read while a read is pending");
            assert!(!slot.is_eof, "{id} is read behind the end");
            backend.regard(id, slot.situation());
            let result = match slot.rare.held.take() {
                Some(held) => *held,
                None => match backend.read(id, size_hint) {
                    Answer::Ready(result) => result,
                    Answer::Later => {
                        assert!(!slot.has_held_input(), "{id} was read, and had what it wants");
                        slot.input = Latch::Pending;
                        // A read tells an error before anything else: there is none.
                        slot.is_failure_noticed = false;
                        break;
                    }
                },
            };
            self.stream_input(id, result);
        }
        let slot = self.table.slot(id);
        if let (Some(&fault), false) = (slot.rare.write_fault.as_deref(), slot.has_input_work()) {
            self.fail(id, fault, Operation::Write);
        }
    }

    /// One read is done.
    fn stream_input(&mut self, id: SocketId, result: Result<Bytes, Fault>) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        assert_eq!(slot.kind, Kind::Stream, "{id} is no stream");
        assert!(slot.rare.held.is_none(), "{id}: bytes wait that came before these");
        match result {
            Ok(bytes) if bytes.is_empty() => self.end_of_stream(id),
            Ok(bytes) => {
                let is_told = slot.is_reading || slot.discards_input();
                assert!(is_told, "{id} is paused and was asked");
                let is_message = !slot.discards_input();
                slot.rare.counters.came(&mut self.stats, bytes.len(), is_message, now);
                // While output is still to go out, only what the system takes of it is progress.
                if slot.is_finishing && slot.state == SocketState::Draining {
                    slot.progress_at = now;
                }
                if is_message {
                    self.tell_owner(id, Message::Data { socket: id, bytes });
                }
            }
            Err(fault) => match slot.rare.write_fault.as_deref().copied() {
                Some(first) => self.fail(id, first, Operation::Write),
                None => self.fail(id, fault, Operation::Read),
            },
        }
    }

    /// The peer's FIN was read.
    fn end_of_stream(&mut self, id: SocketId) {
        let now = self.now;
        let slot = self.table.slot_mut(id);
        assert!(!slot.is_eof, "{id} ended twice");
        assert_eq!(slot.input, Latch::Ready, "{id} ended and is still read");
        slot.is_eof = true;
        match slot.state {
            SocketState::Open => {
                if let Some(&fault) = slot.rare.write_fault.as_deref() {
                    return self.fail(id, fault, Operation::Write);
                }
                slot.add_cause(CloseReason::Peer);
                slot.enter(SocketState::EofSeen, now);
                self.tell_owner(id, Message::Eof { socket: id });
            }
            SocketState::Flushing => {}
            SocketState::Draining => self.begin_close(id),
            state => unreachable!("{id} read in {state:?}"),
        }
    }
}
