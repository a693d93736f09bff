//! Many runs: which ones, what is asked of each, and what they add up to.
//!
//! A campaign is a pure function of (scenarios, seeds): no clock and no thread stands in this
//! module. Whoever drives it (the `tidelock` binary) calls [`Campaign::attempt`] for one number
//! after the other, on as many threads as it likes, and adds the attempts up in a [`Tally`], whose
//! sums do not depend on the order.

mod attempt;
pub mod doctor;
mod sample;
mod tally;

pub use crate::run::panics::keep_panics_quiet;
pub(crate) use attempt::one_line;
pub use attempt::{Attempt, Recording};
pub use sample::Deletion;
pub use tally::{Counts, Tally};

use tidelock_net::base::mix::mix;

use crate::run::{Report, Source, Watch};

/// A runner of scenarios: the world, or in a test something that fails on purpose.
#[derive(Clone, Copy)]
pub struct Simulator<'a> {
    /// The scenarios, each with one line that says what it is about.
    pub scenarios: &'a [(&'static str, &'static str)],
    /// Those of them that are wrong on purpose: left out where none is named.
    pub flawed: &'a [&'static str],
    /// Runs the scenario of that name. A pure function of its arguments.
    pub run: &'a (dyn Fn(&str, Source, &Watch) -> Report + Sync),
}

impl Simulator<'_> {
    /// The scenario's name as the simulator spells it, if there is one.
    pub fn find(&self, name: &str) -> Option<&'static str> {
        self.scenarios.iter().map(|(known, _)| *known).find(|known| *known == name)
    }

    /// The scenarios that a campaign runs which names none.
    pub fn sound(&self) -> Vec<&'static str> {
        let names = self.scenarios.iter().map(|(name, _)| *name);
        names.filter(|name| !self.flawed.contains(name)).collect()
    }
}

/// Which runs are made, and how they are watched.
#[derive(Clone)]
pub struct Campaign<'a> {
    /// The runner.
    pub simulator: Simulator<'a>,
    /// The scenarios that take part: at least one, each known to the simulator.
    pub scenarios: Vec<&'static str>,
    /// Which share of the runs is made three times.
    pub twice: Share,
    /// Check every law in full at every step.
    pub paranoid: bool,
}

impl Campaign<'_> {
    /// The scenario that goes with a seed: round-robin over those that take part, so that a range
    /// of seeds names the same runs wherever and by however many workers it is done.
    pub fn scenario(&self, seed: u64) -> &'static str {
        assert!(!self.scenarios.is_empty(), "a campaign has a scenario");
        let index = seed % self.scenarios.len() as u64;
        self.scenarios[index as usize]
    }

    /// Returns `true` if the run of this seed is made again and compared; a property of the seed
    /// alone.
    fn is_repeated(&self, seed: u64) -> bool {
        const PURPOSE: u64 = 0x0074_7769_6365;
        mix(seed, PURPOSE) % u64::from(Share::WHOLE_PPM) < u64::from(self.twice.ppm)
    }

    fn watch(&self) -> Watch {
        Watch { paranoid: self.paranoid, ..Watch::default() }
    }
}

/// A part of a whole, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    ppm: u32,
}

impl Share {
    const WHOLE_PPM: u32 = 1_000_000;

    /// So many millionths; `None` above one million.
    pub const fn from_ppm(ppm: u32) -> Option<Share> {
        if ppm <= Share::WHOLE_PPM { Some(Share { ppm }) } else { None }
    }

    /// Returns `true` if a part is a larger share of the whole than this; of nothing none is.
    pub fn exceeds(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Share::WHOLE_PPM) < u128::from(whole) * u128::from(self.ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never(_: &str, _: Source, _: &Watch) -> Report {
        unreachable!("nothing is run")
    }

    fn campaign(twice_ppm: u32) -> Campaign<'static> {
        Campaign {
            simulator: Simulator {
                scenarios: &[("a", ""), ("b", ""), ("c", "")],
                flawed: &[],
                run: &never,
            },
            scenarios: vec!["a", "c"],
            twice: Share::from_ppm(twice_ppm).unwrap(),
            paranoid: false,
        }
    }

    #[test]
    fn seeds_go_round_the_scenarios_that_take_part() {
        let campaign = campaign(0);
        assert_eq!([0, 1, 2, 3].map(|seed| campaign.scenario(seed)), ["a", "c", "a", "c"]);
        assert_eq!(campaign.scenario(u64::MAX), "c");
        assert_eq!(campaign.simulator.find("b"), Some("b"));
        assert_eq!(campaign.simulator.find("d"), None);
    }

    #[test]
    fn a_share_of_the_runs_is_made_again() {
        let count = |ppm| (0..100_000).filter(|seed| campaign(ppm).is_repeated(*seed)).count();
        assert_eq!(count(0), 0);
        assert_eq!(count(1_000_000), 100_000);
        assert!((900..1_100).contains(&count(10_000)), "about one in a hundred");
        assert_eq!(Share::from_ppm(1_000_001), None);
    }
}
