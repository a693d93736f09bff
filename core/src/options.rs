//! The options of sockets, when they are opened and afterwards.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::{Endpoint, Multicast, Timeout};

/// The options of a listener. `ListenOptions::default()` suits a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Connections that the system keeps waiting. Default 1,024; the system may cap the number.
    pub backlog: u32,
    /// Do not accept before `start`. Default off.
    pub paused: bool,
    /// Read from accepted sockets without waiting for `start`, as the listener's owner. Default
    /// off.
    pub auto_start: bool,
    /// `SO_REUSEADDR`, so that a restart need not wait for old connections. For a Unix-domain
    /// path, the file of a dead listener is replaced; a listener is dead if a connection to it is
    /// refused. Default on.
    pub reuse_address: bool,
    /// Options set on the listener before it is bound, such as [`SocketOption::OnlyV6`]. Default:
    /// none.
    pub options: Vec<SocketOption>,
    /// Options set on each accepted socket. Default: none.
    pub accepted: Vec<SocketOption>,
    /// The highest rate at which connections are accepted; the rest wait in the backlog. For each
    /// period in which connections had to wait the owner gets one passing
    /// [`Error`](crate::Message::Error) of
    /// [`FaultKind::RateLimited`](crate::FaultKind::RateLimited). Default: no limit.
    pub accept_rate: Option<AcceptRate>,
}

/// The highest rate at which a listener accepts. It protects against a flood of connections that
/// costs the services more than it costs the peers.
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
    /// Connections per second, evenly spaced.
    pub per_second: NonZeroU32,
    /// Connections accepted at once after a time without any.
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

    /// Sets [`reuse_address`](Self::reuse_address).
    pub fn reuse_address(mut self, reuse_address: bool) -> Self {
        self.reuse_address = reuse_address;
        self
    }

    /// Adds an option that is set on the listener before it is bound.
    pub fn option(mut self, option: SocketOption) -> Self {
        self.options.push(option);
        self
    }

    /// Adds an option that is set on each accepted socket.
    pub fn accepted(mut self, option: SocketOption) -> Self {
        self.accepted.push(option);
        self
    }

    /// Limits the rate at which connections are accepted.
    pub fn accept_rate(mut self, rate: AcceptRate) -> Self {
        self.accept_rate = Some(rate);
        self
    }
}

/// The options of a connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Do not read before `start`. Default off.
    pub paused: bool,
    /// Time for the whole connect. Default: the configuration's `connect_timeout`.
    pub timeout: Option<Duration>,
    /// Time after which the next address of a name competes with those that have not connected
    /// yet. Default: the configuration's `connection_attempt_delay`. Less than 10 ms counts as
    /// 10 ms. If it is longer than `timeout`, an address is tried only after the one before it
    /// has failed.
    pub attempt_delay: Option<Duration>,
    /// Do not shut the socket down at the peer's FIN; see `keep_open`. Default off.
    pub half_open: bool,
    /// The local address to connect from. Default: the system chooses. With a fixed port the
    /// addresses of a name are tried one after the other, because two attempts cannot share it.
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

    /// Sets the time for the whole connect.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets [`attempt_delay`](Self::attempt_delay).
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

/// The options of a datagram socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UdpOptions {
    /// The local address. Default: any address, with a port that the system chooses.
    pub bind: Option<Endpoint>,
    /// The only peer: `send` sends to it, and datagrams of others are not received.
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

/// An option of one socket. Without it, the system's default applies. A value that no system can
/// hold is refused [at the call](SocketOption::check). An option that the system does not have, or
/// that does not fit the socket, is refused with an `Error` whose fault names it; where the option
/// was one of those that a socket is opened with, the opening fails with that fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketOption {
    /// A timeout of this socket, in place of the configuration's. `Duration::MAX` never expires,
    /// zero expires at once. The time runs from the same moment as the configuration's would. For
    /// streams; datagram sockets have only [`Timeout::Flush`], which is the time without
    /// progress, not that of the whole flush. The core keeps it, so no system call is made.
    Timeout(Timeout, Duration),
    /// `TCP_NODELAY`: sends small segments at once.
    Nodelay(bool),
    /// `SO_KEEPALIVE` with its times; `None` switches it off. The times are above zero and at most
    /// 32,767 s; the system gets them in whole seconds, rounded up. The count is 1 to 127.
    Keepalive(Option<Keepalive>),
    /// `SO_RCVBUF` in bytes; the system rounds, doubles and bounds it.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF` in bytes; the system rounds, doubles and bounds it.
    SendBuffer(u32),
    /// `SO_BROADCAST` for datagrams.
    Broadcast(bool),
    /// `TCP_USER_TIMEOUT` (RFC 5482): the time that sent bytes may stay unacknowledged before the
    /// connection is given up: 1 ms to 2,147,483,647 ms, rounded up to whole milliseconds; `None` is
    /// the system's own rule. Linux and Android.
    UserTimeout(Option<Duration>),
    /// `IP_TOS` or `IPV6_TCLASS`, whichever fits the socket, and both on one of IPv6 that reaches
    /// IPv4, too: the class of service (RFC 2474) in the upper six bits.
    TrafficClass(u8),
    /// `IPV6_V6ONLY`: restricts a socket bound to an IPv6 address to IPv6. It can be set only
    /// before the socket is bound.
    OnlyV6(bool),
    /// `SO_REUSEPORT`: lets several sockets share one address; the system distributes what comes
    /// in among them. Each must set it before it is bound.
    ReusePort(bool),
    /// Joins a group, to receive what is sent to it.
    JoinMulticast(Multicast),
    /// Leaves a group that was joined.
    LeaveMulticast(Multicast),
    /// `IP_MULTICAST_IF`: the address of the interface through which datagrams to IPv4 groups
    /// leave.
    MulticastInterfaceV4(Ipv4Addr),
    /// `IPV6_MULTICAST_IF`: the index of the interface through which datagrams to IPv6 groups
    /// leave.
    MulticastInterfaceV6(u32),
    /// `IP_MULTICAST_LOOP` or `IPV6_MULTICAST_LOOP`: delivers datagrams of this socket to group
    /// members on the same host, too.
    MulticastLoop(bool),
    /// `IP_MULTICAST_TTL` or `IPV6_MULTICAST_HOPS`: the most hops that datagrams to a group make.
    MulticastHops(u8),
}

/// The times at which a silent connection is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes after which the connection is given up.
    pub count: u32,
}
