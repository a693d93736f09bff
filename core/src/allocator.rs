//! Indices that are taken and given back.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use slab::Slab;

/// Indices on a slab, and how often each was taken.
#[derive(Debug)]
pub(crate) struct Allocator {
    pub(crate) taken: Slab<()>,
    /// The generation that the next id at each index gets, or that the living one has.
    pub(crate) generations: Vec<NonZeroU32>,
    first_generation: NonZeroU32,
    pub(crate) max: u32,
}

impl Allocator {
    pub(crate) fn new(max: u32, first_generation: NonZeroU32) -> Self {
        assert!(max > 0, "a valid configuration admits at least one");
        assert!(first_generation.get() > 0 && max < u32::MAX, "an id would be all ones");
        Self { taken: Slab::new(), generations: Vec::new(), first_generation, max }
    }

    /// Whether nothing can be taken.
    pub(crate) fn is_full(&self) -> bool {
        assert!(self.taken.len() <= self.max as usize, "more are taken than there may be");
        self.taken.len() == self.max as usize
    }

    pub(crate) fn take(&mut self) -> Option<(u32, NonZeroU32)> {
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

    pub(crate) fn free(&mut self, index: u32, generation: NonZeroU32) {
        assert!(self.is_current(index, generation), "{index}.{generation} is freed twice");
        self.taken.remove(index as usize);
        // After the last generation comes the first: zero is no generation.
        self.generations[index as usize] = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        assert!(!self.is_current(index, generation), "{index}.{generation} outlives its end");
    }

    pub(crate) fn fingerprint<H: Hasher>(&self, state: &mut H) {
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

    pub(crate) fn check(&self) {
        assert!(self.taken.len() <= self.max as usize, "more ids are taken than there may be");
        assert!(self.taken.len() <= self.generations.len(), "an id without a generation");
        assert!(self.generations.len() <= self.max as usize, "an index beyond the limit");
        let last = self.taken.iter().next_back().map(|(index, ())| index);
        let has_generation = last.is_none_or(|last| last < self.generations.len());
        assert!(has_generation, "{last:?} is taken and has no generation");
    }

    pub(crate) fn is_current(&self, index: u32, generation: NonZeroU32) -> bool {
        let is_taken = self.taken.contains(index as usize);
        let current = self.generations.get(index as usize);
        debug_assert!(!is_taken || current.is_some(), "{index} was taken without a generation");
        is_taken && current == Some(&generation)
    }
}
