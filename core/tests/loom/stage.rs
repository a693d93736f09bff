//! One network thread with the real Mux, and worker threads that run the real `Net`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loom::model::Builder;
use loom::thread;

use crate::kernel::{Door, Kernel, Stream};
use crate::queue::Queue;
use crate::{
    Batch, Bytes, Command, Config, ConnectOptions, Delivery, Directory, Dispatcher, Endpoint,
    Instant, KeepCommands, Message, Mux, Net, Outlet, OutputState, Progress, SendError, Service,
    ServiceId, SocketId,
};

/// The action of one service in its only batch, on the stream that is open from the beginning.
pub type Act = fn(&mut Net<'_>, SocketId);

/// The actions that happen at the same time.
#[derive(Clone, Default)]
pub struct Plan {
    /// The batches of each worker thread, which run one after the other; each has a service of its
    /// own.
    pub workers: Vec<Vec<Act>>,
    /// A batch on the network thread. It runs at the beginning, or after the first input from the
    /// workers; both are explored.
    pub inline: Option<Act>,
    /// A batch on the network thread that runs once the stream has ended.
    pub next: Option<Act>,
    /// `true` for two streams: the workers get the first, the network thread's batches the second.
    pub has_second: bool,
    /// The bytes that each stream accepts at its first writes, before it accepts all; 0 answers
    /// `Later`.
    pub room: Vec<usize>,
    /// `true` if the peer resets the stream.
    pub is_reset: bool,
    pub config: Config,
}

/// The outcome of one order of a plan.
pub struct Outcome {
    pub mux: Mux,
    pub kernel: Arc<Kernel>,
    /// The stream that was open from the beginning.
    pub id: SocketId,
    pub second: Option<SocketId>,
    /// The messages that the services got after the beginning.
    pub told: Vec<Message>,
}

impl Outcome {
    pub fn stream(&self) -> Stream {
        self.kernel.stream(self.id)
    }

    pub fn wire(&self) -> String {
        String::from_utf8(self.stream().wire).expect("text was sent")
    }

    /// Describes the end of the first stream: the bytes sent, and the number counted as lost.
    pub fn ended(&self) -> String {
        let unsent = |message: &Message| match message {
            Message::Close { socket, unsent, .. } if *socket == self.id => Some(*unsent),
            _ => None,
        };
        let closes: Vec<u64> = self.told.iter().filter_map(unsent).collect();
        let [unsent] = closes[..] else {
            panic!("{} got {} `Close` messages instead of one", self.id, closes.len())
        };
        format!("{} went, {unsent} lost", self.wire())
    }
}

pub fn send(net: &mut Net<'_>, id: SocketId, text: &'static str) {
    try_send(net, id, text).expect("an open stream with room takes it");
}

pub fn try_send(net: &mut Net<'_>, id: SocketId, text: &'static str) -> Result<(), SendError> {
    net.send(id, Bytes::from_static(text.as_bytes())).map(|_queued| ())
}

pub fn send_low(net: &mut Net<'_>, id: SocketId, text: &'static str) {
    let bytes = Bytes::from_static(text.as_bytes());
    net.send_low(id, bytes).expect("an open stream with room takes it");
}

/// Plays the plan in every order that `LOOM_MAX_PREEMPTIONS` allows (default 3).
///
/// `judge` describes the outcome of each order, which must be one of the `expected`. With 3 or more
/// preemptions all of those must be reached: an outcome that no order reaches is not tested.
pub fn explore(plan: Plan, judge: fn(&Outcome) -> String, expected: &[&str]) {
    let mut model = Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(PREEMPTIONS));
    // A turn of the Mux loads the gate's word many times, and each load is a branch.
    model.max_branches = 20_000;
    let bound = model.preemption_bound.expect("set above");
    let reached = Arc::new(std::sync::Mutex::new(BTreeMap::<String, u64>::new()));
    let seen = Arc::clone(&reached);
    let legal: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
    let all = legal.clone();
    let judge = move |plan: &Plan, inline_at| {
        let word = judge(&play(plan, inline_at));
        assert!(legal.contains(&word), "the outcome {word:?} is not among {legal:?}");
        *seen.lock().expect("nobody panics under it").entry(word).or_default() += 1;
    };
    for inline_at in 0..1 + usize::from(plan.inline.is_some()) {
        let (plan, judge) = (plan.clone(), judge.clone());
        model.check(move || judge(&plan, inline_at));
    }
    let reached = reached.lock().expect("nobody panics under it");
    let orders: u64 = reached.values().sum();
    println!("{orders} orders of at most {bound} preemptions: {reached:?}");
    let reached: BTreeSet<String> = reached.keys().cloned().collect();
    assert!(bound < PREEMPTIONS || reached == all, "only {reached:?} of {all:?} were reached");
}

/// The preemptions allowed if the environment does not set their number.
const PREEMPTIONS: usize = 3;

/// A configuration of few sockets.
pub fn config() -> Config {
    Config { sockets_max: 2, services_max: 8, ..Config::default() }
}

/// Plays one order of the plan. `inline_at` is the number of inputs from the workers before the
/// inline batch.
fn play(plan: &Plan, inline_at: usize) -> Outcome {
    let queue = Arc::new(Queue::new(plan.workers.len()));
    let kernel = Arc::new(Kernel::new(&plan.room, Arc::clone(&queue)));
    let mut network = Network::new(plan, Arc::clone(&kernel));
    let id = network.open();
    let second = plan.has_second.then(|| network.open());
    network.inline = plan.inline.map(|act| network.batch(second.unwrap_or(id), act));
    network.next = plan.next.map(|act| (id, network.batch(id, act)));
    let batches = |acts: &Vec<Act>| acts.iter().map(|act| network.batch(id, *act)).collect();
    let workers: Vec<Vec<Batch>> = plan.workers.iter().map(batches).collect();
    network.told.clear();
    let directory = Arc::clone(network.mux.directory());
    let threads: Vec<_> = workers
        .into_iter()
        .map(|batches| {
            let (directory, queue) = (Arc::clone(&directory), Arc::clone(&queue));
            thread::spawn(move || work(batches, &directory, &queue))
        })
        .collect();
    if plan.is_reset {
        kernel.break_stream(id);
    }
    network.run(&queue, inline_at);
    for thread in threads {
        thread.join().expect("a worker's panic ends the model");
    }
    check_end(&network.mux, &kernel);
    Outcome { mux: network.mux, kernel, id, second, told: network.told }
}

/// Asserts that nothing is left over: every admitted byte was sent or counted as lost, and no
/// stream is left in a state in which nobody would write it.
fn check_end(mux: &Mux, kernel: &Kernel) {
    mux.check_invariants();
    let directory = mux.directory();
    assert_eq!(directory.total_charged_bytes(), 0, "bytes are still charged at the end");
    assert_eq!(kernel.open_streams(), mux.sockets(), "streams of the kernel, and of the Mux");
    for (id, _wish) in mux.wishes() {
        let gate = directory.gate(id).expect("a living id has a gate");
        assert!(!gate.has_sends(id), "{id}: a send is still on the way");
        let output = mux.situation(id).expect("it is alive").output;
        assert_eq!(output, OutputState::Empty, "{id} has output, but the Mux is idle");
    }
}

struct Network {
    mux: Mux,
    door: Door,
    dispatcher: Dispatcher,
    told: Vec<Message>,
    inline: Option<Batch>,
    /// Runs once this stream has ended.
    next: Option<(SocketId, Batch)>,
}

impl Network {
    fn new(plan: &Plan, kernel: Arc<Kernel>) -> Self {
        let mux = Mux::new(plan.config.clone()).expect("a valid configuration");
        let dispatcher = Dispatcher::new(Arc::clone(mux.directory()), 0);
        let door = Door(kernel);
        Self { mux, door, dispatcher, told: Vec::new(), inline: None, next: None }
    }

    /// Opens a stream and returns its id.
    fn open(&mut self) -> SocketId {
        let directory = Arc::clone(self.mux.directory());
        let owner = self.spawn(Box::new(Owner));
        let id = directory.take_socket(crate::gate::GateKind::Stream, owner, None);
        let id = id.expect("a place is free");
        let (target, options) = (Box::new(somewhere().into()), Box::new(ConnectOptions::default()));
        self.mux.handle_command(Command::Connect { id, owner, target, options }, NOW);
        self.turn();
        id
    }

    fn spawn(&mut self, service: Box<dyn Service>) -> ServiceId {
        let id = self.mux.directory().take_service().expect("a place is free");
        self.mux.handle_command(Command::Spawn { id, service }, NOW);
        self.turn();
        let mut batch = self.dispatcher.take().expect("a service begins");
        assert_eq!(batch.service(), id);
        batch.run(self.mux.directory(), NOW, &mut Vec::new(), &mut KeepCommands);
        assert!(self.dispatcher.give_back(batch).is_none());
        id
    }

    /// Spawns a service and returns its first batch, in which it acts.
    fn batch(&mut self, id: SocketId, act: Act) -> Batch {
        let service = self.mux.directory().take_service().expect("a place is free");
        let actor = Box::new(Actor { id, act });
        self.mux.handle_command(Command::Spawn { id: service, service: actor }, NOW);
        self.turn();
        self.dispatcher.take().expect("a service begins")
    }

    fn run_inline(&mut self, mut batch: Batch) {
        let mut commands = Vec::new();
        batch.run(self.mux.directory(), NOW, &mut commands, &mut KeepCommands);
        commands.into_iter().for_each(|command| self.mux.handle_command(command, NOW));
        self.turn();
    }

    /// Handles commands and events until the last worker has ended.
    fn run(&mut self, queue: &Queue, inline_at: usize) {
        for round in 0.. {
            if round >= inline_at {
                self.inline.take().into_iter().for_each(|batch| self.run_inline(batch));
            }
            if let Some((_, batch)) = self.next.take_if(|(id, _)| self.mux.state(*id).is_none()) {
                self.run_inline(batch);
            }
            let Some((commands, events)) = queue.take() else {
                if self.inline.is_some() {
                    continue;
                }
                break;
            };
            events.into_iter().for_each(|event| self.mux.handle_event(event, NOW));
            commands.into_iter().for_each(|command| self.mux.handle_command(command, NOW));
            self.turn();
        }
        assert!(self.inline.is_none() && self.next.is_none(), "a service never ran");
    }

    fn turn(&mut self) {
        while self.mux.turn(&mut self.door, NOW) != Progress::Idle {}
        while let Some(delivery) = self.mux.poll_delivery() {
            match delivery {
                Delivery::Message(_, message) => self.told.push(message),
                other => assert!(self.dispatcher.deliver(other).is_none()),
            }
        }
    }
}

/// The body of one worker thread.
fn work(batches: Vec<Batch>, directory: &Directory, queue: &Queue) {
    let mut commands = Vec::new();
    let last = batches.len() - 1;
    for (number, mut batch) in batches.into_iter().enumerate() {
        let mut outlet = Publisher(queue);
        batch.run(directory, NOW, &mut commands, &mut outlet);
        if number < last {
            queue.push(&mut commands);
        }
    }
    queue.leave(&mut commands);
}

/// The outlet of a worker: commands go to the queue.
struct Publisher<'a>(&'a Queue);

impl Outlet for Publisher<'_> {
    fn publish(&mut self, commands: &mut Vec<Command>) {
        self.0.push(commands);
    }
}

/// The owner of a stream, which does nothing.
struct Owner;

impl Service for Owner {
    fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {
        unreachable!("messages go to the judge")
    }
}

/// A service that acts once, at its start.
struct Actor {
    id: SocketId,
    act: Act,
}

impl Service for Actor {
    fn on_start(&mut self, net: &mut Net<'_>) {
        (self.act)(net, self.id);
    }

    fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {
        unreachable!("messages go to the judge")
    }
}

/// Nothing here depends on time.
const NOW: Instant = Instant::ZERO;

/// An address where every connect succeeds.
pub fn somewhere() -> Endpoint {
    std::net::SocketAddr::from(([192, 0, 2, 1], 1)).into()
}
