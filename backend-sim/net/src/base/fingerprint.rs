//! A hash of 128 bits of what a world is: two worlds with the same one go on alike.

use std::hash::Hasher;

/// Takes in what derived [`Hash`](std::hash::Hash)es give, the same on every machine.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    state: u128,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self { state: 0x6a09_e667_f3bc_c908_bb67_ae85_84ca_a73b }
    }
}

/// Odd, and its bits are those of a fraction without a pattern.
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

impl Fingerprint {
    /// Returns the hash of all that was taken in.
    pub fn finish_wide(&self) -> u128 {
        let state = (self.state ^ self.state >> 59).wrapping_mul(FACTOR);
        state ^ state >> 67
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.finish_wide() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for block in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..block.len()].copy_from_slice(block);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_u64(bytes.len() as u64);
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        // Each step can be undone, so nothing that was taken in before is lost.
        let state = (self.state ^ u128::from(word)).wrapping_mul(FACTOR);
        self.state = state ^ state >> 67;
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

/// A time that is over is as any other that is.
pub fn still_to_come(at_nanos: u64, now: u64) -> u64 {
    if at_nanos <= now { 0 } else { at_nanos }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash;

    use super::*;

    fn of(value: impl Hash) -> u128 {
        let mut state = Fingerprint::default();
        value.hash(&mut state);
        state.finish_wide()
    }

    #[test]
    fn each_bit_and_each_border_counts() {
        let mut seen = std::collections::BTreeSet::new();
        for bit in 0..64 {
            assert!(seen.insert(of(1_u64 << bit)), "{bit}");
            assert!(seen.insert(of((0_u64, 1_u64 << bit))), "{bit}");
        }
        assert_ne!(of((&b"ab"[..], &b"c"[..])), of((&b"a"[..], &b"bc"[..])));
        assert_ne!(of(Some(0_u64)), of(None::<u64>));
        assert_ne!(of([0_u8; 7]), of([0_u8; 8]));
        assert_eq!(of((1_u32, "echo")), of((1_u32, "echo")));
    }

    #[test]
    fn what_is_over_counts_no_more() {
        assert_eq!(still_to_come(7, 7), still_to_come(3, 7));
        assert_eq!(still_to_come(8, 7), 8);
    }
}
