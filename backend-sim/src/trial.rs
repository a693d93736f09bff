//! A scenario as a test of its own: [`test!`](crate::test).

use std::path::Path;
use std::sync::Once;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::{fs, io};

use tidelock_net::words::text::parse_number;

use crate::campaign::{Simulator, keep_panics_quiet, one_line};
use crate::report::{FAILURE_LINES_MAX, failure_text};
use crate::run::{Report, Source, Watch, simulate};
use crate::search::shrink::{Story, story};
use crate::search::story_text::story_text;
use crate::stage::scenario::Scenario;

/// Makes a `#[test]` of a function that gives a [`Scenario`]: it runs the worlds of `seeds`
/// seeds, and fails with the first violated law on one screen, made small. The failure is kept as a
/// `.tide` file below the package's `target/tidelock`, and beside it what is left of it, as
/// `.min.tide`; the message names the command that replays that.
///
/// ```
/// # use tidelock_sim::scenario::{Scenario, Stage};
/// fn silence() -> Scenario {
///     Scenario::new("silence", "nobody says anything", |stage| {
///         stage.host("server");
///     })
/// }
///
/// tidelock_sim::test!(silence, seeds = 200);
/// # tidelock_sim::trial::run(&silence(), 20, &tidelock_sim::trial::Place::new("doc", "."));
/// ```
#[macro_export]
macro_rules! test {
    ($scenario:ident, seeds = $seeds:expr) => {
        mod $scenario {
            #[test]
            fn holds_every_law() {
                let name = concat!(module_path!(), "::holds_every_law");
                let mut place = $crate::trial::Place::new(name, env!("CARGO_MANIFEST_DIR"));
                // It chooses what is run, and never what happens in it.
                if let Some(artefact) = std::env::var_os("TIDELOCK_REPLAY") {
                    place = place.replay(&artefact.to_string_lossy());
                }
                $crate::trial::run(&super::$scenario(), $seeds, &place);
            }
        }
    };
}

/// Where a scenario's test stands, for its messages and its files.
#[derive(Clone, Debug)]
pub struct Place {
    test: String,
    package: String,
    replay: Option<String>,
}

impl Place {
    /// A test of this path, crate included, in the package of this folder.
    pub fn new(test: &str, package: &str) -> Self {
        let test = test.split_once("::").map_or(test, |(_crate, path)| path);
        Self { test: test.to_owned(), package: package.to_owned(), replay: None }
    }

    /// Runs this artefact alone, a `.tide` file or `seed:N`, instead of the seeds.
    #[must_use]
    pub fn replay(mut self, artefact: &str) -> Self {
        self.replay = Some(artefact.to_owned());
        self
    }
}

/// Runs the worlds of the seeds from 0 on, or the artefact that the place names.
///
/// # Panics
/// If one of them violates a law, with what is to be known on at most [`FAILURE_LINES_MAX`]
/// lines; and if the artefact cannot be read, or no longer means anything.
pub fn run(scenario: &Scenario, seeds: u64, place: &Place) {
    let sources = match &place.replay {
        Some(artefact) => vec![open(artefact).unwrap_or_else(|error| panic!("{error}"))],
        None => (0..seeds).map(Source::Seed).collect(),
    };
    for source in sources {
        let report = simulate::run(scenario, source.clone(), &Watch::default());
        if report.failure.is_some() {
            panic!("\n{}", told(scenario, &source, &report, place));
        }
        assert!(report.stale.is_empty(), "these lines were not met: {:#?}", report.stale);
    }
}

/// Reads what `TIDELOCK_REPLAY` names.
fn open(artefact: &str) -> Result<Source, String> {
    if let Some(seed) = artefact.strip_prefix("seed:") {
        let seed = parse_number(seed).map_err(|allowed| {
            format!("TIDELOCK_REPLAY={artefact}: expected seed: and {allowed}")
        })?;
        return Ok(Source::Seed(seed));
    }
    let text = fs::read_to_string(artefact).map_err(|error| {
        format!("TIDELOCK_REPLAY={artefact}: {error}; allowed: seed:N, or a .tide file")
    })?;
    let script = text.parse().map_err(|error| format!("TIDELOCK_REPLAY={artefact}, {error}"))?;
    Ok(Source::Script(Box::new(script)))
}

/// The failure on one screen. Its recording is written first; then it is made small, and what is
/// left of it is written beside.
fn told(scenario: &Scenario, source: &Source, report: &Report, place: &Place) -> String {
    let failure = report.failure.as_ref().expect("a failure is told");
    let command = |artefact: &str| format!("TIDELOCK_REPLAY={artefact} cargo test {}", place.test);
    let seed = match source {
        Source::Seed(seed) => *seed,
        Source::Script(_) => {
            let artefact = place.replay.clone().expect("only what was named is a script");
            let replay = command(&artefact);
            let kept = [("recorded", artefact), ("replay", replay)];
            return failure_text(report, failure, &kept, FAILURE_LINES_MAX).join("\n");
        }
    };
    let recorded = record(scenario, seed, failure.law, &failure.detail, place);
    let artefact = recorded.unwrap_or_else(|_unwritten| format!("seed:{seed}"));
    let small = shrunk(scenario, source).and_then(|story| {
        let path = Path::new(&artefact).with_extension("min.tide");
        // Without a file there is nothing to replay it from; the seed is told instead.
        fs::write(&path, story.shrunk.script.to_string()).ok()?;
        Some((story, path.display().to_string()))
    });
    match small {
        Some((story, path)) => {
            let replay = command(&path);
            let kept = [("recorded", artefact), ("shrunk to", path), ("replay", replay)];
            story_text(report, &story, &kept, FAILURE_LINES_MAX).join("\n")
        }
        None => {
            let replay = command(&artefact);
            let kept = [("recorded", artefact), ("replay", replay)];
            failure_text(report, failure, &kept, FAILURE_LINES_MAX).join("\n")
        }
    }
}

/// The failure made small, within a bound that is counted, so that the same comes of it on every
/// machine; `None` if it does not fail again when all of it is written down.
fn shrunk(scenario: &Scenario, source: &Source) -> Option<Story> {
    const RUNS_MAX: u64 = 2_000;
    const EVENTS_MAX: u64 = 1_000_000;
    static QUIET: Once = Once::new();
    // A service that panics does so in each of the runs, and would be told each time.
    QUIET.call_once(keep_panics_quiet);
    let events = AtomicU64::new(0);
    let run = |_: &str, source, watch: &_| {
        let report = simulate::run(scenario, source, watch);
        events.fetch_add(report.events, Relaxed);
        report
    };
    let scenarios = [(scenario.name, scenario.about)];
    let simulator = Simulator { scenarios: &scenarios, flawed: &[], run: &run };
    let may_go_on = |runs| runs < RUNS_MAX && events.load(Relaxed) < EVENTS_MAX;
    story(&simulator, scenario.name, source.clone(), &Watch::default(), &may_go_on)
}

fn record(
    scenario: &Scenario,
    seed: u64,
    law: &str,
    detail: &str,
    place: &Place,
) -> io::Result<String> {
    let watch = Watch { record: true, ..Watch::default() };
    let again = simulate::run(scenario, Source::Seed(seed), &watch);
    let mut script = again.script.expect("a run that was asked for a recording gives one");
    script.comments.push(one_line(&format!("{law}: {detail}")));
    let folder = Path::new(&place.package).join("target/tidelock");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}-{seed}.tide", scenario.name));
    fs::write(&path, script.to_string())?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::panics::catch;
    use crate::scenarios;

    fn key_value() -> Scenario {
        scenarios::find("key-value").expect("it is one of them").clone()
    }

    crate::test!(key_value, seeds = 20);

    #[test]
    fn a_failure_fits_a_screen_and_can_be_replayed() {
        let flawed = scenarios::find("find-the-bug").expect("it is one of them");
        let folder = std::env::temp_dir().join(format!("tidelock-trial-{}", std::process::id()));
        let place = Place::new("my_crate::kv::holds_every_law", folder.to_str().expect("text"));
        let told = catch(|| run(flawed, 100, &place)).expect_err("it is wrong");
        assert!(told.lines().count() <= FAILURE_LINES_MAX + 1, "{told}");
        assert!(told.contains("FAILED  find-the-bug, seed "), "{told}");
        let replay = told.lines().find_map(|line| line.trim().strip_prefix("replay")).unwrap();
        let (artefact, command) = replay.trim().split_once(' ').unwrap();
        assert!(command.starts_with("cargo test kv::holds_every_law"), "{command}");
        let path = artefact.strip_prefix("TIDELOCK_REPLAY=").unwrap();
        assert!(path.ends_with(".min.tide") && told.contains("decisive"), "{told}");
        let small = fs::read_to_string(path).unwrap();
        assert!(small.lines().count() <= 12, "{small}");
        let again = catch(|| run(flawed, 0, &place.clone().replay(path))).expect_err("still");
        assert_eq!(told.lines().nth(2), again.lines().nth(2), "the same violation");
        let missing = catch(|| run(flawed, 0, &place.clone().replay("no.tide")));
        assert!(missing.expect_err("there is none").contains("allowed: seed:N, or a .tide file"));
        fs::remove_dir_all(folder).unwrap();
    }
}
