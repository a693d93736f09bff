//! The trait that user code implements.

use crate::{Message, Net};

/// User code: it gets the messages of its sockets, and acts through [`Net`].
///
/// A service takes time, randomness, I/O and other services from `Net` alone. A run in the
/// simulator is then a pure function of its seed, and the same source runs on real sockets. A
/// service is called by one thread at a time and never blocks inside a call.
pub trait Service: Send {
    /// Called once, before the first message: the place to listen or connect.
    fn on_start(&mut self, net: &mut Net<'_>) {
        let _nothing_to_do = net;
    }

    /// Called for each message, in order.
    fn on_message(&mut self, net: &mut Net<'_>, message: Message);

    /// Returns a hash of all state that the service's further behaviour depends on, or `None` if
    /// it has no such hash.
    ///
    /// An exhaustive search in the simulator compares it to find out that two runs have reached
    /// the same state. Without it, two services are in the same state only after the same messages
    /// at the same times. The search cannot see a difference that the hash leaves out.
    fn fingerprint(&self) -> Option<u64> {
        None
    }

    /// Returns the name of the service in traces.
    fn name(&self) -> &'static str {
        "service"
    }
}
