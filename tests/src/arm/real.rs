//! The real runtime on loopback, with peers that are plain sockets.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;
use tidelock_core::{Config, Descriptor, Endpoint, ExitReport, Service, ServiceId};
use tidelock_mio::{Handle, Runtime, ShutdownReport};

use super::{Arm, ArmKind};
use crate::driver::Ask;
use crate::scripted::{PeerRead, ScriptedBackend};

/// The real runtime on loopback.
pub struct RealArm {
    workers: usize,
    runtime: Option<Runtime>,
    handle: Handle,
    started: Instant,
    ending: Option<JoinHandle<ShutdownReport>>,
    listeners: Vec<(Endpoint, TcpListener)>,
    peers: Vec<Peer>,
    datagram_peers: Vec<(Endpoint, UdpSocket)>,
}

/// A plain socket that never blocks, and what it still wants to send.
struct Peer {
    /// `None` after a reset.
    socket: Option<Socket>,
    unsent: VecDeque<u8>,
    wants_finish: bool,
}

/// The receive buffer of a peer: small, so that floods need not be huge.
const PEER_RECEIVE_BUFFER_BYTES: usize = 64 << 10;

/// The time between two looks at real sockets.
const NAP: Duration = Duration::from_micros(200);

/// The time in which "everything that needs no time" happens on real sockets.
const SETTLE: Duration = Duration::from_millis(30);

impl RealArm {
    /// A running runtime.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn new(workers: usize, config: Config) -> Self {
        let runtime = Runtime::builder().config(config).workers(workers).build();
        let runtime = runtime.expect("the runtime starts");
        let handle = runtime.handle().clone();
        Self {
            workers,
            runtime: Some(runtime),
            handle,
            started: Instant::now(),
            ending: None,
            listeners: Vec::new(),
            peers: Vec::new(),
            datagram_peers: Vec::new(),
        }
    }

    fn add_peer(&mut self, socket: Socket) -> usize {
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        self.peers.push(Peer {
            socket: Some(socket),
            unsent: VecDeque::new(),
            wants_finish: false,
        });
        self.peers.len() - 1
    }

    fn push_peers(&mut self) {
        for peer in &mut self.peers {
            peer.push();
        }
    }
}

impl Peer {
    /// Sends what fits; then FIN, if that is wanted.
    fn push(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        while !self.unsent.is_empty() {
            match socket.write(self.unsent.make_contiguous()) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The other end has gone; a test that minds sees it when it reads.
                Err(_gone) => self.unsent.clear(),
            }
        }
        if std::mem::take(&mut self.wants_finish)
            && let Err(error) = socket.shutdown(Shutdown::Write)
        {
            assert_eq!(error.kind(), ErrorKind::NotConnected, "only a dead peer cannot finish");
        }
    }

    fn read(&mut self, size_max: usize) -> PeerRead {
        let Some(socket) = &mut self.socket else { return PeerRead::Reset };
        let mut bytes = vec![0; size_max];
        match socket.read(&mut bytes) {
            Ok(0) => PeerRead::Eof,
            Ok(count) => {
                bytes.truncate(count);
                PeerRead::Bytes(bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => PeerRead::Nothing,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => PeerRead::Reset,
            Err(error) => panic!("a peer's read: {error}"),
        }
    }
}

fn address(of: &Endpoint) -> SocketAddr {
    of.socket_addr().expect("these tests use IP addresses")
}

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

impl Arm for RealArm {
    fn kind(&self) -> ArmKind {
        ArmKind::Mio { workers: self.workers }
    }

    fn spawn(&mut self, service: Box<dyn Service>) -> ServiceId {
        self.handle.spawn(service).expect("a place for a service")
    }

    fn post(&mut self, to: ServiceId, ask: Ask) {
        self.handle.post(to, ask).expect("the service and the runtime live");
    }

    fn time(&self) -> Duration {
        self.started.elapsed()
    }

    fn advance(&mut self, limit: Duration) -> bool {
        self.push_peers();
        std::thread::sleep(NAP);
        self.time() < limit
    }

    fn settle(&mut self) {
        self.pass_time(SETTLE);
    }

    fn pass_time(&mut self, span: Duration) {
        let until = self.time() + span;
        while self.advance(until) {}
    }

    fn begin_exit(&mut self, within: Duration) {
        let runtime = self.runtime.take().expect("it is stopped once");
        self.ending = Some(std::thread::spawn(move || runtime.shutdown(within)));
    }

    fn exit_report(&mut self) -> Option<ExitReport> {
        if !self.ending.as_ref().expect("the exit has begun").is_finished() {
            return None;
        }
        let ending = self.ending.take().expect("checked above");
        let report = ending.join().expect("the runtime ends without a panic");
        assert!(report.is_complete && report.inside.is_empty(), "{report:?}");
        Some(report.exit)
    }

    fn flood_bytes(&self) -> usize {
        // The system takes up to 4 MiB in its send buffer.
        6 << 20
    }

    fn nobody(&mut self) -> Endpoint {
        let listener = TcpListener::bind(SocketAddr::from(LOOPBACK)).expect("a free port");
        Endpoint::from(listener.local_addr().expect("a bound socket has an address"))
    }

    fn peer_listen(&mut self) -> Endpoint {
        let listener = TcpListener::bind(SocketAddr::from(LOOPBACK)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        socket2::SockRef::from(&listener)
            .set_recv_buffer_size(PEER_RECEIVE_BUFFER_BYTES)
            .expect("a buffer size");
        let at = Endpoint::from(listener.local_addr().expect("a bound socket has an address"));
        self.listeners.push((at.clone(), listener));
        at
    }

    fn peer_accept(&mut self, at: &Endpoint) -> Option<usize> {
        let (_, listener) = self.listeners.iter().find(|(local, _)| local == at)?;
        match listener.accept() {
            Ok((stream, _)) => Some(self.add_peer(stream.into())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("a peer's accept: {error}"),
        }
    }

    fn peer_connect(&mut self, to: &Endpoint) -> usize {
        let stream = TcpStream::connect(address(to)).expect("the runtime listens there");
        let socket = Socket::from(stream);
        socket.set_recv_buffer_size(PEER_RECEIVE_BUFFER_BYTES).expect("a buffer size");
        self.add_peer(socket)
    }

    fn peer_send(&mut self, peer: usize, bytes: &[u8]) {
        let peer = &mut self.peers[peer];
        assert!(!peer.wants_finish, "a peer sends nothing after its FIN");
        peer.unsent.extend(bytes);
        peer.push();
    }

    fn peer_read(&mut self, peer: usize, size_max: usize) -> PeerRead {
        self.push_peers();
        self.peers[peer].read(size_max)
    }

    fn peer_finish(&mut self, peer: usize) {
        self.peers[peer].wants_finish = true;
        self.peers[peer].push();
    }

    fn peer_reset(&mut self, peer: usize) {
        let socket = self.peers[peer].socket.take().expect("a peer is reset once");
        socket.set_linger(Some(Duration::ZERO)).expect("a stream has a linger time");
    }

    fn peer_open_datagram(&mut self) -> Endpoint {
        let socket = UdpSocket::bind(SocketAddr::from(LOOPBACK)).expect("a free port");
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        let at = Endpoint::from(socket.local_addr().expect("a bound socket has an address"));
        self.datagram_peers.push((at.clone(), socket));
        at
    }

    fn peer_datagram(&mut self, from: &Endpoint, to: &Endpoint, payload: &[u8]) {
        let (_, socket) =
            self.datagram_peers.iter().find(|(at, _)| at == from).expect("the peer is open");
        let count = socket.send_to(payload, address(to)).expect("loopback takes a datagram");
        assert_eq!(count, payload.len(), "a datagram is sent whole");
    }

    fn peer_receive(&mut self, at: &Endpoint) -> Option<(Endpoint, Vec<u8>)> {
        let (_, socket) =
            self.datagram_peers.iter().find(|(local, _)| local == at).expect("the peer is open");
        let mut payload = vec![0; 65_536];
        match socket.recv_from(&mut payload) {
            Ok((count, from)) => {
                payload.truncate(count);
                Some((Endpoint::from(from), payload))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("a peer's receive: {error}"),
        }
    }

    fn adoptable(&mut self) -> (Descriptor, usize) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let peer = self.add_peer(theirs.into());
        (Box::new(OwnedFd::from(ours)), peer)
    }

    fn kernel(&mut self) -> Option<&mut ScriptedBackend> {
        None
    }
}
