//! What the tests share: a bound in time for each, a service that tells what it is told, and
//! plain clients.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{SocketAddr, TcpStream};
use std::process::abort;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tidelock_core::{Config, Endpoint, ListenOptions, Message, Net, Service, ServiceId, SocketId};
use tidelock_mio::Runtime;

/// No wait of a test is longer.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
/// Nor a whole test this long; under ThreadSanitizer the longest takes more than a minute.
const WHOLE_BOUND: Duration = Duration::from_secs(180);

/// Runs a test; one that hangs ends the process with its name, instead of hanging the suite.
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

/// Repeats `check` until it holds; panics with `what` after the bound.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < BOUND, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a [`Puppet`] is told to do inside its service.
pub(crate) type Order = Box<dyn FnOnce(&mut Net<'_>) + Send>;

/// A service that does what is posted to it and tells what it is told.
pub(crate) struct Puppet {
    told: Sender<Message>,
    react: Option<React>,
}

/// What a puppet does by itself at a message, before it tells.
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
            // At the end of a test nobody listens any more.
            other => drop(self.told.send(other)),
        }
    }

    fn name(&self) -> &'static str {
        "puppet"
    }
}

/// A puppet's strings.
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

    /// Does something inside the service and answers what came of it.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut Net<'_>) -> T + Send + 'static,
    ) -> T {
        let (reply, answer) = channel();
        let order: Order = Box::new(move |net| reply.send(order(net)).unwrap());
        self.handle.post(self.service, order).unwrap();
        answer.recv_timeout(BOUND).expect("the service runs the order")
    }

    /// The next message.
    pub(crate) fn next(&self) -> Message {
        self.messages.recv_timeout(BOUND).expect("a message comes")
    }

    /// Skips messages until one is accepted.
    pub(crate) fn until<T>(&self, mut pick: impl FnMut(&Message) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            let left = BOUND.saturating_sub(start.elapsed());
            let message = self.messages.recv_timeout(left).expect("the message comes");
            if let Some(picked) = pick(&message) {
                return picked;
            }
        }
    }

    /// The next socket that is accepted.
    pub(crate) fn accepted(&self) -> SocketId {
        self.until(|message| match message {
            Message::Accept { accepted, .. } => Some(*accepted),
            _ => None,
        })
    }

    /// The `Close` of a socket.
    pub(crate) fn close_of(&self, id: SocketId) -> (tidelock_core::CloseReason, u64) {
        self.until(|message| match message {
            Message::Close { socket, reason, unsent } if *socket == id => Some((*reason, *unsent)),
            _ => None,
        })
    }

    /// No message comes for a while.
    pub(crate) fn silence(&self, span: Duration) {
        if let Ok(message) = self.messages.recv_timeout(span) {
            panic!("not silent: {message}");
        }
    }
}

/// Listens on a free port of the loopback.
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

/// A plain blocking client whose reads and writes are bounded.
pub(crate) fn client(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    stream
}

/// A client whose receive buffer is as small as the system allows.
pub(crate) fn narrow_client(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.into()
}

/// Ends a connection by a reset.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// So many of them have no workers; they come first.
pub(crate) const INLINE: usize = 2;

/// A runtime of each kind: services on the network thread, or on two; on two workers, on two that
/// write themselves, and on those with three network threads.
pub(crate) fn runtimes() -> [Runtime; 5] {
    runtimes_with(&Config::default())
}

/// The same with these limits.
pub(crate) fn runtimes_with(config: &Config) -> [Runtime; 5] {
    let kinds = [(0, false, 1), (0, false, 2), (2, false, 1), (2, true, 1), (2, true, 3)];
    kinds.map(|(workers, direct_write, shards)| {
        let config = Config { direct_write, ..config.clone() };
        let builder = Runtime::builder().workers(workers).shards(shards);
        builder.config(config).build().unwrap()
    })
}

/// Bytes that differ by position, so that any loss, repetition or reordering shows.
pub(crate) fn pattern(len: usize, salt: u64) -> Vec<u8> {
    (0..len as u64).map(|at| (tidelock_core::mix(salt, at / 8) >> (8 * (at % 8))) as u8).collect()
}
