//! Streams that services on worker threads write themselves.

use super::Mux;
use super::slot::{Kind, Slot};
use crate::{Instant, MESSAGE_OVERHEAD_BYTES, SocketId, SocketState, Unfinished};

impl Mux {
    /// Whether `slot` is a stream, so that its gate says who may write it.
    pub(super) fn is_stream(slot: &Slot) -> bool {
        slot.kind == Kind::Stream
    }

    /// Whether somebody else may write the stream: it is open, and nothing and nobody waits here.
    pub(super) fn is_free_to_write(&self, slot: &Slot) -> bool {
        let is_open =
            matches!(slot.state, SocketState::Accepted | SocketState::Open | SocketState::EofSeen);
        assert!(!is_open || slot.is_open, "{} is {:?} and nowhere", slot.id, slot.state);
        self.config().direct_write
            && is_open
            && slot.outbox.is_empty()
            && slot.rare.write_fault.is_none()
            && !self.is_waited_for(slot.id)
    }

    /// Says at the gate who may write the stream. Called before anything is written after a
    /// change: so nobody begins to write any more when the Mux does.
    pub(super) fn settle_permit(&self, id: SocketId) {
        let slot = self.table.slot(id);
        if !Self::is_stream(slot) || !self.config().direct_write {
            return;
        }
        let gate = self.directory.gate(id).expect("a living id has a gate");
        gate.set_queued(id, !self.is_free_to_write(slot));
        assert!(gate.is_queued() || slot.outbox.is_empty(), "{id}: anybody may overtake");
    }

    /// Output goes through the Mux from now on.
    pub(super) fn queue_output(&self, id: SocketId) {
        let slot = self.table.slot(id);
        if Self::is_stream(slot) {
            let gate = self.directory.gate(id).expect("a living id has a gate");
            gate.set_queued(id, true);
            assert!(gate.is_queued(), "{id}: anybody may write");
        }
    }

    /// Whether a worker thread writes the stream, or what it did not write is on its way here: how
    /// much went is not known yet, so nobody may call it silent.
    pub(super) fn is_being_written(&self, id: SocketId) -> bool {
        let gate = self.directory.gate(id).expect("a living id has a gate");
        let is_being_written = gate.has_direct();
        let slot = self.table.slot(id);
        assert!(!is_being_written || Self::is_stream(slot), "{id}: only streams are written so");
        assert!(!is_being_written || self.config().direct_write, "{id} is written by who may not");
        is_being_written
    }

    /// Takes note of what was written without the Mux.
    pub(super) fn learn_written(&mut self, id: SocketId) {
        if !self.config().direct_write {
            return;
        }
        let gate = self.directory.gate(id).expect("a living id has a gate");
        let went = gate.take_written();
        let now = self.now;
        let slot = self.table.slot_mut(id);
        if went.bytes == 0 && went.messages == 0 {
            return;
        }
        assert_eq!(slot.kind, Kind::Stream, "{id}: only streams are written so");
        // The clock of another thread may be ahead of the last turn's.
        let at = Instant::from_nanos(went.at_nanos).min(now);
        let counters = &mut slot.rare.counters;
        counters.went_elsewhere(went.bytes, went.messages, at);
        slot.progress_at = slot.progress_at.max(at);
        assert!(counters.messages_out <= counters.bytes_out, "{id}: a message without bytes went");
    }

    /// A worker thread is done with a write, and something waited for that.
    pub(super) fn look_again(&mut self, id: SocketId) {
        let gate = self.directory.gate(id).expect("an id that was written has a gate");
        gate.receive_flush(id);
        assert!(self.table.get(id).is_some(), "{id} went while it was looked for");
        self.learn_written(id);
        // The charge of what went is given back.
        self.release_charge(id, 0);
        self.settle(id);
    }

    /// A worker thread wrote a part, or nothing: what is left is the Mux's.
    pub(super) fn finish_write(&mut self, unfinished: Unfinished) {
        let Unfinished { permit, bytes, messages, rest, fault } = unfinished;
        let id = permit.id();
        assert!(!rest.is_empty(), "{id}: nothing is left, and it is posted");
        assert!(fault.is_none() || bytes == 0, "{id}: a failed write took bytes");
        let gate = self.directory.gate(id).expect("an id that is written has a gate");
        gate.receive_permit(&permit);
        self.learn_written(id);
        let now = self.now;
        let slot = self.table.slot_mut(id);
        if bytes > 0 {
            let counters = &mut slot.rare.counters;
            counters.went_elsewhere(bytes as u64, messages as u64, now);
            slot.progress_at = now;
        }
        assert_eq!(slot.rare.stalled_at, None, "{id}: another thread writes what is stuck here");
        let gone = bytes + messages * MESSAGE_OVERHEAD_BYTES;
        if slot.state == SocketState::Closing {
            slot.rare.unsent_bytes += rest.pending_bytes() as u64;
            self.release_charge(id, gone + rest.charge_bytes());
            return self.settle(id);
        }
        assert!(slot.writes(), "{id} is {:?} and was written", slot.state);
        assert!(slot.rare.write_fault.is_none(), "{id} was written after a failed write");
        slot.outbox.put_back(rest);
        self.release_charge(id, gone);
        match fault {
            Some(fault) => self.write_failed(id, fault),
            None => self.warn_if_due(id),
        }
        self.settle(id);
    }
}
