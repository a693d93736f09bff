//! The scenarios that come with the simulator.

mod echo;

use crate::scenario::Scenario;

/// All of them, in the order in which a campaign takes turns.
pub fn all() -> &'static [Scenario] {
    const ALL: &[Scenario] = &[echo::ECHO];
    ALL
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}
