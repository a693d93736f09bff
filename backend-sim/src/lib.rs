//! A seeded, simulated network under the same core that runs on real sockets.

pub mod campaign;
pub mod report;
pub mod run;
pub mod script;
