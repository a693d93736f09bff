//! The coverage of a run: cells, pairs of faults, probes; and the fate of its faults.
//!
//! Which cells and pairs can be reached stands in a table with reasons. What campaigns still leave
//! open are races that need several rare things at once, and none of them is excluded for that:
//!
//! * events for a socket that the Mux has let go of, or that it flushes, with something unsent:
//!   they must fall into the few turns for which such a socket waits, because others were served;
//! * events that tell of FIN and not of room to write (`readable+fin` under `linux`): the system's
//!   buffer must be full at that time, and nobody at the far end read;
//! * `take-error:none`: a call must have met the error before the event that told of it, and the
//!   stream must have gone on; no order is known that does it;
//! * completions of reads and names for sockets that were shut down or closed meanwhile.
//!
//! The scenario `odd-orders` aims at them; more seeds of it reach more of them.

mod answer;
mod cell;
mod legal;
mod pairs;
mod probes;
mod set;
mod trail;

pub use answer::{Answered, Call};
pub use cell::{CELLS, Cell, Met, Place};
pub use legal::{Excluded, legal_cells, why_not};
pub use pairs::{legal_pairs, why_not_pair};
pub(crate) use probes::sometimes;
pub use probes::{CATALOGUE, Probes, probe};
pub use set::Set;
pub use trail::{FAMILIES, PAIR_EVENTS_MAX, PAIRS, Subject, Trail, families, pair, pair_name};

use tidelock_net::chance::choices::Choices;
use tidelock_net::system::kernel::{Kernel, Readiness};
use tidelock_net::words::kinds::Family;

/// The record that is written while a world runs. Whatever it is told costs the same, and nothing of
/// it
/// changes what happens.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Probes.
    pub probes: Probes,
    cells: Set,
    trail: Trail,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { probes: Probes::default(), cells: Set::below(CELLS), trail: Trail::default() }
    }
}

impl Coverage {
    /// A socket of a host under test meets something. `descriptor` says what the kernel knows it
    /// by.
    #[inline]
    pub fn meets<C: Choices>(
        &mut self,
        kernel: &mut Kernel<C>,
        host: u16,
        place: Place,
        met: Met,
        descriptor: impl FnOnce() -> Option<u32>,
    ) {
        self.note(kernel, host, place, met, |kernel, host| match descriptor() {
            // What has no descriptor sees what its host sees.
            None => (host, false),
            Some(descriptor) => kernel.near_entity(descriptor),
        });
    }

    /// A connection that failed before it had a descriptor meets that. `entity`: its near end's.
    pub fn fails<C: Choices>(
        &mut self,
        kernel: &mut Kernel<C>,
        host: u16,
        entity: u32,
        place: Place,
        met: Met,
    ) {
        self.note(kernel, host, place, met, |_kernel, _host| (entity, true));
    }

    /// `who` says which entity meets it, and whether that is a connection, if there was any fault
    /// that it could see.
    #[inline]
    fn note<C: Choices>(
        &mut self,
        kernel: &mut Kernel<C>,
        host: u16,
        place: Place,
        met: Met,
        who: impl FnOnce(&Kernel<C>, u32) -> (u32, bool),
    ) {
        let readiness: Readiness = kernel.readiness(host);
        self.cells.insert(Cell::new(place, met, readiness).index());
        self.trail.take_faults(&mut kernel.choices);
        if self.trail.is_blank() {
            return;
        }
        let host = kernel.host_entity(host);
        let (entity, is_connection) = who(kernel, host);
        self.trail.meets(Subject { entity, is_connection, host });
    }

    /// Something is done to a host, which concerns every socket of it; or to the links between
    /// hosts, which concerns all.
    pub fn trouble_begins(&mut self, host_entity: Option<u32>) {
        const WORLD: u32 = 0;
        match host_entity {
            Some(entity) => self.trail.begins(entity, Family::Machines),
            None => self.trail.begins(WORLD, Family::World),
        }
    }

    /// Returns the coverage that was reached.
    pub fn finish(self) -> Reached {
        let seen = Family::ALL.iter().map(|family| family.name()).zip(*self.trail.seen());
        Reached {
            seen: seen.collect(),
            pairs: self.trail.pairs().clone(),
            cells: self.cells,
            probes: self.probes.iter().collect(),
        }
    }
}

/// The coverage that a run reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Cells, by [`Cell::index`].
    pub cells: Set,
    /// Pairs of fault families that met on one connection, by [`pair`].
    pub pairs: Set,
    /// For each fault family by name: how often the code under test met something on the socket
    /// concerned after it.
    pub seen: Vec<(&'static str, u64)>,
    /// The number of times that each probe was reached.
    pub probes: Vec<(&'static str, u64)>,
}

impl Reached {
    /// A hash of the set of cells: the run's path.
    pub fn path(&self) -> u64 {
        self.cells.hash(0)
    }

    /// The cells, in order.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.cells.iter().map(|index| Cell::from_index(index).expect("a cell was inserted"))
    }
}
