//! User code.

use crate::{Message, Net};

/// User code: told what happens to its sockets, asks for more through [`Net`].
///
/// A service draws time, randomness, I/O and other services from `Net` alone; then a run in the
/// simulator is a pure function of its seed, and the same source runs on real sockets. A service
/// is called by one thread at a time and never waits inside a call.
pub trait Service: Send {
    /// Called once, before the first message: the place to listen or connect.
    fn on_start(&mut self, net: &mut Net<'_>) {
        let _nothing_to_do = net;
    }

    /// Called for each message, in order.
    fn on_message(&mut self, net: &mut Net<'_>, message: Message);

    /// A hash of everything that what the service does from now on depends on, or `None` if it
    /// does not say. An exhaustive search in the simulator asks for it, to tell that two runs
    /// came to the same; without it a service is the same only after the same messages at the
    /// same times. What is left out here, the search is blind to.
    fn fingerprint(&self) -> Option<u64> {
        None
    }

    /// What traces call the service.
    fn name(&self) -> &'static str {
        "service"
    }
}
