//! The unsent bytes of one socket.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::MESSAGE_OVERHEAD_BYTES;

/// The two send priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// `send`: leaves first.
    High,
    /// `send_low`: leaves when no high one waits.
    Low,
}

/// The unsent bytes of one socket, in the order in which they leave.
///
/// What has *begun* (a byte of it left, or it was offered to a write that is pending) leaves
/// first; then high messages, then low ones, each in the order in which they came. A message is
/// never split by another's bytes.
///
/// A readiness backend looks at [`parts`](Self::parts) and calls [`advance`](Self::advance), or
/// calls [`take_front`](Self::take_front) to move buffers out without a copy. A completion backend
/// calls [`offer`](Self::offer) and takes shares of [`offered`](Self::offered).
///
/// ```
/// use tidelock_core::{Outbox, Priority};
/// let mut outbox = Outbox::new();
/// outbox.push("file".into(), Priority::Low);
/// outbox.advance(1); // the file has begun ...
/// outbox.push("chat".into(), Priority::High);
/// assert_eq!(outbox.take_front(99).unwrap(), "ile"); // ... and is finished first
/// assert_eq!(outbox.take_front(99).unwrap(), "chat");
/// assert!(outbox.is_empty());
/// ```
#[derive(Debug, Default, Hash)]
pub struct Outbox {
    /// Rest of one message, or all messages that were offered to a write. Invariant: at the end
    /// of a message; its first part may be cut.
    begun: VecDeque<Part>,
    /// Whole messages.
    high: VecDeque<Part>,
    /// Whole messages.
    low: VecDeque<Part>,
    /// Invariant: the sum of all parts' lengths.
    pending_bytes: usize,
    /// Invariant: the number of parts with `is_last`.
    messages: usize,
    /// Bytes at the front of `begun` that a pending write has. Invariant: at most what is there.
    offered_bytes: usize,
}

/// A piece of a message; never empty.
#[derive(Debug, Hash)]
struct Part {
    bytes: Bytes,
    /// Whether the message ends here.
    is_last: bool,
}

impl Outbox {
    /// An empty outbox; allocates nothing.
    pub const fn new() -> Self {
        Self {
            begun: VecDeque::new(),
            high: VecDeque::new(),
            low: VecDeque::new(),
            pending_bytes: 0,
            messages: 0,
            offered_bytes: 0,
        }
    }

    /// Unsent payload bytes.
    #[inline]
    pub const fn pending_bytes(&self) -> usize {
        debug_assert!(self.offered_bytes <= self.pending_bytes, "more is offered than is there");
        self.pending_bytes
    }

    /// Messages of which at least one byte is unsent.
    #[inline]
    pub const fn messages(&self) -> usize {
        debug_assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
        self.messages
    }

    /// What is charged for what is queued: unsent bytes, and 64 for each message.
    #[inline]
    pub const fn charge_bytes(&self) -> usize {
        debug_assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
        self.pending_bytes + self.messages * MESSAGE_OVERHEAD_BYTES
    }

    /// Whether nothing is unsent.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        debug_assert!((self.pending_bytes == 0) == (self.messages == 0), "bytes of no message");
        self.pending_bytes == 0
    }

    /// Whether a message has begun and is not finished.
    pub fn has_begun(&self) -> bool {
        debug_assert!(self.begun.is_empty() || self.pending_bytes > 0, "nothing has begun");
        debug_assert!(self.offered_bytes == 0 || !self.begun.is_empty(), "an offer has begun");
        !self.begun.is_empty()
    }

    /// Bytes that a pending write has.
    #[inline]
    pub const fn offered_bytes(&self) -> usize {
        debug_assert!(self.offered_bytes <= self.pending_bytes, "more is offered than is there");
        self.offered_bytes
    }

    /// Queues one message.
    ///
    /// # Panics
    /// If it is empty: an empty stream message is nothing.
    pub fn push(&mut self, bytes: Bytes, priority: Priority) {
        assert!(!bytes.is_empty(), "an empty message is never queued");
        self.pending_bytes += bytes.len();
        self.messages += 1;
        let queue = self.queue(priority);
        assert!(queue.back().is_none_or(|part| part.is_last), "a message follows a torn one");
        queue.push_back(Part { bytes, is_last: true });
        self.check_counts();
    }

    /// Queues one message that lies in several parts.
    ///
    /// # Panics
    /// If there is no part, or an empty one.
    pub fn push_parts(&mut self, parts: impl IntoIterator<Item = Bytes>, priority: Priority) {
        let mut added_bytes = 0;
        let queue = self.queue(priority);
        let parts_before = queue.len();
        assert!(queue.back().is_none_or(|part| part.is_last), "a message follows a torn one");
        for bytes in parts {
            assert!(!bytes.is_empty(), "an empty part is never queued");
            added_bytes += bytes.len();
            queue.push_back(Part { bytes, is_last: false });
        }
        assert!(queue.len() > parts_before, "a message has at least one part");
        if let Some(last) = queue.back_mut() {
            last.is_last = true;
        }
        assert!(added_bytes > 0, "parts that are not empty have bytes");
        self.pending_bytes += added_bytes;
        self.messages += 1;
        self.check_counts();
    }

    /// Puts in front what a write without this outbox left: each of its messages leaves before
    /// those that are here with the same priority, and what has begun of it before everything.
    ///
    /// # Panics
    /// If a message has begun here, or a write is pending: two writes would have been under way.
    pub(crate) fn put_back(&mut self, rest: Outbox) {
        assert!(!self.has_begun(), "two messages have begun");
        assert_eq!(self.offered_bytes + rest.offered_bytes, 0, "a pending write has some of them");
        let pending_bytes = self.pending_bytes + rest.pending_bytes;
        let Outbox { begun, mut high, mut low, messages, .. } = rest;
        high.append(&mut self.high);
        low.append(&mut self.low);
        *self = Self {
            begun,
            high,
            low,
            pending_bytes,
            messages: self.messages + messages,
            offered_bytes: 0,
        };
        assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
    }

    /// The unsent parts in the order in which they leave, for one vectored write.
    pub fn parts(&self) -> impl Iterator<Item = &Bytes> {
        self.begun.iter().chain(&self.high).chain(&self.low).map(|part| &part.bytes)
    }

    /// Consumes `count` bytes from the front: the system took them.
    ///
    /// # Panics
    /// If there are not so many, or if more are consumed than the pending write was offered.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.pending_bytes, "consumed {count} of {} B", self.pending_bytes);
        assert!(
            self.offered_bytes == 0 || count <= self.offered_bytes,
            "a write took {count} B and was offered {}",
            self.offered_bytes
        );
        self.offered_bytes = 0;
        let pending_before = self.pending_bytes;
        let mut left = count;
        while left > 0 {
            let (queue, part) = self.front_mut().expect("pending bytes are in some part");
            let taken = left.min(part.bytes.len());
            left -= taken;
            self.consume_from(queue, taken);
        }
        assert_eq!(self.pending_bytes + count, pending_before, "other bytes went as well");
        self.drop_empty_queues();
    }

    /// Takes at most `size_max` bytes from the front, as one buffer, without a copy.
    ///
    /// # Panics
    /// If `size_max` is zero, or a write is pending.
    pub fn take_front(&mut self, size_max: usize) -> Option<Bytes> {
        assert!(size_max > 0, "taking nothing");
        assert_eq!(self.offered_bytes, 0, "a pending write has these bytes");
        let (queue, part) = self.front_mut()?;
        let taken = size_max.min(part.bytes.len());
        let bytes = part.bytes.slice(..taken);
        assert!(bytes.len() <= size_max, "no more is taken than was asked for");
        self.consume_from(queue, taken);
        self.drop_empty_queues();
        assert!(!bytes.is_empty(), "parts are never empty");
        Some(bytes)
    }

    /// Fixes the order of at least the first `size_max` bytes, because they are offered to a write
    /// that will be pending: whole messages begin. Answers how many bytes are offered.
    ///
    /// # Panics
    /// If a write is pending already, or there is nothing to offer.
    pub fn offer(&mut self, size_max: usize) -> usize {
        assert_eq!(self.offered_bytes, 0, "one write at a time is pending");
        assert!(size_max > 0 && !self.is_empty(), "nothing to offer");
        let mut begun_bytes: usize = self.begun.iter().map(|part| part.bytes.len()).sum();
        for queue in [&mut self.high, &mut self.low] {
            while begun_bytes < size_max
                && let Some(bytes) = move_message(queue, &mut self.begun)
            {
                begun_bytes += bytes;
            }
        }
        assert!(begun_bytes <= self.pending_bytes, "more has begun than is pending");
        assert!(begun_bytes >= size_max.min(self.pending_bytes), "less has begun than is offered");
        self.offered_bytes = begun_bytes.min(size_max);
        assert!(self.offered_bytes > 0, "something was offered");
        self.offered_bytes
    }

    /// The offered bytes, to share with the write that is pending.
    pub fn offered(&self) -> impl Iterator<Item = Bytes> {
        let mut left = self.offered_bytes;
        assert!(left == 0 || !self.begun.is_empty(), "what is offered has begun");
        self.begun.iter().map_while(move |part| {
            let taken = left.min(part.bytes.len());
            left -= taken;
            (taken > 0).then(|| part.bytes.slice(..taken))
        })
    }

    /// The pending write took nothing and is over; what was offered stays begun.
    pub fn withdraw_offer(&mut self) {
        assert!(self.offered_bytes <= self.pending_bytes, "an offer outlived its bytes");
        self.offered_bytes = 0;
    }

    /// Drops everything and answers how many payload bytes that was.
    pub fn clear(&mut self) -> usize {
        let dropped = std::mem::take(self).pending_bytes;
        assert!(self.is_empty() && self.offered_bytes == 0, "something outlived its outbox");
        dropped
    }

    /// Relations of the counts; cheap enough for every change.
    fn check_counts(&self) {
        assert!(self.messages > 0, "what was just queued is there");
        assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
        assert!(self.offered_bytes <= self.pending_bytes, "more is offered than is there");
    }

    /// Checks every invariant, in time proportional to what is queued.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        let all = || self.begun.iter().chain(&self.high).chain(&self.low);
        let bytes: usize = all().map(|part| part.bytes.len()).sum();
        assert_eq!(bytes, self.pending_bytes, "the count of bytes is off");
        let messages = all().filter(|part| part.is_last).count();
        assert_eq!(messages, self.messages, "the count of messages is off");
        assert!(all().all(|part| !part.bytes.is_empty()), "an empty part is queued");
        for queue in [&self.begun, &self.high, &self.low] {
            assert!(queue.back().is_none_or(|part| part.is_last), "a torn message");
            assert!(queue.capacity() == 0 || self.pending_bytes > 0, "empty, but allocated");
        }
        let begun_bytes: usize = self.begun.iter().map(|part| part.bytes.len()).sum();
        assert!(self.offered_bytes <= begun_bytes, "offered more than has begun");
        assert!(self.offered_bytes == 0 || !self.begun.is_empty(), "an offer has begun");
        let begun = self.begun.iter().filter(|part| part.is_last).count();
        assert!(begun <= self.messages, "more messages have begun than there are");
        assert!(self.messages <= self.pending_bytes, "each message has a byte");
    }

    #[inline]
    fn queue(&mut self, priority: Priority) -> &mut VecDeque<Part> {
        match priority {
            Priority::High => &mut self.high,
            Priority::Low => &mut self.low,
        }
    }

    #[inline]
    fn front_mut(&mut self) -> Option<(Queue, &mut Part)> {
        let is_somewhere = !self.begun.is_empty() || !self.high.is_empty() || !self.low.is_empty();
        assert_eq!(is_somewhere, self.pending_bytes > 0, "pending bytes are in some part");
        if let Some(part) = self.begun.front_mut() {
            Some((Queue::Begun, part))
        } else if let Some(part) = self.high.front_mut() {
            Some((Queue::High, part))
        } else {
            self.low.front_mut().map(|part| (Queue::Low, part))
        }
    }

    /// Consumes `count` bytes of the first part of `from`; what is left of its message has begun.
    fn consume_from(&mut self, from: Queue, count: usize) {
        assert!(from == Queue::Begun || self.begun.is_empty(), "a message that began is passed");
        assert!(from != Queue::Low || self.high.is_empty(), "a low message passes a high one");
        assert!(count <= self.pending_bytes && self.messages > 0, "parts are counted");
        let queue = match from {
            Queue::Begun => &mut self.begun,
            Queue::High => &mut self.high,
            Queue::Low => &mut self.low,
        };
        let part = queue.front_mut().expect("the caller saw this part");
        assert!(0 < count && count <= part.bytes.len(), "a part is consumed piecewise");
        part.bytes.advance(count);
        let is_whole_part = part.bytes.is_empty();
        let is_whole_message = is_whole_part && part.is_last;
        if is_whole_part {
            queue.pop_front();
        }
        self.pending_bytes -= count;
        if is_whole_message {
            self.messages -= 1;
        } else {
            match from {
                Queue::Begun => {}
                Queue::High => {
                    move_message(&mut self.high, &mut self.begun);
                }
                Queue::Low => {
                    move_message(&mut self.low, &mut self.begun);
                }
            }
            assert!(!self.begun.is_empty(), "the rest of a message has begun");
        }
    }

    fn drop_empty_queues(&mut self) {
        if self.pending_bytes == 0 {
            assert_eq!(self.messages, 0, "a message without bytes is queued");
            assert!(self.front_mut().is_none(), "a part is left and was not counted");
            *self = Self::new();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Begun,
    High,
    Low,
}

/// Moves the parts up to the end of a message; answers their bytes, or `None` if there are none.
fn move_message(from: &mut VecDeque<Part>, to: &mut VecDeque<Part>) -> Option<usize> {
    let mut bytes = 0;
    if from.is_empty() {
        return None;
    }
    assert!(to.back().is_none_or(|part: &Part| part.is_last), "a message begins within another");
    loop {
        let part = from.pop_front().expect("a message has an end");
        assert!(!part.bytes.is_empty(), "an empty part is queued");
        bytes += part.bytes.len();
        let is_last = part.is_last;
        to.push_back(part);
        if is_last {
            return Some(bytes);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox) -> String {
        let mut all = Vec::new();
        while let Some(bytes) = outbox.take_front(usize::MAX) {
            all.extend_from_slice(&bytes);
            outbox.check_invariants();
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn high_overtakes_a_low_one_that_has_not_begun() {
        let mut outbox = Outbox::new();
        outbox.push("low".into(), Priority::Low);
        outbox.push("high".into(), Priority::High);
        assert_eq!(drain(&mut outbox), "highlow");
    }

    #[test]
    fn a_low_one_that_has_begun_is_not_torn() {
        let mut outbox = Outbox::new();
        outbox.push("low".into(), Priority::Low);
        outbox.advance(1);
        outbox.push("high".into(), Priority::High);
        outbox.check_invariants();
        assert_eq!(drain(&mut outbox), "owhigh");
    }

    #[test]
    fn a_message_in_parts_is_not_torn_between_them() {
        let mut outbox = Outbox::new();
        outbox.push_parts(["ab".into(), "cd".into()], Priority::Low);
        outbox.advance(2);
        outbox.check_invariants();
        assert!(outbox.has_begun());
        outbox.push("H".into(), Priority::High);
        assert_eq!(drain(&mut outbox), "cdH");
    }

    #[test]
    fn what_is_offered_stays_in_front_and_keeps_its_order() {
        let mut outbox = Outbox::new();
        outbox.push("low1".into(), Priority::Low);
        outbox.push("low2".into(), Priority::Low);
        assert_eq!(outbox.offer(6), 6);
        assert_eq!(outbox.offered().map(|bytes| bytes.len()).sum::<usize>(), 6);
        outbox.push("high".into(), Priority::High);
        outbox.check_invariants();
        outbox.advance(1);
        outbox.check_invariants();
        assert_eq!(drain(&mut outbox), "ow1low2high");
    }

    #[test]
    fn charges_count_bytes_and_messages() {
        let mut outbox = Outbox::new();
        outbox.push("abc".into(), Priority::High);
        outbox.push("d".into(), Priority::Low);
        assert_eq!(outbox.charge_bytes(), 4 + 2 * MESSAGE_OVERHEAD_BYTES);
        outbox.advance(3);
        assert_eq!(outbox.charge_bytes(), 1 + MESSAGE_OVERHEAD_BYTES);
        assert_eq!(outbox.clear(), 1);
        assert_eq!(outbox.charge_bytes(), 0);
        outbox.check_invariants();
    }

    #[test]
    #[should_panic(expected = "consumed 4 of 3 B")]
    fn more_than_is_there_is_not_consumed() {
        let mut outbox = Outbox::new();
        outbox.push("abc".into(), Priority::High);
        outbox.advance(4);
    }
}
