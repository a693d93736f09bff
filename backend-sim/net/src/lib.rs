//! A simulated network: the sockets of several hosts, their links, and everything that can go
//! wrong between them.
//!
//! It knows nothing of what runs over it. Three rooms stand on each other: [`words`] names hosts,
//! operations, faults and decisions; [`chance`] decides, from a seed, a script or an enumeration;
//! [`system`] is the kernel with its clock, its schedule and its links.

pub mod base;
pub mod chance;
pub mod system;
pub mod words;
