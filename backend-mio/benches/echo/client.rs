//! The load: 64 B there and back on each of many connections, from one thread.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// The length of a message.
const MESSAGE_BYTES: usize = 64;

/// A load that runs.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    messages: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    /// Connects, and begins.
    pub(crate) fn start(to: SocketAddr, connections: usize) -> Self {
        let poll = Poll::new().expect("a poller");
        let streams = (0..connections)
            .map(|index| {
                let stream = std::net::TcpStream::connect(to).expect("the server accepts");
                stream.set_nodelay(true).expect("a stream has the option");
                stream.set_nonblocking(true).expect("a stream has the mode");
                let mut stream = TcpStream::from_std(stream);
                let token = Token(index);
                poll.registry().register(&mut stream, token, Interest::READABLE).expect("new");
                stream
            })
            .collect();
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || run(poll, streams, &own));
        Self { shared, thread }
    }

    /// How many messages came back so far.
    pub(crate) fn messages(&self) -> u64 {
        self.shared.messages.load(Ordering::Relaxed)
    }

    /// Closes all connections.
    pub(crate) fn stop(self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load ends in peace");
    }
}

fn run(mut poll: Poll, mut streams: Vec<TcpStream>, shared: &Shared) {
    let message = [7; MESSAGE_BYTES];
    for stream in &mut streams {
        stream.write_all(&message).expect("an empty socket takes it");
    }
    let mut events = Events::with_capacity(1024);
    let mut got = vec![0; streams.len()];
    let mut buffer = [0; MESSAGE_BYTES];
    while !shared.is_over.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(100))).expect("no signal comes");
        for event in &events {
            let Token(index) = event.token();
            let (stream, got) = (&mut streams[index], &mut got[index]);
            match stream.read(&mut buffer[*got..]) {
                Ok(0) => panic!("the server hung up"),
                Ok(count) => *got += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => panic!("{error}"),
            }
            // At ping-pong an echo is alone on its way, and comes in one piece almost always; the
            // rest of one that does not has an event of its own.
            if *got == MESSAGE_BYTES {
                *got = 0;
                shared.messages.fetch_add(1, Ordering::Relaxed);
                stream.write_all(&message).expect("an empty socket takes it");
            }
        }
    }
}
