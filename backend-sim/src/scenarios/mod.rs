//! The scenarios that come with the simulator.

mod churn;
mod crew;
mod datagrams;
mod echo;
mod files;
mod find_the_bug;
mod gate;
mod odd_orders;
mod planner;
mod relay;
mod slow_readers;

use std::sync::LazyLock;

use crate::stage::scenario::Scenario;

pub use find_the_bug::KeyValue;

/// All of them, in the order in which a campaign takes turns; those that are wrong on purpose are
/// the last.
pub fn all() -> &'static [Scenario] {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
        vec![
            echo::echo(),
            churn::churn(),
            files::files(),
            gate::gate(),
            datagrams::datagrams(),
            slow_readers::slow_readers(),
            relay::relay(),
            crew::crew(),
            odd_orders::odd_orders(),
            find_the_bug::key_value(),
            find_the_bug::find_the_bug(),
        ]
    });
    &ALL
}

/// Those that hold every law: all but the ones that are wrong on purpose.
pub fn sound() -> impl Iterator<Item = &'static Scenario> {
    all().iter().filter(|scenario| !scenario.is_flawed)
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}
