//! Names: who is called what, and how long it takes to find out.

use super::{Address, Errno, Kernel};
use crate::chance::choices::Choices;
use crate::words::kinds::Kind;
use crate::words::names::{Lookup, NAMES, Resolver};
use crate::words::ports::{DEAD_PORT, SERVER};

/// The time that a name takes without a decision.
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
        let drawn = self.draw(Kind::RESOLVE, entity, 7);
        let resolver = self.hosts[host as usize].resolver;
        let (delay, met) = match (drawn, resolver) {
            (0, Resolver::Right) => (delay, 0),
            (0, Resolver::Slow) => (delay + SLOW_NANOS, 0),
            (0, Resolver::Wrong) => (delay, WRONG),
            (0, Resolver::Empty) => (delay, EMPTY),
            (0, Resolver::Many) => (delay, MANY),
            (drawn, _) => (delay, drawn),
        };
        let right = self.hosts.iter().position(|known| known.name == name);
        let known = NAMES.iter().find(|known| known.0 == name);
        let at = |host, port| Address { host, port };
        let result = match (met, known, right) {
            (1 | 2, ..) | (_, None, None) | (_, Some((_, [Lookup::Nothing, ..])), _) => {
                Err(Errno::AddressNotAvailable)
            }
            (WRONG, _, Some(right)) => Ok(vec![at(right as u16, 1)]),
            (EMPTY, ..) => Ok(Vec::new()),
            (MANY, _, Some(right)) => {
                let (right, dead) = (at(right as u16, port), at(right as u16, DEAD_PORT));
                Ok(vec![at(UNREACHABLE_HOST, port), dead, right, right])
            }
            (SILENT_FIRST, _, Some(right)) => {
                let silent = at(SILENT_HOST, port);
                Ok(vec![silent, silent, at(right as u16, port)])
            }
            // The first address is somebody who does not listen.
            (3, _, Some(right)) => Ok(vec![at(host, 1), at(right as u16, port)]),
            (_, _, Some(right)) => Ok(vec![at(right as u16, port)]),
            (_, Some((_, answers)), None) => Ok(answers
                .iter()
                .map(|answer| match answer {
                    Lookup::Right => at(SERVER, port),
                    Lookup::Refused => at(SERVER, DEAD_PORT),
                    Lookup::Unreachable => at(UNREACHABLE_HOST, port),
                    Lookup::Silent => at(SILENT_HOST, port),
                    Lookup::Nothing => unreachable!("it stands first"),
                })
                .collect()),
        };
        (delay, result)
    }
}

/// The answers of a decision, or of a resolver: only an address where nobody listens, none,
/// several.
const WRONG: u32 = 7;
const EMPTY: u32 = 4;
const MANY: u32 = 5;
/// Two that do not answer before the right one, so that addresses race.
const SILENT_FIRST: u32 = 6;
/// The additional time of a slow resolver.
const SLOW_NANOS: u64 = 3_000_000_000;

impl<C: Choices> Kernel<C> {
    /// From now on a host's resolver answers so.
    pub fn set_resolver(&mut self, host: u16, how: Resolver) {
        self.hosts[host as usize].resolver = how;
    }
}

/// A host that no way leads to.
const UNREACHABLE_HOST: u16 = 65_000;
/// A host that does not answer.
pub(super) const SILENT_HOST: u16 = 65_001;
