//! The kernel of all hosts, with the network between them.

pub mod clock;
pub mod kernel;
pub mod link;
pub mod schedule;
mod trouble;
