//! How host names are looked up.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// How host names are looked up: the system's way, [`SystemResolve`], unless a program brings
/// another with [`Builder::resolver`](crate::Builder::resolver): a resolver that asks its own
/// servers, a cache, a table.
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
    /// The addresses of a host, in the order in which they are to be tried, with `port`. None are
    /// `NameNotFound`. It is called on threads of its own, several at a time, and may block.
    ///
    /// # Errors
    /// An error with a system's number becomes `NameResolution` with that number; one of the kind
    /// `NotFound` `NameNotFound`; any other is `NameResolution`, which may pass. A panic is
    /// `NameResolution` too, and is logged; the thread goes on.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's way, `getaddrinfo`: the hosts file, DNS, what else is configured.
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

/// The standard library keeps a resolver's own code only as a text. glibc's and musl's texts for
/// "try again" are told apart from a name that has no address; a system error keeps its number.
fn is_unknown(error: &io::Error) -> bool {
    let text = error.to_string();
    let passing = ["Temporary failure", "Try again", "Non-recoverable", "Memory allocation"];
    error.raw_os_error().is_none() && !passing.iter().any(|passing| text.contains(passing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_unknown_is_told_from_a_failure_that_passes() {
        let unknown = |text: &str| is_unknown(&io::Error::other(text.to_owned()));
        assert!(unknown("failed to lookup address information: Name or service not known"));
        assert!(unknown("failed to lookup address information: Name does not resolve"));
        assert!(!unknown("failed to lookup: Temporary failure in name resolution"));
        assert!(!unknown("failed to lookup: Try again"));
        assert!(!is_unknown(&io::Error::from_raw_os_error(24)));
    }
}
