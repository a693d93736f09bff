//! The streams that workers write themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tidelock_core::{Answer, Fault, Outbox, SocketId};

use crate::stream::SharedStream;

/// The streams that workers write themselves, by index of their ids.
///
/// Who writes one has the right to from its gate, and for so long the Mux does not close it. A
/// writer holds the stream only inside of [`write`](Self::write), so before it gives the right
/// back: what the network thread takes out here is its own alone, and the descriptor's number is
/// given away again only after that.
#[derive(Debug)]
pub(crate) struct Remote {
    /// How many each shard may have.
    places_max: usize,
    chunks_per_shard: usize,
    /// In chunks that never move, so that workers may look while the table grows: those of the
    /// first shard, then those of the next one.
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

/// What workers wrote themselves since the start; see
/// [`Config::direct_write`](tidelock_core::Config::direct_write).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectWriteStats {
    /// Calls of the system, each with all that one batch sent to one socket.
    pub writes: u64,
    /// Payload bytes that the system took in them.
    pub bytes: u64,
    /// Messages that they finished.
    pub messages: u64,
    /// Writes of which something was left for the network thread, those that failed not counted:
    /// the peer reads too slowly, or the stream is an adopted one.
    pub handed_over: u64,
    /// Writes that failed.
    pub failed: u64,
}

impl Remote {
    /// An empty one, for at most `sockets_max` sockets in equal parts.
    pub(crate) fn new(sockets_max: u32, shards: u32) -> Self {
        let places_max = sockets_max.div_ceil(shards) as usize;
        let chunks_per_shard = places_max.div_ceil(PLACES_PER_CHUNK);
        let chunks = (0..chunks_per_shard * shards as usize).map(|_| OnceLock::new()).collect();
        Self { places_max, chunks_per_shard, chunks, counters: Counters::default() }
    }

    /// A stream is there. Called by the network thread, before the Mux hears of it.
    pub(crate) fn insert(&self, id: SocketId, stream: Arc<SharedStream>) {
        let (chunk, at) = self.position(id);
        let before_chunk = id.place() as usize - at;
        assert!(before_chunk + at < self.places_max, "{id} is beyond the limit");
        let chunk = self.chunks[chunk].get_or_init(|| {
            let places = (self.places_max - before_chunk).min(PLACES_PER_CHUNK);
            (0..places).map(|_| Place::default()).collect()
        });
        let before = lock(&chunk[at]).replace((id, stream));
        assert!(before.is_none(), "the place of {id} is taken");
    }

    /// A stream goes. Called by the network thread when nobody writes it.
    pub(crate) fn remove(&self, id: SocketId) {
        let place = self.place(id).expect("a stream that was shared has a place");
        let taken = lock(place).take();
        assert!(taken.is_some_and(|(found, _)| found == id), "{id} was not shared");
    }

    /// Writes a stream that the caller has the right to write, with one call of the system.
    /// `Later` if it is not here: an adopted one is written by the network thread alone, which
    /// restores how its descriptor was.
    pub(crate) fn write(&self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
        let stream = self.place(id).and_then(|place| {
            // Not for longer: the network thread waits for it.
            let place = lock(place);
            let (found, stream) = place.as_ref()?;
            assert_eq!(*found, id, "another stream stands in the place of one that is written");
            Some(Arc::clone(stream))
        });
        let messages = unsent.messages();
        let answer = match stream {
            Some(stream) => stream.write(unsent),
            None => Answer::Later,
        };
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

    /// The counters now.
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

    /// Where a stream is: the chunk, and the place in it.
    fn position(&self, id: SocketId) -> (usize, usize) {
        let (shard, place) = (id.shard() as usize, id.place() as usize);
        (shard * self.chunks_per_shard + place / PLACES_PER_CHUNK, place % PLACES_PER_CHUNK)
    }
}

/// Nothing panics under the lock but a broken assumption, which ends the process.
fn lock(place: &Place) -> MutexGuard<'_, Option<(SocketId, Arc<SharedStream>)>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
