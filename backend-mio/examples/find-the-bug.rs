//! A key-value service with one mistake: it answers every client on a quiet network.
//!
//! `find-the-bug [ADDR] [--mended]` serves on real sockets and prints `listening on ADDR`; SIGTERM
//! and SIGINT shut it down. `find-the-bug --sim [--mended]` runs the same service in the simulated
//! network, where the mistake shows: that is the scenario `find-the-bug` of the `tidelock` command.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tidelock_core::ListenOptions;
use tidelock_mio::Runtime;
use tidelock_sim::scenarios::{self, KeyValue};
use tidelock_sim::trial::{self, Place};

/// A key-value service with one mistake: `SET key value`, `GET key`, `DEL key`, a line each.
#[derive(Debug, Parser)]
struct Options {
    /// The address to listen at; port 0 lets the system choose.
    #[arg(default_value = "127.0.0.1:0")]
    address: SocketAddr,

    /// Without the mistake.
    #[arg(long)]
    mended: bool,

    /// Run it in the simulated network instead; panics with the first violated law.
    #[arg(long, conflicts_with = "address")]
    sim: bool,
}

/// The number of worlds to simulate.
const SEEDS: u64 = 1_000;

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options = Options::parse();
    if options.sim {
        simulate(options.mended);
        return ExitCode::SUCCESS;
    }
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("find-the-bug: {error}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(is_mended: bool) {
    let name = if is_mended { "key-value" } else { "find-the-bug" };
    let scenario = scenarios::find(name).expect("it comes with the simulator");
    trial::run(scenario, SEEDS, &Place::new(name, env!("CARGO_MANIFEST_DIR")));
    println!("{SEEDS} worlds of {name}: no law was violated");
}

fn serve(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    const DRAIN: Duration = Duration::from_secs(5);
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let runtime = Runtime::builder().build()?;
    let flawed = KeyValue::default();
    let store = if options.mended { flawed.mended() } else { flawed };
    let store = runtime.handle().spawn(Box::new(store))?;
    let listen = ListenOptions::default().auto_start(true);
    let (_listener, local) = runtime.handle().listen(store, options.address, listen)?;
    println!("listening on {local}");
    let signal = signals.forever().next();
    tracing::info!(?signal, "shutting down");
    let report = runtime.shutdown(DRAIN);
    println!("stopped, {} B unsent", report.exit.unsent_bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpStream;

    use super::*;

    /// A test on a quiet network does not find the mistake.
    #[test]
    fn on_real_sockets_it_answers() {
        let runtime = Runtime::builder().build().unwrap();
        let store = runtime.handle().spawn(Box::new(KeyValue::default())).unwrap();
        let listen = ListenOptions::default().auto_start(true);
        let (_listener, at) = runtime.handle().listen(store, ([127, 0, 0, 1], 0), listen).unwrap();
        let mut client = TcpStream::connect(at.socket_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.write_all(b"SET a 1\nGET a\nDEL a\nGET a\nHELLO\n").unwrap();
        let replies = BufReader::new(&client).lines().take(5);
        let replies: Result<Vec<_>, _> = replies.collect();
        assert_eq!(replies.unwrap(), ["OK", "1", "1", "NONE", "ERROR"]);
        drop(client);
        runtime.shutdown(Duration::from_secs(5));
    }

    #[test]
    fn in_the_simulated_network_only_the_mended_one_holds() {
        simulate(true);
        assert!(std::panic::catch_unwind(|| simulate(false)).is_err());
    }
}
