//! The unsent bytes of one socket.

mod queues;

use std::hash::{Hash, Hasher};

use bytes::{Buf, Bytes};

use self::queues::{Part, Queue, Queues};
use crate::MESSAGE_OVERHEAD_BYTES;
use crate::contained::drop_contained;

/// The two send priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// `send`: leaves first.
    High,
    /// `send_low`: leaves when no high one waits.
    Low,
}

impl Priority {
    #[inline]
    fn queue(self) -> Queue {
        match self {
            Priority::High => Queue::High,
            Priority::Low => Queue::Low,
        }
    }
}

/// The unsent bytes of one socket, in the order in which they leave.
///
/// The part that has *begun* (a byte of it left, or it was offered to a write that is pending)
/// leaves first; then high messages, then low ones, each in the order in which they came. A message
/// is
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
    unsent: Unsent,
    /// Bytes at the front of what has begun that a pending write has. Invariant: at most what is
    /// there.
    offered_bytes: usize,
}

/// Where it lies: most sockets never have more than one part, and need no memory for it.
#[derive(Debug, Default)]
enum Unsent {
    #[default]
    Nothing,
    /// One message, or the rest of one, in one part; never empty.
    One(Queue, Bytes),
    /// Invariant: not empty.
    Many(Box<Queues>),
}

impl Outbox {
    /// An empty outbox; allocates nothing.
    pub const fn new() -> Self {
        Self { unsent: Unsent::Nothing, offered_bytes: 0 }
    }

    /// Unsent payload bytes.
    #[inline]
    pub const fn pending_bytes(&self) -> usize {
        let pending_bytes = match &self.unsent {
            Unsent::Nothing => 0,
            Unsent::One(_, bytes) => bytes.len(),
            Unsent::Many(queues) => queues.pending_bytes,
        };
        debug_assert!(self.offered_bytes <= pending_bytes, "more is offered than is there");
        pending_bytes
    }

    /// Messages of which at least one byte is unsent.
    #[inline]
    pub const fn messages(&self) -> usize {
        let messages = match &self.unsent {
            Unsent::Nothing => 0,
            Unsent::One(..) => 1,
            Unsent::Many(queues) => queues.messages,
        };
        debug_assert!(messages <= self.pending_bytes(), "a message without bytes is queued");
        messages
    }

    /// Unsent payload bytes, and messages of which at least one byte is unsent.
    #[inline]
    pub(crate) const fn size(&self) -> (usize, usize) {
        match &self.unsent {
            Unsent::Nothing => (0, 0),
            Unsent::One(_, bytes) => (bytes.len(), 1),
            Unsent::Many(queues) => (queues.pending_bytes, queues.messages),
        }
    }

    /// Returns the charge of the queue: unsent bytes, and 64 for each message.
    #[inline]
    pub const fn charge_bytes(&self) -> usize {
        let (pending_bytes, messages) = (self.pending_bytes(), self.messages());
        debug_assert!(messages <= pending_bytes, "a message without bytes is queued");
        debug_assert!(messages > 0 || pending_bytes == 0, "bytes of no message");
        pending_bytes + messages * MESSAGE_OVERHEAD_BYTES
    }

    /// Returns `true` if nothing is unsent.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        let is_empty = matches!(self.unsent, Unsent::Nothing);
        debug_assert!(is_empty == (self.pending_bytes() == 0), "nothing takes place");
        debug_assert!(is_empty == (self.messages() == 0), "bytes of no message");
        debug_assert!(!is_empty || self.offered_bytes == 0, "nothing is there to be offered");
        is_empty
    }

    /// Returns `true` if a message has begun and is not finished.
    #[inline]
    pub fn has_begun(&self) -> bool {
        let has_begun = match &self.unsent {
            Unsent::Nothing => false,
            Unsent::One(queue, _) => *queue == Queue::Begun,
            Unsent::Many(queues) => !queues.begun.is_empty(),
        };
        debug_assert!(!has_begun || !self.is_empty(), "nothing has begun");
        debug_assert!(self.offered_bytes == 0 || has_begun, "an offer has begun");
        has_begun
    }

    /// Bytes that a pending write has.
    #[inline]
    pub const fn offered_bytes(&self) -> usize {
        debug_assert!(self.offered_bytes <= self.pending_bytes(), "more is offered than is there");
        self.offered_bytes
    }

    /// Queues one message.
    ///
    /// # Panics
    /// If it is empty: an empty stream message is nothing.
    #[inline]
    pub fn push(&mut self, bytes: Bytes, priority: Priority) {
        if matches!(self.unsent, Unsent::Nothing) && !bytes.is_empty() {
            let nothing = std::mem::replace(&mut self.unsent, Unsent::One(priority.queue(), bytes));
            // Mostly so, and nothing needs no drop.
            std::mem::forget(nothing);
        } else {
            self.push_parts([bytes], priority);
        }
    }

    /// Queues one message that lies in several parts.
    ///
    /// # Panics
    /// If there is no part, or an empty one.
    pub fn push_parts(&mut self, parts: impl IntoIterator<Item = Bytes>, priority: Priority) {
        let queue = priority.queue();
        let mut parts = parts.into_iter();
        let first = parts.next().expect("a message has at least one part");
        assert!(!first.is_empty(), "an empty part is never queued");
        let second = parts.next();
        match (&self.unsent, second) {
            (Unsent::Nothing, None) => self.unsent = Unsent::One(queue, first),
            (_, second) => {
                self.queues().push(queue, [first].into_iter().chain(second).chain(parts))
            }
        }
        self.check_counts();
    }

    /// The queues, and from now on whatever is unsent lies in them.
    fn queues(&mut self) -> &mut Queues {
        match std::mem::take(&mut self.unsent) {
            Unsent::Nothing => self.unsent = Unsent::Many(Box::default()),
            Unsent::One(queue, bytes) => {
                let mut queues = Box::<Queues>::default();
                queues.push(queue, [bytes]);
                self.unsent = Unsent::Many(queues);
            }
            many @ Unsent::Many(_) => self.unsent = many,
        }
        let Unsent::Many(queues) = &mut self.unsent else {
            unreachable!("whatever is unsent lies in queues");
        };
        debug_assert!(queues.messages <= queues.pending_bytes, "a message without bytes");
        queues
    }

    /// The unsent parts in the order in which they leave, for one vectored write.
    pub fn parts(&self) -> impl Iterator<Item = &Bytes> {
        debug_assert!(self.offered_bytes <= self.pending_bytes(), "more is offered than is there");
        let one = match &self.unsent {
            Unsent::One(_, bytes) => Some(bytes),
            Unsent::Nothing | Unsent::Many(_) => None,
        };
        one.into_iter().chain(self.queued().map(|part| &part.bytes))
    }

    /// The part that leaves first.
    #[inline]
    pub fn front(&self) -> Option<&Bytes> {
        match &self.unsent {
            Unsent::One(_, bytes) => Some(bytes),
            Unsent::Nothing => None,
            Unsent::Many(queues) => queues.parts().next().map(|part| &part.bytes),
        }
    }

    /// Returns the parts that lie in queues.
    fn queued(&self) -> impl Iterator<Item = &Part> {
        let queues = match &self.unsent {
            Unsent::Many(queues) => Some(queues),
            Unsent::Nothing | Unsent::One(..) => None,
        };
        queues.into_iter().flat_map(|queues| queues.parts())
    }

    /// Consumes `count` bytes from the front: the system took them.
    ///
    /// # Panics
    /// If there are not so many, or if more are consumed than the pending write was offered.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        let is_all = matches!(&self.unsent, Unsent::One(_, bytes) if bytes.len() == count);
        if !is_all || self.offered_bytes > 0 {
            return self.advance_in_part(count);
        }
        if let Unsent::One(_, bytes) = std::mem::take(&mut self.unsent) {
            drop_contained(bytes);
        }
    }

    fn advance_in_part(&mut self, count: usize) {
        let pending_before = self.pending_bytes();
        assert!(count <= pending_before, "consumed {count} of {pending_before} B");
        assert!(
            self.offered_bytes == 0 || count <= self.offered_bytes,
            "a write took {count} B and was offered {}",
            self.offered_bytes
        );
        self.offered_bytes = 0;
        match &mut self.unsent {
            _ if count == 0 => {}
            Unsent::One(_, bytes) if count == bytes.len() => {
                drop_contained(std::mem::take(&mut self.unsent));
            }
            Unsent::One(queue, bytes) => {
                *queue = Queue::Begun;
                bytes.advance(count);
            }
            Unsent::Many(queues) => {
                queues.advance(count);
                self.drop_empty_queues();
            }
            Unsent::Nothing => unreachable!("pending bytes are in some part"),
        }
        assert_eq!(self.pending_bytes() + count, pending_before, "other bytes went as well");
    }

    /// Takes at most `size_max` bytes from the front, as one buffer, without a copy.
    ///
    /// # Panics
    /// If `size_max` is zero, or a write is pending.
    pub fn take_front(&mut self, size_max: usize) -> Option<Bytes> {
        assert!(size_max > 0, "taking nothing");
        assert_eq!(self.offered_bytes, 0, "a pending write has these bytes");
        let pending_before = self.pending_bytes();
        let bytes = match &mut self.unsent {
            Unsent::Nothing => return None,
            Unsent::One(queue, bytes) if size_max < bytes.len() => {
                *queue = Queue::Begun;
                bytes.split_to(size_max)
            }
            Unsent::One(_, bytes) => {
                let bytes = std::mem::take(bytes);
                self.unsent = Unsent::Nothing;
                bytes
            }
            Unsent::Many(queues) => queues.take_front(size_max),
        };
        self.drop_empty_queues();
        assert!(!bytes.is_empty() && bytes.len() <= size_max, "no more than was asked for");
        assert_eq!(self.pending_bytes() + bytes.len(), pending_before, "other bytes went as well");
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
        let pending_bytes = self.pending_bytes();
        let begun_bytes = match &mut self.unsent {
            Unsent::Nothing => unreachable!("there is something to offer"),
            Unsent::One(queue, bytes) => {
                *queue = Queue::Begun;
                bytes.len()
            }
            Unsent::Many(queues) => queues.begin(size_max),
        };
        assert!(begun_bytes <= pending_bytes, "more has begun than is pending");
        assert!(begun_bytes >= size_max.min(pending_bytes), "less has begun than is offered");
        self.offered_bytes = begun_bytes.min(size_max);
        assert!(self.offered_bytes > 0, "something was offered");
        assert!(self.has_begun(), "what is offered has begun");
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
        assert!(self.offered_bytes <= self.pending_bytes(), "an offer outlived its bytes");
        self.offered_bytes = 0;
    }

    /// Drops everything and answers how many payload bytes that was.
    pub fn clear(&mut self) -> usize {
        let dropped = self.pending_bytes();
        self.offered_bytes = 0;
        match std::mem::take(&mut self.unsent) {
            Unsent::Nothing => {}
            Unsent::One(_, bytes) => drop_contained(bytes),
            Unsent::Many(queues) => queues.drop_parts(),
        }
        dropped
    }

    /// Relations of the counts; cheap enough for every change.
    fn check_counts(&self) {
        let pending_bytes = self.pending_bytes();
        assert!(self.messages() > 0, "what was just queued is there");
        assert!(self.messages() <= pending_bytes, "a message without bytes is queued");
        assert!(self.offered_bytes <= pending_bytes, "an offer outlived its bytes");
    }

    /// Checks every invariant, in time proportional to what is queued.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        let bytes: usize = self.parts().map(Bytes::len).sum();
        assert_eq!(bytes, self.pending_bytes(), "the count of bytes is off");
        assert!(self.parts().all(|bytes| !bytes.is_empty()), "an empty part is queued");
        let begun_bytes = match &self.unsent {
            Unsent::Nothing => 0,
            Unsent::One(queue, bytes) => {
                if *queue == Queue::Begun {
                    bytes.len()
                } else {
                    0
                }
            }
            Unsent::Many(queues) => {
                assert!(queues.pending_bytes > 0, "empty, but allocated");
                queues.check_invariants();
                queues.begun.iter().map(|part| part.bytes.len()).sum()
            }
        };
        assert!(self.offered_bytes <= begun_bytes, "offered more than has begun");
        assert!(self.offered_bytes == 0 || self.has_begun(), "an offer has begun");
        assert!(self.messages() <= self.pending_bytes(), "each message has a byte");
    }

    /// Queues that ran empty are given back.
    #[inline]
    fn drop_empty_queues(&mut self) {
        if let Unsent::Many(queues) = &self.unsent
            && queues.pending_bytes == 0
        {
            assert_eq!(queues.messages, 0, "a message without bytes is queued");
            assert!(queues.parts().next().is_none(), "a part is left and was not counted");
            assert_eq!(self.offered_bytes, 0, "nothing is there to be offered");
            self.unsent = Unsent::Nothing;
        }
    }
}

/// A payload whose drop panics stops nobody.
impl Drop for Outbox {
    fn drop(&mut self) {
        self.clear();
    }
}

/// By what is unsent, wherever it lies.
impl Hash for Outbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { unsent, offered_bytes } = self;
        for queue in [Queue::Begun, Queue::High, Queue::Low] {
            match unsent {
                Unsent::One(place, bytes) if *place == queue => (bytes, true).hash(state),
                Unsent::Nothing | Unsent::One(..) => {}
                Unsent::Many(queues) => {
                    queues.get(queue).iter().for_each(|part| part.hash(state));
                }
            }
            0xFF_u8.hash(state);
        }
        debug_assert!(*offered_bytes <= self.pending_bytes(), "more is offered than is there");
        (self.pending_bytes(), self.messages(), offered_bytes).hash(state);
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
