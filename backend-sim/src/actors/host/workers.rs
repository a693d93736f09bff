//! Virtual worker threads.
//!
//! A batch runs at one point of virtual time, and what it asked is published later.

use tidelock_core::{Batch, Command, Instant, Outlet};
use tidelock_net::chance::choices::Choices;
use tidelock_net::chance::noise::Amount;
use tidelock_net::system::schedule::What;
use tidelock_net::words::kinds::Kind;

use crate::actors::host::Host;
use crate::actors::shared::Shared;
use crate::judge::coverage::sometimes;

/// One virtual worker thread.
pub(crate) enum Worker {
    /// It waits for a batch.
    Idle,
    /// It has run a batch, and has not published all of it yet.
    Done(Box<Work>),
}

/// A batch that was run.
pub(crate) struct Work {
    batch: Batch,
    /// The commands that the service let go before its batch was over.
    early: Vec<Command>,
    commands: Vec<Command>,
}

/// The cost of a batch on a worker; noise adds less than ten times as much.
const WORK_NANOS: u64 = 1_000;

impl Worker {
    /// Returns `true` if it waits for a batch.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Worker::Idle)
    }
}

impl Host {
    /// Every idle worker begins a batch, as long as there are any.
    pub(crate) fn start_works<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        for slot in 0..self.workers.len() {
            if self.workers[slot].is_idle() && !self.start_work(slot, shared, now) {
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
    ) -> bool {
        let Some(mut batch) = self.dispatcher.take() else { return false };
        assert!(self.workers[slot].is_idle(), "worker {slot} runs two services");
        let mut commands = Vec::new();
        let mut thread = Thread { shared, early: Vec::new() };
        batch.run(&self.directory, now, &mut commands, &mut thread);
        let early = thread.early;
        let is_parted = !early.is_empty();
        sometimes!(shared.coverage, is_parted, "work-parted");
        self.workers[slot] = Worker::Done(Box::new(Work { batch, early, commands }));
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
}

/// The thread that runs a batch, as its service sees it.
struct Thread<'a, C> {
    shared: &'a mut Shared<C>,
    /// The commands that the service lets go before its batch is over.
    early: Vec<Command>,
}

impl<C> Outlet for Thread<'_, C> {
    fn publish(&mut self, commands: &mut Vec<Command>) {
        self.early.append(commands);
    }

    fn sometimes(&mut self, probe: &'static str, has_happened: bool) {
        self.shared.coverage.probes.pass(probe, has_happened);
    }
}
