//! Allocation of the indices and generations that ids consist of.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use slab::Slab;

/// A slab of indices, each with the generation that tells its successive holders apart.
#[derive(Debug)]
pub(crate) struct Allocator {
    pub(crate) taken: Slab<()>,
    /// The generation of the id that holds each index, or of the next one where the index is free.
    pub(crate) generations: Vec<NonZeroU32>,
    first_generation: NonZeroU32,
    pub(crate) max: u32,
}

impl Allocator {
    pub(crate) fn new(max: u32, first_generation: NonZeroU32) -> Self {
        // No id may be all ones: tidelock-mio wakes its poller by that token.
        assert!((1..u32::MAX).contains(&max), "a limit of {max} indices is zero or too large");
        Self { taken: Slab::new(), generations: Vec::new(), first_generation, max }
    }

    /// Returns `true` if every index is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.len() == self.max as usize
    }

    /// Takes the index that was freed last, or a new one if none is free.
    pub(crate) fn take(&mut self) -> Option<(u32, NonZeroU32)> {
        if self.taken.len() >= self.max as usize {
            return None;
        }
        let index = self.taken.insert(());
        if index == self.generations.len() {
            self.generations.push(self.first_generation);
        }
        assert!(index < self.max as usize, "index {index} was issued with a limit of {}", self.max);
        Some((index as u32, self.generations[index]))
    }

    /// Gives an index back. Ids of this generation are stale from now on.
    pub(crate) fn free(&mut self, index: u32, generation: NonZeroU32) {
        assert!(self.is_current(index, generation), "{index}.{generation} was freed twice");
        self.taken.remove(index as usize);
        // The generation wraps around to one: zero would make an id's bits look like no id at all.
        self.generations[index as usize] = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
    }

    pub(crate) fn fingerprint<H: Hasher>(&self, state: &mut H) {
        self.generations.hash(state);
        // A slab shows the order of its free list only by handing the indices out.
        let mut next = self.taken.clone();
        while next.len() < self.generations.len() {
            next.insert(()).hash(state);
        }
    }

    pub(crate) fn check(&self) {
        let (taken, issued) = (self.taken.len(), self.generations.len());
        assert!(taken <= issued, "{taken} indices are taken, {issued} have a generation");
        assert!(issued <= self.max as usize, "{issued} indices with a limit of {}", self.max);
        let last = self.taken.iter().next_back().map(|(index, ())| index);
        assert!(last.is_none_or(|last| last < issued), "index {last:?} has no generation");
    }

    /// Returns `true` if the index is taken, and was taken in this generation.
    pub(crate) fn is_current(&self, index: u32, generation: NonZeroU32) -> bool {
        let current = self.generations.get(index as usize);
        self.taken.contains(index as usize) && current == Some(&generation)
    }
}
