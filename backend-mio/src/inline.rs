//! Services on the network thread.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;

use tidelock_core::{
    Bytes, Command, Delivery, Dispatcher, Instant, Mux, Outlet, ServiceId, SocketId,
};

use crate::clock::Clock;
use crate::contained::drop_messages;
use crate::guarded::{AbortOnPanic, run_batch};
use crate::shared::Shared;

/// The services of a network thread that runs them itself.
///
/// A message that the thread's own Mux puts out is handled where it stands, and a send to one of
/// its sockets is queued in the same step: no mailbox, no batch, no command. Mailboxes take what
/// cannot be handled so: the messages of services that are just beginning, that asked for too much,
/// or that another network thread told something.
pub(crate) struct InlineServices {
    dispatcher: Box<Dispatcher>,
    /// The commands of services; empty between two uses.
    asked: Vec<Command>,
    /// Swapped with the outputs of the Mux; empty between two uses.
    outputs: VecDeque<Delivery>,
}

impl InlineServices {
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        let dispatcher = Box::new(dispatcher);
        Self { dispatcher, asked: Vec::new(), outputs: VecDeque::new() }
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// Puts a delivery of another network thread, or of this one, into a mailbox.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        // Messages to a service that is gone are dropped in it, and what is left of one that goes.
        drop_messages(|| drop(self.dispatcher.deliver(delivery)));
    }

    /// Lets services handle what the Mux puts out, in its order. `send_off` gets what is for
    /// another network thread.
    pub(crate) fn handle_outputs(
        &mut self,
        mux: &mut Mux,
        shared: &Shared,
        now: Instant,
        mut send_off: impl FnMut(Delivery),
    ) {
        self.dispatcher.begin_round();
        mux.take_deliveries(&mut self.outputs);
        let is_alone = shared.directory.shards() == 1;
        while let Some(front) = self.outputs.front() {
            match front.service() {
                Some(id) if is_alone || shared.directory.home_of(id) == mux.shard() => {
                    self.handle_in_front(id, mux, shared, now);
                }
                _ => self.outputs.pop_front().into_iter().for_each(&mut send_off),
            }
        }
    }

    #[inline]
    fn handle_in_front(&mut self, id: ServiceId, mux: &mut Mux, shared: &Shared, now: Instant) {
        let inside = &shared.inside[mux.shard() as usize];
        inside.store(id.to_bits(), Ordering::Relaxed);
        let mut outlet = InlineOutlet { mux, clock: &shared.clock };
        let Self { dispatcher, asked, outputs } = self;
        // What a panic leaves half done is the service, which is never called again: one of the Mux
        // ends the process.
        let handle =
            AssertUnwindSafe(|| dispatcher.handle_in_front(outputs, now, asked, &mut outlet));
        let handled = panic::catch_unwind(handle);
        inside.store(0, Ordering::Relaxed);
        match handled {
            Ok(Some(handled)) if !handled.exit && self.asked.is_empty() => {
                mux.settle_handled(handled);
            }
            // Behind what was asked: a mailbox has no room for more while its commands wait, and
            // the end of an exit overtakes nothing.
            Ok(Some(handled)) => self.asked.push(handled.into_command(mux.shard())),
            Ok(None) => {
                let delivery = self.outputs.pop_front().expect("it was just seen");
                self.deliver(delivery);
            }
            Err(_told_by_the_panic_hook) => self.release_panicked(id),
        }
    }

    #[cold]
    fn release_panicked(&mut self, service: ServiceId) {
        tracing::error!(%service, "a service panicked; it is released");
        self.asked.push(Command::Release { service, abrupt: true });
        drop_messages(|| drop(self.dispatcher.forget(service)));
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
                drop_messages(|| drop(self.dispatcher.give_back(batch)));
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
            let _abort = AbortOnPanic("Mux inside of a service's call");
            self.mux.send_at_once(id, bytes, low)
        } else {
            Err(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidelock_core::{Config, Message, Net, Service};

    use super::*;
    use crate::inbox::Inbox;
    use crate::inboxes::Inboxes;
    use crate::sys::{Poll, Token, Waker};

    /// A Mux with one service on its thread, which has begun.
    struct Stage {
        mux: Mux,
        services: InlineServices,
        shared: Shared,
        id: ServiceId,
        _poll: Poll,
    }

    impl Stage {
        fn new(service: impl Service + 'static) -> Self {
            let mut mux = Mux::new(Config::default()).unwrap();
            let directory = Arc::clone(mux.directory());
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
            let inboxes: Box<[Inbox]> = Box::new([Inbox::new(waker, 1 << 20)]);
            let inboxes = Arc::new(Inboxes::new(Arc::clone(&directory), inboxes));
            let shared = Shared::new(Arc::clone(&directory), inboxes, Clock::start(), None);
            let mut services = InlineServices::new(Dispatcher::new(Arc::clone(&directory), 0));
            let id = directory.take_service().unwrap();
            let spawn = Command::Spawn { id, service: Box::new(service) };
            mux.handle_command(spawn, Instant::ZERO);
            services.handle_outputs(&mut mux, &shared, Instant::ZERO, |_| panic!("one Mux"));
            services.run_mailboxes(&mut mux, &shared);
            services.asked.clear();
            Self { mux, services, shared, id, _poll: poll }
        }

        /// Posts the values, and lets the service handle them; answers what it asked.
        fn handle(&mut self, values: Vec<Box<dyn std::any::Any + Send>>) -> Vec<String> {
            for value in values {
                let post = Command::Post { from: None, to: self.id, value };
                self.mux.handle_command(post, Instant::ZERO);
            }
            let Self { mux, services, shared, .. } = self;
            services.handle_outputs(mux, shared, Instant::ZERO, |_| panic!("one Mux"));
            services.asked.drain(..).map(|command| format!("{command:?}")).collect()
        }
    }

    /// Asks so many commands for each message.
    struct Asks(usize);

    impl Service for Asks {
        fn on_message(&mut self, net: &mut Net<'_>, _message: Message) {
            (0..self.0).for_each(|_| net.info());
        }
    }

    #[test]
    fn a_mailbox_has_no_room_for_more_before_what_its_service_asked_was_done() {
        let mut stage = Stage::new(Asks(1));
        let asked = stage.handle(vec![Box::new(1), Box::new(2)]);
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked[2].starts_with("Handled"), "{asked:?}");
        // Who asks nothing needs no command.
        let mut stage = Stage::new(Asks(0));
        assert_eq!(stage.handle(vec![Box::new(1)]), [""; 0]);
    }

    /// Panics while it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a user's value");
        }
    }

    struct Panics;

    impl Service for Panics {
        fn on_message(&mut self, _net: &mut Net<'_>, message: Message) {
            std::mem::forget(message);
            panic!("a user's service");
        }
    }

    #[test]
    fn messages_behind_a_panic_that_panic_as_well_stop_nobody() {
        let mut stage = Stage::new(Panics);
        let asked = stage.handle(vec![Box::new(1), Box::new(Bomb)]);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(asked[0].starts_with("Release"), "{asked:?}");
        let release = Command::Release { service: stage.id, abrupt: true };
        stage.mux.handle_command(release, Instant::ZERO);
        assert_eq!(stage.handle(Vec::new()), [""; 0]);
        assert_eq!(stage.services.dispatcher.services(), 0);
    }
}
