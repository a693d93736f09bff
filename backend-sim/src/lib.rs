//! A seeded, simulated network under the same core that runs on real ones.
//!
//! A [`Scenario`](scenario::Scenario) says how worlds are set up: hosts with services, clients with
//! scripts, links. Everything else, faults and timing included, is drawn from a seed, and every law
//! of the simulator is judged. [`test!`] makes a `#[test]` of a scenario.
//!
//! ```
//! use tidelock_sim::scenario::Scenario;
//!
//! let silence = Scenario::new("silence", "nobody says anything", |stage| {
//!     stage.host("server");
//! });
//! assert_eq!(silence.run(7).failure, None);
//! ```

#![allow(
    unreachable_pub,
    reason = "the rooms are private: `pub` in one is for the others, and what a user sees stands here"
)]

mod actors;
mod campaign;
mod judge;
mod report;
pub mod run;
pub mod scenarios;
mod search;
mod stage;
pub mod tide;
pub mod trial;
mod world;

/// Scenarios, the stage that they set, and what may be asked from outside.
///
/// The words of operations are here because a scenario may have a plan:
///
/// ```
/// use tidelock_sim::scenario::{
///     Action, CLIENT, Label, Operation, SERVER, SERVER_PORT, Scenario, When,
/// };
///
/// let connects = Scenario::new("connects", "somebody comes once", |stage| {
///     stage.host("client");
///     stage.host("server");
/// });
/// let connects = connects.plan(|_options, _stream| {
///     let action = Action::Connect { to: SERVER, port: SERVER_PORT, is_paused: false };
///     let (label, when) = (Label::connect(1), When::At { nanos: 0 });
///     vec![Operation { label, when, host: CLIENT, action }]
/// });
/// assert_eq!(connects.run(3).operations, 1);
/// ```
pub mod scenario {
    pub use tidelock_net::chance::streams::Stream;
    pub use tidelock_net::words::behaviour::Behaviour;
    pub use tidelock_net::words::operation::{Action, Label, Operation, Side, When};
    pub use tidelock_net::words::ports::{CLIENT, DEAD_PORT, SERVER, SERVER_PORT};

    pub use crate::stage::scenario::Scenario;
    pub use crate::stage::{CLIENTS_MAX, HOSTS_MAX, HostPlan, MakeService, Stage, Wire};
}

/// Clients with a script.
///
/// ```
/// use tidelock_sim::client::Client;
///
/// let asks = Client::new("asks").to("server", 7).write("ping\n").expect("pong\n").reset();
/// ```
pub mod client {
    pub use tidelock_net::words::client::{Client, Heard};
}

/// Links between hosts, and kinds of them by name.
///
/// ```
/// use tidelock_sim::link::Link;
/// use tidelock_sim::scenario::Scenario;
///
/// let far = Scenario::new("far", "a server behind a satellite", |stage| {
///     stage.link("client", "server", Link::satellite());
/// });
/// ```
pub mod link {
    pub use tidelock_net::system::link::{
        LAN, LOSSY_BURST, LatencyModel, Link, LinkFault, MOBILE, PRESETS, SATELLITE, WIFI,
    };
}

/// Addresses of the simulated hosts, for services that are told addresses and not names.
///
/// ```
/// use tidelock_sim::address::{Address, endpoint};
///
/// assert_eq!(endpoint(Address { host: 1, port: 9000 }).to_string(), "10.0.0.2:9000");
/// ```
pub mod address {
    pub use crate::stage::address::{Address, address, endpoint};
}

/// The numbers that a world is configured with, for scenarios that make them fit.
///
/// ```
/// use tidelock_sim::scenario::Scenario;
///
/// let small = Scenario::new("small", "a small world", |stage| {
///     stage.host("server");
/// });
/// let small = small.adjust_further(|options| options.connections = options.connections.min(4));
/// assert!(small.options(7).connections <= 4);
/// ```
pub mod swarm {
    pub use tidelock_net::words::kinds::Family;

    pub use crate::stage::options::Options;
}

/// The parts that the command, the benches and the tests of this repository need besides. No promise
/// is made
/// about it.
#[doc(hidden)]
pub mod internal {
    pub use tidelock_net as net;

    pub use crate::actors::shared::Shared;
    pub use crate::world::limits::limits;
    pub use crate::world::memory::Memory;

    pub mod campaign {
        pub use crate::campaign::doctor::{Diagnosis, diagnose};
        pub use crate::campaign::*;
    }
    pub mod host {
        pub use crate::actors::host::backend::*;
        pub use crate::actors::host::event::*;
        pub use crate::actors::host::io::*;
    }
    pub mod judge {
        pub use crate::judge::coverage;
        pub use crate::judge::digest::*;
        pub use crate::judge::oracle::*;
        pub use crate::judge::trace::*;
    }
    pub mod report {
        pub use crate::report::*;
        pub use crate::search::story_text::{columns, story_text};
    }
    pub mod script {
        pub use tidelock_net::words::decision::{Decision, Position, Value};
        pub use tidelock_net::words::text::parse_number;

        pub use crate::tide::*;
    }
    pub mod search {
        pub use crate::search::explore;
        pub use crate::search::shrink;
    }
    pub mod simulate {
        pub use crate::run::simulate::*;
    }
}
