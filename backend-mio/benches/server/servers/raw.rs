//! mio by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::{Running, Work};

/// The name of its thread.
pub(super) const THREAD: &str = "raw-mio";

const LISTENER: Token = Token(usize::MAX - 1);
const STOP: Token = Token(usize::MAX);

/// A server as one writes it by hand for this protocol alone: no limit, no timer, no owner.
pub(super) fn start(work: Work) -> Running {
    let poll = Poll::new().expect("a poller");
    let waker = Arc::new(Waker::new(poll.registry(), STOP).expect("a waker"));
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = TcpListener::bind(at).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("it is new");
    let buffer_bytes = match work {
        Work::Echo => 64 << 10,
        Work::Sink => 1 << 20,
        other => panic!("{other:?} is not compared with a server by hand"),
    };
    let connections = Connections { all: Vec::new(), free: Vec::new(), work };
    let builder = thread::Builder::new().name(THREAD.into());
    // A waker that is dropped wakes nobody any more.
    let own = Arc::clone(&waker);
    let thread = builder.spawn(move || {
        serve(poll, &listener, connections, buffer_bytes);
        drop(own);
    });
    let stop = Box::new(move || waker.wake().expect("the server can be woken"));
    Running { address, stop, thread: thread.expect("a thread starts") }
}

struct Connections {
    all: Vec<Option<Connection>>,
    free: Vec<usize>,
    work: Work,
}

struct Connection {
    stream: TcpStream,
    /// The bytes that a full socket did not take.
    unsent: Vec<u8>,
}

fn serve(
    mut poll: Poll,
    listener: &TcpListener,
    mut connections: Connections,
    buffer_bytes: usize,
) {
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; buffer_bytes];
    loop {
        poll.poll(&mut events, None).expect("no signal comes");
        for event in &events {
            match event.token() {
                STOP => return,
                LISTENER => connections.accept(&poll, listener),
                Token(index) => {
                    let Some(connection) = &mut connections.all[index] else { continue };
                    let goes_on = connection.flush()
                        && connection.read(connections.work, &mut buffer, event.is_read_closed());
                    if !goes_on {
                        connections.all[index] = None;
                        connections.free.push(index);
                    }
                }
            }
        }
    }
}

impl Connections {
    fn accept(&mut self, poll: &Poll, listener: &TcpListener) {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true).expect("a stream has the option");
            let index = self.free.pop().unwrap_or_else(|| {
                self.all.push(None);
                self.all.len() - 1
            });
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), both).expect("it is new");
            self.all[index] = Some(Connection { stream, unsent: Vec::new() });
        }
    }
}

impl Connection {
    /// Returns `true` if it goes on. A short read means that nothing is left, as long as the peer
    /// goes on.
    fn read(&mut self, work: Work, buffer: &mut [u8], is_read_closed: bool) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    if work == Work::Echo && !self.send(&buffer[..count]) {
                        return false;
                    }
                    if count < buffer.len() && !is_read_closed {
                        return true;
                    }
                }
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return true;
        }
        match self.stream.write(bytes) {
            Ok(count) => self.unsent.extend_from_slice(&bytes[count..]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.unsent.extend_from_slice(bytes);
            }
            Err(_) => return false,
        }
        true
    }

    fn flush(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}
