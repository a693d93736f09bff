//! The digests of twenty seeds of each scenario, as they are committed.
//!
//! A change of them is a change of what a seed means: it is told in the changelog, in a line with
//! the sum of the digests. Written anew by
//!
//! ```text
//! cargo test -p tidelock-sim --test golden -- --ignored
//! ```

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use tidelock_sim::internal::simulate;
use tidelock_sim::run::{Source, Watch};
use tidelock_sim::scenarios;

const SEEDS: u64 = 20;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/digests.txt")
}

/// A line for each run: scenario, seed, digest, outcome, steps.
fn digests() -> String {
    let mut text = String::new();
    for scenario in scenarios::sound() {
        for seed in 0..SEEDS {
            let report = simulate::run(scenario, Source::Seed(seed), &Watch::default());
            assert_eq!(report.failure, None, "{}, seed {seed}", scenario.name);
            let (digest, outcome) = (report.digest, report.outcome);
            let line = format!("{} {seed} {digest:#018x} {outcome:#018x}", scenario.name);
            writeln!(text, "{line} {}", report.events).expect("a string takes everything");
        }
    }
    text
}

#[test]
fn every_seed_means_what_it_meant() {
    let committed = fs::read_to_string(path()).expect("the digests are committed");
    let now = digests();
    for (committed, now) in committed.lines().zip(now.lines()) {
        assert_eq!(committed, now, "if that is meant, see the head of this file");
    }
    assert_eq!(committed.lines().count(), now.lines().count());
}

/// Without this anybody could write them anew and say nothing.
#[test]
fn the_changelog_tells_of_them() {
    let committed = fs::read_to_string(path()).expect("the digests are committed");
    let digests = committed.lines().map(|line| {
        let digest = line.split(' ').nth(2).and_then(|text| text.strip_prefix("0x"));
        u64::from_str_radix(digest.expect("a line has a digest"), 16).expect("it is one")
    });
    let sum = digests.fold(0, u64::wrapping_add);
    let changelog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CHANGELOG.md");
    let changelog = fs::read_to_string(changelog).expect("there is a changelog");
    let line = format!("Golden digests are now {sum:#018x}");
    assert!(changelog.contains(&line), "expected a line that begins with: {line}, because");
}

#[test]
#[ignore = "it writes what the other test compares with"]
fn write_the_digests_anew() {
    fs::write(path(), digests()).expect("the file can be written");
}
