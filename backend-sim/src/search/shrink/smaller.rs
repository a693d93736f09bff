//! A small world that fails as a large one does.

use super::{Failing, SHORT_EVENTS};
use crate::tide::Script;

/// Worlds that are tried.
const SEEDS: u64 = 1_000;

/// The scripts of small worlds of a scenario, each with a seed and few connections and operations:
/// one or two, up to eight, and short messages in every other one.
pub(super) fn worlds(scenario: &str) -> impl Iterator<Item = Script> + '_ {
    (0..SEEDS).map(move |seed| {
        let option = |name: &str, value: u64| (name.to_owned(), value.to_string());
        let mut config = vec![option("connections", 1 + seed % 2)];
        config.push(option("operations", 1 + seed / 2 % 8));
        if seed % 4 < 2 {
            config.push(option("message_bytes_max", 16));
        }
        let scenario = scenario.to_owned();
        Script { scenario, seed: Some(seed), config, ..Script::default() }
    })
}

/// Worlds that fail with the signature and a story of less than `events_max` events, as scripts
/// that say all of it, the shortest first; and how many runs that took. `draw` runs a world with
/// decisions of its seed and writes it down, `judge` runs what was written. The search is over when
/// there is one that is short.
///
/// To make a long run small takes as many runs as it has lines, and each of them is long. In a
/// small world the same mistake mostly shows, too, and all of this is cheap.
pub(super) fn find(
    worlds: impl Iterator<Item = Script>,
    signature: &str,
    events_max: u64,
    draw: &dyn Fn(Script) -> Option<(Script, Failing)>,
    judge: &dyn Fn(&Script) -> Option<Failing>,
    may_go_on: &dyn Fn(u64) -> bool,
) -> (Vec<Script>, u64) {
    const KEPT_MAX: usize = 3;
    let is_like = |failing: &Failing| failing.signature == signature && failing.events < events_max;
    let mut runs = 0;
    let mut found: Vec<(u64, Script)> = Vec::new();
    for world in worlds {
        if !may_go_on(runs) || found.first().is_some_and(|(events, _)| *events <= SHORT_EVENTS) {
            break;
        }
        runs += 1;
        let Some((written, failing)) = draw(world) else { continue };
        let is_shorter = found.len() < KEPT_MAX
            || found.last().is_some_and(|(events, _)| failing.events < *events);
        if !is_shorter || !is_like(&failing) {
            continue;
        }
        runs += 1;
        if judge(&written).as_ref().is_some_and(is_like) {
            found.push((failing.events, written));
            found.sort_by_key(|(events, _)| *events);
            found.truncate(KEPT_MAX);
        }
    }
    (found.into_iter().map(|(_, script)| script).collect(), runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(signature: &str, events: u64) -> Failing {
        Failing { signature: signature.to_owned(), events }
    }

    /// By seed: another failure, a long one, one that does not fail again, and four that do.
    fn drawn(world: Script) -> Option<(Script, Failing)> {
        let found = match world.seed? {
            10 => failing("other", 15),
            20 => failing("same", 60),
            30 => failing("same", 13),
            40 => failing("same", 40),
            50 => failing("same", 30),
            60 => failing("same", 35),
            70 => failing("same", 20),
            80 => failing("same", 12),
            _ => return None,
        };
        Some((world, found))
    }

    fn judge(world: &Script) -> Option<Failing> {
        (world.seed != Some(30)).then(|| failing("same", 20))
    }

    fn seeds(may_go_on: &dyn Fn(u64) -> bool) -> (Vec<u64>, u64) {
        let (found, runs) = find(worlds("echo"), "same", 50, &drawn, &judge, may_go_on);
        (found.into_iter().filter_map(|script| script.seed).collect(), runs)
    }

    #[test]
    fn the_shortest_worlds_that_are_alike_and_fail_again_are_taken() {
        // Six of them were run again, and none after the one that is short.
        assert_eq!(seeds(&|_runs| true), (vec![80, 70, 50], 81 + 6));
        assert_eq!(seeds(&|runs| runs < 72), (vec![50, 60, 40], 72));
        assert_eq!(seeds(&|runs| runs < 12), (vec![], 12));
    }
}
