//! Services on the network thread.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::vec;

use tidelock_core::{
    Bytes, Command, Delivery, Dispatcher, Instant, Mux, Outlet, ServiceId, SocketId,
};

use crate::clock::Clock;
use crate::guarded::run_batch;
use crate::shared::Shared;

/// The services of a network thread that runs them itself.
///
/// A message that the thread's own Mux puts out is handled where it stands, and a send to one of its
/// sockets is queued in the same step: no mailbox, no batch, no command. Mailboxes take what cannot
/// be handled so: the messages of services that are just beginning, that asked for too much, or that
/// another network thread told something.
pub(crate) struct InlineServices {
    dispatcher: Box<Dispatcher>,
    /// What services asked; empty between two uses.
    asked: Vec<Command>,
    /// Swapped with the outputs of the Mux; empty between two uses.
    outputs: Vec<Delivery>,
}

impl InlineServices {
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        let dispatcher = Box::new(dispatcher);
        Self { dispatcher, asked: Vec::new(), outputs: Vec::new() }
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// Puts a delivery of another network thread, or of this one, into a mailbox.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        drop(self.dispatcher.deliver(delivery));
    }

    /// Lets services handle what the Mux puts out, in its order. `send_off` gets what is for another
    /// network thread.
    pub(crate) fn handle_outputs(
        &mut self,
        mux: &mut Mux,
        shared: &Shared,
        now: Instant,
        mut send_off: impl FnMut(Delivery),
    ) {
        let mut outputs = mux.take_deliveries(std::mem::take(&mut self.outputs));
        let is_alone = shared.directory.shards() == 1;
        let mut left = outputs.drain(..);
        while let Some(front) = left.as_slice().first() {
            match front.service() {
                Some(id) if is_alone || shared.directory.home_of(id) == mux.shard() => {
                    self.handle_in_front(id, &mut left, mux, shared, now);
                }
                _ => left.next().into_iter().for_each(&mut send_off),
            }
        }
        drop(left);
        self.outputs = outputs;
    }

    #[inline]
    fn handle_in_front(
        &mut self,
        id: ServiceId,
        outputs: &mut vec::Drain<'_, Delivery>,
        mux: &mut Mux,
        shared: &Shared,
        now: Instant,
    ) {
        let inside = &shared.inside[mux.shard() as usize];
        inside.store(id.to_bits(), Ordering::Relaxed);
        let mut outlet = InlineOutlet { mux, clock: &shared.clock };
        let (dispatcher, asked) = (&mut self.dispatcher, &mut self.asked);
        // What a panic leaves half done is the service, which is never called again.
        let handle =
            AssertUnwindSafe(|| dispatcher.handle_in_front(outputs, now, asked, &mut outlet));
        let handled = panic::catch_unwind(handle);
        inside.store(0, Ordering::Relaxed);
        match handled {
            Ok(Some(handled)) if !handled.exit => mux.settle_handled(handled),
            // The end of an exit must not overtake what the service asked before.
            Ok(Some(handled)) => self.asked.push(handled.into_command(mux.shard())),
            Ok(None) => {
                let delivery = outputs.next().expect("it was just seen");
                self.deliver(delivery);
            }
            Err(_told_by_the_panic_hook) => self.release_panicked(id),
        }
    }

    #[cold]
    fn release_panicked(&mut self, service: ServiceId) {
        tracing::error!(%service, "a service panicked; it is released");
        self.asked.push(Command::Release { service, abrupt: true });
        let leftovers = self.dispatcher.forget(service);
        // Messages that it did not get to may hold values whose drop panics as well.
        if panic::catch_unwind(AssertUnwindSafe(|| drop(leftovers))).is_err() {
            tracing::error!(%service, "a message panicked while it was dropped");
        }
    }

    /// Runs each service that has messages in its mailbox once.
    pub(crate) fn run_mailboxes(&mut self, mux: &mut Mux, shared: &Shared) {
        for _ in 0..self.dispatcher.runnable() {
            let Some(batch) = self.dispatcher.take() else {
                break;
            };
            let now = shared.clock.now();
            let inside = &shared.inside[mux.shard() as usize];
            inside.store(batch.service().to_bits(), Ordering::Relaxed);
            let mut outlet = InlineOutlet { mux, clock: &shared.clock };
            let batch = run_batch(batch, &shared.directory, now, &mut self.asked, &mut outlet);
            inside.store(0, Ordering::Relaxed);
            if let Some(batch) = batch {
                drop(self.dispatcher.give_back(batch));
            }
        }
    }

    /// Gives what services asked to this Mux, by `queue`, and to those of other network threads.
    pub(crate) fn publish(
        &mut self,
        shard: u32,
        shared: &Shared,
        mut queue: impl FnMut(&mut Vec<Command>),
    ) {
        if self.asked.is_empty() {
            return;
        }
        Command::distribute(&mut self.asked, &shared.directory, |to, commands| {
            if to == shard {
                queue(commands);
            } else {
                shared.inboxes.of(to).push_batch(commands);
            }
        });
    }
}

/// The way out of a service on the network thread. A send is queued at once; what else it asks
/// waits for the end of the round, because nothing could act on it before.
struct InlineOutlet<'a> {
    mux: &'a mut Mux,
    clock: &'a Clock,
}

impl Outlet for InlineOutlet<'_> {
    fn publish(&mut self, _commands: &mut Vec<Command>) {}

    fn shard(&self) -> Option<u32> {
        Some(self.mux.shard())
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.now())
    }

    #[inline]
    fn send_at_once(&mut self, id: SocketId, bytes: Bytes, low: bool) -> Result<usize, Bytes> {
        if id.shard() == self.mux.shard() {
            self.mux.send_at_once(id, bytes, low)
        } else {
            Err(bytes)
        }
    }
}
