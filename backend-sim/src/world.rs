//! A world: hosts, peers and the network between them, and what happens in it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::choices::Choices;
use crate::digest::Digest;
use crate::host::Host;
use crate::kernel::{Kernel, Os, Readiness, Settings};
use crate::kinds::Kind;
use crate::noise::{Amount, Noise};
use crate::operator::Note;
use crate::oracle::{Law, Limits, Oracle};
use crate::peer::Peer;
use crate::run::Trace;
use crate::scenario::{CLIENT, Cast, HOST_NAMES, Label, Operation, SERVER, When};
use crate::schedule::What;
use crate::swarm::Options;
use crate::trace::Tracer;
use crate::trouble::{Trouble, TroubleKind};

/// What every host and peer of a world works with.
pub struct Shared<C> {
    /// The network.
    pub kernel: Kernel<C>,
    /// The judge.
    pub oracle: Oracle,
    /// The hash of every step.
    pub digest: Digest,
    /// What is told.
    pub tracer: Tracer,
    /// The sum of what services saw, without times.
    pub outcome: u64,
    /// Check everything at every step.
    pub is_paranoid: bool,
}

/// A world that runs until nothing is left to happen.
pub struct World<C> {
    /// What every host and peer works with.
    pub shared: Shared<C>,
    /// Things that happened.
    pub steps: u64,
    machines: Vec<Machine>,
    plan: Vec<Operation>,
    troubles: Vec<Trouble>,
    indices: BTreeMap<Label, u32>,
    /// Operations that wait for another one.
    dependents: BTreeMap<Label, Vec<u32>>,
    is_calm: bool,
    stops: u8,
    end_nanos: u64,
    /// Troubles of links, and of hosts, that began.
    pub troubles_begun: [u64; 2],
    /// What begins in a host's place after the crash with this place in the plan.
    spares: BTreeMap<u32, Box<Host>>,
    /// Workers of hosts that crashed: the end of their batch is still to come, and means nothing.
    orphans: Vec<(u16, u16)>,
}

/// What stands at a place of the network.
enum Machine {
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
        cast: &Cast<'_>,
        options: &Options,
        choices: C,
        plan: Vec<Operation>,
        troubles: Vec<Trouble>,
        trace: Trace,
        is_paranoid: bool,
    ) -> Self {
        let settings = Settings {
            send_buffer_bytes: options.send_buffer_bytes,
            receive_buffer_bytes: options.receive_buffer_bytes,
            batch_max: options.batch_max as usize,
            delay_nanos_max: options.delay_nanos_max as u32,
            os: Os::of_number(options.os),
        };
        let mut kernel = Kernel::new(choices, Noise::new(options.noise), settings);
        for (number, name) in HOST_NAMES.into_iter().enumerate() {
            let readiness = match (is_scripted(options, number as u16), options.readiness) {
                (true, _) | (_, 0) => Readiness::Linux,
                (_, 1) => Readiness::Weakest,
                (_, 3) => Readiness::Kqueue,
                _ => Readiness::Completion,
            };
            kernel.add_host(name, readiness);
        }
        kernel.set_links(options.link());
        let (server, limits) = (cast.scenario.server, Limits::of(options));
        let oracle = Oracle::new(HOST_NAMES.len(), plan.len(), server, limits);
        let mut shared = Shared {
            kernel,
            oracle,
            digest: Digest::default(),
            tracer: Tracer::new(trace),
            outcome: 0,
            is_paranoid,
        };
        let mut machines = Vec::new();
        for number in [CLIENT, SERVER] {
            machines.push(if is_scripted(options, number) {
                let behaviour = (number == SERVER).then_some(cast.scenario.server);
                Machine::Peer(Peer::new(number, behaviour, options, &mut shared))
            } else {
                let services = (cast.services)(number, options);
                Machine::Host(Box::new(Host::new(number, options, services)))
            });
        }
        let spares = spares(cast, options, &troubles);
        let indices = plan.iter().zip(0..).map(|(operation, index)| (operation.label, index));
        let mut world = Self {
            shared,
            steps: 0,
            machines,
            indices: indices.collect(),
            plan,
            troubles,
            dependents: BTreeMap::new(),
            is_calm: options.is_calm(),
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
            self.shared.kernel.at(trouble.at_nanos, What::FaultBegin { index: index as u32 });
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
            self.shared.digest.word(now);
            self.shared.digest.word(what.code());
            self.shared.tracer.full(now, || format!("{what:?}"));
            if !self.shared.kernel.handle(what) {
                self.handle(what);
            }
            while let Some(host) = self.shared.kernel.woken.pop() {
                self.wake(host);
            }
            if self.shared.oracle.violation.is_some() {
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
                if let Machine::Host(machine) = &mut self.machines[host as usize]
                    && machine.is_due(self.shared.kernel.now)
                {
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
                let now = self.shared.kernel.now;
                let until = trouble.until_nanos;
                let tracer = &mut self.shared.tracer;
                tracer.line(now, || format!("fault {} until {until}ns", trouble.kind));
                let is_quiet = self.shared.kernel.is_quiet;
                let of_hosts = usize::from(trouble.kind.is_of_hosts());
                self.troubles_begun[of_hosts] += u64::from(!is_quiet);
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
        if let Some(until) = self.shared.kernel.paused_until(host) {
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
    }

    /// Hands an operation to whoever does it, and lets go those that wait for it.
    fn operate(&mut self, index: u32) {
        let operation = self.plan[index as usize];
        let now = self.shared.kernel.now;
        self.shared.tracer.line(now, || format!("op {} {operation}", operation.label));
        match &mut self.machines[operation.host as usize] {
            Machine::Host(machine) => machine.ask(operation),
            Machine::Peer(peer) => peer.ask(index, operation, &mut self.shared),
        }
        self.wake(operation.host);
        for dependent in self.dependents.remove(&operation.label).unwrap_or_default() {
            let late = self.shared.kernel.vary(dependent, Amount::Think, u64::from(index), 100_000);
            self.shared.kernel.at(now + late, What::Operation { index: dependent });
        }
    }

    /// What the host's operator did since the last time.
    fn take_notes(&mut self, host: u16) {
        let Machine::Host(machine) = &mut self.machines[host as usize] else { return };
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
            }
        }
    }

    fn quiet(&mut self) {
        let kernel = &mut self.shared.kernel;
        kernel.quiet();
        for trouble in &self.troubles {
            trouble.end(kernel);
        }
        let settle = if self.is_calm { SETTLE_CALM_NANOS } else { SETTLE_NANOS };
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
        if !self.is_calm {
            return;
        }
        let incomplete: Vec<String> = self
            .shared
            .oracle
            .incomplete()
            .map(|index| {
                let operation = &self.plan[index];
                format!("{} {operation}", operation.label)
            })
            .collect();
        let result = match incomplete.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} did not complete, first: {first}", incomplete.len())),
        };
        self.shared.oracle.check(Law::CalmSucceeds, result);
    }

    fn finish(&mut self) {
        self.shared.oracle.finish();
        for host in 0..self.machines.len() as u16 {
            if let Machine::Host(machine) = &mut self.machines[host as usize] {
                let result = machine.finish();
                self.shared.oracle.check(Law::NothingLeft, result);
            }
            let open = self.shared.kernel.descriptors(host);
            let name = self.shared.kernel.host_name(host);
            let result =
                if open == 0 { Ok(()) } else { Err(format!("{open} descriptors left on {name}")) };
            self.shared.oracle.check(Law::NothingLeft, result);
        }
        for end in 0..self.shared.kernel.ends() {
            self.shared.kernel.pipe(end).check_invariants();
        }
    }
}

/// What it takes to be woken.
const WAKE_NANOS: u64 = 500;

/// What begins in a host's place after each crash, by the trouble's place in the plan.
fn spares(cast: &Cast<'_>, options: &Options, troubles: &[Trouble]) -> BTreeMap<u32, Box<Host>> {
    let mut spares = BTreeMap::new();
    for (trouble, index) in troubles.iter().zip(0..) {
        if let TroubleKind::Crash { host } = trouble.kind
            && !is_scripted(options, host)
        {
            let services = (cast.services)(host, options);
            spares.insert(index, Box::new(Host::new(host, options, services)));
        }
    }
    spares
}

fn is_scripted(options: &Options, host: u16) -> bool {
    (options.scripted == 1 && host == CLIENT) || (options.scripted == 2 && host == SERVER)
}
