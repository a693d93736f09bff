//! The view of a running campaign for a person: a bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use tidelock_sim::internal::report::{grouped, per_second, scaled};

/// The progress of a campaign.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// So many runs.
    Runs(u64),
    /// So many milliseconds.
    Millis(u64),
}

/// A bar on stderr, if that is a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    goal: Goal,
}

impl Progress {
    /// Shows an empty bar, unless `is_hidden`.
    pub(crate) fn start(goal: Goal, is_hidden: bool) -> Progress {
        let length = match goal {
            Goal::Runs(length) | Goal::Millis(length) => length,
        };
        // A bar draws itself on stderr, and hides itself where that is no terminal.
        let bar = if is_hidden { ProgressBar::hidden() } else { ProgressBar::new(length) };
        let style = ProgressStyle::with_template("{bar:32.cyan/dim} {percent:>3} %  {msg}");
        bar.set_style(style.expect("the template is right").progress_chars("━━─"));
        Progress { bar, goal }
    }

    /// Shows how far it has come.
    pub(crate) fn show(&self, runs: u64, failures: u64, elapsed_millis: u64) {
        let position = match self.goal {
            Goal::Runs(_) => runs,
            Goal::Millis(length) => elapsed_millis.min(length),
        };
        self.bar.set_position(position);
        let rate = scaled(per_second(runs, elapsed_millis));
        let failures = match failures {
            0 => "no failure".to_owned(),
            1 => "1 failure".to_owned(),
            n => format!("{} failures", grouped(n)),
        };
        self.bar.set_message(format!("{} runs  {rate}/s  {failures}", grouped(runs)));
    }

    /// Prints something while the bar is out of the way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
