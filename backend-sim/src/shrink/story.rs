//! From a failure to its story: recorded, made small, and measured before and after.

use std::fmt;

use super::delete::connections;
use super::{Failing, Shrinker, Shrunk, smaller};
use crate::campaign::Simulator;
use crate::report::grouped;
use crate::run::{Report, Source, Trace, Watch};
use crate::script::Script;

/// How much there is to be read of a failing run.
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
    /// What is left.
    pub shrunk: Shrunk,
    /// Of the run as it was found.
    pub before: Size,
    /// Of what is left.
    pub after: Size,
    /// The run of what is left, with its last events.
    pub report: Report,
}

/// From here on a small world is looked for that fails in the same way.
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
    let mut script = simulator.guarded(scenario, source, &written).script?;
    let run = |script: &Script, watch: &Watch| {
        simulator.guarded(scenario, Source::Script(Box::new(script.clone())), watch)
    };
    let first = run(&script, &brief);
    let signature = first.failure.as_ref()?.signature.clone();
    let before = Size::of(&script, &first);
    let judge = |script: &Script| {
        let report = run(script, &brief);
        let is_possible = report.stale.iter().all(|line| line.starts_with("at "));
        let events = report.story;
        let failure = report.failure.filter(|_| is_possible)?;
        Some(Failing { signature: failure.signature, events })
    };
    let mut runs = 0;
    if before.events > LONG_EVENTS {
        let drawn = Watch { is_drawn: true, ..written };
        let draw = |world: Script| {
            let report = simulator.guarded(scenario, Source::Script(Box::new(world)), &drawn);
            let (events, signature) = (report.story, report.failure?.signature);
            Some((report.script?, Failing { signature, events }))
        };
        let like = Failing { signature: signature.clone(), events: before.events };
        let worlds = smaller::worlds(scenario);
        let found = smaller::find(worlds, &like, &draw, &judge, may_go_on);
        runs = found.1;
        script = found.0.unwrap_or(script);
    }
    // What was said about the whole run need not be true of a part of it.
    script.comments.clear();
    script.needs.clear();
    script.signature = Some(signature.clone());
    let may_go_on = |more| may_go_on(runs + more);
    let mut shrunk = Shrinker::new(script, signature, &judge, &may_go_on).shrink();
    shrunk.runs += runs;
    // What can be read on one screen: events, commands and messages, without each call.
    let read = Watch { trace: Trace::Line, ..watch.clone() };
    let report = Report { trace: Vec::new(), ..run(&shrunk.script, &read) };
    let failure = report.failure.as_ref()?;
    let detail = crate::campaign::one_line(&failure.detail);
    shrunk.script.comments.push(format!("{}: {detail}", failure.law));
    let after = Size::of(&shrunk.script, &report);
    Some(Story { shrunk, before, after, report })
}
