//! Lines deleted from a script, many at once and then each by itself.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Shrinker;
use crate::tide::{Script, ScriptOperation, When};

impl Shrinker<'_> {
    pub(super) fn delete_decisions(&mut self) {
        self.delete_chunks(|script| script.decisions.len(), decisions);
    }

    pub(super) fn delete_faults(&mut self) {
        self.delete_chunks(|script| script.faults.len(), faults);
    }

    pub(super) fn delete_operations(&mut self) {
        let without = |script: &Script, range: Range<usize>| {
            operations(script, &range.collect::<Vec<usize>>())
        };
        self.delete_chunks(|script| script.operations.len(), without);
    }

    /// Options that are not said are neutral.
    pub(super) fn delete_options(&mut self) {
        let without = |script: &Script, range: Range<usize>| {
            let mut script = script.clone();
            script.config.drain(range);
            script
        };
        self.delete_chunks(|script| script.config.len(), without);
    }

    /// One connection alone; else without some of them.
    pub(super) fn delete_connections(&mut self) {
        const ALONE_MAX: usize = 64;
        let all = connections(&self.best);
        if (2..=ALONE_MAX).contains(&all.len()) {
            for alone in all.iter().rev() {
                let others: Vec<&String> = all.iter().filter(|other| *other != alone).collect();
                let candidate = without_connections(&self.best, &others);
                if self.accept(candidate) {
                    return;
                }
            }
        }
        let without = |script: &Script, range: Range<usize>| {
            let all = connections(script);
            without_connections(script, &all[range].iter().collect::<Vec<_>>())
        };
        self.delete_chunks(|script| connections(script).len(), without);
    }

    /// Deletes all, then halves, then quarters …, then each by itself, the last ones first; until
    /// no single one can be deleted.
    fn delete_chunks(
        &mut self,
        count: impl Fn(&Script) -> usize,
        without: impl Fn(&Script, Range<usize>) -> Script,
    ) {
        let mut chunk = count(&self.best);
        while chunk > 0 && !self.is_over {
            let mut is_smaller = false;
            let mut end = count(&self.best);
            while end > 0 && !self.is_over {
                let start = end.saturating_sub(chunk);
                let candidate = without(&self.best, start..end);
                is_smaller |= self.accept(candidate);
                end = start;
            }
            if chunk == 1 && !is_smaller {
                return;
            }
            chunk = (chunk / 2).max(1).min(count(&self.best));
        }
    }
}

/// A script without these decisions.
pub(super) fn decisions(script: &Script, range: Range<usize>) -> Script {
    let mut script = script.clone();
    script.decisions.drain(range);
    script
}

/// A script without these faults.
pub(super) fn faults(script: &Script, range: Range<usize>) -> Script {
    let mut script = script.clone();
    script.faults.drain(range);
    script
}

/// A script without these operations. What waited for one of them takes its time instead.
pub(super) fn operations(script: &Script, deleted: &[usize]) -> Script {
    let mut script = script.clone();
    // From the last on, so that the numbers of those before stay.
    let numbers: BTreeSet<usize> = deleted.iter().copied().collect();
    for at in numbers.into_iter().rev() {
        let ScriptOperation { label, when, .. } = script.operations.remove(at);
        let waits = |other: &When| matches!(other, When::After(of) if *of == label);
        for operation in script.operations.iter_mut().filter(|other| waits(&other.when)) {
            operation.when = when.clone();
        }
        for fault in script.faults.iter_mut().filter(|other| waits(&other.when)) {
            fault.when = when.clone();
        }
    }
    script
}

/// The labels of the operations that others are about: connections, datagram sockets.
pub(super) fn connections(script: &Script) -> Vec<String> {
    const VERBS: [&str; 4] = ["connect", "connect-name", "udp", "play"];
    let opens = |operation: &&ScriptOperation| {
        operation.words.get(1).is_some_and(|verb| VERBS.contains(&verb.as_str()))
    };
    script.operations.iter().filter(opens).map(|operation| operation.label.clone()).collect()
}

/// A script without these connections, what is asked of them, and what is decided about them.
fn without_connections(script: &Script, labels: &[&String]) -> Script {
    let is_deleted = |name: &str| labels.iter().any(|label| *label == name);
    let is_about = |operation: &ScriptOperation| {
        let on = operation.words.get(2).map(|word| word.trim_end_matches('\''));
        is_deleted(&operation.label) || on.is_some_and(is_deleted)
    };
    let numbered = script.operations.iter().enumerate();
    let deleted: Vec<usize> =
        numbered.filter(|(_, operation)| is_about(operation)).map(|(at, _)| at).collect();
    let mut script = operations(script, &deleted);
    script.decisions.retain(|decision| {
        let owner = decision.entity.split(['/', '\'', '+']).next().unwrap_or("");
        !is_deleted(owner)
    });
    script
}
