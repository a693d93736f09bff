//! A hash of everything that what a world does next, and how it is judged, depends on.

use std::hash::Hash;

use tidelock_net::base::fingerprint::Fingerprint;
use tidelock_net::chance::choices::Choices;

use super::{Machine, World};

impl<C: Choices> World<C> {
    /// Two worlds of one plan that give the same here go on alike, and are judged alike, from the
    /// same decisions. Times are absolute, and what was before counts as little as possible.
    ///
    /// `None` while something is under way that nobody sees into: what waits in a host's queues;
    /// and always with noise, peers by script, workers, crashes, and invariants of the user's.
    pub(crate) fn fingerprint(&self) -> Option<u128> {
        // Named one by one, so that a new field is not forgotten.
        let Self {
            shared,
            steps: _,
            checkpoints: _,
            machines,
            cast: _,
            invariants,
            plan: _,
            troubles: _,
            indices: _,
            dependents,
            waiting_troubles,
            is_calm: _,
            is_split: _,
            stops,
            end_nanos,
            troubles_begun: _,
            spares,
            orphans,
        } = self;
        let is_silent = shared.kernel.noise.is_silent();
        if !is_silent || !invariants.is_empty() || !spares.is_empty() || !orphans.is_empty() {
            return None;
        }
        let mut state = Fingerprint::default();
        (dependents, waiting_troubles, stops, end_nanos).hash(&mut state);
        for machine in machines {
            let Machine::Host(host) = machine else { return None };
            if !host.fingerprint(shared.is_paranoid, &mut state) {
                return None;
            }
        }
        shared.kernel.fingerprint(&mut state);
        shared.oracle.fingerprint(&mut state);
        Some(state.finish_wide())
    }
}
