//! What the Mux and every service share: who is alive, and how much is queued.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::{OnceLock, PoisonError};

use slab::Slab;

use crate::charge::Total;
use crate::gate::{ChargeLimits, Gate, GateKind};
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::{Config, ConfigError, OpenError, ServiceId, SocketId};

/// What the Mux and every service share: ids, gates, the total charge, and the stop flag.
///
/// One per runtime, in an `Arc`. Services use it through `Net`, so that what a command answers
/// is the same on the network thread, on a worker and in the simulator.
#[derive(Debug)]
pub struct Directory {
    config: Config,
    sockets: Mutex<Allocator>,
    services: Mutex<Allocator>,
    gates: Gates,
    total: Total,
    stopped: AtomicBool,
}

impl Directory {
    /// Builds the shared part of a runtime.
    ///
    /// # Errors
    /// The contradiction, if two limits of the configuration contradict.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let generation =
            NonZeroU32::new(config.first_generation).expect("a valid configuration begins at one");
        Ok(Self {
            sockets: Mutex::new(Allocator::new(config.sockets_max, generation)),
            services: Mutex::new(Allocator::new(config.services_max, NonZeroU32::MIN)),
            gates: Gates::new(config.sockets_max),
            total: Total::default(),
            stopped: AtomicBool::new(false),
            config,
        })
    }

    /// The configuration.
    #[inline]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the runtime is shutting down: nothing new is opened or spawned.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        assert!(self.is_stopped(), "nothing undoes a stop");
    }

    /// Whether `id` is alive: taken, and its `Close` not yet produced.
    pub fn is_alive(&self, id: SocketId) -> bool {
        self.gate(id).is_some_and(|gate| gate.is_alive(id))
    }

    /// Whether `id` names a living service.
    pub fn is_service_alive(&self, id: ServiceId) -> bool {
        lock(&self.services).is_current(id.index(), id.generation())
    }

    /// The charge of all outboxes together, in bytes; never above `total_bytes_max`.
    #[inline]
    pub fn total_charged_bytes(&self) -> usize {
        let total = self.total.bytes();
        assert!(total <= self.config.total_bytes_max, "the total of {total} B exceeds its limit");
        total
    }

    /// How many socket ids are taken, those offered to `accept` included.
    pub fn sockets_used(&self) -> usize {
        let used = lock(&self.sockets).taken.len();
        assert!(used <= self.config.sockets_max as usize, "{used} sockets exceed their limit");
        used
    }

    /// Takes an id for a new service; `None` if `services_max` are alive. Drivers use it to spawn
    /// from outside: `Command::Spawn` must follow.
    pub fn take_service(&self) -> Option<ServiceId> {
        let (index, generation) = lock(&self.services).take()?;
        assert!(index < self.config.services_max, "service {index} is beyond the limit");
        Some(ServiceId::new(index, generation))
    }

    pub(crate) fn free_service(&self, id: ServiceId) {
        lock(&self.services).free(id.index(), id.generation());
        debug_assert!(!self.is_service_alive(id), "{id} survived its end");
    }

    /// Takes an id for a listener that code outside services opens. Drivers use it:
    /// `Command::Listen` must follow.
    ///
    /// # Errors
    /// At `sockets_max`, and while the runtime stops.
    pub fn take_listener(&self) -> Result<SocketId, OpenError> {
        if self.is_stopped() {
            return Err(OpenError::Stopped);
        }
        let id = self.take_socket(GateKind::Listener).ok_or(OpenError::LimitReached)?;
        let admits = self.gate(id).is_some_and(|gate| gate.is_open(id));
        assert!(!admits, "{id} listens and admits sends");
        Ok(id)
    }

    /// Takes an id for a new socket; `None` at `sockets_max`.
    pub(crate) fn take_socket(&self, kind: GateKind) -> Option<SocketId> {
        let id = self.reserve_socket()?;
        self.open_reserved(id, kind);
        assert!(self.is_alive(id), "{id} was just born");
        Some(id)
    }

    /// Takes an id that is not alive yet, to offer it to `accept`; `None` at `sockets_max`.
    pub(crate) fn reserve_socket(&self) -> Option<SocketId> {
        let (index, generation) = lock(&self.sockets).take()?;
        assert!(index < self.config.sockets_max, "socket {index} is beyond the limit");
        let id = SocketId::new(index, generation);
        assert!(!self.is_alive(id), "{id} lives before it is born");
        Some(id)
    }

    /// A reserved id comes to life.
    pub(crate) fn open_reserved(&self, id: SocketId, kind: GateKind) {
        debug_assert!(self.is_taken(id), "{id} was not reserved");
        self.gates.get_or_make(id.index()).birth(id, kind);
    }

    /// A reserved id that never came to life is given back.
    pub(crate) fn free_reserved(&self, id: SocketId) {
        assert!(!self.is_alive(id), "{id} is alive, not reserved");
        lock(&self.sockets).free(id.index(), id.generation());
    }

    /// Gives an id back; from now on it is stale.
    pub(crate) fn free_socket(&self, id: SocketId) {
        let gate = self.gate(id).expect("a taken id has a gate");
        assert_eq!(gate.charged_bytes(), 0, "{id} is given back with a charge");
        gate.kill(id);
        lock(&self.sockets).free(id.index(), id.generation());
        assert!(!self.is_alive(id), "{id} survived its end");
    }

    /// Whether the id is taken: alive, or offered to `accept`.
    pub(crate) fn is_taken(&self, id: SocketId) -> bool {
        lock(&self.sockets).is_current(id.index(), id.generation())
    }

    /// Checks every invariant, in time proportional to the ids that were ever taken.
    ///
    /// # Panics
    /// If one is broken.
    pub(crate) fn check_invariants(&self) {
        let sockets = lock(&self.sockets);
        sockets.check();
        lock(&self.services).check();
        for (index, generation) in sockets.generations.iter().enumerate() {
            let is_taken = sockets.taken.contains(index);
            let index = u32::try_from(index).expect("an index has 32 bits");
            let id = SocketId::new(index, *generation);
            // A place that was only ever offered to `accept` has no gate.
            let Some(gate) = self.gate(id) else { continue };
            assert!(is_taken || !gate.is_alive(id), "{id} lives and may be issued again");
            assert!(is_taken || !gate.has_announced(), "a send is on its way to nobody");
            let is_written = gate.has_direct() || gate.has_flush();
            assert!(is_taken || !is_written, "{index} is free and is written");
            assert!(is_taken || gate.charged_bytes() == 0, "{index} is free and has a charge");
            let limit = self.config.outbox_bytes_max;
            assert!(gate.charged_bytes() <= limit, "{id} is over its limit");
        }
    }

    /// Adds to `state` who is alive, which ids come next, and every gate.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) {
        // A configuration does not change.
        let Self { config: _, sockets, services, gates, total, stopped } = self;
        let (sockets, services) = (lock(sockets), lock(services));
        assert!(sockets.taken.len() <= sockets.max as usize, "more sockets than there may be");
        assert!(services.taken.len() <= services.max as usize, "more services than there may be");
        sockets.fingerprint(state);
        services.fingerprint(state);
        for index in 0..sockets.generations.len() {
            let index = u32::try_from(index).expect("an index has 32 bits");
            gates.get(index).map(Gate::words).hash(state);
        }
        assert!(total.bytes() <= self.config.total_bytes_max, "the total exceeds its limit");
        total.word().hash(state);
        stopped.load(Ordering::Acquire).hash(state);
    }

    /// The gate at the id's place, if that place was ever used.
    #[inline]
    pub(crate) fn gate(&self, id: SocketId) -> Option<&Gate> {
        self.gates.get(id.index())
    }

    #[inline]
    pub(crate) fn total(&self) -> &Total {
        &self.total
    }

    pub(crate) fn charge_limits(&self) -> ChargeLimits {
        let limits = ChargeLimits {
            socket: self.config.outbox_bytes_max,
            total: self.config.total_bytes_max,
            datagram: self.config.datagram_bytes_max,
        };
        assert!(limits.socket <= limits.total, "a socket may hold more than all of them");
        assert!(limits.datagram > 0, "no datagram would ever fit");
        limits
    }
}

/// Indices on a slab, and how often each was taken.
#[derive(Debug)]
struct Allocator {
    taken: Slab<()>,
    /// The generation that the next id at each index gets, or that the living one has.
    generations: Vec<NonZeroU32>,
    first_generation: NonZeroU32,
    max: u32,
}

impl Allocator {
    fn new(max: u32, first_generation: NonZeroU32) -> Self {
        assert!(max > 0, "a valid configuration admits at least one");
        Self { taken: Slab::new(), generations: Vec::new(), first_generation, max }
    }

    fn take(&mut self) -> Option<(u32, NonZeroU32)> {
        if self.taken.len() >= self.max as usize {
            return None;
        }
        let index = self.taken.insert(());
        if index == self.generations.len() {
            self.generations.push(self.first_generation);
        }
        assert!(index < self.generations.len(), "a slab's indices grow by one");
        assert!(index < self.max as usize, "a slab reuses its indices");
        assert!(self.taken.len() <= self.generations.len(), "an index without a generation");
        Some((index as u32, self.generations[index]))
    }

    fn free(&mut self, index: u32, generation: NonZeroU32) {
        assert!(self.is_current(index, generation), "{index}.{generation} is freed twice");
        self.taken.remove(index as usize);
        // After the last generation comes the first: zero is no generation.
        self.generations[index as usize] = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        assert!(!self.is_current(index, generation), "{index}.{generation} outlives its end");
    }

    fn fingerprint<H: Hasher>(&self, state: &mut H) {
        self.generations.hash(state);
        // A slab tells the order of its free places only when they are taken.
        let mut next = self.taken.clone();
        while next.len() < self.generations.len() {
            let index = next.insert(());
            assert!(index < self.generations.len(), "a free place was never taken");
            index.hash(state);
        }
        assert_eq!(next.len(), self.generations.len(), "a place without a generation");
        assert!(next.len() <= self.max as usize, "an index beyond the limit");
    }

    fn check(&self) {
        assert!(self.taken.len() <= self.max as usize, "more ids are taken than there may be");
        assert!(self.taken.len() <= self.generations.len(), "an id without a generation");
        assert!(self.generations.len() <= self.max as usize, "an index beyond the limit");
        let last = self.taken.iter().next_back().map(|(index, ())| index);
        let has_generation = last.is_none_or(|last| last < self.generations.len());
        assert!(has_generation, "{last:?} is taken and has no generation");
    }

    fn is_current(&self, index: u32, generation: NonZeroU32) -> bool {
        let is_taken = self.taken.contains(index as usize);
        let current = self.generations.get(index as usize);
        debug_assert!(!is_taken || current.is_some(), "{index} was taken without a generation");
        is_taken && current == Some(&generation)
    }
}

/// Gates in chunks that never move, so that other threads may look while the table grows.
#[derive(Debug)]
struct Gates {
    max: usize,
    chunks: Box<[OnceLock<Box<[Gate]>>]>,
}

/// So few that a directory of a handful of sockets is small and quickly made.
const GATES_PER_CHUNK: usize = 64;

impl Gates {
    fn new(max: u32) -> Self {
        let max = max as usize;
        let chunks = max.div_ceil(GATES_PER_CHUNK);
        assert!(chunks * GATES_PER_CHUNK >= max, "every index has a gate");
        Self { max, chunks: (0..chunks).map(|_| OnceLock::new()).collect() }
    }

    #[inline]
    fn get(&self, index: u32) -> Option<&Gate> {
        let index = index as usize;
        let chunk = self.chunks.get(index / GATES_PER_CHUNK)?.get()?;
        debug_assert!(chunk.len() <= GATES_PER_CHUNK, "a chunk is made whole");
        chunk.get(index % GATES_PER_CHUNK)
    }

    fn get_or_make(&self, index: u32) -> &Gate {
        let index = index as usize;
        assert!(index < self.max, "{index} is beyond the limit");
        let chunk = index / GATES_PER_CHUNK;
        // No id is beyond the limit, so the last chunk ends there.
        let gates = (self.max - chunk * GATES_PER_CHUNK).min(GATES_PER_CHUNK);
        assert!(index % GATES_PER_CHUNK < gates, "{index} is in no chunk");
        let chunk =
            self.chunks[chunk].get_or_init(|| (0..gates).map(|_| Gate::default()).collect());
        &chunk[index % GATES_PER_CHUNK]
    }
}

/// No code panics while it holds these locks, but a panic elsewhere must not spread through them.
fn lock(mutex: &Mutex<Allocator>) -> MutexGuard<'_, Allocator> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_generation_wraps_past_zero() {
        let config = Config { first_generation: u32::MAX - 1, ..Config::default() };
        let directory = Directory::new(config).unwrap();
        let mut seen = Vec::new();
        for _ in 0..5 {
            let id = directory.take_socket(GateKind::Stream).unwrap();
            assert!(!seen.contains(&id.to_bits()), "{id} was issued before");
            assert_ne!(id.to_bits(), 0);
            seen.push(id.to_bits());
            directory.free_socket(id);
            assert!(!directory.is_alive(id));
        }
    }

    #[test]
    fn at_the_limit_no_id_is_taken() {
        let directory = Directory::new(Config { sockets_max: 2, ..Config::default() }).unwrap();
        let first = directory.take_socket(GateKind::Stream).unwrap();
        directory.take_socket(GateKind::Listener).unwrap();
        assert_eq!(directory.take_socket(GateKind::Stream), None);
        directory.free_socket(first);
        assert!(directory.take_socket(GateKind::Stream).is_some());
        assert_eq!(directory.sockets_used(), 2);
    }

    #[test]
    fn ids_never_issued_are_stale() {
        let directory = Directory::new(Config::default()).unwrap();
        for bits in [1 << 32, u64::MAX, (1 << 32) + 70_000] {
            assert!(!directory.is_alive(SocketId::from_bits(bits).unwrap()));
        }
        assert!(!directory.is_service_alive(ServiceId::from_bits(1 << 32).unwrap()));
    }
}
