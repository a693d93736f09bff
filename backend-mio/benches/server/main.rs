//! What a server costs, beside a server by hand over mio, tokio and message-io.
//!
//! `cargo bench -p tidelock-mio` takes less than a minute once everything is built; `-- --full`
//! takes more and longer samples; `-- NAME…` measures only the rows whose names begin so, and
//! `-- --list` says which there are. The machine's noise is in the ranges; only ratios within one
//! run count. The last lines are one for each target.

mod arguments;
mod child;
mod cpu;
mod instructions;
mod load;
mod rows;
#[path = "../../../backend-sim/benches/simulator/samples.rs"]
mod samples;
mod selection;
mod servers;
mod syscalls;
mod table;
mod tool;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Arguments;
use rows::Bench;
use table::{ROWS, Row};

/// The exit status of a command line that is wrong.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [command, name] = words.as_slice()
        && command == child::COMMAND
    {
        child::serve(name);
        return ExitCode::SUCCESS;
    }
    match ask(words) {
        Ok((arguments, rows)) if arguments.is_list => list(&rows),
        Ok((arguments, rows)) => measure(&arguments, &rows),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(USAGE);
        }
    }
    ExitCode::SUCCESS
}

/// Reads the command line: what is asked for, and of which rows.
fn ask(words: Vec<String>) -> Result<(Arguments, Vec<&'static Row>), String> {
    let arguments = Arguments::parse(words)?;
    let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    let selected = selection::select(&names, &arguments.names)?;
    Ok((arguments, selected.into_iter().map(|index| &ROWS[index]).collect()))
}

fn list(rows: &[&Row]) {
    for Row { name, about, .. } in rows {
        println!("{name:<28}{about}");
    }
}

fn measure(arguments: &Arguments, rows: &[&Row]) {
    cpu::allow_many_descriptors();
    let (rounds, window) = match arguments.is_full {
        true => (9, Duration::from_secs(2)),
        false => (3, Duration::from_millis(250)),
    };
    let mut bench = Bench::new(rounds, window, peers(rows));
    table::measure(rows, &mut bench);
    println!();
    for ratio in bench.into_ratios() {
        println!("{ratio}");
    }
}

/// Builds the other libraries' servers, if a row compares with them.
fn peers(rows: &[&Row]) -> Option<PathBuf> {
    if !rows.iter().any(|row| row.has_peers) {
        return None;
    }
    child::build_peers()
        .inspect_err(|why| eprintln!("the peers are missing, and nothing is compared: {why}"))
        .ok()
}
