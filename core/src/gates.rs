//! The gates of all sockets.

use std::sync::OnceLock;

use crate::SocketId;
use crate::gate::Gate;

/// Gates in chunks that never move, so that other threads may look while the table grows.
#[derive(Debug)]
pub(crate) struct Gates {
    /// The number that each shard may have.
    places_max: usize,
    pub(crate) shards: usize,
    chunks_per_shard: usize,
    /// Those of the first shard, then those of the next one.
    chunks: Box<[OnceLock<Box<[Gate]>>]>,
}

/// So few that a directory of a handful of sockets is small and quickly made.
const GATES_PER_CHUNK: usize = 64;

impl Gates {
    pub(crate) fn new(places_max: u32, shards: u32) -> Self {
        let (places_max, shards) = (places_max as usize, shards as usize);
        let chunks_per_shard = places_max.div_ceil(GATES_PER_CHUNK);
        assert!(chunks_per_shard * GATES_PER_CHUNK >= places_max, "every index has a gate");
        let chunks = (0..shards * chunks_per_shard).map(|_| OnceLock::new()).collect();
        assert!(shards > 0 && places_max > 0, "a runtime has a place for a socket");
        Self { places_max, shards, chunks_per_shard, chunks }
    }

    /// Where a place's gate is, if there is such a place: the chunk, and the gate in it.
    #[inline]
    fn position(&self, shard: u32, place: u32) -> Option<(usize, usize)> {
        let (shard, place) = (shard as usize, place as usize);
        // Whoever made an id up may have made one of another shard's place of it.
        let is_there = place < self.places_max && shard < self.shards;
        let chunk = shard * self.chunks_per_shard + place / GATES_PER_CHUNK;
        debug_assert!(!is_there || chunk < self.chunks.len(), "{shard}/{place} is in no chunk");
        is_there.then_some((chunk, place % GATES_PER_CHUNK))
    }

    #[inline]
    pub(crate) fn get(&self, shard: u32, place: u32) -> Option<&Gate> {
        let (chunk, at) = self.position(shard, place)?;
        let chunk = self.chunks[chunk].get()?;
        debug_assert!(chunk.len() <= GATES_PER_CHUNK, "a chunk is made whole");
        debug_assert!(at < chunk.len(), "{shard}/{place} is in no chunk");
        chunk.get(at)
    }

    pub(crate) fn get_or_make(&self, id: SocketId) -> &Gate {
        let position = self.position(id.shard(), id.place());
        let (chunk, at) = position.unwrap_or_else(|| panic!("{id} is beyond the limit"));
        // No id is beyond the limit, so the last chunk of a shard ends there.
        let before = id.place() as usize - at;
        let gates = (self.places_max - before).min(GATES_PER_CHUNK);
        assert!(at < gates, "{id} is in no chunk");
        let chunk =
            self.chunks[chunk].get_or_init(|| (0..gates).map(|_| Gate::default()).collect());
        assert_eq!(chunk.len(), gates, "a chunk is made whole");
        &chunk[at]
    }
}
