//! `tidelock coverage` and `tidelock merge`.

use std::collections::{BTreeMap, BTreeSet};

use tidelock_sim::internal::judge::coverage::{
    CATALOGUE, Cell, PAIRS, legal_cells, legal_pairs, pair_name, why_not, why_not_pair,
};
use tidelock_sim::internal::report::{Align, Table, grouped, percent};

use crate::console::Console;
use crate::exit::{Exit, Problem};
use crate::options::{CoverageOptions, MergeOptions};
use crate::results::Results;

/// Prints the sum of campaigns' files as one.
pub(crate) fn merge(options: &MergeOptions, console: &mut Console<'_>) -> Result<Exit, Problem> {
    console.print(Results::read_all(&options.files, true)?.into_lines())?;
    Ok(Exit::Pass)
}

/// Says what was reached of what can be.
pub(crate) fn execute(
    options: &CoverageOptions,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let campaign = Results::read_all(&options.files, false)?.campaign;
    let reached = &campaign.reached;
    let cells = Matrix::cells(&reached.cells);
    let pairs = Matrix::pairs(&reached.pairs);
    console.print([format!("{} runs", grouped(campaign.runs))])?;
    console.print([cells.share("cells"), pairs.share("pairs")])?;
    console.print(cells.unknown.iter().chain(&pairs.unknown))?;
    console.print(cells.impossible.iter().chain(&pairs.impossible))?;
    if !cells.holes.is_empty() {
        console.print(["", "cells that were not reached, by profile and what is met"])?;
        console.print(cell_holes(&cells.holes))?;
    }
    if !pairs.holes.is_empty() {
        console
            .print(["".to_owned(), format!("pairs that never met: {}", pairs.holes.join(", "))])?;
    }
    let never = never_reached(&reached.probes);
    if !never.is_empty() {
        console.print(["", "probes that were never reached"])?;
        console.print(never)?;
    }
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right]);
    table.row(["fault", "injected", "seen", "changed"]);
    let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
    for (name, count) in &campaign.injected {
        let (changed, deleted) = (of(&reached.changed, name), of(&reached.deleted, name));
        table.row([
            name.clone(),
            grouped(*count),
            grouped(of(&reached.seen, name)),
            format!("{} of {}", grouped(changed), grouped(deleted)),
        ]);
    }
    console.print([""])?;
    console.print(table.lines())?;
    let failures = failures(options, &cells, &pairs);
    if failures.is_empty() {
        return Ok(Exit::Pass);
    }
    console.print([""])?;
    console.print(failures.iter().map(|failure| format!("FAILED  {failure}")))?;
    Ok(Exit::Uncovered)
}

/// Why the coverage is not good enough.
fn failures(options: &CoverageOptions, cells: &Matrix, pairs: &Matrix) -> Vec<String> {
    let mut failures = Vec::new();
    let floors = [
        (options.floor, cells, "cells were reached than --floor"),
        (options.pairs_floor, pairs, "pairs met than --pairs-floor"),
    ];
    for (floor, matrix, what) in floors {
        let (covered, legal) = (matrix.covered as u64, matrix.legal as u64);
        if floor.is_some_and(|floor| floor.exceeds(covered, legal)) {
            failures.push(format!("fewer {what} asks for"));
        }
    }
    let impossible = cells.impossible.len() + pairs.impossible.len();
    if impossible > 0 {
        failures.push(format!("{impossible} of what was reached cannot be: see the warnings"));
    }
    failures
}

/// The part of one matrix that was reached.
struct Matrix {
    covered: usize,
    legal: usize,
    holes: Vec<String>,
    /// Cells that were reached and cannot be: a complaint for each.
    impossible: Vec<String>,
    /// Names that another build may know, and this one does not: a complaint for each.
    unknown: Vec<String>,
}

impl Matrix {
    fn cells(reached: &BTreeSet<String>) -> Matrix {
        let judge = |name: &str| name.parse().map(why_not).map_err(|error| error.to_string());
        let legal = legal_cells();
        let names = legal.iter().filter_map(Cell::from_index).map(|cell| cell.to_string());
        Matrix::new(reached, names.collect(), &judge)
    }

    fn pairs(reached: &BTreeSet<String>) -> Matrix {
        let judge = |name: &str| match (0..PAIRS).find(|pair| pair_name(*pair) == *name) {
            Some(pair) => Ok(why_not_pair(pair)),
            None => Err(format!("'{name}' is no pair of this build's families")),
        };
        let names = legal_pairs().iter().map(pair_name).collect();
        Matrix::new(reached, names, &judge)
    }

    /// `judge` says why what was reached cannot be, if it cannot, or that it is not known.
    fn new<'a>(
        reached: &BTreeSet<String>,
        legal: Vec<String>,
        judge: &dyn Fn(&str) -> Result<Option<&'a str>, String>,
    ) -> Matrix {
        let count = legal.len();
        let holes: Vec<_> = legal.into_iter().filter(|name| !reached.contains(name)).collect();
        let (mut impossible, mut unknown) = (Vec::new(), Vec::new());
        for name in reached {
            match judge(name) {
                Ok(None) => {}
                Ok(Some(why)) => {
                    impossible.push(format!("WARNING  {name} was reached, and cannot be: {why}"));
                }
                Err(error) => unknown.push(format!("WARNING  {error}")),
            }
        }
        Matrix { covered: count - holes.len(), legal: count, holes, impossible, unknown }
    }

    fn share(&self, what: &str) -> String {
        let (covered, legal) = (self.covered as u64, self.legal as u64);
        let share = percent(covered, legal);
        format!("{what}  {} of {} ({share})", grouped(covered), grouped(legal))
    }
}

/// The holes, with the situations of one event or answer in one line.
fn cell_holes(holes: &[String]) -> Vec<String> {
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for name in holes {
        let mut parts = name.split('×');
        if let (Some(place), Some(met), Some(profile)) = (parts.next(), parts.next(), parts.next())
        {
            groups.entry((profile, met)).or_default().push(place);
        }
    }
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left]);
    for ((profile, met), places) in groups {
        table.row([profile, met, &places.join(" ")]);
    }
    table.lines()
}

/// The probes with a count of zero, and what they mean.
fn never_reached(probes: &BTreeMap<String, u64>) -> Vec<String> {
    let own = CATALOGUE.iter().filter(|(name, _)| probes.get(*name).is_none_or(|n| *n == 0));
    let mut table = Table::new(&[Align::Left, Align::Left]);
    own.for_each(|(name, meaning)| table.row([*name, *meaning]));
    let is_own = |name: &str| CATALOGUE.iter().any(|(own, _)| *own == name);
    let of_services = probes.iter().filter(|(name, count)| **count == 0 && !is_own(name));
    of_services.for_each(|(name, _)| table.row([name.as_str(), "a service's own"]));
    table.lines()
}
