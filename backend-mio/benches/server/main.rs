//! What a server costs, beside a server by hand over mio, tokio and message-io.
//!
//! `cargo bench -p tidelock-mio` takes less than a minute once everything is built; `-- --full`
//! takes more and longer samples. All threads run on one processor, so that a message costs what it
//! costs, wherever the scheduler would put it; what says so lets them go. The machine's noise is in
//! the ranges; only ratios within one run count. The last lines are one for each target.

mod child;
mod cpu;
mod exact;
mod load;
mod rows;
#[path = "../../../backend-sim/benches/simulator/samples.rs"]
mod samples;
mod servers;

use std::time::Duration;

use rows::Bench;
use servers::{Kind, Work};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, name] = arguments.as_slice()
        && command == child::COMMAND
    {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        return child::serve(kind.expect("the bench names one of its own"));
    }
    // What cargo adds for a harness means nothing here.
    let known = ["--bench", "--full"];
    if let Some(unknown) = arguments.iter().find(|argument| !known.contains(&argument.as_str())) {
        eprintln!("{unknown}: the only option is --full");
        std::process::exit(64);
    }
    let is_full = arguments.iter().any(|argument| argument == "--full");
    let (rounds, window) =
        if is_full { (9, Duration::from_secs(2)) } else { (3, Duration::from_millis(250)) };
    cpu::allow_many_descriptors();
    let peers = child::build_peers()
        .inspect_err(|why| eprintln!("the peers are missing, and nothing is compared: {why}"));
    let mut bench = Bench::new(rounds, window, peers.ok());
    // Before anything else is allocated and given back.
    bench.idle();
    let processors = cpu::pin_to_one();
    for connections in [1, 64, 1000] {
        bench.echo(64, connections, 1);
    }
    bench.echo(16 << 10, 64, 1);
    bench.echo(64, 64, 32);
    bench.churn();
    bench.beside("timers-100000", Work::EchoBesideTimers);
    bench.slow();
    bench.broadcast();
    cpu::unpin(&processors);
    bench.across();
    bench.bulk();
    let mut ratios = bench.into_ratios();
    exact::syscalls(&mut ratios);
    exact::instructions(&mut ratios);
    println!();
    for ratio in ratios {
        println!("{ratio}");
    }
}
