//! The tools that count, and what is made of their counts.

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

/// Returns what one more of `things` costs: the difference between many and few, divided. What a
/// process costs to start and to end is in both counts.
pub(crate) fn each(things: [usize; 2], count: impl Fn(usize) -> u64) -> f64 {
    let [few, many] = things.map(&count);
    assert!(many > few, "{many} for {} and {few} for {}", things[1], things[0]);
    (many - few) as f64 / (things[1] - things[0]) as f64
}
