//! The trait of name resolvers, and the system's resolver.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// A resolver of host names. The default is the system's, [`SystemResolve`]. A program can set
/// another with [`Builder::resolver`](crate::Builder::resolver): one that asks its own servers, a
/// cache, a table.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::io;
/// use std::net::{IpAddr, SocketAddr};
///
/// /// Names of one data centre.
/// struct Table(BTreeMap<String, IpAddr>);
///
/// impl tidelock_mio::Resolve for Table {
///     fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
///         Ok(self.0.get(host).map(|ip| SocketAddr::new(*ip, port)).into_iter().collect())
///     }
/// }
///
/// let table = Table(BTreeMap::from([("login".to_owned(), IpAddr::from([127, 0, 0, 1]))]));
/// let runtime = tidelock_mio::Runtime::builder().resolver(table).build()?;
/// # Ok::<(), tidelock_mio::BuildError>(())
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// Returns the addresses of `host`, with `port`, in the order in which to try them. An empty
    /// list means `NameNotFound`.
    ///
    /// The runtime calls it on threads of its own, on several at a time. It may block.
    ///
    /// # Errors
    /// An error with a number of the system becomes `NameResolution` with that number. Otherwise,
    /// the kind `NotFound` becomes `NameNotFound`, and any other `NameResolution`, which may pass.
    /// A panic is logged and becomes `NameResolution`; the thread goes on.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver, `getaddrinfo`: the hosts file, DNS, and whatever else is configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolve;

impl Resolve for SystemResolve {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match (host, port).to_socket_addrs() {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) if is_unknown(&error) => Err(io::Error::new(io::ErrorKind::NotFound, error)),
            Err(error) => Err(error),
        }
    }
}

/// Returns `true` if the error means that the name has no address.
///
/// The standard library keeps the resolver's own code only as text, so the texts of glibc and musl
/// for failures that may pass are excluded here. A system error has a number, and is none of these.
fn is_unknown(error: &io::Error) -> bool {
    let text = error.to_string();
    let passing = ["Temporary failure", "Try again", "Non-recoverable", "Memory allocation"];
    error.raw_os_error().is_none() && !passing.iter().any(|passing| text.contains(passing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_distinguished_from_a_passing_failure() {
        let unknown = |text: &str| is_unknown(&io::Error::other(text.to_owned()));
        assert!(unknown("failed to lookup address information: Name or service not known"));
        assert!(unknown("failed to lookup address information: Name does not resolve"));
        assert!(!unknown("failed to lookup: Temporary failure in name resolution"));
        assert!(!unknown("failed to lookup: Try again"));
        assert!(!is_unknown(&io::Error::from_raw_os_error(24)));
    }
}
