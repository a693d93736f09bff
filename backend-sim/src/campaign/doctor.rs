//! Where two runs of one source part.

use crate::campaign::Simulator;
use crate::judge::checkpoints::first_difference;
use crate::run::{Report, Source, Trace, Watch};

/// The difference between two runs of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// By their checkpoints: after the first of these steps, at the second at the latest.
    pub steps: Option<(u64, u64)>,
    /// Lines that both traces have, right before they part; the last at the end.
    pub before: Vec<String>,
    /// The first line in which they differ, of each run; empty if that run ended there.
    pub parted: [String; 2],
    /// The digests of the first two runs.
    pub digests: [u64; 2],
}

/// The number of common lines that are shown.
const BEFORE_MAX: usize = 12;

/// Runs a source twice, and gives the first run's report if both are the same.
///
/// # Errors
/// Where they part, if they differ: it is then run twice more, with traces.
pub fn diagnose(
    simulator: &Simulator<'_>,
    scenario: &'static str,
    source: &Source,
    watch: &Watch,
) -> Result<Box<Report>, Diagnosis> {
    let run = |watch: &Watch| simulator.guarded(scenario, source.clone(), watch);
    let brief = Watch { is_brief: true, trace: Trace::Off, ..watch.clone() };
    let [first, second] = [run(&brief), run(&brief)];
    let is_same = |left: &Report, right: &Report| {
        let ends = |report: &Report| report.failure.as_ref().map(ToString::to_string);
        (left.digest, left.outcome, left.events) == (right.digest, right.outcome, right.events)
            && ends(left) == ends(right)
    };
    if is_same(&first, &second) {
        return Ok(Box::new(first));
    }
    let told = Watch { trace: Trace::Full, ..brief };
    let [left, right] = [run(&told).trace, run(&told).trace];
    let common = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    let line = |trace: &[String]| trace.get(common).cloned().unwrap_or_default();
    Err(Diagnosis {
        steps: first_difference(&first.checkpoints, &second.checkpoints),
        before: left[common.saturating_sub(BEFORE_MAX)..common].to_vec(),
        parted: [line(&left), line(&right)],
        digests: [first.digest, second.digest],
    })
}
