//! The Mux against a reference model of its promises: arbitrary commands, arbitrary peers, and a
//! kernel that answers piecewise, out of order, late and spuriously.

use proptest::prelude::*;
use tidelock_tests::arm::ArmKind;
use tidelock_tests::corpus;
use tidelock_tests::mux_model::{MuxOperation, decode, decode_one, run, run_on};
use tidelock_tests::scripted::Style;

fn operations() -> impl Strategy<Value = Vec<MuxOperation>> {
    proptest::collection::vec(any::<[u8; 4]>().prop_map(decode_one), 1..120)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// With readiness and no event beyond what the contract promises.
    #[test]
    fn the_mux_keeps_its_promises_on_the_weakest_readiness(
        seed in 0_u64..1000, operations in operations(),
    ) {
        run(Style::Weakest, seed, &operations);
    }

    /// With readiness that reports every arrival, as epoll does.
    #[test]
    fn the_mux_keeps_its_promises_on_chatty_readiness(
        seed in 0_u64..1000, operations in operations(),
    ) {
        run(Style::Chatty, seed, &operations);
    }

    /// With completions.
    #[test]
    fn the_mux_keeps_its_promises_on_completions(
        seed in 0_u64..1000, operations in operations(),
    ) {
        run(Style::Completion, seed, &operations);
    }

    /// Several Muxes together, with readiness.
    #[test]
    fn several_muxes_keep_the_promises_of_one(
        seed in 0_u64..1000, operations in operations(),
    ) {
        run_on(ArmKind::Sharded(Style::Chatty), seed, &operations);
    }

    /// Several Muxes together, with completions.
    #[test]
    fn several_muxes_keep_the_promises_of_one_on_completions(
        seed in 0_u64..1000, operations in operations(),
    ) {
        run_on(ArmKind::Sharded(Style::Completion), seed, &operations);
    }
}

/// The inputs that the fuzzer found worth keeping reach the same ends on stable.
#[test]
fn the_corpus_of_the_mux_target_passes() {
    let files = corpus::replay("mux", |bytes| {
        let (style, seed, operations) = decode(bytes);
        run(style, seed, &operations);
    });
    assert!(files >= 12, "only {files} inputs are committed");
}
