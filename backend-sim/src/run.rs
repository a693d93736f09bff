//! One run: what goes in, and what comes out.

pub(crate) mod check;
pub(crate) mod panics;
pub(crate) mod signature;
pub(crate) mod simulate;
pub(crate) mod split;

pub use crate::judge::oracle::FailureClass;
pub use crate::judge::trace::Trace;

use std::fmt;

use crate::judge::coverage::Reached;
use crate::stage::options::Options;
use crate::tide::Script;

/// Where a run's decisions come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Everything is drawn from this seed.
    Seed(u64),
    /// Everything stands in a script.
    Script(Box<Script>),
}

/// The way in which a run is watched. None of this changes what happens in it.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Check every law in full at every step, not only for what the step touched.
    pub paranoid: bool,
    /// Keep a recording of every decision, so that [`Report::script`] is there.
    pub record: bool,
    /// The contents of [`Report::trace`].
    pub trace: Trace,
    /// Of a recording: write out what follows from the seed, and leave the seed out.
    pub is_seedless: bool,
    /// Run a failure only once, so that it has no last events.
    pub is_brief: bool,
    /// Of a script with a seed: draw its decisions from the seed and record them, instead of those
    /// that stand in it; so a seed's world runs with other options.
    pub is_drawn: bool,
    /// Of a recording of a script: leave its noise out, and say by decisions what it made late. So
    /// that each of them can be deleted by itself; what noise does otherwise is lost.
    pub is_noise_written: bool,
}

/// The report on a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The seed; of a script, the one in its `seed` line, or 0.
    pub seed: u64,
    /// Of a script without a `seed` line: all that happens stands in it.
    pub is_seedless: bool,
    /// A hash of every step, with payload. Same source, same digest, on every machine.
    pub digest: u64,
    /// The digest after some of the steps, each with its step.
    pub checkpoints: Vec<(u64, u64)>,
    /// A hash of what services saw, without times.
    pub outcome: u64,
    /// Steps of the world.
    pub events: u64,
    /// Events that hosts were told, and commands and messages about sockets: what a person would
    /// read of it.
    pub story: u64,
    /// Operations of the scenario, and how many of them completed.
    pub operations: u64,
    /// See `operations`.
    pub completed: u64,
    /// For each fault family by name: how often it was injected.
    pub injected: Vec<(&'static str, u64)>,
    /// The coverage that was reached.
    pub reached: Reached,
    /// For each row of the table of errors that was met, by `call/ERRNO`: how often.
    pub errnos: Vec<(&'static str, u64)>,
    /// The number of checks of each law.
    pub checked: Vec<(&'static str, u64)>,
    /// The configuration and the swarm's choices; `None` of a run that broke off, or if they are not
    /// told.
    pub options: Option<Options>,
    /// The violated law, if one was.
    pub failure: Option<Failure>,
    /// The recording, if it was asked for.
    pub script: Option<Script>,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
    /// Of a script: the decisions that were not consumed and the needs that were not reached, each
    /// as its line. A regression with such lines no longer tests what it was written for.
    pub stale: Vec<String>,
}

impl Report {
    /// The configuration and the swarm's choices, printed; empty without them.
    pub fn options(&self) -> String {
        self.options.as_ref().map_or(String::new(), Options::to_string)
    }
}

/// A violated law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The law's stable name, as `no-lost-edge`.
    pub law: &'static str,
    /// The observation, and the expectation.
    pub detail: String,
    /// At which step.
    pub step: u64,
    /// The class of the law.
    pub class: FailureClass,
    /// Law, role of the socket, state of its Mux and class of the last event about it, as
    /// `no-lost-edge/accepted/open/readable`; two failures of one signature are taken for the same.
    pub signature: String,
    /// The last events before it, the last at the end.
    pub last_events: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at step {}: {}", self.law, self.step, self.detail)
    }
}
