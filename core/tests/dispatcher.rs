//! Services that handle messages where a Mux puts them out.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidelock_core::{
    Bytes, Command, Config, ConnectOptions, Delivery, Directory, Dispatcher, Handled, Instant,
    KeepCommands, Message, Net, Outlet, Service, ServiceId, SocketId,
};

/// The messages that were handled: by whom, and which number.
type Log = Arc<Mutex<Vec<(ServiceId, u32)>>>;

/// Notes the numbers that it is told, asks something for each, and panics at 13.
struct Notes {
    log: Log,
    asks: usize,
}

impl Service for Notes {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let Message::Posted { value, .. } = message else { panic!("{message} is no number") };
        let number = *value.downcast::<u32>().unwrap();
        self.log.lock().unwrap().push((net.service(), number));
        (0..self.asks).for_each(|_| net.info());
        assert_ne!(number, 13);
    }
}

fn number(to: ServiceId, number: u32) -> Delivery {
    Delivery::Message(to, Message::Posted { from: None, value: Box::new(number) })
}

/// A dispatcher with two services that have begun.
struct Stage {
    directory: Arc<Directory>,
    dispatcher: Dispatcher,
    log: Log,
    commands: Vec<Command>,
    services: [ServiceId; 2],
}

impl Stage {
    fn new(asks: usize) -> Self {
        let config = Config { commands_per_service: 4, messages_per_batch: 8, ..Config::default() };
        let directory = Arc::new(Directory::new(config).unwrap());
        let mut dispatcher = Dispatcher::new(Arc::clone(&directory), 0);
        let log = Log::default();
        let services = [(); 2].map(|()| {
            let id = directory.take_service().unwrap();
            let notes = Notes { log: Arc::clone(&log), asks };
            drop(dispatcher.deliver(Delivery::Spawn(id, Box::new(notes))));
            id
        });
        let mut stage = Self { directory, dispatcher, log, commands: Vec::new(), services };
        stage.run_mailboxes();
        stage.commands.clear();
        stage.dispatcher.begin_round();
        stage
    }

    fn run_mailboxes(&mut self) {
        while let Some(mut batch) = self.dispatcher.take() {
            batch.run(&self.directory, Instant::ZERO, &mut self.commands, &mut KeepCommands);
            drop(self.dispatcher.give_back(batch));
        }
        self.dispatcher.check_invariants();
    }

    /// Handles in front, once; answers what is left as well.
    fn handle(&mut self, deliveries: Vec<Delivery>) -> (Option<Handled>, usize) {
        let mut left = VecDeque::from(deliveries);
        let (commands, outlet) = (&mut self.commands, &mut KeepCommands);
        let handled = self.dispatcher.handle_in_front(&mut left, Instant::ZERO, commands, outlet);
        (handled, left.len())
    }

    fn log(&self) -> Vec<u32> {
        self.log.lock().unwrap().iter().map(|(_, number)| *number).collect()
    }
}

#[test]
fn messages_in_front_are_handled_up_to_the_first_of_another_service() {
    let mut stage = Stage::new(0);
    let [a, b] = stage.services;
    let deliveries = vec![number(a, 1), number(a, 2), number(b, 3), number(a, 4)];
    let handled = Handled { service: a, charge_bytes: 128, exit: false };
    assert_eq!(stage.handle(deliveries), (Some(handled), 2));
    assert_eq!(*stage.log.lock().unwrap(), [(a, 1), (a, 2)]);
    assert!(stage.dispatcher.is_idle(), "a message went through a mailbox");
}

#[test]
fn what_waits_in_the_mailbox_is_not_overtaken() {
    let mut stage = Stage::new(0);
    let [a, _] = stage.services;
    drop(stage.dispatcher.deliver(number(a, 1)));
    assert_eq!(stage.handle(vec![number(a, 2)]), (None, 1));
    drop(stage.dispatcher.deliver(number(a, 2)));
    stage.run_mailboxes();
    assert_eq!(stage.log(), [1, 2]);
}

#[test]
fn a_service_that_asks_too_much_in_a_round_gets_the_rest_through_its_mailbox() {
    let mut stage = Stage::new(2);
    let [a, b] = stage.services;
    // Four commands are allowed, two for each message; others in between change nothing.
    let (handled, left) = stage.handle(vec![number(a, 1), number(b, 2), number(a, 3)]);
    assert_eq!((handled.unwrap().charge_bytes, left), (64, 2));
    let (handled, left) = stage.handle(vec![number(a, 3), number(a, 4), number(b, 5)]);
    assert_eq!((handled.unwrap().charge_bytes, left), (64, 2));
    assert_eq!(stage.handle(vec![number(a, 4)]), (None, 1));
    drop(stage.dispatcher.deliver(number(a, 4)));
    assert_eq!(stage.log(), [1, 3]);
    stage.run_mailboxes();
    assert_eq!(stage.handle(vec![number(a, 6)]), (None, 1), "the round goes on");
    stage.dispatcher.begin_round();
    assert!(stage.handle(vec![number(a, 6)]).0.is_some());
    assert_eq!(stage.log(), [1, 3, 4, 6]);
}

#[test]
fn a_service_handles_a_batch_of_messages_in_a_round_at_most() {
    let mut stage = Stage::new(0);
    let [a, _] = stage.services;
    let (handled, left) = stage.handle((0..20).map(|one| number(a, one)).collect());
    assert_eq!((handled.unwrap().charge_bytes, left), (8 * 64, 12));
}

#[test]
fn a_service_that_has_not_begun_handles_nothing() {
    let mut stage = Stage::new(0);
    let directory = Directory::new(Config::default()).unwrap();
    let ids: Vec<_> = (0..3).map(|_| directory.take_service().unwrap()).collect();
    let notes = Notes { log: Arc::clone(&stage.log), asks: 0 };
    drop(stage.dispatcher.deliver(Delivery::Spawn(ids[2], Box::new(notes))));
    assert_eq!(stage.handle(vec![number(ids[2], 1)]), (None, 1));
}

#[test]
fn a_service_that_panicked_in_front_is_forgotten() {
    let mut stage = Stage::new(0);
    let [a, _] = stage.services;
    let handle = AssertUnwindSafe(|| stage.handle(vec![number(a, 13), number(a, 14)]));
    assert!(panic::catch_unwind(handle).is_err());
    assert!(stage.dispatcher.forget(a).is_some());
    assert_eq!(stage.handle(vec![number(a, 15)]), (None, 1));
    drop(stage.dispatcher.deliver(number(a, 15)));
    assert!(stage.dispatcher.take().is_none(), "it is called again");
    assert_eq!(stage.log(), [13]);
    assert!(stage.dispatcher.deliver(Delivery::Release(a)).is_some());
    stage.dispatcher.check_invariants();
}

/// A driver whose clock is ahead of the time of its turn, and that queues sends at once.
#[derive(Default)]
struct AtOnce {
    sent: Vec<SocketId>,
}

impl Outlet for AtOnce {
    fn publish(&mut self, _commands: &mut Vec<Command>) {}

    fn clock(&self) -> Option<Instant> {
        Some(Instant::from_nanos(5_000))
    }

    fn send_at_once(&mut self, id: SocketId, _bytes: Bytes, _low: bool) -> Result<usize, Bytes> {
        self.sent.push(id);
        Ok(65)
    }
}

/// Asks at once when it begins.
struct Begins<F>(F);

impl<F: FnMut(&mut Net<'_>) + Send> Service for Begins<F> {
    fn on_start(&mut self, net: &mut Net<'_>) {
        (self.0)(net);
    }

    fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {}
}

/// Runs a service's `on_start` at `now`, and answers what it asked.
fn ask(
    now: Instant,
    outlet: &mut dyn Outlet,
    ask: impl FnMut(&mut Net<'_>) + Send + 'static,
) -> Vec<Command> {
    let directory = Arc::new(Directory::new(Config::default()).unwrap());
    let mut dispatcher = Dispatcher::new(Arc::clone(&directory), 0);
    let id = directory.take_service().unwrap();
    drop(dispatcher.deliver(Delivery::Spawn(id, Box::new(Begins(ask)))));
    let mut commands = Vec::new();
    dispatcher.take().unwrap().run(&directory, now, &mut commands, outlet);
    commands
}

#[test]
fn a_timer_counts_from_the_call_and_not_from_the_turn() {
    let now = Instant::from_nanos(1_000);
    let arm = |net: &mut Net<'_>| {
        assert_eq!(net.now(), Instant::from_nanos(1_000), "one time for the whole batch");
        net.set_timer(Duration::from_nanos(7));
    };
    let deadline_of = |commands: Vec<Command>| match commands[0] {
        Command::SetTimer { deadline, .. } => deadline.as_nanos(),
        ref other => panic!("{other:?} arms nothing"),
    };
    assert_eq!(deadline_of(ask(now, &mut AtOnce::default(), arm)), 5_007);
    assert_eq!(deadline_of(ask(now, &mut KeepCommands, arm)), 1_007, "this driver has no clock");
}

#[test]
fn a_send_that_is_queued_at_once_is_no_command() {
    let mut outlet = AtOnce::default();
    let id = SocketId::from_bits(0x1_0000_0005).unwrap();
    let commands = ask(Instant::ZERO, &mut outlet, move |net| {
        assert_eq!(net.send(id, "x").unwrap().charged_bytes, 65);
        net.send_low(id, "y").unwrap();
    });
    assert_eq!(outlet.sent, [id, id]);
    assert!(commands.is_empty(), "{commands:?}");
}

/// A driver that counts the commands that leave before the end of a batch.
#[derive(Default)]
struct Early(Vec<usize>);

impl Outlet for Early {
    fn publish(&mut self, commands: &mut Vec<Command>) {
        self.0.push(commands.drain(..).count());
    }
}

/// Asks `sends` messages of `len` bytes on a new socket, and answers how many commands left early
/// each time, and how many at the end.
fn leaves(sends: usize, len: usize, flush_behind: Option<usize>) -> (Vec<usize>, usize) {
    let mut early = Early::default();
    let commands = ask(Instant::ZERO, &mut early, move |net| {
        let id = net.connect(([192, 0, 2, 1], 1), ConnectOptions::default()).unwrap();
        for number in 0..sends {
            net.send(id, vec![0; len]).unwrap();
            if flush_behind == Some(number) {
                net.flush(id);
            }
        }
    });
    (early.0, commands.len())
}

#[test]
fn a_batch_leaves_early_in_parts_of_64_commands_or_64_kib_and_at_a_flush() {
    assert_eq!(leaves(63, 1, None), (vec![], 64), "with the connect");
    assert_eq!(leaves(64, 1, None), (vec![64], 1));
    assert_eq!(leaves(2, 65_535, None), (vec![], 3), "not yet 64 KiB before the last");
    assert_eq!(leaves(3, 32_768, None), (vec![3], 1));
    assert_eq!(leaves(3, 1, Some(1)), (vec![3], 1));
}

#[test]
fn every_service_is_dropped_by_what_the_driver_chose() {
    static DISPOSED: AtomicUsize = AtomicUsize::new(0);
    fn count(service: Box<dyn Service>) {
        DISPOSED.fetch_add(1, Ordering::Relaxed);
        drop(service);
    }
    let directory = Arc::new(Directory::new(Config::default()).unwrap());
    let mut dispatcher = Dispatcher::new(Arc::clone(&directory), 0).with_dispose(count);
    let ids: Vec<_> = (0..3).map(|_| directory.take_service().unwrap()).collect();
    for id in &ids {
        drop(dispatcher.deliver(Delivery::Spawn(*id, Box::new(Begins(|_: &mut Net<'_>| {})))));
    }
    // One is released in its place, one while its batch is out, one ends with the dispatcher.
    let batch = dispatcher.take().unwrap();
    drop(dispatcher.deliver(Delivery::Release(batch.service())));
    assert_eq!(DISPOSED.load(Ordering::Relaxed), 0);
    drop(dispatcher.give_back(batch));
    assert_eq!(DISPOSED.load(Ordering::Relaxed), 1);
    drop(dispatcher.deliver(Delivery::Release(ids[1])));
    assert_eq!(DISPOSED.load(Ordering::Relaxed), 2);
    drop(dispatcher);
    assert_eq!(DISPOSED.load(Ordering::Relaxed), 3);
}
