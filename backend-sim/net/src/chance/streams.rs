//! Independent streams of randomness for one world.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

/// The purpose of a stream; drawing more from one shifts nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Configuration and the swarm's choices.
    Options = 0,
    /// The operations that are asked from outside.
    Operations = 1,
    /// The faults of the world.
    Faults = 2,
    /// Decisions inside calls.
    Decisions = 3,
    /// Sizes and contents of clients' scripts.
    Stage = 4,
}

/// One stream, keyed by seed, scenario and purpose.
#[derive(Clone, Debug)]
pub struct Stream {
    chacha: ChaCha8Rng,
}

impl Stream {
    /// The stream of `purpose` in the world that `seed` and `scenario` name.
    pub fn new(seed: u64, scenario: &str, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&xxh3_64(scenario.as_bytes()).to_le_bytes());
        let mut chacha = ChaCha8Rng::from_seed(key);
        chacha.set_stream(purpose as u64);
        Self { chacha }
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        self.chacha.next_u32()
    }

    /// An even draw below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below zero");
        ((u128::from(self.chacha.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `of`.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A draw from `low..=high` in which each power of two is as likely as the next; `low ≥ 1`.
    pub fn log_uniform(&mut self, low: u64, high: u64) -> u64 {
        assert!(1 <= low && low <= high, "an empty range");
        let (first, last) = (low.ilog2(), high.ilog2());
        let exponent = first + self.below(u64::from(last - first) + 1) as u32;
        let from = low.max(1 << exponent);
        let to = if exponent == last { high } else { (2 << exponent) - 1 };
        from + self.below(to - from + 1)
    }

    /// A count until the next event of probability `2^-exponent` per trial: geometric, at least 1.
    pub fn countdown(&mut self, exponent: u32) -> u32 {
        // -ln(u) in units of 2^-16, by the position and the next 16 bits of u's leading one:
        // log2 is taken as linear between powers of two, off by at most 0.09.
        let word = self.word() | 1;
        let zeros = word.leading_zeros();
        let fraction = ((u64::from(word) << (zeros + 1)) & 0xFFFF_FFFF) >> 16;
        let minus_log2 = (u64::from(zeros + 1) << 16) - fraction;
        const LN_2: u64 = 45_426;
        let minus_ln = (minus_log2 * LN_2) >> 16;
        1 + ((minus_ln << exponent) >> 16) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_seeds_and_scenarios_have_streams_of_their_own() {
        let draw = |seed, scenario, purpose| Stream::new(seed, scenario, purpose).word();
        let first = draw(1, "echo", Purpose::Options);
        assert_eq!(first, draw(1, "echo", Purpose::Options));
        assert_ne!(first, draw(2, "echo", Purpose::Options));
        assert_ne!(first, draw(1, "churn", Purpose::Options));
        assert_ne!(first, draw(1, "echo", Purpose::Decisions));
    }

    #[test]
    fn log_uniform_reaches_both_ends_and_favours_no_power() {
        let mut stream = Stream::new(1, "test", Purpose::Options);
        let drawn: Vec<u64> = (0..2000).map(|_| stream.log_uniform(1, 8)).collect();
        assert!(drawn.iter().all(|value| (1..=8).contains(value)));
        let ones = drawn.iter().filter(|value| **value == 1).count();
        let eights = drawn.iter().filter(|value| **value == 8).count();
        assert!((350..650).contains(&ones), "{ones} of 2000");
        assert!((350..650).contains(&eights), "{eights} of 2000");
    }

    #[test]
    fn a_countdown_has_the_mean_of_its_rate() {
        let mut stream = Stream::new(1, "test", Purpose::Decisions);
        for exponent in [3, 8, 13] {
            let sum: u64 = (0..20_000).map(|_| u64::from(stream.countdown(exponent))).sum();
            let mean = sum / 20_000;
            let expected = 1 << exponent;
            assert!(mean * 10 > expected * 9 && mean * 10 < expected * 13, "{mean}, {expected}");
        }
    }
}
