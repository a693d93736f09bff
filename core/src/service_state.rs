//! What a service's calls remember of each other.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use slab::Slab;

use crate::{Directory, SocketId, TimerId};

/// Awaited sockets from which on those that are gone are looked for.
const AWAITED_MIN: usize = 64;

/// What a driver keeps for each service between its calls: its timers and its randomness.
#[derive(Debug)]
pub struct ServiceState {
    timers: Slab<NonZeroU32>,
    next_timer: NonZeroU32,
    random_seed: u64,
    random_drawn: u64,
    /// Sockets whose send was refused as full, and for which `SendReady` is to come.
    awaited: BTreeSet<SocketId>,
    /// At this many, those that are gone are forgotten.
    awaited_max: usize,
}

impl ServiceState {
    /// A new service's state; `random_seed` decides all that [`Net::random`](crate::Net::random) answers.
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

    /// Adds all of it to `state`.
    pub(crate) fn fingerprint<H: Hasher>(&self, state: &mut H) {
        let Self { timers, next_timer, random_seed, random_drawn, awaited, awaited_max } = self;
        assert!(awaited.len() <= *awaited_max, "the gone are kept");
        assert!(timers.len() < u32::MAX as usize, "an index has 32 bits");
        (next_timer, random_seed, random_drawn, awaited, awaited_max).hash(state);
        // The order of its free places counts, too.
        if timers.capacity() > 0 {
            format!("{timers:?}").hash(state);
        }
    }

    /// The next number of the service's random sequence.
    pub(crate) fn draw_random(&mut self) -> u64 {
        self.random_drawn = self.random_drawn.checked_add(1).expect("nobody draws 2^64 numbers");
        crate::random::mix(self.random_seed, self.random_drawn)
    }

    /// Names a timer that is to be armed.
    pub(crate) fn add_timer(&mut self) -> TimerId {
        let generation = self.next_timer;
        self.next_timer = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let index = self.timers.insert(generation);
        let index = u32::try_from(index).expect("an index has 32 bits");
        let timer = TimerId::new(index, generation);
        assert!(self.is_armed(timer), "{timer} was just armed");
        assert_ne!(self.next_timer, generation, "two timers with one number");
        timer
    }

    /// Whether the timer was neither cancelled nor delivered; it is now delivered.
    pub(crate) fn take_timer(&mut self, timer: TimerId) -> bool {
        let is_set = self.timers.get(timer.index() as usize) == Some(&timer.generation());
        if is_set {
            let taken = self.timers.remove(timer.index() as usize);
            assert_eq!(taken, timer.generation(), "{timer} was another timer");
        }
        assert!(!self.is_armed(timer), "{timer} would come again");
        is_set
    }

    /// Whether the timer was neither cancelled nor delivered.
    pub(crate) fn is_armed(&self, timer: TimerId) -> bool {
        self.timers.get(timer.index() as usize) == Some(&timer.generation())
    }

    /// A send was refused as full: the service waits for `SendReady`.
    ///
    /// Only owners hear that a socket closes; so ids that are gone are looked for now and then.
    pub(crate) fn await_room(&mut self, id: SocketId, directory: &Directory) {
        assert!(directory.is_alive(id), "{id} is gone, not full");
        if self.awaited.len() >= self.awaited_max {
            self.awaited.retain(|id| directory.is_alive(*id));
            self.awaited_max = 2 * self.awaited.len() + AWAITED_MIN;
        }
        self.awaited.insert(id);
        assert!(self.is_awaited(id), "{id} would be asked for at every refusal");
        assert!(self.awaited.len() <= self.awaited_max, "the gone are kept");
    }

    /// Whether the Mux was told that the service waits.
    pub(crate) fn is_awaited(&self, id: SocketId) -> bool {
        debug_assert!(self.awaited.len() <= self.awaited_max, "the gone are kept");
        self.awaited.contains(&id)
    }

    /// `SendReady` or `Close` was delivered: the next refusal is announced again.
    pub(crate) fn no_longer_awaits(&mut self, id: SocketId) {
        self.awaited.remove(&id);
        assert!(!self.is_awaited(id), "the next refusal of {id} would be announced to nobody");
    }
}
