//! Pseudorandom numbers as a pure function of a seed and a counter.

/// Returns the `counter`-th number of the pseudorandom sequence of `seed`.
///
/// This is SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, OOPSLA
/// 2014). It has no state, so that one entity that draws less does not shift the numbers of
/// another. It is not suitable for secrets.
pub const fn mix(seed: u64, counter: u64) -> u64 {
    let mut value = seed.wrapping_add(counter.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The first three outputs of SplitMix64 for seed 1234567, as published with the generator.
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        let drawn = [1, 2, 3].map(|counter| mix(1_234_567, counter));
        assert_eq!(drawn, published);
    }
}
