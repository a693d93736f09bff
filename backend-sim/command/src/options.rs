//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidelock_sim::internal::campaign::Share;
use tidelock_sim::run::Trace;

use crate::explore::ExploreOptions;
use crate::log::Level;
use crate::shard::Shard;
use crate::values::{Artefact, Seeds, WallTime, parse_count, parse_jobs, parse_share};

/// Seeded campaigns over a simulated network, and replays of what they found.
///
/// Without a subcommand it runs: `tidelock` alone is a campaign of ten seconds over all scenarios.
#[derive(Debug, Parser)]
#[command(name = "tidelock", version)]
#[command(override_usage = USAGE, after_help = EXIT_CODES)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Log to stderr, at most at this level; without it, as RUST_LOG says.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<Level>,
}

const USAGE: &str = "\
tidelock [run] [SCENARIO]... [--seeds A..B] [--time 10s] [OPTIONS]
       tidelock replay seed:N --scenario SCENARIO | FILE.tide [--trace line]
       tidelock shrink seed:N --scenario SCENARIO | FILE.tide [-o OUT.tide] [--budget 30s]
       tidelock doctor seed:N --scenario SCENARIO | FILE.tide
       tidelock explore SCENARIO [--faults 2] [--shard K/N] [--checkpoint FILE]
       tidelock scenarios [--options]
       tidelock regress [DIR]
       tidelock coverage FILE... [--floor 95%] [--pairs-floor 90%]
       tidelock merge FILE...";

const JSON: &str = "\
With --json, each line is one object whose `kind` is
  run       scenario, seed, digest, events, outcome (with --json-runs)
  failure   scenario, seed, law, signature, class, step, detail, recording, shrunk, replay,
            last_events
  rollup    the sums of the seeds since the last one: at most a thousand
  campaign  the sums of all; the last line
in ascending order of seeds. Digests are hexadecimal, and add up modulo 2^64.";

const EXIT_CODES: &str = "\
Exit codes:
   0  pass
   1  something happened that must not
   2  something did not happen that must
   3  two runs of one source differ
   4  a stored regression no longer means anything, or too little was covered
  64  wrong input
  75  interrupted; what was found is on disk";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a campaign (also without naming it).
    #[command(after_help = JSON)]
    Run(RunOptions),
    /// Run once more what a seed or a .tide file says.
    Replay(ReplayOptions),
    /// Make a failure small: the same signature with as few lines as it takes.
    Shrink(ShrinkOptions),
    /// Run something twice, and show where the runs part if they do.
    Doctor(DoctorOptions),
    /// Run every run of a small world with a bounded number of faults.
    Explore(ExploreOptions),
    /// List the scenarios, or what `config` lines may set.
    Scenarios(ScenariosOptions),
    /// Replay every .tide file of a folder; each must hold all laws and still mean something.
    Regress(RegressOptions),
    /// Say what campaigns reached, of what can be reached: cells, pairs of faults, probes.
    Coverage(CoverageOptions),
    /// Make one campaign's JSON of those of its shards.
    Merge(MergeOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ScenariosOptions {
    /// List what a `config` line of a .tide file may set: name, value if no seed is named, allowed values.
    #[arg(long)]
    pub(crate) options: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CoverageOptions {
    /// The files that campaigns wrote with --json.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// End with 4 if a smaller share of the legal cells was reached, as 95%.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) floor: Option<Share>,

    /// End with 4 if a smaller share of the legal pairs of faults met in a run, as 90%.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) pairs_floor: Option<Share>,
}

#[derive(Debug, Args)]
pub(crate) struct MergeOptions {
    /// The files that shards wrote with --json; no seed stands in two of them.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// The scenarios; without any, all but those that are wrong on purpose. Seed N runs the (N modulo their number)-th.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,

    /// Run these seeds, B excluded; `A..` goes on until the time is over.
    #[arg(long, value_name = "A..B")]
    pub(crate) seeds: Option<Seeds>,

    /// Stop after this time, as 500ms, 10s, 5m [default: 10s if the seeds have no end].
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<WallTime>,

    /// Stop after this many seeds in a row that reached no new cell of the coverage.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) until_stable: Option<u64>,

    /// Run the K-th of N parts of the seeds, from 0; auto takes it from SLURM_ARRAY_TASK_ID,
    /// JOB_COMPLETION_INDEX (with auto/N), AWS_BATCH_JOB_ARRAY_INDEX or CI_NODE_INDEX.
    #[arg(long, value_name = "K/N|auto", requires = "seeds")]
    pub(crate) shard: Option<Shard>,

    /// Go on behind the seeds that an interrupted campaign's --json says it did.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,

    /// Threads [default: as many as there are cores].
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    pub(crate) jobs: Option<usize>,

    /// Make this share of the runs again, and from their recordings, and compare.
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_share)]
    pub(crate) twice: Share,

    /// Stop at the first failure.
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) stop_on_first: bool,

    /// Stop after this many failures.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = parse_count)]
    pub(crate) max_failures: u64,

    /// Where recordings of failures go.
    #[arg(long, value_name = "DIR", default_value = "target/tidelock")]
    pub(crate) out: PathBuf,

    /// Write JSON lines: failures, roll-ups and the campaign's end; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write a JSON line for each run, too.
    #[arg(long, requires = "json")]
    pub(crate) json_runs: bool,

    /// Tell failures as they were found, without making them small.
    #[arg(long)]
    pub(crate) no_shrink: bool,

    /// The time for which the first failure of each signature is made smaller.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) shrink_budget: WallTime,

    /// Print nothing but failures.
    #[arg(long)]
    pub(crate) quiet: bool,

    /// Check every law in full at every step.
    #[arg(long)]
    pub(crate) paranoid: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// seed:N, decimal or 0x, or a .tide file.
    pub(crate) artefact: Artefact,

    /// The scenario that goes with a seed.
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,

    /// The part of the run that is told.
    #[arg(long, value_name = "HOW", default_value = "off")]
    pub(crate) trace: TraceOption,

    /// Write the run's recording.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Check every law in full at every step.
    #[arg(long)]
    pub(crate) paranoid: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShrinkOptions {
    /// seed:N, decimal or 0x, or a .tide file.
    pub(crate) artefact: Artefact,

    /// The scenario that goes with a seed.
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,

    /// Where the result goes [default: beside the file, or target/tidelock, as NAME.min.tide].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// The time that it may take.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) budget: WallTime,

    /// Check every law in full at every step.
    #[arg(long)]
    pub(crate) paranoid: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// seed:N, decimal or 0x, or a .tide file.
    pub(crate) artefact: Artefact,

    /// The scenario that goes with a seed.
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RegressOptions {
    /// The folder.
    #[arg(value_name = "DIR", default_value = "tests/regressions")]
    pub(crate) folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceOption {
    /// Only the last events of a failure.
    Off,
    /// A line for each event, command and message.
    Line,
    /// The same with calls, their answers and decisions.
    Full,
}

impl From<TraceOption> for Trace {
    fn from(option: TraceOption) -> Trace {
        match option {
            TraceOption::Off => Trace::Off,
            TraceOption::Line => Trace::Line,
            TraceOption::Full => Trace::Full,
        }
    }
}
