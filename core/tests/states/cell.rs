//! One cell of a table: a world in a state, one command or event, and the reaction.

use std::sync::mpsc;
use std::time::Duration;

use tidelock_core::{
    CloseReason, Command, Config, Delivery, Dispatcher, Event, Fault, FaultKind, Instant,
    KeepCommands, Message, Mux, Net, Progress, Readiness, SendError, Service, ServiceId, SocketId,
};

use crate::puppet::{Puppet, connected, endpoint};
use crate::rows::Row;

/// A command or an event, by its name in the tables.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Returns the error that the call itself returned; empty after a success.
    act: fn(&mut World, SocketId) -> String,
}

pub(crate) const COMMANDS: &[Column] = &[
    Column { name: "`send`", act: |w, id| w.answer(move |net| send_answer(net.send(id, "x"))) },
    Column {
        name: "`send_to`",
        act: |w, id| w.answer(move |net| send_answer(net.send_to(id, endpoint(7), "x"))),
    },
    Column { name: "`start`", act: |w, id| w.answer(move |net| answer(net.start(id))) },
    Column { name: "`start` by another", act: start_by_another },
    Column { name: "`pause`", act: |w, id| w.answer(move |net| answer(net.pause(id))) },
    Column { name: "`shutdown`", act: |w, id| w.answer(move |net| answer(net.shutdown(id))) },
    Column { name: "`finish`", act: |w, id| w.answer(move |net| answer(net.finish(id))) },
    Column { name: "`close`", act: |w, id| w.answer(move |net| answer(net.close(id))) },
    Column { name: "owner released", act: |w, _id| w.answer(release_self) },
];

pub(crate) const EVENTS: &[Column] = &[
    Column { name: "readable: bytes", act: |w, id| w.readable(id, Ok("x".into())) },
    Column { name: "readable: FIN", act: |w, id| w.readable(id, Ok("".into())) },
    Column { name: "readable: RST", act: |w, id| w.readable(id, Err(reset())) },
    Column { name: "failed: RST", act: failed },
    Column { name: "writable", act: writable },
    Column { name: "writable: EPIPE", act: broken },
    Column { name: "its timeout", act: timeout },
];

fn answer<T>(result: Result<T, impl std::fmt::Debug>) -> String {
    result.err().map_or(String::new(), |error| format!("`{error:?}`"))
}

fn send_answer<T>(result: Result<T, SendError>) -> String {
    match result {
        Ok(_) => String::new(),
        Err(SendError::Stale(_)) => "`Stale`".into(),
        Err(SendError::Closing(_)) => "`Closing`".into(),
        Err(SendError::IsListener(_)) => "`IsListener`".into(),
        Err(SendError::NoPeer(_)) => "`NoPeer`".into(),
        Err(other) => panic!("{other:?} depends on limits, not on the state"),
    }
}

fn release_self(net: &mut Net<'_>) -> String {
    let own = net.service();
    answer(net.release(own))
}

fn reset() -> Fault {
    Fault::new(FaultKind::ConnectionReset)
}

fn start_by_another(world: &mut World, id: SocketId) -> String {
    let other = world.spawn();
    world.answer_of(other, move |net| answer(net.start(id)))
}

fn failed(world: &mut World, id: SocketId) -> String {
    world.puppet.error = Some(reset());
    world.puppet.reads.push_back(Err(reset()));
    world.puppet.accepts.push_back(Err(reset()));
    world.puppet.datagrams.push_back(Err(reset()));
    world.puppet.connect = Some(Err(reset()));
    let readiness = Readiness { readable: true, writable: true, peer_closed: true, failed: true };
    world.event(Event::Ready { id, readiness });
    String::new()
}

fn writable(world: &mut World, id: SocketId) -> String {
    world.puppet.takes_bytes = 1 << 20;
    world.puppet.connect = Some(Ok(()));
    world.event(Event::Ready { id, readiness: Readiness::WRITABLE });
    String::new()
}

fn broken(world: &mut World, id: SocketId) -> String {
    world.puppet.write_fault = Some(Fault::new(FaultKind::BrokenPipe));
    world.puppet.connect = Some(Err(Fault::new(FaultKind::BrokenPipe)));
    world.event(Event::Ready { id, readiness: Readiness::WRITABLE });
    String::new()
}

/// Lets time pass until the state changes. That may take several deadlines, because a timer may be
/// armed too early and looks again when it fires.
fn timeout(world: &mut World, id: SocketId) -> String {
    let before = world.mux.state(id);
    for _ in 0..8 {
        let Some(deadline) = world.mux.next_deadline() else { break };
        world.now = world.now.max(deadline);
        world.work();
        if world.mux.state(id) != before {
            break;
        }
    }
    String::new()
}

/// Measures the content of a cell.
pub(crate) fn measure(row: &Row, column: &Column) -> String {
    let mut world = World::new();
    let id = (row.build)(&mut world);
    assert_eq!(world.mux.state(id), row.state, "the state that row {:?} builds", row.name);
    world.told.clear();
    let mut parts = Vec::new();
    let at_once = (column.act)(&mut world, id);
    if !at_once.is_empty() {
        parts.push(at_once);
    }
    world.work();
    parts.append(&mut world.told);
    let state = world.mux.state(id);
    match state {
        Some(state) if Some(state) != row.state => parts.push(format!("→ {state:?}")),
        None if row.state.is_some() && !parts.iter().any(|part| part.starts_with("Close")) => {
            parts.push("gone".to_owned());
        }
        _ => {}
    }
    world.mux.check_invariants();
    // The counters agree with the messages, unless the row itself closed the socket.
    if state.is_none() && row.state.is_some() {
        let stats = world.mux.stats();
        let told =
            |reason: &str| parts.iter().filter(|part| part.starts_with(reason)).count() as u64;
        assert_eq!(stats.broken, told("Close(Fault"), "{}: {parts:?}", row.name);
        assert_eq!(stats.opens_failed, told("Close(ConnectFailed"), "{}: {parts:?}", row.name);
    }
    if parts.is_empty() { "–".into() } else { parts.join(", ") }
}

/// A Mux over a puppet backend, with one service.
pub(crate) struct World {
    pub(crate) mux: Mux,
    pub(crate) puppet: Puppet,
    pub(crate) now: Instant,
    pub(crate) told: Vec<String>,
    pub(crate) accepted: Option<SocketId>,
    dispatcher: Dispatcher,
    /// Collects commands about sockets instead of handing them over, while it is `Some`.
    kept: Option<Vec<Command>>,
    service: ServiceId,
    from_services: mpsc::Receiver<Note>,
    to_world: mpsc::Sender<Note>,
}

enum Note {
    Told(String),
    Accepted(SocketId),
}

type Task = Box<dyn FnOnce(&mut Net<'_>) + Send>;

/// A service that runs the tasks posted to it, and reports its other messages.
struct Probe(mpsc::Sender<Note>);

impl Service for Probe {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let text = match message {
            Message::Posted { value, .. } => {
                return value.downcast::<Task>().expect("only tasks are posted")(net);
            }
            Message::Accept { accepted, .. } => {
                self.0.send(Note::Accepted(accepted)).expect("the world listens");
                "Accept".to_owned()
            }
            Message::Close { reason, unsent, .. } => {
                let lost = if unsent > 0 { format!(", {unsent} B unsent") } else { String::new() };
                format!("Close({}{lost})", short(reason))
            }
            Message::Error { operation, fatal, .. } => {
                format!("Error({operation:?}{})", if fatal { "" } else { ", passing" })
            }
            other => format!("{:?}", other.kind()),
        };
        self.0.send(Note::Told(text)).expect("the world listens");
    }
}

fn short(reason: CloseReason) -> String {
    match reason {
        CloseReason::Fault(fault) => format!("Fault {:?}", fault.kind),
        CloseReason::ConnectFailed(fault) => format!("ConnectFailed {:?}", fault.kind),
        CloseReason::TimedOut(which) => format!("TimedOut {which:?}"),
        other => format!("{other:?}"),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config { idle_timeout: Some(Duration::from_secs(300)), ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let mux = Mux::new(config).unwrap();
        let dispatcher = Dispatcher::new(mux.directory().clone(), 0);
        let (to_world, from_services) = mpsc::channel();
        let service = ServiceId::from_bits(1 << 32).unwrap();
        let mut world = Self {
            mux,
            puppet: Puppet::default(),
            now: Instant::ZERO,
            told: Vec::new(),
            accepted: None,
            dispatcher,
            kept: None,
            service,
            from_services,
            to_world,
        };
        world.service = world.spawn();
        world
    }

    pub(crate) fn spawn(&mut self) -> ServiceId {
        let id = self.mux.directory().take_service().unwrap();
        let service = Box::new(Probe(self.to_world.clone()));
        self.mux.handle_command(Command::Spawn { id, service }, self.now);
        self.work();
        id
    }

    /// Runs a task in the service and returns its result. No I/O is done yet.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        task: impl FnOnce(&mut Net<'_>) -> T + Send + 'static,
    ) -> T {
        self.ask_of(self.service, task)
    }

    /// Runs a task in the service and returns its commands about sockets instead of handing them
    /// over.
    pub(crate) fn ask_and_keep(
        &mut self,
        task: impl FnOnce(&mut Net<'_>) + Send + 'static,
    ) -> Vec<Command> {
        self.kept = Some(Vec::new());
        self.ask(task);
        self.kept.take().expect("set above")
    }

    fn ask_of<T: Send + 'static>(
        &mut self,
        to: ServiceId,
        task: impl FnOnce(&mut Net<'_>) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = mpsc::channel();
        let task: Task = Box::new(move |net| sender.send(task(net)).expect("the asker waits"));
        let post = Command::Post { to, from: None, value: Box::new(task) };
        self.mux.handle_command(post, self.now);
        self.dispatch();
        receiver.try_recv().expect("the service ran")
    }

    fn answer(&mut self, task: impl FnOnce(&mut Net<'_>) -> String + Send + 'static) -> String {
        self.ask(task)
    }

    fn answer_of(
        &mut self,
        to: ServiceId,
        task: impl FnOnce(&mut Net<'_>) -> String + Send + 'static,
    ) -> String {
        self.ask_of(to, task)
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.mux.handle_event(event, self.now);
        self.work();
    }

    fn readable(&mut self, id: SocketId, result: Result<tidelock_core::Bytes, Fault>) -> String {
        let received = result.clone().map(|bytes| (endpoint(7), bytes));
        self.puppet.accepts.push_back(result.clone().map(|_| connected()));
        self.puppet.datagrams.push_back(received);
        self.puppet.reads.push_back(result);
        self.event(Event::Ready { id, readiness: Readiness::READABLE });
        String::new()
    }

    /// Turns until the Mux is idle and every service has handled its messages.
    pub(crate) fn work(&mut self) {
        for _ in 0..100 {
            let progress = self.mux.turn(&mut self.puppet, self.now);
            self.mux.check_invariants();
            let was_busy = self.dispatch();
            self.dispatcher.check_invariants();
            if progress != Progress::More && !was_busy {
                return;
            }
        }
        panic!("the Mux is still busy after 100 turns");
    }

    fn dispatch(&mut self) -> bool {
        let mut was_busy = false;
        loop {
            while let Some(delivery) = self.mux.poll_delivery() {
                if let Delivery::Message(..) = &delivery {
                    was_busy = true;
                }
                self.dispatcher.deliver(delivery);
            }
            let Some(mut batch) = self.dispatcher.take() else { break };
            let mut commands = Vec::new();
            let directory = self.mux.directory().clone();
            batch.run(&directory, self.now, &mut commands, &mut KeepCommands);
            was_busy |= !commands.is_empty();
            for command in commands {
                match &mut self.kept {
                    Some(kept) if command.socket().is_some() => kept.push(command),
                    _ => self.mux.handle_command(command, self.now),
                }
            }
            self.dispatcher.give_back(batch);
        }
        for note in self.from_services.try_iter() {
            match note {
                Note::Told(text) => self.told.push(text),
                Note::Accepted(id) => self.accepted = Some(id),
            }
        }
        was_busy
    }
}
