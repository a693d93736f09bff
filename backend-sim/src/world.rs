//! A world: hosts, peers and the network between them, and what happens in it.

mod build;
mod fingerprint;
pub(crate) mod limits;
pub(crate) mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidelock_core::SocketState;
use tidelock_net::chance::choices::Choices;
use tidelock_net::chance::noise::Amount;
use tidelock_net::system::schedule::What;
use tidelock_net::words::cast::Cast;
use tidelock_net::words::kinds::Kind;
use tidelock_net::words::operation::{Label, Operation, Side, When};
use tidelock_net::words::trouble::{Trouble, TroubleKind};

use self::memory::Memory;
use crate::actors::host::Host;
use crate::actors::operator::Note;
use crate::actors::peer::Peer;
use crate::actors::shared::Shared;
use crate::judge::checkpoints::Checkpoints;
use crate::judge::coverage::{Coverage, sometimes};
use crate::judge::digest::Digest;
use crate::judge::oracle::{Law, Oracle, Subject};
use crate::judge::trace::{Trace, Tracer};
use crate::stage::{Invariant, Stage};
use crate::tide::spelling::{operation_words, trouble_words};

/// A world that runs until nothing is left to happen.
pub struct World<C> {
    /// The state that every host and peer works with.
    pub shared: Shared<C>,
    /// Things that happened.
    pub steps: u64,
    /// The digest after some of them.
    pub checkpoints: Checkpoints,
    machines: Vec<Machine>,
    cast: Arc<Cast>,
    invariants: Vec<Invariant>,
    plan: Vec<Operation>,
    troubles: Vec<Trouble>,
    indices: BTreeMap<Label, u32>,
    /// Operations that wait for another one.
    dependents: BTreeMap<Label, Vec<u32>>,
    /// Troubles that wait for an operation.
    waiting_troubles: BTreeMap<Label, Vec<u32>>,
    is_calm: bool,
    /// Its outcome is compared with another one's, so that nothing may be cut short in it.
    is_split: bool,
    stops: u8,
    end_nanos: u64,
    /// Troubles of links, and of hosts, that began.
    pub troubles_begun: [u64; 2],
    /// The machines that begin in a host's place after the crash with this place in the plan.
    spares: BTreeMap<u32, Box<Host>>,
    /// Workers of hosts that crashed: the end of their batch is still to come, and means nothing.
    orphans: Vec<(u16, u16)>,
}

/// The machine at a place of the network.
pub(crate) enum Machine {
    Host(Box<Host>),
    Peer(Peer),
}

/// A host that is asked to stop has this long.
const EXIT_NANOS: u64 = 20_000_000_000;
/// After faults stop, everything has this long before the hosts are asked to stop.
const SETTLE_NANOS: u64 = 30_000_000_000;
/// A calm world has longer: nothing may be cut short.
const SETTLE_CALM_NANOS: u64 = 600_000_000_000;
/// Nothing happens so long after the end.
const END_NANOS: u64 = 300_000_000_000;
/// A world with more steps than this for each operation does not come to an end.
const STEPS_MAX: u64 = 3_000_000;

impl<C: Choices> World<C> {
    /// Builds a world.
    pub fn new(
        stage: Stage<'_>,
        choices: C,
        plan: Vec<Operation>,
        troubles: Vec<Trouble>,
        trace: Trace,
        is_paranoid: bool,
        memory: Memory,
    ) -> Self {
        let options = stage.options();
        let Memory { kernel, oracle } = memory;
        let kernel = build::kernel(&stage, choices, kernel);
        let limits = limits::limits(options);
        let hosts = stage.hosts.len();
        let oracle = Oracle::within(oracle, hosts, plan.len(), stage.behaviour, limits);
        let mut shared = Shared {
            kernel,
            oracle,
            digest: Digest::default(),
            tracer: Tracer::new(trace),
            coverage: Coverage::default(),
            outcome: 0,
            story: 0,
            is_paranoid,
        };
        let cast = Arc::new(stage.cast());
        let numbered = (0..).zip(&stage.hosts);
        let machines = numbered
            .map(|(number, host)| build::machine(number, host, &cast, options, &mut shared));
        let machines = machines.collect();
        let spares = build::spares(&stage, &troubles, &cast);
        let indices = plan.iter().zip(0..).map(|(operation, index)| (operation.label, index));
        let mut world = Self {
            shared,
            steps: 0,
            checkpoints: Checkpoints::default(),
            machines,
            cast,
            invariants: stage.invariants,
            indices: indices.collect(),
            plan,
            troubles,
            dependents: BTreeMap::new(),
            waiting_troubles: BTreeMap::new(),
            is_calm: options.is_calm(),
            is_split: options.is_split == 1,
            stops: 0,
            end_nanos: u64::MAX,
            troubles_begun: [0; 2],
            spares,
            orphans: Vec::new(),
        };
        world.schedule_plan(options.quiet_at_nanos);
        world
    }

    fn schedule_plan(&mut self, quiet_at_nanos: u64) {
        let mut last = quiet_at_nanos;
        for (index, operation) in self.plan.iter().enumerate() {
            let index = index as u32;
            match operation.when {
                When::At { nanos } => {
                    last = last.max(nanos);
                    self.shared.kernel.at(nanos, What::Operation { index });
                }
                When::After(label) => self.dependents.entry(label).or_default().push(index),
            }
        }
        for (index, trouble) in self.troubles.iter().enumerate() {
            let index = index as u32;
            match trouble.after {
                Some(label) => self.waiting_troubles.entry(label).or_default().push(index),
                None => self.shared.kernel.at(trouble.at_nanos, What::FaultBegin { index }),
            }
        }
        self.shared.kernel.at(last, What::Quiet);
        for host in 0..self.machines.len() as u16 {
            self.wake(host);
        }
    }

    /// Runs until nothing is left to happen, or a law is broken.
    pub fn run(&mut self) {
        while let Some((now, what)) = self.shared.kernel.schedule.pop() {
            assert!(now >= self.shared.kernel.now, "time goes on");
            self.shared.kernel.now = now;
            self.steps += 1;
            self.shared.oracle.forget_subject();
            self.shared.digest.pair(now, what.code());
            self.shared.tracer.full(now, || format!("{what:?}"));
            if !self.shared.kernel.handle(what) {
                self.handle(what);
            }
            while let Some(host) = self.shared.kernel.woken.pop() {
                self.wake(host);
            }
            if self.steps == self.checkpoints.next {
                self.checkpoints.note(self.steps, self.shared.digest.finish());
            }
            if self.shared.oracle.violation.is_some() {
                return;
            }
            if self.shared.kernel.choices.wants_fingerprint()
                && let Some(fingerprint) = self.fingerprint()
                && self.shared.kernel.choices.is_known(fingerprint)
            {
                return;
            }
            if now > self.end_nanos || self.steps > STEPS_MAX {
                let detail = format!("after {} steps there is no end", self.steps);
                return self.shared.oracle.fail(Law::Liveness, detail);
            }
        }
        // Nothing is left to happen, in time.
        self.shared.oracle.check(Law::Liveness, Ok(()));
        self.finish();
    }

    fn handle(&mut self, what: What) {
        match what {
            What::Step { host } => self.step(host),
            What::Deadline { host } => {
                let now = self.shared.kernel.now;
                let is_due = match &mut self.machines[host as usize] {
                    Machine::Host(machine) => machine.is_due(now),
                    Machine::Peer(peer) => peer.is_due(now),
                };
                if is_due {
                    self.wake(host);
                }
            }
            What::Worker { host, slot } => {
                if let Some(at) = self.orphans.iter().position(|one| *one == (host, slot)) {
                    self.orphans.swap_remove(at);
                    return;
                }
                if let Machine::Host(machine) = &mut self.machines[host as usize] {
                    machine.work_is_done(slot, &mut self.shared);
                }
                self.take_notes(host);
                self.wake(host);
            }
            What::WorkerPart { host, slot } => {
                if let Machine::Host(machine) = &mut self.machines[host as usize] {
                    machine.work_is_parted(slot);
                }
                self.take_notes(host);
                self.wake(host);
            }
            What::Operation { index } => self.operate(index),
            What::FaultBegin { index } => {
                let trouble = self.troubles[index as usize];
                let (now, is_quiet) = (self.shared.kernel.now, self.shared.kernel.is_quiet);
                let (until, cast) = (trouble.until_nanos, &self.cast);
                self.shared.tracer.line(now, || {
                    format!("fault {} until {until}ns", trouble_words(&trouble.kind, cast))
                });
                if !is_quiet {
                    let host = trouble.kind.host();
                    self.troubles_begun[usize::from(host.is_some())] += 1;
                    let entity = host.map(|host| self.shared.kernel.host_entity(host));
                    self.shared.coverage.trouble_begins(entity);
                }
                if trouble.begin(&mut self.shared.kernel) {
                    self.shared.kernel.at(trouble.until_nanos, What::FaultEnd { index });
                }
                if let (TroubleKind::Crash { host }, false) = (trouble.kind, is_quiet) {
                    self.crash(host, index);
                }
            }
            What::FaultEnd { index } => self.troubles[index as usize].end(&mut self.shared.kernel),
            What::Quiet => self.quiet(),
            What::Stop => self.stop(),
            other => unreachable!("{other:?} is the kernel's"),
        }
    }

    /// A host's program is gone, and another begins in its place when the host is back.
    fn crash(&mut self, host: u16, index: u32) {
        self.shared.oracle.host_crashed(host);
        let machine = &mut self.machines[host as usize];
        match machine {
            Machine::Host(before) => {
                let mut next = self.spares.remove(&index).expect("a crash has a successor");
                next.follows(before);
                self.orphans.extend(before.busy_workers().map(|slot| (host, slot)));
                *machine = Machine::Host(next);
            }
            Machine::Peer(before) => {
                let next = before.reborn(&mut self.shared);
                *machine = Machine::Peer(next);
            }
        }
        self.wake(host);
    }

    /// The machine goes on soon, if it is not going to already.
    fn wake(&mut self, host: u16) {
        let is_scheduled = match &mut self.machines[host as usize] {
            Machine::Host(machine) => &mut machine.is_scheduled,
            Machine::Peer(peer) => &mut peer.is_scheduled,
        };
        if !std::mem::replace(is_scheduled, true) {
            let kernel = &mut self.shared.kernel;
            let entity = kernel.host_entity(host);
            let late = WAKE_NANOS + kernel.draw_delay(Kind::POLL_DELAY, entity);
            kernel.at(kernel.now + late, What::Step { host });
        }
    }

    fn step(&mut self, host: u16) {
        let paused_until = self.shared.kernel.paused_until(host);
        sometimes!(self.shared.coverage, paused_until.is_some(), "host-paused");
        if let Some(until) = paused_until {
            return self.shared.kernel.at(until, What::Step { host });
        }
        let (has_more, cost) = match &mut self.machines[host as usize] {
            Machine::Host(machine) => machine.step(&mut self.shared),
            Machine::Peer(peer) => peer.step(&mut self.shared),
        };
        if has_more {
            let kernel = &mut self.shared.kernel;
            kernel.at(kernel.now + cost, What::Step { host });
        }
        self.take_notes(host);
        // A scenario's invariants are about all of it.
        self.shared.oracle.forget_subject();
        for invariant in &mut self.invariants {
            self.shared.oracle.check_invariant(invariant.name, (invariant.check)());
        }
    }

    /// Hands an operation to whoever does it, and lets go those that wait for it.
    fn operate(&mut self, index: u32) {
        let operation = self.plan[index as usize];
        let now = self.shared.kernel.now;
        let cast = &self.cast;
        self.shared
            .tracer
            .line(now, || format!("op {} {}", operation.label, operation_words(&operation, cast)));
        match &mut self.machines[operation.host as usize] {
            Machine::Host(machine) => machine.ask(operation),
            Machine::Peer(peer) => peer.ask(index, operation, &mut self.shared),
        }
        self.wake(operation.host);
        for dependent in self.dependents.remove(&operation.label).unwrap_or_default() {
            // By label: what is deleted elsewhere moves no index into it.
            let Label { letter, number } = self.plan[dependent as usize].label;
            let kernel = &self.shared.kernel;
            let late = kernel.vary(number, Amount::Think, u64::from(letter), 100_000);
            self.shared.kernel.at(now + late, What::Operation { index: dependent });
        }
        for index in self.waiting_troubles.remove(&operation.label).unwrap_or_default() {
            self.shared.kernel.at(now, What::FaultBegin { index });
        }
    }

    /// Takes what the host's operator did since the last time.
    fn take_notes(&mut self, host: u16) {
        let Machine::Host(machine) = &mut self.machines[host as usize] else { return };
        if machine.has_no_notes() {
            return;
        }
        for note in machine.take_notes() {
            match note {
                Note::Opened { side, id } => {
                    let index = self.indices[&side.label];
                    machine.name(side, id);
                    self.shared.oracle.named(host, side, id, index);
                }
                Note::Done(label) => {
                    let index = self.indices[&label];
                    let operation = &self.plan[index as usize];
                    let id = operation.action.side().and_then(|side| machine.id_of(side));
                    self.shared.oracle.asked(index, operation, id);
                }
                Note::Void(_) => {}
                Note::Played(label) => self.shared.oracle.complete(self.indices[&label]),
                Note::Wrong { label, detail } => {
                    let index = self.indices[&label] as usize;
                    let side = Side { label, is_accepted: false };
                    let verb = self.plan[index].action.verb();
                    self.shared.oracle.turn_to(host, machine.id_of(side), verb);
                    self.shared.oracle.fail(Law::Expectation, format!("{label}: {detail}"));
                }
            }
        }
    }

    fn quiet(&mut self) {
        let kernel = &mut self.shared.kernel;
        kernel.quiet();
        for trouble in &self.troubles {
            trouble.end(kernel);
        }
        let settle = if self.is_calm || self.is_split { SETTLE_CALM_NANOS } else { SETTLE_NANOS };
        kernel.at(kernel.now + settle, What::Stop);
    }

    /// First the hosts are asked to stop; when they must have, the peers go.
    fn stop(&mut self) {
        self.stops += 1;
        let now = self.shared.kernel.now;
        if self.stops == 1 {
            self.check_calm();
            self.shared.kernel.at(now + EXIT_NANOS + 1, What::Stop);
        } else {
            self.end_nanos = now + END_NANOS;
        }
        for host in 0..self.machines.len() as u16 {
            match &mut self.machines[host as usize] {
                Machine::Host(machine) if self.stops == 1 => {
                    let local = self.shared.kernel.local_now(host);
                    self.shared.oracle.settled(host, local);
                    let has_sockets = self.shared.kernel.descriptors(host) > 1;
                    sometimes!(self.shared.coverage, has_sockets, "exit-with-sockets");
                    machine.exit(Duration::from_nanos(EXIT_NANOS));
                }
                Machine::Peer(peer) if self.stops == 2 => peer.stop(&mut self.shared),
                Machine::Host(_) | Machine::Peer(_) => {}
            }
            self.wake(host);
        }
    }

    /// Without faults every operation has completed by now.
    fn check_calm(&mut self) {
        // Services of somebody else's may end what a steady plan goes on with.
        if !self.is_calm || self.is_split {
            return;
        }
        let incomplete: Vec<String> = self
            .shared
            .oracle
            .incomplete()
            .map(|index| {
                let operation = &self.plan[index];
                format!("{} {}", operation.label, operation_words(operation, &self.cast))
            })
            .collect();
        let result = match incomplete.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} did not complete, first: {first}", incomplete.len())),
        };
        let first = self.shared.oracle.incomplete().next();
        first.into_iter().for_each(|index| self.turn_to(index));
        self.shared.oracle.check(Law::CalmSucceeds, result);
    }

    /// Makes the socket of this operation the subject of what is judged from now on.
    fn turn_to(&mut self, index: usize) {
        let Operation { host, label, action, .. } = self.plan[index];
        // What opens a socket is called as the socket.
        let side = action.side().unwrap_or(Side { label, is_accepted: false });
        let oracle = &mut self.shared.oracle;
        match &self.machines[host as usize] {
            Machine::Host(machine) => oracle.turn_to(host, machine.id_of(side), action.verb()),
            Machine::Peer(_) => oracle.turn_to_wire(host, side.is_accepted, action.verb()),
        }
    }

    /// Of what was violated, the Mux's state of its socket: `peer` where no Mux is, `none` if it is
    /// about no socket.
    pub fn state_name(&self, subject: Subject) -> &'static str {
        match (subject.host, subject.id) {
            (Some(host), Some(id)) => match &self.machines[host as usize] {
                Machine::Host(machine) => machine.state(id).map_or("gone", SocketState::name),
                Machine::Peer(_) => "peer",
            },
            _ if subject.role.is_some() => "peer",
            _ => "none",
        }
    }

    fn finish(&mut self) {
        self.shared.oracle.finish();
        self.shared.oracle.forget_subject();
        for host in 0..self.machines.len() as u16 {
            if let Machine::Host(machine) = &mut self.machines[host as usize] {
                let result = machine.finish(&mut self.shared.coverage);
                self.shared.oracle.turn_to(host, None, "host");
                self.shared.oracle.check(Law::NothingLeft, result);
            }
            let open = self.shared.kernel.descriptors(host);
            let name = self.shared.kernel.host_name(host);
            let result =
                if open == 0 { Ok(()) } else { Err(format!("{open} descriptors left on {name}")) };
            self.shared.oracle.turn_to(host, None, "descriptor");
            self.shared.oracle.check(Law::NothingLeft, result);
        }
        for end in 0..self.shared.kernel.ends() {
            self.shared.kernel.pipe(end).check_invariants();
        }
    }
}

/// The time that it takes to be woken.
const WAKE_NANOS: u64 = 500;
