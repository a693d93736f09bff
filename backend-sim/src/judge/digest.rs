//! One number for a whole run.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A hash of a sequence of words, gathered in blocks. Little-endian and without `usize`, so that
/// it is the same on every machine.
#[derive(Clone, Debug)]
pub struct Digest {
    state: u64,
    /// In little-endian words.
    block: [[u8; 8]; BLOCK_WORDS],
    used: usize,
}

const BLOCK_WORDS: usize = 128;

impl Default for Digest {
    fn default() -> Self {
        Self { state: 0, block: [[0; 8]; BLOCK_WORDS], used: 0 }
    }
}

impl Digest {
    /// Adds a word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        if self.used == BLOCK_WORDS {
            self.fold();
        }
        self.block[self.used] = word.to_le_bytes();
        self.used += 1;
    }

    /// Adds two words.
    #[inline]
    pub fn pair(&mut self, one: u64, other: u64) {
        match self.block[self.used..].first_chunk_mut() {
            Some(pair) => {
                *pair = [one.to_le_bytes(), other.to_le_bytes()];
                self.used += 2;
            }
            None => [one, other].into_iter().for_each(|word| self.word(word)),
        }
    }

    /// Adds bytes: their length and their hash.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.pair(bytes.len() as u64, xxh3_64(bytes));
    }

    #[cold]
    fn fold(&mut self) {
        self.state = self.finish();
        self.used = 0;
    }

    /// The hash of everything so far.
    pub fn finish(&self) -> u64 {
        xxh3_64_with_seed(self.block[..self.used].as_flattened(), self.state)
    }
}

/// A hash of a sequence of bytes that does not depend on how it is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Joined {
    state: u64,
    carry: u64,
    length: u64,
}

impl Joined {
    /// Adds bytes.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        let missing = (8 - self.length % 8) % 8;
        let (head, rest) = bytes.split_at(bytes.len().min(missing as usize));
        head.iter().for_each(|byte| self.byte(*byte));
        let mut words = rest.chunks_exact(8);
        for word in &mut words {
            self.length += 8;
            self.fold(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        words.remainder().iter().for_each(|byte| self.byte(*byte));
    }

    fn byte(&mut self, byte: u8) {
        self.carry |= u64::from(byte) << (8 * (self.length % 8));
        self.length += 1;
        if self.length.is_multiple_of(8) {
            let word = std::mem::take(&mut self.carry);
            self.fold(word);
        }
    }

    fn fold(&mut self, word: u64) {
        self.state = (self.state ^ word).wrapping_mul(ODD).rotate_left(29);
    }

    /// The hash of everything so far.
    pub fn finish(&self) -> u64 {
        tidelock_net::base::mix::mix(self.state ^ self.carry.rotate_left(7), self.length)
    }
}

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_by_value_and_place() {
        let of = |words: &[u64]| {
            let mut digest = Digest::default();
            words.iter().for_each(|word| digest.word(*word));
            digest.finish()
        };
        let many: Vec<u64> = (0..1000).collect();
        let mut swapped = many.clone();
        swapped.swap(500, 501);
        assert_eq!(of(&many), of(&many));
        assert_ne!(of(&many), of(&swapped));
        assert_ne!(of(&many[..999]), of(&many));
        for first in [0, 1] {
            let mut paired = Digest::default();
            many[..first].iter().for_each(|word| paired.word(*word));
            many[first..].chunks(2).for_each(|words| match words {
                [one, other] => paired.pair(*one, *other),
                words => words.iter().for_each(|word| paired.word(*word)),
            });
            assert_eq!(paired.finish(), of(&many), "wherever a pair begins");
        }
    }

    #[test]
    fn joined_bytes_do_not_depend_on_their_cuts() {
        let bytes: Vec<u8> = (0..100).collect();
        for at in 0..100 {
            let (mut whole, mut parts) = (Joined::default(), Joined::default());
            whole.bytes(&bytes);
            parts.bytes(&bytes[..at]);
            assert_ne!(whole.finish(), parts.finish());
            parts.bytes(&bytes[at..]);
            assert_eq!(whole.finish(), parts.finish());
        }
    }
}
