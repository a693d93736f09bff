//! Virtual worker threads.
//!
//! A batch runs at one point of virtual time, and what it asked is published later. Where a worker
//! writes a stream itself, the network thread and other workers may run between any two of its
//! steps, nested in the call of its service: with one thread, every order that real threads could
//! take at those points is a decision.

use std::sync::Arc;

use tidelock_core::{Answer, Batch, Command, Fault, Instant, Outbox, Outlet, SocketId, Step};
use tidelock_net::chance::choices::Choices;
use tidelock_net::chance::noise::Amount;
use tidelock_net::system::kernel::{Errno, Readiness, uninterrupted};
use tidelock_net::system::schedule::What;
use tidelock_net::words::kinds::Kind;

use crate::actors::host::Host;
use crate::actors::host::fault::fault;
use crate::actors::shared::Shared;
use crate::judge::coverage::sometimes;

/// One virtual worker thread.
pub(crate) enum Worker {
    /// It waits for a batch.
    Idle,
    /// It is inside a call of a service; others run nested in that.
    Running,
    /// It has run a batch, and has not published all of it yet.
    Done(Box<Work>),
}

/// A batch that was run.
pub(crate) struct Work {
    batch: Batch,
    /// What the service let go before its batch was over.
    early: Vec<Command>,
    commands: Vec<Command>,
    /// The world knows what operations this batch did.
    is_noted: bool,
}

/// What a batch on a worker costs, and noise adds less than ten times the same.
const WORK_NANOS: u64 = 1_000;
/// So many services run nested in each other at most.
const DEPTH_MAX: u32 = 3;

impl Worker {
    /// Whether it waits for a batch.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Worker::Idle)
    }
}

impl Host {
    /// Every idle worker begins a batch, as long as there are any.
    pub(crate) fn start_works<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        for slot in 0..self.workers.len() {
            if self.workers[slot].is_idle() && !self.start_work(slot, shared, now, 0) {
                return;
            }
        }
    }

    /// A worker runs a batch, and will publish later what it asked. Answers whether there was one.
    fn start_work<C: Choices>(
        &mut self,
        slot: usize,
        shared: &mut Shared<C>,
        now: Instant,
        depth: u32,
    ) -> bool {
        let Some(mut batch) = self.dispatcher.take() else { return false };
        assert!(self.workers[slot].is_idle(), "worker {slot} runs two services");
        self.workers[slot] = Worker::Running;
        let directory = Arc::clone(&self.directory);
        let mut commands = Vec::new();
        let mut thread = Thread { host: self, shared, now, depth, early: Vec::new() };
        batch.run(&directory, now, &mut commands, &mut thread);
        let early = thread.early;
        let is_parted = !early.is_empty();
        sometimes!(shared.coverage, is_parted, "work-parted");
        // What operators and clients did is told to the judge between steps, before its commands are.
        let is_noted = self.has_no_notes();
        let work = Work { batch, early, commands, is_noted };
        self.workers[slot] = Worker::Done(Box::new(work));
        self.works += 1;
        let (host, slot) = (self.number, slot as u16);
        let entity = shared.kernel.host_entity(host);
        let noise_nanos = shared.kernel.vary(entity, Amount::Work, self.works, 10 * WORK_NANOS);
        let span = WORK_NANOS + noise_nanos + shared.kernel.draw_delay(Kind::WORK_DELAY, entity);
        shared.kernel.note_noise(Kind::WORK_DELAY, entity, noise_nanos);
        if is_parted {
            shared.kernel.at(shared.kernel.now + span / 2, What::WorkerPart { host, slot });
        }
        shared.kernel.at(shared.kernel.now + span, What::Worker { host, slot });
        true
    }

    /// The world knows what operations the batches did that have run.
    pub(crate) fn note_works(&mut self) {
        for worker in &mut self.workers {
            if let Worker::Done(work) = worker {
                work.is_noted = true;
            }
        }
    }

    /// A worker publishes what its service let go early.
    pub fn work_is_parted(&mut self, slot: u16) {
        if let Worker::Done(work) = &mut self.workers[slot as usize] {
            self.commands.extend(work.early.drain(..));
        }
    }

    /// A worker publishes what its batch asked, and then gives the service back.
    pub fn work_is_done<C: Choices>(&mut self, slot: u16, shared: &mut Shared<C>) {
        let worker = std::mem::replace(&mut self.workers[slot as usize], Worker::Idle);
        let Worker::Done(work) = worker else { panic!("worker {slot} ends what it did not begin") };
        shared.digest.word(work.batch.service().to_bits());
        // Of two things at the same nanosecond, the end may be drawn first.
        self.commands.extend(work.early);
        self.commands.extend(work.commands);
        self.dispatcher.give_back(work.batch);
    }

    /// A worker that has run a batch publishes it, and keeps the service a little longer.
    fn publish_one(&mut self) {
        let works = self.workers.iter_mut().filter_map(|worker| match worker {
            // What is not noted yet would reach the judge before what it means.
            Worker::Done(work) if work.is_noted => Some(work),
            _ => None,
        });
        for work in works {
            if !(work.early.is_empty() && work.commands.is_empty()) {
                self.commands.extend(work.early.drain(..));
                self.commands.extend(work.commands.drain(..));
                return;
            }
        }
    }
}

/// The thread that runs a batch, as its service sees it.
struct Thread<'a, C> {
    host: &'a mut Host,
    shared: &'a mut Shared<C>,
    now: Instant,
    /// How many services it is nested in.
    depth: u32,
    /// What the service lets go before its batch is over.
    early: Vec<Command>,
}

/// How often it is drawn between two steps whether others run: two that meet there matter most,
/// and each is rare.
const DRAWS_PER_POINT: u32 = 4;
/// The sum of what may run between two steps; see [`Kind::INTERLEAVE`].
const BEGIN: u32 = 1;
const PUBLISH: u32 = 2;
const TURN: u32 = 4;

impl<C: Choices> Thread<'_, C> {
    /// Between two steps, others may run, one after the other.
    fn interleave(&mut self) {
        for _ in 0..DRAWS_PER_POINT {
            self.let_others_run();
        }
    }

    fn let_others_run(&mut self) {
        let entity = self.shared.kernel.host_entity(self.host.number);
        let others = self.shared.kernel.draw(Kind::INTERLEAVE, entity, 2 * TURN);
        if others & BEGIN != 0 && self.depth + 1 < DEPTH_MAX {
            let idle = self.host.workers.iter().position(Worker::is_idle);
            if let Some(slot) = idle {
                self.host.start_work(slot, self.shared, self.now, self.depth + 1);
            }
        }
        if others & PUBLISH != 0 {
            self.host.publish_one();
        }
        if others & TURN != 0 {
            self.host.nested_turn(self.shared, self.now);
        }
    }

    fn note(&mut self, id: SocketId, code: u64, answer: u64) {
        let Self { host, shared, .. } = self;
        host.io.touch(id);
        shared.digest.word(DIRECT | code << 48 | u64::from(host.number) << 32 | answer);
        shared.digest.word(id.to_bits());
    }
}

impl<C: Choices> Outlet for Thread<'_, C> {
    fn publish(&mut self, commands: &mut Vec<Command>) {
        self.early.append(commands);
    }

    fn sometimes(&mut self, probe: &'static str, has_happened: bool) {
        self.shared.coverage.probes.pass(probe, has_happened);
    }

    fn writes_directly(&self) -> bool {
        true
    }

    fn write(&mut self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
        let number = self.host.number;
        let socket = self.host.io.socket(id).expect("who may write a stream finds it open");
        let kernel = &mut self.shared.kernel;
        let is_completion = kernel.readiness(number) == Readiness::Completion;
        let result = if is_completion && !kernel.bits(socket).writable {
            // Nobody is told of readiness there: the Mux makes a write that completes.
            Err(Errno::WouldBlock)
        } else {
            uninterrupted(|| kernel.grant(socket, unsent.pending_bytes()))
        };
        if let Ok(granted) = result {
            let mut left = granted;
            while left > 0 {
                let bytes = unsent.take_front(left).expect("as much is unsent as was granted");
                left -= bytes.len();
                self.shared.digest.bytes(&bytes);
                self.shared.oracle.took_directly(number, id, &bytes);
                self.shared.kernel.append(socket, bytes);
            }
            self.shared.kernel.push(socket);
        }
        let (name, now) = (self.shared.kernel.host_name(number), self.shared.kernel.now);
        self.shared.tracer.full(now, || match result {
            Ok(granted) => format!("{name} writes {id} directly: {granted}"),
            Err(errno) => format!("{name} writes {id} directly: {errno:?}"),
        });
        match result {
            Ok(granted) => {
                self.note(id, 0, granted as u64);
                Answer::Ready(Ok(granted))
            }
            Err(Errno::WouldBlock) => {
                self.note(id, 1, 0);
                Answer::Later
            }
            Err(errno) => {
                self.note(id, 2, errno.number() as u64);
                self.shared.oracle.failed(number, id, fault(errno));
                Answer::Ready(Err(fault(errno)))
            }
        }
    }

    fn point(&mut self, step: Step<'_>) {
        if let Step::Write { id, sends } = step {
            self.shared.oracle.direct_begins(self.host.number, id, sends);
        }
        self.interleave();
        if let Step::Finish { id } = step {
            self.shared.oracle.direct_ends(self.host.number, id);
        }
    }
}

/// The tag of the digest.
const DIRECT: u64 = 5 << 56;
