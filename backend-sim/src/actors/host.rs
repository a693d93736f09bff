//! A host: a Mux, its services, and the loop that drives them.

pub mod backend;
mod checks;
pub mod event;
mod fault;
mod fingerprint;
mod inline;
pub mod io;
mod rename;
mod told;
mod workers;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidelock_core::{
    Command, Delivery, Directory, Dispatcher, Event, FaultKind, Instant, Mux, Progress, Service,
    ServiceId, SocketId, SocketState,
};
use tidelock_net::base::mix::mix;
use tidelock_net::chance::choices::Choices;
use tidelock_net::chance::noise::Amount;
use tidelock_net::system::kernel::Polled;
use tidelock_net::system::schedule::What;
use tidelock_net::words::cast::Cast;
use tidelock_net::words::kinds::Kind;
use tidelock_net::words::operation::{Operation, Side};

use crate::actors::host::backend::{Resolving, SimBackend};
use crate::actors::host::event::{Fetched, class, fetch, hand_over};
use crate::actors::host::io::Io;
use crate::actors::host::workers::Worker;
use crate::actors::operator::{Note, Notes, Operator};
use crate::actors::shared::Shared;
use crate::judge::coverage::{Met, Place, sometimes};
use crate::judge::outcome::Outcome;
use crate::stage::options::Options;

/// A host of the simulated network.
pub struct Host {
    /// Its next step stands in the schedule.
    pub is_scheduled: bool,
    pub(crate) number: u16,
    mux: Mux,
    pub(crate) directory: Arc<Directory>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) io: Io,
    resolving: Vec<Resolving>,
    polled: Vec<Polled>,
    /// Events that were polled and not handed over yet.
    fetched: VecDeque<Fetched>,
    pub(crate) commands: VecDeque<Command>,
    /// The commands that services on the Mux's thread have asked in this step; empty between steps.
    asked: Vec<Command>,
    /// Swapped with the outputs of the Mux; empty between steps.
    outputs: VecDeque<Delivery>,
    operator: ServiceId,
    notes: Arc<Notes>,
    ids: BTreeMap<Side, SocketId>,
    /// Empty: services run between turns.
    pub(crate) workers: Vec<Worker>,
    /// From this turn on every socket is checked when the host is idle.
    full_check_turn: u64,
    /// So many turns in a row did nothing, though there was more to do.
    barren_turns: u64,
    pub(crate) works: u64,
    /// The earliest deadline that stands in the schedule.
    deadline_nanos: u64,
    hand_over_max: u32,
    is_inline: bool,
    /// Commands of services are handled in the step in which they ran.
    is_prompt: bool,
    /// It was asked to stop: sockets are shut down that no command named.
    is_exiting: bool,
    has_exited: bool,
    outcome: Outcome,
    /// For a search: what each service was told, where the service does not say what it is.
    histories: BTreeMap<ServiceId, u64>,
}

/// A turn costs this, and noise adds less than the same.
const TURN_NANOS: u64 = 300;
impl Host {
    /// A host with an operator and these services.
    pub fn new(
        number: u16,
        cast: &Arc<Cast>,
        options: &Options,
        services: impl Iterator<Item = Box<dyn Service>>,
    ) -> Self {
        let mux = Mux::new(options.config()).expect("the options give a valid configuration");
        let directory = Arc::clone(mux.directory());
        let random_seed = mix(options.noise, u64::from(number));
        let notes = Arc::new(Notes::default());
        let mut commands = VecDeque::new();
        let mut spawn = |service| {
            let id = directory.take_service().expect("there is room for the first services");
            commands.push_back(Command::Spawn { id, service });
            id
        };
        let is_by_name = options.is_by_name == 1;
        let operator = Operator::new(Arc::clone(&notes), Arc::clone(cast), is_by_name);
        let operator = spawn(Box::new(operator));
        for service in services {
            spawn(service);
        }
        Self {
            is_scheduled: false,
            number,
            dispatcher: Dispatcher::new(Arc::clone(&directory), random_seed),
            directory,
            mux,
            io: Io::default(),
            resolving: Vec::new(),
            polled: Vec::new(),
            fetched: VecDeque::new(),
            commands,
            asked: Vec::new(),
            outputs: VecDeque::new(),
            operator,
            notes,
            ids: BTreeMap::new(),
            workers: (0..options.workers).map(|_| Worker::Idle).collect(),
            full_check_turn: checks::FULL_CHECK_TURNS,
            barren_turns: 0,
            works: 0,
            deadline_nanos: u64::MAX,
            hand_over_max: options.hand_over_max as u32,
            is_inline: options.is_inline == 1,
            is_prompt: options.is_prompt == 1,
            is_exiting: false,
            has_exited: false,
            outcome: Outcome::default(),
            histories: BTreeMap::new(),
        }
    }

    /// The host crashed, and this one begins in its place: what it opens has names of its own.
    pub fn follows(&mut self, before: &Host) {
        assert_eq!(self.number, before.number, "a host begins anew in its own place");
        self.io.follows(&before.io);
    }

    /// Its workers that have a batch.
    pub fn busy_workers(&self) -> impl Iterator<Item = u16> {
        let workers = self.workers.iter().zip(0..);
        workers.filter(|(worker, _)| !worker.is_idle()).map(|(_, slot)| slot)
    }

    /// Asks the operator.
    pub fn ask(&mut self, operation: Operation) {
        let value = Box::new(operation);
        self.commands.push_back(Command::Post { to: self.operator, from: None, value });
    }

    /// Asks the host to stop.
    pub fn exit(&mut self, within: Duration) {
        self.is_exiting = true;
        self.commands.push_back(Command::Exit { within });
    }

    /// Takes what the operator did since the last time.
    pub fn take_notes(&mut self) -> Vec<Note> {
        self.notes.take()
    }

    /// Returns `true` if nobody did anything that the world has not been told of.
    pub(crate) fn has_no_notes(&self) -> bool {
        self.notes.is_empty()
    }

    /// An operation opened a socket.
    pub fn name(&mut self, side: Side, id: SocketId) {
        self.ids.insert(side, id);
        self.io.sides.insert(id, side);
    }

    /// The socket that an operation opened.
    pub fn id_of(&self, side: Side) -> Option<SocketId> {
        self.ids.get(&side).copied()
    }

    /// The Mux's state of a socket, if it knows it.
    pub fn state(&self, id: SocketId) -> Option<SocketState> {
        self.mux.state(id)
    }

    /// Returns `true` if a deadline has come; it is then forgotten.
    pub fn is_due(&mut self, now: u64) -> bool {
        if self.deadline_nanos <= now {
            self.deadline_nanos = u64::MAX;
        }
        !self.has_exited
    }

    /// One round of the host's loop. Answers whether there is more to do at once, and what this
    /// round cost.
    pub fn step<C: Choices>(&mut self, shared: &mut Shared<C>) -> (bool, u64) {
        // The host's own clock; the judge measures silence with the same one.
        let local_nanos = shared.kernel.local_now(self.number);
        let now = Instant::from_nanos(local_nanos);
        self.is_scheduled = false;
        let deeds_before = self.io.deeds;
        shared.oracle.step_begins(self.number, local_nanos);
        self.fetch(shared);
        self.hand_over_events(shared, now);
        let mut progress = self.work(shared, now);
        if progress == Progress::Idle && self.answers_at_once() {
            shared.oracle.step_begins(self.number, local_nanos);
            progress = self.work(shared, now);
        }
        if progress == Progress::Exit {
            self.has_exited = true;
        }
        // Services send at once: their sends may have come behind the turn that was idle.
        let is_idle = progress != Progress::More && !self.mux.is_ready() && self.fetched.is_empty();
        if is_idle {
            let has_services_idle = !self.is_exiting
                && self.commands.is_empty()
                && self.dispatcher.is_idle()
                && self.workers.iter().all(Worker::is_idle);
            self.check_idle(shared, has_services_idle);
            if has_services_idle {
                let is_closing = |id| self.mux.state(id) == Some(SocketState::Closing);
                shared.oracle.idle_host(self.number, is_closing);
            }
        }
        let (used, charged) = (self.directory.sockets_used(), self.directory.total_charged_bytes());
        shared.oracle.used(self.number, used, charged);
        let can_run = self.workers.is_empty() || self.workers.iter().any(Worker::is_idle);
        let has_more = !is_idle
            || !self.commands.is_empty()
            || shared.kernel.has_events(self.number)
            || (can_run && !self.dispatcher.is_idle());
        self.check_barren(shared, has_more && self.io.deeds == deeds_before);
        if !has_more {
            self.arm(shared);
            return (false, 0);
        }
        self.is_scheduled = true;
        let entity = shared.kernel.host_entity(self.number);
        let noise_nanos = shared.kernel.vary(entity, Amount::Turn, self.io.turns, TURN_NANOS);
        let cost = TURN_NANOS + noise_nanos + shared.kernel.draw_delay(Kind::TURN_DELAY, entity);
        shared.kernel.note_noise(Kind::TURN_DELAY, entity, noise_nanos);
        (true, cost)
    }

    /// Commands in, a turn, and whatever follows from it.
    fn work<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) -> Progress {
        self.hand_over_commands(shared, now);
        let progress = self.turn(shared, now);
        self.check_fairness(shared, progress);
        if self.workers.is_empty() {
            self.serve_inline(shared, now);
        } else {
            self.deliver(shared);
            self.run_workers(shared, now);
        }
        progress
    }

    /// Returns `true` if what services just asked needs no step of its own. A note must reach the
    /// world
    /// first: the judge knows by it whose command it is that comes.
    fn answers_at_once(&self) -> bool {
        self.is_prompt
            && self.workers.is_empty()
            && self.fetched.is_empty()
            && (!self.commands.is_empty() || self.mux.is_ready())
            && self.notes.is_empty()
    }

    /// Polls, if nothing that was polled before is left.
    fn fetch<C: Choices>(&mut self, shared: &mut Shared<C>) {
        if !self.fetched.is_empty() {
            return;
        }
        shared.kernel.poll(self.number, &mut self.polled);
        for polled in self.polled.drain(..) {
            let fetched = fetch(&mut self.io, shared, self.number, polled);
            self.fetched.push_back(fetched);
        }
        let now = shared.kernel.now;
        while let Some(at) = self.resolving.iter().position(|one| one.at_nanos <= now) {
            let Resolving { id, result, .. } = self.resolving.remove(at);
            let failed = match &result {
                Err(fault) => Some(*fault),
                Ok(addresses) => addresses.is_empty().then(|| FaultKind::NameNotFound.into()),
            };
            if let Some(fault) = failed {
                shared.oracle.failed_to_open(self.number, id, fault);
            }
            self.fetched.push_back((None, Event::Resolved { id, result }));
        }
    }

    fn hand_over_events<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        let waiting = u32::try_from(self.fetched.len()).unwrap_or(u32::MAX);
        if waiting == 0 {
            return;
        }
        let entity = shared.kernel.host_entity(self.number);
        let count = match shared.kernel.draw(Kind::HAND_OVER, entity, waiting) {
            0 => waiting,
            part => part,
        };
        let count = count.min(self.hand_over_max);
        sometimes!(shared.coverage, count < waiting, "batch-in-pieces");
        for _ in 0..count {
            let fetched = self.fetched.pop_front().expect("so many wait");
            let (_, event) = &fetched;
            let id = event.socket();
            shared.story += 1;
            shared.digest.pair(EVENT | u64::from(self.number), id.to_bits());
            let name = shared.kernel.host_name(self.number);
            shared.tracer.line(shared.kernel.now, || format!("{name} <- {event}"));
            self.io.touch(id);
            let situation = self.mux.situation(id);
            let state = situation.map(|situation| situation.state);
            let is_closing = state == Some(SocketState::Closing);
            let met = Met::event(event, self.io.offered_bytes(id) as usize);
            let place = Place::of(situation);
            let Shared { coverage, kernel, .. } = &mut *shared;
            coverage.meets(kernel, self.number, place, met, || self.io.socket(id));
            hand_over(&mut self.io, shared, self.number, &fetched, is_closing);
            let class = class(&fetched.1);
            let stale_before = self.mux.stats().stale_events;
            match fetched.1 {
                Event::Ready { id, readiness } => self.mux.handle_readiness(id, readiness, now),
                completion => self.mux.handle_event(completion, now),
            }
            let was_stale = self.mux.stats().stale_events > stale_before;
            sometimes!(shared.coverage, was_stale, "event-for-a-stale-id");
            shared.oracle.event(self.number, id, class, was_stale);
        }
    }

    fn hand_over_commands<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        if self.commands.is_empty() {
            return;
        }
        let count = self.commands.len().min(self.directory.config().commands_per_turn as usize);
        sometimes!(shared.coverage, count < self.commands.len(), "commands-left");
        for _ in 0..count {
            let command = self.commands.pop_front().expect("so many wait");
            note_command(&mut self.io, shared, self.number, &command);
            self.mux.handle_command(command, now);
        }
    }

    fn turn<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) -> Progress {
        self.io.turns += 1;
        let mut backend = SimBackend {
            host: self.number,
            shared,
            io: &mut self.io,
            is_inline: self.is_inline,
            resolving: &mut self.resolving,
        };
        let progress = self.mux.turn(&mut backend, now);
        sometimes!(shared.coverage, progress == Progress::More, "turn-with-work-left");
        if shared.is_paranoid {
            self.mux.check_invariants();
        }
        shared.digest.word(TURN | (progress as u64) << 16 | u64::from(self.number));
        progress
    }

    /// Moves what the Mux says to the mailboxes of services that run on workers.
    fn deliver<C: Choices>(&mut self, shared: &mut Shared<C>) {
        while let Some(delivery) = self.mux.poll_delivery() {
            note_delivery(&mut self.io, &mut self.outcome, shared, self.number, &delivery);
            self.dispatcher.deliver(delivery);
        }
        shared.oracle.step_told(self.number);
    }

    /// Gives workers that are idle something to do; they publish later what comes of it.
    fn run_workers<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        let are_busy = !self.workers.iter().any(Worker::is_idle);
        let must_wait = are_busy && !self.dispatcher.is_idle();
        sometimes!(shared.coverage, must_wait, "workers-all-busy");
        self.start_works(shared, now);
    }

    /// Sees to it that the host wakes at the Mux's next deadline, or for a name.
    fn arm<C: Choices>(&mut self, shared: &mut Shared<C>) {
        if self.has_exited {
            return;
        }
        let timer = self.mux.next_deadline().map(Instant::as_nanos);
        let timer = timer.map(|local| shared.kernel.global(self.number, local));
        let name = self.resolving.iter().map(|one| one.at_nanos).min();
        let Some(at) = timer.into_iter().chain(name).min() else { return };
        if at < self.deadline_nanos {
            self.deadline_nanos = at;
            shared.kernel.at(at, What::Deadline { host: self.number });
        }
    }
}

/// Hashes, traces and judges what the Mux is asked, right before or right after it took it in:
/// nothing comes between.
fn note_command<C: Choices>(io: &mut Io, shared: &mut Shared<C>, host: u16, command: &Command) {
    note_asked(io, shared, host, command.socket(), || format!("{command:?}"));
    if let Command::Pause { id } = command {
        io.paused(*id);
    }
    shared.oracle.command(host, command);
}

/// As [`note_command`], but for the judge. `asked`: the command, for a reader of the trace.
#[inline]
fn note_asked<C: Choices>(
    io: &mut Io,
    shared: &mut Shared<C>,
    host: u16,
    socket: Option<SocketId>,
    asked: impl FnOnce() -> String,
) {
    io.deeds += 1;
    if let Some(id) = socket {
        io.touch(id);
    }
    shared.story += u64::from(socket.is_some());
    let bits = socket.map_or(0, SocketId::to_bits);
    shared.digest.pair(COMMAND | u64::from(host), bits);
    let name = shared.kernel.host_name(host);
    shared.tracer.line(shared.kernel.now, || format!("{name} asks {}", asked()));
}

/// Hashes, traces and judges what the Mux put out.
fn note_delivery<C: Choices>(
    io: &mut Io,
    outcome: &mut Outcome,
    shared: &mut Shared<C>,
    host: u16,
    delivery: &Delivery,
) {
    io.deeds += 1;
    if let Delivery::Message(service, message) = delivery {
        shared.oracle.message(host, *service, message);
        shared.story += u64::from(message.socket().is_some());
        let bits = message.socket().map_or(0, SocketId::to_bits);
        shared.digest.pair((message.kind() as u64) << 32 | MESSAGE, bits);
        let (name, now) = (shared.kernel.host_name(host), shared.kernel.now);
        shared.tracer.line(now, || format!("{name} tells {service}: {message}"));
        let last = outcome.add(message, &mut shared.digest);
        shared.outcome = shared.outcome.wrapping_add(last.unwrap_or(0));
    }
    if let Delivery::Release(service) = delivery {
        shared.oracle.service_ended(host, *service);
    }
}

/// Tags of the digest.
const EVENT: u64 = 1 << 56;
const COMMAND: u64 = 2 << 56;
const TURN: u64 = 3 << 56;
const MESSAGE: u64 = 4 << 56;
