//! The sums of runs.

use super::{Attempt, Deletion};
use crate::judge::coverage::Set;
use crate::run::Report;

/// Sums over runs. Addition commutes, so that shards and workers agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Runs that were made again and compared.
    pub repeated: u64,
    /// Steps of the worlds.
    pub events: u64,
    /// Operations of the scenarios.
    pub operations: u64,
    /// The number of them that completed.
    pub completed: u64,
    /// Runs that violated a law.
    pub failures: u64,
    /// The runs' digests, added modulo 2^64.
    pub digest: u64,
    /// The number of faults of each kind that were injected.
    pub injected: Counts,
    /// The number of faults of each kind that the code under test saw.
    pub seen: Counts,
    /// The number of times that one of each kind was deleted from a run.
    pub deleted: Counts,
    /// The number of times that this changed the outcome or the path.
    pub changed: Counts,
    /// The number of checks of each law.
    pub checked: Counts,
    /// The number of times that each probe was reached.
    pub probes: Counts,
    /// The cells that were reached.
    pub cells: Set,
    /// The pairs of faults that met.
    pub pairs: Set,
}

impl Tally {
    /// Counts one more run.
    pub fn add(&mut self, attempt: &Attempt) {
        let report: &Report = &attempt.report;
        self.runs += 1;
        self.repeated += u64::from(attempt.repeated);
        self.events += report.events;
        self.operations += report.operations;
        self.completed += report.completed;
        self.failures += u64::from(report.failure.is_some());
        self.digest = self.digest.wrapping_add(report.digest);
        self.injected.add(&report.injected);
        self.checked.add(&report.checked);
        self.seen.add(&report.reached.seen);
        self.probes.add(&report.reached.probes);
        self.cells.add(&report.reached.cells);
        self.pairs.add(&report.reached.pairs);
        if let Some(Deletion { family, has_changed }) = attempt.deletion {
            self.deleted.add(&[(family, 1)]);
            self.changed.add(&[(family, u64::from(has_changed))]);
        }
    }

    /// Counts all that another counted.
    pub fn merge(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.repeated += other.repeated;
        self.events += other.events;
        self.operations += other.operations;
        self.completed += other.completed;
        self.failures += other.failures;
        self.digest = self.digest.wrapping_add(other.digest);
        self.injected.add(&other.injected.0);
        self.checked.add(&other.checked.0);
        self.seen.add(&other.seen.0);
        self.deleted.add(&other.deleted.0);
        self.changed.add(&other.changed.0);
        self.probes.add(&other.probes.0);
        self.cells.add(&other.cells);
        self.pairs.add(&other.pairs);
    }
}

/// Sums by name, in the order in which the names first came.
#[derive(Clone, Debug, Default)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// The sums, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// The sum of a name; 0 if it never came.
    pub fn get(&self, name: &str) -> u64 {
        self.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| count)
    }

    /// Adds each count to the sum of its name.
    pub fn add(&mut self, counts: &[(&'static str, u64)]) {
        for (index, &(name, count)) in counts.iter().enumerate() {
            // Runs of one build list the same names, mostly at the same places.
            let here = self.0.get(index).is_some_and(|(known, _)| *known == name);
            let found = match here {
                true => Some(index),
                false => self.0.iter().position(|(known, _)| *known == name),
            };
            match found {
                Some(index) => self.0[index].1 += count,
                None => self.0.push((name, count)),
            }
        }
    }
}

impl PartialEq for Counts {
    /// The same sums, whatever the order of the names.
    fn eq(&self, other: &Counts) -> bool {
        let sorted = |counts: &Counts| {
            let mut sums: Vec<_> = counts.iter().collect();
            sums.sort_unstable();
            sums
        };
        sorted(self) == sorted(other)
    }
}

impl Eq for Counts {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_by_name_wherever_it_stands() {
        let mut counts = Counts::default();
        counts.add(&[("cut", 1), ("reset", 2)]);
        counts.add(&[("reset", 30), ("loss", 5), ("cut", 10)]);
        let sums: Vec<_> = counts.iter().collect();
        assert_eq!(sums, [("cut", 11), ("reset", 32), ("loss", 5)]);
        let mut other = Counts::default();
        other.add(&[("loss", 5), ("cut", 11), ("reset", 32)]);
        assert_eq!(counts, other);
        other.add(&[("cut", 1)]);
        assert_ne!(counts, other);
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let tally = |digest, failures, injected: &[(&'static str, u64)]| {
            let mut tally = Tally { runs: 1, events: 7, failures, digest, ..Tally::default() };
            tally.injected.add(injected);
            tally
        };
        let parts =
            [tally(u64::MAX, 1, &[("cut", 1)]), tally(3, 0, &[("reset", 2)]), tally(9, 0, &[])];
        let sum = |order: [usize; 3]| {
            let mut sum = Tally::default();
            order.into_iter().for_each(|index| sum.merge(&parts[index]));
            sum
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 1, 0]));
        let all = sum([0, 1, 2]);
        assert_eq!((all.runs, all.events, all.failures, all.digest), (3, 21, 1, 11));
    }
}
