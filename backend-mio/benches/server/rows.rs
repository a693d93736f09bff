//! The rows that need a clock or the size of a process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::cpu;
use crate::instructions::Instructions;
use crate::load::{Load, Shape};
use crate::samples::{Ratio, Samples, Target};
use crate::servers::{
    BROADCAST_BYTES, BROADCAST_ROUNDS, Kind, PLEASE_QUEUE, QUEUED_MESSAGES, Server, Work,
};

/// Between the start of a load and what is measured.
const WARM_UP: Duration = Duration::from_millis(100);

/// A run of the bench: how long it measures, and what came of it.
pub(crate) struct Bench {
    /// Servers take turns so often.
    rounds: usize,
    /// Each is measured for so long at a time.
    window: Duration,
    /// Where the other libraries' programs are.
    peers: Option<PathBuf>,
    ratios: Vec<Ratio>,
    /// Counts that several rows need.
    pub(crate) instructions: Instructions,
}

/// One measurement.
struct Sample {
    /// Time on a processor of all of the server's threads, for each thing done.
    cpu_nanos: f64,
    /// On the clock, for each thing done.
    nanos: f64,
}

impl Bench {
    pub(crate) fn new(rounds: usize, window: Duration, peers: Option<PathBuf>) -> Self {
        Self { rounds, window, peers, ratios: Vec::new(), instructions: Instructions::default() }
    }

    /// All that it found.
    pub(crate) fn into_ratios(self) -> Vec<Ratio> {
        self.ratios
    }

    fn start(&self, kind: Kind, work: Work) -> Server {
        let peers = self.peers.as_deref().unwrap_or(Path::new(""));
        assert!(!kind.is_peer() || self.peers.is_some(), "{kind:?} is missing");
        Server::start(kind, work, peers)
    }

    /// Those that are there.
    fn kinds(&self) -> Vec<Kind> {
        let is_there = |kind: &Kind| self.peers.is_some() || !kind.is_peer();
        Kind::ALL.into_iter().filter(is_there).collect()
    }

    /// Notes a ratio, to be printed at the end.
    pub(crate) fn note(&mut self, name: String, value: f64, target: Target) {
        self.ratios.push(Ratio { name, value, target });
    }

    /// Servers and their work take turns.
    fn measure_each(&self, of: &[(Kind, Work)], shape: Shape) -> Vec<[Samples; 2]> {
        let mut samples = vec![<[Samples; 2]>::default(); of.len()];
        for _ in 0..self.rounds {
            for ((kind, work), [cpu, clock]) in of.iter().zip(&mut samples) {
                let sample = self.measure(*kind, *work, shape);
                cpu.push(sample.cpu_nanos);
                clock.push(sample.nanos);
            }
        }
        samples
    }

    fn measure(&self, kind: Kind, work: Work, shape: Shape) -> Sample {
        let server = self.start(kind, work);
        let load = Load::start(server.address(), shape);
        let sample = window_of(&server, &load, self.window);
        load.stop();
        server.stop();
        sample
    }

    /// Messages there and back.
    pub(crate) fn echo(&mut self, message_bytes: usize, connections: usize, in_flight: usize) {
        let kinds = self.kinds();
        let of: Vec<_> = kinds.iter().map(|kind| (*kind, Work::Echo)).collect();
        let shape = Shape::Echo { connections, message_bytes, in_flight };
        let samples = self.measure_each(&of, shape);
        let row = match in_flight {
            1 => format!("echo-{message_bytes}B-{connections}"),
            many => format!("echo-{message_bytes}B-{connections}x{many}"),
        };
        println!("{row}, one processor: ns of CPU per message");
        let raw = samples[0][0].median();
        for (kind, [cpu, clock]) in kinds.into_iter().zip(&samples) {
            let (name, own) = (kind.name(), cpu.median());
            let round_trip_micros = clock.median() * (connections * in_flight) as f64 / 1e3;
            let times = own / raw;
            println!(
                "  {name:<16}{cpu}   {times:.2} x raw-mio, {round_trip_micros:.1} us there and back"
            );
            if let Some(most) = cpu_ratio_max(kind, message_bytes, connections) {
                self.note(format!("{row}/{name}"), times, Target::AtMost(most));
            }
        }
    }

    /// Connections come and go.
    pub(crate) fn churn(&mut self) {
        let kinds = self.kinds();
        let of: Vec<_> = kinds.iter().map(|kind| (*kind, Work::Echo)).collect();
        let samples = self.measure_each(&of, Shape::Churn { at_a_time: 64 });
        println!("connect, 64 B, close; 64 at a time, one processor: ns of CPU per connection");
        let raw = samples[0][0].median();
        for (kind, [cpu, _]) in kinds.into_iter().zip(&samples) {
            let (name, times) = (kind.name(), cpu.median() / raw);
            println!("  {name:<16}{cpu}   {times:.2} x raw-mio");
            if kind == Kind::Inline {
                self.note(format!("churn-64/{name}"), times, Target::AtMost(1.05));
            }
        }
    }

    /// Echo beside something that must not be felt.
    pub(crate) fn beside(&mut self, name: &str, work: Work) {
        let of = [(Kind::Inline, Work::Echo), (Kind::Inline, work)];
        let shape = Shape::Echo { connections: 64, message_bytes: 64, in_flight: 1 };
        let samples = self.measure_each(&of, shape);
        let [[without, _], [with, _]] = samples.as_slice() else { unreachable!("two") };
        println!("echo-64B-64 beside {name}, one processor: ns of CPU per message");
        println!("  {:<16}{without}", "without");
        println!("  {:<16}{with}", "with");
        let value = with.median() / without.median();
        self.note(format!("{name}/none"), value, Target::AtMost(1.05));
    }

    /// One reader of many does not read, and much waits for it.
    pub(crate) fn slow(&mut self) {
        let mut rates = <[Samples; 2]>::default();
        let shape = Shape::Echo { connections: 999, message_bytes: 64, in_flight: 1 };
        for _ in 0..self.rounds {
            for (is_slow, rates) in [false, true].into_iter().zip(&mut rates) {
                let server = self.start(Kind::Inline, Work::EchoBesideSlow);
                let mut reader = TcpStream::connect(server.address()).expect("it accepts");
                if is_slow {
                    reader.write_all(&[PLEASE_QUEUE]).expect("an empty socket takes it");
                    // The first comes when all are queued.
                    reader.read_exact(&mut [0; 64]).expect("it answers");
                }
                let load = Load::start(server.address(), shape);
                rates.push(1e9 / window_of(&server, &load, self.window).nanos);
                load.stop();
                drop(reader);
                server.stop();
            }
        }
        println!("999 connections beside one with {QUEUED_MESSAGES} queued messages: messages/s");
        for (name, rates) in ["without", "with"].iter().zip(&rates) {
            println!("  {name:<16}{rates}");
        }
        let value = rates[1].median() / rates[0].median();
        self.note("slow-reader/none".into(), value, Target::AtLeast(0.95));
    }

    /// One service writes to a thousand.
    pub(crate) fn broadcast(&mut self) {
        let kinds: Vec<_> = self.kinds().into_iter().filter(|kind| *kind != Kind::Raw).collect();
        let mut cpu = vec![Samples::default(); kinds.len()];
        for _ in 0..self.rounds {
            for (kind, samples) in kinds.iter().zip(&mut cpu) {
                let server = self.start(*kind, Work::Broadcast);
                samples.push(broadcast_nanos(&server));
                server.stop();
            }
        }
        println!("64 B to 1,000 sockets, 100 rounds, one processor: ns of CPU per message");
        let inline = kinds.iter().position(|kind| *kind == Kind::Inline).expect("it is there");
        let inline = cpu[inline].median();
        for (kind, cpu) in kinds.iter().zip(&cpu) {
            println!("  {:<16}{cpu}", kind.name());
            let least = match kind {
                Kind::MessageIo => 6.0,
                Kind::Tokio => 12.0,
                Kind::Raw | Kind::Inline | Kind::Workers => continue,
            };
            let name = format!("broadcast/{}", kind.name());
            self.note(name, cpu.median() / inline, Target::AtLeast(least));
        }
    }

    /// As much as goes, one way.
    pub(crate) fn bulk(&mut self) {
        let of = [Kind::Raw, Kind::Inline, Kind::Workers].map(|kind| (kind, Work::Sink));
        let samples = self.measure_each(&of, Shape::Bulk);
        println!("one way in writes of 64 KiB, all processors: ns per MB");
        for ((kind, _), [_, clock]) in of.iter().zip(&samples) {
            println!("  {:<16}{:>12.0}", kind.name(), clock.median() * 1e6);
        }
        let raw = samples[0][1].median();
        let value = raw / samples[1][1].median();
        self.note("bulk/inline".into(), value, Target::AtLeast(1.0));
    }

    /// Connections that say nothing.
    pub(crate) fn idle(&mut self) {
        const FEW: usize = 500;
        const MANY: usize = 4500;
        let server = self.start(Kind::Inline, Work::Echo);
        let mut clients = Vec::with_capacity(MANY);
        let mut connect_until = |count| {
            clients.resize_with(count, || {
                let mut client = TcpStream::connect(server.address()).expect("it accepts");
                // Each was served once: what it had for that is given back.
                client.write_all(&[7; 64]).expect("an empty socket takes it");
                client.read_exact(&mut [0; 64]).expect("it comes back");
                client
            });
            cpu::resident_bytes()
        };
        let before = connect_until(FEW);
        let after = connect_until(MANY);
        let each = (after - before) as f64 / (MANY - FEW) as f64;
        println!("{MANY} idle connections: {each:.0} B of resident memory each");
        self.note("idle-connection-bytes/inline".into(), each, Target::AtMost(512.0));
        drop(clients);
        server.stop();
    }
}

/// The most CPU per message, relative to the server by hand.
fn cpu_ratio_max(kind: Kind, message_bytes: usize, connections: usize) -> Option<f64> {
    match kind {
        Kind::Raw | Kind::Tokio | Kind::MessageIo => None,
        Kind::Inline => Some(1.08),
        Kind::Workers if connections == 1 => Some(1.6),
        Kind::Workers if message_bytes > 64 => Some(1.25),
        Kind::Workers => Some(1.12),
    }
}

fn window_of(server: &Server, load: &Load, window: Duration) -> Sample {
    thread::sleep(WARM_UP);
    let (begin, cpu_before, done_before) = (Instant::now(), server.cpu_nanos(), load.done());
    thread::sleep(window);
    let (cpu_after, done_after) = (server.cpu_nanos(), load.done());
    let elapsed = begin.elapsed();
    let done = (done_after - done_before) as f64;
    assert!(done > 0.0, "nothing was done");
    let cpu_nanos = (cpu_after - cpu_before) as f64 / done;
    Sample { cpu_nanos, nanos: elapsed.as_nanos() as f64 / done }
}

/// Nanoseconds of CPU for each message that one service sends to a thousand.
fn broadcast_nanos(server: &Server) -> f64 {
    const CLIENTS: usize = 1000;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| TcpStream::connect(server.address()).expect("the server accepts"))
        .collect();
    // The last is accepted by then.
    thread::sleep(WARM_UP);
    let before = server.cpu_nanos();
    let mut last = clients.last().expect("there are many");
    last.write_all(b"!").expect("an empty socket takes it");
    let mut buffer = vec![0; BROADCAST_ROUNDS * BROADCAST_BYTES];
    for mut client in &clients {
        client.read_exact(&mut buffer).expect("all get everything");
    }
    let nanos = server.cpu_nanos() - before;
    nanos as f64 / (CLIENTS * BROADCAST_ROUNDS) as f64
}
