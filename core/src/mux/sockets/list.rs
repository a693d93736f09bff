//! Lists that run through the table.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

/// The position of a socket in a list: its neighbours, and where it has none, itself.
/// Invariant: in no list it has neither.
#[derive(Clone, Copy, Default)]
pub(crate) struct Link {
    pub(super) prev: Option<Position>,
    pub(super) next: Option<Position>,
}

impl Link {
    #[inline]
    pub(crate) fn is_linked(self) -> bool {
        self.next.is_some()
    }

    /// The neighbour before the socket at `own`.
    #[inline]
    pub(super) fn prev(self, own: Position) -> Option<Position> {
        self.prev.filter(|prev| *prev != own)
    }

    /// The neighbour after the socket at `own`.
    #[inline]
    pub(super) fn next(self, own: Position) -> Option<Position> {
        self.next.filter(|next| *next != own)
    }
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.prev, self.next).hash(state);
    }
}

/// An index for which there is no extra cost where there may be none: links are most of what a
/// place holds besides its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Position(NonZeroU32);

impl Position {
    #[inline]
    pub(super) fn of(index: u32) -> Self {
        Self(NonZeroU32::MIN.checked_add(index).expect("no table is that long"))
    }

    #[inline]
    pub(super) fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// The link of a socket that a list runs through. A socket is in at most one list of each chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Sockets with input, while their owner's mailbox is full.
    Waiting = 0,
    /// Sockets of one service.
    Owned = 1,
}

pub(crate) const CHAINS: usize = 2;

/// A list of sockets; adding and removing take constant time and no memory.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(crate) struct List {
    pub(super) head: Option<Position>,
    pub(super) tail: Option<Position>,
    pub(super) len: usize,
}

impl List {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
