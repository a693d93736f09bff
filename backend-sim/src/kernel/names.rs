//! Names: who is called what, and how long it takes to find out.

use super::{Address, Errno, Kernel};
use crate::choices::Choices;
use crate::kinds::Kind;

/// How long a name takes without a decision.
const RESOLVE_NANOS: u64 = 100_000;

impl<C: Choices> Kernel<C> {
    /// Looks a host's name up: when the answer is there, counted from now, and what it is.
    pub fn resolve(
        &mut self,
        host: u16,
        name: &str,
        port: u16,
    ) -> (u64, Result<Vec<Address>, Errno>) {
        let entity = self.host_entity(host);
        let delay = RESOLVE_NANOS + self.draw_delay(Kind::RESOLVE_DELAY, entity);
        let met = self.draw(Kind::RESOLVE, entity, 4);
        let known = self.hosts.iter().position(|known| known.name == name);
        let address = known.map(|number| Address { host: number as u16, port });
        let result = match (met, address) {
            (1 | 2, _) | (_, None) => Err(Errno::AddressNotAvailable),
            // The first address is somebody who does not listen.
            (3, Some(right)) => Ok(vec![Address { host, port: 1 }, right]),
            (_, Some(right)) => Ok(vec![right]),
        };
        (delay, result)
    }
}
