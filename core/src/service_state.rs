//! The state of a service that lasts from one call to the next.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use slab::Slab;

use crate::{Directory, SocketId, TimerId};

/// The number of awaited sockets at which those that are gone are first swept out.
const AWAITED_MIN: usize = 64;

/// The state that a driver keeps for each service between its calls: its timers and its
/// randomness.
#[derive(Debug)]
pub struct ServiceState {
    timers: Slab<NonZeroU32>,
    next_timer: NonZeroU32,
    random_seed: u64,
    random_drawn: u64,
    /// Sockets for which a send was refused as full, and `SendReady` is still to come.
    awaited: BTreeSet<SocketId>,
    /// The size of `awaited` at which sockets that are gone are swept out of it.
    awaited_max: usize,
}

impl ServiceState {
    /// Creates the state of a new service. All numbers of [`Net::random`](crate::Net::random) are a
    /// function of `random_seed`.
    pub fn new(random_seed: u64) -> Self {
        Self {
            timers: Slab::new(),
            next_timer: NonZeroU32::MIN,
            random_seed,
            random_drawn: 0,
            awaited: BTreeSet::new(),
            awaited_max: AWAITED_MIN,
        }
    }

    /// Hashes the whole state into `state`.
    pub(crate) fn fingerprint<H: Hasher>(&self, state: &mut H) {
        let Self { timers, next_timer, random_seed, random_drawn, awaited, awaited_max } = self;
        (next_timer, random_seed, random_drawn, awaited, awaited_max).hash(state);
        // The order of the free list decides which index comes next; only `Debug` shows it.
        if timers.capacity() > 0 {
            format!("{timers:?}").hash(state);
        }
    }

    /// Returns the next number of the service's random sequence.
    pub(crate) fn draw_random(&mut self) -> u64 {
        self.random_drawn = self.random_drawn.checked_add(1).expect("2^64 numbers were drawn");
        crate::random::mix(self.random_seed, self.random_drawn)
    }

    /// Returns the id of a new timer, which counts as armed.
    pub(crate) fn add_timer(&mut self) -> TimerId {
        let generation = self.next_timer;
        self.next_timer = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let index = self.timers.insert(generation);
        let index = u32::try_from(index).expect("an index has 32 bits");
        TimerId::new(index, generation)
    }

    /// Disarms the timer. Returns `true` if it was armed: neither cancelled nor delivered before.
    pub(crate) fn take_timer(&mut self, timer: TimerId) -> bool {
        let is_armed = self.is_armed(timer);
        if is_armed {
            self.timers.remove(timer.index() as usize);
        }
        is_armed
    }

    /// Returns `true` if the timer was neither cancelled nor delivered.
    pub(crate) fn is_armed(&self, timer: TimerId) -> bool {
        self.timers.get(timer.index() as usize) == Some(&timer.generation())
    }

    /// Notes that a send was refused as full and the service waits for `SendReady`.
    ///
    /// A service that sends on the socket of another never gets its `Close`, so ids that are gone
    /// are swept out now and then. The threshold doubles with what is left: the sweep costs each
    /// insertion a constant.
    pub(crate) fn await_room(&mut self, id: SocketId, directory: &Directory) {
        assert!(directory.is_alive(id), "{id}: a send was refused as full, but the socket is gone");
        if self.awaited.len() >= self.awaited_max {
            self.awaited.retain(|id| directory.is_alive(*id));
            self.awaited_max = 2 * self.awaited.len() + AWAITED_MIN;
        }
        self.awaited.insert(id);
    }

    /// Returns `true` if the Mux was told that the service waits for this socket.
    pub(crate) fn is_awaited(&self, id: SocketId) -> bool {
        self.awaited.contains(&id)
    }

    /// Notes that `SendReady` or `Close` was delivered: the Mux is to be told of the next refusal.
    pub(crate) fn no_longer_awaits(&mut self, id: SocketId) {
        self.awaited.remove(&id);
    }
}
