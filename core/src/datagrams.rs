//! The unsent datagrams of one socket.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{Endpoint, MESSAGE_OVERHEAD_BYTES, Priority};

/// One datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// To whom; the socket's peer if `None`.
    pub(crate) to: Option<Endpoint>,
    /// What; may be empty.
    pub(crate) payload: Bytes,
}

/// The unsent datagrams of one socket: high first, and first of all the one that has begun.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    /// The one that a pending `send_to` has.
    begun: Option<Datagram>,
    high: VecDeque<Datagram>,
    low: VecDeque<Datagram>,
    /// Invariant: the sum of all payloads.
    pending_bytes: usize,
}

impl Datagrams {
    pub(crate) fn push(&mut self, datagram: Datagram, priority: Priority) {
        let len_before = self.len();
        self.pending_bytes += datagram.payload.len();
        assert!(datagram.payload.len() <= self.pending_bytes, "the sum overflowed");
        match priority {
            Priority::High => self.high.push_back(datagram),
            Priority::Low => self.low.push_back(datagram),
        }
        assert_eq!(self.len(), len_before + 1, "one datagram is one, an empty one too");
    }

    /// The next one; it has begun and stays in front until it is popped.
    pub(crate) fn begin(&mut self) -> Option<&Datagram> {
        let len_before = self.len();
        if self.begun.is_none() {
            self.begun = self.high.pop_front().or_else(|| self.low.pop_front());
        }
        assert_eq!(self.len(), len_before, "beginning loses no datagram");
        assert_eq!(self.begun.is_none(), len_before == 0, "one of those that wait has begun");
        self.begun.as_ref()
    }

    /// Removes the one that has begun.
    pub(crate) fn pop_begun(&mut self) -> Datagram {
        let datagram = self.begun.take().expect("a datagram was begun");
        let len = datagram.payload.len();
        assert!(len <= self.pending_bytes, "{len} B of {} are done", self.pending_bytes);
        self.pending_bytes -= len;
        if self.is_empty() {
            assert_eq!(self.pending_bytes, 0, "bytes without datagrams");
            *self = Self::default();
        }
        datagram
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.begun.is_some()) + self.high.len() + self.low.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(crate) fn charge_bytes(&self) -> usize {
        assert!(self.pending_bytes == 0 || !self.is_empty(), "bytes without datagrams");
        self.pending_bytes + self.len() * MESSAGE_OVERHEAD_BYTES
    }

    /// Drops everything and answers how many payload bytes that was.
    pub(crate) fn clear(&mut self) -> usize {
        let dropped = std::mem::take(self).pending_bytes;
        assert!(self.is_empty() && self.pending_bytes == 0, "a datagram outlived its socket");
        dropped
    }

    /// # Panics
    /// If an invariant is broken.
    pub(crate) fn check_invariants(&self) {
        let all = self.begun.iter().chain(&self.high).chain(&self.low);
        let bytes: usize = all.map(|datagram| datagram.payload.len()).sum();
        assert_eq!(bytes, self.pending_bytes, "the count of datagram bytes is off");
        assert!(!self.is_empty() || bytes == 0, "bytes without datagrams");
        for queue in [&self.high, &self.low] {
            assert!(queue.capacity() == 0 || !self.is_empty(), "empty, but allocated");
        }
    }
}

#[cfg(test)]
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
