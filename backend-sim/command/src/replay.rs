//! `tidelock replay`.

use std::fs;
use std::path::Path;

use tidelock_sim::internal::campaign::Simulator;
use tidelock_sim::internal::report::{FAILURE_LINES_MAX, failure_text, run_text};
use tidelock_sim::internal::script::Script;
use tidelock_sim::internal::simulate;
use tidelock_sim::run::{Report, Source, Watch};
use tidelock_sim::scenarios as library;

use crate::console::Console;
use crate::exit::{Exit, Problem};
use crate::options::ReplayOptions;
use crate::scenarios;
use crate::values::Artefact;

/// Runs an artefact once and tells what happened.
pub(crate) fn execute(
    options: &ReplayOptions,
    simulator: &Simulator<'_>,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let (scenario, source) = open(&options.artefact, options.scenario.as_deref(), simulator)?;
    let signature = match &source {
        Source::Script(script) => script.signature.clone(),
        Source::Seed(_) => None,
    };
    let watch = Watch {
        paranoid: options.paranoid,
        record: options.record.is_some(),
        trace: options.trace.into(),
        ..Watch::default()
    };
    let report = simulator.guarded(scenario, source, &watch);
    if !report.trace.is_empty() {
        console.print(&report.trace)?;
        console.print([""])?;
    }
    for line in &report.stale {
        console.complain(&format!("warning: not met in this run: {line}"));
    }
    console.print(run_text(&report))?;
    if let Some(path) = &options.record {
        let recorded = write_recording(&report, path)?;
        console.print([format!("  recorded  {recorded}")])?;
    }
    console.print([""])?;
    let Some(failure) = &report.failure else {
        console.print(["PASS  no law was violated"])?;
        if let Some(signature) = signature {
            console
                .print([format!("      what was recorded did not happen again: {signature}")])?;
        }
        return Ok(Exit::Pass);
    };
    // Older recordings name the law alone.
    let is_same = |recorded: &String| [failure.law, &failure.signature].contains(&&**recorded);
    if let Some(recorded) = signature.filter(|recorded| !is_same(recorded)) {
        let seen = &failure.signature;
        console.complain(&format!("warning: recorded was {recorded}, and it is now {seen}"));
    }
    // The options stand above, and so do the last events if there is a trace.
    let mut failure = failure.clone();
    if !report.trace.is_empty() {
        failure.last_events.clear();
    }
    let class = failure.class;
    let told = Report { options: None, ..report };
    console.print(failure_text(&told, &failure, &[], FAILURE_LINES_MAX))?;
    Ok(Exit::Failed(class))
}

/// Opens what is to be run: an artefact, and the scenario that goes with a seed.
pub(crate) fn open(
    artefact: &Artefact,
    named: Option<&str>,
    simulator: &Simulator<'_>,
) -> Result<(&'static str, Source), Problem> {
    let named = named.map(|name| scenarios::find(simulator, name)).transpose()?;
    match artefact {
        Artefact::Seed(seed) => {
            let Some(scenario) = named else {
                let allowed = scenarios::allowed(simulator);
                return Err(Problem::Usage(format!("seed:{seed} needs --scenario; {allowed}")));
            };
            Ok((scenario, Source::Seed(*seed)))
        }
        Artefact::File(path) => {
            let (scenario, script) = read_script(Path::new(path), simulator)?;
            if named.is_some_and(|named| named != scenario) {
                return Err(Problem::Usage(format!(
                    "{path} is a recording of {scenario}; allowed: no --scenario, or that one"
                )));
            }
            Ok((scenario, Source::Script(Box::new(script))))
        }
    }
}

/// Reads a `.tide` file and finds its scenario.
pub(crate) fn read_script(
    path: &Path,
    simulator: &Simulator<'_>,
) -> Result<(&'static str, Script), Problem> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Problem::Usage(format!("{shown}: {error}; allowed: a .tide file that can be read"))
    })?;
    let (script, lines) =
        Script::with_lines(&text).map_err(|error| Problem::Usage(format!("{shown}, {error}")))?;
    let scenario = simulator.find(&script.scenario).ok_or_else(|| {
        let (line, allowed) = (lines.scenario, scenarios::allowed(simulator));
        Problem::Usage(format!(
            "{shown}, line {line}: no scenario '{}'; {allowed}",
            script.scenario
        ))
    })?;
    if let Some(known) = library::find(scenario) {
        let wrong = simulate::check_script(known, &script);
        let numbered = wrong.iter().map(|wrong| (wrong.place.line(&lines), wrong));
        if let Some((line, first)) = numbered.min_by_key(|(line, _)| *line) {
            return Err(Problem::Usage(format!("{shown}, line {line}: {first}")));
        }
    }
    Ok((scenario, script))
}

/// Writes the run's recording; tells where, or why there is none.
fn write_recording(report: &Report, path: &Path) -> Result<String, Problem> {
    let shown = path.display().to_string();
    let Some(script) = &report.script else {
        return Ok("nothing: the run ended in a panic".to_owned());
    };
    match fs::write(path, script.to_string()) {
        Ok(()) => Ok(shown),
        Err(error) => Err(Problem::Output(shown, error)),
    }
}
