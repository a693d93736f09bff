//! Ways to answer what was accepted.

/// The behaviour of a scripted peer with a connection that it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Sends back what it reads, and FIN after FIN.
    Echo,
    /// Reads and says nothing; FIN after FIN.
    Sink,
}
