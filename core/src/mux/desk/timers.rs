//! The timers that are armed, in order.

use std::collections::BTreeSet;

use crate::{Instant, ServiceId, SocketId, TimerId};

/// The owner of a timer. Ordered after the deadline, so that timers which are due at one time fire
/// in an order that depends on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TimerKey {
    Socket(SocketId),
    Service(ServiceId, TimerId),
    /// Another Mux may have made room in what all outboxes hold together.
    Total,
}

/// The timers that are armed, in order, and the first of them at hand: every turn asks for it.
#[derive(Default, Hash)]
pub(crate) struct Timers {
    all: BTreeSet<(Instant, TimerKey)>,
    first: Option<Instant>,
}

impl Timers {
    /// When the first timer is due.
    #[inline]
    pub(crate) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Arms a timer; answers whether it was not armed before.
    pub(crate) fn insert(&mut self, at: Instant, key: TimerKey) -> bool {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.all.insert((at, key))
    }

    /// Disarms a timer; answers whether it was armed.
    pub(crate) fn remove(&mut self, at: Instant, key: TimerKey) -> bool {
        let was_armed = self.all.remove(&(at, key));
        self.look();
        was_armed
    }

    /// Takes out the first timer, if it is due at `now` or before.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, TimerKey)> {
        if self.first? > now {
            return None;
        }
        let due = self.all.pop_first();
        self.look();
        due
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn contains(&self, at: Instant, key: TimerKey) -> bool {
        self.all.contains(&(at, key))
    }

    /// All of them, in the order in which they fire.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Instant, TimerKey)> {
        assert_eq!(self.first, self.all.first().map(|(at, _)| *at), "another timer is the first");
        self.all.iter()
    }

    fn look(&mut self) {
        self.first = self.all.first().map(|(at, _)| *at);
    }
}
