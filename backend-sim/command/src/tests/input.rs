//! The command line itself: what it takes, and what it tells of itself.

use std::fs;

use super::{Folder, tidelock};

#[test]
fn wrong_input_is_one_line_that_says_what_is_allowed() {
    let folder = Folder::new("wrong");
    let file = |name: &str, text: &str| {
        fs::write(folder.path(name), text).unwrap();
        folder.path(name)
    };
    let torn = file("torn.tide", "tide 1\nscenario echo\nat c1 cut\n");
    let other = file("other.tide", "tide 1\nscenario ecko\n");
    let echo = file("echo.tide", "tide 1\nscenario echo\nseed 5\n");
    let large = file("large.tide", "tide 1\nscenario echo\n\nconfig connections=10000000\n");
    let fly = file("fly.tide", "tide 1\nscenario echo\nop c1 @0 client fly\n");
    let two = "tide 1\nscenario echo\nop c1 @0 client fly\nconfig connections=0\n";
    let two = file("two.tide", two);
    let cut = file("cut.jsonl", "{\"a\":1");
    let newer = file("newer.tide", "tide 2\nscenario echo\n");
    let missing = folder.path("missing.tide");
    let in_missing = folder.path("missing/out.jsonl");
    let cases: &[(&[&str], &str)] = &[
        (&["run", "--seeds", "5..3"], "'5..3' for '--seeds <A..B>': the range is empty; allowed"),
        (&["run", "--seeds", "x"], "'x' for '--seeds <A..B>': allowed: A..B with A below B"),
        (&["--time", "10"], "'10' for '--time <TIME>': allowed: whole ms, s, m or h"),
        (&["--twice", "2"], "'2' for '--twice <SHARE>': allowed: 0% to 100%"),
        (&["--jobs", "0"], "'0' for '--jobs <N>': allowed: a whole number from 1 to 1024"),
        (&["--max-failures", "0"], "allowed: a whole number from 1 on"),
        (&["--max-failures", "1", "--stop-on-first"], "cannot be used with"),
        (&["--json-runs"], "--json <FILE>"),
        (&["--json", &in_missing], "allowed: a file that can be written, or -"),
        (&["--sedes", "1..2"], "unexpected argument '--sedes' found"),
        (&["--log", "loud"], "[possible values: off, error, warn, info, debug, trace]"),
        (&["ecko"], "no scenario 'ecko'; allowed: echo, slow-readers"),
        (
            &["replya"],
            "no scenario 'replya'; allowed: echo, slow-readers, or as the first word run, replay, \
             shrink, doctor, explore, scenarios, regress, coverage, merge, help",
        ),
        (&["two\nlines"], "no scenario 'two\\nlines'; allowed"),
        (&["run", "echo", "echo"], "scenario 'echo' is named twice; allowed: each once"),
        (&["replay"], "<ARTEFACT>"),
        (&["replay", "12049"], "or a file that ends in .tide"),
        (&["replay", "seed:0x"], "allowed: seed:N, as seed:12049 or seed:0x2f11"),
        (&["replay", "seed:5"], "seed:5 needs --scenario; allowed: echo, slow-readers"),
        (&["replay", "seed:5", "--scenario", "x"], "no scenario 'x'; allowed: echo"),
        (&["replay", "seed:5", "--trace", "x"], "[possible values: off, line, full]"),
        (&["replay", &missing], "allowed: a .tide file that can be read"),
        (&["replay", &torn], "line 3: expected a key that ends in @OFFSET, @eof or #OCCURRENCE"),
        (&["replay", &newer], "line 1: expected the version line `tide 1`, found 'tide 2'"),
        (&["replay", &large], "line 4: config connections=10000000: expected a number from 1 to"),
        (&["shrink", &large], "line 4: config connections=10000000: expected a number from 1 to"),
        (&["doctor", &fly], "line 3: op c1 client fly: expected connect, connect-name"),
        (&["shrink", "seed:5"], "seed:5 needs --scenario; allowed: echo, slow-readers"),
        (&["shrink", &echo, "--budget", "0s"], "'0s' for '--budget <TIME>': allowed: whole ms"),
        (&["replay", &other], "line 2: no scenario 'ecko'; allowed: echo, slow-readers"),
        (&["replay", &echo, "--scenario", "slow-readers"], "is a recording of echo; allowed"),
        (&["regress", &missing], "allowed: a folder with .tide files"),
        (&["replay", &two], "line 3: op c1 client fly: expected connect"),
        (&["coverage", &cut], "line 1: EOF while parsing an object at column 6; allowed: what"),
        (&["explore", "echo", "--faults", "9"], "allowed: a whole number from 0 to 8"),
        (&["explore", "echo", "--connections", "2"], "'--connections <C>': allowed: 1"),
        (&["scenarios", "echo"], "unexpected argument 'echo' found"),
    ];
    for (arguments, expected) in cases {
        let ran = tidelock(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{arguments:?}");
        assert_eq!(ran.err.lines().count(), 1, "{arguments:?}: {}", ran.err);
        assert!(ran.err.starts_with("tidelock: "), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(expected), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn help_and_version_are_no_error() {
    for word in ["help", "--help", "-h", "--version", "-V"] {
        let ran = tidelock(&[word]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{word}");
        assert!(!ran.out.is_empty(), "{word}");
    }
    assert!(tidelock(&["run", "--help"]).out.contains("--seeds <A..B>"));
}

#[test]
fn scenarios_are_listed_in_columns() {
    let ran = tidelock(&["scenarios"]);
    let expected = "echo          bytes come back\nslow-readers  nobody is in a hurry\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected));
    let options = tidelock(&["scenarios", "--options"]);
    assert_eq!((options.code, options.err.as_str()), (0, ""));
    let words: Vec<Vec<&str>> =
        options.out.lines().map(|line| line.split_whitespace().take(5).collect()).collect();
    let readiness = ["readiness", "linux", "one", "of", "linux,"];
    assert!(words.contains(&readiness.to_vec()), "{words:?}");
    // Before or after the subcommand, and before the one that is not named.
    for words in [&["--log", "off", "scenarios"][..], &["scenarios", "--log=off"]] {
        assert_eq!(tidelock(words).out, expected);
    }
    assert_eq!(tidelock(&["--log", "off", "--seeds", "0..1", "--quiet"]).code, 0);
}
