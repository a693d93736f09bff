//! The log of the command and the backends, on stderr.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::exit::Problem;

/// The amount that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Logs at `level`; without one, what `RUST_LOG` asks for; without that, nothing.
pub(crate) fn start(level: Option<Level>) -> Result<(), Problem> {
    let filter = match level {
        Some(Level::Off) => return Ok(()),
        Some(level) => {
            let name = level.to_possible_value().expect("no level is hidden");
            EnvFilter::new(name.get_name())
        }
        None if std::env::var_os(EnvFilter::DEFAULT_ENV).is_none() => return Ok(()),
        None => EnvFilter::try_from_default_env().map_err(|error| {
            let allowed = "allowed: off, error, warn, info, debug, trace, or TARGET=LEVEL,…";
            Problem::Usage(format!("RUST_LOG: {error}; {allowed}"))
        })?,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
