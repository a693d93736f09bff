//! Segmentation invariance: how bytes are cut, delayed and told of must not matter.
//!
//! A world with the option `is_split` is *steady*: nothing in it changes bytes (no reset, no
//! refusal, no loss, no timeout, no limit that refuses), and nothing is asked whose effect depends
//! on when it is done. In such a world everything completes, and its outcome must be that of the
//! same world in which nothing is cut, delayed, merged or spurious, with wide buffers and without
//! workers. So a service that takes a piece of a stream for a message is found without any oracle
//! of its own.

use std::collections::BTreeMap;

use tidelock_net::words::kinds::Family;
use tidelock_net::words::operation::{Action, Label, Operation, Side, When};

use crate::run::{Failure, FailureClass, Report};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// The value of `Failure::law` if the outcomes differ.
pub const LAW: &str = "split";

/// Families that change no byte and break nothing, however often they strike.
const PRESERVING: [Family; 5] =
    [Family::Cuts, Family::Delays, Family::Events, Family::Scheduling, Family::Completions];

/// Longer than anything takes, and shorter than what a world waits for its last timers.
const TIMEOUT_NANOS: u64 = 250_000_000_000;
const DELAY_NANOS_MAX: u64 = 10_000_000;
/// Before this nothing is asked, so that every server listens however late its service starts.
pub const START_NANOS: u64 = 1_000_000_000;
/// The least that is under way at once: a buffer costs a round trip each time that it is full.
const BUFFER_BYTES_MIN: u64 = 1 << 10;

/// Makes a world steady, if the option says so and the scenario can be.
pub fn make_steady(options: &mut Options, scenario: &Scenario) {
    if scenario.is_timed {
        options.is_split = 0;
    }
    if options.is_split == 0 {
        return;
    }
    for (family, rate) in Family::ALL.iter().zip(&mut options.rates) {
        if !PRESERVING.contains(family) {
            *rate = 0;
        }
    }
    // Where a stream is cut is what is compared, so that it is cut often.
    options.rates[Family::Cuts as usize] = 1 + options.noise % 4;
    options.scripted = 0;
    options.is_by_name = 0;
    options.sockets_max = options.sockets_max.max(2 * options.connections + 16);
    options.outbox_bytes_max = 1 << 28;
    options.total_bytes_max = 1 << 30;
    options.warn_bytes = options.warn_bytes.min(1 << 20);
    options.delay_nanos_max = options.delay_nanos_max.min(DELAY_NANOS_MAX);
    for bytes in [
        &mut options.send_buffer_bytes,
        &mut options.receive_buffer_bytes,
        &mut options.write_bytes_per_turn,
    ] {
        *bytes = (*bytes).max(BUFFER_BYTES_MIN);
    }
    for timeout in [
        &mut options.connect_timeout_nanos,
        &mut options.resolve_timeout_nanos,
        &mut options.flush_stall_timeout_nanos,
        &mut options.linger_timeout_nanos,
        &mut options.half_open_timeout_nanos,
        &mut options.start_timeout_nanos,
    ] {
        *timeout = TIMEOUT_NANOS;
    }
    options.flush_timeout_nanos = 0;
    options.idle_timeout_nanos = 0;
    (options.read_idle_timeout_nanos, options.write_stall_timeout_nanos) = (0, 0);
    options.clear_model();
    options.has_crashes = 0;
}

/// The same world with nothing cut: its options.
pub fn reference(options: &Options) -> Options {
    Options {
        rates: [0; Family::ALL.len()],
        readiness: 0,
        workers: 0,
        send_buffer_bytes: 1 << 20,
        receive_buffer_bytes: 1 << 20,
        read_buffer_bytes_max: 1 << 20,
        write_bytes_per_turn: 1 << 20,
        bytes_per_second: 0,
        hand_over_max: 1 << 20,
        ..options.clone()
    }
}

/// Keeps of a plan what has the same effect whenever it is done, and ends every connection.
pub fn steady_plan(plan: Vec<Operation>) -> Vec<Operation> {
    let mut steady: Vec<Operation> = Vec::new();
    let mut finished: Vec<Side> = Vec::new();
    for mut operation in plan {
        let is_over = operation.action.side().is_some_and(|side| finished.contains(&side));
        match &mut operation.action {
            Action::Connect { is_paused, .. } => *is_paused = false,
            Action::Finish { on } => finished.push(*on),
            _ => {}
        }
        if is_steady(&operation.action) && !is_over {
            steady.push(operation);
        }
    }
    reconnect(&mut steady);
    end_connections(&mut steady, &finished);
    steady
}

/// Returns `true` if it has the same effect whenever it is done.
fn is_steady(action: &Action) -> bool {
    match action {
        Action::Connect { is_paused, .. } => !is_paused,
        // What has low priority may be overtaken or not.
        Action::Send { on, is_low, .. } => !on.is_accepted && !*is_low,
        Action::Finish { on } | Action::Frame { on, .. } | Action::Nodelay { on } => {
            !on.is_accepted
        }
        Action::Info | Action::Play { .. } => true,
        Action::ConnectName { .. }
        | Action::Shutdown { .. }
        | Action::Close { .. }
        | Action::Pause { .. }
        | Action::Start { .. }
        | Action::KeepOpen { .. }
        | Action::HandOver { .. }
        | Action::Release { .. }
        | Action::Udp { .. }
        | Action::UdpConnect { .. }
        | Action::SendTo { .. } => false,
    }
}

/// Returns `true` if a world that the option calls steady was so: a script may say more than a seed
/// draws.
pub fn was_steady(plan: &[Operation], report: &Report) -> bool {
    let preserving = |name: &str| PRESERVING.iter().any(|family| family.name() == name);
    let is_steady_fault = |(name, count): &(&str, u64)| *count == 0 || preserving(name);
    plan.iter().all(|operation| is_steady(&operation.action))
        && report.injected.iter().all(is_steady_fault)
}

/// Gives an operation that waited for one that is not kept a time of its own; those about a
/// connection that is not kept go.
fn reconnect(plan: &mut Vec<Operation>) {
    const STEP_NANOS: u64 = 1_000_000;
    let labels: Vec<Label> = plan.iter().map(|operation| operation.label).collect();
    plan.retain(|operation| {
        operation.action.side().is_none_or(|side| labels.contains(&side.label))
    });
    let labels: Vec<Label> = plan.iter().map(|operation| operation.label).collect();
    let mut last_nanos = STEP_NANOS;
    for operation in plan {
        match operation.when {
            When::At { nanos } => last_nanos = last_nanos.max(nanos),
            When::After(label) if labels.contains(&label) => {}
            When::After(_) => {
                last_nanos += STEP_NANOS;
                operation.when = When::At { nanos: last_nanos };
            }
        }
    }
}

/// Of two things at the same nanosecond either may be drawn first; what is about one connection
/// comes in the order in which it was asked.
pub fn part_ties(plan: &mut [Operation]) {
    let mut last_nanos: BTreeMap<Label, u64> = BTreeMap::new();
    for Operation { label, when, action, .. } in plan {
        let When::At { nanos } = when else { continue };
        let connection = action.side().map_or(*label, |side| side.label);
        if let Some(last) = last_nanos.get(&connection) {
            *nanos = (*nanos).max(last + 1);
        }
        last_nanos.insert(connection, *nanos);
    }
}

/// Finishes, at the end, every connection that the plan leaves open.
fn end_connections(plan: &mut Vec<Operation>, finished: &[Side]) {
    const LAST_NANOS: u64 = 1_000_000_000;
    let at = |operation: &Operation| match operation.when {
        When::At { nanos } => nanos,
        When::After(_) => 0,
    };
    let nanos = LAST_NANOS + plan.iter().map(at).max().unwrap_or(0);
    let opened = plan.iter().filter(|one| matches!(one.action, Action::Connect { .. }));
    let open: Vec<(u16, Side)> = opened
        .map(|one| (one.host, Side { label: one.label, is_accepted: false }))
        .filter(|(_, side)| !finished.contains(side))
        .collect();
    for (host, on) in open {
        let label = Label { letter: b'z', number: on.label.number };
        let when = When::At { nanos };
        plan.push(Operation { label, when, host, action: Action::Finish { on } });
    }
}

/// Returns the complaint of the law about a steady world and its reference; none, if they agree.
pub fn compare(split: &Report, reference: &Report) -> Option<Failure> {
    assert!(split.failure.is_none(), "what failed is not compared");
    let detail = match &reference.failure {
        Some(failure) => format!("without cuts and delays it ends with `{failure}`"),
        None if split.outcome != reference.outcome => format!(
            "the outcome is {:#x}, and {:#x} if nothing is cut or late: somebody takes a piece of \
             a stream for more than that; if a service looks at the time, at chance or at other \
             connections on purpose, its scenario is `timed()`",
            split.outcome, reference.outcome
        ),
        None => return None,
    };
    let (law, class) = (LAW, FailureClass::Invariant);
    let signature = format!("{law}/none/none/none");
    Some(Failure { law, detail, step: 0, class, signature, last_events: Vec::new() })
}

#[cfg(test)]
mod tests {
    use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service};

    use super::*;
    use crate::scenarios;
    use tidelock_net::words::ports::SERVER_PORT;

    /// Reads one message of a connection. The mistaken one takes the first piece for all of it, and
    /// the second for an offence.
    struct Reader {
        is_mistaken: bool,
        pieces: usize,
    }

    impl Service for Reader {
        fn on_start(&mut self, net: &mut Net<'_>) {
            let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
            net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
        }

        fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
            let Message::Data { socket, .. } = message else { return };
            self.pieces += 1;
            if self.is_mistaken && self.pieces == 2 {
                net.close(socket).expect("it was just told of");
            }
        }
    }

    fn failures(is_mistaken: bool) -> Vec<Failure> {
        let echo = scenarios::find("echo").expect("it is one of them").clone();
        let scenario = echo
            .staged(move |stage| {
                stage.host("client");
                stage.host("server").service(move || Reader { is_mistaken, pieces: 0 });
            })
            .adjust_further(|options| {
                options.is_split = 1;
                options.connections = 1;
                options.operations = 1;
            });
        (0..60).filter_map(|seed| scenario.run(seed).failure).collect()
    }

    #[test]
    fn a_service_that_takes_a_piece_for_a_message_is_found() {
        assert_eq!(failures(false), []);
        let found = failures(true);
        let by_this = found.iter().filter(|failure| failure.law == LAW).count();
        assert!(by_this > 0, "{found:?}");
    }

    #[test]
    fn what_depends_on_when_it_is_done_is_not_compared() {
        let scenario = scenarios::find("echo").expect("it is one of them");
        let compared = |line: &str| {
            let text = format!(
                "tide 1\nscenario echo\nconfig is_split=1 send_buffer_bytes=1 \
                 latency_nanos=10000000\nop c0 @1ms client connect server:9000\n\
                 op s0 @2ms client send c0 100\n{line}\n\
                 op s2 @60ms client finish c0\n"
            );
            let script = text.parse().expect("it is a script");
            let source = crate::run::Source::Script(Box::new(script));
            let report = crate::run::simulate::run(scenario, source, &crate::run::Watch::default());
            assert_eq!(report.failure, None, "{line}");
            report.checked.contains(&(LAW, 1))
        };
        assert!(compared("op s1 @30ms client send c0 4000"));
        assert!(!compared("op s1 @30ms client send-low c0 4000"));
        assert!(!compared("op s1 @30ms client close c0"));
        assert!(!compared("at c0'/in@9 reset 9"));
        assert!(!compared("fault p0 @1ms descriptors server until 5ms"));
        assert!(compared("at c0'/in@9 delay 5ms"), "a delay changes nothing");
    }

    #[test]
    fn steady_worlds_of_all_scenarios_end_the_same() {
        let mut compared = 0;
        for scenario in scenarios::sound() {
            let split = scenario.clone().adjust_further(|options| options.is_split = 1);
            for seed in 0..60 {
                let report = split.run(seed);
                assert_eq!(report.failure, None, "{}, seed {seed}", scenario.name);
                compared += report.checked.iter().filter(|(law, _)| *law == LAW).count();
            }
        }
        assert!(compared >= 60, "{compared} worlds were steady");
    }
}
