//! A service with a mistake in its framing: found, made small, and found again.

use std::collections::BTreeSet;
use std::time::Duration;

use tidelock_core::{ConnectOptions, Endpoint, ListenOptions, Message, Net, Service, SocketId};
use tidelock_sim::internal::campaign::Simulator;
use tidelock_sim::internal::script::{Script, ScriptOperation, When};
use tidelock_sim::internal::search::shrink::{Failing, SHORT_EVENTS, Shrinker, Story, story};
use tidelock_sim::internal::simulate;
use tidelock_sim::run::{Failure, Report, Source, Watch};
use tidelock_sim::scenario::{Behaviour, SERVER_PORT, Scenario};
use tidelock_sim::scenarios;

/// Believes that the two bytes of a head come together.
struct Hasty;

impl Service for Hasty {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
    }

    fn on_message(&mut self, _net: &mut Net<'_>, message: Message) {
        if let Message::Data { bytes, .. } = message {
            assert!(bytes.len() >= 2, "a head of two bytes, and only {} came", bytes.len());
        }
    }
}

fn scenario() -> Scenario {
    let echo = scenarios::find("echo").expect("it is one of them");
    echo.clone().staged(|stage| {
        stage.host("client").may_be_asking_wire();
        stage.host("server").service(|| Hasty).may_be_serving_wire(Behaviour::Echo);
        stage.answers(Behaviour::Echo);
    })
}

fn run(_: &str, source: Source, watch: &Watch) -> Report {
    simulate::run(&scenario(), source, watch)
}

const SIMULATOR: Simulator<'static> =
    Simulator { scenarios: &[("echo", "hasty")], flawed: &[], run: &run };

fn signature(script: &Script) -> Option<String> {
    let watch = Watch { is_brief: true, ..Watch::default() };
    let report = run("echo", Source::Script(Box::new(script.clone())), &watch);
    report.failure.map(|failure| failure.signature)
}

/// The first few seeds of which the mistake is seen, made small.
fn stories() -> Vec<Story> {
    let watch = Watch::default();
    let made = (0..400).filter_map(|seed| {
        story(&SIMULATOR, "echo", Source::Seed(seed), &watch, &|runs| runs < 5_000)
    });
    made.take(6).collect()
}

/// Returns `true` if a run fails in this way, and its story is no longer than another one's, or
/// short.
fn is_as_good(report: &Report, expected: &str, than_events: u64) -> bool {
    signature_of(report).as_deref() == Some(expected)
        && report.story <= than_events.max(SHORT_EVENTS)
}

/// Every script with one line less.
fn one_less(script: &Script) -> Vec<Script> {
    let mut scripts = Vec::new();
    let mut less = |delete: &dyn Fn(&mut Script, usize), count: usize| {
        for at in 0..count {
            let mut script = script.clone();
            delete(&mut script, at);
            scripts.push(script);
        }
    };
    less(&|script, at| drop(script.operations.remove(at)), script.operations.len());
    less(&|script, at| drop(script.faults.remove(at)), script.faults.len());
    less(&|script, at| drop(script.decisions.remove(at)), script.decisions.len());
    less(&|script, at| drop(script.config.remove(at)), script.config.len());
    scripts
}

#[test]
fn a_mistake_becomes_a_story_of_which_every_line_is_needed() {
    let stories = stories();
    assert_eq!(stories.len(), 6, "the mistake is seen");
    let watch = Watch { is_brief: true, ..Watch::default() };
    for Story { shrunk, after, .. } in stories {
        let script = &shrunk.script;
        assert!(shrunk.is_minimal, "{script}");
        let expected = "no-panic/a-head-of-two-bytes-and-only-came";
        assert_eq!(script.signature.as_deref(), Some(expected), "{script}");
        assert_eq!(signature(script).as_deref(), Some(expected), "{script}");
        for less in one_less(script) {
            let report = run("echo", Source::Script(Box::new(less.clone())), &watch);
            assert!(!is_as_good(&report, expected, after.events), "needless:\n{less}\n{script}");
        }
        assert_eq!((after.connections, script.seed), (1, None), "{script}");
        assert!(after.faults <= 1, "{script}");
        assert!(script.to_string().lines().count() <= 12, "{script}");
        assert!(shrunk.decisive.is_some(), "{script}");
        // What was printed is what fails.
        let read: Script = script.to_string().parse().expect("what was printed");
        assert_eq!(&read, script);
    }
}

#[test]
fn a_story_still_fails_after_something_unrelated_was_added() {
    for Story { shrunk, .. } in stories() {
        let mut script = shrunk.script;
        let words = ["client", "connect", "server:9000"].map(str::to_owned).to_vec();
        for (label, nanos) in [("c71", 2_000_000), ("c72", 700_000_000)] {
            let when = When::At { nanos };
            let (label, words) = (label.to_owned(), words.clone());
            script.operations.push(ScriptOperation { label, when, words, note: String::new() });
        }
        assert_eq!(signature(&script), script.signature, "{script}");
    }
}

/// The key-value service with a mistake, as the command runs it.
fn find_the_bug(source: Source, watch: &Watch) -> Report {
    let flawed = scenarios::find("find-the-bug").expect("it is one of them");
    simulate::run(flawed, source, watch)
}

#[test]
fn the_bug_is_told_by_the_bytes_that_come_alone_and_stays_found() {
    let watch = Watch::default();
    let run = |_: &str, source, watch: &Watch| find_the_bug(source, watch);
    let simulator = Simulator { run: &run, ..SIMULATOR };
    let failing =
        (0..40).filter(|seed| find_the_bug(Source::Seed(*seed), &watch).failure.is_some());
    let seeds: Vec<u64> = failing.take(4).collect();
    assert_eq!(seeds.len(), 4, "the mistake is seen");
    let mut cuts = 0;
    for seed in seeds {
        let source = Source::Seed(seed);
        let told = story(&simulator, "find-the-bug", source, &watch, &|runs| runs < 5_000);
        let Story { shrunk, after, .. } = told.expect("it fails again");
        let mut script = shrunk.script;
        assert!(script.to_string().lines().count() <= 12, "{script}");
        assert!(after.connections == 1 && after.events <= 40, "{after}: {script}");
        assert!(shrunk.decisive.is_some(), "{script}");
        cuts += usize::from(script.decisions.iter().any(|decision| decision.kind == "cut"));
        let words = ["client", "connect", "server:9000"].map(str::to_owned).to_vec();
        let (label, when) = ("c71".to_owned(), When::At { nanos: 2_000_000 });
        script.operations.insert(0, ScriptOperation { label, when, words, note: String::new() });
        let again = find_the_bug(Source::Script(Box::new(script.clone())), &watch);
        let signature = again.failure.map(|failure| failure.signature);
        assert_eq!(signature, script.signature, "{script}");
    }
    assert!(cuts >= 3, "{cuts} of 4 stories name the byte");
}

/// Opens three connections, and sends so many bytes on each, one after the other.
struct InOrder(Vec<SocketId>, usize);

impl Service for InOrder {
    fn on_start(&mut self, net: &mut Net<'_>) {
        // The server listens by then.
        net.set_timer(Duration::from_millis(1));
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Timer { .. } => {
                let to = || Endpoint::from(([10, 0, 0, 2], SERVER_PORT));
                let opened =
                    (0..3).filter_map(|_| net.connect(to(), ConnectOptions::default()).ok());
                self.0.extend(opened);
            }
            Message::Connect { .. } => {
                self.1 += 1;
                if self.1 == 3 {
                    let numbered = self.0.iter().zip(1..);
                    numbered.for_each(|(id, count)| drop(net.send(*id, vec![0; count])));
                }
            }
            _ => {}
        }
    }
}

/// Believes that what was sent last does not come first.
struct Reversed(Vec<usize>);

impl Service for Reversed {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
    }

    fn on_message(&mut self, _net: &mut Net<'_>, message: Message) {
        if let Message::Data { bytes, .. } = message {
            self.0.push(bytes.len());
            assert!(self.0 != [3, 2, 1], "the last came first");
        }
    }
}

fn reversed(_: &str, source: Source, watch: &Watch) -> Report {
    let echo = scenarios::find("echo").expect("it is one of them");
    let scenario = echo.clone().staged(|stage| {
        stage.host("client").service(|| InOrder(Vec::new(), 0));
        stage.host("server").service(|| Reversed(Vec::new()));
    });
    simulate::run(&scenario, source, watch)
}

#[test]
fn latencies_that_are_needed_become_delays_without_noise() {
    // Without the search for smaller worlds, of which options are drawn that may need no delays.
    let watch = Watch { is_brief: true, ..Watch::default() };
    let written = Watch { record: true, is_noise_written: true, ..watch.clone() };
    let source = |script: &Script| Source::Script(Box::new(script.clone()));
    let run = |script: &Script| reversed("echo", source(script), &watch);
    let judge = |script: &Script| {
        let report = run(script);
        let failing = |failure: &Failure| Failing {
            signature: failure.signature.clone(),
            events: report.story,
        };
        report.failure.as_ref().map(failing)
    };
    let write = |script: &Script| reversed("echo", source(script), &written).script;
    let expected = "no-panic/the-last-came-first";
    let text = "tide 1\nscenario echo\nconfig jitter_nanos=1000000\n";
    let quiet: Script = text.parse().expect("a script");
    let mut stories = 0;
    for noise in 1..60 {
        let loud = Script { noise: Some(noise), ..quiet.clone() };
        if run(&loud).failure.is_none() {
            continue;
        }
        let recorded = Watch { record: true, is_seedless: true, ..watch.clone() };
        let script = reversed("echo", source(&loud), &recorded).script.expect("it was recorded");
        let may_go_on = |runs| runs < 5_000;
        let shrinker = Shrinker::new(script, expected.to_owned(), &judge, &may_go_on);
        let shrunk = shrinker.write_noise_by(&write).shrink();
        let events = judge(&shrunk.script).expect("it fails").events;
        let script = shrunk.script;
        assert_eq!(script.noise, Some(0), "{script}");
        // The first is later than the second, and that than the third.
        let delays =
            script.decisions.iter().map(|decision| (decision.kind.as_str(), decision.value.get()));
        let delays: BTreeSet<(&str, u64)> = delays.collect();
        assert_eq!((delays.len(), script.decisions.len()), (2, 2), "{script}");
        assert!(delays.iter().all(|(kind, _)| *kind == "delay"), "{script}");
        assert_eq!(signature_of(&run(&script)), Some(expected.to_owned()), "{script}");
        for less in one_less(&script) {
            assert!(!is_as_good(&run(&less), expected, events), "needless:\n{less}\n{script}");
        }
        stories += 1;
    }
    assert!(stories >= 3, "{stories} of 59 noises reverse the order");
}

fn signature_of(report: &Report) -> Option<String> {
    report.failure.as_ref().map(|failure| failure.signature.clone())
}
