//! The state that the Mux and every service share: who is alive, and how much is queued.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::PoisonError;

use crate::allocator::Allocator;
use crate::charge::Total;
use crate::gate::{ChargeLimits, Gate, GateKind};
use crate::gates::Gates;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::{Config, ConfigError, Endpoint, OpenError, SHARDS_MAX, ServiceId, SocketId};

/// The state that the Mux and every service share: ids, gates, the total charge, and the stop flag.
///
/// One per runtime, in an `Arc`. Services use it through `Net`, so that what a command answers
/// is the same on the network thread, on a worker and in the simulator.
///
/// A runtime has one Mux or several, its *shards*: each has sockets of its own, of which at most
/// its part of `sockets_max` at a time, and all of them know every service.
#[derive(Debug)]
pub struct Directory {
    config: Config,
    limits: ChargeLimits,
    /// By shard.
    sockets: Box<[Mutex<Allocator>]>,
    services: Mutex<Allocator>,
    /// By index of the service: how many still know it, of those that must forget it before its
    /// index names another. One Mux, or each of several and what holds the mailboxes.
    service_holders: Mutex<Vec<u32>>,
    gates: Gates,
    total: Total,
    /// Sends that were refused because their socket was gone or ending. Counted here, since no Mux
    /// hears of them.
    stale_sends: AtomicU64,
    stopped: AtomicBool,
}

impl Directory {
    /// Builds the shared part of a runtime.
    ///
    /// # Errors
    /// The contradiction, if two limits of the configuration contradict.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Self::with_shards(config, 1)
    }

    /// Builds the shared part of a runtime of several Muxes. Each has an equal part of
    /// `sockets_max`.
    ///
    /// # Errors
    /// The contradiction, if two limits of the configuration contradict, or if there are no shards,
    /// more than [`SHARDS_MAX`], or more than sockets.
    pub fn with_shards(config: Config, shards: u32) -> Result<Self, ConfigError> {
        config.validate()?;
        if shards == 0 {
            return Err(ConfigError::Zero { name: "shards" });
        }
        let bounds = [("SHARDS_MAX", SHARDS_MAX), ("sockets_max", config.sockets_max)];
        for (upper, bound) in bounds {
            if shards > bound {
                let (lower_value, upper_value) = (shards.into(), bound.into());
                return Err(ConfigError::Contradiction {
                    lower: "shards",
                    lower_value,
                    upper,
                    upper_value,
                });
            }
        }
        let generation =
            NonZeroU32::new(config.first_generation).expect("a valid configuration begins at one");
        // What does not divide evenly goes to the first ones.
        let part =
            |shard| config.sockets_max / shards + u32::from(shard < config.sockets_max % shards);
        let allocators =
            (0..shards).map(|shard| Mutex::new(Allocator::new(part(shard), generation)));
        assert_eq!((0..shards).map(part).sum::<u32>(), config.sockets_max, "a place is nobody's");
        let limits = ChargeLimits {
            socket: config.outbox_bytes_max,
            total: config.total_bytes_max,
            datagram: config.datagram_bytes_max,
        };
        Ok(Self {
            limits,
            sockets: allocators.collect(),
            services: Mutex::new(Allocator::new(config.services_max, NonZeroU32::MIN)),
            service_holders: Mutex::default(),
            gates: Gates::new(part(0), shards),
            total: Total::default(),
            stale_sends: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            config,
        })
    }

    /// The configuration.
    #[inline]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the number of Muxes of the runtime.
    #[inline]
    pub fn shards(&self) -> u32 {
        debug_assert_eq!(self.gates.shards, self.sockets.len(), "gates for others' sockets");
        self.gates.shards as u32
    }

    /// The shard that tells a service what is about no socket: its timers, what is posted to it,
    /// `Info` and `Exit`.
    #[inline]
    pub fn home_of(&self, service: ServiceId) -> u32 {
        let home = service.index() % self.shards();
        debug_assert!(home < self.shards(), "{service} is at home nowhere");
        home
    }

    /// Returns `true` if the runtime is shutting down: nothing new is opened or spawned.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        assert!(self.is_stopped(), "nothing undoes a stop");
    }

    /// Returns `true` if `id` is alive: taken, and its `Close` not yet produced.
    pub fn is_alive(&self, id: SocketId) -> bool {
        self.gate(id).is_some_and(|gate| gate.is_alive(id))
    }

    /// Returns `true` if `id` names a living service.
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

    /// Sends that were refused with `Stale` or `Closing` since the start.
    pub fn stale_sends(&self) -> u64 {
        self.stale_sends.load(Ordering::Relaxed)
    }

    pub(crate) fn count_stale_send(&self) {
        let before = self.stale_sends.fetch_add(1, Ordering::Relaxed);
        assert!(before < u64::MAX, "more sends than there can have been");
    }

    /// Returns the number of socket ids that are taken, those offered to `accept` included.
    pub fn sockets_used(&self) -> usize {
        let used = self.sockets.iter().map(|shard| lock(shard).taken.len()).sum();
        assert!(used <= self.config.sockets_max as usize, "{used} sockets exceed their limit");
        used
    }

    /// Takes an id for a new service; `None` if `services_max` are alive. Drivers use it to spawn
    /// from outside: `Command::Spawn` must follow.
    pub fn take_service(&self) -> Option<ServiceId> {
        let (index, generation) = lock(&self.services).take()?;
        assert!(index < self.config.services_max, "service {index} is beyond the limit");
        if self.shards() > 1 {
            let mut holders = lock(&self.service_holders);
            if holders.len() <= index as usize {
                holders.resize(index as usize + 1, 0);
            }
            assert_eq!(holders[index as usize], 0, "somebody still knows service {index}");
            holders[index as usize] = self.shards() + 1;
        }
        Some(ServiceId::new(index, generation))
    }

    /// One of those that know a service has forgotten it; the last one gives the id back.
    pub(crate) fn free_service(&self, id: ServiceId) {
        if self.shards() > 1 {
            let mut holders = lock(&self.service_holders);
            let left = &mut holders[id.index() as usize];
            assert!(*left > 0, "{id} is forgotten twice");
            assert!(*left <= self.shards() + 1, "{id} is known by more than there are");
            *left -= 1;
            if *left > 0 {
                return;
            }
        }
        lock(&self.services).free(id.index(), id.generation());
        debug_assert!(!self.is_service_alive(id), "{id} survived its end");
    }

    /// Takes an id for a listener at `at`, and one of every other Mux for its part of it, if it has
    /// parts. Drivers use it for listeners that code outside services opens: `Command::Listen` must
    /// follow.
    ///
    /// # Errors
    /// At `sockets_max`, of one Mux where each has a part, and while the runtime stops.
    pub fn take_listener(
        &self,
        owner: ServiceId,
        at: &Endpoint,
    ) -> Result<(SocketId, Vec<SocketId>), OpenError> {
        if self.is_stopped() {
            return Err(OpenError::Stopped);
        }
        let is_shared = self.shards() > 1 && matches!(at, Endpoint::Ip(_));
        let taken = match is_shared {
            true => self.reserve_everywhere(owner),
            false => self.take_socket(GateKind::Listener, owner, None).map(|id| (id, Vec::new())),
        };
        let (id, parts) = taken.ok_or(OpenError::LimitReached)?;
        if is_shared {
            self.open_reserved(id, GateKind::Listener);
        }
        let admits = self.gate(id).is_some_and(|gate| gate.is_open(id));
        assert!(!admits, "{id} listens and admits sends");
        assert!(!is_shared || parts.len() + 1 == self.sockets.len(), "{id} misses a part");
        Ok((id, parts))
    }

    /// Takes an id of every Mux, that of the owner's home first; none if one has no place left.
    fn reserve_everywhere(&self, owner: ServiceId) -> Option<(SocketId, Vec<SocketId>)> {
        // Looked at before any is taken: an id that was taken for a moment would be missed by
        // whoever accepts in that moment, and waits then for one to be given back.
        let mut all: Vec<_> = self.sockets.iter().map(lock).collect();
        if all.iter().any(|sockets| sockets.is_full()) {
            return None;
        }
        let mut take = |shard: u32| {
            let (place, generation) = all[shard as usize].take().expect("a place is left");
            SocketId::of_shard(shard, place, generation)
        };
        let home = self.home_of(owner);
        let id = take(home);
        let parts: Vec<_> = (0..self.shards()).filter(|shard| *shard != home).map(take).collect();
        assert!(parts.iter().all(|part| part.shard() != id.shard()), "{id} has two parts here");
        Some((id, parts))
    }

    /// Takes an id for a new socket; `None` at `sockets_max`. It is of the shard that the owner
    /// runs on, if it runs on one, else of the one that has the fewest sockets. If that shard is
    /// full, it is of another one.
    pub(crate) fn take_socket(
        &self,
        kind: GateKind,
        owner: ServiceId,
        runs_on: Option<u32>,
    ) -> Option<SocketId> {
        let shards = self.shards();
        let first = match (kind, runs_on) {
            _ if shards == 1 => 0,
            // It says of itself what it says where its owner is at home.
            (GateKind::Listener, _) => self.home_of(owner),
            (_, Some(shard)) => shard,
            (_, None) => self.emptiest(),
        };
        assert!(first < shards, "shard {first} of {shards}");
        let mut order = (first..shards).chain(0..first);
        let id = order.find_map(|shard| self.reserve_socket(shard))?;
        self.open_reserved(id, kind);
        assert!(self.is_alive(id), "{id} was just born");
        Some(id)
    }

    /// The shard that has the fewest sockets.
    fn emptiest(&self) -> u32 {
        let used = self.sockets.iter().map(|shard| lock(shard).taken.len());
        let (shard, _) = (0..).zip(used).min_by_key(|(_, used)| *used).expect("there is one");
        assert!(shard < self.shards(), "shard {shard} is not there");
        shard
    }

    /// Takes an id of a shard that is not alive yet, to offer it to `accept`; `None` if the shard
    /// has all the sockets that it may have.
    pub(crate) fn reserve_socket(&self, shard: u32) -> Option<SocketId> {
        let (place, generation) = lock(&self.sockets[shard as usize]).take()?;
        assert!(place < self.config.sockets_max, "socket {place} is beyond the limit");
        let id = SocketId::of_shard(shard, place, generation);
        assert!(!self.is_alive(id), "{id} lives before it is born");
        Some(id)
    }

    /// A reserved id comes to life.
    pub(crate) fn open_reserved(&self, id: SocketId, kind: GateKind) {
        debug_assert!(self.is_taken(id), "{id} was not reserved");
        self.gates.get_or_make(id).birth(id, kind);
    }

    /// A reserved id that never came to life is given back.
    pub(crate) fn free_reserved(&self, id: SocketId) {
        assert!(!self.is_alive(id), "{id} is alive, not reserved");
        lock(&self.sockets[id.shard() as usize]).free(id.place(), id.generation());
    }

    /// Gives an id back; from now on it is stale.
    pub(crate) fn free_socket(&self, id: SocketId) {
        let gate = self.gate(id).expect("a taken id has a gate");
        assert_eq!(gate.charged_bytes(), 0, "{id} is given back with a charge");
        gate.kill(id);
        lock(&self.sockets[id.shard() as usize]).free(id.place(), id.generation());
        assert!(!self.is_alive(id), "{id} survived its end");
    }

    /// Returns `true` if the id is taken: alive, or offered to `accept`.
    pub(crate) fn is_taken(&self, id: SocketId) -> bool {
        let shard = self.sockets.get(id.shard() as usize);
        shard.is_some_and(|shard| lock(shard).is_current(id.place(), id.generation()))
    }

    /// Checks every invariant, in time proportional to the ids of the shard that were ever taken.
    ///
    /// # Panics
    /// If one is broken.
    pub(crate) fn check_invariants(&self, shard: u32) {
        let sockets = lock(&self.sockets[shard as usize]);
        sockets.check();
        lock(&self.services).check();
        for (index, generation) in sockets.generations.iter().enumerate() {
            let is_taken = sockets.taken.contains(index);
            let place = u32::try_from(index).expect("an index has 32 bits");
            let id = SocketId::of_shard(shard, place, *generation);
            // A place that was only ever offered to `accept` has no gate.
            let Some(gate) = self.gate(id) else { continue };
            assert!(is_taken || !gate.is_alive(id), "{id} lives and may be issued again");
            assert!(is_taken || !gate.has_announced(), "a send is on its way to nobody");
            assert!(is_taken || gate.charged_bytes() == 0, "{index} is free and has a charge");
            let limit = self.config.outbox_bytes_max;
            assert!(gate.charged_bytes() <= limit, "{id} is over its limit");
        }
    }

    /// Adds to `state` who is alive, which ids come next, and every gate.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) {
        // A configuration does not change.
        // Nothing depends on what is only counted.
        let Self {
            config: _, limits: _, stale_sends: _, sockets, services, service_holders, ..
        } = self;
        let Self { gates, total, stopped, .. } = self;
        let services = lock(services);
        assert!(services.taken.len() <= services.max as usize, "more services than there may be");
        for (shard, sockets) in (0..).zip(sockets) {
            let sockets = lock(sockets);
            assert!(sockets.taken.len() <= sockets.max as usize, "more sockets than there may be");
            sockets.fingerprint(state);
            for place in 0..sockets.generations.len() {
                let place = u32::try_from(place).expect("an index has 32 bits");
                gates.get(shard, place).map(Gate::words).hash(state);
            }
        }
        services.fingerprint(state);
        lock(service_holders).hash(state);
        assert!(total.bytes() <= self.config.total_bytes_max, "the total exceeds its limit");
        total.bytes().hash(state);
        stopped.load(Ordering::Acquire).hash(state);
    }

    /// The gate at the id's place, if that place was ever used.
    #[inline]
    pub(crate) fn gate(&self, id: SocketId) -> Option<&Gate> {
        self.gates.get(id.shard(), id.place())
    }

    #[inline]
    pub(crate) fn total(&self) -> &Total {
        &self.total
    }

    #[inline]
    pub(crate) fn charge_limits(&self) -> &ChargeLimits {
        &self.limits
    }
}

/// No code panics while it holds these locks, but a panic elsewhere must not spread through them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn owner() -> ServiceId {
        ServiceId::new(0, NonZeroU32::MIN)
    }

    #[test]
    fn the_generation_wraps_past_zero() {
        let config = Config { first_generation: u32::MAX - 1, ..Config::default() };
        let directory = Directory::new(config).unwrap();
        let mut seen = Vec::new();
        for _ in 0..5 {
            let id = directory.take_socket(GateKind::Stream, owner(), None).unwrap();
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
        let first = directory.take_socket(GateKind::Stream, owner(), None).unwrap();
        directory.take_socket(GateKind::Listener, owner(), None).unwrap();
        assert_eq!(directory.take_socket(GateKind::Stream, owner(), None), None);
        directory.free_socket(first);
        assert!(directory.take_socket(GateKind::Stream, owner(), None).is_some());
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

    #[test]
    fn each_shard_has_its_part_of_the_sockets() {
        let config = Config { sockets_max: 5, ..Config::default() };
        let directory = Directory::with_shards(config, 2).unwrap();
        let take =
            |near| directory.take_socket(GateKind::Stream, owner(), near).map(SocketId::shard);
        assert_eq!([take(None), take(None), take(None)], [Some(0), Some(1), Some(0)]);
        assert_eq!(take(Some(1)), Some(1), "where it was asked for");
        assert_eq!(take(Some(1)), Some(0), "that shard is full");
        assert_eq!((take(Some(1)), take(None)), (None, None));
        assert_eq!(directory.sockets_used(), 5);
        // A place that only the larger shard has is no other's.
        for (shard, place) in [(1, 2), (0, 3), (2, 0), (SHARDS_MAX - 1, 0)] {
            let id = SocketId::of_shard(shard, place, NonZeroU32::MIN);
            assert!(!directory.is_alive(id) && !directory.is_taken(id), "{id}");
        }
    }

    #[test]
    fn a_service_is_forgotten_when_all_have() {
        let directory = Directory::with_shards(Config::default(), 3).unwrap();
        let service = directory.take_service().unwrap();
        for _ in 0..3 {
            directory.free_service(service);
            assert!(directory.is_service_alive(service), "the mailboxes know it still");
        }
        directory.free_service(service);
        assert!(!directory.is_service_alive(service));
    }

    #[test]
    fn shards_that_cannot_be_are_refused() {
        let shards = |shards| {
            let config = Config { sockets_max: 8, ..Config::default() };
            Directory::with_shards(config, shards).map(|directory| directory.shards())
        };
        assert_eq!(shards(8), Ok(8));
        assert_eq!(shards(0), Err(ConfigError::Zero { name: "shards" }));
        let text = shards(9).unwrap_err().to_string();
        assert!(text.contains("shards (9)") && text.contains("sockets_max (8)"), "{text}");
        let text = shards(65).unwrap_err().to_string();
        assert!(text.contains("shards (65)") && text.contains("(64)"), "{text}");
    }
}
