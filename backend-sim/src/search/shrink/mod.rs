//! A failing script made small: every line that is left is needed.
//!
//! [`Shrinker`] works on a [`Script`] and a judge, a function from a script to the signature of its
//! failure; it knows nothing of worlds, so that it is tested without one and used with anybody's.
//! It deletes and simplifies as long as the signature stays and the story does not become longer
//! than a screen's worth: noise first, then whole connections, operations, decisions, faults of the
//! world, options; noise that is needed becomes delays; small buffers become cuts at a byte; values
//! and times become simple; options are added that make a long story shorter. Other failures that
//! are met on the way are kept as their own. There is no clock here: the caller says whether to go
//! on.

mod cuts;
mod delete;
mod noise;
mod shorten;
mod simplify;
mod smaller;
mod story;

pub use story::{Size, Story, story};

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::tide::Script;

/// Returns how a script fails; `None` if it holds all laws, or cannot be run.
pub type Judge<'a> = dyn Fn(&Script) -> Option<Failing> + 'a;

/// Says by decisions what noise does in a run of a script; `None` if it cannot be run.
pub type Writer<'a> = dyn Fn(&Script) -> Option<Script> + 'a;

/// The failure of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The signature of its failure.
    pub signature: String,
    /// The number of events that are to be read: [`Report::story`](crate::run::Report::story).
    pub events: u64,
}

/// Makes one failing script small.
pub struct Shrinker<'a> {
    judge: &'a Judge<'a>,
    may_go_on: &'a dyn Fn(u64) -> bool,
    write_noise: Option<&'a Writer<'a>>,
    signature: String,
    best: Script,
    /// Of the best one, once it was run.
    events: u64,
    /// The verdict on each script that was tried, by its hash.
    tried: BTreeMap<u64, Option<Failing>>,
    others: BTreeMap<String, Script>,
    runs: u64,
    is_over: bool,
}

/// A script that was made small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest that was found; its decisive line has a note that says so.
    pub script: Script,
    /// Runs that it took.
    pub runs: u64,
    /// No line can be deleted and no value made simpler by itself, without the failure going away
    /// or its story becoming longer than it is and than [`SHORT_EVENTS`]. `false`: the budget was
    /// over.
    pub is_minimal: bool,
    /// The text of the decisive line: deleted, nothing fails, and it is the latest such decision,
    /// else fault, else operation.
    pub decisive: Option<String>,
    /// Failures with other signatures that were met, the first script of each.
    pub others: BTreeMap<String, Script>,
}

/// A story of so many events is short enough: that a line is deleted counts for more.
pub const SHORT_EVENTS: u64 = 12;
/// The note at a decisive line.
const DECISIVE: &str = "decisive";
/// The number of failures with other signatures that are kept.
const OTHERS_MAX: usize = 8;

impl<'a> Shrinker<'a> {
    /// A shrinker for a script that fails with this signature. `may_go_on` is asked before every
    /// run, with the number of runs so far.
    pub fn new(
        script: Script,
        signature: String,
        judge: &'a Judge<'a>,
        may_go_on: &'a dyn Fn(u64) -> bool,
    ) -> Self {
        Self {
            judge,
            may_go_on,
            write_noise: None,
            signature,
            best: script,
            events: u64::MAX,
            tried: BTreeMap::new(),
            others: BTreeMap::new(),
            runs: 0,
            is_over: false,
        }
    }

    /// Noise that is needed is written out by this.
    #[must_use]
    pub fn write_noise_by(mut self, writer: &'a Writer<'a>) -> Self {
        self.write_noise = Some(writer);
        self
    }

    /// Makes it as small as it gets, or as far as the budget goes.
    pub fn shrink(mut self) -> Shrunk {
        if let Some(failing) = self.verdict(&self.best.clone()) {
            self.events = failing.events;
        }
        loop {
            let before = self.best.clone();
            self.quieten();
            // As long as much is decided, something of it still fits when the rest moves.
            self.delete_connections();
            self.delete_operations();
            self.delete_decisions();
            self.delete_faults();
            self.delete_options();
            // What is deleted costs nothing any more; what comes now does with every run.
            let steps: [fn(&mut Self); 6] = [
                Self::delete_pairs,
                Self::write_noise_out,
                Self::cut_instead,
                Self::simplify_together,
                Self::simplify,
                Self::shorten,
            ];
            for step in steps {
                if self.best == before {
                    step(&mut self);
                }
            }
            if self.best == before || self.is_over {
                break;
            }
        }
        let is_minimal = !self.is_over;
        let decisive = self.mark_decisive();
        Shrunk { script: self.best, runs: self.runs, is_minimal, decisive, others: self.others }
    }

    /// Returns the verdict on a script.
    fn verdict(&mut self, script: &Script) -> Option<Failing> {
        let hash = xxh3_64(script.to_string().as_bytes());
        if let Some(known) = self.tried.get(&hash) {
            return known.clone();
        }
        if self.is_over || !(self.may_go_on)(self.runs) {
            self.is_over = true;
            return None;
        }
        self.runs += 1;
        let verdict = (self.judge)(script);
        let signature = verdict.as_ref().map(|failing| &failing.signature);
        if let Some(signature) = signature.filter(|other| **other != self.signature) {
            let is_room = self.others.len() < OTHERS_MAX;
            if is_room && !self.others.contains_key(signature) {
                let script = Script { signature: Some(signature.clone()), ..script.clone() };
                self.others.insert(signature.clone(), script);
            }
        }
        self.tried.insert(hash, verdict.clone());
        verdict
    }

    /// Takes a script instead of the best one if it fails in the same way, unless its story is
    /// longer, and not short.
    fn accept(&mut self, candidate: Script) -> bool {
        self.accept_up_to(candidate, self.events.max(SHORT_EVENTS))
    }

    /// The same, unless more would have to be read: a value that is simpler makes nothing longer.
    fn accept_simpler(&mut self, candidate: Script) -> bool {
        self.accept_up_to(candidate, self.events)
    }

    fn accept_up_to(&mut self, candidate: Script, events_max: u64) -> bool {
        if candidate == self.best {
            return false;
        }
        let failing = self.verdict(&candidate);
        let same = failing.filter(|failing| failing.signature == self.signature);
        let Some(failing) = same.filter(|failing| failing.events <= events_max) else {
            return false;
        };
        (self.best, self.events) = (candidate, failing.events);
        true
    }

    /// Finds the line that decides, and marks it.
    fn mark_decisive(&mut self) -> Option<String> {
        let best = self.best.clone();
        for at in (0..best.decisions.len()).rev() {
            if self.verdict(&delete::decisions(&best, at..at + 1)).is_none() && !self.is_over {
                self.best.decisions[at].note = DECISIVE.to_owned();
                return Some(format!("at {}", best.decisions[at]));
            }
        }
        for at in (0..best.faults.len()).rev() {
            if self.verdict(&delete::faults(&best, at..at + 1)).is_none() && !self.is_over {
                self.best.faults[at].note = DECISIVE.to_owned();
                let fault = &best.faults[at];
                return Some(format!("fault {} {}", fault.label, fault.words.join(" ")));
            }
        }
        for at in (0..best.operations.len()).rev() {
            if self.verdict(&delete::operations(&best, &[at])).is_none() && !self.is_over {
                self.best.operations[at].note = DECISIVE.to_owned();
                let operation = &best.operations[at];
                return Some(format!("op {} {}", operation.label, operation.words.join(" ")));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
