//! The same service in the simulated network, against scripted clients.
//!
//! Each client sends requests in pieces of any size, reads at any time, and compares every byte
//! that comes back with the replies to the same requests without a network.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use tidelock_core::{
    Bytes, ConnectOptions, Endpoint, Instant, Message, Net, SendError, Service, SocketId, TimerId,
};
use tidelock_sim::address;
use tidelock_sim::address::Address;
use tidelock_sim::run::Report;
use tidelock_sim::scenario::{SERVER, SERVER_PORT, Scenario};
use tidelock_sim::swarm::Options;

use crate::commands::{After, Context, Settings, execute};
use crate::reply::Reply;
use crate::resp::Parser;
use crate::service::{RedisMini, tell_off};
use crate::store::Store;

/// The world: one server, and clients that know what it must reply.
pub(crate) fn scenario() -> Scenario {
    let about = "clients send requests in pieces and know each byte of the replies";
    Scenario::new("redis-mini", about, |stage| {
        let (clients, must_succeed) = (stage.options().connections, stage.options().is_calm());
        let host = stage.host("client");
        for number in 0..clients {
            host.service(move || ScriptedClient::new(number, must_succeed));
        }
        stage.host("server").service(server);
    })
    .adjust(adjust)
    .timed()
}

thread_local! {
    /// The bytes of replies that were compared on this thread.
    static COMPARED_BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Runs one world, and returns the report and the number of bytes compared.
pub(crate) fn run(seed: u64) -> (Report, u64) {
    COMPARED_BYTES.set(0);
    let report = scenario().run(seed);
    (report, COMPARED_BYTES.get())
}

/// Adjusts the drawn options. Both ends have services, and without faults nothing may take so long
/// that a timeout ends it.
fn adjust(options: &mut Options) {
    options.scripted = 0;
    // After a crash the store is empty, and the clients expect their values.
    options.has_crashes = 0;
    options.connections = options.connections.min(8);
    options.sockets_max = options.sockets_max.max(3);
    // One byte at a time would make worlds of millions of events, and find no more.
    for size in [
        &mut options.send_buffer_bytes,
        &mut options.receive_buffer_bytes,
        &mut options.read_buffer_bytes_max,
        &mut options.write_bytes_per_turn,
    ] {
        *size = (*size).max(TRANSFER_BYTES_MIN);
    }
    // An outbox holds half of the server's largest message: some messages are too large, but few
    // have to be sent byte by byte.
    options.outbox_bytes_max = options.outbox_bytes_max.max(64 + MESSAGE_BYTES_MAX / 2);
    options.total_bytes_max = options.total_bytes_max.max(options.outbox_bytes_max);
    if options.is_calm() {
        options.sockets_max += CONNECTIONS_PER_CLIENT * options.connections;
        options.send_buffer_bytes = options.send_buffer_bytes.max(1 << 10);
        options.receive_buffer_bytes = options.receive_buffer_bytes.max(1 << 10);
        options.latency_nanos = options.latency_nanos.min(1_000_000);
        options.jitter_nanos = options.jitter_nanos.min(options.latency_nanos);
    }
}

fn server() -> RedisMini {
    let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
    let message_bytes_max = MESSAGE_BYTES_MAX as usize;
    let settings = Settings { message_bytes_max, ..Settings::default() };
    // If it cannot listen, the clients are refused, and report it.
    RedisMini::new(at, settings, |_startup| {})
}

/// The connections that a client makes, one after the other.
const CONNECTIONS_PER_CLIENT: u64 = 3;
/// The least size of buffers and of reads and writes.
const TRANSFER_BYTES_MIN: u64 = 24;
/// The server's largest message: so small that an outbox fills in the middle of a read's requests.
const MESSAGE_BYTES_MAX: u64 = 500;
/// The time that the server has to listen before the first client connects.
const HEAD_START: Duration = Duration::from_millis(2);
/// The longest piece of requests.
const PIECE_BYTES_MAX: u64 = 300;
/// The longest pause of a client between two pieces, or two reads.
const PAUSE_NANOS_MAX: u64 = 3_000_000;

/// A client that talks to the server, and panics if the replies differ from what it expects.
struct ScriptedClient {
    number: u64,
    /// `true` in a world without faults, in which everything must be answered.
    must_succeed: bool,
    connections_left: u64,
    dialogue: Option<Dialogue>,
}

/// One connection.
struct Dialogue {
    socket: SocketId,
    /// The requests still to be sent.
    pieces: VecDeque<Bytes>,
    /// The replies still to come.
    expected: VecDeque<u8>,
    ending: Ending,
    /// Armed while the client pauses before it sends more.
    send_timer: Option<TimerId>,
    /// Armed while the client pauses before it reads more.
    read_timer: Option<TimerId>,
    awaits_ready: bool,
    has_ended: bool,
}

/// The way in which a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The client shuts down once it has all replies.
    Shutdown,
    /// The client sends FIN after the last request, and then gets all replies.
    Finish,
    /// The server closes, after `QUIT` or a request that breaks the protocol.
    Server,
    /// The client closes in the middle of a request.
    Abandon,
}

impl ScriptedClient {
    fn new(number: u64, must_succeed: bool) -> Self {
        Self { number, must_succeed, connections_left: CONNECTIONS_PER_CLIENT, dialogue: None }
    }

    /// Begins the next connection, unless the limit of sockets is reached.
    fn connect(&mut self, net: &mut Net<'_>) {
        assert!(self.dialogue.is_none(), "client {} has a connection already", self.number);
        if self.connections_left == 0 || net.is_stopped() {
            return;
        }
        self.connections_left -= 1;
        let server = address::endpoint(Address { host: SERVER, port: SERVER_PORT });
        if let Ok(socket) = net.connect(server, ConnectOptions::default().half_open(true)) {
            let prefix = format!("{}.{}", self.number, self.connections_left);
            self.dialogue = Some(Dialogue::new(net, socket, &prefix));
        } else {
            assert!(!self.must_succeed, "a connect was refused in a world without faults");
        }
    }
}

impl Service for ScriptedClient {
    fn on_start(&mut self, net: &mut Net<'_>) {
        // The server's host starts at the same time, and has to listen first.
        net.set_timer(HEAD_START);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let Some(dialogue) = &mut self.dialogue else {
            match message {
                Message::Timer { .. } => self.connect(net),
                Message::Exit if self.must_succeed => {
                    assert_eq!(self.connections_left, 0, "connections left at the exit");
                }
                _ => {}
            }
            return;
        };
        match message {
            Message::Connect { .. } => dialogue.send(net),
            Message::Data { bytes, .. } => dialogue.hear(net, &bytes),
            Message::SendReady { .. } => {
                dialogue.awaits_ready = false;
                dialogue.send(net);
            }
            Message::Timer { timer } => dialogue.handle_timer(net, timer),
            Message::Eof { .. } => {
                // In a world without faults the server's FIN never comes before its last reply.
                if self.must_succeed {
                    assert!(dialogue.is_answered(), "FIN before the last reply: {dialogue}");
                }
                dialogue.has_ended = true;
                let _is_stale = net.shutdown(dialogue.socket);
            }
            Message::Close { reason, .. } => {
                let is_answered = dialogue.is_answered();
                assert!(is_answered || !self.must_succeed, "closed early, {reason}: {dialogue}");
                for timer in [dialogue.send_timer, dialogue.read_timer].into_iter().flatten() {
                    net.cancel_timer(timer);
                }
                self.dialogue = None;
                self.connect(net);
            }
            Message::Exit => {
                assert!(!self.must_succeed, "still open at the exit: {dialogue}");
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "scripted-client"
    }
}

impl Dialogue {
    fn new(net: &mut Net<'_>, socket: SocketId, prefix: &str) -> Self {
        let (requests, ending) = script(net, prefix);
        let expected = answers(&requests).into();
        let mut rest = Bytes::from(requests);
        let mut pieces = VecDeque::new();
        while !rest.is_empty() {
            let len = below(net, PIECE_BYTES_MAX) as usize + 1;
            pieces.push_back(rest.split_to(len.min(rest.len())));
        }
        Self {
            socket,
            pieces,
            expected,
            ending,
            send_timer: None,
            read_timer: None,
            awaits_ready: false,
            has_ended: false,
        }
    }

    /// Returns `true` if all replies have come. Requests after the one that makes the server close
    /// may never be sent.
    fn is_answered(&self) -> bool {
        match self.ending {
            Ending::Shutdown | Ending::Finish => self.pieces.is_empty() && self.expected.is_empty(),
            Ending::Server => self.expected.is_empty(),
            Ending::Abandon => true,
        }
    }

    /// Sends pieces until it is time for a pause.
    fn send(&mut self, net: &mut Net<'_>) {
        while !self.awaits_ready
            && self.send_timer.is_none()
            && let Some(piece) = self.pieces.pop_front()
        {
            match net.send(self.socket, piece) {
                Ok(_queued) => {}
                Err(SendError::TooLarge(mut piece)) => {
                    let rest = piece.split_off(piece.len() / 2);
                    self.pieces.push_front(rest);
                    self.pieces.push_front(piece);
                }
                Err(SendError::SocketFull(piece) | SendError::TotalFull(piece)) => {
                    self.pieces.push_front(piece);
                    self.awaits_ready = true;
                }
                // The server closed the connection, or it failed: `Close` is on the way.
                Err(_closing) => return,
            }
            if below(net, 8) == 0 {
                let pause = Duration::from_nanos(below(net, PAUSE_NANOS_MAX));
                self.send_timer = Some(net.set_timer(pause));
            }
        }
        self.end_if_due(net);
    }

    /// Compares the bytes that came, and sometimes stops reading for a while.
    fn hear(&mut self, net: &mut Net<'_>, bytes: &[u8]) {
        COMPARED_BYTES.set(COMPARED_BYTES.get() + bytes.len() as u64);
        let due = self.expected.len().min(bytes.len());
        let expected: Vec<u8> = self.expected.drain(..due).collect();
        let (expected, heard) = (expected.escape_ascii(), bytes.escape_ascii());
        assert_eq!(heard.to_string(), expected.to_string(), "the reply, and the expected one");
        if self.read_timer.is_none() && below(net, 6) == 0 && net.pause(self.socket).is_ok() {
            let pause = Duration::from_nanos(below(net, PAUSE_NANOS_MAX));
            self.read_timer = Some(net.set_timer(pause));
        }
        self.end_if_due(net);
    }

    fn handle_timer(&mut self, net: &mut Net<'_>, timer: TimerId) {
        if self.send_timer == Some(timer) {
            self.send_timer = None;
            self.send(net);
        } else {
            assert_eq!(self.read_timer, Some(timer), "the timer is that of neither pause");
            self.read_timer = None;
            // An error means that the socket is gone; its `Close` is on the way.
            let _is_stale = net.start(self.socket);
        }
    }

    fn end_if_due(&mut self, net: &mut Net<'_>) {
        if self.has_ended || !self.pieces.is_empty() {
            return;
        }
        // An error means that the socket is gone; its `Close` is on the way.
        let _is_stale = match self.ending {
            Ending::Finish => net.finish(self.socket),
            Ending::Shutdown if self.expected.is_empty() => net.shutdown(self.socket),
            Ending::Abandon => net.close(self.socket),
            Ending::Shutdown | Ending::Server => return,
        };
        self.has_ended = true;
    }
}

impl std::fmt::Display for Dialogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (pieces, expected) = (self.pieces.len(), self.expected.len());
        let (socket, ending) = (self.socket, self.ending);
        write!(f, "{socket} {ending:?}, {pieces} pieces to send, {expected} B to hear")
    }
}

/// Draws the requests of one connection, whose keys begin with `prefix`, and the way it ends.
fn script(net: &mut Net<'_>, prefix: &str) -> (Vec<u8>, Ending) {
    let mut requests = Vec::new();
    let value_len = below(net, 1_500) as usize;
    let value: Vec<u8> = (0..value_len).map(|at| (at * 7 % 251) as u8).collect();
    let key = |name: &str| format!("{prefix}:{name}").into_bytes();
    for _ in 0..below(net, 40) + 3 {
        match below(net, 9) {
            0 => requests.extend_from_slice(b"PING\r\n"),
            1 => array(&mut requests, &[b"ECHO", &value]),
            2 => array(&mut requests, &[b"SET", &key("text"), &value, b"EX", b"100000"]),
            3 => array(&mut requests, &[b"GET", &key("text")]),
            4 => array(&mut requests, &[b"INCR", &key("count")]),
            5 => array(&mut requests, &[b"LPUSH", &key("list"), b"a", b"\r\n"]),
            6 => array(&mut requests, &[b"LRANGE", &key("list"), b"0", b"-1"]),
            7 => array(&mut requests, &[b"MGET", &key("text"), &key("count"), &key("list")]),
            _ => array(&mut requests, &[b"INCR", &key("text")]),
        }
    }
    let ending = match below(net, 5) {
        0 => Ending::Shutdown,
        1 => Ending::Finish,
        2 => {
            requests.extend_from_slice(b"QUIT\r\nINCR after\r\n");
            Ending::Server
        }
        3 => {
            requests.extend_from_slice(b"*1\r\n$536870912\r\nPING\r\n");
            Ending::Server
        }
        _ => {
            requests.extend_from_slice(b"*2\r\n$4\r\nECHO\r\n$9\r\nhalf");
            Ending::Abandon
        }
    };
    (requests, ending)
}

fn array(to: &mut Vec<u8>, arguments: &[&[u8]]) {
    to.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        to.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        to.extend_from_slice(argument);
        to.extend_from_slice(b"\r\n");
    }
}

/// Returns the replies to the requests without a network: in one piece, on a store of their own.
fn answers(requests: &[u8]) -> Vec<u8> {
    let settings = Settings::default();
    let (mut store, mut reply) = (Store::default(), Reply::new(settings.message_bytes_max));
    let mut parser = Parser::new(settings.limits);
    let mut rest = requests;
    loop {
        match parser.feed(&mut rest) {
            Ok(Some(request)) => {
                let (store, settings, reply) = (&mut store, &settings, &mut reply);
                let now = Instant::ZERO;
                let after = execute(&mut Context { store, settings, now, reply }, request);
                if after != After::Continue {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                tell_off(error, &mut reply);
                break;
            }
        }
    }
    reply.take().concat()
}

fn below(net: &mut Net<'_>, bound: u64) -> u64 {
    assert!(bound > 0, "a number below zero was asked for");
    net.random() % bound
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough seeds for every readiness profile, number of workers and kind of fault.
    const SEEDS: u64 = 150;

    #[test]
    fn clients_hear_exactly_what_they_must_whatever_the_network_does() {
        let mut compared_bytes = 0;
        for seed in 0..SEEDS {
            let (report, compared) = run(seed);
            if let Some(failure) = &report.failure {
                panic!("{failure}\nreplay: redis-mini --sim {seed}\n{}", report.options());
            }
            compared_bytes += compared;
        }
        // If few bytes came, few were judged.
        assert!(compared_bytes > SEEDS * 10_000, "only {compared_bytes} B were compared");
    }

    #[test]
    fn a_seed_gives_the_same_digest_twice() {
        for seed in 0..25 {
            let ((first, heard), (second, heard_again)) = (run(seed), run(seed));
            assert_eq!((first.digest, first.events), (second.digest, second.events), "seed {seed}");
            assert_eq!(heard, heard_again, "seed {seed}");
        }
    }

    #[test]
    fn replies_in_the_script_are_those_of_redis() {
        let requests = b"PING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nINCR n\r\nQUIT\r\nPING\r\n";
        assert_eq!(answers(requests), b"+PONG\r\n$-1\r\n:1\r\n+OK\r\n");
        let broken = b"INCR n\r\n*1\r\n$536870912\r\nPING\r\n";
        assert_eq!(answers(broken), b":1\r\n-ERR Protocol error: invalid bulk length\r\n");
    }
}
