//! `tidelock regress`.

use std::fs;
use std::path::{Path, PathBuf};

use tidelock_sim::internal::campaign::{Campaign, Share, Simulator};
use tidelock_sim::internal::report::{Align, FAILURE_LINES_MAX, Table, failure_text, grouped};
use tidelock_sim::internal::script::Script;
use tidelock_sim::run::{FailureClass, Report, Source, Watch};

use crate::console::{Console, shell_word};
use crate::exit::{Exit, Problem};
use crate::options::RegressOptions;
use crate::replay::read_script;

/// Replays every `.tide` file of a folder, twice.
pub(crate) fn execute(
    options: &RegressOptions,
    simulator: &Simulator<'_>,
    console: &mut Console<'_>,
) -> Result<Exit, Problem> {
    let paths = files(&options.folder)?;
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left, Align::Right]);
    let mut details = Vec::new();
    let mut verdicts = Vec::new();
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (scenario, script) = match read_script(path, simulator) {
            Ok(read) => read,
            // It concerns this file alone; the others are replayed.
            Err(problem) => {
                verdicts.push(problem.tell(console));
                table.row([word(Exit::Usage), &name, "", ""]);
                continue;
            }
        };
        let report = replay(simulator, scenario, &script);
        let verdict = verdict(&report);
        let events = format!("{} events", grouped(report.events));
        table.row([word(verdict), &name, scenario, &events]);
        details.extend(told(path, &report, console));
        verdicts.push(verdict);
    }
    console.print(table.lines())?;
    console.print(details)?;
    let failed = verdicts.iter().filter(|verdict| **verdict != Exit::Pass).count();
    let count = paths.len();
    let (shown, files) = (options.folder.display(), if count == 1 { "file" } else { "files" });
    console.print([match failed {
        0 => format!("PASS  {count} {files} in {shown}"),
        _ => format!("FAILED  {failed} of {count} {files} in {shown}"),
    }])?;
    // A violated law is graver than a file that has lost its meaning, or never had one.
    Ok(verdicts
        .into_iter()
        .filter(|v| *v != Exit::Pass)
        .min_by_key(|v| v.code())
        .unwrap_or(Exit::Pass))
}

/// The `.tide` files right inside the folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        entries.collect()
    };
    let mut paths = list().map_err(|error| {
        let shown = folder.display();
        Problem::Usage(format!("{shown}: {error}; allowed: a folder with .tide files"))
    })?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "tide"));
    if paths.is_empty() {
        let shown = folder.display();
        return Err(Problem::Usage(format!(
            "{shown}: no .tide file is in it; allowed: a folder with some"
        )));
    }
    paths.sort();
    Ok(paths)
}

/// The file's run; its failure is also one that only a second run showed.
fn replay(simulator: &Simulator<'_>, scenario: &'static str, script: &Script) -> Report {
    let source = Source::Script(Box::new(script.clone()));
    let mut report = simulator.guarded(scenario, source, &Watch::default());
    if report.failure.is_none() {
        let twice = Share::from_ppm(0).expect("nothing is a share");
        let scenarios = vec![scenario];
        let campaign = Campaign { simulator: *simulator, scenarios, twice, paranoid: false };
        report.failure = campaign.repeat_script(&report, script);
    }
    report
}

fn verdict(report: &Report) -> Exit {
    match &report.failure {
        Some(failure) => Exit::Failed(failure.class),
        None if !report.stale.is_empty() => Exit::Stale,
        None => Exit::Pass,
    }
}

fn word(verdict: Exit) -> &'static str {
    match verdict {
        Exit::Pass => "pass",
        Exit::Stale => "stale",
        Exit::Failed(FailureClass::Invariant) => "violated",
        Exit::Failed(FailureClass::Liveness) => "stuck",
        Exit::Failed(FailureClass::Nondeterminism) => "differs",
        Exit::Usage => "unread",
        Exit::Uncovered | Exit::Interrupted => unreachable!("no verdict about a file"),
    }
}

/// Says about a file what its line in the table does not.
fn told(path: &Path, report: &Report, console: &Console<'_>) -> Vec<String> {
    let shown = path.display().to_string();
    let replay = format!("{} replay {} --trace line", console.program, shell_word(&shown));
    let mut lines = Vec::new();
    if let Some(failure) = &report.failure {
        lines.push(String::new());
        lines.extend(failure_text(
            report,
            failure,
            &[("file", shown), ("replay", replay)],
            FAILURE_LINES_MAX,
        ));
        lines.push(String::new());
    } else if !report.stale.is_empty() {
        lines.push(String::new());
        lines.push(format!("STALE  {shown}: these lines were not met, so it tests something else"));
        lines.extend(report.stale.iter().map(|line| format!("  {line}")));
        lines.push(String::new());
    }
    lines
}
