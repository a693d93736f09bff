//! The record of each service: its mailbox's charge, its sockets, its timers.

use std::collections::BTreeMap;

use crate::mux::sockets::list::List;
use crate::{Instant, ServiceId, TimerId};

/// The record of each service, by index.
#[derive(Default, Hash)]
pub(crate) struct Services {
    places: Vec<Option<Entry>>,
}

/// One service.
#[derive(Hash)]
pub(crate) struct Entry {
    pub(crate) id: ServiceId,
    /// The charge of the messages that it has not handled yet.
    pub(crate) charge_bytes: usize,
    /// Its mailbox is full: nothing is read for it.
    pub(crate) is_held_back: bool,
    /// Its sockets.
    pub(crate) owned: List,
    /// Those of them that have input, while it is held back.
    pub(crate) waiting_input: List,
    /// Its timers, so that they can be found by name.
    pub(crate) timers: BTreeMap<TimerId, Instant>,
    pub(crate) ending: Ending,
}

/// The end of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// It goes on.
    No,
    /// The runtime stops: this many of its sockets are still to be shut down.
    Draining { left: usize },
    /// It was released: its sockets are shut down, or closed if it panicked.
    Released { abrupt: bool },
}

impl Entry {
    /// Returns `true` if the service gets messages.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.ending, Ending::Released { .. })
    }
}

impl Services {
    pub(crate) fn insert(&mut self, id: ServiceId) {
        let index = id.index() as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        assert!(self.places[index].is_none(), "the place of {id} is taken");
        self.places[index] = Some(Entry {
            id,
            charge_bytes: 0,
            is_held_back: false,
            owned: List::default(),
            waiting_input: List::default(),
            timers: BTreeMap::new(),
            ending: Ending::No,
        });
    }

    pub(crate) fn remove(&mut self, id: ServiceId) {
        let entry = self.places[id.index() as usize].take().expect("a service ends once");
        assert_eq!(entry.id, id, "another service is in the place");
        assert!(
            entry.owned.is_empty() && entry.waiting_input.is_empty(),
            "{id} still owns sockets"
        );
        assert!(entry.timers.is_empty(), "{id} still has timers");
        assert!(!entry.is_held_back, "{id} ends and holds something back");
        assert!(matches!(entry.ending, Ending::Released { .. }), "{id} goes and was not released");
    }

    /// The record of a service, also of one that was released and still has sockets.
    #[inline]
    pub(crate) fn get(&self, id: ServiceId) -> Option<&Entry> {
        self.places.get(id.index() as usize)?.as_ref().filter(|entry| entry.id == id)
    }

    /// The record of a service, also of one that was released and still has sockets.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Entry> {
        self.places.get_mut(id.index() as usize)?.as_mut().filter(|entry| entry.id == id)
    }

    /// Returns `true` if the service gets messages.
    #[inline]
    pub(crate) fn is_alive(&self, id: ServiceId) -> bool {
        self.get(id).is_some_and(Entry::is_alive)
    }

    /// Returns `true` if nothing is read for the service now.
    #[inline]
    pub(crate) fn is_held_back(&self, id: Option<ServiceId>) -> bool {
        id.and_then(|id| self.get(id)).is_some_and(|entry| entry.is_held_back)
    }

    /// # Panics
    /// If two fields of a service contradict each other.
    pub(crate) fn check(&self, mailbox_bytes_max: usize) {
        for (index, entry) in self.places.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let (id, charge_bytes) = (entry.id, entry.charge_bytes);
            assert_eq!(id.index() as usize, index, "{id} stands in another's place");
            assert!(entry.waiting_input.len() <= entry.owned.len(), "{id} waits for others");
            let is_released = matches!(entry.ending, Ending::Released { .. });
            assert!(!is_released || entry.timers.is_empty(), "{id} is gone and has timers");
            assert!(!is_released || !entry.is_held_back, "{id} is gone and is held back");
            let is_full = charge_bytes >= mailbox_bytes_max;
            assert!(!is_full || entry.is_held_back || is_released, "{id} is full and is told more");
            let has_room = charge_bytes < mailbox_bytes_max.div_ceil(2);
            assert!(!has_room || !entry.is_held_back, "{id} has room and is held back");
        }
    }

    /// Forgets the timers of all services.
    pub(crate) fn forget_timers(&mut self) {
        self.places.iter_mut().flatten().for_each(|entry| entry.timers.clear());
    }

    /// The most services that were there at a time.
    pub(crate) fn peak(&self) -> usize {
        self.places.len()
    }

    /// All services, in order of index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().flatten()
    }
}
