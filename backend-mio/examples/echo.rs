//! An echo server.
//!
//! `echo [ADDR] [--workers N]` prints `listening on ADDR`. `RUST_LOG` sets what is logged. SIGTERM
//! and SIGINT shut it down, after the queued output is sent.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tidelock_core::{ListenOptions, Message, Net, Service};
use tidelock_mio::Runtime;

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { socket, bytes } => {
                if let Err(error) = net.send(socket, bytes) {
                    tracing::warn!(%socket, %error, "an echo is lost; closing");
                    // An error means that the socket is already closed.
                    net.close(socket).ok();
                }
            }
            Message::Accept { accepted, peer, .. } => tracing::info!(%accepted, %peer, "accepted"),
            Message::Close { socket, reason, unsent } => {
                tracing::info!(%socket, %reason, unsent, "closed");
            }
            other => tracing::debug!(%other, "other message"),
        }
    }

    fn name(&self) -> &'static str {
        "echo"
    }
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Options::parse(std::env::args().skip(1)) {
        Ok(options) => match serve(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("echo: {error}");
                ExitCode::FAILURE
            }
        },
        Err(text) => {
            eprintln!("echo: {text}; usage: echo [ADDR] [--workers N]");
            ExitCode::from(64)
        }
    }
}

fn serve(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    const DRAIN: Duration = Duration::from_secs(5);
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let runtime = Runtime::builder().workers(options.workers).build()?;
    let echo = runtime.handle().spawn(Box::new(Echo))?;
    let listen = ListenOptions::default().auto_start(true);
    let (_listener, local) = runtime.handle().listen(echo, options.address, listen)?;
    println!("listening on {local}");
    let signal = signals.forever().next();
    tracing::info!(?signal, "shutting down");
    let report = runtime.shutdown(DRAIN);
    println!("stopped, {} B unsent", report.exit.unsent_bytes);
    Ok(())
}

struct Options {
    address: SocketAddr,
    workers: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { address: ([127, 0, 0, 1], 0).into(), workers: 0 };
        while let Some(argument) = arguments.next() {
            if argument == "--workers" {
                let count = arguments.next().ok_or("--workers wants a number")?;
                options.workers = count
                    .parse()
                    .map_err(|error| format!("--workers {count}: {error}; 0 to 1024"))?;
                if options.workers > 1024 {
                    return Err(format!("--workers {count}: 0 to 1024"));
                }
            } else {
                options.address = argument
                    .parse()
                    .map_err(|_not_one| format!("{argument}: not an address like 127.0.0.1:80"))?;
            }
        }
        Ok(options)
    }
}
