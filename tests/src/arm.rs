//! The operations that a conformance body needs of the world it runs in.

mod real;
mod scripted;
mod simulated;

use std::time::Duration;

use tidelock_core::{Config, Descriptor, Endpoint, ExitReport, Service, ServiceId};
use tidelock_net::system::kernel::Readiness;

use crate::driver::Ask;
use crate::scripted::{PeerRead, ScriptedBackend, Style};

pub use real::RealArm;
pub use scripted::ScriptedArm;
pub use simulated::SimulatedArm;

/// The world that a body runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmKind {
    /// The kernel in memory, one of its styles.
    Scripted(Style),
    /// The same under two Muxes, as under two network threads.
    Sharded(Style),
    /// Real sockets; services on the network thread with 0 workers.
    Mio {
        /// The number of worker threads.
        workers: usize,
    },
    /// The simulated kernel, with benign decisions, one of its profiles.
    Simulated(Readiness),
}

impl ArmKind {
    /// Returns `true` if the system tells no more than the contract promises.
    pub fn is_weakest(self) -> bool {
        matches!(self, Self::Scripted(Style::Weakest) | Self::Sharded(Style::Weakest))
            || self == Self::Simulated(Readiness::Weakest)
    }

    /// Returns `true` if a reset behind the peer's FIN is told although nothing is read or written.
    pub fn tells_a_reset_behind_fin(self) -> bool {
        // The scripted kernel has its weakest style answer the reset where Linux answers the end.
        !self.is_completion() && self != Self::Simulated(Readiness::Weakest)
    }

    /// Returns `true` if the system completes calls.
    pub fn is_completion(self) -> bool {
        matches!(self, Self::Scripted(Style::Completion) | Self::Sharded(Style::Completion))
            || self == Self::Simulated(Readiness::Completion)
    }
}

/// The number of Muxes of an arm that has several.
pub const SHARDS: u32 = 2;

/// A runtime with peers that are driven by hand.
///
/// Everything that a peer does happens at once or is pushed forward by [`advance`](Self::advance).
pub trait Arm {
    /// Returns the kind of this world.
    fn kind(&self) -> ArmKind;

    /// Starts a service.
    fn spawn(&mut self, service: Box<dyn Service>) -> ServiceId;

    /// Lets a driver do something.
    fn post(&mut self, to: ServiceId, ask: Ask);

    /// The time since the start.
    fn time(&self) -> Duration;

    /// Lets something happen; without work, time passes up to the next thing. Answers whether
    /// anything can still happen before `limit`, a time since the start.
    fn advance(&mut self, limit: Duration) -> bool;

    /// Lets everything happen that needs no time (on real sockets: waits for a moment).
    fn settle(&mut self);

    /// Lets time pass, with all that is due in it.
    fn pass_time(&mut self, span: Duration);

    /// Begins the exit.
    fn begin_exit(&mut self, within: Duration);

    /// Returns the report of the exit once it is complete. Checks that nothing is left behind.
    fn exit_report(&mut self) -> Option<ExitReport>;

    /// More bytes than a connection takes while its peer does not read.
    fn flood_bytes(&self) -> usize;

    /// An address without a listener.
    fn nobody(&mut self) -> Endpoint;

    /// A peer listens.
    fn peer_listen(&mut self) -> Endpoint;

    /// A listening peer takes a connection.
    fn peer_accept(&mut self, at: &Endpoint) -> Option<usize>;

    /// A peer connects to a listener of the runtime.
    fn peer_connect(&mut self, to: &Endpoint) -> usize;

    /// A peer sends; what does not fit leaves later.
    fn peer_send(&mut self, peer: usize, bytes: &[u8]);

    /// A peer reads what is there.
    fn peer_read(&mut self, peer: usize, size_max: usize) -> PeerRead;

    /// A peer sends FIN and goes on reading.
    fn peer_finish(&mut self, peer: usize);

    /// A peer resets the connection.
    fn peer_reset(&mut self, peer: usize);

    /// A peer opens a datagram socket.
    fn peer_open_datagram(&mut self) -> Endpoint;

    /// A peer sends a datagram.
    fn peer_datagram(&mut self, from: &Endpoint, to: &Endpoint, payload: &[u8]);

    /// A datagram that reached a peer.
    fn peer_receive(&mut self, at: &Endpoint) -> Option<(Endpoint, Vec<u8>)>;

    /// A stream that can be adopted, and its other end.
    fn adoptable(&mut self) -> (Descriptor, usize);

    /// The kernel to break things in, where it is scripted.
    fn kernel(&mut self) -> Option<&mut ScriptedBackend>;
}

/// Builds an arm.
///
/// # Panics
/// If the configuration contradicts itself.
pub fn build(kind: ArmKind, config: Config) -> Box<dyn Arm> {
    match kind {
        ArmKind::Scripted(style) => Box::new(ScriptedArm::new(style, config, 1)),
        ArmKind::Sharded(style) => Box::new(ScriptedArm::new(style, config, SHARDS)),
        ArmKind::Mio { workers } => Box::new(RealArm::new(workers, config)),
        ArmKind::Simulated(readiness) => Box::new(SimulatedArm::new(readiness, config)),
    }
}
