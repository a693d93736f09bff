//! The network core on real sockets: an edge-triggered mio backend, worker threads, and the
//! runtime that ties them to the Mux.
//!
//! * [`Runtime`] starts one network thread and, with `workers(n)`, threads for services.
//! * [`Handle`] is what other threads use: spawn and post, blocking `listen` for start-up code,
//!   `info`, `stats`, shutdown.
//! * [`NetExt`] is what services may do only here: adopt descriptors.
//!
//! What happens is counted: [`Handle::stats`] answers plain numbers, [`RuntimeStats::samples`] gives
//! them names, and with the feature `metrics` `RuntimeStats::record` hands them to the facade of
//! that name. The example `prometheus` serves them over the library itself.
//!
//! Events are logged through `tracing`: connections at debug, what an operator must know at warn,
//! reads and writes at trace. The life of each socket is a span `socket` at debug, with its `id`,
//! `kind`, `local` and `peer`, and for an accepted one its `listener`; what the network thread does
//! with the socket is inside. Each turn is a span at trace. What a worker writes itself is an event
//! with the socket's `id`. Spans that nobody listens to cost one word for each socket.
//!
//! It is written for Unix; Linux is where it is measured. Windows is not supported: adopting and
//! the mapping of errors would need their own there. SIGPIPE must be ignored, as Rust's start-up
//! code does it: pipes and adopted sockets have no flag against it.

mod adopted;
mod backend;
mod buffer;
mod clock;
mod datagram;
mod drained;
mod errno;
#[cfg(feature = "metrics")]
mod facade;
mod guarded;
mod handle;
mod inbox;
mod inboxes;
mod inside;
mod listener;
mod net_ext;
mod network;
mod remote;
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
pub use remote::DirectWriteStats;
pub use resolve::{Resolve, SystemResolve};
pub use runtime::{BuildError, Builder, Runtime, ShutdownReport};
pub use sample::{Sample, SampleKind};
pub use stats::{Calls, Histogram, RuntimeStats};
