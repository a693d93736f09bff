//! A load generator for echo servers, and the soak of this one.
//!
//! ```text
//! load run TO [--time T] [--connections N]     a load on any echo server
//! load soak [--time T] [--connections N]       both, in two processes, and a judgement
//! load serve [AT] [--workers N] [--shards N]
//!                                              an echo server, until its standard input ends
//! ```
//!
//! Clients are written over mio alone and check every byte that comes back. Some stay and talk,
//! some come and go, some read slowly, some reset the connection: see `--mix`.

mod client;
mod crowd;
#[cfg(test)]
mod end_to_end;
mod mix;
mod process;
mod serve;
mod soak;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crowd::Crowd;
use mix::Mix;

#[derive(Parser)]
#[command(about = "A load generator for echo servers, and the soak of this one")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Echo until the standard input ends; prints `listening on ADDR`
    Serve(serve::Options),
    /// Load on an echo server
    Run {
        /// The address of the server
        to: SocketAddr,
        #[command(flatten)]
        load: Load,
    },
    /// Load on an own server in a process of its own: memory must stay flat, nothing be left
    Soak {
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        server: serve::Server,
    },
}

/// The parameters of the load.
#[derive(Args, Clone)]
struct Load {
    /// The duration, as 30s or 10m
    #[arg(long, default_value = "10s", value_parser = parse_time)]
    time: Duration,
    /// The number of connections at a time
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    connections: u32,
    /// Bytes of a message
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    message_bytes: u32,
    /// Shares of what clients do: steady talks on, churn comes and goes, slow reads slowly, reset
    /// resets
    #[arg(long, default_value = "steady=70,churn=20,slow=5,reset=5")]
    mix: Mix,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let parsed = units.into_iter().find_map(|(unit, millis)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_millis(number.checked_mul(millis)?))
    });
    parsed.filter(|time| !time.is_zero()).ok_or("expected a time above 0, as 30s or 10m".into())
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match Options::parse().command {
        Command::Serve(options) => serve::serve(&options),
        Command::Run { to, load } => run(to, &load),
        Command::Soak { load, server } => soak::soak(&load, &server),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The reason of a failure, in words.
type Failure = Box<dyn std::error::Error>;

fn run(to: SocketAddr, load: &Load) -> Result<(), Failure> {
    let mut crowd = Crowd::new(to, load)?;
    crowd.run(load.time, |second, crowd| println!("{second:>6} s  {}", crowd.take_report()))?;
    println!("{}", crowd.totals());
    crowd.judge()
}
