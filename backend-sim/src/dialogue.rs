//! Your own service in the simulated network, against clients that write and expect given bytes.
//!
//! ```
//! use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service};
//! use tidelock_sim::dialogue::{Client, Dialogue};
//! use tidelock_sim::scenario::SERVER_PORT;
//!
//! /// Answers in capital letters.
//! struct Shout;
//!
//! impl Service for Shout {
//!     fn on_start(&mut self, net: &mut Net<'_>) {
//!         let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
//!         net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
//!     }
//!
//!     fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
//!         if let Message::Data { socket, bytes } = message {
//!             if net.send(socket, bytes.to_ascii_uppercase()).is_err() {
//!                 // It does not read, or is gone; then there is nothing to close.
//!                 let _gone = net.close(socket);
//!             }
//!         }
//!     }
//! }
//!
//! let dialogue = Dialogue::new("shout", |_options| vec![Box::new(Shout)])
//!     .client(Client::default().write("hello ").expect("HELLO ").write("world").expect("WORLD"))
//!     .client(Client::default().write("once").expect("ONCE"));
//! for seed in 0..20 {
//!     let run = dialogue.run(seed);
//!     assert_eq!(run.report.failure, None, "replay with dialogue.run({seed})");
//!     // The network may have cut it short, but never changed it.
//!     assert!(b"HELLO WORLD".starts_with(&run.received[0]));
//! }
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidelock_core::{Bytes, ConnectOptions, Message, Net, SendError, Service, SocketId, TimerId};

use crate::address;
use crate::kernel::Address;
use crate::run::{Report, Source, Watch};
use crate::scenario::{Behaviour, CLIENT, Cast, SERVER, SERVER_PORT, Scenario};
use crate::simulate;
use crate::swarm::Options;

/// User services on the server's host, and scripted clients on the other.
///
/// The services listen at [`SERVER_PORT`]. Both hosts are real Muxes over the simulated kernel;
/// faults, timing, limits, readiness profile and worker threads are drawn from the seed.
pub struct Dialogue {
    name: &'static str,
    services: Box<MakeServices>,
    adjust: fn(&mut Options),
    clients: Vec<Client>,
}

type MakeServices = dyn Fn(&Options) -> Vec<Box<dyn Service>>;

/// What came of one run of a dialogue.
#[derive(Clone, Debug)]
pub struct Run {
    /// Digest, failure, and the rest.
    pub report: Report,
    /// All that each client received, in the order of [`Dialogue::client`].
    pub received: Vec<Vec<u8>>,
}

impl Dialogue {
    /// A dialogue without clients. `services` is called once for each world; different names give
    /// different worlds for the same seed.
    pub fn new(
        name: &'static str,
        services: impl Fn(&Options) -> Vec<Box<dyn Service>> + 'static,
    ) -> Self {
        Self { name, services: Box::new(services), adjust: |_options| {}, clients: Vec::new() }
    }

    /// Adds a client.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Changes the drawn options before each run, as a limit that the services need.
    pub fn adjust(mut self, adjust: fn(&mut Options)) -> Self {
        self.adjust = adjust;
        self
    }

    /// Runs the world of a seed. The same seed gives the same run.
    ///
    /// A client that receives other bytes than it expects panics, which the report shows as a
    /// failure of `no-panic`; so does, in a world without faults, one that is not answered.
    pub fn run(&self, seed: u64) -> Run {
        self.run_watched(Source::Seed(seed), &Watch::default())
    }

    /// Runs a seed or a script, and keeps what `watch` asks for.
    pub fn run_watched(&self, source: Source, watch: &Watch) -> Run {
        let received: Received = Arc::default();
        let services = |host, options: &Options| {
            if host == CLIENT {
                let mut log = received.lock().unwrap_or_else(PoisonError::into_inner);
                // A failing world runs a second time, for its last events.
                *log = vec![Vec::new(); self.clients.len()];
                self.scripted(options, &received)
            } else {
                (self.services)(options)
            }
        };
        let adjust = |options: &mut Options| {
            self.make_fit(options);
            // What a client received is counted once, so it must not begin anew.
            options.has_crashes = 0;
            (self.adjust)(options);
        };
        let scenario = Scenario {
            name: self.name,
            about: "services of a user against scripted clients",
            adjust: |_options| {},
            plan: |_options, _stream| Vec::new(),
            services: |_options| Vec::new(),
            clients: |_options| Vec::new(),
            server: Behaviour::Sink,
        };
        let cast = Cast { scenario: &scenario, adjust: &adjust, services: &services };
        let report = simulate::run_cast(&cast, source, watch);
        let received =
            std::mem::take(&mut *received.lock().unwrap_or_else(PoisonError::into_inner));
        Run { report, received }
    }

    /// Both hosts have services, and without faults nothing is scarce.
    fn make_fit(&self, options: &mut Options) {
        let clients = self.clients.len() as u64;
        options.scripted = 0;
        options.sockets_max = options.sockets_max.max(clients + 1);
        if options.is_calm() {
            options.sockets_max += 2 * clients;
            options.send_buffer_bytes = options.send_buffer_bytes.max(1 << 12);
            options.receive_buffer_bytes = options.receive_buffer_bytes.max(1 << 12);
            options.outbox_bytes_max = options.outbox_bytes_max.max(16 << 20);
            options.total_bytes_max = options.total_bytes_max.max(256 << 20);
            options.latency_nanos = options.latency_nanos.min(1_000_000);
            options.jitter_nanos = options.jitter_nanos.min(options.latency_nanos);
        }
    }

    fn scripted(&self, options: &Options, received: &Received) -> Vec<Box<dyn Service>> {
        let numbered = self.clients.iter().enumerate();
        numbered
            .map(|(number, client)| -> Box<dyn Service> {
                Box::new(Scripted {
                    number,
                    steps: client.steps.clone(),
                    received: Arc::clone(received),
                    socket: None,
                    start: None,
                    is_calm: options.is_calm(),
                })
            })
            .collect()
    }
}

/// What a client does: it connects, takes its steps in turn, and then sends FIN.
#[derive(Clone, Debug, Default)]
pub struct Client {
    steps: VecDeque<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Bytes),
    Expect(Bytes),
}

impl Client {
    /// Writes these bytes, without waiting for anything but the steps before.
    pub fn write(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push_back(Step::Write(bytes.into()));
        self
    }

    /// Waits until exactly these bytes have come. Bytes that come when none are expected any more
    /// are received, and not judged.
    pub fn expect(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push_back(Step::Expect(bytes.into()));
        self
    }
}

/// By the number of the client.
type Received = Arc<Mutex<Vec<Vec<u8>>>>;

/// A client at work.
struct Scripted {
    number: usize,
    steps: VecDeque<Step>,
    received: Received,
    socket: Option<SocketId>,
    start: Option<TimerId>,
    is_calm: bool,
}

/// The server has this long to listen before the first client comes …
const START_NANOS: u64 = 2_000_000;
/// … and the others come at most so much later.
const SPREAD_NANOS: u64 = 3_000_000;

impl Scripted {
    /// Takes every step that can be taken now.
    fn go_on(&mut self, net: &mut Net<'_>) {
        let Some(id) = self.socket else { return };
        while let Some(step) = self.steps.pop_front() {
            let Step::Write(bytes) = step else {
                self.steps.push_front(step);
                return;
            };
            match net.send(id, bytes) {
                Ok(_queued) => {}
                Err(SendError::TooLarge(mut bytes)) => {
                    let rest = bytes.split_off(bytes.len() / 2);
                    self.steps.push_front(Step::Write(rest));
                    self.steps.push_front(Step::Write(bytes));
                }
                Err(SendError::SocketFull(bytes) | SendError::TotalFull(bytes)) => {
                    // `SendReady` comes.
                    return self.steps.push_front(Step::Write(bytes));
                }
                Err(_gone) => return,
            }
        }
        // One that is gone is told as closed.
        let _gone = net.finish(id);
    }

    /// Compares with what is expected.
    fn receive(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        while let Some(Step::Expect(expected)) = self.steps.front_mut() {
            let count = expected.len().min(left.len());
            let (now, later) = left.split_at(count);
            assert_eq!(
                expected[..count].escape_ascii().to_string(),
                now.escape_ascii().to_string(),
                "client {} expected the first and received the second",
                self.number
            );
            left = later;
            if count < expected.len() {
                bytes::Buf::advance(expected, count);
                break;
            }
            self.steps.pop_front();
        }
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received[self.number].extend_from_slice(bytes);
    }
}

impl Service for Scripted {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let after = START_NANOS + net.random() % SPREAD_NANOS;
        self.start = Some(net.set_timer(Duration::from_nanos(after)));
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Timer { timer } => {
                assert_eq!(self.start, Some(timer), "a client sets one timer");
                let server = address::endpoint(Address { host: SERVER, port: SERVER_PORT });
                // Without a free id there is no client.
                self.socket = net.connect(server, ConnectOptions::default().half_open(true)).ok();
                self.go_on(net);
            }
            Message::Data { bytes, .. } => {
                self.receive(&bytes);
                self.go_on(net);
            }
            Message::SendReady { .. } => self.go_on(net),
            Message::Eof { socket } => {
                // One that is gone is told as closed.
                let _gone = net.shutdown(socket);
            }
            Message::Close { reason, .. } => {
                let number = self.number;
                let is_done = self.steps.is_empty() || !self.is_calm;
                assert!(is_done, "client {number} closed ({reason}) with {:?}", self.steps);
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "scripted-client"
    }
}

#[cfg(test)]
mod tests {
    use tidelock_core::{Endpoint, ListenOptions};

    use super::*;

    /// Sends back what it receives, with one byte changed if it is told to.
    struct Parrot {
        is_wrong: bool,
    }

    impl Service for Parrot {
        fn on_start(&mut self, net: &mut Net<'_>) {
            let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
            net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
        }

        fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
            if let Message::Data { socket, bytes } = message {
                let mut answer = bytes.to_vec();
                answer[0] ^= u8::from(self.is_wrong);
                if net.send(socket, answer).is_err() {
                    // It does not read, or is gone; then there is nothing to close.
                    let _gone = net.close(socket);
                }
            }
        }
    }

    fn dialogue(is_wrong: bool) -> Dialogue {
        let services =
            move |_: &Options| -> Vec<Box<dyn Service>> { vec![Box::new(Parrot { is_wrong })] };
        let first = Client::default().write("abc").expect("abc").write("def").expect("def");
        let second = Client::default().write(vec![b'x'; 3000]).expect(vec![b'x'; 3000]);
        Dialogue::new("parrot", services).client(first).client(second)
    }

    #[test]
    fn every_client_receives_a_prefix_and_mostly_all_of_it() {
        let mut complete = 0;
        for seed in 0..100 {
            let run = dialogue(false).run(seed);
            if let Some(failure) = run.report.failure {
                panic!("seed {seed}: {failure}\n{}", failure.last_events.join("\n"));
            }
            assert!(b"abcdef".starts_with(&run.received[0]), "seed {seed}");
            complete += u32::from(run.received[0].len() == 6 && run.received[1].len() == 3000);
        }
        assert!(complete > 50, "only {complete} of 100 runs were complete");
    }

    #[test]
    fn a_seed_gives_the_same_run_twice() {
        for seed in 0..20 {
            let (first, second) = (dialogue(false).run(seed), dialogue(false).run(seed));
            assert_eq!(first.report.digest, second.report.digest, "seed {seed}");
            assert_eq!(first.received, second.received, "seed {seed}");
        }
    }

    #[test]
    fn a_wrong_answer_is_a_failure() {
        let wrong = dialogue(true);
        let calm = (0..100).find(|seed| Options::draw(*seed, "parrot").is_calm());
        let run = wrong.run(calm.expect("one in eight is"));
        let failure = run.report.failure.expect("the first byte is wrong");
        assert_eq!(failure.law, "no-panic");
        assert!(failure.detail.contains("expected"), "{failure}");
    }
}
