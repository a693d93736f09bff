//! Exhaustive search: every run of a small world with at most so many decisions that are not
//! benign, each over its kind's representatives.
//!
//! A run is named by its decisions. The run of a name lists the choice points that it met; each
//! one behind its last decision, with each representative, names a run with one decision more. So
//! every set of decisions is run once. A *unit* is all runs with the same first decision: what it
//! gives does not depend on other units, so units are done in any order, by any thread or shard.

mod small;

pub use small::{SmallWorld, find, names};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::choices::{Chosen, Enumerate, Record};
use crate::run::{Report, Trace, Watch};
use crate::script::Script;
use crate::simulate::Prepared;

/// What a search, or a part of it, came to. Sums over units commute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Runs, each with other decisions.
    pub schedules: u64,
    /// Steps of the worlds.
    pub events: u64,
    /// Runs that broke each law.
    pub laws: BTreeMap<String, u64>,
    /// The decisions of the first run, in order of units, that broke each law.
    pub firsts: BTreeMap<String, Vec<Chosen>>,
}

impl Sums {
    /// Adds another part's; of two first runs the one with the lesser decisions stays.
    pub fn add(&mut self, other: &Sums) {
        self.schedules += other.schedules;
        self.events += other.events;
        for (law, count) in &other.laws {
            *self.laws.entry(law.clone()).or_default() += count;
        }
        for (law, first) in &other.firsts {
            let kept = self.firsts.entry(law.clone()).or_insert_with(|| first.clone());
            if (first.len(), first) < (kept.len(), &*kept) {
                kept.clone_from(first);
            }
        }
    }

    fn count(&mut self, report: &Report, chosen: &[Chosen]) {
        self.schedules += 1;
        self.events += report.events;
        if let Some(failure) = &report.failure {
            let law = failure.law.to_owned();
            let laws = BTreeMap::from([(law.clone(), 1)]);
            let firsts = BTreeMap::from([(law, chosen.to_vec())]);
            self.add(&Sums { laws, firsts, ..Sums::default() });
        }
    }
}

/// A search of one world.
pub struct Search {
    world: Prepared,
    faults_max: u32,
    /// The first decisions, in order; unit 0 is the run without any.
    firsts: Vec<Chosen>,
}

impl Search {
    /// A search of `world` with at most `faults_max` decisions in a run.
    pub fn new(world: Prepared, faults_max: u32) -> Self {
        let (_, choices) = world.run(Enumerate::new(&[]), &Watch::default());
        let firsts = if faults_max == 0 { Vec::new() } else { followers(&choices, 0).collect() };
        Self { world, faults_max, firsts }
    }

    /// How many units there are.
    pub fn units(&self) -> u32 {
        1 + self.firsts.len() as u32
    }

    /// Runs everything that begins with the unit's first decision. `is_over` is asked between
    /// runs; `None` if it stopped the unit.
    pub fn unit(&self, unit: u32, is_over: &dyn Fn() -> bool) -> Option<Sums> {
        let mut sums = Sums::default();
        if unit == 0 {
            let (report, _) = self.world.run(Enumerate::new(&[]), &Watch::default());
            sums.count(&report, &[]);
            return Some(sums);
        }
        let mut chosen = vec![self.firsts[unit as usize - 1]];
        self.descend(&mut chosen, &mut sums, is_over)?;
        Some(sums)
    }

    fn descend(
        &self,
        chosen: &mut Vec<Chosen>,
        sums: &mut Sums,
        is_over: &dyn Fn() -> bool,
    ) -> Option<()> {
        if is_over() {
            return None;
        }
        let (report, choices) = self.world.run(Enumerate::new(chosen), &Watch::default());
        assert!(choices.is_complete(), "a choice point of {chosen:?} was not met again");
        sums.count(&report, chosen);
        if chosen.len() as u32 == self.faults_max {
            return Some(());
        }
        let behind = chosen.last().expect("a unit has a first decision").point + 1;
        for next in followers(&choices, behind) {
            chosen.push(next);
            let result = self.descend(chosen, sums, is_over);
            chosen.pop();
            result?;
        }
        Some(())
    }

    /// Runs these decisions once more, and gives the run with its decisions by key, so that the
    /// script replays it. `script` is the one that the world was prepared from.
    pub fn record(&self, chosen: &[Chosen], script: &Script) -> Report {
        let choices = Record::new(Enumerate::new(chosen));
        let told = Watch { trace: Trace::Full, ..Watch::default() };
        let (mut report, record) = self.world.run(choices, &told);
        report.trace.clear();
        let mut script = script.clone();
        script.decisions = record.decisions().to_vec();
        script.signature = report.failure.as_ref().map(|failure| failure.law.to_owned());
        report.script = Some(script);
        report
    }
}

/// Every decision that can be made at a point from `behind` on.
fn followers(choices: &Enumerate, behind: u32) -> impl Iterator<Item = Chosen> {
    let points = choices.points().iter().enumerate().skip(behind as usize);
    points.flat_map(|(point, met)| {
        let values = met.kind.representatives(met.bound).into_iter();
        values.map(move |value| Chosen { point: point as u32, value })
    })
}

#[cfg(test)]
mod tests;
