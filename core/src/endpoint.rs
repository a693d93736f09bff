//! The ends of sockets, and the targets of connects.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::UnixName;

/// One end of a socket, as the system names it.
///
/// `Clone` but not `Copy`, because Unix-domain names are endpoints too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Endpoint {
    /// An IPv4 or IPv6 address with a port.
    Ip(SocketAddr),
    /// A Unix-domain socket.
    Unix(UnixName),
    /// No name: the far end of an adopted pipe or terminal, of a socket pair, or of a Unix-domain
    /// socket that was not bound.
    Unnamed,
}

impl Endpoint {
    /// Returns the IP address with its port, if this endpoint has one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Endpoint::Ip(address) => Some(*address),
            Endpoint::Unix(_) | Endpoint::Unnamed => None,
        }
    }

    /// Returns the Unix-domain name, if this endpoint has one.
    pub fn unix_name(&self) -> Option<&UnixName> {
        match self {
            Endpoint::Unix(name) => Some(name),
            Endpoint::Ip(_) | Endpoint::Unnamed => None,
        }
    }

    /// Returns the port, if this endpoint has one.
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Ip(address) => address.fmt(f),
            Endpoint::Unix(name) => name.fmt(f),
            Endpoint::Unnamed => f.write_str("unnamed"),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::Ip(address)
    }
}

impl From<UnixName> for Endpoint {
    fn from(name: UnixName) -> Self {
        Endpoint::Unix(name)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Endpoint {
    fn from(pair: (I, u16)) -> Self {
        Endpoint::Ip(SocketAddr::from(pair))
    }
}

/// The target of a `connect`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A known endpoint.
    Endpoint(Endpoint),
    /// A name that the backend resolves, off the network thread. Its addresses are tried in the
    /// order in which the resolver gives them.
    Host {
        /// The host name: 1 to 255 bytes, without a NUL.
        host: Box<str>,
        /// The port.
        port: u16,
    },
}

impl Target {
    /// Returns the target `host`:`port`. An IP address in text becomes [`Target::Endpoint`], which
    /// needs no resolver.
    pub fn host(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => Target::Endpoint(Endpoint::from((address, port))),
            Err(_not_an_address) => Target::Host { host: host.into(), port },
        }
    }

    /// Returns `true` if the target can name anything at all.
    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Target::Endpoint(endpoint) => *endpoint != Endpoint::Unnamed,
            Target::Host { host, .. } => {
                !host.is_empty() && host.len() <= 255 && !host.contains('\0')
            }
        }
    }
}

impl<E: Into<Endpoint>> From<E> for Target {
    fn from(endpoint: E) -> Self {
        Target::Endpoint(endpoint.into())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Endpoint(endpoint) => endpoint.fmt(f),
            Target::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_textual_address_needs_no_resolver() {
        assert_eq!(
            Target::host("127.0.0.1", 80),
            Target::Endpoint(Endpoint::from(([127, 0, 0, 1], 80)))
        );
        assert!(matches!(Target::host("localhost", 80), Target::Host { .. }));
    }

    #[test]
    fn names_that_no_resolver_could_answer_are_invalid() {
        assert!(!Target::host("", 80).is_valid());
        assert!(!Target::host("a\0b", 80).is_valid());
        assert!(!Target::host(&"a".repeat(256), 80).is_valid());
        assert!(Target::host("example.org", 80).is_valid());
    }
}
