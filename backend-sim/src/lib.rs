//! A seeded, simulated network under the same core that runs on real sockets.

pub use tidelock_net::system::link;
pub use tidelock_net::words::{client, operation};

#[doc(hidden)]
pub use tidelock_net as net;

pub mod address;
pub mod backend;
mod build;
pub mod campaign;
pub mod check;
pub mod checkpoints;
pub mod coverage;
pub mod digest;
pub mod doctor;
pub mod event;
pub mod explore;
pub mod fairness;
mod fault;
pub mod host;
pub mod io;
mod mark;
pub mod memory;
mod neutral;
pub mod operator;
mod option_value;
pub mod oracle;
mod outcome;
mod panics;
pub mod peer;
mod player;
mod rename;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scenarios;
pub mod script;
pub mod shrink;
pub mod signature;
pub mod simulate;
pub mod spelling;
pub mod split;
pub mod stage;
pub mod swarm;
mod told;
pub mod trace;
pub mod trial;
pub mod trouble;
mod workers;
pub mod world;
