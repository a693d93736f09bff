//! Trials on the runs that are made again anyway: whether a fault matters, and whether full
//! checking sees more.

use tidelock_net::base::mix::mix;
use tidelock_net::words::decision::Decision;
use tidelock_net::words::kinds::Family;

use super::Campaign;
use crate::run::{Failure, FailureClass, Report, Source, Watch};
use crate::tide::Script;

/// The result of a run from which one fault was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The fault's family.
    pub family: &'static str,
    /// The outcome or the path is another one without it.
    pub has_changed: bool,
}

impl Campaign<'_> {
    /// Deletes one fault from the recording of a run, and runs what is left. Which one follows
    /// from the seed alone, each family in turn, so that rare ones are tried as often as others.
    ///
    /// Violations of such a run are not looked at: they are none of the campaign's.
    pub(super) fn delete_one(&self, first: &Report, script: &Script) -> Option<Deletion> {
        const PURPOSE: u64 = 0x6465_6c65_7465;
        let is_injected = |family: &Family| {
            first.injected.iter().any(|(name, count)| *name == family.name() && *count > 0)
        };
        let families: Vec<Family> = Family::ALL.into_iter().filter(is_injected).collect();
        let count = families.len() as u64;
        let family = *families.get(mix(first.seed, PURPOSE).checked_rem(count)? as usize)?;
        let mut less = script.clone();
        let of_family =
            |(at, decision): (usize, &Decision)| (decision.family() == Some(family)).then_some(at);
        let places: Vec<usize> =
            script.decisions.iter().enumerate().filter_map(of_family).collect();
        match mix(first.seed, PURPOSE + 1).checked_rem(places.len() as u64) {
            Some(which) => {
                less.decisions.remove(places[which as usize]);
            }
            // What is done to the world as a whole is drawn from the seed, if it is on.
            None => less.set(family.name(), "0"),
        }
        let source = Source::Script(Box::new(less));
        let rest = self.simulator.guarded(first.scenario, source, &self.watch());
        let has_changed =
            rest.outcome != first.outcome || rest.reached.path() != first.reached.path();
        Some(Deletion { family: family.name(), has_changed })
    }

    /// Makes the run with every law checked in full at every step: it must end the same way.
    pub(super) fn compare_checking(&self, first: &Report) -> Option<Failure> {
        if self.paranoid {
            return None;
        }
        let watch = Watch { paranoid: true, ..self.watch() };
        let full = self.simulator.guarded(first.scenario, Source::Seed(first.seed), &watch);
        let (detail, class) = match full.failure {
            Some(failure) => {
                let detail = format!("checked in full at every step it ends with `{failure}`");
                (detail, FailureClass::Invariant)
            }
            None if full.digest != first.digest => {
                let detail = "checking in full changes the run".to_owned();
                (detail, FailureClass::Nondeterminism)
            }
            None => return None,
        };
        Some(Failure {
            law: "incremental-check",
            detail,
            step: 0,
            class,
            signature: "incremental-check/none/none/none".to_owned(),
            last_events: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Share, Simulator};
    use tidelock_net::words::decision::{Position, Value};

    fn campaign<'a>(run: &'a (dyn Fn(&str, Source, &Watch) -> Report + Sync)) -> Campaign<'a> {
        Campaign {
            simulator: Simulator { scenarios: &[("echo", "")], flawed: &[], run },
            scenarios: vec!["echo"],
            twice: Share::from_ppm(1_000_000).expect("a whole"),
            paranoid: false,
        }
    }

    fn decision(entity: &str, verb: &str) -> Decision {
        Decision::new(entity, Position::Offset(4), verb, Value::Number(1))
    }

    #[test]
    fn a_decision_has_the_family_of_its_kind() {
        assert_eq!(decision("c1'/in", "cut").family(), Some(Family::Cuts));
        assert_eq!(decision("server/x/in", "reset").family(), Some(Family::Resets));
        assert_eq!(decision("c1/in", "delay").family(), Some(Family::Delays));
        assert_eq!(decision("c1/poll", "delay").family(), None, "not keyed by an offset");
        assert_eq!(decision("in", "cut").family(), None);
    }

    /// A world in which cuts matter, and delays are asked for and do nothing.
    fn run(_: &str, source: Source, watch: &Watch) -> Report {
        let Source::Script(script) = source else { unreachable!("only scripts are run") };
        let of = |family| {
            let decisions = script.decisions.iter();
            decisions.filter(|one| one.family() == Some(family)).count() as u64
        };
        let cuts = of(Family::Cuts);
        let mut report = crate::campaign::attempt::panicked("echo", Some(7), String::new());
        report.failure = None;
        report.outcome = cuts;
        report.injected = vec![("cuts", cuts), ("delays", of(Family::Delays)), ("resets", 0)];
        assert!(!watch.record, "nobody needs the recording");
        report
    }

    #[test]
    fn a_family_that_does_nothing_changes_nothing() {
        let script = Script {
            decisions: vec![
                decision("c1/in", "cut"),
                decision("c2/in", "delay"),
                decision("c2/in", "cut"),
                decision("c3/in", "delay"),
            ],
            ..Script::default()
        };
        let campaign = campaign(&run);
        let mut first = run("", Source::Script(Box::new(script.clone())), &Watch::default());
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..40 {
            first.seed = seed;
            let deletion = campaign.delete_one(&first, &script).expect("faults were injected");
            let (tried, changed) = counts.entry(deletion.family).or_insert((0, 0));
            *tried += 1;
            *changed += u32::from(deletion.has_changed);
        }
        let [("cuts", cuts), ("delays", delays)] = counts.into_iter().collect::<Vec<_>>()[..]
        else {
            panic!("what was injected is tried")
        };
        assert!(cuts.0 > 5 && cuts.0 == cuts.1, "each cut matters: {cuts:?}");
        assert!(delays.0 > 5 && delays.1 == 0, "no delay matters: {delays:?}");
    }

    /// A world with troubles, which a recording says by their option alone.
    fn troubled(_: &str, source: Source, watch: &Watch) -> Report {
        let Source::Script(script) = &source else { unreachable!("only scripts are run") };
        // An option that is said again is an error, and the first word counts.
        let said = script.config.iter().find(|(name, _)| name == "world");
        let is_on = said.is_some_and(|(_, rate)| rate == "9");
        let mut report = run("", source, watch);
        report.outcome = u64::from(is_on);
        report.injected = vec![("world", u64::from(is_on))];
        report
    }

    #[test]
    fn troubles_are_deleted_by_their_option() {
        let campaign = campaign(&troubled);
        let config = vec![("world".to_owned(), "9".to_owned())];
        let script = Script { config, ..Script::default() };
        let first = troubled("", Source::Script(Box::new(script.clone())), &Watch::default());
        let deletion = campaign.delete_one(&first, &script);
        assert_eq!(deletion, Some(Deletion { family: "world", has_changed: true }));
    }

    #[test]
    fn without_faults_nothing_is_deleted() {
        let campaign = campaign(&run);
        let first = run("", Source::Script(Box::default()), &Watch::default());
        assert_eq!(campaign.delete_one(&first, &Script::default()), None);
    }

    /// Full checking sees what incremental checking missed, at one seed; at another it changes the
    /// run.
    fn sees_more(_: &str, source: Source, watch: &Watch) -> Report {
        let Source::Seed(seed) = source else { unreachable!("only seeds are run") };
        let mut report =
            crate::campaign::attempt::panicked("echo", Some(seed), "hidden".to_owned());
        let is_seen = watch.paranoid && seed == 1;
        report.failure = report.failure.filter(|_| is_seen);
        report.digest = u64::from(watch.paranoid && seed == 2);
        report
    }

    #[test]
    fn full_checking_must_see_no_more() {
        let campaign = campaign(&sees_more);
        let failure = |seed| {
            let first = sees_more("", Source::Seed(seed), &Watch::default());
            campaign.compare_checking(&first)
        };
        assert_eq!(failure(0), None);
        let missed = failure(1).expect("it was missed");
        assert_eq!(missed.law, "incremental-check");
        assert!(missed.detail.contains("hidden"), "{}", missed.detail);
        assert!(failure(2).expect("it differs").detail.contains("changes the run"));
    }
}
