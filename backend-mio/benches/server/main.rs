//! The cost of a server, beside a server by hand over mio, tokio and message-io.
//!
//! `cargo bench -p tidelock-mio` takes two minutes once everything is built; `-- --full`
//! takes more and longer samples; `-- NAME…` measures only the rows whose names begin so, and
//! `-- --list` says which there are. With `-- instructions --check` counts of instructions are held
//! against those in `instructions.txt`, and `--write` writes that file anew. The machine's noise is
//! in the ranges; only ratios within one run count. The last lines are one for each target.

mod arguments;
mod child;
mod conditions;
mod cpu;
mod instructions;
mod load;
mod ratchet;
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

use arguments::{Arguments, Counts};
use rows::Bench;
use table::{ROWS, Row};

/// The exit status of a command line that is wrong.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if play_part(&words) {
        return ExitCode::SUCCESS;
    }
    let (arguments, rows) = match ask(words) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(USAGE);
        }
    };
    if arguments.is_list {
        list(&rows);
        return ExitCode::SUCCESS;
    }
    match measure(&arguments, &rows) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Does what the bench calls itself for; returns whether it did.
fn play_part(words: &[String]) -> bool {
    match words {
        [command, name] if command == child::COMMAND => child::serve(name),
        [command] if command == conditions::COMMAND => println!("{}", conditions::processor()),
        _ => return false,
    }
    true
}

/// Reads the command line: what is asked for, and of which rows.
fn ask(words: Vec<String>) -> Result<(Arguments, Vec<&'static Row>), String> {
    let arguments = Arguments::parse(words)?;
    let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    let selected = selection::select(&names, &arguments.names)?;
    let rows: Vec<_> = selected.into_iter().map(|index| &ROWS[index]).collect();
    let counts_instructions = rows.iter().any(|row| row.name.starts_with(instructions::ROWS_BEGIN));
    if arguments.counts != Counts::Print && !counts_instructions {
        return Err(
            "--check and --write are about instructions, and no selected row counts them".into()
        );
    }
    Ok((arguments, rows))
}

fn list(rows: &[&Row]) {
    for Row { name, about, .. } in rows {
        println!("{name:<28}{about}");
    }
}

/// Measures the rows; returns whether no count is higher than it may be. What is wrong is printed
/// before the ratios, which come last.
fn measure(arguments: &Arguments, rows: &[&Row]) -> bool {
    cpu::allow_many_descriptors();
    let (rounds, window) = match arguments.is_full {
        true => (9, Duration::from_secs(2)),
        false => (3, Duration::from_millis(250)),
    };
    let mut bench = Bench::new(rounds, window, peers(rows));
    table::measure(rows, &mut bench);
    let result = match arguments.counts {
        Counts::Print => Ok(()),
        Counts::Check => instructions::check(&mut bench),
        Counts::Write => instructions::write(&mut bench),
    };
    if let Err(why) = &result {
        eprintln!("{why}");
    }
    println!();
    for ratio in bench.into_ratios() {
        println!("{ratio}");
    }
    result.is_ok()
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
