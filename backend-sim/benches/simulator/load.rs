//! The load as services of a real Mux on both sides: clients that ask, and a server that answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidelock_core::{
    Bytes, ConnectOptions, ListenOptions, Message, Net, SendError, Service, SocketId, Target,
};
use tidelock_net::words::kinds::Family;
use tidelock_sim::address::Address;
use tidelock_sim::address::endpoint;
use tidelock_sim::run::Report;
use tidelock_sim::scenario::{SERVER, SERVER_PORT, Scenario};
use tidelock_sim::swarm::Options;

/// Bytes of one message.
pub(crate) const MESSAGE_BYTES: usize = 64;

/// One world: so many clients, each with one connection and so many round trips.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    /// Clients, all on one host.
    pub(crate) clients: u64,
    /// Round trips of each.
    pub(crate) rounds: u64,
}

/// The draws from a world's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swarm {
    /// No fault, Linux's readiness, latency as madsim's; every law is checked all the same.
    Off,
    /// Every option of the default swarm, but that both ends are real, that buffers hold a message,
    /// that latency is as madsim's, and that no host crashes.
    Default,
}

/// Runs a world of this seed.
///
/// # Panics
/// If a law is broken, or a client did not complete.
pub(crate) fn run(world: World, swarm: Swarm, seed: u64) -> Report {
    let completed = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&completed);
    let about = "clients ask and are answered, one message at a time";
    let scenario = Scenario::new("ping-pong", about, move |stage| {
        let host = stage.host("client");
        for number in 0..world.clients {
            let counted = Arc::clone(&counted);
            host.service(move || Client::new(number, world.rounds, &counted));
        }
        stage.host("server").service(Echo::default);
    })
    .adjust(move |options| adjust(options, world, swarm));
    let report = scenario.run(seed);
    let round_trips = completed.load(Ordering::Relaxed);
    assert_eq!(report.failure, None, "{swarm:?}, seed {seed}, {}", report.options());
    let expected = world.clients * world.rounds;
    assert_eq!(round_trips, expected, "{swarm:?}, seed {seed}, {}", report.options());
    report
}

fn adjust(options: &mut Options, world: World, swarm: Swarm) {
    options.sockets_max = options.sockets_max.max(2 * world.clients + 16);
    options.latency_nanos = 1_000_000;
    options.jitter_nanos = 9_000_000;
    // Links have these latencies and no preset's: through a satellite a round trip takes longer
    // than a connection may be silent, and the world's time is over first.
    options.clear_model();
    // A client that has asked would wait for ever for a server that forgot it.
    options.has_crashes = 0;
    // No connect is given up before its answer can be there.
    options.connect_timeout_nanos = 10_000_000_000;
    // Who has asked hears nothing if the end of a connection got lost, but for its own silence.
    options.idle_timeout_nanos = 20_000_000_000;
    // Each world is run once: a steady one would be run again uncut, and compared.
    options.is_split = 0;
    if swarm == Swarm::Off {
        options.rates = [0; Family::ALL.len()];
        options.readiness = 0;
        options.workers = 0;
        options.bytes_per_second = 0;
        options.quiet_at_nanos = 1_000_000;
        options.batch_max = 256;
        options.hand_over_max = 1 << 20;
        options.accepts_per_turn = 16;
        options.reads_per_turn = 4;
        options.sockets_per_turn = 64;
        options.commands_per_turn = 1_024;
        options.messages_per_batch = 64;
        options.flush_timeout_nanos = 0;
        options.is_prompt = 1;
    }
    // The load is whole messages: what it costs to cut them up is not what is measured here.
    let least = 4 * MESSAGE_BYTES as u64;
    for bytes in [
        &mut options.send_buffer_bytes,
        &mut options.receive_buffer_bytes,
        &mut options.read_buffer_bytes_max,
        &mut options.write_bytes_per_turn,
        &mut options.warn_bytes,
    ] {
        *bytes = (*bytes).max(least);
    }
    options.outbox_bytes_max = options.outbox_bytes_max.max(2 * options.warn_bytes);
    let total_least = options.outbox_bytes_max + world.clients * 4 * least;
    options.total_bytes_max = options.total_bytes_max.max(total_least);
}

/// The message of a client's round: bytes that say where they belong.
fn message(client: u64, round: u64) -> [u8; MESSAGE_BYTES] {
    let mut bytes = [0; MESSAGE_BYTES];
    for (number, block) in (0..).zip(bytes.chunks_exact_mut(8)) {
        let word = (client << 40 | round << 8 | number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        block.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Sends back what it reads.
#[derive(Default)]
struct Echo {
    listener: Option<SocketId>,
}

impl Echo {
    fn listen(&mut self, net: &mut Net<'_>) {
        let at = Address { host: SERVER, port: SERVER_PORT };
        let options = ListenOptions::default().auto_start(true);
        self.listener = net.listen(endpoint(at), options).ok();
        if self.listener.is_none() {
            net.set_timer(RETRY);
        }
    }
}

impl Service for Echo {
    fn on_start(&mut self, net: &mut Net<'_>) {
        self.listen(net);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { socket, bytes } => {
                let sent = net.send(socket, bytes);
                if let Err(SendError::SocketFull(_) | SendError::TotalFull(_)) = sent {
                    // The client never has more under way than fits, and comes again.
                    let _gone = net.close(socket);
                }
            }
            // The system refused to listen.
            Message::Close { socket, .. } if self.listener == Some(socket) => {
                self.listener = None;
                if !net.is_stopped() {
                    net.set_timer(RETRY);
                }
            }
            Message::Timer { .. } => self.listen(net),
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "echo"
    }
}

/// Asks, compares the answer, and asks again; after a fault it connects again and goes on.
struct Client {
    number: u64,
    round: u64,
    rounds: u64,
    asked: [u8; MESSAGE_BYTES],
    answered: usize,
    socket: Option<SocketId>,
    completed: Arc<AtomicU64>,
}

/// The time that a client waits before it connects again.
const RETRY: Duration = Duration::from_millis(1);

impl Client {
    fn new(number: u64, rounds: u64, completed: &Arc<AtomicU64>) -> Self {
        let asked = message(number, 0);
        let completed = Arc::clone(completed);
        Self { number, round: 0, rounds, asked, answered: 0, socket: None, completed }
    }

    fn connect(&mut self, net: &mut Net<'_>) {
        let to = endpoint(Address { host: SERVER, port: SERVER_PORT });
        match net.connect(Target::from(to), ConnectOptions::default()) {
            Ok(id) => self.socket = Some(id),
            Err(_full_or_stopped) => {
                net.set_timer(RETRY);
            }
        }
    }

    fn ask(&mut self, net: &mut Net<'_>, id: SocketId) {
        self.asked = message(self.number, self.round);
        self.answered = 0;
        if net.send(id, Bytes::copy_from_slice(&self.asked)).is_err() {
            // It has ended, and `Close` follows; or it is full of what nobody answers any more.
            let _gone = net.close(id);
        }
    }

    fn receive(&mut self, net: &mut Net<'_>, id: SocketId, bytes: &[u8]) {
        let expected = self.asked.get(self.answered..self.answered + bytes.len());
        assert_eq!(expected, Some(bytes), "client {}, round {}", self.number, self.round);
        self.answered += bytes.len();
        if self.answered < MESSAGE_BYTES {
            return;
        }
        self.round += 1;
        self.completed.fetch_add(1, Ordering::Relaxed);
        if self.round < self.rounds {
            self.ask(net, id);
        } else if net.shutdown(id).is_err() {
            self.socket = None;
        }
    }
}

impl Service for Client {
    fn on_start(&mut self, net: &mut Net<'_>) {
        self.connect(net);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Connect { socket, .. } => self.ask(net, socket),
            Message::Data { socket, bytes } => self.receive(net, socket, &bytes),
            Message::Close { socket, .. } if self.socket == Some(socket) => {
                self.socket = None;
                if self.round < self.rounds && !net.is_stopped() {
                    net.set_timer(RETRY);
                }
            }
            Message::Timer { .. } => self.connect(net),
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "client"
    }
}
