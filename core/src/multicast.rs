//! Groups of datagram sockets.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A group that a datagram socket joins on one interface.
///
/// Source: RFC 3376 and `ip(7)` for IPv4, RFC 3493 section 5.2 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Multicast {
    /// A group of IPv4.
    V4 {
        /// The address of the group, in 224.0.0.0/4.
        group: Ipv4Addr,
        /// The address of the interface; unspecified: the system chooses.
        interface: Ipv4Addr,
    },
    /// A group of IPv6.
    V6 {
        /// The address of the group, in ff00::/8.
        group: Ipv6Addr,
        /// The index of the interface; zero: the system chooses.
        interface: u32,
    },
}
