//! A seeded, simulated network under the same core that runs on real sockets.

pub mod run;
pub mod script;
