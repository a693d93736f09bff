//! What a socket is asked to be when it is opened, and afterwards.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::{Endpoint, Multicast, Timeout};

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
    /// `SO_REUSEADDR`, so that a restart need not wait for old connections. For a Unix-domain
    /// path: the file of a listener that is gone makes way; it is gone if nobody accepts a
    /// connection there. Default on.
    pub reuse_address: bool,
    /// Options set on the listener before it is bound, as [`SocketOption::OnlyV6`]. Default: none.
    pub options: Vec<SocketOption>,
    /// Options that each accepted socket gets. Default: none.
    pub accepted: Vec<SocketOption>,
    /// How fast connections are accepted, at most; the others wait in the backlog. Once for each
    /// stretch in which somebody had to wait the owner is told by a passing
    /// [`Error`](crate::Message::Error) of
    /// [`FaultKind::RateLimited`](crate::FaultKind::RateLimited). Default: as fast as they come.
    pub accept_rate: Option<AcceptRate>,
}

/// How fast a listener accepts: against a flood of connections that costs its services more than
/// it costs the peers.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use tidelock_core::{AcceptRate, ListenOptions};
///
/// let [rate, burst] = [200, 50].map(|count| NonZeroU32::new(count).expect("not zero"));
/// let options = ListenOptions::default().accept_rate(AcceptRate { per_second: rate, burst });
/// assert!(options.accept_rate.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AcceptRate {
    /// So many connections in a second, evenly.
    pub per_second: NonZeroU32,
    /// So many at once after a time without any.
    pub burst: NonZeroU32,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            paused: false,
            auto_start: false,
            reuse_address: true,
            options: Vec::new(),
            accepted: Vec::new(),
            accept_rate: None,
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

    /// Lets the address be taken although old connections of it linger, or not.
    pub fn reuse_address(mut self, reuse_address: bool) -> Self {
        self.reuse_address = reuse_address;
        self
    }

    /// Adds an option that is set on the listener before it is bound.
    pub fn option(mut self, option: SocketOption) -> Self {
        self.options.push(option);
        self
    }

    /// Adds an option that each accepted socket gets.
    pub fn accepted(mut self, option: SocketOption) -> Self {
        self.accepted.push(option);
        self
    }

    /// Accepts no faster than this.
    pub fn accept_rate(mut self, rate: AcceptRate) -> Self {
        self.accept_rate = Some(rate);
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
    /// How long an address of a name is tried before the next one is tried beside it; default is
    /// the configuration's `connection_attempt_delay`. Less than 10 ms counts as 10 ms; with more
    /// than `timeout` the next address is tried only when the one before has failed.
    pub attempt_delay: Option<Duration>,
    /// The peer's FIN does not shut the socket down; see `keep_open`. Default off.
    pub half_open: bool,
    /// The local address to connect from. Default: the system chooses. From a port of one's own the
    /// addresses of a name are tried one after the other, for two attempts cannot have one port.
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

    /// Sets how long an address of a name is tried before the next one is tried beside it.
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = Some(delay);
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

/// An option of one socket. The system's own default holds where none is set. One that the system
/// does not have, or that does not fit the socket, is refused with an `Error`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketOption {
    /// How long this socket waits for something, in place of what the configuration says;
    /// `Duration::MAX` is for ever, zero is not at all. For streams; datagram sockets have
    /// [`Timeout::Flush`] alone, which is the time without progress, not that of the whole. It
    /// counts from where the configuration's time would. The core keeps it: no system call is made.
    Timeout(Timeout, Duration),
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
    /// `TCP_USER_TIMEOUT` (RFC 5482): how long sent bytes may stay without an acknowledgement
    /// until the connection is given up, in whole milliseconds; `None` is the system's own rule.
    /// Linux and Android.
    UserTimeout(Option<Duration>),
    /// `IP_TOS` or `IPV6_TCLASS`, whichever fits the socket: the class of service (RFC 2474) in
    /// the upper six bits.
    TrafficClass(u8),
    /// `IPV6_V6ONLY`: whether a socket bound to an IPv6 address is for IPv6 alone. Only before the
    /// socket is bound.
    OnlyV6(bool),
    /// `SO_REUSEPORT`: several sockets share one address, and the system spreads what comes in
    /// over them. Each must ask for it before it is bound.
    ReusePort(bool),
    /// Receives what is sent to a group.
    JoinMulticast(Multicast),
    /// Receives no more what is sent to a group that was joined.
    LeaveMulticast(Multicast),
    /// `IP_MULTICAST_IF`: the interface by which datagrams to an IPv4 group leave, by its address.
    MulticastInterfaceV4(Ipv4Addr),
    /// `IPV6_MULTICAST_IF`: the interface by which datagrams to an IPv6 group leave, by its index.
    MulticastInterfaceV6(u32),
    /// `IP_MULTICAST_LOOP` or `IPV6_MULTICAST_LOOP`: whether sockets of this host get what this
    /// one sends to a group.
    MulticastLoop(bool),
    /// `IP_MULTICAST_TTL` or `IPV6_MULTICAST_HOPS`: over how many routers datagrams to a group go.
    MulticastHops(u8),
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
