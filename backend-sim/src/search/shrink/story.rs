//! From a failure to its story: recorded, made small, and measured before and after.

use std::fmt;

use super::delete::connections;
use super::{Failing, OTHERS_MAX, SHORT_EVENTS, Shrinker, Shrunk, smaller};
use crate::campaign::Simulator;
use crate::report::grouped;
use crate::run::{Report, Source, Trace, Watch};
use crate::tide::Script;

/// The amount that is to be read of a failing run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Decisions that are not benign, and faults of the world.
    pub faults: u64,
    /// Connections and datagram sockets that operations open.
    pub connections: u64,
    /// Until the violation: events that hosts were told, commands that services asked about a
    /// socket, and messages that they were told about one.
    pub events: u64,
}

impl Size {
    /// Of a script and its run.
    pub fn of(script: &Script, report: &Report) -> Size {
        let faults = script.decisions.len() + script.faults.len();
        let connections = connections(script).len();
        Size { faults: faults as u64, connections: connections as u64, events: report.story }
    }
}

/// `2 faults, 1 connection, 9 events`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: u64, one: &str| match count {
            1 => format!("1 {one}"),
            many => format!("{} {one}s", grouped(many)),
        };
        let (faults, events) = (count(self.faults, "fault"), count(self.events, "event"));
        write!(f, "{faults}, {}, {events}", count(self.connections, "connection"))
    }
}

/// A failure, made small.
#[derive(Clone, Debug)]
pub struct Story {
    /// The rest.
    pub shrunk: Shrunk,
    /// Of the run as it was found.
    pub before: Size,
    /// Of what is left.
    pub after: Size,
    /// The rest is of a smaller world of the scenario, in which a seed failed with the same
    /// signature, and no part of the run that was found.
    pub is_of_smaller_world: bool,
    /// The run of what is left, with its last events.
    pub report: Report,
}

/// From here on a small world is looked for before anything is deleted.
const LONG_EVENTS: u64 = 100;

/// Makes the failure of a seed or a script small, by running it in the simulator. `may_go_on` is
/// asked before every run with the number of runs so far.
///
/// `None` if the source does not fail in the same way when all of it is written down: a panic
/// outside of what a world catches, or a run that differs from one time to the next.
pub fn story(
    simulator: &Simulator<'_>,
    scenario: &'static str,
    source: Source,
    watch: &Watch,
    may_go_on: &dyn Fn(u64) -> bool,
) -> Option<Story> {
    let brief = Watch { is_brief: true, ..watch.clone() };
    let written = Watch { record: true, is_seedless: true, ..brief.clone() };
    let script = simulator.guarded(scenario, source, &written).script?;
    let run = |script: &Script, watch: &Watch| {
        simulator.guarded(scenario, Source::Script(Box::new(script.clone())), watch)
    };
    let first = run(&script, &brief);
    let signature = first.failure.as_ref()?.signature.clone();
    let before = Size::of(&script, &first);
    let mut search = Search { simulator, scenario, brief: &brief, signature, may_go_on, runs: 0 };
    // A long run is made small only if no small world fails like it.
    let is_long = before.events > LONG_EVENTS;
    let mut worlds = if is_long { search.worlds(before.events / 2) } else { Vec::new() };
    let mut best = match worlds.is_empty() {
        true => search.shrink(script),
        false => search.shrink_world(worlds.remove(0)),
    };
    if !is_long && best.events > SHORT_EVENTS {
        worlds = search.worlds(best.events);
    }
    for world in worlds {
        if best.events <= SHORT_EVENTS || !best.shrunk.is_minimal {
            break;
        }
        let other = search.shrink_world(world);
        best = if other.weight() < best.weight() { other.taking(best) } else { best.taking(other) };
    }
    let is_of_smaller_world = best.is_of_smaller_world;
    let mut shrunk = best.shrunk;
    shrunk.runs = search.runs;
    // What can be read on one screen: events, commands and messages, without each call.
    let read = Watch { trace: Trace::Line, ..watch.clone() };
    let report = Report { trace: Vec::new(), ..run(&shrunk.script, &read) };
    let failure = report.failure.as_ref()?;
    let detail = crate::campaign::one_line(&failure.detail);
    shrunk.script.comments.push(format!("{}: {detail}", failure.law));
    let after = Size::of(&shrunk.script, &report);
    Some(Story { shrunk, before, after, is_of_smaller_world, report })
}

/// The search for the smallest script that fails with a signature.
struct Search<'a> {
    simulator: &'a Simulator<'a>,
    scenario: &'static str,
    brief: &'a Watch,
    signature: String,
    may_go_on: &'a dyn Fn(u64) -> bool,
    runs: u64,
}

/// One script that was made small.
struct Found {
    shrunk: Shrunk,
    /// The length of its story.
    events: u64,
    is_of_smaller_world: bool,
}

impl Found {
    /// Returns the amount that is to be read: lines, and events.
    fn weight(&self) -> u64 {
        let Script { operations, decisions, faults, config, .. } = &self.shrunk.script;
        let lines = operations.len() + decisions.len() + faults.len() + config.len();
        self.events.max(SHORT_EVENTS) + lines as u64
    }

    /// This one, with the other failures that were met on the way to another one.
    fn taking(mut self, other: Found) -> Found {
        self.shrunk.others.extend(other.shrunk.others);
        while self.shrunk.others.len() > OTHERS_MAX {
            self.shrunk.others.pop_last();
        }
        self
    }
}

impl Search<'_> {
    fn run(&self, script: &Script, watch: &Watch) -> Report {
        let source = Source::Script(Box::new(script.clone()));
        self.simulator.guarded(self.scenario, source, watch)
    }

    fn judge(&self, script: &Script) -> Option<Failing> {
        let report = self.run(script, self.brief);
        let is_possible = report.stale.iter().all(|line| line.starts_with("at "));
        let events = report.story;
        let failure = report.failure.filter(|_| is_possible)?;
        Some(Failing { signature: failure.signature, events })
    }

    /// Small worlds that fail in the same way, with less than so many events.
    fn worlds(&mut self, events_max: u64) -> Vec<Script> {
        let drawn = Watch { record: true, is_seedless: true, is_drawn: true, ..self.brief.clone() };
        let draw = |world: Script| {
            let report = self.run(&world, &drawn);
            let (events, signature) = (report.story, report.failure?.signature);
            Some((report.script?, Failing { signature, events }))
        };
        let judge = |script: &Script| self.judge(script);
        let may_go_on = |more| (self.may_go_on)(self.runs + more);
        let worlds = smaller::worlds(self.scenario);
        let (found, runs) =
            smaller::find(worlds, &self.signature, events_max, &draw, &judge, &may_go_on);
        self.runs += runs;
        found
    }

    fn shrink(&mut self, mut script: Script) -> Found {
        // What was said about the whole run need not be true of a part of it.
        script.comments.clear();
        script.needs.clear();
        script.signature = Some(self.signature.clone());
        let judge = |script: &Script| self.judge(script);
        let may_go_on = |more| (self.may_go_on)(self.runs + more);
        let loud = Watch { record: true, is_noise_written: true, ..self.brief.clone() };
        // A simulator of somebody's own may have no noise to write out.
        let write = |script: &Script| {
            self.run(script, &loud).script.filter(|script| script.noise == Some(0))
        };
        let shrinker = Shrinker::new(script, self.signature.clone(), &judge, &may_go_on);
        let shrunk = shrinker.write_noise_by(&write).shrink();
        self.runs += shrunk.runs;
        let events = self.judge(&shrunk.script).map_or(u64::MAX, |failing| failing.events);
        Found { shrunk, events, is_of_smaller_world: false }
    }

    fn shrink_world(&mut self, world: Script) -> Found {
        Found { is_of_smaller_world: true, ..self.shrink(world) }
    }
}
