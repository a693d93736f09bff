//! Serves the figures of a runtime in the text format of Prometheus, over the runtime itself.
//!
//! `prometheus [ADDR]` prints `metrics at http://ADDR/metrics` and serves until SIGTERM or SIGINT.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tidelock_core::{Bytes, ListenOptions, Message, Net, Service, SocketId};
use tidelock_mio::{Handle, Runtime, RuntimeStats, SampleKind};

/// A service that answers `GET /metrics` of HTTP/1.0 and 1.1, one request per connection.
struct Exporter {
    handle: Handle,
    /// The bytes of requests that are not complete yet.
    requests: BTreeMap<SocketId, Vec<u8>>,
}

/// The longest request that is accepted.
const REQUEST_BYTES_MAX: usize = 8 * 1024;

impl Service for Exporter {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { socket, bytes } => self.data(net, socket, &bytes),
            // `idle_timeout` closes clients that send nothing.
            Message::Close { socket, .. } => drop(self.requests.remove(&socket)),
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "prometheus"
    }
}

impl Exporter {
    fn data(&mut self, net: &mut Net<'_>, socket: SocketId, bytes: &Bytes) {
        let request = self.requests.entry(socket).or_default();
        request.extend_from_slice(bytes);
        let is_whole = request.windows(4).any(|end| end == b"\r\n\r\n");
        if !is_whole && request.len() <= REQUEST_BYTES_MAX {
            return;
        }
        let answer = match path(request) {
            _ if !is_whole => answer("431 Request Header Fields Too Large", "too long\n"),
            Some("/metrics") => answer("200 OK", &text(&self.handle.stats())),
            Some(_) => answer("404 Not Found", "see /metrics\n"),
            None => answer("400 Bad Request", "GET /metrics is all there is\n"),
        };
        self.requests.remove(&socket);
        // A socket that has closed needs neither an answer nor a shutdown.
        if net.send(socket, answer).is_ok() {
            net.shutdown(socket).ok();
        }
    }
}

/// Returns the path of a GET request, without its query.
fn path(request: &[u8]) -> Option<&str> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method != "GET" || !version.starts_with("HTTP/1.") || words.next().is_some() {
        return None;
    }
    target.split('?').next()
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Returns the figures in the text format, version 0.0.4.
fn text(stats: &RuntimeStats) -> String {
    let mut text = String::new();
    let mut last = "";
    for sample in stats.samples() {
        let name = sample.name;
        if name != last {
            let kind = if sample.kind == SampleKind::Counter { "counter" } else { "gauge" };
            head(&mut text, name, sample.help, kind);
            last = name;
        }
        let label = sample.label.map(|(label, value)| format!("{{{label}=\"{value}\"}}"));
        line(&mut text, &format!("{name}{}", label.unwrap_or_default()), sample.value);
    }
    head(&mut text, "tidelock_turn_seconds", "Turns by duration.", "histogram");
    let mut below = 0;
    for (bound, count) in stats.turns.buckets() {
        below += count;
        let bound = bound.map_or("+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
        line(&mut text, &format!("tidelock_turn_seconds_bucket{{le=\"{bound}\"}}"), below);
    }
    line(&mut text, "tidelock_turn_seconds_sum", stats.turns.sum().as_secs_f64());
    line(&mut text, "tidelock_turn_seconds_count", stats.turns.count());
    text
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes all");
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    writeln!(text, "{name} {value}").expect("a string takes all");
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    let Ok(address) = address.parse() else {
        eprintln!("prometheus: {address}: not an address like 127.0.0.1:9100");
        return ExitCode::from(64);
    };
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prometheus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (runtime, local) = start(address)?;
    println!("metrics at http://{local}/metrics");
    signals.forever().next();
    runtime.shutdown(Duration::from_secs(1));
    Ok(())
}

fn start(address: SocketAddr) -> Result<(Runtime, SocketAddr), Box<dyn std::error::Error>> {
    let config = tidelock_core::Config {
        idle_timeout: Some(Duration::from_secs(10)),
        ..tidelock_core::Config::default()
    };
    let runtime = Runtime::builder().config(config).build()?;
    let handle = runtime.handle().clone();
    let exporter = Exporter { handle: handle.clone(), requests: BTreeMap::new() };
    let exporter = handle.spawn(Box::new(exporter))?;
    let options = ListenOptions::default().auto_start(true);
    let (_listener, local) = handle.listen(exporter, address, options)?;
    Ok((runtime, local.socket_addr().expect("it listens at an IP address")))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn ask(local: SocketAddr, parts: &[&str]) -> String {
        let mut stream = TcpStream::connect(local).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for part in parts {
            stream.write_all(part.as_bytes()).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_served_figures_are_those_of_the_runtime() {
        let (runtime, local) = start(([127, 0, 0, 1], 0).into()).unwrap();
        let first = ask(local, &["GET /metrics HTTP/1.1\r\nHos", "t: here\r\n\r", "\n"]);
        assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
        let (head, body) = first.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(body.contains("\ntidelock_sockets{state=\"listening\"} 1\n"), "{body}");
        assert!(body.contains("# TYPE tidelock_bytes_total counter\n"));
        assert_eq!(body.matches("# TYPE tidelock_sockets gauge\n").count(), 1);
        let second = ask(local, &["GET /metrics?again HTTP/1.0\r\n\r\n"]);
        let of = |name: &str, text: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect("it is there");
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let out = "tidelock_bytes_total{direction=\"out\"}";
        let counted = of(out, &second);
        assert!(counted >= first.len() as u64, "{counted} B out after {} B", first.len());
        let count = of("tidelock_turn_seconds_count", &second);
        assert_eq!(of("tidelock_turn_seconds_bucket{le=\"+Inf\"}", &second), count);
        assert!(ask(local, &["GET /else HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 404"));
        assert!(ask(local, &["PUT /metrics HTTP/1.1\r\n\r\n"]).starts_with("HTTP/1.1 400"));
        let long = "x".repeat(REQUEST_BYTES_MAX + 1);
        assert!(ask(local, &[&long]).starts_with("HTTP/1.1 431"));
        runtime.shutdown(Duration::from_secs(1));
    }
}
