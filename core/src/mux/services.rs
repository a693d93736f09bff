//! What the Mux knows of each service.

use std::collections::BTreeMap;

use super::table::List;
use crate::{Instant, ServiceId, TimerId};

/// What the Mux knows of each service, by index.
#[derive(Default)]
pub(super) struct Services {
    places: Vec<Option<Entry>>,
}

/// One service.
pub(super) struct Entry {
    pub(super) id: ServiceId,
    /// The charge of the messages that it has not handled yet.
    pub(super) charge_bytes: usize,
    /// Its mailbox is full: nothing is read for it.
    pub(super) is_held_back: bool,
    /// Its sockets.
    pub(super) owned: List,
    /// Those of them that have input, while it is held back.
    pub(super) waiting_input: List,
    /// Its timers, so that they can be found by name.
    pub(super) timers: BTreeMap<TimerId, Instant>,
    pub(super) ending: Ending,
}

/// How a service ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It does not.
    No,
    /// The runtime stops: this many of its sockets are still to be shut down.
    Draining { left: usize },
    /// It was released: its sockets are shut down, or closed if it panicked.
    Released { abrupt: bool },
}

impl Services {
    pub(super) fn insert(&mut self, id: ServiceId) {
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

    pub(super) fn remove(&mut self, id: ServiceId) {
        let entry = self.places[id.index() as usize].take().expect("a service ends once");
        assert_eq!(entry.id, id, "another service is in the place");
        assert!(
            entry.owned.is_empty() && entry.waiting_input.is_empty(),
            "{id} still owns sockets"
        );
        assert!(entry.timers.is_empty(), "{id} still has timers");
    }

    /// A service, also one that was released and still has sockets.
    pub(super) fn get(&self, id: ServiceId) -> Option<&Entry> {
        self.places.get(id.index() as usize)?.as_ref().filter(|entry| entry.id == id)
    }

    /// A service, also one that was released and still has sockets.
    pub(super) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Entry> {
        self.places.get_mut(id.index() as usize)?.as_mut().filter(|entry| entry.id == id)
    }

    /// Whether the service gets messages.
    pub(super) fn is_alive(&self, id: ServiceId) -> bool {
        self.get(id).is_some_and(|entry| !matches!(entry.ending, Ending::Released { .. }))
    }

    /// Whether nothing is read for the service now.
    pub(super) fn is_held_back(&self, id: Option<ServiceId>) -> bool {
        id.and_then(|id| self.get(id)).is_some_and(|entry| entry.is_held_back)
    }

    /// All services, in order of index.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().flatten()
    }
}
