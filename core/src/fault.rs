//! What went wrong below: the kernel's answers, named.

use std::fmt;

/// A failure of one call, captured at that call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The failure by meaning; the same on every system.
    pub kind: FaultKind,
    /// The system's own number, where there was one.
    pub os: Option<i32>,
}

impl Fault {
    /// A fault that no system call reported.
    pub const fn new(kind: FaultKind) -> Self {
        Self { kind, os: None }
    }

    /// What a fault that is told must be.
    pub(crate) fn check(self) {
        assert_ne!(self.os, Some(0), "no error of a system has the number zero");
        assert_ne!(self.kind, FaultKind::Cancelled, "nothing was cancelled: the socket lives");
        assert!(
            !self.kind.is_own_limit() || self.os.is_none(),
            "the Mux's own limit is no answer of a system"
        );
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Fault::new(kind)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.os {
            Some(os) => write!(f, "{} (os error {os})", self.kind.text()),
            None => f.write_str(self.kind.text()),
        }
    }
}

/// The meaning of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// Nobody listens there (ECONNREFUSED).
    ConnectionRefused,
    /// The listener has as many connections waiting as it takes, and the system does not wait for
    /// room (EAGAIN of a Unix-domain connect); asking again later may help.
    BacklogFull,
    /// The peer or the network broke the connection (ECONNRESET).
    ConnectionReset,
    /// The connection was broken before or while it was used (ECONNABORTED).
    ConnectionAborted,
    /// The peer no longer receives (EPIPE).
    BrokenPipe,
    /// The system gave up waiting (ETIMEDOUT), or a bound of the configuration passed.
    TimedOut,
    /// No way to the host (EHOSTUNREACH).
    HostUnreachable,
    /// No way to the network (ENETUNREACH, ENETDOWN).
    NetworkUnreachable,
    /// The address is taken (EADDRINUSE).
    AddressInUse,
    /// The address is not of this machine, or no port is free (EADDRNOTAVAIL); nothing stands at
    /// the path of a Unix-domain socket (ENOENT, ENOTDIR).
    AddressNotAvailable,
    /// The system forbids it (EACCES, EPERM, EROFS).
    PermissionDenied,
    /// The process or the system is out of descriptors (EMFILE, ENFILE).
    DescriptorsExhausted,
    /// The system is out of memory or buffers (ENOMEM, ENOBUFS).
    OutOfMemory,
    /// The datagram is larger than the system sends (EMSGSIZE).
    MessageTooLarge,
    /// The name has no address.
    NameNotFound,
    /// The resolver failed; asking again may help.
    NameResolution,
    /// The descriptor cannot be polled (a regular file).
    NotPollable,
    /// The system rejects an argument (EINVAL, EAFNOSUPPORT, EDESTADDRREQ, …).
    InvalidInput,
    /// The backend does not offer this.
    Unsupported,
    /// The Mux's own table of sockets is full; accepting resumes when one is free.
    LimitReached,
    /// Connections come faster than the listener accepts: the others wait
    /// ([`ListenOptions::accept_rate`](crate::ListenOptions::accept_rate)).
    RateLimited,
    /// The operation was cancelled, because its socket was closed.
    Cancelled,
    /// Anything else: see [`Fault::os`].
    Other,
}

impl FaultKind {
    /// Whether it is the Mux that says no: such a fault passes, and no system reports it.
    pub(crate) const fn is_own_limit(self) -> bool {
        matches!(self, FaultKind::LimitReached | FaultKind::RateLimited)
    }

    const fn text(self) -> &'static str {
        match self {
            FaultKind::ConnectionRefused => "connection refused",
            FaultKind::BacklogFull => "the listener's backlog is full",
            FaultKind::ConnectionReset => "connection reset by peer",
            FaultKind::ConnectionAborted => "connection aborted",
            FaultKind::BrokenPipe => "broken pipe",
            FaultKind::TimedOut => "timed out",
            FaultKind::HostUnreachable => "host unreachable",
            FaultKind::NetworkUnreachable => "network unreachable",
            FaultKind::AddressInUse => "address in use",
            FaultKind::AddressNotAvailable => "address not available",
            FaultKind::PermissionDenied => "permission denied",
            FaultKind::DescriptorsExhausted => "out of descriptors",
            FaultKind::OutOfMemory => "out of memory or buffers",
            FaultKind::MessageTooLarge => "message too large",
            FaultKind::NameNotFound => "name not found",
            FaultKind::NameResolution => "name resolution failed",
            FaultKind::NotPollable => "descriptor cannot be polled",
            FaultKind::InvalidInput => "invalid argument",
            FaultKind::Unsupported => "not supported by this backend",
            FaultKind::LimitReached => "socket table is full",
            FaultKind::RateLimited => "connections come faster than they are accepted",
            FaultKind::Cancelled => "cancelled",
            FaultKind::Other => "system error",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Which operation a message of failure speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a listener.
    Listen,
    /// Accepting from a listener.
    Accept,
    /// Looking a host name up.
    Resolve,
    /// Connecting a stream.
    Connect,
    /// Taking over a descriptor.
    Adopt,
    /// Opening a datagram socket.
    Bind,
    /// Reading from a stream.
    Read,
    /// Writing to a stream.
    Write,
    /// Sending FIN.
    ShutdownWrite,
    /// Sending one datagram.
    SendTo,
    /// Receiving a datagram.
    ReceiveFrom,
    /// Setting a datagram socket's peer.
    ConnectDatagram,
    /// Setting an option.
    SetOption,
    /// Starting to read, moving ownership.
    Start,
}

impl Operation {
    /// Whether a socket can die of its failure.
    pub(crate) fn can_be_fatal(self) -> bool {
        match self {
            Operation::Listen
            | Operation::Resolve
            | Operation::Connect
            | Operation::Adopt
            | Operation::Bind
            | Operation::Read
            | Operation::Write
            | Operation::ShutdownWrite => true,
            Operation::Accept
            | Operation::SendTo
            | Operation::ReceiveFrom
            | Operation::ConnectDatagram
            | Operation::SetOption
            | Operation::Start => false,
        }
    }
}
