//! The sockets of one host, as the judge knows them.

use std::collections::BTreeSet;

use tidelock_core::{ServiceId, SocketId};

use super::SocketView;
use super::services::Services;
use crate::judge::mark::Mark;
use tidelock_net::base::recycle::empty;

/// The sockets of one host, by id.
#[derive(Default, Hash)]
pub(super) struct Views {
    /// By index of the id; a closed one stays until the index is taken again.
    places: Vec<Option<SocketView>>,
    /// Those whose index was taken again by the system while their `Close` was on its way.
    leaving: Vec<SocketView>,
}

impl Views {
    /// None, in room that another world left.
    pub(super) fn within(places: Vec<Option<SocketView>>) -> Self {
        assert!(places.is_empty(), "{} sockets of another world", places.len());
        Self { places, leaving: Vec::new() }
    }

    /// Gives the room back, for another world.
    pub(super) fn into_room(self) -> Vec<Option<SocketView>> {
        let mut places = self.places;
        empty(&mut places);
        places
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut SocketView> {
        match self.places.get_mut(id.index() as usize)? {
            Some(view) if view.id == id => Some(view),
            _ => self.leaving.iter_mut().find(|view| view.id == id),
        }
    }

    /// Adds a socket; one before it at the same index stays until its `Close` is told.
    pub(super) fn insert(&mut self, view: SocketView) {
        let index = view.id.index() as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        let before = self.places[index].replace(view);
        self.leaving.extend(before.filter(SocketView::is_told_open));
    }

    /// Forgets those that are not at an index any more and whose `Close` was told.
    pub(super) fn forget_closed(&mut self) {
        self.leaving.retain(SocketView::is_told_open);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SocketView> {
        self.places.iter().flatten().chain(&self.leaving)
    }
}

/// One socket with what else of its host a judgement of it needs: found once for one fact.
pub(super) struct Case<'a> {
    pub(super) view: &'a mut SocketView,
    pub(super) services: &'a mut Services,
    /// Services that were asked to end.
    pub(super) released: &'a BTreeSet<ServiceId>,
    /// Sockets whose warnings are settled when the step's messages were told.
    pub(super) warned: &'a mut Vec<SocketId>,
    pub(super) is_exiting: bool,
    pub(super) step: u64,
}

impl Case<'_> {
    /// Returns `true` if the socket may have begun to end for a reason that shows only in the Mux.
    pub(super) fn may_be_ending(&mut self) -> bool {
        self.view.resolve_claims(self.step);
        let Some(owner) = self.view.owner else { return true };
        if self.view.is_maybe_ending || self.view.is_broken || self.is_exiting {
            return true;
        }
        // A claim of this very step may have been heard already, and whoever made it have ended.
        let ends = |one: &ServiceId| !self.services.goes_on(*one) || self.released.contains(one);
        ends(&owner) || self.view.claims.iter().any(ends)
    }

    /// Returns `true` if nobody is told of the socket's end.
    pub(super) fn is_secret(&mut self) -> bool {
        self.view.resolve_claims(self.step);
        self.view.is_unborn_or_taken()
            || self.view.owner.is_some_and(|owner| !self.services.is_alive(owner))
    }

    /// Less is pending: a warning may be withdrawn. `is_accepted`: the system accepted what is not
    /// pending any more.
    ///
    /// # Errors
    /// If a warning was forgotten.
    pub(super) fn taken(&mut self, now: u64, is_accepted: bool) -> Result<(), String> {
        self.view.resolve_claims(self.step);
        if is_accepted {
            self.view.ending.took_at = Mark::at(now);
        }
        self.view.ending.is_busy();
        let pending_bytes = self.view.outbox.pending_bytes();
        if self.view.warnings.is_drained(pending_bytes) {
            let is_optional = self.may_be_ending();
            let is_told = !self.view.is_output_ended;
            self.view.warnings.taken(pending_bytes, is_told, is_optional);
        }
        let id = self.view.id;
        let result = self.view.warnings.goes_on().map_err(|detail| format!("{id}: {detail}"));
        if self.view.warnings.is_due() {
            self.warned.push(id);
        }
        result
    }
}
