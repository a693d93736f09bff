//! Shared parts of the tests: a time limit for each, a service that reports its messages, and
//! clients over plain sockets.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{SocketAddr, TcpStream};
use std::process::abort;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tidelock_core::{Config, Endpoint, ListenOptions, Message, Net, Service, ServiceId, SocketId};
use tidelock_mio::Runtime;

/// The longest that a test waits for one thing.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
/// The longest that a whole test may take. Under ThreadSanitizer some take more than a minute.
const WHOLE_BOUND: Duration = Duration::from_secs(180);

/// Runs a test. If it hangs, the process aborts with its name, instead of hanging the suite.
pub(crate) fn bounded<T>(name: &'static str, test: impl FnOnce() -> T) -> T {
    let (done, ended) = channel::<()>();
    thread::spawn(move || {
        if ended.recv_timeout(WHOLE_BOUND) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} did not end within {WHOLE_BOUND:?}");
            abort();
        }
    });
    let result = test();
    drop(done);
    result
}

/// Repeats `check` until it returns `true`; panics with `what` after [`BOUND`].
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < BOUND, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An action for a [`Puppet`] to perform inside its service.
pub(crate) type Order = Box<dyn FnOnce(&mut Net<'_>) + Send>;

/// A service that performs the orders posted to it, and reports its other messages.
pub(crate) struct Puppet {
    told: Sender<Message>,
    react: Option<React>,
}

/// The reaction of a puppet to each message, before it reports it.
pub(crate) type React = Box<dyn FnMut(&mut Net<'_>, &Message) + Send>;

impl Service for Puppet {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Some(react) = &mut self.react {
            react(net, &message);
        }
        match message {
            Message::Posted { from: None, value } => match value.downcast::<Order>() {
                Ok(order) => order(net),
                Err(_) => panic!("a puppet takes orders only"),
            },
            // At the end of a test the receiver is gone.
            other => drop(self.told.send(other)),
        }
    }

    fn name(&self) -> &'static str {
        "puppet"
    }
}

/// The test's end of a [`Puppet`].
pub(crate) struct Strings {
    pub(crate) service: ServiceId,
    pub(crate) messages: Receiver<Message>,
    handle: tidelock_mio::Handle,
}

impl Strings {
    pub(crate) fn spawn(runtime: &Runtime) -> Self {
        Self::spawn_with(runtime, None)
    }

    pub(crate) fn spawn_reacting(
        runtime: &Runtime,
        react: impl FnMut(&mut Net<'_>, &Message) + Send + 'static,
    ) -> Self {
        Self::spawn_with(runtime, Some(Box::new(react)))
    }

    fn spawn_with(runtime: &Runtime, react: Option<React>) -> Self {
        let (told, messages) = channel();
        let service = runtime.handle().spawn(Box::new(Puppet { told, react })).unwrap();
        Self { service, messages, handle: runtime.handle().clone() }
    }

    /// Runs `order` inside the service and returns its result.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut Net<'_>) -> T + Send + 'static,
    ) -> T {
        let (reply, answer) = channel();
        let order: Order = Box::new(move |net| reply.send(order(net)).unwrap());
        self.handle.post(self.service, order).unwrap();
        answer.recv_timeout(BOUND).expect("the service runs the order")
    }

    /// Waits for the next message.
    pub(crate) fn next(&self) -> Message {
        self.messages.recv_timeout(BOUND).expect("a message comes in time")
    }

    /// Skips messages until `pick` returns `Some`.
    pub(crate) fn until<T>(&self, mut pick: impl FnMut(&Message) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            let left = BOUND.saturating_sub(start.elapsed());
            let message = self.messages.recv_timeout(left).expect("the message comes in time");
            if let Some(picked) = pick(&message) {
                return picked;
            }
        }
    }

    /// Waits for the next `Accept` and returns the accepted socket.
    pub(crate) fn accepted(&self) -> SocketId {
        self.until(|message| match message {
            Message::Accept { accepted, .. } => Some(*accepted),
            _ => None,
        })
    }

    /// Waits for the `Close` of a socket and returns its reason and unsent bytes.
    pub(crate) fn close_of(&self, id: SocketId) -> (tidelock_core::CloseReason, u64) {
        self.until(|message| match message {
            Message::Close { socket, reason, unsent } if *socket == id => Some((*reason, *unsent)),
            _ => None,
        })
    }

    /// Asserts that no message comes for `span`.
    pub(crate) fn silence(&self, span: Duration) {
        if let Ok(message) = self.messages.recv_timeout(span) {
            panic!("expected no message for {span:?}, got {message}");
        }
    }
}

/// Listens on a free port of the loopback interface.
pub(crate) fn listen(
    runtime: &Runtime,
    owner: ServiceId,
    options: ListenOptions,
) -> (SocketId, SocketAddr) {
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let (id, local) = runtime.handle().listen(owner, at, options).unwrap();
    assert_ne!(local.port(), Some(0));
    (id, ip(&local))
}

pub(crate) fn ip(endpoint: &Endpoint) -> SocketAddr {
    endpoint.socket_addr().expect("an IP endpoint")
}

/// Connects a blocking client, whose reads and writes time out after [`BOUND`].
pub(crate) fn client(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    stream
}

/// Connects a client whose receive buffer is as small as the system allows.
pub(crate) fn narrow_client(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.into()
}

/// Ends a connection with RST.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// The number of [`runtimes`] without workers; they come first.
pub(crate) const INLINE: usize = 2;

/// Returns a runtime of each kind: services on one network thread, or on two; on two workers with
/// one network thread, or with three.
pub(crate) fn runtimes() -> [Runtime; 4] {
    runtimes_with(&Config::default())
}

/// Returns the same kinds of runtimes, with the limits of `config`.
pub(crate) fn runtimes_with(config: &Config) -> [Runtime; 4] {
    [(0, 1), (0, 2), (2, 1), (2, 3)].map(|(workers, shards)| {
        let builder = Runtime::builder().workers(workers).shards(shards);
        builder.config(config.clone()).build().unwrap()
    })
}

/// Returns bytes that depend on their position, so that any loss, repetition or reordering shows.
pub(crate) fn pattern(len: usize, salt: u64) -> Vec<u8> {
    (0..len as u64).map(|at| (tidelock_core::mix(salt, at / 8) >> (8 * (at % 8))) as u8).collect()
}
