//! What a socket is asked to be when it is opened, and afterwards.

use std::time::Duration;

use crate::Endpoint;

/// How to listen. `ListenOptions::default()` is what a server wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Connections that the system keeps waiting. Default 1,024; the system may cap it.
    pub backlog: u32,
    /// Do not accept before `start`. Default off.
    pub paused: bool,
    /// Read from accepted sockets without waiting for `start`; the listener's owner owns them.
    /// Default off.
    pub auto_start: bool,
    /// `SO_REUSEADDR`, so that a restart need not wait for old connections. Default on.
    pub reuse_address: bool,
    /// Options that each accepted socket gets. Default: none.
    pub accepted: Vec<SocketOption>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            paused: false,
            auto_start: false,
            reuse_address: true,
            accepted: Vec::new(),
        }
    }
}

impl ListenOptions {
    /// Waits for `start` before the first accept.
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = paused;
        self
    }

    /// Reads from accepted sockets at once.
    pub fn auto_start(mut self, auto_start: bool) -> Self {
        self.auto_start = auto_start;
        self
    }

    /// Sets the number of connections that the system keeps waiting.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Adds an option that each accepted socket gets.
    pub fn accepted(mut self, option: SocketOption) -> Self {
        self.accepted.push(option);
        self
    }
}

/// How to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Do not read before `start`. Default off.
    pub paused: bool,
    /// Time for the whole attempt; default is the configuration's `connect_timeout`.
    pub timeout: Option<Duration>,
    /// The peer's FIN does not shut the socket down; see `keep_open`. Default off.
    pub half_open: bool,
    /// The local address to connect from. Default: the system chooses.
    pub bind: Option<Endpoint>,
    /// Options set before the connect.
    pub options: Vec<SocketOption>,
}

impl ConnectOptions {
    /// Waits for `start` before the first read.
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = paused;
        self
    }

    /// Sets the time for the whole attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Keeps the socket open for writing after the peer's FIN.
    pub fn half_open(mut self, half_open: bool) -> Self {
        self.half_open = half_open;
        self
    }

    /// Sets the local address.
    pub fn bind(mut self, local: impl Into<Endpoint>) -> Self {
        self.bind = Some(local.into());
        self
    }

    /// Adds an option that is set before the connect.
    pub fn option(mut self, option: SocketOption) -> Self {
        self.options.push(option);
        self
    }
}

/// How to open a datagram socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UdpOptions {
    /// The local address. Default: any address, a port that the system chooses.
    pub bind: Option<Endpoint>,
    /// The only peer: what `send` sends to and what is received from.
    pub peer: Option<Endpoint>,
    /// Do not receive before `start`. Default off.
    pub paused: bool,
    /// Options set when the socket is opened.
    pub options: Vec<SocketOption>,
}

impl UdpOptions {
    /// Sets the local address.
    pub fn bind(mut self, local: impl Into<Endpoint>) -> Self {
        self.bind = Some(local.into());
        self
    }

    /// Sets the only peer.
    pub fn peer(mut self, peer: impl Into<Endpoint>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// Waits for `start` before the first receive.
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = paused;
        self
    }

    /// Adds an option that is set when the socket is opened.
    pub fn option(mut self, option: SocketOption) -> Self {
        self.options.push(option);
        self
    }
}

/// An option of one socket. The system's own default holds where none is set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketOption {
    /// `TCP_NODELAY`: send small segments at once.
    Nodelay(bool),
    /// `SO_KEEPALIVE` with its times; `None` switches it off.
    Keepalive(Option<Keepalive>),
    /// `SO_RCVBUF` in bytes; the system rounds, doubles and bounds it.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF` in bytes; the system rounds, doubles and bounds it.
    SendBuffer(u32),
    /// `SO_BROADCAST` for datagrams.
    Broadcast(bool),
}

/// When a silent connection is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes until the connection is given up.
    pub count: u32,
}
