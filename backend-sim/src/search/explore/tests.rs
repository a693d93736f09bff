//! Searches of small worlds, with services that are right and with one that is not.

use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service};
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::ports::SERVER_PORT;

use super::*;
use crate::run::Source;
use crate::scenarios;
use crate::stage::scenario::Scenario;

/// The echo, with another service in the server's place if one is given.
fn echo(server: Option<fn() -> Impatient>) -> Scenario {
    let echo = scenarios::find("echo").expect("it is one of them").clone();
    match server {
        None => echo,
        Some(make) => echo.staged(move |stage| {
            stage.host("client");
            stage.host("server").service(make);
        }),
    }
}

/// Searches a small world whose server runs other services, if they are given.
fn search<T>(
    name: &str,
    faults_max: u32,
    server: Option<fn() -> Impatient>,
    then: impl Fn(&Search, &Script) -> T,
) -> T {
    let world = find(name).expect("it is a search")[0];
    let scenario = echo(server);
    let script = world.script(0);
    let prepared = Prepared::new(&scenario, &script).expect("every line means something");
    then(&Search::new(prepared, faults_max, true), &script)
}

/// Planted mistakes of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It dies of the third piece of a message.
    ThirdPiece,
    /// It dies of a single byte behind the first piece.
    LastByte,
    /// It dies of a bad end after two pieces. It tells what it is itself.
    BadEnds,
}

/// An echo with a flaw.
struct Flawed {
    flaw: Flaw,
    pieces: u64,
}

impl Service for Flawed {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { socket, bytes } => {
                self.pieces += 1;
                let is_third = self.flaw == Flaw::ThirdPiece && self.pieces == 3;
                assert!(!is_third, "planted: three pieces");
                let is_rest = self.flaw == Flaw::LastByte && self.pieces == 2 && bytes.len() == 1;
                assert!(!is_rest, "planted: one byte after a piece");
                // One that is gone needs no answer.
                let _gone = net.send(socket, bytes);
            }
            Message::Error { .. } if self.flaw == Flaw::BadEnds => {
                assert!(self.pieces < 2, "planted: a bad end after two pieces");
            }
            _ => {}
        }
    }

    fn fingerprint(&self) -> Option<u64> {
        (self.flaw == Flaw::BadEnds).then_some(self.pieces)
    }
}

#[test]
fn telling_states_apart_leaves_out_no_failure_of_planted_defects() {
    for flaw in [Flaw::ThirdPiece, Flaw::LastByte, Flaw::BadEnds] {
        let world = find("echo").expect("it is a search")[0];
        let scenario = scenarios::find("echo").expect("it is one of them").clone();
        let scenario = scenario.staged(move |stage| {
            stage.host("client");
            stage.host("server").service(move || Flawed { flaw, pieces: 0 });
            stage.answers(Behaviour::Echo);
        });
        let script = world.script(1);
        let sums = [false, true].map(|is_deduplicated| {
            let prepared = Prepared::new(&scenario, &script).expect("every line means something");
            let search = Search::new(prepared, 2, is_deduplicated);
            all(&search, 0..search.units())
        });
        let [every, once] = sums.each_ref().map(|sums| sums.signatures.keys().collect::<Vec<_>>());
        assert_eq!(every, once, "{flaw:?}");
        assert!(!every.is_empty(), "{flaw:?} was never seen");
        let [every, once] = sums.map(|sums| sums.schedules);
        assert!(once < every / 2, "{flaw:?}: {once} of {every} schedules");
    }
}

fn all(search: &Search, units: impl Iterator<Item = u32>) -> Sums {
    let mut sums = Sums::default();
    units.for_each(|unit| sums.add(&search.unit(unit, &|| false).expect("nothing stops it")));
    sums
}

#[test]
fn one_fault_is_exhausted_and_shards_add_up_to_the_whole() {
    search("echo", 1, None, |search, _| {
        let whole = all(search, 0..search.units());
        assert_eq!(whole.signatures, BTreeMap::new(), "{:?}", whole.firsts);
        assert_eq!(whole.schedules, u64::from(search.units()), "with one fault each unit is a run");
        assert!(whole.schedules > 100, "{} schedules", whole.schedules);
        let mut sum = Sums::default();
        for shard in (0..3).rev() {
            let units = (0..search.units()).filter(|unit| unit % 3 == shard);
            sum.add(&all(search, units));
        }
        assert_eq!(sum, whole);
    });
}

#[test]
fn a_unit_that_is_stopped_gives_nothing() {
    search("echo", 1, None, |search, _| {
        assert_eq!(search.unit(1, &|| true), None);
    });
}

/// Answers, and dies when it is told one message in three pieces: two cuts, and no one fault.
#[derive(Default)]
struct Impatient {
    pieces: u32,
}

impl Service for Impatient {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Data { socket, bytes } = message {
            self.pieces += 1;
            assert!(self.pieces < 3, "planted: three pieces");
            // One that is gone needs no answer.
            let _gone = net.send(socket, bytes);
        }
    }
}

#[test]
fn a_defect_of_two_faults_is_found_with_two_and_replays_by_key() {
    let make: fn() -> Impatient = Impatient::default;
    search("echo", 1, Some(make), |search, _| {
        assert_eq!(all(search, 0..search.units()).signatures, BTreeMap::new());
    });
    search("echo", 2, Some(make), |search, script| {
        let mut sums = Sums::default();
        for unit in 0..search.units() {
            sums.add(&search.unit(unit, &|| false).expect("nothing stops it"));
            if !sums.signatures.is_empty() {
                break;
            }
        }
        let chosen = {
            let mut firsts = sums.firsts.iter();
            let first = firsts.find(|(signature, _)| signature.starts_with("no-panic/"));
            first.expect("two cuts make three pieces").1
        };
        assert_eq!(chosen.len(), 2, "{chosen:?}");
        let report = search.record(chosen, script);
        let recorded = report.script.expect("it is recorded");
        assert_eq!(recorded.decisions.len(), 2);
        let source = Source::Script(Box::new(recorded));
        let replayed = echo(Some(make)).run_watched(source, &Watch::default());
        assert_eq!(replayed.digest, report.digest);
        assert!(replayed.stale.is_empty(), "{:?}", replayed.stale);
        let failure = replayed.failure.expect("it fails again");
        assert!(failure.detail.contains("planted"), "{failure}");
    });
}
