//! The echo server.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use tidelock_core::{ListenOptions, Message, Net, Service};
use tidelock_mio::Runtime;

use crate::Failure;

/// The text before the address, which the parent process reads.
pub(crate) const LISTENING: &str = "listening on ";

#[derive(Args)]
pub(crate) struct Options {
    /// The address to listen at
    #[arg(default_value = "127.0.0.1:0")]
    at: SocketAddr,
    #[command(flatten)]
    server: Server,
}

/// The settings of the server.
#[derive(Args, Clone)]
pub(crate) struct Server {
    /// Worker threads; with 0 the service runs on the network thread
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=64))]
    workers: u8,
    /// Network threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    shards: u32,
}

impl Server {
    /// Returns the settings as arguments of the command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let (workers, shards) = (self.workers.to_string(), self.shards.to_string());
        ["--workers", &workers, "--shards", &shards].map(str::to_owned).to_vec()
    }
}

/// A service that sends back what it gets.
pub(crate) struct Echo;

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Data { socket, bytes } = message
            && let Err(error) = net.send(socket, bytes)
        {
            tracing::debug!(%socket, %error, "an echo is lost; closing");
            // An error means that the socket is already closed.
            net.close(socket).ok();
        }
    }

    fn name(&self) -> &'static str {
        "echo"
    }
}

/// Serves until the standard input ends.
///
/// # Errors
/// If the server cannot start, or if sockets or charged bytes are left at the end.
pub(crate) fn serve(options: &Options) -> Result<(), Failure> {
    const DRAIN: Duration = Duration::from_secs(10);
    let Options { at, server } = options;
    let builder = Runtime::builder().workers(usize::from(server.workers)).shards(server.shards);
    let runtime = builder.build()?;
    let echo = runtime.handle().spawn(Box::new(Echo))?;
    let listen = ListenOptions::default().auto_start(true).backlog(4096);
    let (_listener, local) = runtime.handle().listen(echo, *at, listen)?;
    println!("{LISTENING}{local}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let handle = runtime.handle().clone();
    let report = runtime.shutdown(DRAIN);
    let stats = handle.stats();
    let (opened, closed) = (stats.mux.opened, stats.mux.closed);
    println!(
        "{opened} opened, {closed} closed, {} B in, {} B out, {} B unsent, {} B charged",
        stats.mux.bytes_in, stats.mux.bytes_out, report.exit.unsent_bytes, stats.charged_bytes
    );
    if !report.is_complete || opened != closed || stats.charged_bytes != 0 {
        return Err(format!("something is left: {report:?}").into());
    }
    Ok(())
}
