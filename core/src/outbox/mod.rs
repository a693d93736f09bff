//! The unsent bytes of one socket.

mod queues;

use std::hash::{Hash, Hasher};

use bytes::Bytes;

use self::queues::{Part, Queue, Queues, cut};
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
#[derive(Debug, Default)]
pub struct Outbox {
    /// What is unsent, as long as it lies in one part: most sockets never have more, and need no
    /// memory for it. Invariant: there are no queues then.
    only: Option<(Queue, Bytes)>,
    queues: Option<Box<Queues>>,
    /// Invariant: the sum of all parts' lengths.
    pending_bytes: usize,
    /// Invariant: the number of parts with `is_last`.
    messages: usize,
    /// Bytes at the front of `begun` that a pending write has. Invariant: at most what is there.
    offered_bytes: usize,
}

impl Outbox {
    /// An empty outbox; allocates nothing.
    pub const fn new() -> Self {
        Self { only: None, queues: None, pending_bytes: 0, messages: 0, offered_bytes: 0 }
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
    #[inline]
    pub fn has_begun(&self) -> bool {
        let has_begun = match (&self.only, &self.queues) {
            (Some((queue, _)), _) => *queue == Queue::Begun,
            (None, Some(queues)) => !queues.begun.is_empty(),
            (None, None) => false,
        };
        debug_assert!(!has_begun || self.pending_bytes > 0, "nothing has begun");
        debug_assert!(self.offered_bytes == 0 || has_begun, "an offer has begun");
        has_begun
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
        self.push_parts([bytes], priority);
    }

    /// Queues one message that lies in several parts.
    ///
    /// # Panics
    /// If there is no part, or an empty one.
    pub fn push_parts(&mut self, parts: impl IntoIterator<Item = Bytes>, priority: Priority) {
        let queue = match priority {
            Priority::High => Queue::High,
            Priority::Low => Queue::Low,
        };
        let last = self.queues.as_ref().and_then(|queues| queues.get(queue).back());
        assert!(last.is_none_or(|part| part.is_last), "a message follows a torn one");
        let mut added_bytes = 0;
        let mut parts = parts.into_iter();
        let mut next = parts.next();
        assert!(next.is_some(), "a message has at least one part");
        while let Some(bytes) = next {
            assert!(!bytes.is_empty(), "an empty part is never queued");
            added_bytes += bytes.len();
            next = parts.next();
            self.add(queue, Part { bytes, is_last: next.is_none() });
        }
        self.pending_bytes += added_bytes;
        self.messages += 1;
        self.check_counts();
    }

    #[inline]
    fn add(&mut self, queue: Queue, part: Part) {
        debug_assert!(queue != Queue::Begun, "what begins was queued before");
        debug_assert!(self.only.is_none() || self.queues.is_none(), "two places for one part");
        if self.only.is_none() && self.queues.is_none() && part.is_last {
            self.only = Some((queue, part.bytes));
        } else {
            self.queues().get_mut(queue).push_back(part);
        }
    }

    /// The queues, and from now on whatever is unsent lies in them.
    fn queues(&mut self) -> &mut Queues {
        let queues = self.queues.get_or_insert_default();
        if let Some((queue, bytes)) = self.only.take() {
            let queue = queues.get_mut(queue);
            assert!(queue.is_empty(), "the only part is not the only one");
            queue.push_back(Part { bytes, is_last: true });
        }
        debug_assert!(self.only.is_none(), "the only part lies outside the queues");
        queues
    }

    /// Puts in front what a write without this outbox left: each of its messages leaves before
    /// those that are here with the same priority, and what has begun of it before everything.
    ///
    /// # Panics
    /// If a message has begun here, or a write is pending: two writes would have been under way.
    pub(crate) fn put_back(&mut self, mut rest: Outbox) {
        assert!(!self.has_begun(), "two messages have begun");
        assert_eq!(self.offered_bytes + rest.offered_bytes, 0, "a pending write has some of them");
        let pending_bytes = self.pending_bytes + rest.pending_bytes;
        let Queues { begun, high, low } = std::mem::take(rest.queues());
        let queues = self.queues();
        for (queue, mut before) in [(&mut queues.high, high), (&mut queues.low, low)] {
            before.append(queue);
            *queue = before;
        }
        queues.begun = begun;
        (self.pending_bytes, self.messages) = (pending_bytes, self.messages + rest.messages);
        self.drop_empty_queues();
        assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
    }

    /// The unsent parts in the order in which they leave, for one vectored write.
    pub fn parts(&self) -> impl Iterator<Item = &Bytes> {
        let only = self.only.iter().map(|(_, bytes)| bytes);
        only.chain(self.queued().map(|part| &part.bytes))
    }

    /// What lies in queues.
    fn queued(&self) -> impl Iterator<Item = &Part> {
        let queues = self.queues.iter();
        queues.flat_map(|queues| queues.begun.iter().chain(&queues.high).chain(&queues.low))
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
            let (queue, bytes) = self.front().expect("pending bytes are in some part");
            let taken = left.min(bytes.len());
            left -= taken;
            self.consume_from(queue, taken, false);
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
        let (queue, bytes) = self.front()?;
        let taken = size_max.min(bytes.len());
        let bytes = self.consume_from(queue, taken, true);
        assert_eq!(bytes.len(), taken, "no more is taken than was asked for");
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
        let begun_bytes = match (&mut self.only, &mut self.queues) {
            (Some((queue, bytes)), _) => {
                *queue = Queue::Begun;
                bytes.len()
            }
            (None, queues) => queues.as_mut().map_or(0, |queues| queues.begin(size_max)),
        };
        assert!(begun_bytes <= self.pending_bytes, "more has begun than is pending");
        assert!(begun_bytes >= size_max.min(self.pending_bytes), "less has begun than is offered");
        self.offered_bytes = begun_bytes.min(size_max);
        assert!(self.offered_bytes > 0, "something was offered");
        self.offered_bytes
    }

    /// The offered bytes, to share with the write that is pending.
    pub fn offered(&self) -> impl Iterator<Item = Bytes> {
        let mut left = self.offered_bytes;
        assert!(left == 0 || self.has_begun(), "what is offered has begun");
        self.parts().map_while(move |bytes| {
            let taken = left.min(bytes.len());
            left -= taken;
            (taken > 0).then(|| bytes.slice(..taken))
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
        let bytes: usize = self.parts().map(Bytes::len).sum();
        assert_eq!(bytes, self.pending_bytes, "the count of bytes is off");
        let ends = self.queued().filter(|part| part.is_last).count();
        let messages = usize::from(self.only.is_some()) + ends;
        assert_eq!(messages, self.messages, "the count of messages is off");
        assert!(self.parts().all(|bytes| !bytes.is_empty()), "an empty part is queued");
        assert!(self.only.is_none() || self.queues.is_none(), "the only part is not the only one");
        assert!(self.queues.is_none() || self.pending_bytes > 0, "empty, but allocated");
        let mut begun_bytes = match &self.only {
            Some((Queue::Begun, bytes)) => bytes.len(),
            _ => 0,
        };
        if let Some(queues) = &self.queues {
            for queue in [&queues.begun, &queues.high, &queues.low] {
                assert!(queue.back().is_none_or(|part| part.is_last), "a torn message");
            }
            begun_bytes = queues.begun.iter().map(|part| part.bytes.len()).sum();
            let begun = queues.begun.iter().filter(|part| part.is_last).count();
            assert!(begun <= self.messages, "more messages have begun than there are");
        }
        assert!(self.offered_bytes <= begun_bytes, "offered more than has begun");
        assert!(self.offered_bytes == 0 || self.has_begun(), "an offer has begun");
        assert!(self.messages <= self.pending_bytes, "each message has a byte");
    }

    #[inline]
    fn front(&self) -> Option<(Queue, &Bytes)> {
        if let Some((queue, bytes)) = &self.only {
            debug_assert!(self.queues.is_none(), "the only part is not the only one");
            debug_assert_eq!(bytes.len(), self.pending_bytes, "the only part is all there is");
            return Some((*queue, bytes));
        }
        let queues = self.queues.as_ref()?;
        let front = |queue| Some((queue, &queues.get(queue).front()?.bytes));
        let front =
            front(Queue::Begun).or_else(|| front(Queue::High)).or_else(|| front(Queue::Low));
        assert_eq!(front.is_some(), self.pending_bytes > 0, "pending bytes are in some part");
        front
    }

    /// Takes `count` bytes of the first part of `from`; what is left of its message has begun.
    /// Gives them, if they are wanted.
    fn consume_from(&mut self, from: Queue, count: usize, is_wanted: bool) -> Bytes {
        assert!(count > 0, "a part is consumed piecewise");
        assert!(count <= self.pending_bytes && self.messages > 0, "parts are counted");
        self.pending_bytes -= count;
        let (bytes, is_whole_message) = match &mut self.only {
            Some((queue, bytes)) if count < bytes.len() => {
                *queue = Queue::Begun;
                (cut(bytes, count, is_wanted), false)
            }
            only @ Some(_) => (only.take().expect("it was just seen").1, true),
            None => {
                let queues = self.queues.as_mut().expect("the caller saw this part");
                queues.consume_from(from, count, is_wanted)
            }
        };
        assert!(count == bytes.len() || !is_wanted, "more than a part was asked for");
        self.messages -= usize::from(is_whole_message);
        bytes
    }

    #[inline]
    fn drop_empty_queues(&mut self) {
        if self.pending_bytes == 0 {
            assert_eq!(self.messages, 0, "a message without bytes is queued");
            assert!(self.only.is_none(), "a part is left and was not counted");
            if let Some(queues) = self.queues.take() {
                let Queues { begun, high, low } = *queues;
                let is_empty = begun.is_empty() && high.is_empty() && low.is_empty();
                assert!(is_empty, "a part is left and was not counted");
            }
        }
    }
}

/// By what is unsent, wherever it lies.
impl Hash for Outbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { only, queues, pending_bytes, messages, offered_bytes } = self;
        debug_assert!(only.is_none() || queues.is_none(), "the only part is not the only one");
        for queue in [Queue::Begun, Queue::High, Queue::Low] {
            let own = only.iter().filter(|(place, _)| *place == queue);
            own.for_each(|(_, bytes)| (bytes, true).hash(state));
            let parts = queues.iter().flat_map(|queues| queues.get(queue));
            parts.for_each(|part| (&part.bytes, part.is_last).hash(state));
            0xFF_u8.hash(state);
        }
        (pending_bytes, messages, offered_bytes).hash(state);
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
