//! How fast the simulator is, beside other simulators under the same load in the same run.
//!
//! `cargo bench -p tidelock-sim` takes less than a minute once everything is built; `-- --full`
//! takes more samples and larger worlds. The machine's noise is in the ranges; only ratios within
//! one run count. The last lines are one for each target.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench needs a clock")]

mod load;
mod peer;
mod samples;
mod sockets;

use std::path::Path;
use std::time::Instant;

use load::{Swarm, World};
use peer::Peer;
use samples::{Ratio, Samples, Target};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, numbers @ ..] = &arguments[..]
        && role == sockets::ROLE
    {
        return sockets::child(numbers);
    }
    // What cargo adds for a harness means nothing here.
    let known = ["--bench", "--full"];
    if let Some(unknown) = arguments.iter().find(|argument| !known.contains(&argument.as_str())) {
        eprintln!("{unknown}: the only option is --full");
        std::process::exit(64);
    }
    let is_full = arguments.iter().any(|argument| argument == "--full");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulator-peers");
    let peers = peer::build(&target).map(|programs| Peers {
        madsim: Peer::start(&programs, "peer-madsim"),
        turmoil: Peer::start(&programs, "peer-turmoil"),
    });
    let mut ratios = Vec::new();
    match peers {
        Ok(mut peers) => {
            ping_pong(&mut peers, is_full, &mut ratios);
            worlds(&mut peers, is_full, &mut ratios);
        }
        Err(why) => {
            eprintln!("the peers are missing, and nothing is compared with them: {why}");
            std::process::exit(1);
        }
    }
    sockets::measure(is_full, &mut ratios);
    println!();
    for ratio in ratios {
        println!("{ratio}");
    }
}

struct Peers {
    madsim: Peer,
    turmoil: Peer,
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
fn ping_pong(peers: &mut Peers, is_full: bool, ratios: &mut Vec<Ratio>) {
    let world = World { clients: 16, rounds: 2_000 };
    let slow = World { rounds: 100, ..world };
    let messages = |world: World| 2 * world.clients * world.rounds;
    let [mut own, mut madsim, mut turmoil] = <[Samples; 3]>::default();
    let mut steps = 0;
    for seed in 0..samples(is_full) as u64 {
        let begin = Instant::now();
        let report = load::run(world, Swarm::Off, seed);
        own.push(per_second(messages(world), begin.elapsed().as_nanos() as u64));
        steps = report.events;
        madsim.push(per_second(messages(world), peers.madsim.run(world, 1)));
        turmoil.push(per_second(messages(slow), peers.turmoil.run(slow, 1)));
    }
    println!("ping-pong, 16 clients and 1 server, 64 B: messages per second, laws and digest on");
    println!("  tidelock  {own}   {:.2} events each", steps as f64 / messages(world) as f64);
    println!("  madsim    {madsim}");
    println!("  turmoil   {turmoil}");
    let value = own.median() / madsim.median();
    ratios.push(Ratio { name: "ping-pong/madsim".into(), value, target: Target::AtLeast(3.0) });
}

/// Many small worlds: one client, one server, 100 round trips of 64 B, built from nothing.
fn worlds(peers: &mut Peers, is_full: bool, ratios: &mut Vec<Ratio>) {
    const WORLDS: u64 = 200;
    let world = World { clients: 1, rounds: 100 };
    let [mut off, mut on, mut madsim, mut turmoil] = <[Samples; 4]>::default();
    let (mut steps, mut injected) = ([0, 0], 0);
    for _ in 0..samples(is_full) {
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
        madsim.push(per_second(WORLDS, peers.madsim.run(world, WORLDS)));
        turmoil.push(per_second(WORLDS / 10, peers.turmoil.run(world, WORLDS / 10)));
    }
    assert!(injected > 0, "the default swarm injects faults");
    let each = steps.map(|steps| steps / WORLDS);
    println!("one client, 100 round trips of 64 B, built from nothing: worlds per second");
    println!("  tidelock, faults off     {off}   {} events each", each[0]);
    println!("  tidelock, default swarm  {on}   {} events each", each[1]);
    println!("  madsim                   {madsim}");
    println!("  turmoil                  {turmoil}");
    let value = off.median() / madsim.median();
    ratios.push(Ratio { name: "worlds/madsim".into(), value, target: Target::AtLeast(5.0) });
    let value = off.median() / on.median();
    ratios.push(Ratio { name: "worlds-swarm-on/off".into(), value, target: Target::AtMost(1.5) });
}
