//! The outbox against a byte-vector model: arbitrary operations, and the fuzzer's corpus.

use proptest::prelude::*;
use tidelock_core::Priority;
use tidelock_tests::corpus;
use tidelock_tests::outbox_model::{OutboxOperation, decode, run};

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::High), Just(Priority::Low)]
}

/// Sizes around the boundaries of short messages, and long ones now and then.
fn size() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1_u16..6, 2 => 1_u16..80, 1 => 1_u16..2048]
}

fn operation() -> impl Strategy<Value = OutboxOperation> {
    prop_oneof![
        4 => (priority(), size())
            .prop_map(|(priority, size)| OutboxOperation::Push { priority, size }),
        3 => (priority(), proptest::collection::vec(size(), 1..5))
            .prop_map(|(priority, sizes)| OutboxOperation::PushParts { priority, sizes }),
        3 => size().prop_map(|count| OutboxOperation::Advance { count: count - 1 }),
        3 => size().prop_map(|size_max| OutboxOperation::TakeFront { size_max }),
        3 => size().prop_map(|size_max| OutboxOperation::Offer { size_max }),
        2 => Just(OutboxOperation::AdvanceOffered),
        1 => Just(OutboxOperation::Withdraw),
        1 => Just(OutboxOperation::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rules 1 to 5 of the outbox hold after every step of any life of it.
    #[test]
    fn an_outbox_does_what_its_model_does(
        operations in proptest::collection::vec(operation(), 0..80),
    ) {
        run(&operations);
    }
}

/// The inputs that the fuzzer found worth keeping reach the same ends on stable.
#[test]
fn the_corpus_of_the_outbox_target_passes() {
    let files = corpus::replay("outbox", |bytes| run(&decode(bytes)));
    assert!(files >= 12, "only {files} inputs are committed");
}
