//! Worlds that begin in the room of others do what they do in room of their own.

use std::fmt::Debug;

use tidelock_sim::internal::Memory;
use tidelock_sim::internal::simulate;
use tidelock_sim::run::{Report, Source, Watch};
use tidelock_sim::scenarios;

/// Returns the results of a run.
fn summary(report: Report) -> impl PartialEq + Debug {
    let Report { digest, outcome, events, checkpoints, reached, failure, .. } = report;
    let failure = failure.map(|failure| failure.to_string());
    (digest, outcome, events, checkpoints, reached.path(), failure)
}

#[test]
fn a_world_in_the_room_of_another_does_the_same() {
    let mut memory = Memory::default();
    // Worlds of all sizes follow on each other, and those that fail leave room as well.
    for seed in 0..12 {
        for scenario in scenarios::all() {
            let (source, watch) = (Source::Seed(seed), Watch::default());
            let fresh = simulate::run(scenario, source.clone(), &watch);
            let reused = simulate::run_in(&mut memory, scenario, source, &watch);
            assert_eq!(summary(fresh), summary(reused), "{}, seed {seed}", scenario.name);
        }
    }
}
