//! Requests that wait for the backend.

use std::collections::VecDeque;

use crate::{Endpoint, SocketOption};

/// Something that the backend is asked when the socket's output is served next.
#[derive(Hash)]
pub(crate) enum Deferred {
    /// An option.
    Option(SocketOption),
    /// A datagram socket's peer.
    Peer(Endpoint),
}

/// Requests that wait for the backend, in the order in which they came. Mostly nothing, and then it
/// takes one word. Invariant: a box is never empty.
#[derive(Default, Hash)]
#[expect(clippy::box_collection, reason = "every socket has the word, and next to none the rest")]
pub(crate) struct AllDeferred(Option<Box<VecDeque<Deferred>>>);

impl AllDeferred {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn push_back(&mut self, deferred: Deferred) {
        self.0.get_or_insert_default().push_back(deferred);
    }

    pub(crate) fn pop_front(&mut self) -> Option<Deferred> {
        let all = self.0.as_mut()?;
        let first = all.pop_front();
        if all.is_empty() {
            self.0 = None;
        }
        first
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}
