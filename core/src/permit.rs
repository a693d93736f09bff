//! The right to write one stream without the Mux.

use crate::SocketId;
use crate::charge::Total;
use crate::gate::{
    ALIVE, ANNOUNCED, DIRECT, FLUSH, Gate, ONE_ANNOUNCED, OPEN, QUEUED, check_word, generation_bits,
};
use crate::sync::Ordering;

/// The right to write one stream without the Mux. There is at most one of it for each stream, and
/// while it is out nobody else writes the stream, ends its output or closes it.
///
/// | who | step | what changes in the gate's word |
/// |---|---|---|
/// | whoever takes the id | birth | `QUEUED`: nothing can be written yet |
/// | Mux | open, nothing queued, nobody waits for room | `QUEUED` is cleared |
/// | Mux | receives a send, or somebody waits | `QUEUED` is set, in the same step in which the send is announced no more, and before it looks for `DIRECT` |
/// | service on the Mux's thread | sends at once | `QUEUED` is set; nothing is announced |
/// | worker | [`Gate::start_write`] | alive, open and nothing else, and only its own sends announced: they are taken back, `DIRECT` is set |
/// | worker | [`Gate::finish_write`]: all is written | the charge is given back, then `DIRECT` is cleared; with `QUEUED`, or if the total is waited for, `FLUSH` is set and a `Flush` is posted |
/// | worker | [`Permit::post`]: something is left | nothing: the right goes to the Mux with what is left |
/// | Mux | [`Gate::receive_permit`] | `DIRECT` is cleared and `QUEUED` set; it writes at once |
/// | Mux | [`Gate::receive_flush`] | `FLUSH` is cleared |
/// | Mux | writes, sends FIN, closes | only while `DIRECT` is clear; after `QUEUED`, or without `OPEN`, it stays so |
/// | Mux | gives the id back | only without `DIRECT`, `FLUSH` and announced sends |
#[must_use]
#[derive(Debug)]
pub(crate) struct Permit {
    id: SocketId,
}

/// A [`Permit`] on its way to the Mux. Where a runtime ends, it may be dropped like any command.
#[derive(Debug)]
pub(crate) struct PostedPermit {
    id: SocketId,
}

/// The outcome of a complete direct write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Went {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    /// When the last of it was written.
    pub(crate) at_nanos: u64,
}

impl Permit {
    /// Whose stream may be written.
    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    /// The right goes to the Mux, with what is left to write.
    pub(crate) fn post(self) -> PostedPermit {
        let posted = PostedPermit { id: self.id };
        std::mem::forget(self);
        posted
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // A driver's panic passes through; the stream is then the smaller loss.
        assert!(std::thread::panicking(), "{}: the right to write it was lost", self.id);
    }
}

impl PostedPermit {
    /// Whose stream it is about.
    pub(crate) fn id(&self) -> SocketId {
        self.id
    }
}

impl Gate {
    /// Begins to write without the Mux, if nothing is queued, and if the `announced` sends of the
    /// asker are the only ones that are on their way: they are announced no more.
    pub(crate) fn start_write(&self, id: SocketId, announced: u64) -> Option<Permit> {
        assert!(announced > 0, "{id}: there is nothing to write");
        let free = generation_bits(id) | ALIVE | OPEN;
        let wanted = free | (announced * ONE_ANNOUNCED);
        assert_eq!(wanted & ANNOUNCED, announced * ONE_ANNOUNCED, "{id}: too many are announced");
        let started = free | DIRECT;
        check_word(started);
        self.word
            .compare_exchange(wanted, started, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then(|| Permit { id })
    }

    /// Everything is written, which cost `charge`. Answers whether a `Flush` must be posted.
    pub(crate) fn finish_write(
        &self,
        permit: Permit,
        went: Went,
        charge: usize,
        total: &Total,
    ) -> bool {
        let id = permit.id;
        assert!(went.messages > 0 && went.messages <= went.bytes, "{id}: each message has a byte");
        // The Mux asks in the opposite order: so who finds a message finds its bytes, and who
        // finds bytes finds when they went.
        let written = self.written.as_deref().expect("others than the Mux may write");
        written.last_nanos.fetch_max(went.at_nanos, Ordering::AcqRel);
        written.bytes.fetch_add(went.bytes, Ordering::AcqRel);
        written.messages.fetch_add(went.messages, Ordering::AcqRel);
        // Before `DIRECT` is cleared: without it the Mux knows all of the charge.
        let is_awaited = self.release(charge, total);
        // A service that ended the output has its command on its way, and the Mux sets `QUEUED`
        // when it does what that asks: so whoever waits for the end of a write has set it, and a
        // stream without `OPEN` needs no look of its own.
        let needs_flush = |word: u64| is_awaited || word & QUEUED != 0;
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            assert_eq!(word >> 32, generation_bits(id) >> 32, "{id} was reused under a write");
            assert_ne!(word & DIRECT, 0, "{id}: the right to write was taken away");
            assert_eq!(word & FLUSH, 0, "{id}: two tell the Mux that they are done");
            let flush = if needs_flush(word) { FLUSH } else { 0 };
            match self.replace(word, (word & !DIRECT) | flush) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        std::mem::forget(permit);
        needs_flush(word)
    }

    /// The Mux has received what is left of a direct write: output is its own again.
    pub(crate) fn receive_permit(&self, permit: &PostedPermit) {
        let id = permit.id;
        let was_alive = self.change(id, |word| {
            assert_ne!(word & DIRECT, 0, "{id}: nobody wrote it");
            (word & !DIRECT) | QUEUED
        });
        assert!(was_alive, "{id} died under a write");
    }

    /// The Mux has received `Flush`.
    pub(crate) fn receive_flush(&self, id: SocketId) {
        let was_alive = self.change(id, |word| {
            assert_ne!(word & FLUSH, 0, "{id}: nobody told the Mux to look");
            word & !FLUSH
        });
        assert!(was_alive, "{id} died before it was looked at");
    }

    /// Says whether output goes through the Mux. Only the Mux calls it.
    pub(crate) fn set_queued(&self, id: SocketId, is_queued: bool) {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        if (word & QUEUED != 0) == is_queued {
            return;
        }
        let flag = if is_queued { QUEUED } else { 0 };
        let was_alive = self.change(id, |word| (word & !QUEUED) | flag);
        assert!(was_alive, "{id} is dead and has output");
        assert_eq!(self.is_queued(), is_queued, "{id}: two say where its output goes");
    }

    /// Returns `true` if output goes through the Mux.
    pub(crate) fn is_queued(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        word & QUEUED != 0
    }

    /// Returns `true` if the stream is being written without the Mux.
    pub(crate) fn has_direct(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        word & DIRECT != 0
    }

    /// Returns `true` if the Mux is being told that this is over.
    pub(crate) fn has_flush(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        word & FLUSH != 0
    }

    /// Takes what was written without the Mux since it last asked.
    pub(crate) fn take_written(&self) -> Went {
        let written = self.written.as_deref().expect("others than the Mux may write");
        let messages = written.messages.swap(0, Ordering::AcqRel);
        let bytes = written.bytes.swap(0, Ordering::AcqRel);
        let at_nanos = written.last_nanos.load(Ordering::Acquire);
        Went { bytes, messages, at_nanos }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::gate::{ChargeLimits, GateKind, SendKind};
    use std::num::NonZeroU32;

    const LIMITS: ChargeLimits = ChargeLimits { socket: 1000, total: 1500, datagram: 500 };
    const WENT: Went = Went { bytes: 100, messages: 1, at_nanos: 7 };

    fn id(generation: u32) -> SocketId {
        SocketId::new(0, NonZeroU32::new(generation).unwrap())
    }

    /// An open stream with so many announced sends of 100 bytes, that anybody may write.
    fn stream(announced: u64) -> (Gate, Total) {
        let (gate, total) = (Gate::new(true), Total::default());
        gate.birth(id(1), GateKind::Stream);
        gate.set_queued(id(1), false);
        for _ in 0..announced {
            gate.announce(id(1), SendKind::Peer, 100, &LIMITS, &total).unwrap();
        }
        (gate, total)
    }

    #[test]
    fn a_stream_that_is_not_open_yet_or_has_something_queued_is_not_written() {
        let (gate, _total) = stream(1);
        gate.set_queued(id(1), true);
        assert!(gate.start_write(id(1), 1).is_none());
        gate.set_queued(id(1), false);
        assert!(gate.start_write(id(2), 1).is_none(), "another generation");
        gate.close_output(id(1));
        assert!(gate.start_write(id(1), 1).is_none(), "own shutdown was asked");
    }

    #[test]
    fn nobody_overtakes_an_announced_send_and_one_writes_at_a_time() {
        let (gate, total) = stream(2);
        assert!(gate.start_write(id(1), 1).is_none(), "another send is on its way");
        let permit = gate.start_write(id(1), 2).unwrap();
        assert!(gate.has_direct() && !gate.has_announced());
        gate.announce(id(1), SendKind::Peer, 100, &LIMITS, &total).unwrap();
        assert!(gate.start_write(id(1), 1).is_none(), "somebody writes it");
        let posted = permit.post();
        assert!(gate.has_direct(), "what is left is still on its way");
        gate.receive_permit(&posted);
        assert!(gate.is_queued() && !gate.has_direct());
        assert!(gate.start_write(id(1), 1).is_none(), "what is left goes first");
    }

    #[test]
    fn a_complete_write_gives_its_charge_back_and_is_told_of_later() {
        let (gate, total) = stream(1);
        let permit = gate.start_write(id(1), 1).unwrap();
        assert!(!gate.finish_write(permit, WENT, 164, &total), "nothing waits for it");
        assert_eq!((gate.charged_bytes(), total.bytes()), (0, 0));
        assert_eq!(gate.take_written(), WENT);
        assert_eq!(gate.take_written().bytes, 0, "it is told once");
        gate.kill(id(1));
    }

    #[test]
    fn the_mux_is_told_if_it_waits_for_the_end_of_a_write() {
        for wait in [
            |gate: &Gate, _total: &Total| gate.set_queued(id(1), true),
            |_gate: &Gate, total: &Total| total.set_awaited(true),
        ] {
            let (gate, total) = stream(1);
            let permit = gate.start_write(id(1), 1).unwrap();
            wait(&gate, &total);
            assert!(gate.finish_write(permit, WENT, 164, &total));
            assert!(gate.has_flush() && !gate.has_direct());
            gate.receive_flush(id(1));
            gate.kill(id(1));
        }
    }

    #[test]
    fn a_service_that_ends_the_output_under_a_write_is_heard_through_its_own_command() {
        let (gate, total) = stream(1);
        let permit = gate.start_write(id(1), 1).unwrap();
        gate.close_output(id(1));
        assert!(!gate.finish_write(permit, WENT, 164, &total), "the Mux waits for nothing yet");
        assert!(!gate.has_flush() && !gate.has_direct());
    }

    #[test]
    #[should_panic(expected = "the right to write it was lost")]
    fn a_permit_is_not_dropped() {
        let (gate, _total) = stream(1);
        drop(gate.start_write(id(1), 1));
    }

    #[test]
    #[should_panic(expected = "dies while it is written")]
    fn a_place_whose_write_is_being_told_of_is_not_given_back() {
        let (gate, total) = stream(1);
        let permit = gate.start_write(id(1), 1).unwrap();
        gate.set_queued(id(1), true);
        gate.finish_write(permit, WENT, 164, &total);
        gate.kill(id(1));
    }
}
