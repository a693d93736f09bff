//! The Mux and the dispatcher over the simulated kernel, with peers that are raw ends of it.

use std::collections::VecDeque;
use std::time::Duration;

use tidelock_core::{
    Bytes, Command, Config, Descriptor, Dispatcher, Endpoint, ExitReport, Instant, KeepCommands,
    Mux, Progress, Service, ServiceId, SocketState,
};
use tidelock_net::chance::choices::Seed;
use tidelock_net::chance::noise::Noise;
use tidelock_net::system::kernel::{Address, Errno, Kernel, Os, Readiness, Settings};
use tidelock_sim::address::{address, endpoint};
use tidelock_sim::internal::Shared;
use tidelock_sim::internal::host::Io;
use tidelock_sim::internal::host::{Fetched, fetch, hand_over};
use tidelock_sim::internal::host::{Resolving, SimBackend};
use tidelock_sim::internal::judge::Digest;
use tidelock_sim::internal::judge::Oracle;
use tidelock_sim::internal::judge::Tracer;
use tidelock_sim::internal::judge::coverage::Coverage;
use tidelock_sim::internal::limits;
use tidelock_sim::run::Trace;
use tidelock_sim::scenario::Behaviour;
use tidelock_sim::swarm::Options;

use super::{Arm, ArmKind};
use crate::driver::Ask;
use crate::scripted::{PeerRead, ScriptedBackend};

/// One host of the simulated network, stepped by hand, and the ends of another host as peers.
///
/// Every decision is benign and nothing is noisy. The simulator's judge looks at operations that a
/// plan names; here there is no plan, and the bodies judge.
pub struct SimulatedArm {
    readiness: Readiness,
    shared: Shared<Seed>,
    mux: Mux,
    dispatcher: Dispatcher,
    io: Io,
    resolving: Vec<Resolving>,
    fetched: VecDeque<Fetched>,
    commands: Vec<Command>,
    is_over: bool,
    peers: Vec<Peer>,
    /// The addresses at which peers listen, for streams and datagrams, with their descriptors.
    listeners: Vec<(Endpoint, u32)>,
    datagram_peers: Vec<(Endpoint, u32)>,
}

/// One end of the other host, and what it still wants to send.
struct Peer {
    /// `None` after a reset.
    socket: Option<u32>,
    unsent: Bytes,
    wants_finish: bool,
}

/// The host with the Mux.
const HOST: u16 = 0;
/// The host of all peers.
const PEERS: u16 = 1;
/// The token of all descriptors of peers; nobody polls for them.
const PEER_TOKEN: u64 = 0;
/// Small, so that floods need not be huge.
const BUFFER_BYTES: u64 = 64 << 10;
/// An event within this time needs no time: packets take a nanosecond.
const NEAR_NANOS: u64 = 1_000;
/// More steps than this without a pause mean that something spins.
const STEPS_MAX: usize = 1_000_000;

impl SimulatedArm {
    /// An empty runtime on a kernel that tells its host in this way.
    ///
    /// # Panics
    /// If the configuration contradicts itself.
    pub fn new(readiness: Readiness, config: Config) -> Self {
        let settings = Settings {
            send_buffer_bytes: BUFFER_BYTES,
            receive_buffer_bytes: BUFFER_BYTES,
            batch_max: 64,
            delay_nanos_max: 1,
            os: Os::Linux,
        };
        let choices = Seed::new(0, "conformance", &[]);
        let mut kernel = Kernel::new(choices, Noise::new(0), settings);
        assert_eq!(kernel.add_host("host", readiness), HOST);
        assert_eq!(kernel.add_host("peers", Readiness::Linux), PEERS);
        let limits = limits(&Options::default());
        let mux = Mux::new(config).expect("the test's limits do not contradict");
        let dispatcher = Dispatcher::new(mux.directory().clone(), 1);
        Self {
            readiness,
            shared: Shared {
                kernel,
                oracle: Oracle::new(2, 0, Some(Behaviour::Echo), limits),
                digest: Digest::default(),
                tracer: Tracer::new(Trace::Off),
                coverage: Coverage::default(),
                outcome: 0,
                story: 0,
                is_paranoid: true,
            },
            mux,
            dispatcher,
            io: Io::default(),
            resolving: Vec::new(),
            fetched: VecDeque::new(),
            commands: Vec::new(),
            is_over: false,
            peers: Vec::new(),
            listeners: Vec::new(),
            datagram_peers: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.shared.kernel.now)
    }

    /// One round of the host's loop, as [`tidelock_sim::host::Host`] goes it. Answers whether it
    /// did anything, or there is more to do, without time passing.
    fn step(&mut self) -> bool {
        self.push_peers();
        let now = self.now();
        let mut polled = Vec::new();
        self.shared.kernel.poll(HOST, &mut polled);
        for one in polled {
            let fetched = fetch(&mut self.io, &mut self.shared, HOST, one);
            self.fetched.push_back(fetched);
        }
        while let Some(at) = self.resolving.iter().position(|one| one.at_nanos <= now.as_nanos()) {
            let Resolving { id, result, .. } = self.resolving.remove(at);
            self.fetched.push_back((None, tidelock_core::Event::Resolved { id, result }));
        }
        let mut did_something = !self.fetched.is_empty() || !self.commands.is_empty();
        for fetched in std::mem::take(&mut self.fetched) {
            let is_closing = self.mux.state(fetched.1.socket()) == Some(SocketState::Closing);
            hand_over(&mut self.io, &mut self.shared, HOST, &fetched, is_closing);
            self.mux.handle_event(fetched.1, now);
        }
        let per_turn = self.mux.directory().config().commands_per_turn as usize;
        let share = self.commands.len().min(per_turn);
        for command in self.commands.drain(..share) {
            self.mux.handle_command(command, now);
        }
        let progress = self.turn(now);
        while let Some(delivery) = self.mux.poll_delivery() {
            self.dispatcher.deliver(delivery);
        }
        self.check_no_lost_edge(progress);
        if let Some(mut batch) = self.dispatcher.take() {
            did_something = true;
            let directory = self.mux.directory().clone();
            let mut commands = Vec::new();
            batch.run(&directory, now, &mut commands, &mut KeepCommands);
            self.commands.append(&mut commands);
            self.dispatcher.give_back(batch);
        }
        did_something
            || progress == Progress::More
            || !self.commands.is_empty()
            || self.shared.kernel.has_events(HOST)
            || !self.dispatcher.is_idle()
    }

    fn turn(&mut self, now: Instant) -> Progress {
        let mut backend = SimBackend {
            host: HOST,
            shared: &mut self.shared,
            io: &mut self.io,
            is_inline: false,
            resolving: &mut self.resolving,
        };
        let progress = self.mux.turn(&mut backend, now);
        self.mux.check_invariants();
        self.is_over |= progress == Progress::Exit;
        progress
    }

    /// When the Mux is idle and no event is owed, nothing that it wishes could be done.
    fn check_no_lost_edge(&self, progress: Progress) {
        let kernel = &self.shared.kernel;
        if progress != Progress::Idle || kernel.has_events(HOST) {
            return;
        }
        for (id, wish) in self.mux.wishes() {
            let Some(socket) = self.io.socket(id) else { continue };
            if kernel.is_owed(socket) {
                continue;
            }
            let bits = kernel.bits(socket);
            assert!(!(wish.input && bits.readable), "lost edge: {id} could read, {wish:?}");
            assert!(!(wish.output && bits.writable), "lost edge: {id} could write, {wish:?}");
        }
    }

    /// When something happens by itself.
    fn next_nanos(&self) -> Option<u64> {
        let network = self.shared.kernel.schedule.next_nanos();
        let name = self.resolving.iter().map(|one| one.at_nanos).min();
        // A deadline that is due and stays due would let time stand still.
        let now = self.shared.kernel.now;
        let timer = self.mux.next_deadline().map(|at| at.as_nanos().max(now + 1));
        network.into_iter().chain(name).chain(timer).min()
    }

    /// Time goes on to `nanos`, and the network does what is due.
    fn go_on(&mut self, nanos: u64) {
        let kernel = &mut self.shared.kernel;
        kernel.now = kernel.now.max(nanos);
        while kernel.schedule.next_nanos().is_some_and(|at| at <= kernel.now) {
            let (_, what) = kernel.schedule.pop().expect("`next_nanos` saw it");
            assert!(kernel.handle(what), "only the kernel schedules here: {what:?}");
        }
        // Whoever is woken is stepped anyway.
        kernel.woken.clear();
    }

    /// The network alone does what is near.
    fn carry(&mut self) {
        let limit = self.shared.kernel.now + NEAR_NANOS;
        while let Some(at) = self.shared.kernel.schedule.next_nanos().filter(|at| *at <= limit) {
            self.go_on(at);
        }
    }

    fn add_peer(&mut self, socket: u32) -> usize {
        self.peers.push(Peer { socket: Some(socket), unsent: Bytes::new(), wants_finish: false });
        self.peers.len() - 1
    }

    fn push_peers(&mut self) {
        for peer in &mut self.peers {
            peer.push(&mut self.shared.kernel);
        }
    }
}

impl Peer {
    /// Sends what fits; then FIN, if that is wanted.
    fn push(&mut self, kernel: &mut Kernel<Seed>) {
        let Some(socket) = self.socket else { return };
        while !self.unsent.is_empty() {
            match kernel.grant(socket, self.unsent.len()) {
                Ok(count) => {
                    kernel.append(socket, self.unsent.split_to(count));
                    kernel.push(socket);
                }
                Err(Errno::WouldBlock) => return,
                // The other end has gone; a test that minds sees it when it reads.
                Err(_gone) => self.unsent.clear(),
            }
        }
        if std::mem::take(&mut self.wants_finish)
            && let Err(error) = kernel.shutdown_write(socket)
        {
            assert_eq!(error, Errno::NotConnected, "only a dead peer cannot finish");
        }
    }
}

impl Arm for SimulatedArm {
    fn kind(&self) -> ArmKind {
        ArmKind::Simulated(self.readiness)
    }

    fn spawn(&mut self, service: Box<dyn Service>) -> ServiceId {
        let id = self.mux.directory().take_service().expect("a place for a service");
        self.commands.push(Command::Spawn { id, service });
        id
    }

    fn post(&mut self, to: ServiceId, ask: Ask) {
        self.commands.push(Command::Post { to, from: None, value: Box::new(ask) });
    }

    fn time(&self) -> Duration {
        Duration::from_nanos(self.shared.kernel.now)
    }

    fn advance(&mut self, limit: Duration) -> bool {
        if self.step() {
            return true;
        }
        match self.next_nanos() {
            Some(at) if u128::from(at) <= limit.as_nanos() => {
                self.go_on(at);
                self.step();
                true
            }
            _ => false,
        }
    }

    fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.step() {
                continue;
            }
            let limit = self.shared.kernel.now + NEAR_NANOS;
            match self.shared.kernel.schedule.next_nanos().filter(|at| *at <= limit) {
                Some(at) => self.go_on(at),
                None => return,
            }
        }
        panic!("the world never comes to rest");
    }

    fn pass_time(&mut self, span: Duration) {
        let span = u64::try_from(span.as_nanos()).expect("tests wait for seconds");
        let until = self.shared.kernel.now + span;
        self.settle();
        while let Some(at) = self.next_nanos().filter(|at| *at <= until) {
            self.go_on(at);
            self.settle();
        }
        self.go_on(until);
        self.settle();
    }

    fn begin_exit(&mut self, within: Duration) {
        self.commands.push(Command::Exit { within });
    }

    fn exit_report(&mut self) -> Option<ExitReport> {
        if !self.is_over {
            return None;
        }
        self.settle();
        assert_eq!(self.mux.directory().sockets_used(), 0, "ids are left after the exit");
        assert_eq!(self.mux.directory().total_charged_bytes(), 0, "charges are left");
        assert_eq!(self.shared.kernel.descriptors(HOST), 0, "descriptors are left after the exit");
        assert_eq!(self.mux.next_deadline(), None, "a timer is left after the exit");
        for end in 0..self.shared.kernel.ends() {
            self.shared.kernel.pipe(end).check_invariants();
        }
        Some(self.mux.exit_report().clone())
    }

    fn flood_bytes(&self) -> usize {
        // Both buffers, and as much again.
        4 * BUFFER_BYTES as usize
    }

    fn nobody(&mut self) -> Endpoint {
        endpoint(Address { host: PEERS, port: 9 })
    }

    fn peer_listen(&mut self) -> Endpoint {
        let listened = self.shared.kernel.listen(PEERS, PEER_TOKEN, 0, 128, &|| "peer".to_owned());
        let (socket, at) = listened.expect("the system chooses a free port");
        self.listeners.push((endpoint(at), socket));
        endpoint(at)
    }

    fn peer_accept(&mut self, at: &Endpoint) -> Option<usize> {
        let (_, listener) = self.listeners.iter().find(|(local, _)| local == at)?;
        match self.shared.kernel.accept(*listener, PEER_TOKEN) {
            Ok((socket, ..)) => Some(self.add_peer(socket)),
            Err(Errno::WouldBlock) => None,
            Err(error) => panic!("a peer's accept: {error:?}"),
        }
    }

    fn peer_connect(&mut self, to: &Endpoint) -> usize {
        let to = address(to, PEERS).expect("an address of the simulated network");
        let connected = self.shared.kernel.connect(PEERS, PEER_TOKEN, to, &|| "peer".to_owned());
        let socket = connected.expect("the hosts are connected");
        let end = self.shared.kernel.end_of(socket);
        self.shared.oracle.connection_began(end / 2, None);
        self.carry();
        self.add_peer(socket)
    }

    fn peer_send(&mut self, peer: usize, bytes: &[u8]) {
        let peer = &mut self.peers[peer];
        assert!(!peer.wants_finish, "a peer sends nothing after its FIN");
        peer.unsent = Bytes::from([&peer.unsent[..], bytes].concat());
        peer.push(&mut self.shared.kernel);
        self.carry();
    }

    fn peer_read(&mut self, peer: usize, size_max: usize) -> PeerRead {
        self.push_peers();
        let Some(socket) = self.peers[peer].socket else { return PeerRead::Reset };
        match self.shared.kernel.read(socket, size_max) {
            Ok(bytes) if bytes.is_empty() => PeerRead::Eof,
            Ok(bytes) => PeerRead::Bytes(bytes.to_vec()),
            // A connect whose answer is under way.
            Err(Errno::WouldBlock | Errno::NotConnected) => PeerRead::Nothing,
            Err(Errno::ConnectionReset) => PeerRead::Reset,
            Err(error) => panic!("a peer's read: {error:?}"),
        }
    }

    fn peer_finish(&mut self, peer: usize) {
        self.peers[peer].wants_finish = true;
        self.peers[peer].push(&mut self.shared.kernel);
        self.carry();
    }

    fn peer_reset(&mut self, peer: usize) {
        let socket = self.peers[peer].socket.take().expect("a peer is reset once");
        let is_later = self.shared.kernel.close(socket, true);
        assert!(!is_later, "a peer asks for no completion");
        self.carry();
    }

    fn peer_open_datagram(&mut self) -> Endpoint {
        let opened = self.shared.kernel.open_datagram(PEERS, PEER_TOKEN, 0, &|| "peer".to_owned());
        let (socket, at) = opened.expect("the system chooses a free port");
        self.datagram_peers.push((endpoint(at), socket));
        endpoint(at)
    }

    fn peer_datagram(&mut self, from: &Endpoint, to: &Endpoint, payload: &[u8]) {
        let (_, socket) =
            self.datagram_peers.iter().find(|(at, _)| at == from).expect("the peer is open");
        let to = address(to, PEERS).expect("an address of the simulated network");
        let payload = Bytes::copy_from_slice(payload);
        let sent = self.shared.kernel.send_to(*socket, Some(to), payload);
        sent.expect("a benign network takes a datagram");
        self.carry();
    }

    fn peer_receive(&mut self, at: &Endpoint) -> Option<(Endpoint, Vec<u8>)> {
        let (_, socket) =
            self.datagram_peers.iter().find(|(local, _)| local == at).expect("the peer is open");
        match self.shared.kernel.receive_from(*socket, 65_536) {
            Ok((from, payload)) => Some((endpoint(from), payload.to_vec())),
            Err(Errno::WouldBlock) => None,
            Err(error) => panic!("a peer's receive: {error:?}"),
        }
    }

    fn adoptable(&mut self) -> (Descriptor, usize) {
        panic!("the simulated network has nothing that could be adopted");
    }

    fn kernel(&mut self) -> Option<&mut ScriptedBackend> {
        None
    }
}
