//! `tidelock shrink`, and the shrinking of what a campaign found.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use tidelock_sim::internal::campaign::Simulator;
use tidelock_sim::internal::report::{FAILURE_LINES_MAX, story_text};
use tidelock_sim::internal::script::Script;
use tidelock_sim::internal::search::shrink::{Story, story};
use tidelock_sim::run::{Source, Watch};

use crate::budget::Budget;
use crate::console::{Console, shell_word};
use crate::exit::{Exit, Problem};
use crate::interrupt::Interrupted;
use crate::options::ShrinkOptions;
use crate::replay::open;
use crate::values::Artefact;

/// Makes the failure of an artefact small, writes it and tells its story.
pub(crate) fn execute(
    options: &ShrinkOptions,
    simulator: &Simulator<'_>,
    interrupted: &Interrupted,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let (scenario, source) = open(&options.artefact, options.scenario.as_deref(), simulator)?;
    let out = options.out.clone().unwrap_or_else(|| default_out(&options.artefact, scenario));
    let watch = Watch { paranoid: options.paranoid, ..Watch::default() };
    let written = Watch { record: true, is_seedless: true, ..watch.clone() };
    let first = simulator.guarded(scenario, source, &written);
    let Some(failure) = &first.failure else {
        console.print(["PASS  no law was violated, there is nothing to shrink"])?;
        return Ok(Exit::Pass);
    };
    let Some(script) = &first.script else {
        let line = format!("{}: the run ended in a panic outside of its world", failure.law);
        console.print([format!("FAILED  {line}: it cannot be shrunk")])?;
        return Ok(Exit::Failed(failure.class));
    };
    // Whatever happens from here on, the failure is on disk; an input that is to be replaced by
    // its small form stays until there is one.
    if !is_input(&options.artefact, &out) {
        write(&out, script)?;
    }
    let budget = Budget::start(options.budget.millis, interrupted, false);
    let source = Source::Script(Box::new(script.clone()));
    let told = story(simulator, scenario, source, &watch, &|runs| budget.may_go_on(runs));
    budget.end();
    let Some(told) = told else {
        let law = failure.law;
        console.print([format!("FAILED  {law}: it did not fail again, and cannot be shrunk")])?;
        return Ok(Exit::Failed(failure.class));
    };
    write(&out, &told.shrunk.script)?;
    let mut kept = write_others(&out, &told)?;
    let shown = out.display().to_string();
    let paranoid = if options.paranoid { " --paranoid" } else { "" };
    let replay = format!("{} replay {} --trace line", console.program, shell_word(&shown));
    kept.push(("shrunk to", shown));
    kept.push(("replay", format!("{replay}{paranoid}")));
    console.print(story_text(&first, &told, &kept, FAILURE_LINES_MAX))?;
    Ok(match interrupted.load(Relaxed) {
        true => Exit::Interrupted,
        false => Exit::Failed(failure.class),
    })
}

/// Returns `true` if the small form goes where the artefact is.
fn is_input(artefact: &Artefact, out: &Path) -> bool {
    let same = |file: &Path| file.canonicalize().ok().zip(out.canonicalize().ok());
    match artefact {
        Artefact::File(file) => same(Path::new(file)).is_some_and(|(file, out)| file == out),
        Artefact::Seed(_) => false,
    }
}

/// Beside a file, with `.min` before its end; for a seed where campaigns put theirs.
fn default_out(artefact: &Artefact, scenario: &str) -> PathBuf {
    match artefact {
        Artefact::File(path) => minimised(Path::new(path)),
        Artefact::Seed(seed) => {
            Path::new("target/tidelock").join(format!("{scenario}-{seed}.min.tide"))
        }
    }
}

/// Where the small form of a recording goes.
pub(crate) fn minimised(recorded: &Path) -> PathBuf {
    recorded.with_extension("min.tide")
}

/// Writes the failures with other signatures that were met, and gives their paths.
pub(crate) fn write_others(
    out: &Path,
    story: &Story,
) -> Result<Vec<(&'static str, String)>, Problem> {
    let mut kept = Vec::new();
    for (number, (signature, script)) in story.shrunk.others.iter().enumerate() {
        let path = out.with_extension(format!("other-{number}.tide"));
        write(&path, script)?;
        // A few are named; all are on disk.
        if number < 2 {
            kept.push(("met, too", format!("{signature}: {}", path.display())));
        }
    }
    Ok(kept)
}

/// Writes a script, and the folder that it stands in.
pub(crate) fn write(path: &Path, script: &Script) -> Result<(), Problem> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, script.to_string())
    };
    write().map_err(|error| Problem::Output(path.display().to_string(), error))
}
