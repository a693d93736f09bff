//! Several lines changed at once, where none can be changed by itself; and lines that make a long
//! story shorter.

use tidelock_net::words::decision::Value;

use super::delete::{connections, decisions, operations};
use super::{SHORT_EVENTS, Shrinker};
use crate::stage::options::Options;
use crate::tide::Script;

/// Options that make a story shorter, each with values from the shortest on: who is a program and
/// who only a wire, how small messages are, how much is asked.
const SHORTER: [(&str, &[u64]); 9] = [
    ("scripted", &[1, 2]),
    ("connections", &[1, 2, 3]),
    ("operations", &[1, 2, 4]),
    ("message_bytes_max", &[1, 16, 64]),
    ("readiness", &[3, 1, 2]),
    ("workers", &[1]),
    ("is_inline", &[1]),
    ("messages_per_batch", &[1]),
    ("peer_read_bytes", &[1 << 10]),
];
/// Beyond so many lines of a kind, pairs of them are too many.
const PAIR_LINES_MAX: usize = 24;

impl Shrinker<'_> {
    /// Deletes two lines of a kind that only make sense together, as a `pause` and its `start`.
    pub(super) fn delete_pairs(&mut self) {
        let count = self.best.operations.len();
        if (2..=PAIR_LINES_MAX).contains(&count) {
            for (first, second) in pairs(count) {
                let candidate = operations(&self.best, &[first, second]);
                if self.accept(candidate) {
                    return;
                }
            }
        }
        let count = self.best.decisions.len();
        if (2..=PAIR_LINES_MAX).contains(&count) {
            for (first, second) in pairs(count) {
                let one_less = decisions(&self.best, second..second + 1);
                let candidate = decisions(&one_less, first..first + 1);
                if self.accept(candidate) {
                    return;
                }
            }
        }
        let labels = connections(&self.best);
        if (2..=PAIR_LINES_MAX).contains(&labels.len()) {
            for (first, second) in pairs(labels.len()) {
                if self.accept(joined(&self.best, &labels[first], &labels[second])) {
                    return;
                }
            }
        }
    }

    /// Gives all lines of a kind the same simple number: where they must fit each other, none can
    /// be changed alone.
    pub(super) fn simplify_together(&mut self) {
        const NUMBERS: [u64; 5] = [1, 2, 16, 64, 1024];
        let last_number = |words: &[String]| words.last().and_then(|word| word.parse::<u64>().ok());
        for number in NUMBERS {
            let mut candidate = self.best.clone();
            for operation in &mut candidate.operations {
                let size = last_number(&operation.words).filter(|size| *size > number);
                if let (Some(_), Some(word)) = (size, operation.words.last_mut()) {
                    *word = number.to_string();
                }
            }
            if self.accept_simpler(candidate) {
                break;
            }
        }
        for number in NUMBERS {
            let mut candidate = self.best.clone();
            for decision in &mut candidate.decisions {
                if let Value::Number(value) = &mut decision.value {
                    *value = number.min(*value);
                }
            }
            if self.accept_simpler(candidate) {
                break;
            }
        }
        for number in NUMBERS {
            let mut candidate = self.best.clone();
            for (name, value) in &mut candidate.config {
                let size = value.parse::<u64>().ok().filter(|_| name.contains("bytes"));
                if size.is_some_and(|size| size > number) {
                    *value = number.to_string();
                }
            }
            if self.accept_simpler(candidate) {
                break;
            }
        }
    }

    /// Says an option that was not said if the story becomes shorter by more than that line.
    pub(super) fn shorten(&mut self) {
        for (name, values) in SHORTER {
            let is_said = self.best.config.iter().any(|(known, _)| known == name);
            if is_said || self.events <= SHORT_EVENTS {
                continue;
            }
            for value in values {
                let mut candidate = self.best.clone();
                candidate.config.push((name.to_owned(), Options::text_of(name, *value)));
                if self.accept_up_to(candidate, self.events.saturating_sub(2)) {
                    break;
                }
            }
        }
    }
}

/// Each two of so many, the last ones first.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..count).rev().flat_map(|second| (0..second).rev().map(move |first| (first, second)))
}

/// Lets the first connection be asked what the second one was.
fn joined(script: &Script, first: &str, second: &str) -> Script {
    let at = script.operations.iter().position(|operation| operation.label == second);
    let mut script = operations(script, &[at.expect("a connection is opened by its operation")]);
    for operation in &mut script.operations {
        for word in operation.words.iter_mut().skip(2).take(1) {
            if word.trim_end_matches('\'') == second {
                *word = word.replacen(second, first, 1);
            }
        }
    }
    script
}
