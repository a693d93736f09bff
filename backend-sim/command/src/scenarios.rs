//! `tidelock scenarios`.

use tidelock_sim::internal::campaign::Simulator;
use tidelock_sim::internal::report::{Align, Table};
use tidelock_sim::swarm::Options;

use crate::console::Console;
use crate::exit::{Exit, Problem};
use crate::options::ScenariosOptions;

/// Lists the scenarios, or the options, one in a line.
pub(crate) fn execute(
    options: &ScenariosOptions,
    simulator: &Simulator<'_>,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    if options.options {
        console.print(option_lines().lines())?;
        return Ok(Exit::Pass);
    }
    let mut table = Table::new(&[Align::Left, Align::Left]);
    simulator.scenarios.iter().for_each(|&(name, about)| table.row([name, about]));
    console.print(table.lines())?;
    Ok(Exit::Pass)
}

/// Returns the lines that a `config` line may set, in the order in which runs print them; scenarios
/// fit some to themselves.
fn option_lines() -> Table {
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left]);
    table.row(["option", "without a seed", "allowed"]);
    for (entry, (name, value)) in Options::entries().zip(Options::neutral().pairs()) {
        table.row([name.to_owned(), entry.text(value), entry.expected()]);
    }
    table
}

/// The scenario of that name; a complaint that lists all names otherwise.
pub(crate) fn find(simulator: &Simulator<'_>, name: &str) -> Result<&'static str, Problem> {
    simulator
        .find(name)
        .ok_or_else(|| Problem::Usage(format!("no scenario '{name}'; {}", allowed(simulator))))
}

/// The names, for a complaint.
pub(crate) fn allowed(simulator: &Simulator<'_>) -> String {
    let names: Vec<_> = simulator.scenarios.iter().map(|(name, _)| *name).collect();
    format!("allowed: {}", names.join(", "))
}
