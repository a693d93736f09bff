//! `tidelock regress`.

use std::fs;
use std::path::Path;

use super::{Folder, Ran, tidelock};

/// One that passes, and one that violates a law.
const GOOD: (&str, &str) = ("good.tide", "tide 1\nscenario echo\nseed 5\nat c1/in@4 short 2\n");
const BAD: (&str, &str) = ("bad.tide", "tide 1\nscenario slow-readers\nseed 1000\n");

fn regress(folder: &Path, files: &[(&str, &str)]) -> Ran {
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    let ran = tidelock(&["regress", folder.to_str().unwrap()]);
    files.iter().for_each(|(name, _)| fs::remove_file(folder.join(name)).unwrap());
    ran
}

#[test]
fn regressions_pass_fail_or_are_stale() {
    let folder = Folder::new("regress");
    let stale = ("stale.tide", "tide 1\nscenario echo\nseed 5\nat c9/in@4 gone 2\n");
    let fickle = ("fickle.tide", "tide 1\nscenario echo\nseed 1006\n");
    let readme = ("README.md", "not a recording");

    let ran = regress(&folder.0, &[GOOD, readme]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(
        ran.out.starts_with("pass  good.tide  echo  10 events\nPASS  1 file in "),
        "{}",
        ran.out
    );
    let ran = regress(&folder.0, &[GOOD, stale]);
    assert_eq!(ran.code, 4, "{}", ran.out);
    assert!(ran.out.contains("\n  at c9/in@4 gone 2\n"), "{}", ran.out);
    let ran = regress(&folder.0, &[fickle, stale]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    let ran = regress(&folder.0, &[GOOD, stale, BAD]);
    assert_eq!(ran.code, 1, "a violated law is graver: {}", ran.out);
    assert!(ran.out.contains("FAILED  slow-readers, seed 1000: no-lost-edge"), "{}", ran.out);
    assert!(ran.out.contains("FAILED  2 of 3 files in "), "{}", ran.out);
}

#[test]
fn a_file_that_means_nothing_is_told_and_the_others_are_replayed() {
    let folder = Folder::new("regress-unread");
    let unread = ("another.tide", "tide 2\nscenario echo\n");
    let ran = regress(&folder.0, &[GOOD, unread]);
    assert_eq!(ran.code, 64, "{}", ran.out);
    assert!(ran.out.contains("unread  another.tide"), "{}", ran.out);
    assert!(ran.out.contains("pass    good.tide"), "{}", ran.out);
    assert!(ran.out.contains("FAILED  1 of 2 files in "), "{}", ran.out);
    assert!(ran.err.contains("another.tide, line 1: expected the version line"), "{}", ran.err);
    assert_eq!(regress(&folder.0, &[unread, BAD]).code, 1, "a violated law is graver");
    let ran = regress(&folder.0, &[]);
    assert_eq!(ran.code, 64, "nothing was tested: {}", ran.out);
    assert!(ran.err.contains("no .tide file is in it"), "{}", ran.err);
}
