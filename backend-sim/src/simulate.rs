//! Runs a scenario: from a seed, or from a script.

use crate::choices::{Choices, Record, Replay, Seed};
use crate::kinds::{Family, KINDS};
use crate::oracle::{Law, Violation};
use crate::panics::catch;
use crate::run::{Failure, Report, Source, Trace, Watch};
use crate::scenario::{Cast, Operation, SERVER, Scenario, When};
use crate::script::Script;
use crate::spelling;
use crate::streams::{Purpose, Stream};
use crate::swarm::Options;
use crate::trouble::Trouble;
use crate::world::World;

/// Runs one world. A pure function of its arguments; a panic inside is a broken law.
pub fn run(scenario: &Scenario, source: Source, watch: &Watch) -> Report {
    let services = |host, options: &Options| {
        let services = if host == SERVER { scenario.services } else { scenario.clients };
        services(options)
    };
    run_cast(&Cast { scenario, adjust: &scenario.adjust, services: &services }, source, watch)
}

/// The same with services that somebody else makes, who may keep what is not in the scenario.
pub fn run_cast(cast: &Cast<'_>, source: Source, watch: &Watch) -> Report {
    let scenario = cast.scenario;
    match source {
        Source::Seed(seed) => {
            let mut options = Options::draw(seed, scenario.name);
            (cast.adjust)(&mut options);
            let setup = Setup::draw(scenario, seed, options);
            let choices = Seed::new(seed, scenario.name, &setup.options.active());
            if watch.record {
                let (mut report, record) = setup.run(cast, Record::new(choices), watch);
                report.script = record.map(|record| setup.script(scenario, record.decisions()));
                report
            } else {
                setup.run(cast, choices, watch).0
            }
        }
        Source::Script(script) => {
            let (setup, wrong) = Setup::of_script(cast, &script);
            let choices = Replay::new(script.decisions.clone());
            let (mut report, replay) = setup.run(cast, choices, watch);
            report.stale = wrong;
            let unused = replay.iter().flat_map(Replay::unused);
            report.stale.extend(unused.map(|decision| format!("at {decision}")));
            if watch.record {
                report.script = Some(*script);
            }
            report
        }
    }
}

/// A world that is run many times, each time with other decisions.
pub struct Prepared<'a> {
    cast: Cast<'a>,
    setup: Setup,
}

impl<'a> Prepared<'a> {
    /// The world of a script, without its decisions.
    ///
    /// # Errors
    /// The lines of the script that mean nothing.
    pub fn new(cast: Cast<'a>, script: &Script) -> Result<Self, Vec<String>> {
        let (setup, wrong) = Setup::of_script(&cast, script);
        if wrong.is_empty() { Ok(Self { cast, setup }) } else { Err(wrong) }
    }

    /// Runs it with these decisions, and gives their source back.
    pub fn run<C: Choices>(&self, choices: C, watch: &Watch) -> (Report, C) {
        let (report, choices) = self.setup.run_once(&self.cast, choices, watch);
        (report, choices.expect("a run gives its source of choice back"))
    }
}

/// Before this nothing is asked, so that servers listen when the first client comes.
const START_NANOS: u64 = 1_000_000;

/// What a world is built from, besides its source of choice.
struct Setup {
    seed: u64,
    options: Options,
    plan: Vec<Operation>,
    troubles: Vec<Trouble>,
}

impl Setup {
    fn draw(scenario: &Scenario, seed: u64, options: Options) -> Self {
        let mut stream = Stream::new(seed, scenario.name, Purpose::Operations);
        let mut plan = (scenario.plan)(&options, &mut stream);
        for operation in &mut plan {
            if let When::At { nanos } = &mut operation.when {
                *nanos += START_NANOS;
            }
        }
        let mut stream = Stream::new(seed, scenario.name, Purpose::Faults);
        let troubles = Trouble::draw(&options, &mut stream);
        Self { seed, options, plan, troubles }
    }

    /// What a script does not say follows from its seed. Gives the lines, too, that mean nothing
    /// here: nothing that a file says is passed over in silence.
    fn of_script(cast: &Cast<'_>, script: &Script) -> (Self, Vec<String>) {
        let scenario = cast.scenario;
        let seed = script.seed.unwrap_or(0);
        let mut options = Options::draw(seed, scenario.name);
        (cast.adjust)(&mut options);
        let mut wrong = Vec::new();
        for (name, value) in &script.config {
            if !value.parse().is_ok_and(|value| options.set(name, value)) {
                wrong.push(format!("config {name}={value}"));
            }
        }
        // No coverage is counted yet.
        wrong.extend(script.needs.iter().map(|cell| format!("needs {cell}")));
        if let Some(noise) = script.noise {
            options.noise = noise;
        }
        let quiet_at_nanos = options.quiet_at_nanos;
        let mut setup = Self::draw(scenario, seed, options);
        if !script.operations.is_empty() {
            let (plan, meaningless) = spelling::operations(&script.operations);
            setup.plan = plan;
            wrong.extend(meaningless);
        }
        if !script.faults.is_empty() {
            let (troubles, meaningless) = spelling::troubles(&script.faults, quiet_at_nanos);
            setup.troubles = troubles;
            wrong.extend(meaningless);
        }
        (setup, wrong)
    }

    fn script(&self, scenario: &Scenario, decisions: &[crate::script::Decision]) -> Script {
        let pairs = self.options.pairs();
        Script {
            scenario: scenario.name.to_owned(),
            seed: Some(self.seed),
            config: pairs.iter().map(|(name, value)| ((*name).into(), value.to_string())).collect(),
            decisions: decisions.to_vec(),
            ..Script::default()
        }
    }

    /// Runs the world; after a failure a second time, to tell what came before it.
    fn run<C: Choices + Clone>(
        &self,
        cast: &Cast<'_>,
        choices: C,
        watch: &Watch,
    ) -> (Report, Option<C>) {
        let (mut report, left) = self.run_once(cast, choices.clone(), watch);
        if watch.trace == Trace::Off
            && let Some(failure) = &mut report.failure
        {
            let told = Watch { trace: Trace::Full, ..watch.clone() };
            let (again, _) = self.run_once(cast, choices, &told);
            failure.last_events = again.failure.map_or(Vec::new(), |again| again.last_events);
        }
        (report, left)
    }

    fn run_once<C: Choices>(
        &self,
        cast: &Cast<'_>,
        choices: C,
        watch: &Watch,
    ) -> (Report, Option<C>) {
        let (plan, troubles) = (self.plan.clone(), self.troubles.clone());
        let (trace, is_paranoid) = (watch.trace, watch.paranoid);
        let options = &self.options;
        let mut world = World::new(cast, options, choices, plan, troubles, trace, is_paranoid);
        if let Err(detail) = catch(|| world.run()) {
            world.shared.oracle.fail(Law::NoPanic, detail);
        }
        world.shared.oracle.checked[Law::NoPanic as usize] += 1;
        self.report(cast.scenario, world, watch)
    }

    fn report<C: Choices>(
        &self,
        scenario: &Scenario,
        world: World<C>,
        watch: &Watch,
    ) -> (Report, Option<C>) {
        let (steps, troubles, shared) = (world.steps, world.troubles_begun, world.shared);
        let injected = shared.kernel.choices.injected();
        let of_family = |family: &Family| {
            let kinds = KINDS.iter().zip(injected).filter(|(info, _)| info.family == *family);
            let of_world = if *family == Family::World { troubles } else { 0 };
            (family.name(), of_world + kinds.map(|(_, count)| count).sum::<u64>())
        };
        let checked = Law::ALL.iter().zip(shared.oracle.checked);
        let last_events = shared.tracer.last();
        let failure = shared.oracle.violation.clone().map(|Violation { law, detail }| Failure {
            law: law.name(),
            detail,
            step: steps,
            class: law.class(),
            last_events,
        });
        let report = Report {
            scenario: scenario.name,
            seed: self.seed,
            digest: shared.digest.finish(),
            outcome: shared.outcome,
            events: steps,
            operations: self.plan.len() as u64,
            completed: shared.oracle.completed(),
            injected: Family::ALL.iter().map(of_family).collect(),
            checked: checked.map(|(law, count)| (law.name(), count)).collect(),
            options: self.options.to_string(),
            failure,
            script: None,
            trace: if watch.trace == Trace::Off { Vec::new() } else { shared.tracer.into_lines() },
            stale: Vec::new(),
        };
        (report, Some(shared.kernel.choices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;

    fn seed(scenario: &Scenario, seed: u64, record: bool) -> Report {
        let watch = Watch { record, ..Watch::default() };
        let report = run(scenario, Source::Seed(seed), &watch);
        if let Some(failure) = &report.failure {
            panic!("{}, seed {seed}: {failure}\n{}", scenario.name, failure.last_events.join("\n"));
        }
        report
    }

    #[test]
    fn a_seed_gives_the_same_digest_twice_recorded_and_replayed() {
        for scenario in scenarios::all() {
            for number in 0..40 {
                let first = seed(scenario, number, false);
                let recorded = seed(scenario, number, true);
                assert_eq!(first.digest, recorded.digest, "{}: {number}", scenario.name);
                let script = recorded.script.expect("it was asked for");
                let script: Script = script.to_string().parse().expect("what was printed");
                let script = Box::new(script);
                let replayed = run(scenario, Source::Script(script), &Watch::default());
                assert_eq!(first.digest, replayed.digest, "{}: {number}", scenario.name);
                assert_eq!(first.outcome, replayed.outcome, "{}: {number}", scenario.name);
                assert_eq!(first.injected, replayed.injected, "{}: {number}", scenario.name);
                assert!(replayed.stale.is_empty(), "{:?}", replayed.stale);
            }
        }
    }

    #[test]
    fn a_script_written_by_hand_runs_as_it_says() {
        let text = "tide 1\nscenario echo\nconfig noise=0 scripted=0 workers=0 readiness=0\nconfig quiet_at_nanos=1000000000 send_buffer_bytes=4096 \
            receive_buffer_bytes=4096 write_bytes_per_turn=4096 read_buffer_bytes_max=4096\n\
            op c1 @2ms client connect server:9000\nop s1 after c1 client send c1 100\n\
            op x1 @3ms client shutdown c1\nop b1 @4ms client fly c1\n\
            fault p1 @2ms partition client>server until 30ms\nat c1'/in@10 cut\n";
        let script: Box<Script> = Box::new(text.parse().expect("it is a script"));
        let echo = scenarios::find("echo").expect("it is one of them");
        let watch = Watch { trace: Trace::Full, ..Watch::default() };
        let report = run(echo, Source::Script(script), &watch);
        assert_eq!(report.failure, None);
        assert_eq!((report.operations, report.completed), (3, 3));
        assert_eq!(report.stale.len(), 1, "{:?}", report.stale);
        let told = |text: &str| report.trace.iter().find(|line| line.contains(text)).cloned();
        let first = told("tells service1.1: Data").expect("the server hears of it");
        assert!(first.contains("Data") && first.ends_with("10 B"), "cut at byte 10: {first}");
        assert!(first.as_str() > "0.030", "not before the partition ends: {first}");
    }

    #[test]
    fn every_family_is_injected_and_every_law_is_checked() {
        let mut injected = std::collections::BTreeMap::new();
        let mut checked = std::collections::BTreeMap::new();
        for scenario in scenarios::all() {
            for number in 0..200 {
                let report = seed(scenario, number, false);
                for (family, count) in report.injected {
                    *injected.entry(family).or_insert(0) += count;
                }
                for (law, count) in report.checked {
                    *checked.entry(law).or_insert(0) += count;
                }
            }
        }
        // Only a scenario with datagrams loses any.
        let has_datagrams = scenarios::find("datagrams").is_some();
        let idle = injected.iter().filter(|(_, count)| **count == 0).map(|(family, _)| *family);
        let idle: Vec<&str> =
            idle.filter(|family| has_datagrams || *family != "datagrams").collect();
        assert!(idle.is_empty(), "never injected: {idle:?}");
        let unchecked = checked.iter().filter(|(_, count)| **count == 0).map(|(law, _)| *law);
        let unchecked: Vec<&str> = unchecked.collect();
        assert!(unchecked.is_empty(), "never checked: {unchecked:?}");
    }

    #[test]
    fn different_seeds_are_different_worlds() {
        let echo = scenarios::find("echo").expect("it is one of them");
        let digests: std::collections::BTreeSet<u64> =
            (0..40).map(|number| seed(echo, number, false).digest).collect();
        assert_eq!(digests.len(), 40);
    }

    #[test]
    fn watching_closely_changes_nothing() {
        let echo = scenarios::find("echo").expect("it is one of them");
        for number in 0..10 {
            let watch = Watch { paranoid: true, trace: Trace::Full, ..Watch::default() };
            let watched = run(echo, Source::Seed(number), &watch);
            assert_eq!(watched.digest, seed(echo, number, false).digest);
            assert!(!watched.trace.is_empty());
        }
    }
    #[test]
    fn what_a_script_says_in_vain_is_told() {
        let text = "tide 1\nscenario echo\nseed 7\nconfig workers=2 workers=two hosts=2\n\
            op c1 @0 client fly server:9000\nfault p1 after c1 partition client>server\n\
            at nobody/in@4 cut\nneeds Open×in\n";
        let source = Source::Script(Box::new(text.parse().unwrap()));
        let report = run(scenarios::find("echo").unwrap(), source, &Watch::default());
        let stale = ["config workers=two", "config hosts=2", "needs Open×in", "op c1", "fault p1"];
        assert_eq!(report.stale.len(), 6, "{:?}", report.stale);
        for (told, expected) in report.stale.iter().zip(stale) {
            assert!(told.starts_with(expected), "{told}, not {expected}");
        }
        assert_eq!(report.stale[5], "at nobody/in@4 cut 1");
    }
}
