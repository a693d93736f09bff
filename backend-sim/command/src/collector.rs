//! The handling of each run of a campaign, in the order of seeds, and of their sum.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::{fs, io};

use tidelock_sim::internal::campaign::{Attempt, Recording, Tally};
use tidelock_sim::internal::judge::coverage::Set;
use tidelock_sim::internal::report::{
    FAILURE_LINES_MAX, Summary, failure_text, grouped, story_text,
};
use tidelock_sim::internal::script::Script;
use tidelock_sim::internal::search::shrink::{Story, story};
use tidelock_sim::run::{Failure, FailureClass, Report, Source, Watch};

use crate::budget::Budget;
use crate::console::{Console, shell_word};
use crate::exit::{Exit, Problem};
use crate::interrupt::Interrupted;
use crate::json::{JsonLines, Line, ReachedLine, SEEDS_PER_ROLLUP, Sums, is_stdout};
use crate::options::RunOptions;
use crate::progress::Progress;
use crate::ranges::Ranges;
use crate::run::Plan;
use crate::shrink::{minimised, write, write_others};

/// Sums up runs, and records, prints and writes what they found.
pub(crate) struct Collector<'a, 'c> {
    plan: &'a Plan<'a>,
    options: &'a RunOptions,
    console: &'a mut Console<'c>,
    json: Option<JsonLines>,
    progress: &'a Progress,
    interrupted: &'a Interrupted,
    /// Signatures whose first failure was made small.
    shrunk: BTreeSet<String>,
    /// For each scenario that takes part.
    tallies: Vec<(&'static str, Tally)>,
    seeds: Ranges,
    /// The sums since the last roll-up.
    rollup: (Ranges, Tally),
    /// Failures by law.
    laws: BTreeMap<&'static str, u64>,
    /// The class with the lowest exit code.
    gravest: Option<FailureClass>,
    /// All cells that were reached, and how many seeds ago the last new one was.
    cells: Set,
    seeds_since_new: u64,
    /// Why nothing more is collected, if it is not enough failures.
    problem: Option<Problem>,
}

impl<'a, 'c> Collector<'a, 'c> {
    pub(crate) fn new(
        plan: &'a Plan<'a>,
        options: &'a RunOptions,
        console: &'a mut Console<'c>,
        json: Option<JsonLines>,
        progress: &'a Progress,
        interrupted: &'a Interrupted,
    ) -> Collector<'a, 'c> {
        let scenarios = plan.campaign.scenarios.iter();
        Collector {
            plan,
            options,
            console,
            json,
            progress,
            interrupted,
            shrunk: BTreeSet::new(),
            tallies: scenarios.map(|name| (*name, Tally::default())).collect(),
            seeds: Ranges::default(),
            rollup: (Ranges::default(), Tally::default()),
            laws: BTreeMap::new(),
            gravest: None,
            cells: Set::default(),
            seeds_since_new: 0,
            problem: None,
        }
    }

    /// Runs that failed, so far.
    pub(crate) fn failures(&self) -> u64 {
        self.tallies.iter().map(|(_, tally)| tally.failures).sum()
    }

    /// Returns `true` if so many seeds in a row as were asked for reached nothing new.
    fn is_stable(&self) -> bool {
        self.options.until_stable.is_some_and(|seeds| self.seeds_since_new >= seeds)
    }

    /// Takes one run in; `Break` if there were enough failures or seeds without news, or nothing
    /// can be written.
    pub(crate) fn collect(&mut self, attempt: &Attempt) -> ControlFlow<()> {
        let failures_max = if self.options.stop_on_first { 1 } else { self.options.max_failures };
        match self.add(attempt) {
            Ok(()) if self.failures() < failures_max && !self.is_stable() => {
                ControlFlow::Continue(())
            }
            Ok(()) => ControlFlow::Break(()),
            Err(problem) => {
                self.problem = Some(problem);
                ControlFlow::Break(())
            }
        }
    }

    fn add(&mut self, attempt: &Attempt) -> Result<(), Problem> {
        let report = &attempt.report;
        tracing::trace!(
            scenario = report.scenario,
            seed = report.seed,
            digest = report.digest,
            events = report.events,
            "a run"
        );
        if self
            .rollup
            .0
            .as_slice()
            .last()
            .is_some_and(|(_, end)| (end - 1) / SEEDS_PER_ROLLUP != report.seed / SEEDS_PER_ROLLUP)
        {
            self.roll_up()?;
        }
        let place = self.tallies.iter_mut().find(|(name, _)| *name == report.scenario);
        place.expect("a scenario of the plan").1.add(attempt);
        let has_new = self.cells.add(&report.reached.cells);
        self.seeds_since_new = if has_new { 0 } else { self.seeds_since_new + 1 };
        self.seeds.push(report.seed);
        self.rollup.0.push(report.seed);
        self.rollup.1.add(attempt);
        if self.options.json_runs {
            self.write_json(&Line::run(report))?;
        }
        match &report.failure {
            Some(failure) => self.fail(report, failure),
            None => Ok(()),
        }
    }

    /// A failure: recorded and written first of all, then checked, then told.
    fn fail(&mut self, report: &Report, failure: &Failure) -> Result<(), Problem> {
        let recording = self.plan.campaign.record(report);
        let (script, mut difference) = match recording {
            Some(Recording { script, difference }) => (Some(script), difference),
            None => (None, None),
        };
        let written = script.as_ref().map(|script| write_script(&self.options.out, script));
        let is_deterministic = failure.class != FailureClass::Nondeterminism;
        if let Some(script) = script.as_ref().filter(|_| is_deterministic && difference.is_none()) {
            difference = self.plan.campaign.replay_recording(report, script);
        }
        let is_faithful = is_deterministic && difference.is_none();
        let replay = match &written {
            Some(Ok(path)) if is_faithful => format!("replay {} --trace line", shell_word(path)),
            _ if is_deterministic => {
                format!("replay seed:{} --scenario {} --trace line", report.seed, report.scenario)
            }
            _ => compare_again(report),
        };
        let recorded = match &written {
            None => "nothing: the run ended in a panic".to_owned(),
            Some(Ok(path)) => path.clone(),
            Some(Err(error)) => format!("nothing: {error}"),
        };
        let path = written.as_ref().and_then(|written| written.as_deref().ok());
        let story = match (path, script) {
            (Some(path), Some(script)) if is_faithful => self.shrink(report, path, script),
            _ => None,
        };
        let told = Told { recorded: &recorded, path, story: story.as_ref() };
        self.tell(report, failure, &told, &replay)?;
        match difference {
            Some(it) => self.tell(report, &it, &told, &compare_again(report)),
            None => Ok(()),
        }
    }

    /// Makes the first failure of each signature small.
    fn shrink(&mut self, report: &Report, recorded: &str, script: Script) -> Option<Story> {
        let signature = report.failure.as_ref()?.signature.clone();
        if self.options.no_shrink || !self.shrunk.insert(signature) {
            return None;
        }
        let campaign = &self.plan.campaign;
        let watch = Watch { paranoid: campaign.paranoid, ..Watch::default() };
        let millis = self.options.shrink_budget.millis;
        let source = Source::Script(Box::new(script));
        let interrupted = self.interrupted;
        let told = self.progress.aside(|| {
            let budget = Budget::start(millis, interrupted, self.options.quiet);
            let may_go_on = |runs| budget.may_go_on(runs);
            let simulator = &campaign.simulator;
            let told = story(simulator, report.scenario, source, &watch, &may_go_on);
            budget.end();
            told
        });
        tracing::info!(recorded, is_told = told.is_some(), "a failure was made small");
        told
    }

    fn tell(
        &mut self,
        report: &Report,
        failure: &Failure,
        told: &Told<'_>,
        replay: &str,
    ) -> Result<(), Problem> {
        let seen = self.laws.entry(failure.law).or_default();
        *seen += 1;
        // The first of a law is told in full; twenty screens of the same would hide the others.
        let lines_max = if *seen == 1 { FAILURE_LINES_MAX } else { AGAIN_LINES_MAX };
        let exit = |class| Exit::Failed(class).code();
        self.gravest = self.gravest.into_iter().chain([failure.class]).min_by_key(|c| exit(*c));
        let paranoid = if self.options.paranoid { " --paranoid" } else { "" };
        let replay = format!("{} {replay}{paranoid}", self.console.program);
        // What was made small is the failure itself, not that its recording differs.
        let story = told.story.filter(|_| failure.class != FailureClass::Nondeterminism);
        let small = story.zip(told.path).map(|(story, path)| (story, minimised(Path::new(path))));
        let mut kept = vec![("recorded", told.recorded.to_owned())];
        let lines = match &small {
            Some((story, path)) => {
                write(path, &story.shrunk.script)?;
                kept.extend(write_others(path, story)?);
                let small = path.display().to_string();
                let program = &self.console.program;
                let replay = format!("{program} replay {} --trace line", shell_word(&small));
                kept.extend([("shrunk to", small), ("replay", format!("{replay}{paranoid}"))]);
                story_text(report, story, &kept, FAILURE_LINES_MAX)
            }
            None => {
                kept.push(("replay", replay.clone()));
                failure_text(report, failure, &kept, lines_max)
            }
        };
        let small = small.map(|(_, path)| path.display().to_string());
        self.write_json(&Line::failure(report, failure, told.path, small.as_deref(), &replay))?;
        let console = &mut *self.console;
        self.progress.aside(|| console.print(["".to_owned()].into_iter().chain(lines)))
    }

    fn roll_up(&mut self) -> Result<(), Problem> {
        let (seeds, tally) = std::mem::take(&mut self.rollup);
        self.write_json(&Line::Rollup { sums: Sums::new(&seeds, &tally) })
    }

    fn write_json(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        match &mut self.json {
            Some(json) => json.write(line),
            None => Ok(()),
        }
    }

    /// Writes and prints the sums; decides the exit code.
    pub(crate) fn end(
        mut self,
        elapsed_millis: u64,
        is_interrupted: bool,
    ) -> Result<Exit, Problem> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        self.roll_up()?;
        let tallies = std::mem::take(&mut self.tallies);
        let seeds = self.seeds.to_string();
        let jobs = self.plan.jobs;
        let summary = Summary { scenarios: &tallies, seeds, elapsed_millis, jobs };
        let total = summary.total();
        let scenarios = self.plan.campaign.scenarios.clone();
        let ranges = std::mem::take(&mut self.seeds);
        self.write_json(&Line::Campaign {
            scenarios: &scenarios,
            interrupted: is_interrupted,
            sums: Sums::new(&ranges, &total),
            injected: &total.injected,
            checked: &total.checked,
            reached: ReachedLine::new(&total),
        })?;
        if !self.options.quiet {
            self.console.print([""])?;
            self.console.print(summary.lines())?;
            if self.is_stable() {
                let seeds = grouped(self.seeds_since_new);
                self.console.print([format!("stable    {seeds} seeds without a new cell")])?;
            }
            if let Some(json) = self.options.json.as_deref().filter(|path| !is_stdout(path))
                && is_interrupted
            {
                let json = shell_word(&json.display().to_string());
                let how = format!("resume    the same with --resume {json} and another --json");
                self.console.print([how])?;
            }
        }
        if !self.options.quiet || self.gravest.is_some() {
            self.console.print(["".to_owned(), self.verdict(is_interrupted)])?;
        }
        Ok(match self.gravest {
            _ if is_interrupted => Exit::Interrupted,
            Some(class) => Exit::Failed(class),
            None => Exit::Pass,
        })
    }

    fn verdict(&self, is_interrupted: bool) -> String {
        let laws = self.laws.iter().map(|(law, count)| format!("{law} {count}"));
        let laws = laws.collect::<Vec<_>>().join(", ");
        match (is_interrupted, self.laws.is_empty()) {
            (false, true) => "PASS  no law was violated".to_owned(),
            (false, false) => format!("FAILED  {laws}"),
            (true, true) => "INTERRUPTED  no law was violated until then".to_owned(),
            (true, false) => format!("INTERRUPTED  until then: {laws}"),
        }
    }
}

/// Where a failure lies, and what was made of it.
struct Told<'a> {
    /// The recording's path, or why there is none.
    recorded: &'a str,
    /// The recording's path.
    path: Option<&'a str>,
    /// The rest of it, if it was made small.
    story: Option<&'a Story>,
}

/// The arguments that make a run, and make it again, and compare.
fn compare_again(report: &Report) -> String {
    let Report { scenario, seed, .. } = report;
    format!("run {scenario} --seeds {seed}..{} --twice 100%", seed + 1)
}

/// The number of lines of a failure whose law was violated before.
const AGAIN_LINES_MAX: usize = 20;

/// Writes a recording into the folder, and gives its path.
fn write_script(folder: &Path, script: &Script) -> io::Result<String> {
    let seed = script.seed.unwrap_or(0);
    let path = folder.join(format!("{}-{seed}.tide", script.scenario));
    fs::create_dir_all(folder)?;
    fs::write(&path, script.to_string())?;
    Ok(path.display().to_string())
}
