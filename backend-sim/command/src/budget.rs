//! The budget of shrinking, and what a person sees meanwhile.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use indicatif::{ProgressBar, ProgressStyle};
use tidelock_sim::internal::report::grouped;

use crate::clock::Stopwatch;
use crate::interrupt::Interrupted;

/// A time that is running out, with a bar on stderr if that is a terminal.
pub(crate) struct Budget<'a> {
    clock: Stopwatch,
    millis: u64,
    interrupted: &'a Interrupted,
    bar: ProgressBar,
    drawn_millis: Cell<u64>,
}

impl<'a> Budget<'a> {
    /// Begins now.
    pub(crate) fn start(millis: u64, interrupted: &'a Interrupted, is_hidden: bool) -> Self {
        // A bar draws itself on stderr, and hides itself where that is no terminal.
        let bar = if is_hidden { ProgressBar::hidden() } else { ProgressBar::new(millis) };
        let style = ProgressStyle::with_template("{bar:32.cyan/dim} {percent:>3} %  {msg}");
        bar.set_style(style.expect("the template is right").progress_chars("━━─"));
        let drawn_millis = Cell::new(0);
        Self { clock: Stopwatch::start(), millis, interrupted, bar, drawn_millis }
    }

    /// Returns `true` if another run may begin after so many.
    pub(crate) fn may_go_on(&self, runs: u64) -> bool {
        const DRAW_MILLIS: u64 = 100;
        let elapsed = self.clock.elapsed_millis();
        if elapsed >= self.drawn_millis.get() + DRAW_MILLIS {
            self.drawn_millis.set(elapsed);
            self.bar.set_position(elapsed.min(self.millis));
            self.bar.set_message(format!("shrinking  {} runs", grouped(runs)));
        }
        elapsed < self.millis && !self.interrupted.load(Relaxed)
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
