//! Transitions of a stream that is open.

use super::focus::Focus;
use super::settle::Change;
use super::sockets::head::{Latch, Style};
use super::sockets::kind::Kind;
use super::sockets::stream::{Phase, Stream};
use crate::{
    Answer, Backend, Bytes, CloseReason, Connected, Fault, FaultKind, MESSAGE_OVERHEAD_BYTES,
    Message, Operation, Read,
};

impl Focus<'_, Stream> {
    /// An outgoing or adopted stream is open.
    pub(crate) fn connected(&mut self, connected: Connected) {
        let Connected { local, peer } = connected;
        self.head.rare.local = Some(local.clone());
        self.head.rare.peer = Some(peer.clone());
        self.head.input = Latch::Ready;
        self.head.output = Latch::Ready;
        self.enter(Phase::Open);
        let socket = self.id();
        self.tell_owner(Message::Connect { socket, local, peer });
        self.pay_owed_pause();
        if self.head.is_shutdown_wanted {
            self.enter(Phase::Flushing);
        }
    }

    /// Queues one message of `len` bytes, which was charged.
    #[inline]
    pub(crate) fn queue(
        &mut self,
        priority: crate::Priority,
        len: usize,
        parts: impl IntoIterator<Item = Bytes>,
    ) {
        let pending_bytes = self.part.outbox.pending_bytes() + len;
        self.part.outbox.push_parts(parts, priority);
        let queued = self.part.outbox.pending_bytes();
        assert_eq!(queued, pending_bytes, "{}: other bytes were queued than charged", self.id());
        self.warn_if_due();
    }

    /// Writes what is queued, and ends the output if that was the last.
    #[inline(always)]
    pub(crate) fn serve_output<B: Backend>(&mut self, backend: &mut B) -> Change {
        if self.part.is_failure_noticed {
            self.serve_noticed_failure(backend);
        }
        let mut budget_bytes = self.config().write_bytes_per_turn;
        while budget_bytes > 0 && self.can_write() {
            match self.write(backend, budget_bytes) {
                Answer::Ready(Ok(count)) => budget_bytes = budget_bytes.saturating_sub(count),
                Answer::Ready(Err(fault)) => {
                    self.write_failed(fault);
                    return Change::ALL;
                }
                Answer::Later => {
                    self.head.output = Latch::Pending;
                    self.part.stalled_at.get_or_insert(self.desk.now);
                    return Change::ALL;
                }
            }
        }
        if matches!(self.part.phase, Phase::Open) {
            return if self.part.has_output() { Change::OUTPUT } else { Change::NONE };
        }
        self.end_output_if_flushed(backend);
        Change::ALL
    }

    /// Returns `true` if what is queued can be written now.
    #[inline(always)]
    pub(crate) fn can_write(&self) -> bool {
        self.part.has_output() && self.head.output == Latch::Ready && self.part.writes()
    }

    /// One write, and what it frees.
    #[inline(always)]
    fn write<B: Backend>(
        &mut self,
        backend: &mut B,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        let id = self.id();
        let (bytes_before, messages_before) = self.part.outbox.size();
        backend.regard(id, self.situation());
        let answer = backend.write(id, &mut self.part.outbox, size_max);
        let (bytes, messages) = self.part.outbox.size();
        let taken = bytes_before - bytes;
        match answer {
            Answer::Ready(Ok(count)) => {
                assert!(count > 0, "{id}: a write that took nothing is `Later`");
                assert_eq!(count, taken, "{id}: the outbox and the answer disagree");
                self.add_output(count, messages_before - messages);
            }
            Answer::Ready(Err(_)) | Answer::Later => {
                assert_eq!(taken, 0, "{id}: a write took {taken} B and did not say so");
            }
        }
        answer
    }

    /// The system took `count` bytes and finished `messages` messages.
    #[inline(always)]
    pub(crate) fn add_output(&mut self, count: usize, messages: usize) {
        let now = self.desk.now;
        let all = &mut self.desk.stats;
        self.head.counters.add_output(all, count as u64, messages as u64, now);
        self.head.progress_at = now;
        self.part.stalled_at = None;
        self.release_charge(count + messages * MESSAGE_OVERHEAD_BYTES);
        self.withdraw_warning_if_drained();
    }

    /// A write failed: what is queued is lost; what can still be read is delivered first.
    #[cold]
    pub(crate) fn write_failed(&mut self, fault: Fault) {
        let id = self.id();
        self.gate().close_output(id);
        let charge = self.part.charge_bytes();
        assert!(charge > 0, "{id} had nothing to write");
        self.head.rare.unsent_bytes += self.part.outbox.clear() as u64;
        self.head.output = Latch::Ready;
        let is_read = self.part.wants_input(self.head) && !self.part.discards_input(self.head);
        if is_read && self.desk.may_repeat {
            assert_ne!(self.head.style, Some(Style::Completion), "{id} would be read twice");
            // The cause of the failure may have come behind bytes whose event was not fetched yet.
            self.head.input = Latch::Ready;
        }
        let reads_on = is_read && (self.head.input == Latch::Ready || self.part.has_held_input());
        if reads_on {
            self.part.write_fault = Some(Box::new(fault));
            self.head.progress_at = self.desk.now;
        }
        self.release_charge(charge);
        if !reads_on {
            self.fail(fault, Operation::Write);
        }
    }

    /// Sends FIN when everything that was ever accepted is out.
    #[inline(never)]
    fn end_output_if_flushed<B: Backend>(&mut self, backend: &mut B) {
        if !matches!(self.part.phase, Phase::Flushing) || self.part.has_output() {
            return;
        }
        if self.has_sends_on_the_way() {
            return;
        }
        if let Some(&fault) = self.part.write_fault.as_deref() {
            if self.part.discards_input(self.head) {
                self.fail(fault, Operation::Write);
            }
            // Otherwise what can still be read comes first, and its end is this one's, too.
            return;
        }
        let id = self.id();
        assert_eq!(self.head.output, Latch::Ready, "{id}: a write of nothing is pending");
        if self.part.is_eof {
            // The descriptor's end says FIN as well, and nothing is left to read.
            return self.begin_close();
        }
        backend.regard(id, self.situation());
        match backend.shutdown_write(id) {
            Ok(()) => self.enter(Phase::Draining),
            Err(fault) if fault.kind == FaultKind::Unsupported => self.begin_close(),
            // Everything was taken by the system, so nothing is lost that the owner does not know
            // of: as while draining, the reason says it, unless input was still wanted.
            Err(fault) if self.head.is_finishing => self.fail(fault, Operation::ShutdownWrite),
            Err(fault) => {
                self.head.fail_cause(CloseReason::Fault(fault));
                self.begin_close();
            }
        }
    }

    /// Reads, a bounded number of times.
    #[inline(always)]
    pub(crate) fn serve_input<B: Backend>(&mut self, backend: &mut B) -> Change {
        let size_hint = self.config().read_buffer_bytes_max;
        let mut change = Change::TIMER;
        for _ in 0..self.config().reads_per_turn {
            if !self.can_serve_input() {
                break;
            }
            backend.regard(self.id(), self.situation());
            if let Some(held) = self.part.held.take() {
                change = Change::ALL;
                self.take_input(*held);
                continue;
            }
            match backend.read(self.id(), size_hint) {
                Answer::Ready(Ok(Read { bytes, is_drained })) if !bytes.is_empty() => {
                    self.take_bytes(bytes);
                    if is_drained {
                        self.input_drained();
                        break;
                    }
                }
                Answer::Ready(result) => {
                    change = Change::ALL;
                    self.take_input(result.map(|read| read.bytes));
                }
                Answer::Later => self.input_drained(),
            }
        }
        if let Some(&fault) = self.part.write_fault.as_deref()
            && !self.part.has_input_work(self.head)
        {
            self.fail(fault, Operation::Write);
            return Change::ALL;
        }
        if self.head.input == Latch::Ready { change | Change::INPUT } else { change }
    }

    /// Returns `true` if the timer of a stream that was read just now is armed early enough, as far as
    /// that is seen without its deadline: nothing but silence bounds the stream, by a time that the
    /// configuration sets.
    #[inline]
    pub(crate) fn is_armed_for_silence(&self) -> bool {
        let (now, Stream { phase, stalled_at, is_fin_noticed, write_fault, .. }) =
            (self.desk.now, &*self.part);
        let is_bounded_by_silence = matches!(phase, Phase::Open)
            && stalled_at.is_none()
            && !is_fin_noticed
            && write_fault.is_none()
            && self.head.timeouts.is_none()
            && self.head.counters.last_read == Some(now);
        let is_early = |span| self.head.armed_at.is_some_and(|armed_at| armed_at <= now + span);
        let is_armed = is_bounded_by_silence && self.desk.silence_min.is_none_or(is_early);
        debug_assert!(
            !is_armed
                || self.part.deadline(self.head, self.config()).is_none_or(|(deadline, _)| {
                    self.head.armed_at.is_some_and(|armed_at| armed_at <= deadline)
                }),
            "{}: a deadline is forgotten",
            self.id()
        );
        is_armed
    }

    /// Nothing is left to be read; an event is owed for what comes.
    #[inline]
    fn input_drained(&mut self) {
        self.head.input = Latch::Pending;
        // A read tells an error before anything else: there is none.
        self.part.is_failure_noticed = false;
    }

    /// One read is done.
    #[inline(never)]
    fn take_input(&mut self, result: Result<Bytes, Fault>) {
        match result {
            Ok(bytes) if bytes.is_empty() => self.end_of_stream(),
            Ok(bytes) => self.take_bytes(bytes),
            Err(fault) => match self.part.write_fault.as_deref().copied() {
                Some(first) => self.fail(first, Operation::Write),
                None => self.fail(fault, Operation::Read),
            },
        }
    }

    /// Bytes came in: for the owner, unless they are discarded.
    #[inline(always)]
    fn take_bytes(&mut self, bytes: Bytes) {
        let now = self.desk.now;
        let is_message = !self.part.discards_input(self.head);
        let all = &mut self.desk.stats;
        self.head.counters.add_input(all, bytes.len(), is_message, now);
        // While output is still to go out, only what the system takes of it is progress.
        if self.head.is_finishing && matches!(self.part.phase, Phase::Draining) {
            self.head.progress_at = now;
        }
        if is_message {
            self.tell_data(bytes);
        }
    }

    /// The peer's FIN was read.
    fn end_of_stream(&mut self) {
        let id = self.id();
        assert!(!self.part.is_eof, "{id} ended twice");
        self.part.is_eof = true;
        match self.part.phase {
            Phase::Open => {
                if let Some(&fault) = self.part.write_fault.as_deref() {
                    return self.fail(fault, Operation::Write);
                }
                self.head.add_cause(CloseReason::Peer);
                self.enter(Phase::EofSeen);
                self.tell_owner(Message::Eof { socket: id });
            }
            Phase::Flushing => {}
            Phase::Draining => self.begin_close(),
            _ => unreachable!("{id} was read while it was {:?}", self.part.state()),
        }
    }

    /// An event said that the stream failed: asks for the error, if no read will meet it.
    #[cold]
    pub(crate) fn serve_noticed_failure<B: Backend>(&mut self, backend: &mut B) {
        if !self.part.asks_for_error(self.head) {
            return;
        }
        self.part.is_failure_noticed = false;
        backend.regard(self.id(), self.situation());
        if let Err(fault) = backend.take_error(self.id()) {
            self.fail(fault, Operation::Read);
        }
    }

    /// A completed read.
    pub(crate) fn read_completed(&mut self, result: Result<Bytes, Fault>) {
        let (id, now) = (self.id(), self.desk.now);
        self.complete_input();
        if let Phase::Closing(closing) = &self.part.phase {
            // The last bytes before a failed write's end are still the owner's.
            let is_wanted = self.head.is_reading && closing.fatal.is_some() && !self.part.is_eof;
            if let Ok(bytes) = result
                && is_wanted
                && !bytes.is_empty()
            {
                self.head.counters.add_input(&mut self.desk.stats, bytes.len(), true, now);
                self.tell_data(bytes);
            }
            return;
        }
        assert!(self.part.held.is_none(), "{id} completed two reads");
        let is_cancelled = matches!(&result, Err(fault) if fault.kind == FaultKind::Cancelled);
        assert!(!is_cancelled, "{id} lives, and its read was cancelled");
        let is_end = matches!(&result, Ok(bytes) if bytes.is_empty());
        if is_end && !self.part.is_fin_noticed {
            self.part.is_fin_noticed = true;
            self.notice_unread();
        }
        self.part.held = Some(Box::new(result));
        if self.part.discards_input(self.head) && !self.part.wants_input(self.head) {
            self.part.drop_held(false);
        }
    }

    /// A FIN is noticed that nobody reads: from now on the stream is half open.
    pub(crate) fn notice_unread(&mut self) {
        if matches!(self.part.phase, Phase::Open) && !self.part.wants_input(self.head) {
            self.head.progress_at = self.desk.now;
        }
    }

    /// A completed write.
    pub(crate) fn write_completed(&mut self, result: Result<usize, Fault>) {
        let id = self.id();
        self.complete_output();
        let messages_before = self.part.outbox.messages();
        let offered_bytes = self.part.outbox.offered_bytes();
        assert!(offered_bytes > 0, "{id}: a write completed that was offered nothing");
        match result {
            Ok(count) => {
                self.part.outbox.advance(count);
                self.add_output(count, messages_before - self.part.outbox.messages());
            }
            Err(fault) => {
                self.part.outbox.withdraw_offer();
                if !self.part.is_closing() {
                    assert_ne!(fault.kind, FaultKind::Cancelled, "{id} lives and is cancelled");
                    self.write_failed(fault);
                }
            }
        }
    }
}

impl<P: Kind> Focus<'_, P> {
    pub(crate) fn complete_input(&mut self) {
        assert_eq!(self.head.input, Latch::Pending, "{}: no input call is pending", self.id());
        self.head.input = Latch::Ready;
    }

    pub(crate) fn complete_output(&mut self) {
        assert_eq!(self.head.output, Latch::Pending, "{}: no output call is pending", self.id());
        self.head.output = Latch::Ready;
    }
}
