//! Searches of small worlds, with services that are right and with one that is not.

use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service};

use super::*;
use crate::run::Source;
use crate::scenario::{SERVER_PORT, Scenario};
use crate::scenarios;

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
        let chosen = sums.firsts.get("no-panic").expect("two cuts make three pieces");
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
