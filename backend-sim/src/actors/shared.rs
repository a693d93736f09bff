//! The state that the actors of a world share.

use tidelock_net::system::kernel::Kernel;

use crate::judge::coverage::Coverage;
use crate::judge::digest::Digest;
use crate::judge::oracle::Oracle;
use crate::judge::trace::Tracer;

/// The state that every host and peer of a world works with.
pub struct Shared<C> {
    /// The network.
    pub kernel: Kernel<C>,
    /// The judge.
    pub oracle: Oracle,
    /// The hash of every step.
    pub digest: Digest,
    /// The trace.
    pub tracer: Tracer,
    /// The coverage.
    pub coverage: Coverage,
    /// The sum of what services saw, without times.
    pub outcome: u64,
    /// Events, and commands and messages about sockets.
    pub story: u64,
    /// Check everything at every step.
    pub is_paranoid: bool,
}
