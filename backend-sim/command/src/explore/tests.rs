//! Whole searches, as the command makes them.

use clap::Parser;

use super::*;
use crate::options::{self, Command};

/// Runs the command line; gives the exit and what was printed.
fn explore(words: &str, is_interrupted: bool) -> (Result<Exit, Problem>, String) {
    let words = format!("tidelock explore {words}");
    let parsed = options::Options::try_parse_from(words.split_whitespace()).expect("right words");
    let Command::Explore(options) = parsed.command else { panic!("another command") };
    let interrupted = Interrupted::default();
    interrupted.store(is_interrupted, Relaxed);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let program = "tidelock".to_owned();
    let mut console = Console { program, out: &mut out, err: &mut err, is_out_taken: false };
    let exit = execute(&options, &interrupted, &mut console);
    (exit, String::from_utf8(out).expect("text"))
}

#[test]
fn a_search_that_is_stopped_and_resumed_comes_to_the_same() {
    let folder = std::env::temp_dir().join(format!("tidelock-explore-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the checkpoints");
    let (stopped, whole) = (folder.join("stopped"), folder.join("whole"));
    let words = |path: &PathBuf| {
        format!("echo --faults 1 --readiness linux --checkpoint {}", path.display())
    };
    let (exit, _) = explore(&words(&stopped), true);
    assert_eq!(exit.expect("it is stopped"), Exit::Interrupted);
    let begun = fs::read_to_string(&stopped).expect("it is on disk");
    let (exit, out) = explore(&words(&stopped), false);
    assert_eq!(exit.expect("it goes on"), Exit::Pass);
    assert!(out.contains("all runs with ≤ 1 faults"), "{out}");
    explore(&words(&whole), false).0.expect("it is done at once");
    let text = |path| fs::read_to_string(path).expect("it is on disk");
    assert_eq!(text(&stopped), text(&whole));
    assert_ne!(text(&stopped), begun, "the first part was not all");
    let other = words(&whole).replace("--faults 1", "--faults 2");
    let (exit, _) = explore(&other, false);
    assert!(matches!(exit, Err(Problem::Usage(line)) if line.contains("--faults 1")));
    fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn a_shard_is_a_number_below_their_count() {
    assert_eq!("1/4".parse(), Ok(Shard { index: 1, count: 4 }));
    for wrong in ["", "1", "4/4", "0/0", "-1/2", "a/b"] {
        assert!(wrong.parse::<Shard>().unwrap_err().contains("allowed"), "{wrong}");
    }
}
