//! The whole server on real sockets, as its clients see it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use tidelock_core::{Config, SocketState};
use tidelock_mio::{Runtime, ShutdownReport};

use crate::commands::Settings;
use crate::resp::Limits;
use crate::service::RedisMini;

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    runtime: Runtime,
    at: SocketAddr,
}

impl Server {
    fn start(workers: usize) -> Self {
        Self::with(workers, Settings::default(), super::config())
    }

    fn with(workers: usize, settings: Settings, config: Config) -> Self {
        let runtime = Runtime::builder().config(config).workers(workers).build().unwrap();
        let (sender, startup) = sync_channel(1);
        let announce = move |startup| sender.send(startup).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let service = RedisMini::new(at.into(), settings, announce);
        runtime.handle().spawn(Box::new(service)).unwrap();
        let local = startup.recv_timeout(PATIENCE).unwrap().unwrap();
        Self { runtime, at: local.socket_addr().unwrap() }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }

    /// Waits until no more than `count` sockets are left, including the listener.
    fn wait_for_sockets(&self, count: usize) {
        let begin = Instant::now();
        loop {
            let sockets = self.runtime.handle().info().unwrap();
            if sockets.len() <= count {
                assert_eq!(sockets.len(), count, "{sockets:?}");
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "{} sockets are left: {sockets:?}", sockets.len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) -> ShutdownReport {
        let report = self.runtime.shutdown(PATIENCE);
        assert!(report.is_complete);
        report
    }
}

struct Client {
    stream: TcpStream,
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads exactly as many bytes as are expected, and compares them.
    fn expect(&mut self, reply: &str) {
        let mut got = vec![0; reply.len()];
        self.stream.read_exact(&mut got).unwrap_or_else(|error| panic!("{error} for {reply:?}"));
        assert_eq!(String::from_utf8_lossy(&got), reply);
    }

    fn ask(&mut self, line: &str, reply: &str) {
        self.send(format!("{line}\r\n").as_bytes());
        self.expect(reply);
    }

    /// Returns everything up to the server's FIN.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }

    fn expect_end(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }

    /// Asserts that the server ends the connection. It may end with RST instead of FIN, because the
    /// system sends that if unread input is discarded.
    fn expect_gone(&mut self) {
        let mut bytes = [0; 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Ends the connection with RST, so that no port is left in TIME_WAIT.
    fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn array(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The numbers of workers with which a service runs on the network thread, or on workers.
const WORKERS: [usize; 2] = [0, 2];

#[test]
fn every_command_is_answered() {
    for workers in WORKERS {
        let server = Server::start(workers);
        let mut client = server.client();
        client.ask("PING", "+PONG\r\n");
        client.ask("ECHO hello", "$5\r\nhello\r\n");
        client.ask("SET k v EX 100", "+OK\r\n");
        client.ask("GET k", "$1\r\nv\r\n");
        client.ask("EXISTS k nothing", ":1\r\n");
        client.ask("DEL k", ":1\r\n");
        client.ask("GET k", "$-1\r\n");
        client.ask("INCR n", ":1\r\n");
        client.ask("MSET a 1 b 2", "+OK\r\n");
        client.ask("MGET a b c", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n");
        client.ask("LPUSH l x y", ":2\r\n");
        client.ask("LRANGE l 0 -1", "*2\r\n$1\r\ny\r\n$1\r\nx\r\n");
        client.ask("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
        client.ask("COMMAND COUNT", ":16\r\n");
        client.send(&array(&[b"SET", b"\r\n\0", b"bytes\r\n"]));
        client.expect("+OK\r\n");
        client.send(&array(&[b"get", b"\r\n\0"]));
        client.expect("$7\r\nbytes\r\n\r\n");
        client.ask("FLUSHALL", "+OK\r\n");
        client.ask("EXISTS a b l n", ":0\r\n");
        client.send(b"QUIT\r\nPING\r\n");
        client.expect("+OK\r\n");
        client.expect_end();
        drop(client);
        server.wait_for_sockets(1);
        assert_eq!(server.stop().exit.unsent_bytes, 0);
    }
}

#[test]
fn errors_leave_the_client_connected() {
    let server = Server::start(0);
    let mut client = server.client();
    client.ask("GET", "-ERR wrong number of arguments for 'get' command\r\n");
    client.ask("foo a", "-ERR unknown command 'foo', with args beginning with: 'a' \r\n");
    client.ask("SET k v", "+OK\r\n");
    client.ask("INCR k", "-ERR value is not an integer or out of range\r\n");
    client
        .ask("LPUSH k v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    client.ask("PING", "+PONG\r\n");
}

#[test]
fn a_broken_protocol_is_answered_and_ends_that_client_alone() {
    for workers in WORKERS {
        let server = Server::start(workers);
        let mut other = server.client();
        let long_line = vec![b'a'; (64 << 10) + 1];
        let cases: [(&[u8], &str); 9] = [
            (b"*1\r\n$-5\r\n", "invalid bulk length"),
            (b"*2\r\n$3\r\nGET\r\n$536870912\r\n", "invalid bulk length"),
            (b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n", "invalid bulk length"),
            (b"*2\r\n$3\r\nGET\r\nx1\r\n", "expected '$', got 'x'"),
            (b"*1048577\r\n", "invalid multibulk length"),
            (b"*abc\r\n", "invalid multibulk length"),
            (b"GET \"a\r\n", "unbalanced quotes in request"),
            (&long_line, "too big inline request"),
            (b"*1\r\n$2\r\nGETx\r\n$3\r\nfoo\r\n", ""),
        ];
        for (request, error) in cases {
            let mut client = server.client();
            client.send(b"PING\r\n");
            client.send(request);
            client.expect("+PONG\r\n");
            if error.is_empty() {
                // The length is wrong: the bytes after it are read as the end of the line, and then
                // as a command.
                client.expect("-ERR unknown command 'GE', with args beginning with: \r\n");
                client.expect("-ERR unknown command '$3', with args beginning with: \r\n");
                continue;
            }
            client.expect(&format!("-ERR Protocol error: {error}\r\n"));
            client.expect_end();
        }
        other.ask("PING", "+PONG\r\n");
        drop(other);
        server.wait_for_sockets(1);
    }
}

#[test]
fn a_request_may_come_byte_by_byte_and_many_may_come_at_once() {
    for workers in WORKERS {
        let server = Server::start(workers);
        let mut client = server.client();
        let request = array(&[b"SET", b"key", b"a value"]);
        for byte in request.chunks(1) {
            client.send(byte);
        }
        client.expect("+OK\r\n");
        for position in 0..request.len() {
            let (front, back) = request.split_at(position);
            client.send(front);
            client.send(back);
            client.expect("+OK\r\n");
        }
        let sixteen = array(&[b"INCR", b"n"]).repeat(16);
        for round in 0..50 {
            client.send(&sixteen);
            let replies = (1..=16).map(|count| format!(":{}\r\n", round * 16 + count));
            client.expect(&replies.collect::<String>());
        }
    }
}

#[test]
fn a_pipeline_is_answered_with_one_message() {
    let server = Server::start(0);
    let mut client = server.client();
    client.send(&b"PING\r\n".repeat(16));
    client.expect(&"+PONG\r\n".repeat(16));
    let sockets = server.runtime.handle().info().unwrap();
    let open: Vec<_> = sockets.iter().filter(|info| info.state == SocketState::Open).collect();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].messages_in, open[0].messages_out), (1, 1));
}

#[test]
fn ten_thousand_half_requests_leave_nothing_behind() {
    for (workers, count) in [(0, 10_000), (2, 1_000)] {
        let server = Server::start(workers);
        let request = array(&[b"SET", b"key", b"a value that does not come"]);
        for round in 0..count {
            let mut client = server.client();
            client.send(&request[..1 + round % (request.len() - 1)]);
            if round % 8 != 0 {
                client.reset();
            }
        }
        let mut client = server.client();
        client.ask("EXISTS key", ":0\r\n");
        drop(client);
        server.wait_for_sockets(1);
        assert_eq!(server.stop().exit.unsent_bytes, 0);
    }
}

/// Small limits, so that a few megabytes pass them.
fn tight() -> Config {
    Config { warn_bytes: 64 << 10, outbox_bytes_max: 1 << 20, ..Config::default() }
}

#[test]
fn a_client_that_does_not_read_is_not_read_and_gets_everything_later() {
    for workers in WORKERS {
        let server = Server::with(workers, Settings::default(), tight());
        let mut client = server.client();
        let value = vec![b'v'; 256 << 10];
        client.send(&array(&[b"SET", b"k", &value]));
        client.expect("+OK\r\n");
        let asked = 200;
        client.send(&array(&[b"GET", b"k"]).repeat(asked));
        let mut other = server.client();
        // Until nothing moves: the system's buffers are full, and the server waits.
        let begin = Instant::now();
        let held = loop {
            other.ask("PING", "+PONG\r\n");
            let sockets = server.runtime.handle().info().unwrap();
            let held = sockets.into_iter().find(|info| info.queued_bytes > 0 && !info.reading);
            if let Some(held) = held {
                break held;
            }
            assert!(begin.elapsed() < PATIENCE, "the client was never held");
        };
        assert!(held.queued_bytes <= 1 << 20, "{held:?}");
        client.send(&array(&[b"GET", b"k"]).repeat(asked));
        client.send(b"PING\r\n");
        let reply = [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
        let mut got = vec![0; reply.len()];
        for round in 0..2 * asked {
            client.stream.read_exact(&mut got).unwrap();
            assert!(got == reply, "reply {round} has other bytes");
        }
        client.expect("+PONG\r\n");
        client.ask("DEL k", ":1\r\n");
    }
}

#[test]
fn requests_that_were_read_before_the_pause_are_answered_in_order() {
    for workers in WORKERS {
        let server = Server::with(workers, Settings::default(), tight());
        let mut client = server.client();
        let value = vec![b'v'; 8 << 10];
        client.send(&array(&[b"SET", b"k", &value]));
        client.expect("+OK\r\n");
        // Enough that they take several reads, which wait in the mailbox together.
        let asked = 6_000;
        client.send(&b"INCR n\r\nGET k\r\n".repeat(asked));
        std::thread::sleep(Duration::from_millis(50));
        let value = String::from_utf8(value).unwrap();
        for count in 1..=asked {
            client.expect(&format!(":{count}\r\n$8192\r\n{value}\r\n"));
        }
    }
}

#[test]
fn requests_after_a_quit_are_ignored() {
    for workers in WORKERS {
        let server = Server::start(workers);
        let mut other = server.client();
        let mut client = server.client();
        // More than one read, so that a part of it is still in the mailbox at QUIT.
        client.send(&[b"QUIT\r\n", b"INCR n\r\n".repeat(30_000).as_slice()].concat());
        client.expect("+OK\r\n");
        client.expect_end();
        other.ask("EXISTS n", ":0\r\n");
    }
}

#[test]
fn replies_that_wait_arrive_after_the_clients_fin() {
    for workers in WORKERS {
        let server = Server::with(workers, Settings::default(), tight());
        let mut client = server.client();
        let value = vec![b'v'; 256 << 10];
        client.send(&array(&[b"SET", b"k", &value]));
        client.send(&array(&[b"GET", b"k"]).repeat(100));
        client.stream.shutdown(Shutdown::Write).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let replies = client.rest();
        let reply_len = format!("${}\r\n", value.len()).len() + value.len() + 2;
        assert_eq!(replies.len(), "+OK\r\n".len() + 100 * reply_len);
        drop(client);
        server.wait_for_sockets(1);
    }
}

#[test]
fn replies_before_a_protocol_error_arrive_although_the_client_reads_late() {
    let server = Server::with(0, Settings::default(), tight());
    let mut client = server.client();
    let value = vec![b'v'; 256 << 10];
    client.send(&array(&[b"SET", b"k", &value]));
    client.send(&array(&[b"GET", b"k"]).repeat(100));
    client.send(b"*x\r\n");
    std::thread::sleep(Duration::from_millis(50));
    let replies = client.rest();
    assert!(replies.ends_with(b"-ERR Protocol error: invalid multibulk length\r\n"));
    assert!(replies.len() > 100 * value.len());
}

#[test]
fn a_client_above_the_limit_of_clients_is_refused() {
    let settings = Settings { clients_max: 2, ..Settings::default() };
    let server = Server::with(0, settings, super::config());
    let (mut first, mut second) = (server.client(), server.client());
    first.ask("PING", "+PONG\r\n");
    second.ask("PING", "+PONG\r\n");
    let mut third = server.client();
    third.expect("-ERR max number of clients reached\r\n");
    third.expect_end();
    drop((second, third));
    server.wait_for_sockets(2);
    server.client().ask("PING", "+PONG\r\n");
    first.ask("PING", "+PONG\r\n");
}

#[test]
fn unfinished_requests_of_all_clients_are_bounded_together() {
    let settings = Settings { clients_bytes_max: 1 << 20, ..Settings::default() };
    let server = Server::with(0, settings, super::config());
    let half = [b"*1\r\n$1000000\r\n", vec![b'x'; 700_000].as_slice()].concat();
    let mut first = server.client();
    first.send(&half);
    let mut probe = server.client();
    probe.ask("PING", "+PONG\r\n");
    let mut second = server.client();
    // The server may close before all of this is written.
    let _is_closed = second.stream.write_all(&half);
    second.expect_gone();
    first.send(&vec![b'x'; 300_000]);
    first.send(b"\r\n");
    first.expect("-ERR unknown command '");
    probe.ask("PING", "+PONG\r\n");
}

#[test]
fn a_request_above_the_buffer_limit_ends_without_a_word() {
    let limits = Limits { request_bytes_max: 5 << 20, ..Limits::default() };
    let server = Server::with(0, Settings { limits, ..Settings::default() }, super::config());
    let mut client = server.client();
    client.send(b"PING\r\n*3\r\n$3\r\nSET\r\n$2000000\r\n");
    client.send(&vec![b'k'; 2_000_000]);
    client.send(b"\r\n$4000000\r\n");
    client.expect("+PONG\r\n");
    client.expect_end();
}

#[test]
fn keys_expire_by_the_clock() {
    let server = Server::start(0);
    let mut client = server.client();
    for (asked, key) in [("EXISTS k", "k"), ("DBSIZE", "nobody-asks-for")] {
        expires(&mut client, asked, key);
    }
}

fn expires(client: &mut Client, asked: &str, key: &str) {
    client.ask(&format!("SET {key} v PX 40"), "+OK\r\n");
    let begin = Instant::now();
    loop {
        client.send(format!("{asked}\r\n").as_bytes());
        let mut reply = [0; 4];
        client.stream.read_exact(&mut reply).unwrap();
        if &reply == b":0\r\n" {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the key never expired");
    }
    assert!(begin.elapsed() >= Duration::from_millis(39), "it expired too early");
}

#[test]
fn a_stop_delivers_what_was_answered() {
    for workers in WORKERS {
        let server = Server::start(workers);
        let mut client = server.client();
        // It fits into the outbox. Replies that the service holds back would be lost at the exit.
        let value = vec![b'v'; 1 << 18];
        client.send(&array(&[b"SET", b"k", &value]));
        client.expect("+OK\r\n");
        client.send(&array(&[b"GET", b"k"]));
        client.expect("$262144\r\n");
        let reader = std::thread::spawn(move || client.rest().len());
        let report = server.stop();
        assert_eq!(report.exit.unsent_bytes, 0);
        assert_eq!(reader.join().unwrap(), (1 << 18) + 2);
    }
}
