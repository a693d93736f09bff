//! Hosts and ports that every world with a plan has.

/// The host where connections begin, in scenarios with a plan.
pub const CLIENT: u16 = 0;
/// The host that they go to, in scenarios with a plan.
pub const SERVER: u16 = 1;
/// Where a server listens.
pub const SERVER_PORT: u16 = 9000;
/// Where nobody ever listens.
pub const DEAD_PORT: u16 = 9999;
