//! Addresses of the simulated network as the core writes them.

pub use tidelock_net::system::kernel::Address;

use std::net::{IpAddr, Ipv4Addr};

use tidelock_core::{Connected, Endpoint};

/// Host `n` is `10.0.x.y` with `x·256 + y = n + 1`.
pub fn endpoint(address: Address) -> Endpoint {
    let [high, low] = (address.host + 1).to_be_bytes();
    Endpoint::from(([10, 0, high, low], address.port))
}

/// The inverse; `None` for an address outside the simulated network. The unspecified address and
/// loopback are the asking host.
pub fn address(endpoint: &Endpoint, asking_host: u16) -> Option<Address> {
    let address = endpoint.socket_addr()?;
    let IpAddr::V4(ip) = address.ip() else { return None };
    let port = address.port();
    if ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST {
        return Some(Address { host: asking_host, port });
    }
    let [10, 0, high, low] = ip.octets() else { return None };
    let host = u16::from_be_bytes([high, low]).checked_sub(1)?;
    Some(Address { host, port })
}

/// Both ends of a stream.
pub(crate) fn connected((local, peer): (Address, Address)) -> Connected {
    Connected { local: endpoint(local), peer: endpoint(peer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_addresses_of_their_own() {
        for host in [0, 1, 255, 300] {
            let there = Address { host, port: 9000 };
            assert_eq!(address(&endpoint(there), 7), Some(there));
        }
        let unspecified = Endpoint::from(([0, 0, 0, 0], 80));
        assert_eq!(address(&unspecified, 7), Some(Address { host: 7, port: 80 }));
        assert_eq!(address(&Endpoint::from(([192, 168, 0, 1], 80)), 7), None);
    }
}
