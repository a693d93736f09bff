//! A simulator that fails on purpose, for the tests of this command.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tidelock_core::mix;
use tidelock_sim::internal::campaign::Simulator;
use tidelock_sim::internal::judge::coverage::{CELLS, Cell, Reached, Set};
use tidelock_sim::internal::script::{Decision, Position, Script, Value};
use tidelock_sim::run::{Failure, FailureClass, Report, Source, Trace, Watch};
use tidelock_sim::swarm::Options;

/// Two scenarios: which seeds fail, and how, says [`fails`].
pub(crate) const SIMULATOR: Simulator<'static> = Simulator {
    scenarios: &[("echo", "bytes come back"), ("slow-readers", "nobody is in a hurry")],
    flawed: &[],
    run: &run,
};

/// A run that nothing happened to.
pub(crate) fn report(scenario: &'static str, seed: u64) -> Report {
    Report {
        scenario,
        seed,
        is_seedless: false,
        digest: mix(seed, 1),
        checkpoints: Vec::new(),
        outcome: mix(seed, 2),
        events: 10 + seed % 5,
        story: 7,
        operations: 4,
        completed: 3,
        injected: vec![("short-write", seed % 3), ("reset", 1)],
        reached: reached(seed),
        errnos: Vec::new(),
        checked: vec![("no-lost-edge", 10)],
        options: Some(Options { noise: seed, ..Options::default() }),
        failure: None,
        script: None,
        trace: Vec::new(),
        stale: Vec::new(),
    }
}

/// A legal cell; from 500,000 on one that stands in the table as impossible.
fn reached(seed: u64) -> Reached {
    let cell = match seed {
        0..500_000 => "open×readable×linux",
        _ => "stale×read:eof×linux",
    };
    let cell: Cell = cell.parse().expect("a cell");
    let mut cells = Set::below(CELLS);
    cells.insert(cell.index());
    let probes = vec![("write-refused", 1), ("a frame in pieces", 0)];
    Reached { cells, probes, ..Reached::default() }
}

/// The seed from which on failures are: 1000 an invariant, 1001 liveness, 1002 a panic, 1003 a
/// run that differs when it is recorded, 1004 and 1005 one whose recording does not replay, where
/// 1005 holds all laws, 1006 one whose second run has another outcome; 2000 and above all fail.
fn fails(seed: u64) -> Option<(&'static str, FailureClass)> {
    match seed {
        1000 | 1004 | 2000.. => Some(("no-lost-edge", FailureClass::Invariant)),
        1001 => Some(("everything-ends", FailureClass::Liveness)),
        _ => None,
    }
}

fn run(scenario: &str, source: Source, watch: &Watch) -> Report {
    let scenario = SIMULATOR.find(scenario).expect("a known scenario");
    let (seed, script) = match source {
        Source::Seed(seed) => (seed, None),
        Source::Script(script) => (script.seed.expect("recorded from a seed"), Some(script)),
    };
    assert!(seed != 1002, "the fake\n  panics");
    let mut report = report(scenario, seed);
    if seed == 1003 && watch.record || [1004, 1005].contains(&seed) && script.is_some() {
        report.digest += 1;
    }
    if seed == 1006 {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        report.outcome = RUNS.fetch_add(1, Relaxed);
    }
    if let Some((law, class)) = fails(seed) {
        let last_events = (0..60).map(|step| format!("{step} us  an event")).collect();
        let detail = "connection 3 is readable\nand nothing is owed".to_owned();
        report.failure = Some(Failure {
            law,
            detail,
            step: 1_234,
            class,
            signature: format!("{law}/accepted/open/readable"),
            last_events,
        });
    }
    if watch.trace != Trace::Off {
        let digest = report.digest;
        report.trace = vec!["1 us  begins".to_owned(), format!("2 us  digest {digest:#x}")];
    }
    if let Some(script) = script {
        // What it does not know is not met.
        let unknown = script.decisions.iter().filter(|decision| decision.kind != "short");
        report.stale = unknown.map(|decision| format!("at {decision}")).collect();
    }
    if watch.record {
        let decision = Decision::new("c1/in", Position::Offset(4), "short", Value::Number(2));
        report.script = Some(Script {
            scenario: scenario.to_owned(),
            seed: Some(seed),
            decisions: vec![decision],
            ..Script::default()
        });
    }
    report
}
