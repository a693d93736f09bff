//! The table at a campaign's end.

use super::table::{Align, Table, side_by_side};
use super::text::{grouped, per_second, percent, scaled, seconds};
use crate::campaign::{Counts, Tally};
use crate::judge::coverage::{Cell, Set, legal_cells, legal_pairs, why_not};

/// The figures that a campaign's end is told from.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    /// Sums for each scenario that took part, in that order.
    pub scenarios: &'a [(&'static str, Tally)],
    /// The seeds that were done, as `0..3000`.
    pub seeds: String,
    /// The duration in milliseconds.
    pub elapsed_millis: u64,
    /// On how many threads.
    pub jobs: usize,
}

impl Summary<'_> {
    /// The sums over all scenarios.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.scenarios.iter().for_each(|(_, tally)| total.merge(tally));
        total
    }

    /// Runs for each scenario, faults and laws next to each other, rates.
    pub fn lines(&self) -> Vec<String> {
        let total = self.total();
        let mut lines = self.scenario_lines(&total);
        lines.extend(self.warnings());
        let impossible = total.cells.iter().filter_map(Cell::from_index);
        lines.extend(impossible.filter_map(|cell| {
            why_not(cell).map(|why| format!("WARNING  {cell} was reached, and cannot be: {why}"))
        }));
        lines.push(String::new());
        let faults = fault_lines(&total);
        let laws = count_lines("law", "checked", &total.checked);
        lines.extend(side_by_side(&[faults, laws]));
        lines.push(String::new());
        lines.extend(self.closing_lines(&total));
        lines
    }

    fn scenario_lines(&self, total: &Tally) -> Vec<String> {
        let mut table =
            Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right, Align::Right]);
        table.row(["scenario", "runs", "events", "completed", "failures"]);
        let all = [("all", total)];
        let each = self.scenarios.iter().map(|(name, tally)| (*name, tally));
        let sum = all.into_iter().filter(|_| self.scenarios.len() > 1);
        for (name, tally) in each.chain(sum) {
            table.row([
                name.to_owned(),
                grouped(tally.runs),
                grouped(tally.events),
                percent(tally.completed, tally.operations),
                grouped(tally.failures),
            ]);
        }
        table.lines()
    }

    /// Scenarios in which too little succeeds: what they find is about failing alone.
    fn warnings(&self) -> Vec<String> {
        const COMPLETED_PERCENT_MIN: u64 = 30;
        let is_low = |tally: &Tally| {
            u128::from(tally.completed) * 100
                < u128::from(tally.operations) * u128::from(COMPLETED_PERCENT_MIN)
        };
        let low = self.scenarios.iter().filter(|(_, tally)| is_low(tally));
        low.map(|(name, tally)| {
            let share = percent(tally.completed, tally.operations);
            format!(
                "WARNING  {name}: only {share} of the operations completed, which is below \
                 {COMPLETED_PERCENT_MIN} %"
            )
        })
        .collect()
    }

    fn closing_lines(&self, total: &Tally) -> Vec<String> {
        let rate = |count| scaled(per_second(count, self.elapsed_millis));
        let mut table = Table::new(&[Align::Left, Align::Left]);
        table.row([
            "speed".to_owned(),
            format!(
                "{} runs/s, {} events/s ({} on {})",
                rate(total.runs),
                rate(total.events),
                seconds(self.elapsed_millis),
                if self.jobs == 1 { "1 job".to_owned() } else { format!("{} jobs", self.jobs) },
            ),
        ]);
        table.row(["seeds", &self.seeds]);
        table.row(["cells".to_owned(), of_legal(&total.cells, &legal_cells())]);
        table.row(["pairs".to_owned(), of_legal(&total.pairs, &legal_pairs())]);
        table.row(["repeated".to_owned(), format!("{} runs", grouped(total.repeated))]);
        table.row(["digest".to_owned(), format!("{:#018x}", total.digest)]);
        table.lines()
    }
}

/// Injected; met by the code under test; and of those that were deleted from a run, how many
/// changed it.
fn fault_lines(total: &Tally) -> Vec<String> {
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right]);
    table.row(["fault", "injected", "seen", "changed"]);
    for (name, count) in total.injected.iter() {
        let (changed, deleted) = (total.changed.get(name), total.deleted.get(name));
        let changed = match deleted {
            0 => "–".to_owned(),
            _ => format!("{} of {}", grouped(changed), grouped(deleted)),
        };
        table.row([name.to_owned(), grouped(count), grouped(total.seen.get(name)), changed]);
    }
    if total.injected.iter().next().is_none() {
        table.row(["none", "", "", ""]);
    }
    table.lines()
}

fn count_lines(name: &str, verb: &str, counts: &Counts) -> Vec<String> {
    let mut table = Table::new(&[Align::Left, Align::Right]);
    table.row([name, verb]);
    for (name, count) in counts.iter() {
        table.row([name.to_owned(), grouped(count)]);
    }
    if counts.iter().next().is_none() {
        table.row(["none", ""]);
    }
    table.lines()
}

/// Returns the share of what can be reached that was.
fn of_legal(reached: &Set, legal: &Set) -> String {
    let (count, whole) = (reached.len() as u64, legal.len() as u64);
    format!("{} of {} ({})", grouped(count), grouped(whole), percent(count, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(completed: u64) -> String {
        let tally = Tally { runs: 1, operations: 100, completed, ..Tally::default() };
        let scenarios = [("echo", tally)];
        let seeds = "0..1".to_owned();
        let summary = Summary { scenarios: &scenarios, seeds, elapsed_millis: 1, jobs: 1 };
        summary.lines().join("\n")
    }

    #[test]
    fn a_scenario_that_hardly_ever_succeeds_is_warned_of() {
        let warning = "WARNING  echo: only 29.0 % of the operations completed";
        assert!(lines(29).contains(warning), "{}", lines(29));
        assert!(!lines(30).contains("WARNING"), "{}", lines(30));
    }

    #[test]
    fn faults_are_injected_seen_and_change_something() {
        let mut tally = Tally::default();
        tally.injected.add(&[("cuts", 7), ("delays", 5)]);
        tally.seen.add(&[("cuts", 6)]);
        tally.deleted.add(&[("cuts", 3)]);
        tally.changed.add(&[("cuts", 2)]);
        let lines = fault_lines(&tally);
        assert_eq!(lines[1], "cuts           7     6   2 of 3");
        assert_eq!(lines[2], "delays         5     0        –");
    }
}
