//! Where packets go.

/// A host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The host's number.
    pub host: u16,
    /// The port; never 0 once bound.
    pub port: u16,
}
