//! Numbers that vary without being decisions: latency jitter, the cost of a turn, payload.

use crate::base::mix::mix;

/// Noise by key: never a stream, so that nothing shifts when something else is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// Everything is the minimum, however much was drawn.
    pub fn is_silent(self) -> bool {
        self.seed == 0
    }

    /// Seed 0 is silence: every amount is its minimum.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// The `count`-th amount of `kind` for `entity`, below `bound`; 0 if the noise is silent.
    #[inline]
    pub fn below(self, entity: u32, kind: Amount, count: u64, bound: u64) -> u64 {
        if self.seed == 0 || bound <= 1 {
            return 0;
        }
        let key = (u64::from(entity) << 8) | kind as u64;
        let drawn = mix(mix(self.seed, key), count);
        // The product's upper half is as even as the draw, and costs no division.
        ((u128::from(drawn) * u128::from(bound)) >> 64) as u64
    }
}

/// The use of an amount of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Jitter of a link.
    Latency,
    /// The cost of a turn of a host.
    Turn,
    /// The cost of a batch of messages on a worker.
    Work,
    /// The time that a scripted peer thinks.
    Think,
    /// The delay of a writable edge.
    Edge,
    /// The delay of the rest of a cut segment.
    Rest,
    /// The losses of a link.
    Loss,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_the_minimum_and_noise_stays_below_its_bound() {
        assert_eq!(Noise::new(0).below(1, Amount::Latency, 2, 1000), 0);
        let noise = Noise::new(7);
        let drawn: Vec<u64> = (0..100).map(|n| noise.below(1, Amount::Turn, n, 10)).collect();
        assert!(drawn.iter().all(|amount| *amount < 10));
        assert!((0..10).all(|amount| drawn.contains(&amount)), "{drawn:?}");
    }

    #[test]
    fn amounts_of_one_key_do_not_depend_on_other_keys() {
        let noise = Noise::new(7);
        let before = noise.below(3, Amount::Latency, 0, u64::MAX);
        assert_ne!(before, noise.below(4, Amount::Latency, 0, u64::MAX));
        assert_ne!(before, noise.below(3, Amount::Turn, 0, u64::MAX));
        assert_eq!(before, noise.below(3, Amount::Latency, 0, u64::MAX));
    }
}
