//! Values and times made simple, one at a time.

use tidelock_net::words::decision::{Position, Value};

use super::Shrinker;
use crate::stage::options::Options;
use crate::tide::{Script, When};

/// Before this nothing is asked of a world.
const START_NANOS: u64 = 1_000_000;

impl Shrinker<'_> {
    /// Makes every number that is left as simple as it gets.
    pub(super) fn simplify(&mut self) {
        self.space_evenly();
        for at in 0..self.best.decisions.len() {
            self.simplify_decision(at);
        }
        for at in 0..self.best.operations.len() {
            self.simplify_operation(at);
        }
        for at in 0..self.best.faults.len() {
            self.simplify_fault(at);
        }
        for at in 0..self.best.config.len() {
            let (name, value) = self.best.config[at].clone();
            let Ok(value) = Options::value_of(&name, &value) else { continue };
            let is_time = name.contains("_nanos");
            let set = |script: &mut Script, value: u64| {
                script.config[at].1 = Options::text_of(&name, value);
            };
            if is_time {
                self.try_numbers(value, &rounder(value), set);
            } else {
                self.try_smaller(value, set);
            }
        }
    }

    /// Operations in the same order, a millisecond apart.
    fn space_evenly(&mut self) {
        let mut script = self.best.clone();
        let mut order: Vec<usize> = (0..script.operations.len()).collect();
        let time = |script: &Script, at: usize| match script.operations[at].when {
            When::At { nanos } => Some(nanos),
            When::After(_) => None,
        };
        order.retain(|at| time(&script, *at).is_some());
        order.sort_by_key(|at| time(&script, *at));
        let mut nanos = 0;
        for at in order {
            nanos += START_NANOS;
            script.operations[at].when = When::At { nanos };
        }
        self.accept_simpler(script);
    }

    fn simplify_decision(&mut self, at: usize) {
        let decision = self.best.decisions[at].clone();
        let value = decision.value.get();
        match decision.value {
            // 0 is no decision at all.
            Value::Number(0 | 1) => {}
            Value::Number(_) => self.try_smaller(value, |script, value| {
                script.decisions[at].value = Value::Number(value.max(1));
            }),
            Value::Time { .. } => {
                self.try_numbers(value, &rounder(value), |script, nanos| {
                    script.decisions[at].value = Value::Time { nanos };
                });
            }
        }
        // Earlier: what comes before it may then become less.
        match decision.position {
            Position::Offset(offset) => {
                self.try_smaller(offset, |script, offset| {
                    script.decisions[at].position = Position::Offset(offset);
                });
            }
            Position::Occurrence(count) => {
                self.try_smaller(count, |script, count| {
                    script.decisions[at].position = Position::Occurrence(count);
                });
            }
            Position::Eof => {}
        }
    }

    fn simplify_operation(&mut self, at: usize) {
        if let When::At { nanos } = self.best.operations[at].when {
            self.try_numbers(nanos, &rounder(nanos), |script, nanos| {
                script.operations[at].when = When::At { nanos: nanos.max(START_NANOS) };
            });
        }
        // The size of what is sent stands last.
        let last = self.best.operations[at].words.len() - 1;
        let Ok(size) = self.best.operations[at].words[last].parse() else { return };
        self.try_smaller(size, |script, size| {
            script.operations[at].words[last] = size.to_string();
        });
    }

    fn simplify_fault(&mut self, at: usize) {
        if let When::At { nanos } = self.best.faults[at].when {
            self.try_numbers(nanos, &rounder(nanos), |script, nanos| {
                script.faults[at].when = When::At { nanos };
            });
        }
        if let Some(nanos) = self.best.faults[at].until_nanos {
            self.try_numbers(nanos, &rounder(nanos), |script, nanos| {
                script.faults[at].until_nanos = Some(nanos);
            });
        }
    }

    /// Makes a number smaller: one of a few, and then what lies between it and the next smaller
    /// one, by halves.
    fn try_smaller(&mut self, value: u64, set: impl Fn(&mut Script, u64)) {
        let numbers = smaller(value);
        let Some(mut least) = self.try_numbers(value, &numbers, &set) else { return };
        let too_small = numbers.iter().copied().filter(|number| *number < least).max();
        let Some(mut too_small) = too_small else { return };
        while least - too_small > 1 {
            let middle = too_small + (least - too_small) / 2;
            match self.try_numbers(value, &[middle], &set) {
                Some(_) => least = middle,
                None => too_small = middle,
            }
        }
    }

    /// Takes the first of these numbers with which it still fails; each is simpler than `value`.
    fn try_numbers(
        &mut self,
        value: u64,
        simpler: &[u64],
        set: impl Fn(&mut Script, u64),
    ) -> Option<u64> {
        for number in simpler {
            assert_ne!(*number, value, "what is tried is another number");
            let mut candidate = self.best.clone();
            set(&mut candidate, *number);
            if self.accept_simpler(candidate) {
                return Some(*number);
            }
        }
        None
    }
}

/// Smaller numbers, the simplest first: the ends, a power of two, the half, one less.
fn smaller(value: u64) -> Vec<u64> {
    let power = 1_u64 << value.max(1).ilog2();
    let mut numbers = vec![0, 1, 2, 16, power, value / 2, value.saturating_sub(1)];
    numbers.retain(|number| *number < value);
    numbers.dedup();
    numbers
}

/// Rounder times, the roundest first: none, whole units, two digits, one digit.
fn rounder(nanos: u64) -> Vec<u64> {
    let mut numbers = vec![0, 1_000_000];
    let mut unit = 1_000_000_000;
    while unit > 1 {
        numbers.push(nanos / unit * unit);
        numbers.push(nanos.saturating_add(unit - 1) / unit * unit);
        unit /= 10;
    }
    // Only what has fewer digits, or as many and is less.
    let weight = |nanos: u64| {
        let digits = nanos.to_string();
        (digits.trim_end_matches('0').len(), nanos)
    };
    numbers.retain(|number| weight(*number) < weight(nanos));
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_is_simpler_so_that_it_ends() {
        assert_eq!(smaller(0), [0; 0]);
        assert_eq!(smaller(1), [0]);
        assert_eq!(smaller(6433), [0, 1, 2, 16, 4096, 3216, 6432]);
        assert_eq!(rounder(0), [0; 0]);
        assert_eq!(rounder(1_000_000), [0]);
        let times = rounder(13_696_400);
        assert_eq!(times[..2], [0, 1_000_000]);
        assert!(times.contains(&20_000_000) && times.contains(&13_600_000), "{times:?}");
        assert!(times.iter().all(|time| *time != 13_696_400));
        assert!(rounder(u64::MAX).iter().all(|time| *time < u64::MAX));
    }
}
