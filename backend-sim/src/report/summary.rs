//! The table at a campaign's end.

use super::table::{Align, Table, side_by_side};
use super::text::{grouped, per_second, percent, scaled, seconds};
use crate::campaign::{Counts, Tally};

/// What a campaign's end is told from.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    /// Sums for each scenario that took part, in that order.
    pub scenarios: &'a [(&'static str, Tally)],
    /// The seeds that were done, as `0..3000`.
    pub seeds: String,
    /// How long it took, in milliseconds.
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
        lines.push(String::new());
        let faults = count_lines("fault", "injected", &total.injected);
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
        table.row(["repeated".to_owned(), format!("{} runs", grouped(total.repeated))]);
        table.row(["digest".to_owned(), format!("{:#018x}", total.digest)]);
        table.lines()
    }
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
