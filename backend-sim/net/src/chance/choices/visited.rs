//! The states that a search has come to before.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The states that the runs without and with one decision come to, in order of units. It is the
/// same for
/// every unit, so that what a unit gives does not depend on when and where others run.
///
/// A unit need not follow what an earlier one follows with as many decisions left. Decisions left
/// grow fewer, and units have an order; so what one leaves to another, somebody does.
#[derive(Debug, Default)]
pub struct Trunk {
    firsts: BTreeMap<u128, u32>,
}

impl Trunk {
    /// The unit came to these.
    pub fn add(&mut self, unit: u32, states: impl IntoIterator<Item = u128>) {
        for state in states {
            let first = self.firsts.entry(state).or_insert(unit);
            assert!(*first <= unit, "units are added in order");
        }
    }
}

/// The states that the runs of one unit have come to.
#[derive(Debug)]
pub struct Visited {
    trunk: Arc<Trunk>,
    unit: u32,
    /// With how many decisions left.
    own: BTreeMap<u128, u32>,
}

/// So much a unit remembers; what comes later is run again. A bound, so that memory has one, too.
const STATES_MAX: usize = 4_000_000;

impl Visited {
    /// Nothing, for a unit behind those of the trunk.
    pub fn new(trunk: &Arc<Trunk>, unit: u32) -> Self {
        Self { trunk: Arc::clone(trunk), unit, own: BTreeMap::new() }
    }

    /// Returns the number of states that the unit came to and no earlier one came to with its first
    /// decision.
    pub fn states(&self) -> u64 {
        self.own.len() as u64
    }

    /// All of them.
    pub fn into_states(self) -> Vec<u128> {
        self.own.into_keys().collect()
    }

    /// Returns `true` if an earlier run follows everything that comes from this state with so many
    /// decisions left; if not, this one does.
    pub fn is_known(&mut self, state: u128, left: u32) -> bool {
        if self.trunk.firsts.get(&state).is_some_and(|first| *first < self.unit) {
            return true;
        }
        if let Some(before) = self.own.get_mut(&state) {
            let is_known = *before >= left;
            *before = left.max(*before);
            return is_known;
        }
        if self.own.len() < STATES_MAX {
            self.own.insert(state, left);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_known_with_as_many_decisions_left_and_from_an_earlier_unit() {
        let nothing = Arc::new(Trunk::default());
        let mut trunk = Trunk::default();
        let mut first = Visited::new(&nothing, 1);
        assert!(!first.is_known(7, 1));
        assert!(first.is_known(7, 1) && first.is_known(7, 0));
        assert!(!first.is_known(7, 2), "more can follow than before");
        assert!(first.is_known(7, 2));
        trunk.add(1, first.into_states());
        let trunk = Arc::new(trunk);
        assert!(!Visited::new(&trunk, 1).is_known(7, 0), "it is its own");
        let mut second = Visited::new(&trunk, 2);
        assert!(second.is_known(7, 1) && !second.is_known(8, 1));
        assert_eq!(second.states(), 1, "only the new one");
    }
}
