//! Sockets that have something to do, in order.

use std::hash::{Hash, Hasher};

use super::table::Table;
use crate::SocketId;

/// The two directions of a socket's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Output = 0,
    Input = 1,
}

pub(crate) const SIDES: usize = 2;

/// A socket's place in one [`ReadyQueue`]; zero where it is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

impl Ticket {
    #[inline]
    pub(crate) fn is_queued(self) -> bool {
        self.0 != 0
    }
}

/// Only whether it is queued counts; the queue itself has the order.
impl Hash for Ticket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_queued().hash(state);
    }
}

/// Sockets that have something to do in one direction, in order.
///
/// A socket that leaves before its turn leaves its entry behind, whose ticket is not its any more;
/// such an entry is skipped. So joining, leaving and being next take constant time each, and one
/// look at the socket.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    /// The index of a socket, and the ticket that it must still have.
    entries: Vec<(u32, Ticket)>,
    /// Entries at the front that had their turn.
    gone: usize,
    /// Entries that are not stale.
    len: usize,
    last_ticket: u32,
}

impl ReadyQueue {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes a socket the last; `own` is its ticket.
    #[inline(always)]
    pub(crate) fn push(&mut self, id: SocketId, own: &mut Ticket) {
        debug_assert!(!own.is_queued(), "{id} is in the queue already");
        self.last_ticket = self.last_ticket.checked_add(1).unwrap_or(1);
        *own = Ticket(self.last_ticket);
        if self.entries.len() == self.entries.capacity() {
            self.make_room();
        }
        self.entries.push((id.place(), *own));
        self.len += 1;
    }

    /// Drops the entries that had their turn, if they are half of all: so each entry is moved once.
    #[cold]
    fn make_room(&mut self) {
        if 2 * self.gone >= self.entries.len() {
            self.entries.drain(..self.gone);
            self.gone = 0;
        }
    }

    /// Takes out the socket that has this ticket.
    pub(crate) fn remove(&mut self, own: &mut Ticket) {
        assert!(own.is_queued() && self.len > 0, "a socket leaves a queue that it is not in");
        *own = Ticket::default();
        self.len -= 1;
    }

    /// Takes the first socket out, and answers its index.
    #[inline(always)]
    pub(crate) fn pop(&mut self, table: &mut Table, side: Side) -> Option<u32> {
        loop {
            let Some(&(index, ticket)) = self.entries.get(self.gone) else {
                self.entries.clear();
                self.gone = 0;
                return None;
            };
            self.gone += 1;
            let own = table.ticket_mut(index, side);
            if *own == ticket {
                *own = Ticket::default();
                self.len -= 1;
                return Some(index);
            }
        }
    }

    /// The sockets in it, in order.
    pub(crate) fn members(&self, table: &Table, side: Side) -> Vec<SocketId> {
        let current = self.entries[self.gone..].iter().filter(|(index, ticket)| {
            let place = table.place(*index);
            place.is_some_and(|place| place.tickets[side as usize] == *ticket)
        });
        let ids = current.map(|(index, _)| table.at(*index).expect("a free place is queued").id());
        let members: Vec<_> = ids.collect();
        assert_eq!(members.len(), self.len, "the length of a queue is off");
        members
    }
}
