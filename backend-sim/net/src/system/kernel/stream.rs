//! One direction of a stream: a rope and its offsets.

use std::hash::Hash;

use bytes::{Bytes, BytesMut};

use crate::base::few::Few;
use crate::base::fingerprint::{Fingerprint, still_to_come};

/// One direction of a stream. Everything that a call answers is computed from the offsets:
/// read ≤ delivered ≤ sent ≤ written.
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    /// The bytes from `read` to `written`.
    rope: Few<Bytes>,
    written: u64,
    sent: u64,
    delivered: u64,
    read: u64,
    /// Where the writer's FIN stands, once it was asked for; nothing is written after it.
    fin_at: Option<u64>,
    is_fin_sent: bool,
    is_fin_arrived: bool,
    /// RST: nothing more is sent or delivered.
    is_cut_off: bool,
    /// A read stops once at this byte (K9).
    pub(crate) urgent_at: Option<u64>,
    /// The system takes nothing for a while.
    pub(crate) is_clogged: bool,
    /// The writer will learn that the reader has read.
    pub(crate) is_window_on_its_way: bool,
    /// When the last segment so far arrives; none overtakes another.
    pub(crate) last_arrival_nanos: u64,
}

impl Pipe {
    /// Adds all of it; when the last segment arrived counts no more.
    pub(crate) fn fingerprint(&self, now: u64, state: &mut Fingerprint) {
        let Self { rope, written, sent, delivered, read, fin_at, is_fin_sent, .. } = self;
        let Self { is_fin_arrived, is_cut_off, urgent_at, is_clogged, .. } = self;
        let Self { is_window_on_its_way, last_arrival_nanos, .. } = self;
        (rope, written, sent, delivered, read, fin_at, is_fin_sent).hash(state);
        (is_fin_arrived, is_cut_off, urgent_at, is_clogged, is_window_on_its_way).hash(state);
        still_to_come(*last_arrival_nanos, now).hash(state);
    }

    /// Bytes that the system took from the writer.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that are under way or arrived.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that arrived.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Bytes that the reader took.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Bytes that can be read now.
    pub fn readable(&self) -> u64 {
        self.delivered - self.read
    }

    /// Bytes that the system holds for the writer.
    pub fn unacknowledged(&self) -> u64 {
        self.written - self.delivered
    }

    /// Returns `true` if the end of the stream arrived: there is nothing behind `delivered`.
    pub fn is_ended(&self) -> bool {
        self.is_fin_arrived && self.fin_at == Some(self.delivered)
    }

    /// Returns `true` if the writer asked for FIN.
    pub fn is_finishing(&self) -> bool {
        self.fin_at.is_some()
    }

    /// Returns `true` if RST ended it.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// Takes bytes from the writer.
    pub(crate) fn append(&mut self, bytes: Bytes) {
        assert!(!bytes.is_empty(), "nothing is written");
        assert!(self.fin_at.is_none() && !self.is_cut_off, "written behind the end");
        self.written += bytes.len() as u64;
        self.rope.push_back(bytes);
    }

    /// The writer asks for FIN behind what it wrote.
    pub(crate) fn finish(&mut self) {
        if self.fin_at.is_none() {
            self.fin_at = Some(self.written);
        }
    }

    /// Sends the bytes that go out now, if the reader's system holds `receive_bytes`; returns their
    /// number.
    pub(crate) fn send(&mut self, receive_bytes: u64) -> u64 {
        if self.is_cut_off {
            return 0;
        }
        let held = self.sent - self.read;
        let count = (self.written - self.sent).min(receive_bytes.saturating_sub(held));
        self.sent += count;
        count
    }

    /// Returns `true` if the reader's window holds bytes back.
    pub(crate) fn is_held_back(&self) -> bool {
        self.sent < self.written && !self.is_cut_off
    }

    /// Sends FIN if it goes out now; returns `true` if so.
    pub(crate) fn send_fin(&mut self) -> bool {
        let is_due = self.fin_at == Some(self.sent) && !self.is_fin_sent && !self.is_cut_off;
        self.is_fin_sent |= is_due;
        is_due
    }

    /// Bytes up to `until` arrived.
    pub(crate) fn deliver(&mut self, until: u64) {
        assert!(until <= self.sent, "{until} arrived and {} were sent", self.sent);
        self.delivered = self.delivered.max(until);
    }

    /// FIN arrived; it counts when every byte before it has.
    pub(crate) fn deliver_fin(&mut self) {
        assert!(self.is_fin_sent, "a FIN arrived that nobody sent");
        self.is_fin_arrived = true;
    }

    /// RST: what is not delivered is gone.
    pub(crate) fn cut_off(&mut self) {
        self.is_cut_off = true;
    }

    /// RST, where it takes with it what was received and not read.
    pub(crate) fn discard(&mut self) {
        assert!(self.is_cut_off, "only a broken stream loses what arrived");
        while self.readable() > 0 {
            self.take(usize::MAX);
        }
    }

    /// Reads at most `size_max` of what was delivered; empty if there is nothing.
    pub(crate) fn take(&mut self, size_max: usize) -> Bytes {
        let mut count = self.readable().min(size_max as u64) as usize;
        if count == 0 {
            return Bytes::new();
        }
        if let Some(mark) = self.urgent_at {
            // A mark that was read past before it was known is none any more.
            let before = mark.saturating_sub(self.read);
            if before <= count as u64 {
                self.urgent_at = None;
            }
            if before > 0 {
                count = count.min(before as usize);
            }
        }
        self.read += count as u64;
        let front = self.rope.front_mut().expect("unread bytes are in the rope");
        if front.len() > count {
            return front.split_to(count);
        }
        if front.len() == count {
            return self.rope.pop_front().expect("it was just seen");
        }
        let mut joined = BytesMut::with_capacity(count);
        while joined.len() < count {
            let front = self.rope.front_mut().expect("unread bytes are in the rope");
            let part = front.split_to(front.len().min(count - joined.len()));
            if front.is_empty() {
                self.rope.pop_front();
            }
            joined.extend_from_slice(&part);
        }
        joined.freeze()
    }

    /// Checks the offsets.
    ///
    /// # Panics
    /// If their order is broken.
    pub fn check_invariants(&self) {
        assert!(self.read <= self.delivered, "read more than arrived");
        assert!(self.delivered <= self.sent, "more arrived than was sent");
        assert!(self.sent <= self.written, "more was sent than written");
        let held: u64 = self.rope.iter().map(|bytes| bytes.len() as u64).sum();
        assert_eq!(held, self.written - self.read, "the rope is not what is unread");
        assert!(self.fin_at.is_none_or(|at| at == self.written), "written behind FIN");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_follow_deliveries_across_parts() {
        let mut pipe = Pipe::default();
        pipe.append("abc".into());
        pipe.append("defg".into());
        assert_eq!(pipe.send(5), 5, "the window holds two bytes back");
        pipe.deliver(4);
        assert_eq!(pipe.take(100), "abcd");
        assert_eq!(pipe.take(100), "");
        assert_eq!(pipe.send(5), 2);
        pipe.deliver(7);
        assert_eq!(pipe.take(1), "e");
        assert_eq!(pipe.take(2), "fg");
        pipe.check_invariants();
    }

    #[test]
    fn fin_counts_when_every_byte_before_it_arrived() {
        let mut pipe = Pipe::default();
        pipe.append("abc".into());
        pipe.finish();
        assert!(!pipe.send_fin(), "data goes first");
        assert_eq!(pipe.send(2), 2);
        assert!(!pipe.send_fin());
        assert_eq!(pipe.send(3), 1);
        assert!(pipe.send_fin() && !pipe.send_fin());
        pipe.deliver_fin();
        assert!(!pipe.is_ended());
        pipe.deliver(3);
        assert!(pipe.is_ended());
    }

    #[test]
    #[should_panic(expected = "behind the end")]
    fn nothing_is_written_behind_fin() {
        let mut pipe = Pipe::default();
        pipe.finish();
        pipe.append("a".into());
    }
}
