//! The unsent datagrams of one socket.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::contained::drop_each;
use crate::{Endpoint, MESSAGE_OVERHEAD_BYTES, Priority};

/// One datagram that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Datagram {
    /// The destination; `None` is the socket's peer.
    pub(crate) to: Option<Endpoint>,
    /// The payload; may be empty.
    pub(crate) payload: Bytes,
}

/// The unsent datagrams of one socket. High priority goes before low; the datagram that has begun
/// goes before both.
#[derive(Debug, Default, Hash)]
pub(crate) struct Datagrams {
    /// `None` while nothing waits. Most sockets carry no datagrams, and most of those that do are
    /// idle, so they pay one word for this.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default, Hash)]
struct Waiting {
    /// The datagram that was offered to `send_to`. It stays in front until that call is final.
    begun: Option<Datagram>,
    high: VecDeque<Datagram>,
    low: VecDeque<Datagram>,
    /// Invariant: the sum of the lengths of all payloads.
    pending_bytes: usize,
}

impl Waiting {
    fn len(&self) -> usize {
        usize::from(self.begun.is_some()) + self.high.len() + self.low.len()
    }
}

impl Datagrams {
    pub(crate) fn push(&mut self, datagram: Datagram, priority: Priority) {
        let waiting = self.waiting.get_or_insert_default();
        waiting.pending_bytes += datagram.payload.len();
        match priority {
            Priority::High => waiting.high.push_back(datagram),
            Priority::Low => waiting.low.push_back(datagram),
        }
    }

    /// Returns the next datagram. It counts as begun, and stays in front until
    /// [`pop_begun`](Self::pop_begun).
    pub(crate) fn begin(&mut self) -> Option<&Datagram> {
        let waiting = self.waiting.as_mut()?;
        if waiting.begun.is_none() {
            waiting.begun = waiting.high.pop_front().or_else(|| waiting.low.pop_front());
        }
        waiting.begun.as_ref()
    }

    /// Removes the datagram that has begun.
    pub(crate) fn pop_begun(&mut self) -> Datagram {
        let waiting = self.waiting.as_mut().expect("a datagram has begun");
        let datagram = waiting.begun.take().expect("a datagram has begun");
        let is_last = waiting.high.is_empty() && waiting.low.is_empty();
        let (len, pending_bytes) = (datagram.payload.len(), waiting.pending_bytes);
        assert!(len <= pending_bytes, "a datagram of {len} B is done, but {pending_bytes} B wait");
        waiting.pending_bytes -= len;
        if is_last {
            assert_eq!(waiting.pending_bytes, 0, "no datagram waits, but bytes are counted");
            self.waiting = None;
        }
        datagram
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.pending_bytes)
    }

    pub(crate) fn charge_bytes(&self) -> usize {
        self.pending_bytes() + self.len() * MESSAGE_OVERHEAD_BYTES
    }

    /// Drops all datagrams and returns the number of payload bytes dropped.
    pub(crate) fn clear(&mut self) -> usize {
        let Some(waiting) = self.waiting.take() else { return 0 };
        let Waiting { begun, high, low, pending_bytes } = *waiting;
        drop_each(begun.into_iter().chain(high).chain(low));
        pending_bytes
    }

    /// # Panics
    /// If an invariant is broken.
    pub(crate) fn check_invariants(&self) {
        let Some(waiting) = &self.waiting else { return };
        assert!(waiting.len() > 0, "an empty queue of datagrams is still allocated");
        let all = waiting.begun.iter().chain(&waiting.high).chain(&waiting.low);
        let bytes: usize = all.map(|datagram| datagram.payload.len()).sum();
        assert_eq!(bytes, waiting.pending_bytes, "payload bytes that wait, and their count");
    }
}

/// A payload whose drop panics stops nobody.
impl Drop for Datagrams {
    fn drop(&mut self) {
        self.clear();
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
