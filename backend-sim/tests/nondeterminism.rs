//! A service that asks what no world may know: the process. The second look finds it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service};
use tidelock_sim::client::Client;
use tidelock_sim::internal::campaign::diagnose;
use tidelock_sim::internal::campaign::{Campaign, Share, Simulator};
use tidelock_sim::run::{FailureClass, Report, Source, Watch};
use tidelock_sim::scenario::{SERVER_PORT, Scenario};

/// Sends back what it receives; whether that is done in two parts, a counter of the process says
/// if it is fickle.
struct Parrot {
    is_fickle: bool,
}

static ANSWERS: AtomicU64 = AtomicU64::new(0);

impl Service for Parrot {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let Message::Data { socket, mut bytes } = message else { return };
        // Three answers in a run: the next run begins with another one.
        let is_parted = self.is_fickle && ANSWERS.fetch_add(1, Relaxed) % 4 < 2;
        let rest = bytes.split_off(if is_parted { bytes.len() / 2 } else { bytes.len() });
        for part in [bytes, rest].into_iter().filter(|part| !part.is_empty()) {
            // One that does not take it is gone, or told to wait; neither matters here.
            let _refused = net.send(socket, part);
        }
    }
}

fn run(name: &'static str, is_fickle: bool, source: Source, watch: &Watch) -> Report {
    let scenario = Scenario::new(name, "a parrot and those who teach it", move |stage| {
        stage.host("server").service(move || Parrot { is_fickle });
        for text in ["one", "three", "two"] {
            stage.client("client", Client::new(text).write(text).expect(text));
        }
    });
    scenario.run_watched(source, watch)
}

fn fickle(_: &str, source: Source, watch: &Watch) -> Report {
    run("fickle", true, source, watch)
}

fn steady(_: &str, source: Source, watch: &Watch) -> Report {
    run("steady", false, source, watch)
}

/// A seed without faults, so that every run has three answers.
const SEEDS: std::ops::Range<u64> = 0..40;

#[test]
fn a_second_run_that_differs_is_found_and_its_place_shown() {
    let simulator = Simulator { scenarios: &[("fickle", "")], flawed: &[], run: &fickle };
    let found = SEEDS.filter_map(|seed| {
        diagnose(&simulator, "fickle", &Source::Seed(seed), &Watch::default()).err()
    });
    let found: Vec<_> = found.collect();
    assert!(found.len() > 10, "{} of 40", found.len());
    let parted = found.iter().filter(|one| one.parted[0] != one.parted[1]);
    let told: Vec<_> = parted.collect();
    assert!(!told.is_empty());
    for diagnosis in told {
        assert_ne!(diagnosis.digests[0], diagnosis.digests[1]);
        assert!(!diagnosis.before.is_empty());
        let lines = diagnosis.parted.join(" ");
        assert!(lines.contains("Send") || lines.contains("Handled"), "{diagnosis:?}");
        let (from, to) = diagnosis.steps.expect("their checkpoints differ");
        assert!(from < to, "{diagnosis:?}");
    }
}

#[test]
fn a_campaign_that_looks_twice_finds_it() {
    let twice = Share::from_ppm(1_000_000).expect("a share");
    let campaign =
        |simulator| Campaign { simulator, scenarios: vec!["one"], twice, paranoid: false };
    let failures = |campaign: &Campaign<'_>| {
        let attempts = SEEDS.filter_map(|seed| campaign.attempt(seed).report.failure);
        attempts.collect::<Vec<_>>()
    };
    let found =
        failures(&campaign(Simulator { scenarios: &[("one", "")], flawed: &[], run: &fickle }));
    assert!(found.len() > 10, "{} of 40", found.len());
    assert!(found.iter().all(|failure| failure.class == FailureClass::Nondeterminism));
    let found =
        failures(&campaign(Simulator { scenarios: &[("one", "")], flawed: &[], run: &steady }));
    assert_eq!(found, []);
}

#[test]
fn two_runs_that_are_the_same_have_no_diagnosis() {
    let simulator = Simulator { scenarios: &[("steady", "")], flawed: &[], run: &steady };
    for seed in SEEDS {
        let source = Source::Seed(seed);
        assert_eq!(
            diagnose(&simulator, "steady", &source, &Watch::default()).err(),
            None,
            "{seed}"
        );
    }
}
