//! A bench of the simulator, beside other simulators under the same load in the same run.
//!
//! `cargo bench -p tidelock-sim` takes less than two minutes once everything is built; `-- --full`
//! takes more samples and larger worlds; `-- NAME…` measures only the rows whose names begin so, and
//! `-- --list` says which there are. With `-- instructions-of --check` counts of instructions are
//! held against those in `instructions.txt`, and `--write` writes that file anew. The machine's noise
//! is in the ranges; only ratios within one run count. The last lines are one for each target.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench needs a clock")]

#[path = "../../../backend-mio/benches/server/arguments.rs"]
mod arguments;
mod bench;
#[path = "../../../backend-mio/benches/server/conditions.rs"]
mod conditions;
mod instructions;
mod load;
mod peer;
#[path = "../../../backend-mio/benches/server/ratchet.rs"]
mod ratchet;
mod samples;
#[path = "../../../backend-mio/benches/server/selection.rs"]
mod selection;
mod sockets;
#[path = "../../../backend-mio/benches/server/tool.rs"]
mod tool;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use arguments::{Arguments, Counts};
use bench::{Bench, Peers};
use instructions::Counted;
use load::{Swarm, World};
use samples::{Samples, Target};

/// The exit status of a command line that is wrong.
const USAGE: u8 = 64;

/// Something that is measured, under a name of its own.
struct Row {
    /// The name; those of its ratios begin with it.
    name: &'static str,
    /// A description in one line.
    about: &'static str,
    /// `true` if other simulators take part.
    has_peers: bool,
    measure: fn(&mut Bench),
}

/// The rows, in the order in which they are measured.
const ROWS: [Row; 7] = [
    Row {
        name: "ping-pong",
        about: "messages per second in one world of 16 clients",
        has_peers: true,
        measure: ping_pong,
    },
    Row {
        name: "worlds",
        about: "worlds per second, of one client and 100 round trips",
        has_peers: true,
        measure: worlds,
    },
    Row {
        name: "instructions-of-message",
        about: "instructions for a message of the ping-pong",
        has_peers: true,
        measure: |bench| instructions::measure(bench, Counted::Message),
    },
    Row {
        name: "instructions-of-world",
        about: "instructions for a world of one client and 100 round trips",
        has_peers: true,
        measure: |bench| instructions::measure(bench, Counted::World),
    },
    Row {
        name: "100k-sockets",
        about: "what a world of 100,000 sockets takes of time and memory",
        has_peers: false,
        measure: sockets::measure,
    },
    Row {
        name: "instructions-per-event",
        about: "how an event's instructions grow with the number of sockets",
        has_peers: false,
        measure: sockets::count_instructions,
    },
    Row {
        name: "allocations-per-step",
        about: "allocations of each step of a world that runs",
        has_peers: false,
        measure: sockets::count_allocations,
    },
];

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
        for Row { name, about, .. } in rows {
            println!("{name:<28}{about}");
        }
        return ExitCode::SUCCESS;
    }
    match measure(&arguments, &rows) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the bench calls itself for; returns whether it did.
fn play_part(words: &[String]) -> bool {
    match words {
        [role, numbers @ ..] if role == sockets::ROLE => sockets::child(numbers),
        [command] if command == conditions::COMMAND => println!("{}", conditions::processor()),
        _ => return false,
    }
    true
}

/// Reads the command line: what is asked for, and of which rows.
fn ask(words: Vec<String>) -> Result<(Arguments, Vec<&'static Row>), String> {
    let arguments = Arguments::parse(words)?;
    let selected = selection::select(&ROWS.each_ref().map(|row| row.name), &arguments.names)?;
    let rows: Vec<_> = selected.into_iter().map(|index| &ROWS[index]).collect();
    let is_counted = rows.iter().any(|row| row.name.starts_with(instructions::ROWS_BEGIN));
    if arguments.counts != Counts::Print && !is_counted {
        return Err("--check and --write are about the rows instructions-of-…, and none is \
                    selected"
            .into());
    }
    Ok((arguments, rows))
}

/// Measures the rows. What is wrong is answered after the ratios are printed, which come last.
fn measure(arguments: &Arguments, rows: &[&Row]) -> Result<(), String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulator-peers");
    let programs = match rows.iter().any(|row| row.has_peers) {
        true => Some(peer::build(&target).map_err(|why| {
            format!("the peers are missing, and nothing is compared with them: {why}")
        })?),
        false => None,
    };
    let mut bench = Bench::new(arguments.is_full, programs);
    rows.iter().for_each(|row| (row.measure)(&mut bench));
    let result = match arguments.counts {
        Counts::Print => Ok(()),
        Counts::Check => instructions::check(&mut bench),
        Counts::Write => instructions::write(&mut bench),
    };
    println!();
    for ratio in bench.into_ratios() {
        println!("{ratio}");
    }
    result
}

/// A virtual machine's hiccup spoils one sample, not a median of so many.
const SAMPLES: usize = 7;

fn samples(is_full: bool) -> usize {
    if is_full { 5 * SAMPLES } else { SAMPLES }
}

fn per_second(count: u64, nanos: u64) -> f64 {
    count as f64 * 1e9 / nanos.max(1) as f64
}

/// Many messages in one world: 16 clients, each with one connection, 64 B there and back.
fn ping_pong(bench: &mut Bench) {
    let Peers { mut madsim, mut turmoil } = bench.peers();
    let world = World { clients: 16, rounds: 2_000 };
    let slow = World { rounds: 100, ..world };
    let messages = |world: World| 2 * world.clients * world.rounds;
    let [mut own, mut of_madsim, mut of_turmoil] = <[Samples; 3]>::default();
    let mut steps = 0;
    for seed in 0..samples(bench.is_full) as u64 {
        let begin = Instant::now();
        let report = load::run(world, Swarm::Off, seed);
        own.push(per_second(messages(world), begin.elapsed().as_nanos() as u64));
        steps = report.events;
        of_madsim.push(per_second(messages(world), madsim.run(world, 1)));
        of_turmoil.push(per_second(messages(slow), turmoil.run(slow, 1)));
    }
    println!("ping-pong, 16 clients and 1 server, 64 B: messages per second, laws and digest on");
    println!("  tidelock  {own}   {:.2} events each", steps as f64 / messages(world) as f64);
    println!("  madsim    {of_madsim}");
    println!("  turmoil   {of_turmoil}");
    let value = own.median() / of_madsim.median();
    bench.note("ping-pong/madsim", value, Target::AtLeast(0.75));
}

/// Many small worlds: one client, one server, 100 round trips of 64 B, built from nothing.
fn worlds(bench: &mut Bench) {
    let Peers { mut madsim, mut turmoil } = bench.peers();
    const WORLDS: u64 = 200;
    let world = World { clients: 1, rounds: 100 };
    let [mut off, mut on, mut of_madsim, mut of_turmoil] = <[Samples; 4]>::default();
    let (mut steps, mut injected) = ([0, 0], 0);
    for _ in 0..samples(bench.is_full) {
        let all = [(Swarm::Off, &mut off), (Swarm::Default, &mut on)];
        for ((swarm, samples), steps) in all.into_iter().zip(&mut steps) {
            let begin = Instant::now();
            *steps = 0;
            for seed in 0..WORLDS {
                let report = load::run(world, swarm, seed);
                *steps += report.events;
                injected += report.injected.iter().map(|(_, count)| count).sum::<u64>();
            }
            samples.push(per_second(WORLDS, begin.elapsed().as_nanos() as u64));
        }
        of_madsim.push(per_second(WORLDS, madsim.run(world, WORLDS)));
        of_turmoil.push(per_second(WORLDS / 10, turmoil.run(world, WORLDS / 10)));
    }
    assert!(injected > 0, "the default swarm injects faults");
    let each = steps.map(|steps| steps / WORLDS);
    println!("one client, 100 round trips of 64 B, built from nothing: worlds per second");
    println!("  tidelock, faults off     {off}   {} events each", each[0]);
    println!("  tidelock, default swarm  {on}   {} events each", each[1]);
    println!("  madsim                   {of_madsim}");
    println!("  turmoil                  {of_turmoil}");
    let value = off.median() / of_madsim.median();
    bench.note("worlds/madsim", value, Target::AtLeast(0.7));
    let value = off.median() / on.median();
    bench.note("worlds-swarm-on/off", value, Target::AtMost(1.5));
}
