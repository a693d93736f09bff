//! One client of the load generator.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::mix::Role;

/// The bytes that a slow reader has under way.
const SLOW_WINDOW_BYTES: u64 = 128 << 10;
/// The bytes that it reads at a time, and the pause after each read.
const SLOW_READ_BYTES: usize = 4 << 10;
const SLOW_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two connections of a client.
const REST: Duration = Duration::from_millis(20);

/// The bytes that clients send: byte `offset` of the client with `number` is `offset + number`. The
/// pattern repeats, so every stretch of it can be borrowed from one buffer.
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    const PERIOD: usize = 256;
    const LEN: usize = 64 << 10;

    pub(crate) fn new() -> Self {
        Self((0..Self::LEN + Self::PERIOD).map(|index| index as u8).collect())
    }

    fn at(&self, number: u64, offset: u64, len: u64) -> &[u8] {
        let begin = (number.wrapping_add(offset) % Self::PERIOD as u64) as usize;
        let len = len.min(Self::LEN as u64) as usize;
        &self.0[begin..begin + len]
    }
}

/// The state of a connection after a step.
#[derive(Debug)]
pub(crate) enum Step {
    GoesOn,
    /// It ended as it should.
    Ended,
    /// It failed, for this reason.
    Broken(String),
}

/// One connection of a client.
pub(crate) struct Client {
    stream: TcpStream,
    role: Role,
    number: u64,
    is_connected: bool,
    /// The bytes to send on this connection.
    target: u64,
    /// The bytes that may be under way.
    window: u64,
    sent: u64,
    received: u64,
    message_bytes: u64,
    has_shut_down: bool,
    /// The times at which the messages under way were begun.
    begun: VecDeque<Instant>,
    reads_at: Instant,
}

/// The result of a step.
#[derive(Default)]
pub(crate) struct Gain {
    pub(crate) bytes: u64,
    /// The round-trip times of the messages that came back whole.
    pub(crate) round_trips: Vec<Duration>,
}

impl Client {
    /// Begins to connect. On the loopback interface the clients use 64 source addresses, so that
    /// connections in TIME_WAIT do not use up the ports.
    pub(crate) fn connect(
        to: SocketAddr,
        role: Role,
        number: u64,
        message_bytes: u64,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        if to.ip().is_loopback() && to.is_ipv4() {
            let source = Ipv4Addr::new(127, 0, 1, 1 + (number % 64) as u8);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket.set_nonblocking(true)?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
            other => other?,
        }
        socket.set_tcp_nodelay(true)?;
        let messages = 1 + number % 16;
        let (target, window) = match role {
            Role::Steady => (u64::MAX, message_bytes),
            Role::Churn => (messages * message_bytes, 4 * message_bytes),
            Role::Slow => (8 * SLOW_WINDOW_BYTES, SLOW_WINDOW_BYTES),
            Role::Reset => (messages * message_bytes + SLOW_WINDOW_BYTES, SLOW_WINDOW_BYTES),
        };
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            role,
            number,
            is_connected: false,
            target,
            window,
            sent: 0,
            received: 0,
            message_bytes,
            has_shut_down: false,
            begun: VecDeque::new(),
            reads_at: Instant::now(),
        })
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Returns `true` if the client must be served although no event came.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.role == Role::Slow && self.reads_at <= now
    }

    /// Returns the pause before the next connection.
    pub(crate) fn rest(&self) -> Duration {
        REST
    }

    /// Writes and reads until the system answers *would block*.
    pub(crate) fn work(&mut self, pattern: &Pattern, gain: &mut Gain, now: Instant) -> Step {
        match self.try_work(pattern, gain, now) {
            Ok(step) => step,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Step::GoesOn,
            Err(error) => Step::Broken(format!("{:?}: {error}", self.role)),
        }
    }

    fn try_work(&mut self, pattern: &Pattern, gain: &mut Gain, now: Instant) -> io::Result<Step> {
        if !self.is_connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            match self.stream.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(Step::GoesOn),
                other => drop(other?),
            }
            self.is_connected = true;
        }
        self.write(pattern, now)?;
        match self.read(pattern, gain, now) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(Step::GoesOn) => {}
            other => return other,
        }
        // The bytes that came back have made room in the window.
        self.write(pattern, now)?;
        Ok(Step::GoesOn)
    }

    fn write(&mut self, pattern: &Pattern, now: Instant) -> io::Result<()> {
        loop {
            let until = self.target.min(self.received + self.window);
            if self.sent >= until {
                break;
            }
            let bytes = pattern.at(self.number, self.sent, until - self.sent);
            let before = self.sent / self.message_bytes;
            match self.stream.write(bytes) {
                Ok(count) => self.sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if self.role == Role::Steady {
                let begun = self.sent.div_ceil(self.message_bytes) - before;
                self.begun.extend((0..begun).map(|_| now));
            }
        }
        // Half of the clients that end send FIN first: all of their bytes must still come back.
        let ends_early = self.role == Role::Churn && self.number.is_multiple_of(2);
        if ends_early && self.sent == self.target && !self.has_shut_down {
            self.stream.shutdown(Shutdown::Write)?;
            self.has_shut_down = true;
        }
        Ok(())
    }

    fn read(&mut self, pattern: &Pattern, gain: &mut Gain, now: Instant) -> io::Result<Step> {
        let mut buffer = [0; 64 << 10];
        let most = if self.role == Role::Slow { SLOW_READ_BYTES } else { buffer.len() };
        if self.role == Role::Slow {
            if self.reads_at > now {
                return Ok(Step::GoesOn);
            }
            self.reads_at = now + SLOW_PAUSE;
        }
        loop {
            let count = self.stream.read(&mut buffer[..most])?;
            let is_whole = self.received == self.target;
            if count == 0 {
                let told = format!("{:?}: ended after {} B", self.role, self.received);
                let is_expected = is_whole && self.has_shut_down;
                return Ok(if is_expected { Step::Ended } else { Step::Broken(told) });
            }
            if buffer[..count] != *pattern.at(self.number, self.received, count as u64) {
                let told = format!("{:?}: wrong bytes behind {} B", self.role, self.received);
                return Ok(Step::Broken(told));
            }
            let before = self.received / self.message_bytes;
            self.received += count as u64;
            gain.bytes += count as u64;
            let whole = self.received / self.message_bytes - before;
            let begun = self.begun.drain(..(whole as usize).min(self.begun.len()));
            gain.round_trips.extend(begun.map(|at| now - at));
            if self.received > self.sent {
                return Ok(Step::Broken(format!("{:?}: more came than was sent", self.role)));
            }
            let resets = self.role == Role::Reset && self.received >= self.target / 2;
            if resets {
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                return Ok(Step::Ended);
            }
            if self.received == self.target && !self.has_shut_down {
                return Ok(Step::Ended);
            }
            if self.role == Role::Slow {
                return Ok(Step::GoesOn);
            }
        }
    }
}

/// The error of a `connect` that has begun, and goes on in the background.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
