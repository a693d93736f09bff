//! Decisions found again by key.

use std::collections::BTreeMap;

use super::{Choices, Site};
use crate::words::decision::{Decision, Position};
use crate::words::kinds::{KIND_COUNT, KINDS, KeyStyle};

/// Decisions that were written down, found by key. What is absent is benign.
#[derive(Clone, Debug)]
pub struct Replay {
    decisions: Vec<Decision>,
    is_used: Vec<bool>,
    /// By entity with channel, which decisions; those of an entity leave at its birth.
    unborn: BTreeMap<String, Vec<usize>>,
    /// By entity and kind, sorted by position.
    plans: Vec<Plan>,
    is_quiet: bool,
    injected: [u64; KIND_COUNT],
    /// Decisions that nobody took yet.
    fresh: Vec<Site>,
}

/// The decisions of one kind for one entity.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// Position, value, and which decision it is; sorted by position.
    steps: Vec<(u64, u64, usize)>,
    cursor: usize,
    occurrences: u64,
}

impl Plan {
    /// The next step whose position is in `from..to`; earlier ones are passed over.
    fn next(&mut self, from: u64, to: u64) -> Option<(u64, u64, usize)> {
        while self.cursor < self.steps.len() && self.steps[self.cursor].0 < from {
            self.cursor += 1;
        }
        let step = *self.steps.get(self.cursor)?;
        if step.0 >= to {
            return None;
        }
        self.cursor += 1;
        Some(step)
    }
}

impl Replay {
    /// Replays `decisions`.
    pub fn new(decisions: Vec<Decision>) -> Self {
        let mut unborn: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, decision) in decisions.iter().enumerate() {
            unborn.entry(decision.entity.clone()).or_default().push(at);
        }
        let is_used = vec![false; decisions.len()];
        let plans = Vec::new();
        let (injected, fresh) = ([0; KIND_COUNT], Vec::new());
        Self { decisions, is_used, unborn, plans, is_quiet: false, injected, fresh }
    }

    /// The decisions that nothing asked for.
    pub fn unused(&self) -> impl Iterator<Item = &Decision> {
        let pairs = self.decisions.iter().zip(&self.is_used);
        pairs.filter(|(_, is_used)| !**is_used).map(|(decision, _)| decision)
    }

    fn plan(&mut self, site: Site) -> &mut Plan {
        &mut self.plans[site.entity as usize * KIND_COUNT + site.kind.0 as usize]
    }

    /// A value out of range is benign, and stays unused.
    fn use_step(&mut self, site: Site, step: (u64, u64, usize), bound: u64) -> u64 {
        let (_, value, at) = step;
        if value == 0 || value >= bound {
            return 0;
        }
        self.is_used[at] = true;
        self.injected[site.kind.0 as usize] += 1;
        self.fresh.push(site);
        value
    }
}

impl Choices for Replay {
    fn birth(&mut self, entity: u32, name: &dyn Fn() -> String) {
        assert_eq!(entity as usize * KIND_COUNT, self.plans.len(), "entities are born in order");
        let name = name();
        for info in &KINDS {
            let mut steps = Vec::new();
            let of_entity = self.unborn.get(&format!("{name}/{}", info.channel));
            for at in of_entity.into_iter().flatten() {
                let decision = &self.decisions[*at];
                let position = match (decision.position, info.key) {
                    (Position::Offset(offset), KeyStyle::Offset) => offset,
                    (Position::Occurrence(count), KeyStyle::Occurrence) => count,
                    (Position::Eof, KeyStyle::Eof) => 0,
                    _ => continue,
                };
                if decision.kind == info.verb {
                    steps.push((position, decision.value.get(), *at));
                }
            }
            steps.sort_unstable();
            self.plans.push(Plan { steps, cursor: 0, occurrences: 0 });
        }
    }

    fn draw(&mut self, site: Site, bound: u32) -> u32 {
        let is_quiet = self.is_quiet;
        let plan = self.plan(site);
        let count = plan.occurrences;
        plan.occurrences += 1;
        match plan.next(count, count + 1) {
            Some(step) if !is_quiet => self.use_step(site, step, u64::from(bound)) as u32,
            _ => 0,
        }
    }

    fn draw_at(&mut self, site: Site, position: u64, length: usize, bound: u32) -> u32 {
        if self.is_quiet {
            return 0;
        }
        match self.plan(site).next(position, position + length as u64) {
            Some(step) => self.use_step(site, step, u64::from(bound)) as u32,
            None => 0,
        }
    }

    fn cut(&mut self, site: Site, position: u64, length: usize) -> usize {
        if self.is_quiet {
            return length;
        }
        match self.plan(site).next(position + 1, position + length as u64) {
            Some(step) => {
                self.use_step(site, (step.0, 1, step.2), 2);
                (step.0 - position) as usize
            }
            None => length,
        }
    }

    fn quiet(&mut self) {
        self.is_quiet = true;
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        &self.injected
    }

    fn take_fault(&mut self) -> Option<Site> {
        self.fresh.pop()
    }
}
