//! Slots in chunks that never move, and the lists that run through them.

use super::slot::Slot;
use crate::SocketId;

const PLACES_PER_CHUNK: usize = 256;

/// The slots of all sockets, at the indices of their ids.
#[derive(Default)]
pub(super) struct Table {
    chunks: Vec<Box<[Place]>>,
    used: usize,
}

#[derive(Default)]
struct Place {
    slot: Option<Slot>,
    links: [Link; CHAINS],
}

/// The position of a slot in a list. Invariant: `prev` and `next` mean nothing unless `is_linked`.
#[derive(Clone, Copy, Default)]
struct Link {
    prev: Option<u32>,
    next: Option<u32>,
    is_linked: bool,
}

/// Which of a slot's links a list runs through. A slot is in at most one list of each chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Sockets whose output is to be served.
    Output = 0,
    /// Sockets whose input is to be served, now or when their owner's mailbox has room.
    Input = 1,
    /// Sockets of one service.
    Owned = 2,
}

const CHAINS: usize = 3;

/// A list of slots; adding and removing take constant time and no memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    head: Option<u32>,
    tail: Option<u32>,
    len: usize,
}

impl List {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Table {
    /// The slot of a living id.
    pub(super) fn get(&self, id: SocketId) -> Option<&Slot> {
        self.at(id.index()).filter(|slot| slot.id == id)
    }

    /// The slot of a living id.
    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Slot> {
        let slot = self.place_mut(id.index())?.slot.as_mut()?;
        (slot.id == id).then_some(slot)
    }

    /// The slot of an id that the caller knows to be alive.
    pub(super) fn slot(&self, id: SocketId) -> &Slot {
        self.get(id).expect("the caller holds a living id")
    }

    /// The slot of an id that the caller knows to be alive.
    pub(super) fn slot_mut(&mut self, id: SocketId) -> &mut Slot {
        self.get_mut(id).expect("the caller holds a living id")
    }

    /// The slot at an index, if that place is taken.
    pub(super) fn at(&self, index: u32) -> Option<&Slot> {
        let index = index as usize;
        self.chunks.get(index / PLACES_PER_CHUNK)?[index % PLACES_PER_CHUNK].slot.as_ref()
    }

    /// How many places there are, taken or not.
    pub(super) fn places(&self) -> u32 {
        (self.chunks.len() * PLACES_PER_CHUNK) as u32
    }

    /// How many places are taken.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// All slots, in order of index.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).filter_map(|place| place.slot.as_ref())
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        let index = slot.id.index() as usize;
        while self.chunks.len() <= index / PLACES_PER_CHUNK {
            self.chunks.push((0..PLACES_PER_CHUNK).map(|_| Place::default()).collect());
        }
        let place = &mut self.chunks[index / PLACES_PER_CHUNK][index % PLACES_PER_CHUNK];
        assert!(place.slot.is_none(), "the place of {} is taken", slot.id);
        assert!(place.links.iter().all(|link| !link.is_linked), "a free place is in a list");
        place.slot = Some(slot);
        self.used += 1;
    }

    pub(super) fn remove(&mut self, id: SocketId) -> Slot {
        let place = self.place_mut(id.index()).expect("a living id has a place");
        assert!(place.links.iter().all(|link| !link.is_linked), "{id} leaves while in a list");
        let slot = place.slot.take().expect("a living id has a slot");
        assert_eq!(slot.id, id, "another socket is in the place");
        self.used -= 1;
        slot
    }

    pub(super) fn is_linked(&self, chain: Chain, id: SocketId) -> bool {
        let index = id.index() as usize;
        self.chunks
            .get(index / PLACES_PER_CHUNK)
            .is_some_and(|chunk| chunk[index % PLACES_PER_CHUNK].links[chain as usize].is_linked)
    }

    /// Puts a slot at the end of a list.
    pub(super) fn push_back(&mut self, list: &mut List, chain: Chain, id: SocketId) {
        let tail = list.tail;
        let link = self.link_mut(chain, id.index());
        assert!(!link.is_linked, "{id} is in a list of {chain:?} already");
        *link = Link { prev: tail, next: None, is_linked: true };
        match tail {
            Some(tail) => self.link_mut(chain, tail).next = Some(id.index()),
            None => list.head = Some(id.index()),
        }
        list.tail = Some(id.index());
        list.len += 1;
    }

    /// Takes the first slot out of a list.
    pub(super) fn pop_front(&mut self, list: &mut List, chain: Chain) -> Option<SocketId> {
        let head = list.head?;
        let id = self.at(head).expect("a slot in a list is alive").id;
        self.unlink(list, chain, id);
        Some(id)
    }

    /// Takes a slot out of the list that it is in.
    pub(super) fn unlink(&mut self, list: &mut List, chain: Chain, id: SocketId) {
        let link = std::mem::take(self.link_mut(chain, id.index()));
        assert!(link.is_linked && list.len > 0, "{id} is in no list of {chain:?}");
        match link.prev {
            Some(prev) => self.link_mut(chain, prev).next = link.next,
            None => list.head = link.next,
        }
        match link.next {
            Some(next) => self.link_mut(chain, next).prev = link.prev,
            None => list.tail = link.prev,
        }
        list.len -= 1;
        assert_eq!(list.len == 0, list.head.is_none(), "a list's length and head disagree");
    }

    /// The ids in a list, in order.
    pub(super) fn members(&self, list: &List, chain: Chain) -> Vec<SocketId> {
        let mut members = Vec::with_capacity(list.len);
        let mut next = list.head;
        while let Some(index) = next {
            members.push(self.at(index).expect("a slot in a list is alive").id);
            let index = index as usize;
            next = self.chunks[index / PLACES_PER_CHUNK][index % PLACES_PER_CHUNK].links
                [chain as usize]
                .next;
        }
        assert_eq!(members.len(), list.len, "a list's length is off");
        members
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Place> {
        let index = index as usize;
        Some(&mut self.chunks.get_mut(index / PLACES_PER_CHUNK)?[index % PLACES_PER_CHUNK])
    }

    fn link_mut(&mut self, chain: Chain, index: u32) -> &mut Link {
        let place = self.place_mut(index).expect("a linked index has a place");
        &mut place.links[chain as usize]
    }
}
