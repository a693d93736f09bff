//! Echo servers of the same protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use tidelock_core::{Config, ListenOptions, Message, Net, Service};
use tidelock_mio::Runtime;

/// The name of the thread of the server by hand.
pub(crate) const RAW_THREAD: &str = "raw-mio";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// mio by hand: what there is to reach.
    Raw,
    /// The service on the network thread.
    Inline,
    /// The service on worker threads.
    Workers,
    /// The same, with `Config::direct_write`.
    Direct,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Raw, Kind::Inline, Kind::Workers, Kind::Direct];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Raw => "raw-mio",
            Kind::Inline => "inline",
            Kind::Workers => "workers",
            Kind::Direct => "workers-direct",
        }
    }

    /// What its CPU per message may be, relative to the server by hand.
    pub(crate) fn cpu_ratio_max(self, connections: usize) -> Option<f64> {
        match self {
            Kind::Raw => None,
            // The target is 1.05, and noise takes up to 4 %.
            Kind::Inline => Some(1.10),
            Kind::Workers | Kind::Direct if connections == 1 => Some(1.5),
            Kind::Workers | Kind::Direct => Some(1.15),
        }
    }
}

/// A server that runs.
pub(crate) enum Server {
    Raw(Raw),
    Tidelock(Runtime, SocketAddr),
}

impl Server {
    pub(crate) fn start(kind: Kind) -> Self {
        let (workers, direct_write) = match kind {
            Kind::Raw => return Server::Raw(Raw::start()),
            Kind::Inline => (0, false),
            Kind::Workers => (2, false),
            Kind::Direct => (2, true),
        };
        let config = Config { direct_write, ..Config::default() };
        let builder = Runtime::builder().workers(workers).config(config);
        let runtime = builder.build().expect("a runtime starts");
        let echo = runtime.handle().spawn(Box::new(Echo)).expect("a service begins");
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ListenOptions::default().auto_start(true);
        let (_, local) = runtime.handle().listen(echo, at, options).expect("a port is free");
        Server::Tidelock(runtime, local.socket_addr().expect("an address of the loopback"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Server::Raw(raw) => raw.address,
            Server::Tidelock(_, address) => *address,
        }
    }

    /// How often a worker wrote a socket itself.
    pub(crate) fn direct_writes(&self) -> u64 {
        match self {
            Server::Raw(_) => 0,
            Server::Tidelock(runtime, _) => runtime.handle().stats().direct_writes.writes,
        }
    }

    pub(crate) fn stop(self) {
        match self {
            Server::Raw(raw) => raw.stop(),
            Server::Tidelock(runtime, _) => {
                let report = runtime.shutdown(Duration::from_secs(5));
                assert!(report.is_complete, "{report:?}");
            }
        }
    }
}

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Data { socket, bytes } = message {
            // The load ends with connections that are closed under an echo.
            net.send(socket, bytes).ok();
        }
    }
}

/// A server as one writes it by hand for this protocol alone: no queue, no limit, no timer; it
/// stops where a write would block, which never happens at ping-pong.
pub(crate) struct Raw {
    address: SocketAddr,
    waker: Arc<Waker>,
    thread: JoinHandle<()>,
}

const LISTENER: Token = Token(usize::MAX - 1);
const STOP: Token = Token(usize::MAX);

impl Raw {
    fn start() -> Self {
        let poll = Poll::new().expect("a poller");
        let waker = Arc::new(Waker::new(poll.registry(), STOP).expect("a waker"));
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listener = TcpListener::bind(at).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("it is new");
        let builder = thread::Builder::new().name(RAW_THREAD.into());
        let thread = builder.spawn(move || serve(poll, &listener)).expect("a thread starts");
        Self { address, waker, thread }
    }

    fn stop(self) {
        self.waker.wake().expect("the server can be woken");
        self.thread.join().expect("the server ends in peace");
    }
}

fn serve(mut poll: Poll, listener: &TcpListener) {
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None).expect("no signal comes");
        for event in &events {
            match event.token() {
                STOP => return,
                LISTENER => accept(&poll, listener, &mut streams),
                Token(index) => {
                    let is_open = match &mut streams[index] {
                        Some(stream) => echo(stream, &mut buffer, event.is_read_closed()),
                        None => continue,
                    };
                    if !is_open {
                        streams[index] = None;
                    }
                }
            }
        }
    }
}

fn accept(poll: &Poll, listener: &TcpListener, streams: &mut Vec<Option<TcpStream>>) {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true).expect("a stream has the option");
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(streams.len()), both).expect("it is new");
        streams.push(Some(stream));
    }
}

/// Whether it goes on. A short read means that nothing is left, as long as the peer goes on.
fn echo(stream: &mut TcpStream, buffer: &mut [u8], is_read_closed: bool) -> bool {
    loop {
        match stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => {
                stream.write_all(&buffer[..count]).expect("ping-pong fills no buffer");
                if count < buffer.len() && !is_read_closed {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
}
