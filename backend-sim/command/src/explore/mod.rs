//! `tidelock explore`.

mod checkpoint;
#[cfg(test)]
mod tests;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidelock_sim::internal::report::{FAILURE_LINES_MAX, failure_text, grouped, seconds};
use tidelock_sim::internal::script::Script;
use tidelock_sim::internal::search::explore::{Search, SmallWorld, Sums, find, names};

use self::checkpoint::{Checkpoint, Part};
use crate::clock::Stopwatch;
use crate::console::{Console, shell_word};
use crate::exit::{Exit, Problem};
use crate::interrupt::Interrupted;
use crate::values::{WallTime, parse_jobs, parse_within};

#[derive(Debug, Args)]
pub(crate) struct ExploreOptions {
    /// Which small worlds: echo, closing.
    pub(crate) scenario: String,

    /// Decisions that are not benign, at most, anywhere in a run.
    #[arg(long, value_name = "F", default_value_t = 2, value_parser = |text: &str| parse_within(text, 0..=8))]
    pub(crate) faults: u32,

    /// Connections of the world; there are worlds with one.
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = |text: &str| parse_within(text, 1..=1))]
    pub(crate) connections: u32,

    /// The readiness that hosts are told of [default: each way in turn].
    #[arg(long, value_name = "HOW")]
    pub(crate) readiness: Option<ReadinessOption>,

    /// Do the K-th of N parts, from 0.
    #[arg(long, value_name = "K/N", default_value = "0/1")]
    pub(crate) shard: Shard,

    /// Keep what is done here, and go on from it.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// Stop after this time, as 500ms, 10s, 5m.
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<WallTime>,

    /// Run everything to its end, also where another run came to the same state.
    #[arg(long)]
    pub(crate) no_dedup: bool,

    /// Threads [default: as many as there are cores].
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    pub(crate) jobs: Option<usize>,

    /// Where recordings of failures go.
    #[arg(long, value_name = "DIR", default_value = "target/tidelock")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadinessOption {
    /// As Linux does.
    Linux,
    /// As weakly as is promised.
    Weakest,
    /// By completions.
    Completion,
    /// As kqueue does.
    Kqueue,
}

impl ReadinessOption {
    const ALL: [ReadinessOption; 4] = [
        ReadinessOption::Linux,
        ReadinessOption::Weakest,
        ReadinessOption::Completion,
        ReadinessOption::Kqueue,
    ];

    /// As a `config` line has it.
    fn name(self) -> &'static str {
        ["linux", "weakest", "completion", "kqueue"][self as usize]
    }
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u32,
    count: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let allowed = "allowed: K/N with K below N, as 0/4";
        let (index, count) = text.split_once('/').ok_or(allowed)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| allowed.to_owned());
        let shard = Shard { index: number(index)?, count: number(count)? };
        if shard.index < shard.count { Ok(shard) } else { Err(allowed.to_owned()) }
    }
}

/// Searches, and tells what was found.
pub(crate) fn execute(
    options: &ExploreOptions,
    interrupted: &Interrupted,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let worlds = find(&options.scenario).ok_or_else(|| {
        let names: Vec<_> = names().collect();
        let name = &options.scenario;
        Problem::Usage(format!("no small world '{name}'; allowed: {}", names.join(", ")))
    })?;
    let ExploreOptions { scenario, faults, connections, shard, .. } = options;
    let identity = format!(
        "tidelock {} explore {scenario} --faults {faults} --connections {connections} --shard {}/{}{}",
        env!("CARGO_PKG_VERSION"),
        shard.index,
        shard.count,
        if options.no_dedup { " --no-dedup" } else { "" }
    );
    let mut checkpoint = match &options.checkpoint {
        Some(path) => Checkpoint::open(path, identity)?,
        None => Checkpoint::new(identity),
    };
    let clock = Stopwatch::start();
    let is_late = || options.time.is_some_and(|time| clock.elapsed_millis() >= time.millis);
    let is_over = || interrupted.load(Relaxed) || is_late();
    let (mut total, mut gravest, mut is_whole) = (Sums::default(), Exit::Pass, true);
    for world in worlds {
        for readiness in ReadinessOption::ALL {
            if options.readiness.is_some_and(|only| only != readiness) {
                continue;
            }
            let mut run = Run { options, world, readiness, checkpoint: &mut checkpoint };
            let (sums, is_done, exit) = run.execute(&is_over, &clock, console)?;
            total.add(&sums);
            is_whole &= is_done;
            gravest = graver(gravest, exit);
        }
    }
    let elapsed = seconds(clock.elapsed_millis());
    let (schedules, events) = (grouped(total.schedules), grouped(total.events));
    let part = match shard.count {
        1 => String::new(),
        count => format!(" of shard {}/{count}", shard.index),
    };
    if !is_whole {
        let line = format!("INTERRUPTED  {schedules} schedules{part}, {events} events, {elapsed}");
        console.print([line])?;
        return Ok(Exit::Interrupted);
    }
    let states = match options.no_dedup {
        true => "not told apart".to_owned(),
        false => grouped(total.states),
    };
    console.print([
        format!("{events} events, {elapsed}"),
        format!(
            "all runs{part} with ≤ {faults} faults over representatives {REPRESENTATIVES}: \
            {schedules} schedules, {states} states"
        ),
    ])?;
    Ok(gravest)
}

/// The values of `Kind::representatives`, in words.
const REPRESENTATIVES: &str =
    "{1, 2, middle, last; of a time middle, last; of a tie 1; of at most four all}";

/// The one with the lower exit code, but for a pass.
fn graver(one: Exit, other: Exit) -> Exit {
    if one == Exit::Pass || other != Exit::Pass && other.code() < one.code() { other } else { one }
}

/// One world under one readiness.
struct Run<'a> {
    options: &'a ExploreOptions,
    world: &'a SmallWorld,
    readiness: ReadinessOption,
    checkpoint: &'a mut Checkpoint,
}

impl Run<'_> {
    /// Gives what all units came to, whether all are done, and the exit of what was found.
    fn execute(
        &mut self,
        is_over: &(dyn Fn() -> bool + Sync),
        clock: &Stopwatch,
        console: &mut Console<'_>,
    ) -> Result<(Sums, bool, Exit), Problem> {
        let (world, readiness) = (self.world, self.readiness as u64);
        world.search(readiness, self.options.faults, !self.options.no_dedup, |search, script| {
            self.execute_search(search, script, is_over, clock, console)
        })
    }

    fn execute_search(
        &mut self,
        search: &Search,
        script: &Script,
        is_over: &(dyn Fn() -> bool + Sync),
        clock: &Stopwatch,
        console: &mut Console<'_>,
    ) -> Result<(Sums, bool, Exit), Problem> {
        let name = format!("{}/{}", self.world.name, self.readiness.name());
        let mut part = self.checkpoint.parts.remove(&name).unwrap_or_default();
        let shard = self.options.shard;
        let units = (0..search.units()).filter(|unit| unit % shard.count == shard.index);
        let todo: Vec<u32> = units.clone().filter(|unit| !part.units.contains(unit)).collect();
        let mut kept_millis = clock.elapsed_millis();
        let (options, checkpoint) = (self.options, &mut *self.checkpoint);
        let worker = Worker { options, world: self.world, readiness: self.readiness };
        let done = worker.work(&todo, is_over, &mut part, |part| {
            let now = clock.elapsed_millis();
            if now < kept_millis + KEEP_MILLIS {
                return Ok(());
            }
            kept_millis = now;
            checkpoint.parts.insert(name.clone(), part.clone());
            options.checkpoint.iter().try_for_each(|path| checkpoint.write(path))
        });
        self.checkpoint.parts.insert(name.clone(), part.clone());
        self.options.checkpoint.iter().try_for_each(|path| self.checkpoint.write(path))?;
        done?;
        let is_done = units.clone().all(|unit| part.units.contains(&unit));
        let exit = self.tell(search, script, &part.sums, console)?;
        let schedules = grouped(part.sums.schedules);
        let (units_done, units) = (part.units.len(), units.count());
        let told = format!("{name:<24} {schedules:>12} schedules  {units_done}/{units} units");
        console.print([told])?;
        Ok((part.sums, is_done, exit))
    }
}

/// The tools of the threads of one search.
struct Worker<'a> {
    options: &'a ExploreOptions,
    world: &'a SmallWorld,
    readiness: ReadinessOption,
}

impl Worker<'_> {
    /// Does the units on all threads; `keep` is called now and then.
    fn work(
        &self,
        todo: &[u32],
        is_over: &(dyn Fn() -> bool + Sync),
        part: &mut Part,
        mut keep: impl FnMut(&Part) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let jobs = self.options.jobs.unwrap_or(cores);
        let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        let is_over = || stop.load(Relaxed) || is_over();
        thread::scope(|scope| {
            let (sender, receiver) = channel();
            for _ in 0..jobs {
                let (sender, next, is_over) = (sender.clone(), &next, &is_over);
                let (world, readiness) = (*self.world, self.readiness as u64);
                let (faults, is_deduplicated) = (self.options.faults, !self.options.no_dedup);
                let do_units = move |search: &Search| {
                    while let Some(unit) = todo.get(next.fetch_add(1, Relaxed) as usize) {
                        let Some(sums) = search.unit(*unit, is_over) else { return };
                        // The receiver is gone only after it found that nothing can be written.
                        if sender.send((*unit, sums)).is_err() || is_over() {
                            return;
                        }
                    }
                };
                scope.spawn(move || {
                    world.search(readiness, faults, is_deduplicated, |search, _| do_units(search));
                });
            }
            drop(sender);
            loop {
                match receiver.recv_timeout(Duration::from_millis(KEEP_MILLIS)) {
                    Ok((unit, sums)) => {
                        assert!(part.units.insert(unit), "unit {unit} is done once");
                        part.sums.add(&sums);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                if let Err(problem) = keep(part) {
                    stop.store(true, Relaxed);
                    return Err(problem);
                }
            }
        })
    }
}

impl Run<'_> {
    /// Records and prints the first run of each failure.
    fn tell(
        &self,
        search: &Search,
        script: &Script,
        sums: &Sums,
        console: &mut Console<'_>,
    ) -> Result<Exit, Problem> {
        let mut gravest = Exit::Pass;
        for (signature, chosen) in &sums.firsts {
            let report = search.record(chosen, script);
            let failure = report.failure.as_ref().expect("the same decisions fail again");
            let (world, readiness) = (self.world.name, self.readiness.name());
            let name = signature.replace('/', "-");
            let path = self.options.out.join(format!("explore-{world}-{readiness}-{name}.tide"));
            let recorded = report.script.as_ref().expect("it is recorded").to_string();
            let shown = path.display().to_string();
            fs::create_dir_all(&self.options.out)
                .and_then(|()| fs::write(&path, recorded))
                .map_err(|error| Problem::Output(shown.clone(), error))?;
            let replay = format!("{} replay {}", console.program, shell_word(&shown));
            let kept = [("recorded", shown), ("replay", replay + " --trace line")];
            console.print(failure_text(&report, failure, &kept, FAILURE_LINES_MAX))?;
            let count = grouped(sums.signatures[signature]);
            console.print([format!("{count} schedules fail as {signature}"), String::new()])?;
            gravest = graver(gravest, Exit::Failed(failure.class));
        }
        Ok(gravest)
    }
}

/// A checkpoint is at most so old.
const KEEP_MILLIS: u64 = 1_000;
