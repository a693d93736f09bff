//! The load: many connections from one thread, for as long as it is wanted.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

/// The shape of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Messages there and back.
    Echo { connections: usize, message_bytes: usize, in_flight: usize },
    /// Connect, one message of 64 B there and back, close.
    Churn { at_a_time: usize },
    /// One way, in writes of 64 KiB; what is counted are bytes.
    Bulk,
}

/// A load that runs.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    done: AtomicU64,
    is_over: AtomicBool,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn add(&self, count: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Load {
    /// Connects, and begins.
    pub(crate) fn start(to: SocketAddr, shape: Shape) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let run: Box<dyn FnOnce() + Send> = match shape {
            Shape::Echo { connections, message_bytes, in_flight } => {
                let load = Echo::new(to, connections, message_bytes, in_flight, own);
                Box::new(move || load.run())
            }
            Shape::Churn { at_a_time } => {
                let load = Echo::new(to, at_a_time, 64, 1, own).churning(to);
                Box::new(move || load.run())
            }
            Shape::Bulk => Box::new(move || bulk(to, &own)),
        };
        let thread = thread::Builder::new().name("load".into()).spawn(run);
        Self { shared, thread: thread.expect("a thread starts") }
    }

    /// Returns the amount that was done so far.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Closes all connections.
    pub(crate) fn stop(self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load ends in peace");
    }
}

/// A connection that does not block. Each index has a source address of its own, so that those
/// that were closed lately do not use up the ports.
fn connect(to: SocketAddr, index: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source = IpAddr::from(Ipv4Addr::new(127, 0, 1, 1 + (index % 64) as u8));
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("a port is free");
    socket.connect(&to.into()).expect("the server accepts");
    socket.set_tcp_nodelay(true).expect("a stream has the option");
    socket.set_nonblocking(true).expect("a stream has the mode");
    TcpStream::from_std(socket.into())
}

/// Echoes on many connections.
struct Echo {
    poll: Poll,
    clients: Vec<Client>,
    message: Vec<u8>,
    /// The bytes that each client keeps on their way.
    window_bytes: usize,
    /// Where to, if each connection serves one message only.
    renew: Option<SocketAddr>,
    shared: Arc<Shared>,
}

struct Client {
    stream: TcpStream,
    /// Of what came back, the part that is no whole message yet.
    got_bytes: usize,
    /// The bytes that are to be written as soon as there is room.
    unsent_bytes: usize,
}

impl Echo {
    fn new(
        to: SocketAddr,
        connections: usize,
        message_bytes: usize,
        in_flight: usize,
        shared: Arc<Shared>,
    ) -> Self {
        let poll = Poll::new().expect("a poller");
        let window_bytes = message_bytes * in_flight;
        let clients = (0..connections).map(|index| {
            let mut stream = connect(to, index);
            register(&poll, &mut stream, index);
            Client { stream, got_bytes: 0, unsent_bytes: window_bytes }
        });
        let clients = clients.collect();
        let message = vec![7; message_bytes];
        Self { poll, clients, message, window_bytes, renew: None, shared }
    }

    fn churning(self, to: SocketAddr) -> Self {
        Self { renew: Some(to), ..self }
    }

    fn run(mut self) {
        let window = self.message.repeat(self.window_bytes / self.message.len());
        for client in &mut self.clients {
            client.write(&window);
        }
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; self.window_bytes];
        while !self.shared.is_over() {
            self.poll.poll(&mut events, Some(Duration::from_millis(100))).expect("no signal comes");
            for event in &events {
                let Token(index) = event.token();
                self.serve(index, &window, &mut buffer);
            }
        }
    }

    fn serve(&mut self, index: usize, window: &[u8], buffer: &mut [u8]) {
        let client = &mut self.clients[index];
        client.write(window);
        let count = match client.stream.read(buffer) {
            Ok(0) => panic!("the server hung up"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        };
        // What is left of a window has an event of its own when it comes.
        client.got_bytes += count;
        let whole = client.got_bytes / self.message.len();
        client.got_bytes %= self.message.len();
        if whole == 0 {
            return;
        }
        self.shared.add(whole);
        if let Some(to) = self.renew {
            let mut stream = connect(to, index);
            register(&self.poll, &mut stream, index);
            *client = Client { stream, got_bytes: 0, unsent_bytes: self.window_bytes };
        } else {
            client.unsent_bytes += whole * self.message.len();
        }
        client.write(window);
    }
}

impl Client {
    fn write(&mut self, window: &[u8]) {
        while self.unsent_bytes > 0 {
            match self.stream.write(&window[..self.unsent_bytes]) {
                Ok(count) => self.unsent_bytes -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn register(poll: &Poll, stream: &mut TcpStream, index: usize) {
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(stream, Token(index), both).expect("it is new");
}

fn bulk(to: SocketAddr, shared: &Shared) {
    let mut stream = std::net::TcpStream::connect(to).expect("the server accepts");
    let bytes = vec![7; 64 << 10];
    while !shared.is_over() {
        let count = stream.write(&bytes).expect("the server takes it");
        shared.add(count);
    }
}
