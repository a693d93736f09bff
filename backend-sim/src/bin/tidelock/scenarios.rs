//! `tidelock scenarios`.

use tidelock_sim::campaign::Simulator;
use tidelock_sim::report::{Align, Table};

use crate::console::Console;
use crate::exit::{Exit, Problem};

/// Lists the scenarios, one in a line.
pub(crate) fn execute(
    simulator: &Simulator<'_>,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let mut table = Table::new(&[Align::Left, Align::Left]);
    simulator.scenarios.iter().for_each(|&(name, about)| table.row([name, about]));
    console.print(table.lines())?;
    Ok(Exit::Pass)
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
