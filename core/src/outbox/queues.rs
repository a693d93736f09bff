//! What is unsent of a socket, where it lies in more than one part.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// What is unsent, when it was once more than one part.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Rest of one message, or all messages that were offered to a write. Invariant: at the end
    /// of a message; its first part may be cut.
    pub(super) begun: VecDeque<Part>,
    /// Whole messages.
    pub(super) high: VecDeque<Part>,
    /// Whole messages.
    pub(super) low: VecDeque<Part>,
}

/// A piece of a message; never empty.
#[derive(Debug, Hash)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    /// Whether the message ends here.
    pub(super) is_last: bool,
}

impl Queues {
    #[inline]
    pub(super) fn get(&self, queue: Queue) -> &VecDeque<Part> {
        match queue {
            Queue::Begun => &self.begun,
            Queue::High => &self.high,
            Queue::Low => &self.low,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, queue: Queue) -> &mut VecDeque<Part> {
        match queue {
            Queue::Begun => &mut self.begun,
            Queue::High => &mut self.high,
            Queue::Low => &mut self.low,
        }
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
    pub(super) fn consume_from(
        &mut self,
        from: Queue,
        count: usize,
        is_wanted: bool,
    ) -> (Bytes, bool) {
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Queue {
    Begun,
    High,
    Low,
}

/// Takes bytes off the front; those that nobody wants cost no share of the buffer.
pub(super) fn cut(bytes: &mut Bytes, count: usize, is_wanted: bool) -> Bytes {
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
