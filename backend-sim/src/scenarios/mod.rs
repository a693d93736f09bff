//! The scenarios that come with the simulator.

mod churn;
mod crew;
mod datagrams;
mod echo;
mod files;
mod gate;
mod planner;
mod slow_readers;

use crate::scenario::Scenario;

/// All of them, in the order in which a campaign takes turns.
pub fn all() -> &'static [Scenario] {
    const ALL: &[Scenario] = &[
        echo::ECHO,
        churn::CHURN,
        files::FILES,
        gate::GATE,
        datagrams::DATAGRAMS,
        slow_readers::SLOW_READERS,
        crew::CREW,
    ];
    ALL
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}
