//! `tidelock run`.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use tidelock_sim::internal::campaign::{Campaign, Simulator};
use tidelock_sim::internal::report::{grouped, seconds};

use crate::arguments::subcommands;
use crate::clock::Stopwatch;
use crate::collector::Collector;
use crate::console::Console;
use crate::exit::{Exit, Problem};
use crate::interrupt::Interrupted;
use crate::json::{JsonLines, is_stdout};
use crate::options::RunOptions;
use crate::progress::{Goal, Progress};
use crate::resume;
use crate::scenarios;
use crate::values::Seeds;
use crate::workers::{Work, work};

/// Runs a campaign.
pub(crate) fn execute(
    options: &RunOptions,
    simulator: &Simulator<'_>,
    interrupted: &Interrupted,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let plan = Plan::new(options, simulator)?;
    let json = options.json.as_deref().map(JsonLines::create).transpose()?;
    if options.json.as_deref().is_some_and(is_stdout) {
        // Two readers of one stream would hinder each other.
        console.is_out_taken = true;
    }
    tracing::info!(?options, "a campaign begins");
    if !options.quiet {
        console.print([plan.announcement()])?;
    }
    let progress = Progress::start(plan.goal(), options.quiet);
    let clock = Stopwatch::start();
    let collector =
        RefCell::new(Collector::new(&plan, options, console, json, &progress, interrupted));
    let is_late = || plan.time_millis.is_some_and(|end| clock.elapsed_millis() >= end);
    let plan_of_work = Work {
        seeds: plan.seeds.clone(),
        jobs: plan.jobs,
        attempt: &|seed| plan.campaign.attempt(seed),
        is_over: &|| interrupted.load(Relaxed) || is_late(),
    };
    work(
        &plan_of_work,
        |attempt| collector.borrow_mut().collect(&attempt),
        |runs| progress.show(runs, collector.borrow().failures(), clock.elapsed_millis()),
    );
    progress.end();
    collector.into_inner().end(clock.elapsed_millis(), interrupted.load(Relaxed))
}

/// The campaign that is to be run, with every default filled in.
pub(crate) struct Plan<'a> {
    pub(crate) campaign: Campaign<'a>,
    /// To `u64::MAX` if only the time ends it.
    pub(crate) seeds: Range<u64>,
    /// When it ends at the latest.
    pub(crate) time_millis: Option<u64>,
    /// Threads.
    pub(crate) jobs: usize,
}

impl<'a> Plan<'a> {
    const TIME_MILLIS_DEFAULT: u64 = 10_000;

    fn new(options: &RunOptions, simulator: &Simulator<'a>) -> Result<Plan<'a>, Problem> {
        let find = |name| {
            scenarios::find(simulator, name).map_err(|problem| match problem {
                // The first word may have been meant for one.
                Problem::Usage(line) => Problem::Usage(format!(
                    "{line}, or as the first word {}, help",
                    subcommands().join(", ")
                )),
                other => other,
            })
        };
        let named: Result<Vec<_>, _> = options.scenarios.iter().map(|name| find(name)).collect();
        let named = named?;
        if let Some(index) = (1..named.len()).find(|&index| named[..index].contains(&named[index]))
        {
            return Err(Problem::Usage(format!(
                "scenario '{}' is named twice; allowed: each once",
                named[index]
            )));
        }
        let seeds = options.seeds.unwrap_or(Seeds { start: 0, end: None });
        let time_millis = options.time.map(|time| time.millis);
        let has_end = seeds.end.is_some() || options.until_stable.is_some();
        let default = || (!has_end).then_some(Plan::TIME_MILLIS_DEFAULT);
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let scenarios = if named.is_empty() { simulator.sound() } else { named };
        Ok(Plan {
            seeds: range(options, seeds, &scenarios)?,
            campaign: Campaign {
                simulator: *simulator,
                scenarios,
                twice: options.twice,
                paranoid: options.paranoid,
            },
            time_millis: time_millis.or_else(default),
            jobs: options.jobs.unwrap_or(cores),
        })
    }

    fn goal(&self) -> Goal {
        match self.time_millis {
            Some(millis) => Goal::Millis(millis),
            None => Goal::Runs(self.seeds.end - self.seeds.start),
        }
    }

    /// Returns what is going to happen, in one line.
    fn announcement(&self) -> String {
        let count = |n: u64, one: &str| match n {
            1 => format!("1 {one}"),
            n => format!("{} {one}s", grouped(n)),
        };
        let seeds = match self.seeds.end {
            u64::MAX => format!("seeds {}..", self.seeds.start),
            end => format!("seeds {}..{end}", self.seeds.start),
        };
        let time = self.time_millis.map(|millis| format!(", for {}", seconds(millis)));
        format!(
            "tidelock: {}, {seeds}{}, {}",
            count(self.campaign.scenarios.len() as u64, "scenario"),
            time.unwrap_or_default(),
            count(self.jobs as u64, "job"),
        )
    }
}

/// The seeds that are to be run: this machine's part, and of that what was not done before.
fn range(options: &RunOptions, seeds: Seeds, scenarios: &[&str]) -> Result<Range<u64>, Problem> {
    let mut range = seeds.start..seeds.end.unwrap_or(u64::MAX);
    if let Some(shard) = options.shard {
        if seeds.end.is_none() {
            return Err(Problem::Usage(
                "--shard: the seeds have no end to be parted by; allowed: --seeds A..B".to_owned(),
            ));
        }
        // It chooses what is run, and never what happens in it.
        let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
        range = shard.part(range, &variable)?;
    }
    match &options.resume {
        Some(path) => resume::left(path, range, scenarios, options),
        None => Ok(range),
    }
}
