//! Every stored regression, each a test of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidelock_sim::internal::script::Script;
use tidelock_sim::internal::simulate;
use tidelock_sim::run::{Source, Watch};
use tidelock_sim::scenarios;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/regressions")
}

/// Runs a file: it holds all laws, twice in the same way, and still means something.
fn check(name: &str) {
    let path = folder().join(format!("{}.tide", name.replace('_', "-")));
    check_text(name, &fs::read_to_string(&path).expect("the file is there"));
}

fn check_text(name: &str, text: &str) {
    let script: Script = text.parse().unwrap_or_else(|error| panic!("{name}, {error}"));
    let scenario = scenarios::find(&script.scenario).expect("its scenario is there");
    let wrong = simulate::check_script(scenario, &script);
    assert!(wrong.is_empty(), "{name}: {wrong:?}");
    let run = || {
        let source = Source::Script(Box::new(script.clone()));
        simulate::run(scenario, source, &Watch::default())
    };
    let (first, second) = (run(), run());
    if let Some(failure) = &first.failure {
        panic!("{name}: {failure}\n{}", failure.last_events.join("\n"));
    }
    assert_eq!((first.digest, first.outcome), (second.digest, second.outcome), "{name}: differs");
    assert!(first.stale.is_empty(), "{name} is stale: {:?}", first.stale);
}

macro_rules! regressions {
    ($($name:ident,)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

// One for each `.tide` file, with `_` in place of `-`.
regressions! {
    paused_for_long_is_not_idle,
    asleep_while_the_mailbox_has_room,
    an_edge_before_its_accept,
    failed_write_waits_for_a_mailbox,
    crew_hears_a_stranger,
    claimed_and_released_in_one_step,
    closed_in_the_same_batch_as_it_was_opened,
    finish_after_shutdown_while_connecting,
    peer_for_a_stream_that_is_connecting,
    reads_do_not_prolong_a_flush,
    refused_datagrams_do_not_prolong_a_flush,
    reset_hidden_by_a_pause,
    place_lost_with_the_owner,
    listener_finds_the_table_full,
    full_for_a_moment,
    reset_without_loss,
    start_after_release_while_connecting,
    stuck_before_it_was_started,
    write_fails_before_the_first_completion,
}

#[test]
fn every_stored_file_is_a_test() {
    let entries = fs::read_dir(folder()).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "tide"));
    let stored: BTreeSet<String> = files
        .map(|path| path.file_stem().expect("a name").to_string_lossy().replace('-', "_"))
        .collect();
    let tests: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(stored, tests, "add the file's name to the list above");
}

/// Checks that what the grammar's documentation shows means what it says.
#[test]
fn the_documented_example_is_met_line_by_line() {
    let source = include_str!("../src/tide/mod.rs");
    let lines = source.lines().skip_while(|line| *line != "//! tide 1");
    let lines = lines.take_while(|line| *line != "//! ```");
    let text: String =
        lines.map(|line| line.trim_start_matches("//! ").to_owned() + "\n").collect();
    check_text("the example", &text);
}
