//! Sets of small numbers: which cells, which pairs.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A set of numbers below a bound that never changes. Adding one is a store; nothing is allocated
/// after the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    words: Vec<u64>,
}

const BITS: usize = u64::BITS as usize;

impl Set {
    /// An empty set of numbers below `bound`.
    pub fn below(bound: usize) -> Set {
        Set { words: vec![0; bound.div_ceil(BITS)] }
    }

    /// Adds a number.
    #[inline]
    pub fn insert(&mut self, number: usize) {
        self.words[number / BITS] |= 1 << (number % BITS);
    }

    /// Returns `true` if the number is in it.
    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / BITS).is_some_and(|word| word >> (number % BITS) & 1 == 1)
    }

    /// Returns the number of numbers in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns `true` if none is.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Adds all of another; answers whether one of them was new.
    pub fn add(&mut self, other: &Set) -> bool {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        let mut new = 0;
        for (word, added) in self.words.iter_mut().zip(&other.words) {
            new |= added & !*word;
            *word |= added;
        }
        new != 0
    }

    /// Its numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.words.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| {
            (0..BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * BITS + bit)
        })
    }

    /// A hash of the set.
    pub fn hash(&self, seed: u64) -> u64 {
        let used = self.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        // A word and its place, so that most of the set, which is empty, costs nothing.
        self.words[..used].iter().enumerate().filter(|(_, word)| **word != 0).fold(
            seed,
            |state, (at, word)| {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&(at as u64).to_le_bytes());
                bytes[8..].copy_from_slice(&word.to_le_bytes());
                xxh3_64_with_seed(&bytes, state)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_added() {
        let mut set = Set::below(200);
        assert!(set.is_empty());
        [0, 63, 64, 199, 63].into_iter().for_each(|number| set.insert(number));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 199]);
        assert_eq!((set.len(), set.is_empty()), (4, false));
        assert!(set.contains(64) && !set.contains(65) && !set.contains(1_000_000));
    }

    #[test]
    fn adding_says_whether_something_was_new() {
        let mut sum = Set::default();
        let mut part = Set::below(100);
        assert!(!sum.add(&part), "nothing is nothing new");
        part.insert(70);
        assert!(sum.add(&part));
        assert!(!sum.add(&part));
        assert_eq!(sum.iter().collect::<Vec<_>>(), [70]);
    }

    #[test]
    fn the_hash_is_of_what_is_in_it() {
        let of = |numbers: &[usize]| {
            let mut set = Set::below(1000);
            numbers.iter().for_each(|number| set.insert(*number));
            set.hash(1)
        };
        assert_eq!(of(&[3, 900]), of(&[900, 3]));
        let others = [of(&[]), of(&[3]), of(&[900]), of(&[3, 899]), of(&[67, 900])];
        assert!(others.iter().all(|other| *other != of(&[3, 900])));
    }
}
