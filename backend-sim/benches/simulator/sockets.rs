//! One world with very many sockets: whether it runs, what it keeps, and what an event costs.

use std::process::Command;
use std::time::Instant;

use crate::load::{self, Swarm, World};
use crate::samples::{Ratio, Target};

/// The argument that makes this program one world, so that its memory and its instructions are
/// counted alone, and a profile shows nothing else.
pub(crate) const ROLE: &str = "world";

/// Runs worlds of so many connections and round trips, of so many seeds; tells their events,
/// nanoseconds, and the kibibytes that they took.
pub(crate) fn child(numbers: &[String]) {
    let numbers: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let [clients, rounds, seeds] = numbers[..] else {
        eprintln!("{ROLE} CONNECTIONS ROUND-TRIPS SEEDS");
        std::process::exit(64);
    };
    let before = resident_kib("VmRSS:");
    let begin = Instant::now();
    let run = |seed| load::run(World { clients, rounds }, Swarm::Off, seed).events;
    let events: u64 = (0..seeds).map(run).sum();
    let nanos = begin.elapsed().as_nanos();
    let kib = resident_kib("VmHWM:") - before;
    println!("{events} {nanos} {kib}");
}

/// A world is mostly its connections' life; two round trips each make them live.
const ROUNDS: u64 = 2;

/// Measures a large world and a small one.
pub(crate) fn measure(is_full: bool, ratios: &mut Vec<Ratio>) {
    let connections = 50_000;
    println!("one world with {connections} connections, {} sockets", 2 * connections);
    let [events, nanos, kib] = run(&mut itself(&[]), connections);
    let bytes = kib as f64 * 1024.0 / connections as f64;
    println!("  {events} events, {} ns each; {bytes:.0} B per connection", nanos / events);
    ratios.push(Ratio {
        name: "100k-sockets/bytes-per-connection",
        value: bytes,
        target: Target::AtMost(4096.0),
    });
    let [events, nanos, _] = run(&mut itself(&[]), 16);
    println!("  with 16 connections: {events} events, {} ns each", nanos / events);
    let (few, many) = if is_full { (500, 50_000) } else { (50, 2_500) };
    match (instructions_per_event(few), instructions_per_event(many)) {
        (Some(small), Some(large)) => {
            println!("  instructions per event: {small:.0} at {few}, {large:.0} at {many}");
            ratios.push(Ratio {
                name: "instructions-per-event/many-to-few",
                value: large / small,
                target: Target::AtMost(1.1),
            });
        }
        _ => println!("  instructions per event: not counted, valgrind is not on this machine"),
    }
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

fn run(command: &mut Command, connections: u64) -> [u64; 3] {
    let output = command
        .args([ROLE, &connections.to_string(), &ROUNDS.to_string(), "1"])
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    numbers.try_into().unwrap_or_else(|_| panic!("{connections} connections: {text}{errors}"))
}

/// Counted, not timed: the same in every run. The world of no connection is taken off.
fn instructions_per_event(connections: u64) -> Option<f64> {
    let count = |connections: u64| {
        Command::new("valgrind").arg("--version").output().ok()?;
        let file = format!("{}/simulator-cachegrind.out", env!("CARGO_TARGET_TMPDIR"));
        let out = format!("--cachegrind-out-file={file}");
        let wrapper = ["valgrind", "--tool=cachegrind", "--cache-sim=no", &out];
        let [events, ..] = run(&mut itself(&wrapper), connections);
        let text = std::fs::read_to_string(&file).expect("valgrind wrote it");
        let line = text.lines().rev().find_map(|line| line.strip_prefix("summary: "));
        let instructions: u64 = line.and_then(|line| line.trim().parse().ok())?;
        Some([instructions, events])
    };
    let [instructions, events] = count(connections)?;
    let [empty, _] = count(0)?;
    Some((instructions - empty) as f64 / events as f64)
}

/// A line of the process's own status, in KiB.
fn resident_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("Linux tells what is resident")
}
