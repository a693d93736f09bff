//! What an echo costs the server's threads, beside a server written by hand over mio.
//!
//! `cargo bench -p tidelock-mio` takes less than a minute once everything is built; `-- --full`
//! takes more and longer samples. All threads run on one processor, so that a message costs what it
//! costs, wherever the scheduler would put it; only the last table lets them go. The machine's
//! noise is in the ranges; only ratios within one run count. The last lines are one for each target.

mod client;
mod cpu;
#[path = "../../../backend-sim/benches/simulator/samples.rs"]
mod samples;
mod server;

use std::thread;
use std::time::{Duration, Instant};

use client::Load;
use samples::{Ratio, Samples, Target};
use server::{Kind, Server};

fn main() {
    // What cargo adds for a harness means nothing here.
    let known = ["--bench", "--full"];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = arguments.iter().find(|argument| !known.contains(&argument.as_str())) {
        eprintln!("{unknown}: the only option is --full");
        std::process::exit(64);
    }
    let is_full = arguments.iter().any(|argument| argument == "--full");
    let plan = if is_full {
        Plan { rounds: 9, window: Duration::from_secs(2) }
    } else {
        Plan { rounds: 3, window: Duration::from_millis(600) }
    };
    cpu::allow_many_descriptors();
    let mut ratios = Vec::new();
    let processors = cpu::pin_to_one();
    for connections in [1, 64, 1000] {
        ping_pong(connections, &plan, &mut ratios);
    }
    cpu::unpin(&processors);
    across(&plan, &mut ratios);
    println!();
    for ratio in ratios {
        println!("{ratio}");
    }
}

/// How long it is measured.
struct Plan {
    /// Servers take turns so often.
    rounds: usize,
    /// Each is measured for so long at a time.
    window: Duration,
}

/// Between the start of a load and what is measured.
const WARM_UP: Duration = Duration::from_millis(150);

/// One measurement.
struct Sample {
    /// Time on a processor of all of the server's threads, for each message.
    cpu_nanos: f64,
    /// From sending to having the echo.
    round_trip_nanos: f64,
}

fn measure(kind: Kind, connections: usize, window: Duration) -> Sample {
    let server = Server::start(kind);
    let load = Load::start(server.address(), connections);
    thread::sleep(WARM_UP);
    let (begin, cpu_before, messages_before) = (Instant::now(), cpu::of_servers(), load.messages());
    thread::sleep(window);
    let (cpu_after, messages_after) = (cpu::of_servers(), load.messages());
    let elapsed = begin.elapsed();
    let writes = server.direct_writes();
    load.stop();
    server.stop();
    let messages = (messages_after - messages_before) as f64;
    assert!(messages > 0.0, "{kind:?} echoes nothing");
    assert_eq!(kind == Kind::Direct, writes > 0, "{kind:?}: {writes} direct writes");
    let round_trip_nanos = elapsed.as_nanos() as f64 * connections as f64 / messages;
    Sample { cpu_nanos: (cpu_after - cpu_before) as f64 / messages, round_trip_nanos }
}

/// 64 B there and back on each connection.
fn ping_pong(connections: usize, plan: &Plan, ratios: &mut Vec<Ratio>) {
    let mut cpu: [Samples; Kind::ALL.len()] = Default::default();
    let mut round_trip = cpu.clone();
    for _ in 0..plan.rounds {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let sample = measure(kind, connections, plan.window);
            cpu[index].push(sample.cpu_nanos);
            round_trip[index].push(sample.round_trip_nanos);
        }
    }
    println!("64 B ping-pong, {connections} connections, one processor: ns of CPU per message");
    let raw = cpu[0].median();
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let (name, own) = (kind.name(), cpu[index].median());
        println!(
            "  {name:<18}{}   {:.2} x raw mio, {:.1} us there and back",
            cpu[index],
            own / raw,
            round_trip[index].median() / 1e3
        );
        if let Some(most) = kind.cpu_ratio_max(connections) {
            let name = format!("echo-64B-{connections}/{name}");
            ratios.push(Ratio { name, value: own / raw, target: Target::AtMost(most) });
        }
    }
    if connections == 1 {
        let [.., workers, direct] = &cpu;
        let (name, value) =
            ("echo-64B-1/direct-to-workers".into(), direct.median() / workers.median());
        ratios.push(Ratio { name, value, target: Target::AtMost(WORTH_IT) });
    }
}

/// Direct writes are worth their code if they gain so much, with one connection or between
/// processors.
const WORTH_IT: f64 = 0.85;

/// The same with one connection, and threads where the scheduler puts them: how long it takes.
fn across(plan: &Plan, ratios: &mut Vec<Ratio>) {
    let kinds = [Kind::Workers, Kind::Direct];
    let mut samples: [Samples; 2] = Default::default();
    for _ in 0..plan.rounds {
        for (samples, kind) in samples.iter_mut().zip(kinds) {
            samples.push(measure(kind, 1, plan.window).round_trip_nanos);
        }
    }
    println!("64 B ping-pong, 1 connection, all processors: ns there and back");
    for (samples, kind) in samples.iter().zip(kinds) {
        println!("  {:<18}{samples}", kind.name());
    }
    let value = samples[1].median() / samples[0].median();
    let name = "latency-64B-1/direct-to-workers".into();
    ratios.push(Ratio { name, value, target: Target::AtMost(WORTH_IT) });
}
