//! The trace of a run: the last events always, all of them if asked.

use std::collections::VecDeque;

/// The part of a run that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Only the last events of a failure.
    #[default]
    Off,
    /// One line for each event, command and message.
    Line,
    /// The same with calls to the kernel, their answers, and decisions.
    Full,
}

/// Collects lines. A line is formatted only if somebody will see it.
#[derive(Debug)]
pub struct Tracer {
    level: Trace,
    lines: Vec<String>,
    last: VecDeque<String>,
}

/// The number of lines that a failure shows.
const LAST_MAX: usize = 40;

impl Tracer {
    /// Collects what `level` says.
    pub fn new(level: Trace) -> Self {
        Self { level, lines: Vec::new(), last: VecDeque::new() }
    }

    /// A line for events, commands and messages.
    #[inline]
    pub fn line(&mut self, now: u64, text: impl FnOnce() -> String) {
        if self.level != Trace::Off {
            self.add(now, &text());
        }
    }

    /// A line for calls and decisions.
    #[inline]
    pub fn full(&mut self, now: u64, text: impl FnOnce() -> String) {
        if self.level == Trace::Full {
            self.add(now, &text());
        }
    }

    #[cold]
    fn add(&mut self, now: u64, text: &str) {
        let line = format!("{}.{:09} {text}", now / 1_000_000_000, now % 1_000_000_000);
        if self.last.len() == LAST_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line.clone());
        self.lines.push(line);
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    /// The last lines.
    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
