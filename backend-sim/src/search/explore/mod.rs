//! Exhaustive search: every run of a small world with at most so many decisions that are not
//! benign, each over its kind's representatives.
//!
//! A run is named by its decisions. The run of a name lists the choice points that it met; each
//! one behind its last decision, with each representative, names a run with one decision more. So
//! every set of decisions is run once. A *unit* is all runs with the same first decision: what it
//! gives does not depend on other units, so units are done in any order, by any thread or shard.
//!
//! A run ends early where it comes to a state that another run came to with as many decisions
//! left: everything that follows is followed there. States are told apart by a fingerprint of
//! everything that the future and the judgement depend on.

mod small;

pub use small::{SmallWorld, find, names};
pub use tidelock_net::chance::choices::Chosen;

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelock_net::chance::choices::{Enumerate, Record, Trunk, Visited};

use crate::run::simulate::Prepared;
use crate::run::{Report, Trace, Watch};
use crate::tide::Script;

/// The sums of a search, or of a part of it. Sums over units commute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Runs, each with other decisions.
    pub schedules: u64,
    /// Steps of the worlds.
    pub events: u64,
    /// States that a unit came to and no earlier one with its first decision alone; 0 if they
    /// were not told apart.
    pub states: u64,
    /// Runs that failed, by what the failure is taken for.
    pub signatures: BTreeMap<String, u64>,
    /// The decisions of the first run, in order of units, that failed so.
    pub firsts: BTreeMap<String, Vec<Chosen>>,
}

impl Sums {
    /// Adds another part's; of two first runs the one with the lesser decisions stays.
    pub fn add(&mut self, other: &Sums) {
        self.schedules += other.schedules;
        self.events += other.events;
        self.states += other.states;
        for (signature, count) in &other.signatures {
            *self.signatures.entry(signature.clone()).or_default() += count;
        }
        for (signature, first) in &other.firsts {
            let kept = self.firsts.entry(signature.clone()).or_insert_with(|| first.clone());
            if (first.len(), first) < (kept.len(), &*kept) {
                kept.clone_from(first);
            }
        }
    }

    fn count(&mut self, report: &Report, chosen: &[Chosen]) {
        self.schedules += 1;
        self.events += report.events;
        if let Some(failure) = &report.failure {
            let signature = failure.signature.clone();
            let signatures = BTreeMap::from([(signature.clone(), 1)]);
            let firsts = BTreeMap::from([(signature, chosen.to_vec())]);
            self.add(&Sums { signatures, firsts, ..Sums::default() });
        }
    }
}

/// A search of one world.
pub struct Search {
    world: Prepared,
    faults_max: u32,
    /// The first decisions, in order; unit 0 is the run without any.
    firsts: Vec<Chosen>,
    /// `None`: every run goes to its end.
    trunk: Option<Arc<Trunk>>,
}

impl Search {
    /// A search of `world` with at most `faults_max` decisions in a run. `is_deduplicated`: what
    /// follows from one state is followed once.
    pub fn new(world: Prepared, faults_max: u32, is_deduplicated: bool) -> Self {
        let (_, choices) = world.run(Enumerate::new(&[]), &WATCH);
        let firsts = if faults_max == 0 { Vec::new() } else { followers(&choices, 0).collect() };
        let mut search = Self { world, faults_max, firsts, trunk: None };
        if is_deduplicated {
            let mut trunk = Arc::new(Trunk::default());
            // With one decision, the first runs are all there are.
            let units = if faults_max > 1 { search.units() } else { 1 };
            for unit in 0..units {
                let mut memory = Some(Visited::new(&trunk, unit));
                search.run(&search.first(unit), &mut memory);
                let states = memory.expect("a run gives it back").into_states();
                Arc::get_mut(&mut trunk).expect("no run has it now").add(unit, states);
            }
            search.trunk = Some(trunk);
        }
        search
    }

    /// Returns the number of units.
    pub fn units(&self) -> u32 {
        1 + self.firsts.len() as u32
    }

    fn first(&self, unit: u32) -> Vec<Chosen> {
        unit.checked_sub(1).map(|at| self.firsts[at as usize]).into_iter().collect()
    }

    /// Runs everything that begins with the unit's first decision. `is_over` is asked between
    /// runs; `None` if it stopped the unit.
    pub fn unit(&self, unit: u32, is_over: &dyn Fn() -> bool) -> Option<Sums> {
        let mut sums = Sums::default();
        let mut memory = self.trunk.as_ref().map(|trunk| Visited::new(trunk, unit));
        let mut chosen = self.first(unit);
        if chosen.is_empty() {
            let (report, _) = self.run(&chosen, &mut memory);
            sums.count(&report, &chosen);
        } else {
            self.descend(&mut chosen, &mut memory, &mut sums, is_over)?;
        }
        sums.states = memory.map_or(0, |visited| visited.states());
        Some(sums)
    }

    fn run(&self, chosen: &[Chosen], memory: &mut Option<Visited>) -> (Report, Enumerate) {
        let left = self.faults_max - chosen.len() as u32;
        let choices = match memory.take() {
            Some(visited) => Enumerate::among(chosen, visited, left),
            None => Enumerate::new(chosen),
        };
        let (report, mut choices) = self.world.run(choices, &WATCH);
        *memory = choices.take_visited();
        (report, choices)
    }

    fn descend(
        &self,
        chosen: &mut Vec<Chosen>,
        memory: &mut Option<Visited>,
        sums: &mut Sums,
        is_over: &dyn Fn() -> bool,
    ) -> Option<()> {
        if is_over() {
            return None;
        }
        let (report, choices) = self.run(chosen, memory);
        assert!(choices.is_complete(), "a choice point of {chosen:?} was not met again");
        sums.count(&report, chosen);
        if chosen.len() as u32 == self.faults_max {
            return Some(());
        }
        let behind = chosen.last().expect("a unit has a first decision").point + 1;
        for next in followers(&choices, behind) {
            chosen.push(next);
            let result = self.descend(chosen, memory, sums, is_over);
            chosen.pop();
            result?;
        }
        Some(())
    }

    /// Runs these decisions once more, and gives the run with its decisions by key, so that the
    /// script replays it. `script` is the one that the world was prepared from.
    pub fn record(&self, chosen: &[Chosen], script: &Script) -> Report {
        let choices = Record::new(Enumerate::new(chosen));
        let told = Watch { trace: Trace::Full, ..WATCH };
        let (mut report, record) = self.world.run(choices, &told);
        report.trace.clear();
        let mut script = script.clone();
        script.decisions = record.decisions().to_vec();
        script.signature = report.failure.as_ref().map(|failure| failure.signature.clone());
        report.script = Some(script);
        report
    }
}

/// Everything is checked at every step: when that was done last is no part of a state.
const WATCH: Watch = Watch {
    paranoid: true,
    record: false,
    trace: Trace::Off,
    is_seedless: false,
    is_noise_written: false,
    is_brief: false,
    is_drawn: false,
};

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
#[cfg(test)]
mod witness;
