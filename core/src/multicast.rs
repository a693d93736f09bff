//! Multicast groups.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A multicast group on one interface, which a datagram socket joins or leaves.
///
/// Source: RFC 3376 and `ip(7)` for IPv4, RFC 3493 section 5.2 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Multicast {
    /// An IPv4 group.
    V4 {
        /// The address of the group, in 224.0.0.0/4.
        group: Ipv4Addr,
        /// The address of the interface; if unspecified, the system chooses.
        interface: Ipv4Addr,
    },
    /// An IPv6 group.
    V6 {
        /// The address of the group, in ff00::/8.
        group: Ipv6Addr,
        /// The index of the interface; if zero, the system chooses.
        interface: u32,
    },
}
