//! A seeded, simulated network under the same core that runs on real sockets.

pub mod address;
pub mod backend;
pub mod campaign;
pub mod choices;
pub mod digest;
pub mod host;
pub mod kernel;
pub mod kinds;
pub mod link;
pub mod noise;
pub mod operator;
pub mod oracle;
mod panics;
pub mod payload;
pub mod peer;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scenarios;
pub mod schedule;
pub mod script;
pub mod simulate;
pub mod streams;
pub mod swarm;
pub mod trace;
pub mod trouble;
pub mod world;
