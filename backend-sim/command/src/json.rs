//! Output for programs: one JSON object in a line.
//!
//! Lines come in ascending order of seeds and hold no time and no rate, so that a range of seeds
//! gives the same bytes whoever runs it. Hashes are strings of hexadecimal digits, because many
//! readers of JSON round numbers beyond 2^53; a campaign's digest is the sum of its runs' digests
//! modulo 2^64, so shards add up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};
use tidelock_sim::internal::campaign::{Counts, Tally};
use tidelock_sim::internal::judge::coverage::{Cell, pair_name};
use tidelock_sim::run::{Failure, FailureClass, Report};

use crate::exit::Problem;
use crate::ranges::Ranges;

/// The number of seeds that a roll-up sums, beginning at a multiple of it.
pub(crate) const SEEDS_PER_ROLLUP: u64 = 1_000;

/// Where JSON lines go.
pub(crate) struct JsonLines {
    out: BufWriter<Box<dyn Write>>,
    name: String,
}

impl JsonLines {
    /// Opens a file, or stdout for `-`.
    pub(crate) fn create(path: &Path) -> Result<JsonLines, Problem> {
        let name = path.display().to_string();
        let out: Box<dyn Write> = if is_stdout(path) {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(path).map_err(|error| {
                Problem::Usage(format!(
                    "--json {name}: {error}; allowed: a file that can be written, or -"
                ))
            })?)
        };
        Ok(JsonLines { out: BufWriter::new(out), name })
    }

    /// Writes one object.
    pub(crate) fn write(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let written = serde_json::to_writer(&mut self.out, line).map_err(io::Error::from);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        // Runs are many; what a reader waits for is a roll-up or a failure.
        let flushed = match line {
            Line::Run { .. } => written,
            _ => written.and_then(|()| self.out.flush()),
        };
        flushed.map_err(|error| Problem::Output(self.name.clone(), error))
    }
}

/// Returns `true` if JSON and people would share stdout.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// One object.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Line<'a> {
    /// A run.
    Run { scenario: &'a str, seed: u64, digest: Hex, events: u64, outcome: Hex },
    /// A violated law.
    Failure {
        scenario: &'a str,
        seed: u64,
        law: &'a str,
        signature: &'a str,
        class: &'static str,
        step: u64,
        detail: &'a str,
        digest: Hex,
        options: String,
        /// The recording's path, if it could be made and written.
        recording: Option<&'a str>,
        /// The path of what was made small of it.
        shrunk: Option<&'a str>,
        replay: &'a str,
        last_events: &'a [String],
    },
    /// The runs since the last roll-up.
    Rollup {
        #[serde(flatten)]
        sums: Sums<'a>,
    },
    /// All runs; the last line.
    Campaign {
        scenarios: &'a [&'a str],
        interrupted: bool,
        #[serde(flatten)]
        sums: Sums<'a>,
        #[serde(serialize_with = "counts")]
        injected: &'a Counts,
        #[serde(serialize_with = "counts")]
        checked: &'a Counts,
        #[serde(flatten)]
        reached: ReachedLine,
    },
}

impl<'a> Line<'a> {
    /// A run's line.
    pub(crate) fn run(report: &'a Report) -> Line<'a> {
        Line::Run {
            scenario: report.scenario,
            seed: report.seed,
            digest: Hex(report.digest),
            events: report.events,
            outcome: Hex(report.outcome),
        }
    }

    /// A failure's line.
    pub(crate) fn failure(
        report: &'a Report,
        failure: &'a Failure,
        recording: Option<&'a str>,
        shrunk: Option<&'a str>,
        replay: &'a str,
    ) -> Line<'a> {
        Line::Failure {
            scenario: report.scenario,
            seed: report.seed,
            law: failure.law,
            signature: &failure.signature,
            class: match failure.class {
                FailureClass::Invariant => "invariant",
                FailureClass::Liveness => "liveness",
                FailureClass::Nondeterminism => "nondeterminism",
            },
            step: failure.step,
            detail: &failure.detail,
            digest: Hex(report.digest),
            options: report.options(),
            recording,
            shrunk,
            replay,
            last_events: &failure.last_events,
        }
    }
}

/// The sums of runs.
#[derive(Serialize)]
pub(crate) struct Sums<'a> {
    /// Pairs of the first seed and the one after the last.
    seeds: &'a [(u64, u64)],
    runs: u64,
    repeated: u64,
    events: u64,
    operations: u64,
    completed: u64,
    failures: u64,
    digest: Hex,
}

impl<'a> Sums<'a> {
    /// The sums of these seeds.
    pub(crate) fn new(seeds: &'a Ranges, tally: &Tally) -> Sums<'a> {
        Sums {
            seeds: seeds.as_slice(),
            runs: tally.runs,
            repeated: tally.repeated,
            events: tally.events,
            operations: tally.operations,
            completed: tally.completed,
            failures: tally.failures,
            digest: Hex(tally.digest),
        }
    }
}

/// The coverage of a campaign, by names, so that files of different builds can be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReachedLine {
    /// Faults after which the code under test met something on the socket concerned.
    pub(crate) seen: BTreeMap<String, u64>,
    /// Faults that were deleted from a run.
    pub(crate) deleted: BTreeMap<String, u64>,
    /// Of those, how many changed its outcome or its path.
    pub(crate) changed: BTreeMap<String, u64>,
    pub(crate) probes: BTreeMap<String, u64>,
    pub(crate) cells: BTreeSet<String>,
    pub(crate) pairs: BTreeSet<String>,
}

impl ReachedLine {
    /// Returns the names that these sums have reached.
    pub(crate) fn new(tally: &Tally) -> ReachedLine {
        let map = |counts: &Counts| counts.iter().map(|(name, n)| (name.to_owned(), n)).collect();
        let cells = tally.cells.iter().filter_map(Cell::from_index);
        ReachedLine {
            seen: map(&tally.seen),
            deleted: map(&tally.deleted),
            changed: map(&tally.changed),
            probes: map(&tally.probes),
            cells: cells.map(|cell| cell.to_string()).collect(),
            pairs: tally.pairs.iter().map(pair_name).collect(),
        }
    }

    /// Adds what another campaign reached.
    pub(crate) fn add(&mut self, other: ReachedLine) {
        let ReachedLine { seen, deleted, changed, probes, cells, pairs } = other;
        let sums = [
            (&mut self.seen, seen),
            (&mut self.deleted, deleted),
            (&mut self.changed, changed),
            (&mut self.probes, probes),
        ];
        for (sum, counts) in sums {
            add_counts(sum, counts);
        }
        self.cells.extend(cells);
        self.pairs.extend(pairs);
    }
}

/// Adds counts to sums by name.
pub(crate) fn add_counts(sum: &mut BTreeMap<String, u64>, counts: BTreeMap<String, u64>) {
    for (name, count) in counts {
        *sum.entry(name).or_default() += count;
    }
}

/// A hash: `0x` and sixteen digits.
pub(crate) struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#018x}", self.0))
    }
}

fn counts<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter())
}
