//! Decisions drawn from a seed.

use super::{Choices, Site};
use crate::chance::streams::{Purpose, Stream};
use crate::words::kinds::{Family, KIND_COUNT, KINDS, Kind};

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

    /// Returns `true` if this trial of the kind is one that is not benign.
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
