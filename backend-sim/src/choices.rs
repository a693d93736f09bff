//! The one source of choice: faults and scheduling, with 0 as the benign answer.

use std::collections::BTreeMap;

use crate::kinds::{Family, KIND_COUNT, KINDS, KeyStyle, Kind};
use crate::script::{Decision, Position, Value};
use crate::streams::{Purpose, Stream};

/// Where a decision is made: which kind, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// What is decided.
    pub kind: Kind,
    /// For whom: a number given at [`Choices::birth`].
    pub entity: u32,
}

/// A source of decisions. 0, and an uncut length, are benign.
///
/// A byte range of a stream is asked about once per kind, in order; so a decision that is keyed by
/// its offset is found again whatever the sizes of the calls.
pub trait Choices {
    /// An entity begins; numbers count from 0. `name` is what keys call it.
    fn birth(&mut self, entity: u32, name: &dyn Fn() -> String);

    /// A decision found again by how often this site decided before; below `bound`.
    fn draw(&mut self, site: Site, bound: u32) -> u32;

    /// A decision about the bytes from `position`, `length` of them; below `bound`.
    fn draw_at(&mut self, site: Site, position: u64, length: usize, bound: u32) -> u32;

    /// How many of the `length` bytes from `position` pass: from 1 to `length`, `length` if uncut.
    fn cut(&mut self, site: Site, position: u64, length: usize) -> usize;

    /// From now on everything is benign.
    fn quiet(&mut self);

    /// How many decisions of each kind were not benign.
    fn injected(&self) -> &[u64; KIND_COUNT];

    /// One of the decisions that were not benign and were not taken from here yet, for those who
    /// follow what becomes of them. A source that nobody follows need not keep them.
    fn take_fault(&mut self) -> Option<Site> {
        None
    }
}

/// Decisions drawn from a seed. Each kind counts down to its next one that is not benign.
#[derive(Clone, Debug)]
pub struct Seed {
    stream: Stream,
    countdown: [u32; KIND_COUNT],
    exponents: [Option<u8>; KIND_COUNT],
    injected: [u64; KIND_COUNT],
    /// Decisions that nobody took yet.
    fresh: Vec<Site>,
}

/// A countdown that never ends: the family is off.
const OFF: u32 = u32::MAX;

impl Seed {
    /// Decisions of the world that `seed` and `scenario` name; `rates` gives the exponent of each
    /// active family's probability `2^-exponent`.
    pub fn new(seed: u64, scenario: &str, rates: &[(Family, u8)]) -> Self {
        let mut stream = Stream::new(seed, scenario, Purpose::Decisions);
        let mut countdown = [OFF; KIND_COUNT];
        let mut exponents = [None; KIND_COUNT];
        for (at, info) in KINDS.iter().enumerate() {
            let rate = rates.iter().find(|(family, _)| *family == info.family);
            if let Some((_, exponent)) = rate {
                exponents[at] = Some(*exponent);
                countdown[at] = stream.countdown(u32::from(*exponent));
            }
        }
        Self { stream, countdown, exponents, injected: [0; KIND_COUNT], fresh: Vec::new() }
    }

    /// Whether this trial of the kind is one that is not benign.
    #[inline]
    fn is_due(&mut self, kind: Kind) -> bool {
        let left = &mut self.countdown[kind.0 as usize];
        if *left == OFF {
            return false;
        }
        *left -= 1;
        *left == 0
    }

    /// A value from `1..bound`, half of them from the ends and the middle; and the next countdown.
    #[cold]
    fn value(&mut self, site: Site, bound: u64) -> u64 {
        let at = site.kind.0 as usize;
        let exponent = self.exponents[at].expect("a kind that counts down has a rate");
        self.countdown[at] = self.stream.countdown(u32::from(exponent));
        if bound < 2 {
            return 0;
        }
        self.injected[at] += 1;
        self.fresh.push(site);
        let last = bound - 1;
        if self.stream.one_in(2) {
            self.stream.pick(&[1, last.min(2), last.div_ceil(2), last])
        } else {
            self.stream.log_uniform(1, last)
        }
    }
}

impl Choices for Seed {
    fn birth(&mut self, _entity: u32, _name: &dyn Fn() -> String) {}

    #[inline]
    fn draw(&mut self, site: Site, bound: u32) -> u32 {
        if self.is_due(site.kind) { self.value(site, u64::from(bound)) as u32 } else { 0 }
    }

    #[inline]
    fn draw_at(&mut self, site: Site, _position: u64, _length: usize, bound: u32) -> u32 {
        self.draw(site, bound)
    }

    #[inline]
    fn cut(&mut self, site: Site, _position: u64, length: usize) -> usize {
        if self.is_due(site.kind) {
            let kept = self.value(site, length as u64) as usize;
            if kept == 0 { length } else { kept }
        } else {
            length
        }
    }

    fn quiet(&mut self) {
        self.countdown = [OFF; KIND_COUNT];
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        &self.injected
    }

    fn take_fault(&mut self) -> Option<Site> {
        self.fresh.pop()
    }
}

/// Another source, with what was not benign written down by key.
#[derive(Clone, Debug)]
pub struct Record<C> {
    inner: C,
    names: Vec<String>,
    occurrences: Vec<[u64; KIND_COUNT]>,
    decisions: Vec<Decision>,
}

impl<C: Choices> Record<C> {
    /// Records what `inner` decides.
    pub fn new(inner: C) -> Self {
        Self { inner, names: Vec::new(), occurrences: Vec::new(), decisions: Vec::new() }
    }

    /// What was decided so far.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    fn write_down(&mut self, site: Site, position: Position, value: u64) {
        let info = site.kind.info();
        let entity = format!("{}/{}", self.names[site.entity as usize], info.channel);
        let value = match info.is_time {
            true => Value::Time { nanos: value },
            false => Value::Number(value),
        };
        self.decisions.push(Decision::new(entity, position, info.verb, value));
    }
}

impl<C: Choices> Choices for Record<C> {
    fn birth(&mut self, entity: u32, name: &dyn Fn() -> String) {
        assert_eq!(entity as usize, self.names.len(), "entities are born in order");
        self.names.push(name());
        self.occurrences.push([0; KIND_COUNT]);
        self.inner.birth(entity, name);
    }

    fn draw(&mut self, site: Site, bound: u32) -> u32 {
        let value = self.inner.draw(site, bound);
        let count = &mut self.occurrences[site.entity as usize][site.kind.0 as usize];
        let position = match site.kind.info().key {
            KeyStyle::Eof => Position::Eof,
            KeyStyle::Occurrence => Position::Occurrence(*count),
            KeyStyle::Offset => unreachable!("{:?} is keyed by its offset", site.kind),
        };
        *count += 1;
        if value != 0 {
            self.write_down(site, position, u64::from(value));
        }
        value
    }

    fn draw_at(&mut self, site: Site, position: u64, length: usize, bound: u32) -> u32 {
        let value = self.inner.draw_at(site, position, length, bound);
        if value != 0 {
            self.write_down(site, Position::Offset(position), u64::from(value));
        }
        value
    }

    fn cut(&mut self, site: Site, position: u64, length: usize) -> usize {
        let kept = self.inner.cut(site, position, length);
        if kept != length {
            self.write_down(site, Position::Offset(position + kept as u64), 1);
        }
        kept
    }

    fn quiet(&mut self) {
        self.inner.quiet();
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        self.inner.injected()
    }

    fn take_fault(&mut self) -> Option<Site> {
        self.inner.take_fault()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u32 = 0;
    const HOST: u32 = 1;

    /// A made-up world that asks for decisions whose keys do not depend on earlier answers alone.
    fn ask(choices: &mut dyn Choices) -> Vec<u64> {
        let mut answers = Vec::new();
        choices.birth(STREAM, &|| "c1'".to_owned());
        choices.birth(HOST, &|| "server".to_owned());
        let (mut position, mut reset) = (0, false);
        for round in 0..400_u64 {
            let mut left = 1 + (round as usize * 37) % 90;
            while left > 0 {
                let site = Site { kind: Kind::IN_CUT, entity: STREAM };
                let passed = choices.cut(site, position, left);
                assert!((1..=left).contains(&passed), "{passed} of {left}");
                let site = Site { kind: Kind::IN_RESET, entity: STREAM };
                reset |= choices.cut(site, position, passed + 1) <= passed;
                answers.extend([position, passed as u64, u64::from(reset)]);
                position += passed as u64;
                left -= passed;
            }
            let site = Site { kind: Kind::POLL_DELAY, entity: HOST };
            answers.push(u64::from(choices.draw(site, 1000)));
            let site = Site { kind: Kind::IN_DELAY, entity: STREAM };
            answers.push(u64::from(choices.draw_at(site, round * 10, 10, 1000)));
            if round == 350 {
                choices.quiet();
            }
        }
        answers
    }

    fn rates() -> [(Family, u8); 4] {
        [(Family::Cuts, 3), (Family::Resets, 5), (Family::Scheduling, 4), (Family::Delays, 3)]
    }

    #[test]
    fn a_recording_replays_to_the_same_answers() {
        for seed in 0..20 {
            let drawn = ask(&mut Seed::new(seed, "test", &rates()));
            let mut record = Record::new(Seed::new(seed, "test", &rates()));
            assert_eq!(drawn, ask(&mut record), "recording changes nothing");
            assert!(record.decisions().len() > 50, "{}", record.decisions().len());
            let mut replay = Replay::new(record.decisions().to_vec());
            assert_eq!(drawn, ask(&mut replay));
            assert_eq!(replay.unused().count(), 0);
            assert_eq!(replay.injected(), record.injected());
        }
    }

    #[test]
    fn without_families_everything_is_benign() {
        let mut seed = Seed::new(1, "test", &[]);
        ask(&mut seed);
        assert_eq!(seed.injected(), &[0; KIND_COUNT]);
    }

    #[test]
    fn a_cut_is_found_whatever_the_sizes_of_the_calls() {
        let cut = Decision::new("c1'/in", Position::Offset(10), "cut", Value::Number(1));
        for size in [11, 16, 100] {
            let mut replay = Replay::new(vec![cut.clone()]);
            replay.birth(0, &|| "c1'".to_owned());
            let site = Site { kind: Kind::IN_CUT, entity: 0 };
            assert_eq!(replay.cut(site, 0, size), 10);
            assert_eq!(replay.cut(site, 10, size), size, "once only");
            assert_eq!(replay.unused().count(), 0);
        }
    }

    #[test]
    fn what_is_out_of_range_or_never_asked_is_unused() {
        let decisions = vec![
            Decision::new("server/poll", Position::Occurrence(0), "limit", Value::Number(9)),
            Decision::new("nobody/poll", Position::Occurrence(0), "limit", Value::Number(1)),
        ];
        let mut replay = Replay::new(decisions);
        replay.birth(0, &|| "server".to_owned());
        assert_eq!(replay.draw(Site { kind: Kind::POLL_LIMIT, entity: 0 }, 9), 0);
        assert_eq!(replay.unused().count(), 2);
    }
}
