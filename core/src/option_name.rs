//! The names of options, and of values that they cannot have.

use std::fmt;

/// The name of a [`SocketOption`](crate::SocketOption), for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OptionName {
    /// [`SocketOption::Timeout`](crate::SocketOption::Timeout).
    Timeout,
    /// [`SocketOption::Nodelay`](crate::SocketOption::Nodelay).
    Nodelay,
    /// [`SocketOption::Keepalive`](crate::SocketOption::Keepalive).
    Keepalive,
    /// [`SocketOption::ReceiveBuffer`](crate::SocketOption::ReceiveBuffer).
    ReceiveBuffer,
    /// [`SocketOption::SendBuffer`](crate::SocketOption::SendBuffer).
    SendBuffer,
    /// [`SocketOption::Broadcast`](crate::SocketOption::Broadcast).
    Broadcast,
    /// [`SocketOption::UserTimeout`](crate::SocketOption::UserTimeout).
    UserTimeout,
    /// [`SocketOption::TrafficClass`](crate::SocketOption::TrafficClass).
    TrafficClass,
    /// [`SocketOption::OnlyV6`](crate::SocketOption::OnlyV6).
    OnlyV6,
    /// [`SocketOption::ReusePort`](crate::SocketOption::ReusePort).
    ReusePort,
    /// [`SocketOption::JoinMulticast`](crate::SocketOption::JoinMulticast).
    JoinMulticast,
    /// [`SocketOption::LeaveMulticast`](crate::SocketOption::LeaveMulticast).
    LeaveMulticast,
    /// [`SocketOption::MulticastInterfaceV4`](crate::SocketOption::MulticastInterfaceV4).
    MulticastInterfaceV4,
    /// [`SocketOption::MulticastInterfaceV6`](crate::SocketOption::MulticastInterfaceV6).
    MulticastInterfaceV6,
    /// [`SocketOption::MulticastLoop`](crate::SocketOption::MulticastLoop).
    MulticastLoop,
    /// [`SocketOption::MulticastHops`](crate::SocketOption::MulticastHops).
    MulticastHops,
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A value that an option cannot have on any system; the answer at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidOption {
    /// The option.
    pub option: OptionName,
    /// The part of its value that is out of range, and the range.
    pub expected: &'static str,
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.expected)
    }
}

impl std::error::Error for InvalidOption {}
