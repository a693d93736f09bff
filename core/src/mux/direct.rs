//! Transitions of streams that services on worker threads write themselves.

use super::focus::Focus;
use super::sockets::kind::Kind;
use super::sockets::stream::Stream;
use crate::{Instant, MESSAGE_OVERHEAD_BYTES, Operation, Unfinished};

impl<P: Kind> Focus<'_, P> {
    /// Says at the gate who may write the stream. Called before anything is written after a
    /// change: so no worker begins to write any more when the Mux does.
    pub(crate) fn settle_permit(&mut self) {
        let id = self.id();
        let is_free = self.part.is_free_to_write() && !self.desk.waiters.sockets.contains_key(&id);
        self.gate().set_queued(id, !is_free);
    }
}

impl Focus<'_, Stream> {
    /// Returns `true` if a worker writes the stream, or what it did not write is on its way here:
    /// how much went is not known yet, so nobody may call it silent.
    pub(crate) fn is_being_written(&self) -> bool {
        self.desk.direct_write && self.gate().has_direct()
    }

    /// Takes note of what was written without the Mux.
    pub(crate) fn learn_written(&mut self) {
        if !self.desk.direct_write {
            return;
        }
        let went = self.gate().take_written();
        if went.bytes == 0 && went.messages == 0 {
            return;
        }
        // The clock of another thread may be ahead of the last turn's.
        let at = Instant::from_nanos(went.at_nanos).min(self.desk.now);
        self.head.counters.add_direct_output(went.bytes, went.messages, at);
        self.head.progress_at = self.head.progress_at.max(at);
    }

    /// A worker is done with a write, and something waited for that.
    pub(crate) fn look_again(&mut self) {
        self.learn_written();
        // The charge of what went is given back already.
        if !self.desk.waiters.is_empty() {
            let gate = self.gate();
            self.desk.wake_waiters(self.head.id, gate);
        }
    }

    /// A worker wrote a part, or nothing: what is left is the Mux's.
    pub(crate) fn finish_write(&mut self, unfinished: Unfinished) {
        let Unfinished { permit, bytes, messages, rest, fault } = unfinished;
        let id = permit.id();
        self.gate().receive_permit(&permit);
        self.learn_written();
        let now = self.desk.now;
        if bytes > 0 {
            self.head.counters.add_direct_output(bytes as u64, messages as u64, now);
            self.head.progress_at = now;
        }
        let gone = bytes + messages * MESSAGE_OVERHEAD_BYTES;
        if self.part.is_closing() {
            self.head.rare.unsent_bytes += rest.pending_bytes() as u64;
            return self.release_charge(gone + rest.charge_bytes());
        }
        assert!(self.part.writes(), "{id} is {:?} and was written", self.part.state());
        assert!(self.part.write_fault.is_none(), "{id} was written after a failed write");
        self.part.outbox.put_back(rest);
        self.release_charge(gone);
        match fault {
            Some(fault) => self.write_failed(fault),
            None => self.warn_if_due(),
        }
    }

    /// The timer of a stream is due: what workers wrote meanwhile is progress.
    pub(crate) fn learn_progress(&mut self) {
        // Asked before what went is learnt: a write that ends in between is seen here or there.
        let is_being_written = self.is_being_written();
        self.learn_written();
        if is_being_written {
            self.head.progress_at = self.desk.now;
        }
    }

    /// A bound of time is over.
    pub(crate) fn time_out(&mut self, which: crate::Timeout) {
        match self.part.write_fault.as_deref().copied() {
            // It was dying of that anyway, and waited for its owner's mailbox.
            Some(fault) => self.fail(fault, Operation::Write),
            None => {
                self.head.fail_cause(crate::CloseReason::TimedOut(which));
                self.desk.stats.count_timeout(which);
                self.begin_close();
            }
        }
    }
}
