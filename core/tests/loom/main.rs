//! The core under every interleaving of the network thread and the workers.
//!
//! `RUSTFLAGS='--cfg loom -C debug-assertions' LOOM_MAX_PREEMPTIONS=3 \
//! cargo test --release -p tidelock-core --test loom`
//!
//! These are the files of the library itself, compiled with loom's atomics and locks in the place
//! of the standard ones (`sync`): the gate and the charges, `Net`, `Directory` and the whole Mux. Only the kernel, the queue between the threads and the services are models.
#![cfg(loom)]
#![allow(dead_code, unreachable_pub, reason = "the library's public items are not all used here")]

#[path = "../../src/allocator.rs"]
mod allocator;
#[path = "../../src/backend.rs"]
mod backend;
#[path = "../../src/charge.rs"]
mod charge;
#[path = "../../src/command.rs"]
mod command;
#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/contained.rs"]
mod contained;
#[path = "../../src/datagrams.rs"]
mod datagrams;
#[path = "../../src/directory.rs"]
mod directory;
#[path = "../../src/dispatcher.rs"]
mod dispatcher;
#[path = "../../src/endpoint.rs"]
mod endpoint;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/event.rs"]
mod event;
#[path = "../../src/fault.rs"]
mod fault;
#[path = "../../src/gate.rs"]
mod gate;
#[path = "../../src/gates.rs"]
mod gates;
#[path = "../../src/handled_bytes.rs"]
mod handled_bytes;
#[path = "../../src/id.rs"]
mod id;
#[path = "../../src/info.rs"]
mod info;
#[path = "../../src/message.rs"]
mod message;
#[path = "../../src/multicast.rs"]
mod multicast;
#[path = "../../src/mux/mod.rs"]
mod mux;
#[path = "../../src/net.rs"]
mod net;
#[path = "../../src/option_name.rs"]
mod option_name;
#[path = "../../src/option_value.rs"]
mod option_value;
#[path = "../../src/options.rs"]
mod options;
#[path = "../../src/outbox/mod.rs"]
mod outbox;
#[path = "../../src/outlet.rs"]
mod outlet;
#[path = "../../src/random.rs"]
mod random;
#[path = "../../src/routing.rs"]
mod routing;
#[path = "../../src/service.rs"]
mod service;
#[path = "../../src/service_state.rs"]
mod service_state;
#[path = "../../src/shard.rs"]
mod shard;
#[path = "../../src/situation.rs"]
mod situation;
#[path = "../../src/states.rs"]
pub mod states;
#[path = "../../src/stats.rs"]
mod stats;
mod sync;
#[path = "../../src/time.rs"]
mod time;
#[path = "../../src/timeouts.rs"]
mod timeouts;
#[path = "../../src/unix_name.rs"]
mod unix_name;

pub use backend::{Accepted, Answer, Backend, CloseHow, Connected, Descriptor, Read};
pub use bytes::Bytes;
pub use command::Command;
pub use config::{Config, ConfigError, MESSAGE_OVERHEAD_BYTES};
pub use directory::Directory;
pub use dispatcher::{Batch, Dispatcher, Handled, Leftovers};
pub use endpoint::{Endpoint, Target};
pub use error::{OpenError, OptionError, PostError, Queued, SendError, SpawnError, Stale};
pub use event::{Event, Readiness};
pub use fault::{Fault, FaultKind, Operation};
pub use id::{SHARDS_MAX, ServiceId, SocketId, TimerId};
pub use info::{SocketInfo, SocketKind, SocketState};
pub use message::{CloseReason, Message, MessageKind, RefusedReason, Timeout};
pub use multicast::Multicast;
pub use mux::{Delivery, ExitReport, Mux, Progress, Wish};
pub use net::Net;
pub use option_name::{InvalidOption, OptionName};
pub use options::{AcceptRate, ConnectOptions, Keepalive, ListenOptions, SocketOption, UdpOptions};
pub use outbox::{Outbox, Priority};
pub use outlet::{KeepCommands, Outlet};
pub use random::mix;
pub use service::Service;
pub use service_state::ServiceState;
pub use shard::ShardCommand;
pub use situation::{OutputState, Situation};
pub use stats::Stats;
pub use time::Instant;
pub use unix_name::{UnixName, UnixNameError};

mod kernel;
mod queue;
mod stage;

mod endings;
mod limits;
mod writes;
