//! A sans-IO state machine for sockets: slots, outboxes, priorities, and the mapping of events to
//! messages.
//!
//! The core has no clock, no thread, no socket, no ambient randomness and no log. A *driver*
//! (tidelock-mio with real sockets, tidelock-sim with a simulated network) connects three parts:
//!
//! ```text
//! Service ─ Net ─▶ Command ─▶ Mux ◀─ Event ─ Backend
//!    ▲                         │  └─ calls ────▶
//!    └── Dispatcher ◀─ Delivery ┘
//! ```
//!
//! * [`Mux`] is the state machine. Commands and events only mark what there is to do;
//!   [`Mux::turn`] does a bounded amount of work and all of the I/O, through the [`Backend`] that
//!   it is given.
//! * [`Net`] is the interface of a [`Service`] inside a call. It answers at once, from the
//!   [`Directory`] that it shares with the Mux, and makes [`Command`]s.
//! * [`Dispatcher`] holds the services and their mailboxes.
//!
//! A driver loops over these steps: hand events and commands to the Mux, call `turn`, move what
//! [`Mux::poll_delivery`] returns into the dispatcher, run batches, and, if `turn` reports idle,
//! wait until [`Mux::next_deadline`].

mod allocator;
mod backend;
mod charge;
mod command;
mod config;
mod contained;
mod datagrams;
mod directory;
mod dispatcher;
mod endpoint;
mod error;
mod event;
mod fault;
mod gate;
mod gates;
mod handled_bytes;
mod id;
mod info;
mod message;
mod multicast;
mod mux;
mod net;
mod option_name;
mod option_value;
mod options;
mod outbox;
mod outlet;
mod random;
mod routing;
mod service;
mod service_state;
mod shard;
mod situation;
pub mod states;
mod stats;
mod sync;
mod time;
mod timeouts;
mod unix_name;

pub use backend::{Accepted, Answer, Backend, CloseHow, Connected, Descriptor, Read};
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

pub use bytes::Bytes;
