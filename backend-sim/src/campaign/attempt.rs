//! One run of a campaign: made, repeated if it is its turn, recorded if it failed.

use super::{Campaign, Deletion, Simulator};
use crate::judge::coverage::Reached;
use crate::run::panics::catch;
use crate::run::{Failure, FailureClass, Report, Source, Trace, Watch, signature};
use crate::tide::Script;

/// The results of one seed.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The report of the first run; its failure is also one that only a repetition showed.
    pub report: Report,
    /// The run was made again and compared.
    pub repeated: bool,
    /// If it was repeated and had faults: what came of deleting one.
    pub deletion: Option<Deletion>,
}

/// The form in which a failure is kept.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Replays the failure.
    pub script: Script,
    /// The difference between the recorded run and the first one, if there is one.
    pub difference: Option<Failure>,
}

impl Campaign<'_> {
    /// Makes the run of this seed. A run whose turn it is is made twice more, once recorded and
    /// once from that recording: a difference is a failure. A panic is a failure, too.
    pub fn attempt(&self, seed: u64) -> Attempt {
        let scenario = self.scenario(seed);
        let mut report = self.simulator.guarded(scenario, Source::Seed(seed), &self.watch());
        let repeated = report.failure.is_none() && self.is_repeated(seed);
        let mut deletion = None;
        if repeated {
            match self.repeat(&report) {
                Ok(script) => {
                    report.failure = self.compare_checking(&report);
                    deletion = self.delete_one(&report, &script);
                }
                Err(difference) => report.failure = Some(difference),
            }
        }
        Attempt { report, repeated, deletion }
    }

    /// Runs the seed of a failure again under recording. `None` if the run gives no recording: a
    /// panic outside of what the world catches.
    pub fn record(&self, failed: &Report) -> Option<Recording> {
        let failure = failed.failure.as_ref().expect("only a failure is recorded");
        let source = Source::Seed(failed.seed);
        let (again, difference) =
            self.again(failed, [&source, &source], true, "a second time, recorded");
        let mut script = again.script?;
        script.comments.push(one_line(&format!("{}: {}", failure.law, failure.detail)));
        script.signature.get_or_insert_with(|| failure.signature.clone());
        // Of a run that is known to differ, that is the failure itself.
        let is_known = failure.class == FailureClass::Nondeterminism;
        Some(Recording { script, difference: difference.filter(|_| !is_known) })
    }

    /// Runs a recording of a seed: in what it differs from the run that it was made of, if it does.
    pub fn replay_recording(&self, first: &Report, script: &Script) -> Option<Failure> {
        let seed = Source::Seed(first.seed);
        let source = Source::Script(Box::new(script.clone()));
        self.again(first, [&seed, &source], false, "from its recording").1
    }

    /// Runs a script again: in what it differs from its first run, if it does.
    pub fn repeat_script(&self, first: &Report, script: &Script) -> Option<Failure> {
        let source = Source::Script(Box::new(script.clone()));
        self.again(first, [&source, &source], false, "a second time").1
    }

    /// The same seed again, recorded, and then from the recording, which is given.
    ///
    /// # Errors
    /// In what they differ.
    fn repeat(&self, first: &Report) -> Result<Script, Failure> {
        let source = Source::Seed(first.seed);
        let (again, difference) =
            self.again(first, [&source, &source], true, "a second time, recorded");
        if let Some(difference) = difference {
            return Err(difference);
        }
        let script = again.script.expect("a run that was asked for a recording gives one");
        self.replay_recording(first, &script).map_or(Ok(script), Err)
    }

    /// Runs the second source, and compares with the report that the first one gave.
    fn again(
        &self,
        first: &Report,
        sources: [&Source; 2],
        record: bool,
        how: &str,
    ) -> (Report, Option<Failure>) {
        let watch = Watch { record, ..self.watch() };
        let second = self.simulator.guarded(first.scenario, sources[1].clone(), &watch);
        let failure = difference(first, &second).map(|what| {
            let (place, last_events) = self.first_divergence(first.scenario, sources);
            Failure {
                law: "same-run",
                detail: format!("run {how}, {what}; {place}"),
                step: 0,
                class: FailureClass::Nondeterminism,
                signature: "same-run".to_owned(),
                last_events,
            }
        });
        (second, failure)
    }

    /// Where the traces of two sources part: in words, and the lines before.
    fn first_divergence(
        &self,
        scenario: &'static str,
        sources: [&Source; 2],
    ) -> (String, Vec<String>) {
        const BEFORE: usize = 12;
        let watch = Watch { trace: Trace::Full, ..self.watch() };
        let [left, right] =
            sources.map(|source| self.simulator.guarded(scenario, source.clone(), &watch).trace);
        let common = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
        if common == left.len() && common == right.len() {
            return ("the traces of two more runs are the same".to_owned(), Vec::new());
        }
        let mut lines = left[common.saturating_sub(BEFORE)..common].to_vec();
        let end = || "the end".to_owned();
        lines.push(format!("first:  {}", left.get(common).cloned().unwrap_or_else(end)));
        lines.push(format!("second: {}", right.get(common).cloned().unwrap_or_else(end)));
        (format!("their traces part at line {}", common + 1), lines)
    }
}

impl Simulator<'_> {
    /// A run whose panic is a failure of its report.
    pub fn guarded(&self, scenario: &'static str, source: Source, watch: &Watch) -> Report {
        let seed = match &source {
            Source::Seed(seed) => Some(*seed),
            Source::Script(script) => script.seed,
        };
        let run = catch(|| (self.run)(scenario, source, watch));
        run.unwrap_or_else(|text| panicked(scenario, seed, text))
    }
}

/// The report of a run that gave none.
pub(super) fn panicked(scenario: &'static str, seed: Option<u64>, text: String) -> Report {
    Report {
        scenario,
        seed: seed.unwrap_or(0),
        is_seedless: seed.is_none(),
        digest: 0,
        checkpoints: Vec::new(),
        outcome: 0,
        events: 0,
        story: 0,
        operations: 0,
        completed: 0,
        injected: Vec::new(),
        reached: Reached::default(),
        errnos: Vec::new(),
        checked: Vec::new(),
        options: None,
        failure: Some(Failure {
            law: "no-panic",
            signature: signature::of_panic(&text),
            detail: text,
            step: 0,
            class: FailureClass::Invariant,
            last_events: Vec::new(),
        }),
        script: None,
        trace: Vec::new(),
        stale: Vec::new(),
    }
}

/// Returns the difference between two reports of one run.
fn difference(first: &Report, second: &Report) -> Option<String> {
    let hashes = [
        ("digest", first.digest, second.digest),
        ("outcome", first.outcome, second.outcome),
        ("events", first.events, second.events),
        ("path", first.reached.path(), second.reached.path()),
    ];
    for (name, left, right) in hashes {
        if left != right {
            return Some(format!("the {name} is {right:#x} instead of {left:#x}"));
        }
    }
    let law = |report: &Report| match &report.failure {
        Some(failure) => format!("{failure}"),
        None => "no failure".to_owned(),
    };
    let (left, right) = (law(first), law(second));
    (left != right).then(|| format!("it ends with `{right}` instead of `{left}`"))
}

/// A text as one line.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" · ")
}
