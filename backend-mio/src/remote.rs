//! The table of streams that workers write themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tidelock_core::{Answer, Fault, Outbox, SocketId};

use crate::stream::SharedStream;

/// The streams that workers write themselves, by the index of their ids.
///
/// A worker writes a stream only with a permit from its gate, and the Mux does not close the stream
/// until the permit is back. The worker drops its reference to the stream inside
/// [`write`](Self::write), before it gives the permit back. So when the network thread removes a
/// stream from this table, it has the only reference: the descriptor is closed by that thread, and
/// its number is not used again while a worker could still write to it.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The number of places of each shard.
    places_max: usize,
    chunks_per_shard: usize,
    /// The places in chunks: those of the first shard, then those of the next. A chunk never moves,
    /// so that workers can look up a stream without a lock while the table grows.
    chunks: Box<[OnceLock<Box<[Place]>>]>,
    counters: Counters,
}

type Place = Mutex<Option<(SocketId, Arc<SharedStream>)>>;

const PLACES_PER_CHUNK: usize = 256;

#[derive(Debug, Default)]
struct Counters {
    writes: AtomicU64,
    bytes: AtomicU64,
    messages: AtomicU64,
    handed_over: AtomicU64,
    failed: AtomicU64,
}

/// The counters of the writes that workers did themselves since the start; see
/// [`Config::direct_write`](tidelock_core::Config::direct_write).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectWriteStats {
    /// Writes, each of everything that one batch sent to one socket.
    pub writes: u64,
    /// Payload bytes that the system accepted in them.
    pub bytes: u64,
    /// Messages that they finished.
    pub messages: u64,
    /// Writes that left something for the network thread, other than failed ones: the peer reads
    /// too slowly, or the stream is adopted.
    pub handed_over: u64,
    /// Writes that failed.
    pub failed: u64,
}

impl Remote {
    /// Creates an empty table for at most `sockets_max` sockets, shared by the shards in equal
    /// parts.
    pub(crate) fn new(sockets_max: u32, shards: u32) -> Self {
        let places_max = sockets_max.div_ceil(shards) as usize;
        let chunks_per_shard = places_max.div_ceil(PLACES_PER_CHUNK);
        let chunks = (0..chunks_per_shard * shards as usize).map(|_| OnceLock::new()).collect();
        Self { places_max, chunks_per_shard, chunks, counters: Counters::default() }
    }

    /// Adds a stream. The network thread calls it before it tells the Mux that the stream is open,
    /// so that no worker can get a permit for a stream that is not here yet.
    pub(crate) fn insert(&self, id: SocketId, stream: Arc<SharedStream>) {
        let (chunk, at) = self.position(id);
        let before_chunk = id.place() as usize - at;
        assert!(before_chunk + at < self.places_max, "{id}: no such place of {}", self.places_max);
        let chunk = self.chunks[chunk].get_or_init(|| {
            let places = (self.places_max - before_chunk).min(PLACES_PER_CHUNK);
            (0..places).map(|_| Place::default()).collect()
        });
        let before = lock(&chunk[at]).replace((id, stream));
        assert!(before.is_none(), "{id} was added while {before:?} is in its place");
    }

    /// Removes a stream. The network thread calls it while no worker has a permit for it.
    pub(crate) fn remove(&self, id: SocketId) {
        let place = self.place(id).expect("a stream that was shared has a place");
        let taken = lock(place).take();
        let found = taken.map(|(found, _)| found);
        assert_eq!(found, Some(id), "the stream in the place of {id}");
    }

    /// Writes a stream, for which the caller has the permit, with one system call. Answers `Later`
    /// if the stream is not here: only the network thread writes an adopted one, because it has to
    /// restore the mode of its open file at the close.
    pub(crate) fn write(&self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
        let stream = self.place(id).and_then(|place| {
            // The lock is not held during the system call: the network thread may wait for it.
            let place = lock(place);
            let (found, stream) = place.as_ref()?;
            assert_eq!(*found, id, "a permit was given out for a stream whose place is used again");
            Some(Arc::clone(stream))
        });
        let messages = unsent.messages();
        let answer = match stream {
            Some(stream) => stream.write(unsent),
            None => Answer::Later,
        };
        // The counters are for operators only; nothing is decided by them, so they need no order.
        let add = |counter: &AtomicU64, count| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.counters.writes, 1);
        add(&self.counters.messages, (messages - unsent.messages()) as u64);
        match answer {
            Answer::Ready(Ok(count)) => add(&self.counters.bytes, count as u64),
            Answer::Ready(Err(_)) => add(&self.counters.failed, 1),
            Answer::Later => 0,
        };
        if !unsent.is_empty() && !matches!(answer, Answer::Ready(Err(_))) {
            add(&self.counters.handed_over, 1);
        }
        answer
    }

    /// Returns the current counters.
    pub(crate) fn stats(&self) -> DirectWriteStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DirectWriteStats {
            writes: read(&self.counters.writes),
            bytes: read(&self.counters.bytes),
            messages: read(&self.counters.messages),
            handed_over: read(&self.counters.handed_over),
            failed: read(&self.counters.failed),
        }
    }

    fn place(&self, id: SocketId) -> Option<&Place> {
        let (chunk, at) = self.position(id);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    /// Returns the chunk of a stream, and its place in the chunk.
    fn position(&self, id: SocketId) -> (usize, usize) {
        let (shard, place) = (id.shard() as usize, id.place() as usize);
        (shard * self.chunks_per_shard + place / PLACES_PER_CHUNK, place % PLACES_PER_CHUNK)
    }
}

/// Locks a place. Only a broken assertion can panic under the lock, and that ends the process, so a
/// poisoned lock is no reason for another panic.
fn lock(place: &Place) -> MutexGuard<'_, Option<(SocketId, Arc<SharedStream>)>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
