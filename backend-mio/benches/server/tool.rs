//! The tools that count, and what is made of their counts. The bench of tidelock-sim has this
//! file, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns whether a tool can be started; says so if not.
pub(crate) fn is_there(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
    let is_there = version.is_ok_and(|status| status.success());
    if !is_there {
        println!("skipped: {tool} is missing");
    }
    is_there
}

/// The file that a tool writes its counts to.
pub(crate) fn result_path() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("counted")
}

/// Reads all instructions of a process from what callgrind wrote.
pub(crate) fn counted_instructions(profile: &Path) -> u64 {
    let profile = fs::read_to_string(profile).expect("callgrind writes a profile");
    let summary = profile
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    summary.and_then(|count| count.trim().parse().ok()).expect("a number of instructions")
}

/// Returns what one more of `things` costs: the difference between many and few, divided. What a
/// process costs to start and to end is in both counts.
pub(crate) fn each(things: [usize; 2], count: impl Fn(usize) -> u64) -> f64 {
    let [few, many] = things.map(&count);
    assert!(many > few, "{many} for {} and {few} for {}", things[1], things[0]);
    (many - few) as f64 / (things[1] - things[0]) as f64
}
