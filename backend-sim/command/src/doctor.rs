//! `tidelock doctor`.

use tidelock_sim::internal::campaign::Simulator;
use tidelock_sim::internal::campaign::{Diagnosis, diagnose};
use tidelock_sim::internal::report::columns;
use tidelock_sim::run::{FailureClass, Watch};

use crate::console::Console;
use crate::exit::{Exit, Problem};
use crate::options::DoctorOptions;
use crate::replay::open;

/// Runs an artefact twice, and shows where the runs part if they do.
pub(crate) fn execute(
    options: &DoctorOptions,
    simulator: &Simulator<'_>,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let (scenario, source) = open(&options.artefact, options.scenario.as_deref(), simulator)?;
    match diagnose(simulator, scenario, &source, &Watch::default()) {
        Ok(report) => match &report.failure {
            None => {
                console.print(["PASS  two runs are the same"])?;
                Ok(Exit::Pass)
            }
            Some(failure) => {
                let (law, digest) = (failure.law, report.digest);
                console.print([
                    format!("SAME  digest {digest:#018x}, twice"),
                    format!("FAILED  both runs violate {law}; `tidelock replay` tells how"),
                ])?;
                Ok(Exit::Failed(failure.class))
            }
        },
        Err(diagnosis) => {
            console.print(lines(&diagnosis))?;
            Ok(Exit::Failed(FailureClass::Nondeterminism))
        }
    }
}

fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    let [first, second] = diagnosis.digests;
    let mut lines = vec![format!("DIFFERENT  digest {first:#018x}, then {second:#018x}")];
    if let Some((after, until)) = diagnosis.steps {
        lines.push(format!("  checkpoints differ first between steps {after} and {until}"));
    }
    let [left, right] = &diagnosis.parted;
    if left == right {
        lines.push("  the traces of two more runs are the same; run it again".to_owned());
        return lines;
    }
    if !diagnosis.before.is_empty() {
        lines.push("  both runs, right before".to_owned());
        lines.extend(diagnosis.before.iter().map(|line| format!("    {line}")));
    }
    let shown = |line: &String| match line.as_str() {
        "" => "the end of the run".to_owned(),
        line => line.to_owned(),
    };
    lines.push("  and then".to_owned());
    lines.extend(
        columns(["first run", &shown(left)], ["second run", &shown(right)])
            .into_iter()
            .map(|line| format!("    {line}")),
    );
    lines
}
