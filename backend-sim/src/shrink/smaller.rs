//! A small world that fails as a large one does.

use super::Failing;
use crate::script::Script;

/// Worlds that are tried.
const SEEDS: u64 = 400;

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

/// The first of these worlds that fails with the signature and is less than half as long, as a
/// script that says all of it; and how many runs that took. `draw` runs a world with decisions of
/// its seed and writes it down, `judge` runs what was written.
///
/// To make a long run small takes as many runs as it has lines, and each of them is long. In a
/// small world the same mistake mostly shows, too, and all of this is cheap.
pub(super) fn find(
    worlds: impl Iterator<Item = Script>,
    like: &Failing,
    draw: &dyn Fn(Script) -> Option<(Script, Failing)>,
    judge: &dyn Fn(&Script) -> Option<Failing>,
    may_go_on: &dyn Fn(u64) -> bool,
) -> (Option<Script>, u64) {
    let is_like =
        |failing: &Failing| failing.signature == like.signature && failing.events < like.events / 2;
    let mut runs = 0;
    for world in worlds {
        if !may_go_on(runs) {
            break;
        }
        runs += 1;
        let Some((written, failing)) = draw(world) else { continue };
        if !is_like(&failing) {
            continue;
        }
        runs += 1;
        if judge(&written).as_ref().is_some_and(is_like) {
            return (Some(written), runs);
        }
    }
    (None, runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(signature: &str, events: u64) -> Failing {
        Failing { signature: signature.to_owned(), events }
    }

    #[test]
    fn the_first_world_that_is_alike_and_short_and_fails_again_is_taken() {
        // By seed: another failure, a long one, one that does not fail again, and the right one.
        let drawn = |world: Script| {
            let found = match world.seed? {
                10 => failing("other", 5),
                20 => failing("same", 60),
                30 | 40 => failing("same", 20),
                _ => return None,
            };
            Some((world, found))
        };
        let judge = |world: &Script| (world.seed != Some(30)).then(|| failing("same", 20));
        let like = failing("same", 100);
        let (found, runs) = find(worlds("echo"), &like, &drawn, &judge, &|_runs| true);
        assert_eq!(found.and_then(|script| script.seed), Some(40));
        assert_eq!(runs, 41 + 2);
        let (found, runs) = find(worlds("echo"), &like, &drawn, &judge, &|runs| runs < 12);
        assert_eq!((found, runs), (None, 12));
    }
}
