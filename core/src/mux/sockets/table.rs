//! Sockets in chunks that never move, and the lists that run through them.

use std::hash::{Hash, Hasher};

use super::Socket;
use super::list::{CHAINS, Chain, Link, List, Position};
use super::ready::{SIDES, Side, Ticket};
use crate::SocketId;

/// So few that a table of a handful of sockets is small and quickly made.
const PLACES_PER_CHUNK: usize = 32;

/// All sockets, at the indices of their ids.
#[derive(Default)]
pub(crate) struct Table {
    chunks: Vec<Box<[Place; PLACES_PER_CHUNK]>>,
    used: usize,
    /// Places at the front that were ever taken: no walk goes further.
    reached: usize,
}

/// A socket, and its positions in lists and queues.
#[derive(Default, Hash)]
pub(crate) struct Place {
    pub(crate) socket: Option<Socket>,
    links: [Link; CHAINS],
    pub(crate) tickets: [Ticket; SIDES],
}

/// An idle connection costs this and its rare part; README says how much, and a bench measures it.
const _: () = assert!(size_of::<Place>() <= 304, "every socket has a place");

impl Place {
    #[inline]
    pub(crate) fn is_linked(&self, chain: Chain) -> bool {
        self.links[chain as usize].is_linked()
    }

    /// Returns `true` if it is in any list or queue.
    fn is_anywhere(&self) -> bool {
        self.links.iter().any(|link| link.is_linked())
            || self.tickets.iter().any(|ticket| ticket.is_queued())
    }
}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.used, self.reached).hash(state);
        self.reached_places().for_each(|place| place.hash(state));
    }
}

impl Table {
    /// The socket of a living id.
    #[inline]
    pub(crate) fn get(&self, id: SocketId) -> Option<&Socket> {
        self.place(id.place())?.socket.as_ref().filter(|socket| socket.id() == id)
    }

    /// The place of a living id.
    #[inline]
    pub(crate) fn living(&mut self, id: SocketId) -> Option<&mut Place> {
        let place = self.place_mut(id.place())?;
        match &place.socket {
            Some(socket) if socket.id() == id => Some(place),
            _ => None,
        }
    }

    /// The socket at an index, if that place is taken.
    pub(crate) fn at(&self, index: u32) -> Option<&Socket> {
        self.place(index)?.socket.as_ref()
    }

    /// The number of places, taken or not.
    pub(crate) fn places(&self) -> u32 {
        let places = self.chunks.len() * PLACES_PER_CHUNK;
        u32::try_from(places).expect("an index has 32 bits")
    }

    /// The number of places that are taken.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// All sockets, in order of index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.reached_places().filter_map(|place| place.socket.as_ref())
    }

    /// The places that were ever taken, in order of index.
    pub(crate) fn reached_places(&self) -> impl Iterator<Item = &Place> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.reached)
    }

    pub(crate) fn insert(&mut self, socket: Socket) {
        let (id, index) = (socket.id(), socket.id().place() as usize);
        while self.chunks.len() <= index / PLACES_PER_CHUNK {
            let chunk: Box<[Place]> = (0..PLACES_PER_CHUNK).map(|_| Place::default()).collect();
            self.chunks.push(chunk.try_into().ok().expect("a chunk has its length"));
        }
        let place = &mut self.chunks[index / PLACES_PER_CHUNK][index % PLACES_PER_CHUNK];
        assert!(place.socket.is_none(), "the place of {id} is taken");
        assert!(!place.is_anywhere(), "the free place of {id} is in a list");
        place.socket = Some(socket);
        self.used += 1;
        self.reached = self.reached.max(index + 1);
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> Socket {
        let place = self.living(id).expect("only a living socket is removed");
        assert!(!place.is_anywhere(), "{id} is removed while it is in a list");
        let socket = place.socket.take().expect("a living id has a socket");
        self.used -= 1;
        socket
    }

    /// Puts a socket at the end of a list.
    pub(crate) fn push_back(&mut self, list: &mut List, chain: Chain, id: SocketId) {
        let (own, tail) = (Position::of(id.place()), list.tail);
        let place = self.living(id).expect("only a living socket is in a list");
        let link = &mut place.links[chain as usize];
        assert!(!link.is_linked(), "{id} is in a list of {chain:?} already");
        *link = Link { prev: Some(tail.unwrap_or(own)), next: Some(own) };
        match tail {
            Some(tail) => self.link_mut(chain, tail).next = Some(own),
            None => list.head = Some(own),
        }
        list.tail = Some(own);
        list.len += 1;
    }

    /// Takes the first socket out of a list.
    pub(crate) fn pop_front(&mut self, list: &mut List, chain: Chain) -> Option<SocketId> {
        let id = self.at(list.head?.index()).expect("a socket in a list is alive").id();
        self.unlink(list, chain, id);
        Some(id)
    }

    /// Takes a socket out of the list that it is in.
    pub(crate) fn unlink(&mut self, list: &mut List, chain: Chain, id: SocketId) {
        let own = Position::of(id.place());
        let link = std::mem::take(self.link_mut(chain, own));
        assert!(link.is_linked() && list.len > 0, "{id} is in no list of {chain:?}");
        let (prev, next) = (link.prev(own), link.next(own));
        match prev {
            Some(position) => {
                self.link_mut(chain, position).next = Some(next.unwrap_or(position));
            }
            None => {
                assert_eq!(list.head, Some(own), "{id} is in another list of {chain:?}");
                list.head = next;
            }
        }
        match next {
            Some(position) => {
                self.link_mut(chain, position).prev = Some(prev.unwrap_or(position));
            }
            None => {
                assert_eq!(list.tail, Some(own), "{id} is in another list of {chain:?}");
                list.tail = prev;
            }
        }
        list.len -= 1;
    }

    /// The ids in a list, in order.
    ///
    /// # Panics
    /// If the list is not one.
    pub(crate) fn members(&self, list: &List, chain: Chain) -> Vec<SocketId> {
        let mut members = Vec::with_capacity(list.len);
        let (mut prev, mut next) = (None, list.head);
        while let Some(position) = next {
            assert!(members.len() < list.len, "a list of {chain:?} is a circle");
            members.push(self.at(position.index()).expect("a socket in a list is alive").id());
            let place = self.place(position.index()).expect("a socket has a place");
            let link = place.links[chain as usize];
            assert!(link.is_linked(), "a socket in a list of {chain:?} has no link");
            assert_eq!(link.prev(position), prev, "a list of {chain:?} differs backwards");
            (prev, next) = (Some(position), link.next(position));
        }
        assert_eq!(members.len(), list.len, "the length of a list of {chain:?} is off");
        assert_eq!(prev, list.tail, "the tail of a list of {chain:?} is not its last");
        members
    }

    /// # Panics
    /// If a socket stands in a wrong place, or a free place is in a list.
    pub(crate) fn check_invariants(&self) {
        let mut used = 0;
        for (index, place) in self.reached_places().enumerate() {
            match &place.socket {
                Some(socket) => {
                    used += 1;
                    let id = socket.id();
                    assert_eq!(id.place() as usize, index, "{id} stands in another's place");
                }
                None => assert!(!place.is_anywhere(), "the free place {index} is in a list"),
            }
        }
        assert_eq!(used, self.used, "the number of sockets is off");
    }

    #[inline]
    pub(crate) fn place(&self, index: u32) -> Option<&Place> {
        let index = index as usize;
        Some(&self.chunks.get(index / PLACES_PER_CHUNK)?[index % PLACES_PER_CHUNK])
    }

    #[inline]
    pub(crate) fn place_mut(&mut self, index: u32) -> Option<&mut Place> {
        let index = index as usize;
        Some(&mut self.chunks.get_mut(index / PLACES_PER_CHUNK)?[index % PLACES_PER_CHUNK])
    }

    /// The ticket at a place that exists.
    #[inline]
    pub(super) fn ticket_mut(&mut self, index: u32, side: Side) -> &mut Ticket {
        &mut self.place_mut(index).expect("a queued index has a place").tickets[side as usize]
    }

    #[inline]
    fn link_mut(&mut self, chain: Chain, at: Position) -> &mut Link {
        let place = self.place_mut(at.index()).expect("a linked index has a place");
        &mut place.links[chain as usize]
    }
}
