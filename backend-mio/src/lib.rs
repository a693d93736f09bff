//! The network core on real sockets: an edge-triggered mio backend, worker threads, and the
//! runtime that ties them to the Mux.
//!
//! * [`Runtime`] starts one network thread and, with `workers(n)`, threads for services.
//! * [`Handle`] is for other threads: spawn and post, blocking `listen` for start-up code, `info`,
//!   `stats`, shutdown.
//! * [`NetExt`] adds to `Net` what only real sockets can do: adopt descriptors.
//!
//! The runtime counts what it does: [`Handle::stats`] returns plain numbers,
//! [`RuntimeStats::samples`] gives them names, and with the feature `metrics`
//! `RuntimeStats::record` passes them to the facade of that name. The example `prometheus` serves
//! them over the library itself.
//!
//! Events are logged through `tracing`: connections at debug, what an operator must know at warn,
//! reads and writes at trace. The life of each socket is a span `socket` at debug, with its `id`,
//! `kind`, `local` and `peer`, and for an accepted one its `listener`; the work of the network
//! thread on the socket is inside it. Each turn is a span at trace. A worker's own write is an
//! event with the socket's `id`. A span that no subscriber listens to costs one word for each
//! socket.
//!
//! The crate is for Unix, and is measured on Linux. Windows is not supported: it would need its own
//! adopting and mapping of errors. SIGPIPE must be ignored, as Rust's start-up code does: pipes and
//! adopted sockets are written with `writev`, which has no flag to suppress it.

mod adopted;
mod backend;
mod buffer;
mod clock;
mod contained;
mod datagram;
mod drained;
mod errno;
#[cfg(feature = "metrics")]
mod facade;
mod gathered;
mod guarded;
mod handle;
mod inbox;
mod inboxes;
mod inline;
mod inside;
mod listen_waiters;
mod listener;
mod net_ext;
mod network;
mod resolve;
mod resolver;
mod runtime;
mod sample;
mod shared;
mod socket_span;
mod stats;
mod stream;
mod sync;
mod sys;
mod workers;

pub use handle::Handle;
pub use net_ext::NetExt;
pub use resolve::{Resolve, SystemResolve};
pub use runtime::{BuildError, Builder, Runtime, ShutdownReport};
pub use sample::{Sample, SampleKind};
pub use stats::{Calls, Histogram, RuntimeStats};
