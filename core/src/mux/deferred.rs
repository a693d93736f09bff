//! What waits for the backend.

use std::collections::VecDeque;

use crate::{Endpoint, SocketOption};

/// Something that is asked of the backend when the socket's output is served next.
#[derive(Hash)]
pub(super) enum Deferred {
    /// An option.
    Option(SocketOption),
    /// A datagram socket's peer.
    Peer(Endpoint),
}

/// What waits for the backend, in the order in which it was asked. Mostly nothing, and then it
/// takes one word. Invariant: a box is never empty.
#[derive(Default, Hash)]
#[expect(clippy::box_collection, reason = "every socket has the word, and next to none the rest")]
pub(super) struct AllDeferred(Option<Box<VecDeque<Deferred>>>);

impl AllDeferred {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        debug_assert!(self.0.as_ref().is_none_or(|all| !all.is_empty()), "memory for nothing");
        self.0.is_none()
    }

    pub(super) fn push_back(&mut self, deferred: Deferred) {
        self.0.get_or_insert_default().push_back(deferred);
        assert!(!self.is_empty(), "what was deferred is lost");
    }

    pub(super) fn pop_front(&mut self) -> Option<Deferred> {
        let all = self.0.as_mut()?;
        let first = all.pop_front();
        if all.is_empty() {
            self.0 = None;
        }
        assert!(first.is_some(), "memory is held for nothing");
        assert!(self.0.as_ref().is_none_or(|all| !all.is_empty()), "nothing takes place");
        first
    }

    /// Drops all of it.
    pub(super) fn clear(&mut self) {
        self.0 = None;
        assert!(self.is_empty(), "something is asked for after all");
    }
}
