//! Runs a scenario: from a seed, or from a script.

use std::collections::BTreeSet;

use tidelock_net::chance::choices::{Choices, Record, Replay, Seed};
use tidelock_net::chance::streams::{Purpose, Stream};
use tidelock_net::system::kernel::ROWS;
use tidelock_net::words::decision::{Decision, Value};
use tidelock_net::words::kinds::{Family, KINDS};
use tidelock_net::words::operation::{Label, Operation, When};
use tidelock_net::words::trouble::Trouble;

use crate::judge::coverage::{Cell, Set};
use crate::judge::oracle::{Law, Violation};
use crate::run::check::{self, Wrong};
use crate::run::panics::catch;
use crate::run::{Failure, Report, Source, Trace, Watch, signature, split};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;
use crate::stage::trouble;
use crate::tide::{Script, spelling};
use crate::world::World;
use crate::world::memory::Memory;

impl Scenario {
    /// Runs the world of a seed. The same seed gives the same run.
    pub fn run(&self, seed: u64) -> Report {
        self.run_watched(Source::Seed(seed), &Watch::default())
    }

    /// Runs a seed or a script, and keeps what `watch` asks for.
    pub fn run_watched(&self, source: Source, watch: &Watch) -> Report {
        run(self, source, watch)
    }
}

/// Runs one world. A pure function of its arguments; a panic inside is a broken law.
pub fn run(scenario: &Scenario, source: Source, watch: &Watch) -> Report {
    run_in(&mut Memory::default(), scenario, source, watch)
}

/// The same, in room that is handed from world to world. What the report says does not depend on
/// it.
pub fn run_in(memory: &mut Memory, scenario: &Scenario, source: Source, watch: &Watch) -> Report {
    match source {
        Source::Seed(seed) => {
            let mut options = scenario.options(seed);
            split::make_steady(&mut options, scenario);
            let setup = Setup::draw(scenario, seed, options);
            let choices = Seed::new(seed, scenario.name, &setup.options.active());
            if watch.record {
                let (mut report, record) = setup.run(memory, scenario, Record::new(choices), watch);
                report.script = record.map(|record| {
                    let script = setup.script(scenario, record.decisions());
                    if watch.is_seedless { setup.materialised(scenario, &script) } else { script }
                });
                setup.compared(memory, scenario, report)
            } else {
                let (report, _) = setup.run(memory, scenario, choices, watch);
                setup.compared(memory, scenario, report)
            }
        }
        Source::Script(script) if watch.is_drawn && script.seed.is_some() => {
            drawn(memory, scenario, &script, watch)
        }
        Source::Script(script) if watch.is_noise_written => {
            let (setup, wrong) = Setup::of_script(scenario, &script);
            let choices = Record::with_noise(Replay::new(script.decisions.clone()));
            let (mut report, record) = setup.run(memory, scenario, choices, watch);
            report.stale = wrong;
            report.script = record.map(|record| without_noise(&script, record.decisions()));
            setup.compared(memory, scenario, report)
        }
        Source::Script(script) => {
            let (setup, wrong) = Setup::of_script(scenario, &script);
            let choices = Replay::new(script.decisions.clone());
            let (mut report, replay) = setup.run(memory, scenario, choices, watch);
            report.stale = wrong;
            report.stale.extend(unmet(&script, &report.reached.cells));
            let unused = replay.iter().flat_map(Replay::unused);
            report.stale.extend(unused.map(|decision| format!("at {decision}")));
            if watch.record {
                let is_written_out = watch.is_seedless && script.seed.is_some();
                report.script = Some(match is_written_out {
                    true => setup.materialised(scenario, &script),
                    false => *script,
                });
            }
            setup.compared(memory, scenario, report)
        }
    }
}

/// A script without noise, with decisions that say what noise made late.
fn without_noise(script: &Script, decisions: &[Decision]) -> Script {
    let mut script = Script { noise: Some(0), decisions: decisions.to_vec(), ..script.clone() };
    // No decision delays by as much as this.
    let longest = decisions.iter().filter(|one| matches!(one.value, Value::Time { .. }));
    let longest = longest.map(|one| one.value.get()).max().unwrap_or(0);
    let is_enough = |(name, value): &(String, String)| {
        name != "delay_nanos_max" || Options::value_of(name, value).is_ok_and(|max| max > longest)
    };
    script.config.retain(is_enough);
    script
}

/// The world of a script's seed with the options that stand in the script.
fn drawn(memory: &mut Memory, scenario: &Scenario, script: &Script, watch: &Watch) -> Report {
    let (setup, wrong) = Setup::of_script(scenario, script);
    let choices = Record::new(Seed::new(setup.seed, scenario.name, &setup.options.active()));
    let (mut report, record) = setup.run(memory, scenario, choices, watch);
    report.stale = wrong;
    report.script = record.map(|record| {
        let script = setup.script(scenario, record.decisions());
        if watch.is_seedless { setup.materialised(scenario, &script) } else { script }
    });
    setup.compared(memory, scenario, report)
}

/// The cells that a script needs and its run did not reach, and what names no cell.
fn unmet<'a>(script: &'a Script, reached: &'a Set) -> impl Iterator<Item = String> + 'a {
    script.needs.iter().filter_map(|need| match need.parse::<Cell>() {
        Ok(cell) if reached.contains(cell.index()) => None,
        Ok(cell) => Some(format!("needs {cell}: it was not reached")),
        Err(expected) => Some(format!("needs {need}: {expected}")),
    })
}

/// A script that says the same without a seed: all operations and faults stand in it as lines, so
/// that each can be deleted or changed by itself. It runs to the same digest; lines that mean
/// nothing stay as they are.
pub fn materialise(scenario: &Scenario, script: &Script) -> Script {
    if script.seed.is_none() {
        return script.clone();
    }
    Setup::of_script(scenario, script).0.materialised(scenario, script)
}

/// The lines of a script that cannot be run; as `tidelock replay` tells them.
pub fn check_script(scenario: &Scenario, script: &Script) -> Vec<Wrong> {
    let options = unsaid(scenario, script);
    check::script(script, &scenario.stage(&options).cast(), &options)
}

/// The options that hold where a script says nothing.
fn unsaid(scenario: &Scenario, script: &Script) -> Options {
    match script.seed {
        Some(seed) => scenario.options(seed),
        None => scenario.fit(Options::neutral()),
    }
}

/// A world that is run many times, each time with other decisions.
pub struct Prepared {
    scenario: Scenario,
    setup: Setup,
}

impl Prepared {
    /// The world of a script, without its decisions.
    ///
    /// # Errors
    /// The lines of the script that mean nothing.
    pub fn new(scenario: &Scenario, script: &Script) -> Result<Self, Vec<String>> {
        let (setup, wrong) = Setup::of_script(scenario, script);
        if wrong.is_empty() { Ok(Self { scenario: scenario.clone(), setup }) } else { Err(wrong) }
    }

    /// Runs it with these decisions, and gives their source back.
    pub fn run<C: Choices>(&self, choices: C, watch: &Watch) -> (Report, C) {
        let (report, choices) =
            self.setup.run_once(&mut Memory::default(), &self.scenario, choices, watch);
        (report, choices.expect("a run gives its source of choice back"))
    }
}

/// An option as a recording says it.
fn written_option((name, value): (&'static str, u64)) -> (String, String) {
    (name.to_owned(), Options::text_of(name, value))
}

/// Before this nothing is asked, so that servers listen when the first client comes.
const START_NANOS: u64 = 1_000_000;

/// The parts that a world is built from, besides its source of choice.
struct Setup {
    seed: u64,
    is_seedless: bool,
    options: Options,
    plan: Vec<Operation>,
    troubles: Vec<Trouble>,
}

impl Setup {
    fn draw(scenario: &Scenario, seed: u64, options: Options) -> Self {
        let mut stream = Stream::new(seed, scenario.name, Purpose::Operations);
        let mut plan = scenario.operations(&options, &mut stream);
        if options.is_split == 1 {
            plan = split::steady_plan(plan);
            split::part_ties(&mut plan);
        }
        let start_nanos = if options.is_split == 1 { split::START_NANOS } else { START_NANOS };
        for operation in &mut plan {
            if let When::At { nanos } = &mut operation.when {
                *nanos += start_nanos;
            }
        }
        let stage = scenario.stage(&options);
        let first = plan.len();
        plan.extend(stage.client_operations(&mut stream));
        for operation in &mut plan[first..] {
            if let When::At { nanos } = &mut operation.when {
                *nanos += start_nanos - START_NANOS;
            }
        }
        let hosts = stage.hosts.len() as u16;
        let mut stream = Stream::new(seed, scenario.name, Purpose::Faults);
        let troubles = trouble::draw(&options, hosts, &mut stream);
        Self { seed, is_seedless: false, options, plan, troubles }
    }

    /// Fills in from the seed what a script does not say; without a seed it is neutral, and nothing
    /// happens but what stands there. Gives the lines, too, that mean nothing here: nothing that a
    /// file says is passed over in silence.
    fn of_script(scenario: &Scenario, script: &Script) -> (Self, Vec<String>) {
        let mut options = unsaid(scenario, script);
        if !script.config.is_empty() {
            // What recordings of before do not name was not there.
            options.clear_model();
        }
        let mut wrong: Vec<String> =
            check::config(script, &mut options).into_iter().map(|wrong| wrong.text).collect();
        if let Some(noise) = script.noise {
            options.noise = noise;
        }
        split::make_steady(&mut options, scenario);
        let quiet_at_nanos = options.quiet_at_nanos;
        let cast = scenario.stage(&options).cast();
        let mut setup = match script.seed {
            Some(seed) => Self::draw(scenario, seed, options),
            None => {
                let (plan, troubles) = (Vec::new(), Vec::new());
                Self { seed: 0, is_seedless: true, options, plan, troubles }
            }
        };
        if !script.operations.is_empty() {
            let (plan, meaningless) = spelling::operations(&script.operations, &cast);
            setup.plan = plan;
            wrong.extend(meaningless);
            setup.release_waiting();
            if setup.options.is_split == 1 {
                split::part_ties(&mut setup.plan);
            }
            let circular = check::circular(script).into_iter();
            let label = |at: usize| &script.operations[at].label;
            wrong.extend(circular.map(|at| format!("op {}: it waits for itself", label(at))));
        }
        if !script.faults.is_empty() {
            let (troubles, meaningless) = spelling::troubles(&script.faults, &cast, quiet_at_nanos);
            setup.troubles = troubles;
            wrong.extend(meaningless);
            setup.release_troubles();
        }
        (setup, wrong)
    }

    /// Lets operations that wait for a line that is not there happen as soon as anything may.
    fn release_waiting(&mut self) {
        let labels: BTreeSet<Label> = self.plan.iter().map(|operation| operation.label).collect();
        for operation in &mut self.plan {
            if matches!(operation.when, When::After(label) if !labels.contains(&label)) {
                operation.when = When::At { nanos: START_NANOS };
            }
        }
    }

    /// The same for troubles that wait for an operation.
    fn release_troubles(&mut self) {
        let labels: BTreeSet<Label> = self.plan.iter().map(|operation| operation.label).collect();
        for trouble in &mut self.troubles {
            if trouble.after.is_some_and(|label| !labels.contains(&label)) {
                (trouble.after, trouble.at_nanos) = (None, START_NANOS);
            }
        }
    }

    /// All that happens, written down without the seed that it was drawn from: every operation and
    /// fault, and each option that is not neutral.
    fn materialised(&self, scenario: &Scenario, script: &Script) -> Script {
        let neutral = unsaid(scenario, &Script::default()).pairs();
        let cast = scenario.stage(&self.options).cast();
        let pairs = self.options.pairs().into_iter().zip(neutral);
        let changed = pairs.filter(|(pair, neutral)| pair != neutral && pair.0 != "noise");
        let mut written = Script {
            seed: None,
            config: changed.map(|(pair, _)| written_option(pair)).collect(),
            noise: Some(self.options.noise),
            ..script.clone()
        };
        if script.operations.is_empty() {
            written.operations =
                self.plan.iter().map(|one| spelling::operation_line(one, &cast)).collect();
        }
        if script.faults.is_empty() {
            let numbered = self.troubles.iter().enumerate();
            written.faults =
                numbered.map(|(at, one)| spelling::trouble_line(at, one, &cast)).collect();
        }
        written
    }

    /// A steady world is compared with the same one in which nothing is cut or late.
    fn compared(&self, memory: &mut Memory, scenario: &Scenario, mut report: Report) -> Report {
        let is_judged = self.options.is_split == 0 || report.failure.is_some();
        if is_judged || !split::was_steady(&self.plan, &report) {
            return report;
        }
        let Self { seed, is_seedless, .. } = *self;
        let (plan, options) = (self.plan.clone(), split::reference(&self.options));
        let reference = Self { seed, is_seedless, options, plan, troubles: Vec::new() };
        let choices = Replay::new(Vec::new());
        let (other, _) = reference.run_once(memory, scenario, choices, &Watch::default());
        report.failure = split::compare(&report, &other);
        report.checked.push((split::LAW, 1));
        report
    }

    fn script(
        &self,
        scenario: &Scenario,
        decisions: &[tidelock_net::words::decision::Decision],
    ) -> Script {
        let pairs = self.options.pairs();
        Script {
            scenario: scenario.name.to_owned(),
            seed: Some(self.seed),
            config: pairs.into_iter().map(written_option).collect(),
            decisions: decisions.to_vec(),
            ..Script::default()
        }
    }

    /// Runs the world; after a failure a second time, to tell what came before it.
    fn run<C: Choices + Clone>(
        &self,
        memory: &mut Memory,
        scenario: &Scenario,
        choices: C,
        watch: &Watch,
    ) -> (Report, Option<C>) {
        let (mut report, left) = self.run_once(memory, scenario, choices.clone(), watch);
        if watch.trace == Trace::Off
            && !watch.is_brief
            && let Some(failure) = &mut report.failure
        {
            let told = Watch { trace: Trace::Full, ..watch.clone() };
            let (again, _) = self.run_once(memory, scenario, choices, &told);
            failure.last_events = again.failure.map_or(Vec::new(), |again| again.last_events);
        }
        (report, left)
    }

    fn run_once<C: Choices>(
        &self,
        memory: &mut Memory,
        scenario: &Scenario,
        choices: C,
        watch: &Watch,
    ) -> (Report, Option<C>) {
        let (plan, troubles) = (self.plan.clone(), self.troubles.clone());
        let (trace, is_paranoid) = (watch.trace, watch.paranoid);
        let stage = scenario.stage(&self.options);
        let room = std::mem::take(memory);
        let mut world = World::new(stage, choices, plan, troubles, trace, is_paranoid, room);
        if let Err(detail) = catch(|| world.run()) {
            world.shared.oracle.fail(Law::NoPanic, detail);
        }
        world.shared.oracle.checked[Law::NoPanic as usize] += 1;
        self.report(memory, scenario, world, watch)
    }

    fn report<C: Choices>(
        &self,
        memory: &mut Memory,
        scenario: &Scenario,
        world: World<C>,
        watch: &Watch,
    ) -> (Report, Option<C>) {
        let signature = signature::of(&world);
        let checkpoints = world.checkpoints.into_points();
        let (steps, troubles, shared) = (world.steps, world.troubles_begun, world.shared);
        let injected = shared.kernel.choices.injected();
        let of_family = |family: &Family| {
            let kinds = KINDS.iter().zip(injected).filter(|(info, _)| info.family == *family);
            let of_world = match family {
                Family::World => troubles[0],
                Family::Machines => troubles[1],
                _ => 0,
            };
            (family.name(), of_world + kinds.map(|(_, count)| count).sum::<u64>())
        };
        let checked = Law::ALL.iter().zip(shared.oracle.checked);
        let met = *shared.kernel.met();
        let errnos = ROWS.iter().zip(met).map(|(row, count)| (row.name, count));
        let last_events = shared.tracer.last();
        let violation = shared.oracle.violation.clone();
        let failure = violation.map(|Violation { law, name, detail, .. }| Failure {
            law: name,
            detail,
            step: steps,
            class: law.class(),
            signature: signature.unwrap_or_default(),
            last_events,
        });
        let report = Report {
            scenario: scenario.name,
            seed: self.seed,
            is_seedless: self.is_seedless,
            digest: shared.digest.finish(),
            checkpoints,
            outcome: shared.outcome,
            events: steps,
            story: shared.story,
            operations: self.plan.len() as u64,
            completed: shared.oracle.completed(),
            injected: Family::ALL.iter().map(of_family).collect(),
            reached: shared.coverage.finish(),
            errnos: errnos.filter(|(_, count)| *count > 0).collect(),
            checked: checked.map(|(law, count)| (law.name(), count)).collect(),
            options: Some(self.options.clone()),
            failure,
            script: None,
            trace: if watch.trace == Trace::Off { Vec::new() } else { shared.tracer.into_lines() },
            stale: Vec::new(),
        };
        let (choices, kernel) = shared.kernel.into_room();
        *memory = Memory { kernel, oracle: shared.oracle.into_room() };
        (report, Some(choices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::coverage::CELLS;
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
        for scenario in scenarios::sound() {
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
    fn decisions_are_drawn_for_a_seed_with_other_options() {
        let echo = scenarios::find("echo").expect("it is one of them");
        let mut decisions = 0;
        for number in 0..20 {
            let script = Script { seed: Some(number), ..Script::default() };
            let watch = Watch { is_drawn: true, ..Watch::default() };
            let drawn = run(echo, Source::Script(Box::new(script.clone())), &watch);
            assert_eq!(drawn.digest, seed(echo, number, false).digest, "{number}");
            let config = vec![("connections".to_owned(), "1".to_owned())];
            let script = Script { config, scenario: echo.name.to_owned(), ..script };
            let watch = Watch { is_seedless: true, ..watch };
            let small = run(echo, Source::Script(Box::new(script)), &watch);
            let written = small.script.expect("what is drawn is recorded");
            decisions += written.decisions.len();
            let again = run(echo, Source::Script(Box::new(written)), &Watch::default());
            assert_eq!(small.digest, again.digest, "{number}");
        }
        assert!(decisions > 0, "something was drawn");
    }

    #[test]
    fn a_recording_without_its_seed_runs_to_the_same_digest() {
        let mut decisions = 0;
        for scenario in scenarios::sound() {
            for number in 0..40 {
                let recorded = seed(scenario, number, true);
                let script = recorded.script.expect("it was asked for");
                let script = materialise(scenario, &script);
                assert_eq!(script.seed, None);
                assert!(!script.operations.is_empty());
                decisions += script.decisions.len();
                let wrong = check_script(scenario, &script);
                assert!(wrong.is_empty(), "{wrong:?}");
                let script: Script = script.to_string().parse().expect("what was printed");
                let replayed = run(scenario, Source::Script(Box::new(script)), &Watch::default());
                assert_eq!(recorded.digest, replayed.digest, "{}: {number}", scenario.name);
                assert_eq!(recorded.outcome, replayed.outcome, "{}: {number}", scenario.name);
                assert_eq!(replayed.failure, None);
                assert!(replayed.stale.is_empty(), "{:?}", replayed.stale);
            }
        }
        assert!(decisions > 1_000, "{decisions}");
    }

    #[test]
    fn what_waits_for_a_line_that_was_deleted_happens_at_once() {
        let text = "tide 1\nscenario echo\n\
            op c1 after c0 client connect server:9000\nop s1 after c1 client send c1 10\n\
            op x9 after s1 client close c9\nfault p1 after c1 pause client until 500ms\n\
            fault p2 after c7 descriptors server until 3ms\n";
        let script: Box<Script> = Box::new(text.parse().expect("it is a script"));
        let echo = scenarios::find("echo").expect("it is one of them");
        let watch = Watch { trace: Trace::Full, ..Watch::default() };
        let report = run(echo, Source::Script(script), &watch);
        assert_eq!((report.failure, report.stale), (None, Vec::new()));
        assert_eq!((report.operations, report.completed), (3, 2), "c9 is not there to be closed");
        let told = |text: &str| report.trace.iter().find(|line| line.contains(text)).cloned();
        let connect = told("op c1").expect("it is asked");
        assert!(connect.starts_with("0.001000000"), "{connect}");
        let asked = told("client asks Connect").expect("the operator runs");
        assert!(asked.as_str() > "0.5", "the pause began with c1: {asked}");
        let begun = report.trace.iter().filter(|line| line.contains("FaultBegin")).count();
        assert_eq!(begun, 2);
    }

    #[test]
    fn operations_that_wait_for_each_other_are_told_of() {
        let text = "tide 1\nscenario echo\nop c1 after s2 client connect server:9000\n\
            op s2 after c1 client send c1 10\nop o1 @2ms client info\n";
        let script: Box<Script> = Box::new(text.parse().expect("it is a script"));
        let echo = scenarios::find("echo").expect("it is one of them");
        let report = run(echo, Source::Script(script), &Watch::default());
        assert_eq!((report.failure, report.completed), (None, 1));
        assert_eq!(report.stale, ["op c1: it waits for itself", "op s2: it waits for itself"]);
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
        for scenario in scenarios::sound() {
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

    /// Fails if a row is never drawn, or is drawn where it cannot happen: then it tests nothing.
    #[test]
    fn every_row_of_the_table_of_errors_is_met_and_survived() {
        let mut met = std::collections::BTreeMap::new();
        for number in 0..3000 {
            for scenario in scenarios::sound() {
                let often = scenario.clone().adjust_further(|options| {
                    let at = |family| Family::ALL.iter().position(|known| *known == family);
                    for family in [Family::Errnos, Family::Accepts, Family::Datagrams] {
                        options.rates[at(family).expect("it is one of them")] = 3;
                    }
                });
                let report = often.run(number);
                if let Some(failure) = &report.failure {
                    let story = failure.last_events.join("\n");
                    panic!("{}, seed {number}: {failure}\n{story}", scenario.name);
                }
                for (row, count) in report.errnos {
                    *met.entry(row).or_insert(0) += count;
                }
            }
            if met.len() == ROWS.len() {
                return;
            }
        }
        let never: Vec<&str> =
            ROWS.iter().map(|row| row.name).filter(|name| !met.contains_key(name)).collect();
        assert!(never.is_empty(), "never met: {never:?}");
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
    fn a_need_is_stale_if_its_cell_was_not_reached() {
        let echo = scenarios::find("echo").unwrap();
        let ran = |needs: &str| {
            let text = format!("tide 1\nscenario echo\nseed 7\n{needs}");
            run(echo, Source::Script(Box::new(text.parse().unwrap())), &Watch::default())
        };
        let reached = ran("").reached;
        let met = reached.cells().next().expect("a run reaches something");
        let mut cells = (0..CELLS).filter_map(Cell::from_index);
        let unmet = cells.find(|cell| !reached.cells.contains(cell.index())).expect("not all");
        let report = ran(&format!("needs {met}\nneeds {unmet}\n"));
        let told = format!("needs {unmet}: it was not reached");
        assert!(report.stale.contains(&told), "{:?}", report.stale);
        let needs = report.stale.iter().filter(|line| line.starts_with("needs"));
        assert_eq!(needs.count(), 1, "{met} was reached: {:?}", report.stale);
    }

    #[test]
    fn what_a_script_says_in_vain_is_told() {
        let text = "tide 1\nscenario echo\nseed 7\nconfig workers=2 workers=two hosts=2\n\
            op c1 @0 client fly server:9000\nfault p1 after nobody partition client>server\n\
            at nobody/in@4 cut\nneeds Open×in\n";
        let source = Source::Script(Box::new(text.parse().unwrap()));
        let report = run(scenarios::find("echo").unwrap(), source, &Watch::default());
        let stale =
            ["config workers=two", "config hosts=2", "op c1", "fault p1", "needs Open×in: "];
        assert_eq!(report.stale.len(), 6, "{:?}", report.stale);
        for (told, expected) in report.stale.iter().zip(stale) {
            assert!(told.starts_with(expected), "{told}, not {expected}");
        }
        assert_eq!(report.stale[5], "at nobody/in@4 cut 1");
    }
}
