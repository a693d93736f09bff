//! A small Redis: strings, counters, lists, expiry, over RESP2.
//!
//! ```text
//! redis-mini [ADDR] [--workers N]     serve on real sockets until SIGTERM or SIGINT
//! redis-mini --sim SEED               serve scripted clients in the simulated network
//! ```
//!
//! Both run the same `service.rs`. The commands: PING, ECHO, SET (EX, PX, NX, XX), GET, DEL,
//! EXISTS, DBSIZE, INCR, MSET, MGET, LPUSH, LRANGE, FLUSHALL, CONFIG GET, COMMAND, QUIT. Errors
//! have the texts of Redis 7.0. `RUST_LOG=redis_mini=debug` logs clients.

mod client;
mod commands;
#[cfg(test)]
mod end_to_end;
mod reply;
mod resp;
mod service;
mod sim;
mod store;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tidelock_core::Config;
use tidelock_mio::{Runtime, ShutdownReport};
use tracing_subscriber::EnvFilter;

use crate::commands::Settings;
use crate::service::RedisMini;

/// The arguments of the command line.
#[derive(Debug, Parser)]
#[command(about = "A small Redis over RESP2, on real sockets or in the simulated network")]
struct Arguments {
    /// The address to listen at, as 127.0.0.1:6379; port 0 lets the system choose.
    #[arg(default_value = "127.0.0.1:6379", value_parser = parse_address)]
    addr: SocketAddr,
    /// Threads that run services; 0 runs them on the network thread.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_workers)]
    workers: usize,
    /// Serve scripted clients in the simulated network that this number decides, and exit.
    #[arg(long, value_name = "SEED", value_parser = parse_seed, conflicts_with_all = ["addr", "workers"])]
    sim: Option<u64>,
}

/// The most worker threads that make sense for one service with one store.
const WORKERS_MAX: usize = 64;
/// The time that clients have to read pending replies when the server stops.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// `EX_USAGE` of `sysexits.h`: the command was used incorrectly.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| "warn".into());
    let is_terminal = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal);
    log.with_writer(io::stderr).init();
    if let Some(seed) = arguments.sim {
        return simulate(seed);
    }
    match serve(&arguments) {
        Ok(report) => tell(&report),
        Err(error) => {
            eprintln!("redis-mini: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a signal comes, then drains.
fn serve(arguments: &Arguments) -> io::Result<ShutdownReport> {
    // Before anything runs, so that no signal has its default effect.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let runtime = Runtime::builder().config(config()).workers(arguments.workers).build()?;
    let (sender, startup) = sync_channel(1);
    let announce = move |startup| {
        // If the receiver is gone, the process is ending.
        let _is_ending = sender.send(startup);
    };
    let service = RedisMini::new(arguments.addr.into(), Settings::default(), announce);
    runtime.handle().spawn(Box::new(service)).map_err(io::Error::other)?;
    let local = startup.recv().map_err(io::Error::other)?.map_err(io::Error::other)?;
    writeln!(io::stdout(), "listening on {local}")?;
    let signal = signals.forever().next();
    tracing::info!(?signal, "draining");
    Ok(runtime.shutdown(DRAIN_DEADLINE))
}

/// Runs one world and prints the result.
fn simulate(seed: u64) -> ExitCode {
    let (report, compared_bytes) = sim::run(seed);
    println!("seed {seed}: {} events, {compared_bytes} B of replies compared", report.events);
    println!("digest {:016x}", report.digest);
    let Some(failure) = report.failure else {
        return ExitCode::SUCCESS;
    };
    for event in &failure.last_events {
        eprintln!("{event}");
    }
    eprintln!("redis-mini: {failure}");
    ExitCode::FAILURE
}

/// Returns a configuration with outboxes so small that four thousand clients that do not read still
/// leave room for others: once all outboxes together are full, no client gets an answer.
fn config() -> Config {
    Config {
        warn_bytes: 128 << 10,
        outbox_bytes_max: 512 << 10,
        total_bytes_max: 2 << 30,
        ..Config::default()
    }
}

/// Prints what was not sent.
fn tell(report: &ShutdownReport) -> ExitCode {
    let exit = &report.exit;
    println!(
        "stopped: {} connections closed, {} of them at the deadline; {} B were not sent",
        exit.closed, exit.closed_at_deadline, exit.unsent_bytes
    );
    for (socket, unsent) in &exit.unsent {
        println!("not sent: {socket} {unsent} B");
    }
    if report.is_complete {
        ExitCode::SUCCESS
    } else {
        eprintln!("redis-mini: the service did not return before the deadline");
        ExitCode::FAILURE
    }
}

/// Prints one line that says what is wrong and what is allowed, or the help if that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelp {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let what = text.lines().next().unwrap_or_default();
    eprintln!("redis-mini: {}", what.strip_prefix("error: ").unwrap_or(what));
    ExitCode::from(EXIT_USAGE)
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_error| "an IP address and a port, as 127.0.0.1:6379".to_owned())
}

fn parse_workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| *workers <= WORKERS_MAX);
    workers.ok_or_else(|| format!("a number from 0 to {WORKERS_MAX}"))
}

fn parse_seed(text: &str) -> Result<u64, String> {
    let seed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    seed.map_err(|_error| "a number below 2^64, decimal or 0x…".to_owned())
}
