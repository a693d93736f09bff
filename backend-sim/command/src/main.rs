//! The command: campaigns over the simulated network, and replays of what they found.

mod arguments;
mod budget;
mod clock;
mod collector;
mod console;
mod coverage;
mod doctor;
mod exit;
mod explore;
#[cfg(test)]
mod fake;
mod interrupt;
mod json;
mod log;
mod options;
mod progress;
mod ranges;
mod regress;
mod replay;
mod results;
mod resume;
mod run;
mod scenarios;
mod shard;
mod shrink;
#[cfg(test)]
mod tests;
mod values;
mod workers;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use tidelock_sim::internal::Memory;
use tidelock_sim::internal::campaign::{Simulator, keep_panics_quiet};
use tidelock_sim::internal::simulate;
use tidelock_sim::scenarios as library;

use crate::arguments::Parsed;
use crate::console::Console;
use crate::exit::{Exit, Problem};
use crate::interrupt::Interrupted;
use crate::options::Command;

thread_local! {
    /// Each thread hands its room from world to world.
    static MEMORY: RefCell<Memory> = RefCell::default();
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let program = arguments.first().map_or("tidelock".into(), |word| word.to_string_lossy());
    let program = console::shell_word(&program);
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut console = Console { program, out: &mut out, err: &mut err, is_out_taken: false };
    let known = library::all().iter().map(|scenario| (scenario.name, scenario.about));
    let known: Vec<_> = known.collect();
    let flawed = library::all().iter().filter(|scenario| scenario.is_flawed);
    let flawed: Vec<_> = flawed.map(|scenario| scenario.name).collect();
    let run = |name: &str, source, watch: &_| {
        let scenario = library::find(name).expect("the command asks for known scenarios");
        MEMORY.with_borrow_mut(|memory| simulate::run_in(memory, scenario, source, watch))
    };
    let simulator = Simulator { scenarios: &known, flawed: &flawed, run: &run };
    keep_panics_quiet();
    let exit = execute(arguments, &simulator, interrupt::listen, &mut console);
    ExitCode::from(exit.code())
}

/// Does what the command line says; its first word is the program.
fn execute(
    arguments: Vec<OsString>,
    simulator: &Simulator<'_>,
    listen: impl FnOnce() -> Result<Interrupted, Problem>,
    console: &mut Console<'_>,
) -> Exit {
    let result = match arguments::parse(arguments) {
        Parsed::Text(text) => console.print(text.trim_end().lines()).map(|()| Exit::Pass),
        Parsed::Usage(line) => Err(Problem::Usage(line)),
        Parsed::Options(options) => log::start(options.log).and_then(|()| match options.command {
            Command::Run(options) => run::execute(&options, simulator, &listen()?, console),
            Command::Explore(options) => explore::execute(&options, &listen()?, console),
            Command::Replay(options) => replay::execute(&options, simulator, console),
            Command::Shrink(options) => shrink::execute(&options, simulator, &listen()?, console),
            Command::Doctor(options) => doctor::execute(&options, simulator, console),
            Command::Scenarios(options) => scenarios::execute(&options, simulator, console),
            Command::Coverage(options) => coverage::execute(&options, console),
            Command::Merge(options) => coverage::merge(&options, console),
            Command::Regress(options) => regress::execute(&options, simulator, console),
        }),
    };
    result.unwrap_or_else(|problem| problem.tell(console))
}
