//! The unsent datagrams of one socket.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{Endpoint, MESSAGE_OVERHEAD_BYTES, Priority};

/// One datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Datagram {
    /// To whom; the socket's peer if `None`.
    pub(crate) to: Option<Endpoint>,
    /// What; may be empty.
    pub(crate) payload: Bytes,
}

/// The unsent datagrams of one socket: high first, and first of all the one that has begun.
#[derive(Debug, Default, Hash)]
pub(crate) struct Datagrams {
    /// Nothing while nothing waits: most sockets carry no datagrams, and most that do are idle.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default, Hash)]
struct Waiting {
    /// The one that a pending `send_to` has.
    begun: Option<Datagram>,
    high: VecDeque<Datagram>,
    low: VecDeque<Datagram>,
    /// Invariant: the sum of all payloads.
    pending_bytes: usize,
}

impl Waiting {
    fn len(&self) -> usize {
        let waiting = self.high.len() + self.low.len();
        assert!(self.begun.is_some() || waiting > 0, "memory is held for nothing");
        usize::from(self.begun.is_some()) + waiting
    }
}

impl Datagrams {
    pub(crate) fn push(&mut self, datagram: Datagram, priority: Priority) {
        let len_before = self.len();
        let waiting = self.waiting.get_or_insert_default();
        waiting.pending_bytes += datagram.payload.len();
        assert!(datagram.payload.len() <= waiting.pending_bytes, "the sum overflowed");
        match priority {
            Priority::High => waiting.high.push_back(datagram),
            Priority::Low => waiting.low.push_back(datagram),
        }
        assert_eq!(self.len(), len_before + 1, "one datagram is one, an empty one too");
    }

    /// The next one; it has begun and stays in front until it is popped.
    pub(crate) fn begin(&mut self) -> Option<&Datagram> {
        let len_before = self.len();
        let waiting = self.waiting.as_mut()?;
        if waiting.begun.is_none() {
            waiting.begun = waiting.high.pop_front().or_else(|| waiting.low.pop_front());
        }
        assert_eq!(waiting.len(), len_before, "beginning loses no datagram");
        assert!(waiting.begun.is_some(), "one of those that wait has begun");
        waiting.begun.as_ref()
    }

    /// Removes the one that has begun.
    pub(crate) fn pop_begun(&mut self) -> Datagram {
        let waiting = self.waiting.as_mut().expect("a datagram was begun");
        let datagram = waiting.begun.take().expect("a datagram was begun");
        let is_last = waiting.high.is_empty() && waiting.low.is_empty();
        let len = datagram.payload.len();
        assert!(len <= waiting.pending_bytes, "{len} B of {} are done", waiting.pending_bytes);
        waiting.pending_bytes -= len;
        if is_last {
            assert_eq!(waiting.pending_bytes, 0, "bytes without datagrams");
            self.waiting = None;
        }
        datagram
    }

    pub(crate) fn len(&self) -> usize {
        let len = self.waiting.as_ref().map_or(0, |waiting| waiting.len());
        debug_assert_eq!(len == 0, self.is_empty(), "a queue without a datagram is kept");
        debug_assert!(len > 0 || self.pending_bytes() == 0, "nothing waits, and it has bytes");
        len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.pending_bytes)
    }

    pub(crate) fn charge_bytes(&self) -> usize {
        assert!(self.pending_bytes() == 0 || !self.is_empty(), "bytes without datagrams");
        self.pending_bytes() + self.len() * MESSAGE_OVERHEAD_BYTES
    }

    /// Drops everything and answers how many payload bytes that was.
    pub(crate) fn clear(&mut self) -> usize {
        let dropped = std::mem::take(self).pending_bytes();
        assert!(self.is_empty() && self.pending_bytes() == 0, "a datagram outlived its socket");
        dropped
    }

    /// # Panics
    /// If an invariant is broken.
    pub(crate) fn check_invariants(&self) {
        let Some(waiting) = &self.waiting else { return };
        assert!(waiting.len() > 0, "empty, but allocated");
        let all = waiting.begun.iter().chain(&waiting.high).chain(&waiting.low);
        let bytes: usize = all.map(|datagram| datagram.payload.len()).sum();
        assert_eq!(bytes, waiting.pending_bytes, "the count of datagram bytes is off");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn datagram(payload: &'static str) -> Datagram {
        Datagram { to: None, payload: payload.into() }
    }

    #[test]
    fn the_begun_one_is_not_overtaken_and_empty_ones_count() {
        let mut datagrams = Datagrams::default();
        datagrams.push(datagram("low"), Priority::Low);
        datagrams.push(datagram(""), Priority::Low);
        assert_eq!(datagrams.begin().unwrap().payload, "low");
        datagrams.push(datagram("high"), Priority::High);
        assert_eq!(datagrams.charge_bytes(), 7 + 3 * MESSAGE_OVERHEAD_BYTES);
        let order: Vec<_> = std::iter::from_fn(|| {
            datagrams.check_invariants();
            datagrams.begin()?;
            Some(datagrams.pop_begun().payload)
        })
        .collect();
        assert_eq!(order, ["low", "high", ""]);
        assert!(datagrams.is_empty());
    }
}
