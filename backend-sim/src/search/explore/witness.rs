//! A check that fingerprints are blind to nothing: from states with one fingerprint, everything
//! goes on alike.

use std::collections::BTreeMap;
use std::hash::Hash;

use tidelock_net::base::fingerprint::Fingerprint;
use tidelock_net::chance::choices::{Choices, Site};
use tidelock_net::words::kinds::KIND_COUNT;

use super::*;

/// Decides as it is told, and writes down what is asked and what the world comes to.
struct Witness {
    inner: Enumerate,
    /// Questions and fingerprints, in order.
    story: Vec<u128>,
    /// Which of them are fingerprints behind the last decision.
    states: Vec<usize>,
}

impl Witness {
    fn new(chosen: &[Chosen]) -> Self {
        Self { inner: Enumerate::new(chosen), story: Vec::new(), states: Vec::new() }
    }

    fn asked(&mut self, site: Site, position: u64, bound: u64) {
        let asked = [u64::from(site.kind.0), u64::from(site.entity), position, bound];
        let mut state = Fingerprint::default();
        asked.hash(&mut state);
        self.story.push(state.finish_wide());
    }

    /// For each state, all that follows from it.
    fn futures(&self, verdict: u128) -> BTreeMap<u128, u128> {
        let mut futures = BTreeMap::new();
        let (mut future, mut states) = (verdict, self.states.clone());
        for (at, line) in self.story.iter().enumerate().rev() {
            if states.last() == Some(&at) {
                states.pop();
                futures.insert(*line, future);
            }
            future = (future.rotate_left(7) ^ line).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c061);
        }
        futures
    }
}

impl Choices for Witness {
    fn birth(&mut self, _entity: u32, _name: &dyn Fn() -> String) {}

    fn draw(&mut self, site: Site, bound: u32) -> u32 {
        self.asked(site, 0, bound.into());
        self.inner.draw(site, bound)
    }

    fn draw_at(&mut self, site: Site, position: u64, length: usize, bound: u32) -> u32 {
        self.asked(site, position, bound.into());
        self.inner.draw_at(site, position, length, bound)
    }

    fn cut(&mut self, site: Site, position: u64, length: usize) -> usize {
        self.asked(site, position, length as u64);
        self.inner.cut(site, position, length)
    }

    fn quiet(&mut self) {
        self.inner.quiet();
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        self.inner.injected()
    }

    fn wants_histories(&self) -> bool {
        true
    }

    fn wants_fingerprint(&self) -> bool {
        self.inner.is_complete()
    }

    fn is_known(&mut self, fingerprint: u128) -> bool {
        self.states.push(self.story.len());
        self.story.push(fingerprint);
        false
    }
}

/// Runs every decision alone, and every `stride`-th pair, and compares what follows from states
/// that have one fingerprint. Gives how many states were come to, and how many of them again.
fn compare(world: &Prepared, stride: usize) -> [usize; 2] {
    let (mut known, mut again): (BTreeMap<u128, (u128, Vec<Chosen>)>, usize) = Default::default();
    let mut run = |chosen: &[Chosen]| {
        let (report, witness) = world.run(Witness::new(chosen), &WATCH);
        let verdict = report.failure.map_or(0, |failure| 1 + failure.signature.len() as u128);
        for (state, future) in witness.futures(verdict) {
            match known.get(&state) {
                None => drop(known.insert(state, (future, chosen.to_vec()))),
                Some((before, who)) => {
                    again += 1;
                    assert_eq!(*before, future, "blind: {who:?} and {chosen:?} part");
                }
            }
        }
        witness.inner
    };
    let firsts: Vec<Chosen> = followers(&run(&[]), 0).collect();
    for (number, first) in firsts.into_iter().enumerate() {
        let behind = run(&[first]);
        for second in followers(&behind, first.point + 1).skip(number % stride).step_by(stride) {
            run(&[first, second]);
        }
    }
    [known.len(), again]
}

#[test]
fn from_one_fingerprint_everything_goes_on_alike() {
    for name in names() {
        for world in find(name).expect("it is a search") {
            for readiness in 0..4 {
                let scenario = crate::scenarios::find(world.scenario).expect("it is one");
                let script = world.script(readiness);
                let prepared = Prepared::new(scenario, &script).expect("every line is right");
                let [states, again] = compare(&prepared, 97);
                assert!(states > 50 && again > states / 10, "{name}: {states}, {again}");
            }
        }
    }
}
