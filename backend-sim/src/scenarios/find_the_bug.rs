//! A key-value service with one mistake, and clients that meet it when the network is unkind.

use std::collections::BTreeMap;

use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service, SocketId};
use tidelock_net::words::client::Client;
use tidelock_net::words::ports::SERVER_PORT;

use crate::stage::Stage;
use crate::stage::scenario::Scenario;

/// The service with its mistake: it holds in a kind network, and not in this one.
pub(super) fn find_the_bug() -> Scenario {
    let about = "a key-value service with one mistake; campaigns leave it out unless it is named";
    Scenario::new("find-the-bug", about, |stage| {
        stage.host("server").service(|| KeyValue::default().listening(ANYWHERE));
        set_clients(stage);
    })
    .flawed()
}

/// The same service without the mistake.
pub(super) fn key_value() -> Scenario {
    let about = "a key-value service, and clients that know each byte of its replies";
    Scenario::new("key-value", about, |stage| {
        stage.host("server").service(|| KeyValue::default().listening(ANYWHERE).mended());
        set_clients(stage);
    })
}

/// Where the server listens.
const ANYWHERE: ([u8; 4], u16) = ([0, 0, 0, 0], SERVER_PORT);

/// Each client uses keys of its own, so that what it must hear follows from what it asks.
fn set_clients(stage: &mut Stage<'_>) {
    stage.host("client").may_be_asking_wire();
    for name in ["ada", "ben", "cyd"] {
        let mut client = Client::new(name);
        for number in 0..1 + stage.below(4) {
            let value = "v".repeat(1 + stage.below(40) as usize);
            client = client
                .write(format!("SET {name}{number} {value}\n"))
                .expect("OK\n")
                .write(format!("GET {name}{number}\n"))
                .expect(format!("{value}\n"));
        }
        let heard = stage.client("client", client);
        stage.invariant("every-line-is-understood", move || {
            let heard = heard.bytes();
            match heard.windows(ERROR.len()).any(|window| window == ERROR.as_bytes()) {
                true => Err(format!("{name} received '{}'", heard.escape_ascii())),
                false => Ok(()),
            }
        });
    }
}

/// The answer to a line that is none of the three.
const ERROR: &str = "ERROR";

/// Keeps values by key, for whoever asks: `SET key value`, `GET key` and `DEL key`, a line each.
/// Answers `OK`, the value, or `NONE`; `ERROR` to a line that it does not understand.
#[derive(Debug, Default)]
pub struct KeyValue {
    at: Option<Endpoint>,
    is_mended: bool,
    values: BTreeMap<String, String>,
    lines: BTreeMap<SocketId, Lines>,
}

impl KeyValue {
    /// Listens there when it begins. Without this somebody else makes it a listener's owner.
    #[must_use]
    pub fn listening(mut self, at: impl Into<Endpoint>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// Without the mistake.
    #[must_use]
    pub fn mended(mut self) -> Self {
        self.is_mended = true;
        self
    }

    fn answer(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let found = |value: Option<&String>| value.map_or("NONE", String::as_str).to_owned();
        match words.as_slice() {
            ["SET", key, value] => {
                self.values.insert((*key).to_owned(), (*value).to_owned());
                "OK".to_owned()
            }
            ["GET", key] => found(self.values.get(*key)),
            ["DEL", key] => found(self.values.remove(*key).as_ref()),
            _ => ERROR.to_owned(),
        }
    }
}

impl Service for KeyValue {
    fn on_start(&mut self, net: &mut Net<'_>) {
        if let Some(at) = self.at.take() {
            // If it cannot listen, clients are refused, and that is for the clients to see.
            let _refused = net.listen(at, ListenOptions::default().auto_start(true));
        }
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { socket, bytes } => {
                let is_mended = self.is_mended;
                let lines = self.lines.entry(socket).or_default().feed(&bytes, is_mended);
                let replies: String = lines.iter().map(|line| self.answer(line) + "\n").collect();
                if net.send(socket, replies).is_err() {
                    // It does not read its replies, or is gone; then there is nothing to close.
                    let _gone = net.close(socket);
                }
            }
            Message::Close { socket, .. } => {
                self.lines.remove(&socket);
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "key-value"
    }
}

/// Makes lines of what a stream brings, however that is cut. Longer lines than
/// [`LINE_BYTES_MAX`] are cut, so that a client that never ends one costs no more than that.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line.
    begun: Vec<u8>,
}

/// A line is at most this long.
const LINE_BYTES_MAX: usize = 1 << 16;

impl Lines {
    fn feed(&mut self, bytes: &[u8], is_mended: bool) -> Vec<String> {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            if !is_mended {
                // The mistake: a line whose beginning is here already loses it, if what comes
                // brings neither its beginning nor its end.
                self.begun.clear();
            }
            self.begun.extend_from_slice(bytes);
            self.begun.truncate(LINE_BYTES_MAX);
            return Vec::new();
        };
        let (whole, rest) = bytes.split_at(end + 1);
        self.begun.extend_from_slice(whole);
        let text = String::from_utf8_lossy(&self.begun).into_owned();
        self.begun = rest.to_vec();
        text.lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::split;
    use crate::run::{Source, Watch};

    #[test]
    fn the_mended_one_hears_the_same_lines_however_they_are_cut() {
        let bytes = b"SET a 1\nGET a\nDEL";
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut lines = Lines::default();
                let mut heard = lines.feed(&bytes[..first], true);
                heard.extend(lines.feed(&bytes[first..second], true));
                heard.extend(lines.feed(&bytes[second..], true));
                assert_eq!(heard, ["SET a 1", "GET a"], "cut at {first} and {second}");
                assert_eq!(lines.begun, b"DEL");
            }
        }
    }

    /// Clients that only write, so that nobody but the law `split` can know what is wrong.
    fn unwatched(is_mended: bool) -> Scenario {
        Scenario::new("unwatched", "nobody knows what must be heard", move |stage| {
            stage
                .host("server")
                .service(move || KeyValue { is_mended, ..KeyValue::default() }.listening(ANYWHERE));
            stage.host("client");
            for name in ["ada", "ben"] {
                let mut client = Client::new(name);
                for number in 0..1 + stage.below(4) {
                    let value = "v".repeat(1 + stage.below(40) as usize);
                    client = client.write(format!("SET {name}{number} {value}\n"));
                    client = client.write(format!("GET {name}{number}\n"));
                }
                stage.client("client", client);
            }
        })
    }

    #[test]
    fn without_any_expectation_it_is_found_by_how_it_is_cut() {
        const SEEDS: u64 = 4_000;
        let failures = |is_mended| {
            let scenario = unwatched(is_mended);
            let failing = (0..SEEDS).filter_map(move |seed| scenario.run(seed).failure);
            failing.map(|failure| failure.law).collect::<Vec<_>>()
        };
        assert_eq!(failures(true), Vec::<&str>::new());
        let found = failures(false);
        assert!(!found.is_empty() && found.iter().all(|law| *law == split::LAW), "{found:?}");
        let scenario = unwatched(false);
        let seed = (0..SEEDS).find(|seed| scenario.run(*seed).failure.is_some());
        let watch = Watch { record: true, is_seedless: true, ..Watch::default() };
        let recorded = scenario.run_watched(Source::Seed(seed.expect("one was found")), &watch);
        let script = Box::new(recorded.script.expect("it was asked for"));
        let replayed = scenario.run_watched(Source::Script(script), &Watch::default());
        assert_eq!(replayed.failure, recorded.failure, "it is found again without its seed");
    }

    #[test]
    fn the_other_one_is_found_by_a_campaign_and_the_mended_one_is_not() {
        let failing = (0..200).filter_map(|seed| find_the_bug().run(seed).failure);
        let laws: Vec<_> = failing.map(|failure| failure.law).collect();
        assert!(laws.len() > 3, "found only {} times", laws.len());
        let clients = ["expectation", "calm-succeeds", "every-line-is-understood"];
        assert!(laws.iter().all(|law| clients.contains(law)), "{laws:?}");
        for seed in 0..200 {
            let report = key_value().run(seed);
            assert_eq!(report.failure, None, "seed {seed}");
        }
    }
}
