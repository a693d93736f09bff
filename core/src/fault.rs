//! Faults: the errors of the system, by meaning.

use std::fmt;

use crate::OptionName;

/// A failure of one call, captured at that call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The meaning of the failure, which is the same on every system.
    pub kind: FaultKind,
    /// The error number of the system, if a system call failed.
    pub os: Option<i32>,
    /// The option that the system refused, if that is what failed.
    pub option: Option<OptionName>,
}

impl Fault {
    /// Creates a fault that no system call reported.
    pub const fn new(kind: FaultKind) -> Self {
        Self { kind, os: None, option: None }
    }

    /// Creates the fault of a system call that failed with the error number `os`.
    pub const fn of_system(kind: FaultKind, os: i32) -> Self {
        Self { kind, os: Some(os), option: None }
    }

    /// Asserts what holds for every fault that a service is told.
    pub(crate) fn check(self) {
        assert_ne!(self.os, Some(0), "{:?} with the error number of success", self.kind);
        assert_ne!(self.kind, FaultKind::Cancelled, "a cancelled call was reported as a fault");
        let is_of_system = !self.kind.is_own_limit() || self.os.is_none();
        assert!(is_of_system, "{:?} is a limit of the Mux, but has error {:?}", self.kind, self.os);
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Fault::new(kind)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(option) = self.option {
            write!(f, "option {option}: ")?;
        }
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
    /// The listener's backlog is full, and the system does not wait for room (EAGAIN of a
    /// Unix-domain connect). A later attempt may succeed.
    BacklogFull,
    /// The peer or the network broke the connection (ECONNRESET).
    ConnectionReset,
    /// The connection was broken before or while it was used (ECONNABORTED).
    ConnectionAborted,
    /// The peer no longer receives (EPIPE).
    BrokenPipe,
    /// The system gave up waiting (ETIMEDOUT), or a timeout of the configuration expired.
    TimedOut,
    /// There is no route to the host (EHOSTUNREACH).
    HostUnreachable,
    /// There is no route to the network, or it is down (ENETUNREACH, ENETDOWN).
    NetworkUnreachable,
    /// The address is in use (EADDRINUSE).
    AddressInUse,
    /// The address does not belong to this machine, or no port is free (EADDRNOTAVAIL); or there
    /// is nothing at the path of a Unix-domain socket (ENOENT, ENOTDIR).
    AddressNotAvailable,
    /// The system forbids it (EACCES, EPERM, EROFS).
    PermissionDenied,
    /// The process or the system is out of descriptors (EMFILE, ENFILE).
    DescriptorsExhausted,
    /// The system is out of memory or buffers (ENOMEM, ENOBUFS).
    OutOfMemory,
    /// The datagram is larger than the system can send (EMSGSIZE).
    MessageTooLarge,
    /// The name has no address.
    NameNotFound,
    /// The resolver failed. A later attempt may succeed.
    NameResolution,
    /// The descriptor cannot be polled (a regular file).
    NotPollable,
    /// The system rejected an argument (EINVAL, EAFNOSUPPORT, EDESTADDRREQ, and others).
    InvalidInput,
    /// The backend does not support this.
    Unsupported,
    /// The Mux's own table of sockets is full; accepting resumes once a place is free.
    LimitReached,
    /// Connections arrive faster than the listener may accept them; the rest wait in the backlog
    /// ([`ListenOptions::accept_rate`](crate::ListenOptions::accept_rate)).
    RateLimited,
    /// The operation was cancelled, because its socket was closed.
    Cancelled,
    /// Any other error; [`Fault::os`] has its number.
    Other,
}

impl FaultKind {
    /// Returns `true` for a limit of the Mux itself. Such a fault passes, and no system reports it.
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

/// The operation that failed, in an [`Error`](crate::Message::Error) message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a listener.
    Listen,
    /// Accepting from a listener.
    Accept,
    /// Resolving a host name.
    Resolve,
    /// Connecting a stream.
    Connect,
    /// Adopting a descriptor.
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
    /// Starting to read, which also moves ownership.
    Start,
}

impl Operation {
    /// Returns `true` if a failure of the operation can close the socket.
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
