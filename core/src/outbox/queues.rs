//! The unsent bytes of a socket, where they lie in more than one part.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::contained::{drop_contained, drop_each};

/// The unsent bytes, once they were more than one part.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Rest of one message, or all messages that were offered to a write. Invariant: at the end
    /// of a message; its first part may be cut.
    pub(super) begun: VecDeque<Part>,
    /// Whole messages.
    pub(super) high: VecDeque<Part>,
    /// Whole messages.
    pub(super) low: VecDeque<Part>,
    /// Invariant: the sum of all parts' lengths.
    pub(super) pending_bytes: usize,
    /// Invariant: the number of parts with `is_last`.
    pub(super) messages: usize,
}

/// A piece of a message; never empty.
#[derive(Debug, Hash)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    /// `true` if the message ends here.
    pub(super) is_last: bool,
}

impl Queues {
    #[inline]
    pub(super) fn get(&self, queue: Queue) -> &VecDeque<Part> {
        let parts = match queue {
            Queue::Begun => &self.begun,
            Queue::High => &self.high,
            Queue::Low => &self.low,
        };
        debug_assert!(parts.len() <= self.pending_bytes, "an empty part is queued");
        parts
    }

    #[inline]
    pub(super) fn get_mut(&mut self, queue: Queue) -> &mut VecDeque<Part> {
        match queue {
            Queue::Begun => &mut self.begun,
            Queue::High => &mut self.high,
            Queue::Low => &mut self.low,
        }
    }

    /// All parts in the order in which they leave.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        let is_torn = self.begun.back().is_some_and(|part| !part.is_last);
        debug_assert!(!is_torn, "half a message began");
        self.begun.iter().chain(&self.high).chain(&self.low)
    }

    /// Queues one message.
    pub(super) fn push(&mut self, queue: Queue, parts: impl IntoIterator<Item = Bytes>) {
        let last = self.get(queue).back();
        assert!(last.is_none_or(|part| part.is_last), "a message follows a torn one");
        let mut parts = parts.into_iter().peekable();
        assert!(parts.peek().is_some(), "a message has at least one part");
        while let Some(bytes) = parts.next() {
            assert!(!bytes.is_empty(), "an empty part is never queued");
            self.pending_bytes += bytes.len();
            let is_last = parts.peek().is_none();
            self.get_mut(queue).push_back(Part { bytes, is_last });
        }
        self.messages += 1;
        assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
    }

    /// Consumes `count` bytes from the front, which are there.
    pub(super) fn advance(&mut self, count: usize) {
        assert!(count <= self.pending_bytes, "consumed {count} of {} B", self.pending_bytes);
        let mut left = count;
        let pending_before = self.pending_bytes;
        while left > 0 {
            let (consumed, bytes) = self.consume(left, false);
            drop_contained(bytes);
            left -= consumed;
        }
        assert_eq!(self.pending_bytes + count, pending_before, "other bytes went as well");
    }

    /// Drops all parts.
    pub(super) fn drop_parts(self) {
        let Self { begun, high, low, pending_bytes: _, messages: _ } = self;
        drop_each(begun.into_iter().chain(high).chain(low));
    }

    /// Takes at most `size_max` bytes of the first part, which is there.
    pub(super) fn take_front(&mut self, size_max: usize) -> Bytes {
        let (count, bytes) = self.consume(size_max, true);
        assert!(count <= size_max, "more is taken than was asked for");
        assert_eq!(bytes.len(), count, "what is wanted is given");
        bytes
    }

    /// Consumes at most `size_max` bytes of the first part. Answers how many, and gives them if
    /// they are wanted.
    fn consume(&mut self, size_max: usize, is_wanted: bool) -> (usize, Bytes) {
        assert!(size_max > 0 && self.messages > 0, "a part is consumed piecewise");
        let mut order = [Queue::Begun, Queue::High, Queue::Low].into_iter();
        let from = order.find(|queue| !self.get(*queue).is_empty());
        let from = from.expect("pending bytes are in some part");
        let count = size_max.min(self.get(from)[0].bytes.len());
        let (bytes, is_whole_message) = self.consume_from(from, count, is_wanted);
        assert!(count <= self.pending_bytes, "a part was not counted");
        self.pending_bytes -= count;
        self.messages -= usize::from(is_whole_message);
        assert!(self.messages <= self.pending_bytes, "a message without bytes is queued");
        (count, bytes)
    }

    /// Messages begin until so many bytes have, if there are so many; answers how many have.
    pub(super) fn begin(&mut self, size_max: usize) -> usize {
        let mut begun_bytes: usize = self.begun.iter().map(|part| part.bytes.len()).sum();
        for queue in [&mut self.high, &mut self.low] {
            while begun_bytes < size_max
                && let Some(bytes) = move_message(queue, &mut self.begun)
            {
                begun_bytes += bytes;
            }
        }
        let has_more = !(self.high.is_empty() && self.low.is_empty());
        debug_assert!(begun_bytes >= size_max || !has_more, "more could have begun");
        debug_assert!(self.begun.back().is_none_or(|part| part.is_last), "half a message began");
        begun_bytes
    }

    /// Takes `count` bytes of the first part of `from`, and says whether a message ends with them;
    /// else what is left of it has begun.
    fn consume_from(&mut self, from: Queue, count: usize, is_wanted: bool) -> (Bytes, bool) {
        assert!(from == Queue::Begun || self.begun.is_empty(), "a message that began is passed");
        assert!(from != Queue::Low || self.high.is_empty(), "a low message passes a high one");
        let queue = self.get_mut(from);
        let part = queue.front_mut().expect("the caller saw this part");
        let (bytes, is_whole_message) = if count < part.bytes.len() {
            (cut(&mut part.bytes, count, is_wanted), false)
        } else {
            let part = queue.pop_front().expect("it was just seen");
            (part.bytes, part.is_last)
        };
        debug_assert!(!is_wanted || !bytes.is_empty(), "parts are never empty");
        if !is_whole_message {
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
        (bytes, is_whole_message)
    }

    /// The outbox adds the bytes up.
    ///
    /// # Panics
    /// If the count of messages is off, or a message is torn.
    pub(super) fn check_invariants(&self) {
        let messages = self.parts().filter(|part| part.is_last).count();
        assert_eq!(messages, self.messages, "the count of messages is off");
        for queue in [&self.begun, &self.high, &self.low] {
            assert!(queue.back().is_none_or(|part| part.is_last), "a torn message");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Queue {
    Begun,
    High,
    Low,
}

/// Takes bytes off the front; those that nobody wants cost no share of the buffer.
fn cut(bytes: &mut Bytes, count: usize, is_wanted: bool) -> Bytes {
    debug_assert!(0 < count && count < bytes.len(), "a whole part is taken, not cut");
    if is_wanted {
        return bytes.split_to(count);
    }
    bytes.advance(count);
    Bytes::new()
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
