//! One world with very many sockets: whether it runs, what it keeps, and what an event costs.

use std::process::{Command, Output};
use std::time::Instant;

use crate::bench::Bench;
use crate::load::{self, Swarm, World};
use crate::samples::Target;
use crate::tool;

/// The argument that makes this program one world, so that its memory and its instructions are
/// counted alone, and a profile shows nothing else.
pub(crate) const ROLE: &str = "world";

/// Runs worlds of so many connections and round trips, of so many seeds; tells their steps,
/// nanoseconds, the kibibytes that they took, and what was told or asked about sockets in them.
pub(crate) fn child(numbers: &[String]) {
    let numbers: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let [clients, rounds, seeds] = numbers[..] else {
        eprintln!("{ROLE} CONNECTIONS ROUND-TRIPS SEEDS");
        std::process::exit(64);
    };
    let before = resident_kib("VmRSS:");
    let begin = Instant::now();
    let (mut steps, mut told) = (0, 0);
    for seed in 0..seeds {
        let report = load::run(World { clients, rounds }, Swarm::Off, seed);
        (steps, told) = (steps + report.events, told + report.story);
    }
    let nanos = begin.elapsed().as_nanos();
    let kib = resident_kib("VmHWM:") - before;
    println!("{steps} {nanos} {kib} {told}");
}

/// A world is mostly its connections' life; two round trips each make them live.
const ROUNDS: u64 = 2;

/// Measures a large world and a small one.
pub(crate) fn measure(bench: &mut Bench) {
    let connections = 50_000;
    println!("one world with {connections} connections, {} sockets", 2 * connections);
    let [steps, nanos, kib, _] = run(&mut itself(&[]), [connections, ROUNDS]);
    let bytes = kib as f64 * 1024.0 / connections as f64;
    println!("  {steps} steps, {} ns each; {bytes:.0} B per connection", nanos / steps);
    bench.note("100k-sockets/bytes-per-connection", bytes, Target::AtMost(4096.0));
    let [steps, nanos, ..] = run(&mut itself(&[]), [16, ROUNDS]);
    println!("  with 16 connections: {steps} steps, {} ns each", nanos / steps);
}

/// Counts an event's instructions in a small world and in a large one.
pub(crate) fn count_instructions(bench: &mut Bench) {
    let (few, many) = if bench.is_full { (500, 50_000) } else { (50, 2_500) };
    match (instructions_per_event(few), instructions_per_event(many)) {
        (Some(small), Some(large)) => {
            let [of_steps, of_told] = [0, 1].map(|at| (small[at], large[at]));
            for (name, (small, large)) in [("step", of_steps), ("event", of_told)] {
                println!("  instructions per {name}: {small:.0} at {few}, {large:.0} at {many}");
            }
            // A step of a host takes in as many events as there are: there are more to a step
            // where there are more sockets. So what is told and asked about them is counted.
            let ratio = of_told.1 / of_told.0;
            bench.note("instructions-per-event/many-to-few", ratio, Target::AtMost(1.1));
        }
        _ => println!("  instructions per event: not counted, valgrind is not on this machine"),
    }
}

/// Counts the allocations of each step.
pub(crate) fn count_allocations(bench: &mut Bench) {
    match allocations_per_step() {
        Some(value) => bench.note("allocations-per-step", value, Target::AtMost(0.05)),
        None => println!("  allocations: not counted, valgrind is not on this machine"),
    }
}

/// Allocations of each step of a world that runs, but for those of the load: each request is made
/// in memory of its own, and the first who shares it makes that shareable. Counted, not timed.
fn allocations_per_step() -> Option<f64> {
    const CLIENTS: u64 = 16;
    let [short, long] = [20, 220];
    let count = |rounds: u64| {
        let (steps, told) = watched(&["valgrind", "--leak-check=no"], [CLIENTS, rounds])?;
        let line = told.lines().find_map(|line| line.split_once("total heap usage: "))?.1;
        let allocations = line.split_once(" allocs")?.0.replace(',', "").parse::<u64>().ok()?;
        Some([allocations, steps[0]])
    };
    let ([before, steps_before], [after, steps_after]) = (count(short)?, count(long)?);
    let load = 2 * CLIENTS * (long - short);
    let (allocations, steps) = (after - before - load, steps_after - steps_before);
    println!("  allocations: {allocations} in {steps} steps, but for {load} of the load itself");
    Some(allocations as f64 / steps as f64)
}

/// Runs a world below a program that watches it, if that is on this machine; and what it tells.
fn watched(wrapper: &[&str], load: [u64; 2]) -> Option<([u64; 4], String)> {
    Command::new(wrapper[0]).arg("--version").output().ok()?;
    let output = output(&mut itself(wrapper), load);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Some((numbers(&output, load), told))
}

/// This program, below another one if `wrapper` names one.
fn itself(wrapper: &[&str]) -> Command {
    let path = std::env::current_exe().expect("a running program has a path");
    match wrapper {
        [] => Command::new(path),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(path);
            command
        }
    }
}

fn run(command: &mut Command, load: [u64; 2]) -> [u64; 4] {
    numbers(&output(command, load), load)
}

/// Returns what it prints about a world of so many connections and round trips.
fn output(command: &mut Command, load: [u64; 2]) -> Output {
    let [connections, rounds] = load.map(|number| number.to_string());
    command.args([ROLE, &connections, &rounds, "1"]).output().expect("it starts")
}

fn numbers(output: &Output, load: [u64; 2]) -> [u64; 4] {
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    numbers.try_into().unwrap_or_else(|_| panic!("{load:?}: {text}{errors}"))
}

/// Of each step, and of each thing told or asked about a socket. Counted, not timed: the same in
/// every run. The world of no connection is taken off.
fn instructions_per_event(connections: u64) -> Option<[f64; 2]> {
    let count = |connections: u64| {
        let out = format!("--callgrind-out-file={}", tool::result_path().display());
        let wrapper = ["valgrind", "--tool=callgrind", "--quiet", &out];
        let ([steps, _, _, told], _) = watched(&wrapper, [connections, ROUNDS])?;
        let instructions = tool::counted_instructions(&tool::result_path());
        Some((instructions, [steps, told]))
    };
    let (instructions, counts) = count(connections)?;
    let (empty, _) = count(0)?;
    Some(counts.map(|count| (instructions - empty) as f64 / count as f64))
}

/// A line of the process's own status, in KiB.
fn resident_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("Linux tells what is resident")
}
