//! Slots in chunks that never move, and the lists that run through them.

use super::slot::Slot;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use crate::SocketId;

/// So few that a table of a handful of sockets is small and quickly made.
const PLACES_PER_CHUNK: usize = 32;

/// The slots of all sockets, at the indices of their ids.
#[derive(Default)]
pub(super) struct Table {
    chunks: Vec<Box<[Place; PLACES_PER_CHUNK]>>,
    used: usize,
    /// Places at the front that were ever taken: no walk goes further.
    reached: usize,
}

#[derive(Default, Hash)]
struct Place {
    slot: Option<Slot>,
    links: [Link; CHAINS],
}

impl Place {
    /// Its slot, if that is the one of this id.
    #[inline]
    fn slot_of(&self, id: SocketId) -> Option<&Slot> {
        let is_linked = self.links.iter().any(|link| link.is_linked());
        debug_assert!(self.slot.is_some() || !is_linked, "a free place is in a list");
        let slot = self.slot.as_ref()?;
        if slot.id == id {
            return Some(slot);
        }
        assert_eq!(slot.id.place(), id.place(), "{} stands in another's place", slot.id);
        None
    }
}

/// The position of a slot in a list: who comes before and after it, and where nobody does, itself.
/// Invariant: in no list it has neither.
#[derive(Clone, Copy, Default)]
struct Link {
    prev: Option<Position>,
    next: Option<Position>,
}

impl Link {
    #[inline]
    fn is_linked(self) -> bool {
        debug_assert_eq!(self.prev.is_some(), self.next.is_some(), "half a link");
        self.next.is_some()
    }

    /// Who comes before the slot at `own`.
    #[inline]
    fn prev(self, own: Position) -> Option<Position> {
        debug_assert!(self.is_linked(), "{own:?} is in no list");
        debug_assert!(self.prev != self.next || self.prev == Some(own), "a list is a circle");
        self.prev.filter(|prev| *prev != own)
    }

    /// Who comes after the slot at `own`.
    #[inline]
    fn next(self, own: Position) -> Option<Position> {
        debug_assert!(self.is_linked(), "{own:?} is in no list");
        debug_assert!(self.prev != self.next || self.next == Some(own), "a list is a circle");
        self.next.filter(|next| *next != own)
    }
}

/// An index that costs nothing where there may be none: links are most of what a place is besides
/// its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Position(NonZeroU32);

impl Position {
    #[inline]
    fn of(index: u32) -> Self {
        let position = Self(NonZeroU32::MIN.checked_add(index).expect("a table has an end"));
        debug_assert_eq!(position.index(), index, "a position is of its index");
        position
    }

    #[inline]
    fn index(self) -> u32 {
        debug_assert!(self.0.get() > 0, "no position is zero");
        self.0.get() - 1
    }
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        debug_assert_eq!(self.prev.is_some(), self.next.is_some(), "half a link");
        (self.prev, self.next).hash(state);
    }
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
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct List {
    head: Option<Position>,
    tail: Option<Position>,
    len: usize,
}

impl List {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.check();
        self.len == 0
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.check();
        self.len
    }

    /// What its fields say about each other. In a release build `members` says the same of whole
    /// lists; here it would be two hundredths of a simulated message.
    #[inline]
    fn check(&self) {
        debug_assert_eq!(self.head.is_none(), self.len == 0, "a list's length and head disagree");
        debug_assert_eq!(self.tail.is_none(), self.len == 0, "a list's length and tail disagree");
        debug_assert_eq!(self.head == self.tail, self.len <= 1, "a list's ends disagree");
    }
}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { chunks, used, reached } = self;
        let places = chunks.iter().flat_map(|chunk| chunk.iter());
        debug_assert!(places.clone().skip(*reached).all(|place| place.slot.is_none()));
        assert!(used <= reached, "more places are taken than ever were");
        assert!(*reached <= chunks.len() * PLACES_PER_CHUNK, "a place beyond the last");
        (used, reached).hash(state);
        places.take(*reached).for_each(|place| place.hash(state));
    }
}

impl Table {
    /// The slot of a living id.
    #[inline]
    pub(super) fn get(&self, id: SocketId) -> Option<&Slot> {
        self.place(id.place())?.slot_of(id)
    }

    /// The slot of a living id, and whether it is in a list of output and of input.
    #[inline]
    pub(super) fn get_linked(&self, id: SocketId) -> Option<(&Slot, [bool; 2])> {
        let place = self.place(id.place())?;
        let slot = place.slot_of(id)?;
        debug_assert!(self.used > 0, "{id} is in an empty table");
        debug_assert!((id.place() as usize) < self.reached, "{id} is beyond what was taken");
        let is_linked = |chain| place.links[chain as usize].is_linked();
        Some((slot, [is_linked(Chain::Output), is_linked(Chain::Input)]))
    }

    /// The slot of a living id.
    #[inline]
    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Slot> {
        let slot = self.place_mut(id.place())?.slot.as_mut()?;
        if slot.id == id {
            return Some(slot);
        }
        assert_eq!(slot.id.place(), id.place(), "{} stands in another's place", slot.id);
        None
    }

    /// The slot of an id that the caller knows to be alive.
    #[inline]
    pub(super) fn slot(&self, id: SocketId) -> &Slot {
        debug_assert!(self.used > 0, "{id} is asked of an empty table");
        self.get(id).expect("the caller holds a living id")
    }

    /// The slot of an id that the caller knows to be alive.
    #[inline]
    pub(super) fn slot_mut(&mut self, id: SocketId) -> &mut Slot {
        debug_assert!(self.used > 0, "{id} is asked of an empty table");
        self.get_mut(id).expect("the caller holds a living id")
    }

    /// The slot at an index, if that place is taken.
    pub(super) fn at(&self, index: u32) -> Option<&Slot> {
        let slot = self.place(index)?.slot.as_ref()?;
        assert_eq!(slot.id.place(), index, "{} stands in another's place", slot.id);
        Some(slot)
    }

    /// How many places there are, taken or not.
    pub(super) fn places(&self) -> u32 {
        let places = self.chunks.len() * PLACES_PER_CHUNK;
        assert!(self.used <= places, "{} sockets in {places} places", self.used);
        u32::try_from(places).expect("an index has 32 bits")
    }

    /// How many places are taken.
    pub(super) fn used(&self) -> usize {
        debug_assert!(self.used == 0 || !self.chunks.is_empty(), "sockets without places");
        self.used
    }

    /// All slots, in order of index.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.reached_places().filter_map(|place| place.slot.as_ref())
    }

    fn reached_places(&self) -> impl Iterator<Item = &Place> {
        assert!(self.used <= self.reached, "{} sockets in {} places", self.used, self.reached);
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.reached)
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        let index = slot.id.place() as usize;
        while self.chunks.len() <= index / PLACES_PER_CHUNK {
            let chunk: Box<[Place]> = (0..PLACES_PER_CHUNK).map(|_| Place::default()).collect();
            self.chunks.push(chunk.try_into().ok().expect("a chunk is made whole"));
        }
        let place = &mut self.chunks[index / PLACES_PER_CHUNK][index % PLACES_PER_CHUNK];
        assert!(place.slot.is_none(), "the place of {} is taken", slot.id);
        assert!(place.links.iter().all(|link| !link.is_linked()), "a free place is in a list");
        assert_eq!(slot.armed_at, None, "{} has a timer before it is there", slot.id);
        place.slot = Some(slot);
        self.used += 1;
        self.reached = self.reached.max(index + 1);
        assert!(self.used <= self.reached, "more sockets than places");
    }

    pub(super) fn remove(&mut self, id: SocketId) -> Slot {
        let place = self.place_mut(id.place()).expect("a living id has a place");
        assert!(place.links.iter().all(|link| !link.is_linked()), "{id} leaves while in a list");
        let slot = place.slot.take().expect("a living id has a slot");
        assert_eq!(slot.id, id, "another socket is in the place");
        assert!(self.used > 0, "{id} was not counted");
        self.used -= 1;
        slot
    }

    #[inline]
    pub(super) fn is_linked(&self, chain: Chain, id: SocketId) -> bool {
        self.place(id.place()).is_some_and(|place| {
            let is_linked = place.links[chain as usize].is_linked();
            assert!(!is_linked || place.slot.is_some(), "a free place is in a list of {chain:?}");
            is_linked
        })
    }

    /// Puts a slot at the end of a list.
    pub(super) fn push_back(&mut self, list: &mut List, chain: Chain, id: SocketId) {
        list.check();
        let (own, tail) = (Position::of(id.place()), list.tail);
        let place = self.place_mut(id.place()).expect("a living id has a place");
        assert!(place.slot.as_ref().is_some_and(|slot| slot.id == id), "{id} is not alive");
        let link = &mut place.links[chain as usize];
        assert!(!link.is_linked(), "{id} is in a list of {chain:?} already");
        *link = Link { prev: Some(tail.unwrap_or(own)), next: Some(own) };
        match tail {
            Some(tail) => {
                let last = self.link_mut(chain, tail.index());
                assert_eq!(last.next, Some(tail), "the last of a list has no next");
                last.next = Some(own);
            }
            None => list.head = Some(own),
        }
        list.tail = Some(own);
        list.len += 1;
        assert!(list.len <= self.used, "a list of {chain:?} is longer than the table");
    }

    /// Takes the first slot out of a list.
    #[inline]
    pub(super) fn pop_front(&mut self, list: &mut List, chain: Chain) -> Option<SocketId> {
        let head = list.head?;
        Some(self.pop(list, head, chain))
    }

    fn pop(&mut self, list: &mut List, head: Position, chain: Chain) -> SocketId {
        debug_assert_eq!(list.head, Some(head), "{head:?} is not the first of {chain:?}");
        assert!(list.len > 0, "a list of {chain:?} has a first and no length");
        let place = self.place_mut(head.index()).expect("a linked index has a place");
        let id = place.slot.as_ref().expect("a slot in a list is alive").id;
        let link = std::mem::take(&mut place.links[chain as usize]);
        assert_eq!(link.prev, Some(head), "{id} is not the first of {chain:?}");
        let next = link.next(head);
        match next {
            Some(position) => {
                let next = self.link_mut(chain, position.index());
                assert_eq!(next.prev, Some(head), "{id} is not the previous of its next");
                next.prev = Some(position);
            }
            None => {
                assert_eq!(list.tail, Some(head), "{id} is in another list of {chain:?}");
                list.tail = None;
            }
        }
        list.head = next;
        list.len -= 1;
        debug_assert_ne!(list.head, Some(head), "{id} left the list of {chain:?}");
        list.check();
        id
    }

    /// Takes a slot out of the list that it is in.
    pub(super) fn unlink(&mut self, list: &mut List, chain: Chain, id: SocketId) {
        let own = Position::of(id.place());
        let link = std::mem::take(self.link_mut(chain, id.place()));
        assert!(link.is_linked() && list.len > 0, "{id} is in no list of {chain:?}");
        let (prev, next) = (link.prev(own), link.next(own));
        match prev {
            Some(position) => {
                let prev = self.link_mut(chain, position.index());
                assert_eq!(prev.next, Some(own), "{id} is not the next of its previous");
                prev.next = Some(next.unwrap_or(position));
            }
            None => {
                assert_eq!(list.head, Some(own), "{id} is in another list of {chain:?}");
                list.head = next;
            }
        }
        match next {
            Some(position) => {
                let next = self.link_mut(chain, position.index());
                assert_eq!(next.prev, Some(own), "{id} is not the previous of its next");
                next.prev = Some(prev.unwrap_or(position));
            }
            None => {
                assert_eq!(list.tail, Some(own), "{id} is in another list of {chain:?}");
                list.tail = prev;
            }
        }
        list.len -= 1;
        list.check();
    }

    /// The ids in a list, in order.
    pub(super) fn members(&self, list: &List, chain: Chain) -> Vec<SocketId> {
        list.check();
        let mut members = Vec::with_capacity(list.len);
        let (mut prev, mut next) = (None, list.head);
        while let Some(position) = next {
            let index = position.index();
            assert!(members.len() < list.len, "a list of {chain:?} runs in a circle");
            members.push(self.at(index).expect("a slot in a list is alive").id);
            let place = index as usize;
            let link = &self.chunks[place / PLACES_PER_CHUNK][place % PLACES_PER_CHUNK].links
                [chain as usize];
            assert!(link.is_linked(), "a slot in a list of {chain:?} does not know it");
            let before = link.prev(position);
            assert_eq!(before, prev, "a list of {chain:?} differs from back to front");
            (prev, next) = (Some(position), link.next(position));
        }
        assert_eq!(members.len(), list.len, "a list's length is off");
        assert_eq!(prev, list.tail, "a list's tail is not its last");
        members
    }

    /// # Panics
    /// If a slot stands in a wrong place, or links point to where nothing points back.
    pub(super) fn check_invariants(&self) {
        let mut used = 0;
        for (index, place) in self.reached_places().enumerate() {
            match &place.slot {
                Some(slot) => {
                    used += 1;
                    let id = slot.id;
                    assert_eq!(id.place() as usize, index, "{id} stands in another's place");
                }
                None => {
                    let is_linked = place.links.iter().any(|link| link.is_linked());
                    assert!(!is_linked, "the free place {index} is in a list");
                }
            }
            for (chain, link) in place.links.iter().enumerate() {
                let is_half = link.prev.is_some() != link.next.is_some();
                assert!(!is_half, "{index} is half in a list of {chain}");
            }
        }
        assert_eq!(used, self.used, "the count of sockets is off");
        let places = self.chunks.len() * PLACES_PER_CHUNK;
        assert!(self.reached <= places, "{} of {places} places were taken", self.reached);
    }

    #[inline]
    fn place(&self, index: u32) -> Option<&Place> {
        let index = index as usize;
        Some(&self.chunks.get(index / PLACES_PER_CHUNK)?[index % PLACES_PER_CHUNK])
    }

    #[inline]
    fn place_mut(&mut self, index: u32) -> Option<&mut Place> {
        let index = index as usize;
        Some(&mut self.chunks.get_mut(index / PLACES_PER_CHUNK)?[index % PLACES_PER_CHUNK])
    }

    #[inline]
    fn link_mut(&mut self, chain: Chain, index: u32) -> &mut Link {
        let place = self.place_mut(index).expect("a linked index has a place");
        assert!(place.slot.is_some(), "a free place is in no list of {chain:?}");
        &mut place.links[chain as usize]
    }
}
