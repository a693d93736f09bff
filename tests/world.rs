//! Whole simulated worlds from arbitrary bytes: the fuzzer's corpus, and any others.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tidelock_tests::corpus;
use tidelock_tests::world_input::run;

proptest! {
    // One fixed sequence: what lands must not hang on luck. `cargo fuzz run world` searches on.
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    /// No operations or faults that bytes can describe break a law of the world.
    #[test]
    fn a_world_of_any_bytes_keeps_its_laws(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        run(&bytes);
    }
}

/// The inputs that the fuzzer found worth keeping reach the same ends on stable.
#[test]
fn the_corpus_of_the_world_target_passes() {
    let files = corpus::replay("world", run);
    assert!(files >= 12, "only {files} inputs are committed");
}
