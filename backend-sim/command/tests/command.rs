//! The command as a person runs it, over the simulated network itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn tidelock(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock"));
    command.args(arguments).env_remove("RUST_LOG");
    command.output().expect("the command starts")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

/// A path that no other test uses.
fn path(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.to_str().expect("text").to_owned()
}

/// The text after `name` in the first line that begins with it.
fn entry<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(name)).map(str::trim)
}

fn scenarios() -> Vec<String> {
    let listed = tidelock(&["scenarios"]);
    assert_eq!(code(&listed), Some(0));
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    // One is wrong on purpose, and says so.
    let sound = out(&listed).lines().filter(|line| !line.contains("with one mistake"));
    sound.map(|line| first(line).expect("a name")).collect()
}

#[test]
fn a_short_campaign_passes_and_ends_with_its_table() {
    let failures = path("passing");
    let ran = tidelock(&["run", "--seeds", "0..60", "--out", &failures]);
    assert_eq!(code(&ran), Some(0), "{}{}", out(&ran), err(&ran));
    assert_eq!(err(&ran), "", "no bar where no terminal is");
    let lines: Vec<&str> = out(&ran).lines().collect();
    assert!(lines[0].starts_with("tidelock: ") && lines[0].contains("seeds 0..60"));
    assert!(out(&ran).contains("scenario"), "{}", out(&ran));
    for scenario in scenarios() {
        assert!(lines.iter().any(|line| line.starts_with(&scenario)), "{scenario}");
    }
    assert_eq!(lines.last(), Some(&"PASS  no law was violated"));
    assert!(!fs::exists(failures).unwrap(), "nothing failed, nothing is written");
}

#[test]
fn a_seed_replayed_twice_gives_the_same_digest() {
    for scenario in scenarios() {
        let replay = || tidelock(&["replay", "seed:0x2f11", "--scenario", &scenario]);
        let (first, second) = (replay(), replay());
        assert_eq!(code(&first), Some(0), "{}", out(&first));
        assert!(entry(out(&first), "digest").is_some_and(|digest| digest.starts_with("0x")));
        assert_eq!(out(&first), out(&second), "{scenario}");
        let decimal = tidelock(&["replay", "seed:12049", "--scenario", &scenario]);
        assert_eq!(out(&first), out(&decimal), "{scenario}");
    }
}

#[test]
fn json_is_sorted_and_the_same_for_one_job_and_for_two() {
    let run = |jobs: &str| {
        let fixed = ["run", "--seeds", "100..160", "--json", "-", "--json-runs", "--jobs", jobs];
        tidelock(&fixed)
    };
    let (one, two) = (run("1"), run("2"));
    assert_eq!(code(&one), Some(0), "{}", err(&one));
    assert_eq!(out(&one), out(&two));
    let lines: Vec<Value> =
        out(&one).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let runs = lines.iter().filter(|line| line["kind"] == "run");
    assert!(runs.map(|line| line["seed"].as_u64().unwrap()).eq(100..160));
    assert!(err(&one).ends_with("PASS  no law was violated\n"), "people read stderr then");
}

#[test]
fn a_recording_replays_to_the_digest_of_its_seed() {
    for scenario in scenarios() {
        let file = path(&format!("recorded-{scenario}.tide"));
        // A seed whose swarm has faults; the first of a few that injected something.
        let recorded = (1..50).find_map(|seed| {
            let seed = format!("seed:{seed}");
            let ran = tidelock(&["replay", &seed, "--scenario", &scenario, "--record", &file]);
            assert_eq!(code(&ran), Some(0), "{}", out(&ran));
            let has_decisions = fs::read_to_string(&file).unwrap().contains("\nat ");
            has_decisions.then_some(ran)
        });
        let recorded = recorded.expect("one seed in fifty decides something");
        let replayed = tidelock(&["replay", &file]);
        let digest = |ran: &Output| entry(out(ran), "digest").map(str::to_owned);
        assert_eq!(code(&replayed), Some(0), "{}", out(&replayed));
        assert_eq!(digest(&recorded), digest(&replayed), "{scenario}");
        assert_eq!(err(&replayed), "", "every decision was met again");
    }
}

#[test]
fn a_trace_tells_more_the_more_is_asked_for() {
    let lines = |how: &str| {
        let ran = tidelock(&["replay", "seed:7", "--scenario", "echo", "--trace", how]);
        assert_eq!(code(&ran), Some(0), "{}", out(&ran));
        out(&ran).lines().count()
    };
    let [off, line, full] = ["off", "line", "full"].map(lines);
    assert!(off < 30 && off < line && line < full, "{off} {line} {full}");
}

#[test]
fn every_stored_regression_holds() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/regressions");
    let ran = tidelock(&["regress", folder.to_str().expect("text")]);
    assert_eq!(code(&ran), Some(0), "{}", out(&ran));
    assert!(out(&ran).lines().last().is_some_and(|line| line.starts_with("PASS  ")));
}

#[test]
fn wrong_input_ends_with_64_and_one_line() {
    for arguments in [
        &["run", "--seeds", "5..3"][..],
        &["run", "no-such-scenario"],
        &["--time", "soon"],
        &["replay", "seed:5"],
        &["replay", "no-such.tide"],
        &["regress", "no-such-folder"],
        &["--no-such-option"],
    ] {
        let ran = tidelock(arguments);
        assert_eq!(code(&ran), Some(64), "{arguments:?}");
        assert_eq!((out(&ran), err(&ran).lines().count()), ("", 1), "{arguments:?}");
        assert!(err(&ran).contains("allowed"), "{arguments:?}: {}", err(&ran));
    }
}

#[test]
fn a_wrong_tide_file_ends_with_64_and_its_line_whatever_reads_it() {
    let folder = path("wrong-tide");
    fs::create_dir_all(&folder).unwrap();
    let file = format!("{folder}/wrong.tide");
    let table = [
        ("", "line 1: expected the version line `tide 1`, found"),
        ("tide 2\nscenario echo\n", "line 1: expected the version line `tide 1`, found 'tide 2'"),
        ("tide 1\n# cut off here\n", "line 3: expected a `scenario` line, found the end"),
        ("tide 1\nscenario echo\nop c1 after", "line 3: expected `@TIME` or `after LABEL`"),
        ("tide 1\nscenario echo\nseed 7\nconfig hosts=10000000\n", "line 4: config hosts="),
        ("tide 1\nscenario echo\nconfig connections=10000000\n", "line 3: config connections="),
        (
            "tide 1\nscenario echo\nconfig workers=1\n\nconfig latency_nanos=3600000000000\n\
             config jitter_nanos=1\n",
            "line 6: config of the link: latency and jitter",
        ),
        ("tide 1\nscenario echo\nfault p1 @9999s crash server\n", "line 3: fault p1 @"),
    ];
    for (text, expected) in table {
        fs::write(&file, text).unwrap();
        for words in [["replay", &file], ["shrink", &file], ["doctor", &file], ["regress", &folder]]
        {
            let ran = tidelock(&words);
            // Of a whole folder, each file has its line.
            let told = match words[0] {
                "regress" => format!("unread  wrong.tide\nFAILED  1 of 1 file in {folder}\n"),
                _ => String::new(),
            };
            assert_eq!((code(&ran), out(&ran)), (Some(64), &told[..]), "{words:?}: {text}");
            assert!(err(&ran).contains(expected), "{words:?}: {}", err(&ran));
            assert_eq!(err(&ran).lines().count(), 1, "{words:?}: {}", err(&ran));
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_log_speaks_when_it_is_asked_and_only_on_stderr() {
    let quiet = ["run", "echo", "--seeds", "0..2", "--quiet"];
    let silent = tidelock(&quiet);
    assert_eq!((code(&silent), out(&silent), err(&silent)), (Some(0), "", ""));
    let logged = tidelock(&[&quiet[..], &["--log", "trace"]].concat());
    assert_eq!((code(&logged), out(&logged)), (Some(0), ""));
    assert!(err(&logged).contains("a campaign begins"), "{}", err(&logged));
    assert!(err(&logged).contains("seed=1"), "{}", err(&logged));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_campaign_with_its_results() {
    let json = path("interrupted.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidelock"))
        .args(["run", "--time", "60s", "--json", &json])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // The handler is there before the first line is.
    let first = lines.next().expect("a line").expect("text");
    assert!(first.ends_with("s") && first.contains("for 60.0 s"), "{first}");
    let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(kill.expect("a shell").success());
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(75), "{rest:#?}");
    assert_eq!(rest.last().unwrap(), "INTERRUPTED  no law was violated until then");
    let resume = format!("resume    the same with --resume {json} and another --json");
    assert!(rest.contains(&resume), "{rest:#?}");
    let written = fs::read_to_string(&json).unwrap();
    let last: Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
    assert_eq!((&last["kind"], &last["interrupted"]), (&json!("campaign"), &json!(true)));

    // It goes on where it was, and both together are a campaign that nobody interrupted.
    let done = last["seeds"][0][1].as_u64().expect("a seed");
    let (seeds, rest) = (format!("0..{}", done + 20), path("resumed.jsonl"));
    let goes_on = ["run", "--seeds", &seeds, "--resume", &json, "--json", &rest, "--no-shrink"];
    let resumed = tidelock(&goes_on);
    assert_eq!(code(&resumed), Some(0), "{}", err(&resumed));
    let range = format!("seeds {done}..{}", done + 20);
    assert!(out(&resumed).contains(&range), "{}", out(&resumed));
    let merged = tidelock(&["merge", &json, &rest]);
    let sum: Value = serde_json::from_str(out(&merged).lines().last().unwrap()).unwrap();
    assert_eq!((&sum["runs"], &sum["interrupted"]), (&json!(done + 20), &json!(false)));
}
