//! `tidelock replay`, `shrink` and `doctor`: what is done with one failure.

use std::fs;

use super::{Folder, Ran, tidelock, tidelock_interrupted};

#[test]
fn a_failure_is_shrunk_where_it_is_asked_to() {
    let folder = Folder::new("shrink");
    let (file, out) = (folder.path("it.tide"), folder.path("sub/out.tide"));
    fs::write(&file, "tide 1\nscenario echo\nseed 1000\nat c1/in@4 short 2\n").unwrap();
    let ran = tidelock(&["shrink", &file, "--out", &out]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    assert!(ran.out.contains("  shrunk    1 fault"), "{}", ran.out);
    assert!(ran.out.contains(&format!("tidelock replay {out} --trace line")), "{}", ran.out);
    assert!(!fs::read_to_string(&out).unwrap().contains("\nat "));
    let beside = tidelock(&["shrink", &file]);
    assert!(beside.out.contains("it.min.tide"), "{}", beside.out);
    let (over, text) = (folder.path("over.tide"), fs::read_to_string(&file).unwrap());
    fs::write(&over, &text).unwrap();
    let itself = tidelock(&["shrink", &over, "-o", &over]);
    assert!(itself.out.contains("shrunk to") && itself.out.contains("over.tide"), "{}", itself.out);
    assert!(!fs::read_to_string(&over).unwrap().contains("\nat "), "it was replaced");

    let interrupted = tidelock_interrupted(&["shrink", &file, "-o", &out], true);
    assert_eq!(interrupted.code, 75, "{}", interrupted.out);
    let kept = fs::read_to_string(&out).unwrap();
    assert!(kept.contains("\nat "), "what failed is on disk as it was: {kept}");
    let passing = tidelock(&["shrink", "seed:4", "--scenario", "echo"]);
    assert_eq!((passing.code, passing.out.lines().count()), (0, 1), "{}", passing.out);
}

#[test]
fn the_doctor_shows_where_two_runs_part() {
    let ran = tidelock(&["doctor", "seed:1006", "--scenario", "echo"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(ran.out.starts_with("DIFFERENT  digest 0x"), "{}", ran.out);
    let ran = tidelock(&["doctor", "seed:1000", "--scenario", "echo"]);
    assert_eq!(ran.code, 1, "both fail: {}", ran.out);
    assert!(ran.out.contains("\nFAILED  both runs violate "), "{}", ran.out);
    let ran = tidelock(&["doctor", "seed:4", "--scenario", "echo"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "PASS  two runs are the same\n"));
}

#[test]
fn a_passing_seed_can_be_recorded_and_replayed() {
    let folder = Folder::new("record");
    let path = folder.path("five.tide");
    let seed = tidelock(&["replay", "seed:0x5", "--scenario", "echo", "--record", &path]);
    let file = tidelock(&["replay", &path]);
    assert_eq!((seed.code, file.code), (0, 0));
    let digest =
        |ran: &Ran| ran.out.lines().find(|line| line.starts_with("  digest")).map(str::to_owned);
    assert!(digest(&seed).is_some());
    assert_eq!(digest(&seed), digest(&file));
}

#[test]
fn replay_warns_of_another_failure_than_was_recorded() {
    let folder = Folder::new("another");
    let replay = |signature: &str| {
        let path = folder.path("it.tide");
        let text = format!("tide 1\nscenario echo\nseed 1000\nsignature {signature}\n");
        fs::write(&path, text).unwrap();
        tidelock(&["replay", &path])
    };
    let other = replay("warnings/none/none/none");
    let expected = "tidelock: warning: recorded was warnings/none/none/none, and it is now \
        no-lost-edge/accepted/open/readable\n";
    assert_eq!((other.code, other.err.as_str()), (1, expected));
    for same in ["no-lost-edge/accepted/open/readable", "no-lost-edge"] {
        assert_eq!(replay(same).err, "", "{same}");
    }
}

#[test]
fn replay_warns_of_what_it_did_not_meet() {
    let folder = Folder::new("warn");
    let path = folder.path("old.tide");
    fs::write(&path, "tide 1\nscenario echo\nseed 5\nat c9/in@4 gone 2\nsignature x\n").unwrap();
    let ran = tidelock(&["replay", &path]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.err, "tidelock: warning: not met in this run: at c9/in@4 gone 2\n");
    assert!(ran.out.contains("what was recorded did not happen again: x"), "{}", ran.out);
}
