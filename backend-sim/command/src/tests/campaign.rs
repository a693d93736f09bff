//! `tidelock run`: what a campaign says, records and exits with.

use std::fs;

use serde_json::{Value, json};
use tidelock_sim::internal::script::Script;

use super::{Folder, Ran, json_lines, of_kind, tidelock, tidelock_interrupted};

#[test]
fn a_campaign_without_a_failure_passes_and_says_what_it_did() {
    let ran = tidelock(&["--seeds", "0..100", "--jobs", "2", "--twice", "100%"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "tidelock: 2 scenarios, seeds 0..100, 2 jobs");
    assert!(lines.contains(&"scenario      runs  events  completed  failures"), "{}", ran.out);
    assert!(lines.contains(&"echo            50     600     75.0 %         0"), "{}", ran.out);
    assert!(lines.contains(&"slow-readers    50     600     75.0 %         0"), "{}", ran.out);
    assert!(lines.contains(&"all            100   1,200     75.0 %         0"), "{}", ran.out);
    let row = "short-write        99     0        –    no-lost-edge    1,000";
    assert!(lines.contains(&row), "{}", ran.out);
    assert!(lines.contains(&"repeated  100 runs"), "{}", ran.out);
    assert_eq!(lines.last(), Some(&"PASS  no law was violated"));
}

#[test]
fn a_failure_is_recorded_and_told_with_the_command_that_replays_it() {
    let folder = Folder::new("failure");
    let out = folder.path("");
    let ran = tidelock(&["run", "--seeds", "990..1001", "--no-shrink", "--out", &out]);
    assert_eq!(ran.code, 1);
    let path = folder.path("echo-1000.tide");
    let script: Script = fs::read_to_string(&path).unwrap().parse().unwrap();
    assert_eq!((script.scenario.as_str(), script.seed), ("echo", Some(1000)));
    assert_eq!(script.decisions.len(), 1);
    assert_eq!(script.signature.as_deref(), Some("no-lost-edge/accepted/open/readable"));
    assert_eq!(script.comments, ["no-lost-edge: connection 3 is readable · and nothing is owed"]);

    let from = ran.out.find("FAILED").unwrap();
    let block: Vec<&str> = ran.out[from..].lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(block.len(), 40, "as much as fits: {block:#?}");
    assert_eq!(block[0], "FAILED  echo, seed 1000: no-lost-edge");
    assert_eq!(block[1], "  violated  connection 3 is readable · and nothing is owed");
    assert!(block.contains(&"    59 us  an event"), "the last one is shown");
    let replay = format!("  replay    tidelock replay {path} --trace line");
    assert_eq!(block[39], replay);
    assert!(ran.out.ends_with("FAILED  no-lost-edge 1\n"));

    let again: Vec<&str> = replay.split_whitespace().skip(2).collect();
    let again = tidelock(&again);
    assert_eq!(again.code, 1);
    assert!(again.out.contains("1 us  begins\n"), "the trace is told");
    assert!(again.out.contains("FAILED  echo, seed 1000: no-lost-edge"), "{}", again.out);
}

#[test]
fn the_first_failure_of_a_signature_is_told_as_its_story() {
    let folder = Folder::new("story");
    let ran = tidelock(&["run", "echo", "--seeds", "2000..2002", "--out", &folder.path("")]);
    assert_eq!(ran.code, 1);
    let told: Vec<&str> =
        ran.out.match_indices("FAILED  echo, seed ").map(|(_, told)| told).collect();
    assert_eq!(told.len(), 2);
    let stories =
        ran.out.matches("  shrunk    1 fault, 0 connections, 7 events → 0 faults").count();
    assert_eq!(stories, 1, "the second is the same: {}", ran.out);
    assert_eq!(folder.names(), ["echo-2000.min.tide", "echo-2000.tide", "echo-2001.tide"]);
    let small = folder.path("echo-2000.min.tide");
    assert!(ran.out.contains(&format!("tidelock replay {small} --trace line")), "{}", ran.out);
    let script: Script = fs::read_to_string(&small).unwrap().parse().unwrap();
    assert_eq!(script.decisions, [], "the fake fails without them");
    assert_eq!(script.signature.as_deref(), Some("no-lost-edge/accepted/open/readable"));
}

#[test]
fn the_exit_code_tells_the_class() {
    let folder = Folder::new("class");
    let run = |seeds: &str, twice: &str| {
        let out = folder.path("");
        tidelock(&["run", "--seeds", seeds, "--twice", twice, "--out", &out, "--quiet"])
    };
    let cases = [
        ("1000..1001", "0%", 1, "no-lost-edge"),
        ("1001..1002", "0%", 2, "everything-ends"),
        ("1002..1003", "0%", 1, "no-panic"),
        ("1003..1004", "100%", 3, "same-run"),
        ("1005..1006", "100%", 3, "same-run"),
        ("1006..1007", "100%", 3, "same-run"),
        // The lowest code wins.
        ("1001..1004", "100%", 1, "everything-ends 1, no-panic 1, same-run 1"),
    ];
    for (seeds, twice, code, laws) in cases {
        let ran = run(seeds, twice);
        assert_eq!(ran.code, code, "{seeds}: {}", ran.out);
        let last = ran.out.lines().last().unwrap();
        assert!(last.starts_with("FAILED  ") && last.contains(laws), "{seeds}: {last}");
    }
    let unseen = run("1003..1004", "0%");
    assert_eq!((unseen.code, unseen.out.as_str()), (0, ""), "nobody looked twice");
}

#[test]
fn a_panic_is_told_in_one_line() {
    let folder = Folder::new("panic");
    let ran = tidelock(&["run", "--seeds", "1002..1003", "--out", &folder.path("")]);
    assert!(ran.out.contains("  violated  the fake · panics"), "{}", ran.out);
    let replay = "tidelock replay seed:1002 --scenario echo --trace line";
    assert!(ran.out.contains(replay), "{}", ran.out);
    assert!(folder.names().is_empty(), "there is nothing to record");
}

#[test]
fn where_two_runs_part_is_shown() {
    let folder = Folder::new("part");
    let words = ["run", "slow-readers", "--seeds", "1003..1004", "--twice", "100%"];
    let ran = tidelock(&[&words[..], &["--out", &folder.path("")]].concat());
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("run a second time, recorded, the digest is 0x"), "{}", ran.out);
}

#[test]
fn a_recording_that_does_not_replay_is_a_failure_of_its_own() {
    let folder = Folder::new("unfaithful");
    let ran = tidelock(&["run", "--seeds", "1004..1005", "--out", &folder.path("")]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("FAILED  echo, seed 1004: same-run"), "{}", ran.out);
    assert!(ran.out.contains("their traces part at line 2"), "{}", ran.out);
    assert!(ran.out.contains("tidelock replay seed:1004 --scenario echo"), "{}", ran.out);
    let again = "  replay    tidelock run echo --seeds 1004..1005 --twice 100%";
    assert!(ran.out.contains(again), "a single replay would not show it: {}", ran.out);
    assert_eq!(folder.names(), ["echo-1004.tide"], "it was written all the same");
}

/// A campaign of its own folder: how it ended, and its JSON.
fn campaign(folder: &Folder, arguments: &[&str], is_interrupted: bool) -> (Ran, String) {
    // Not among the recordings.
    let json = format!("{}.jsonl", folder.path("").trim_end_matches('/'));
    let fixed = ["run", "--json", &json, "--out", &folder.path("")];
    let ran = tidelock_interrupted(&[&fixed[..], arguments].concat(), is_interrupted);
    let text = fs::read_to_string(&json).unwrap();
    fs::remove_file(&json).unwrap();
    (ran, text)
}

#[test]
fn enough_failures_end_a_campaign_at_the_same_seed_whatever_the_jobs() {
    let folder = Folder::new("enough");
    let run = |jobs: &str, limit: &[&str]| {
        let fixed = ["--seeds", "1998..4000", "--json-runs", "--jobs", jobs];
        campaign(&folder, &[&fixed[..], limit].concat(), false)
    };
    let (ran, three) = run("1", &["--max-failures", "3"]);
    assert!(ran.out.ends_with("\nFAILED  no-lost-edge 3\n"), "{}", ran.out);
    let lines = json_lines(&three);
    let seeds: Vec<_> = of_kind(&lines, "run").iter().map(|line| line["seed"].as_u64()).collect();
    assert_eq!(seeds, [1998, 1999, 2000, 2001, 2002].map(Some));
    assert_eq!(of_kind(&lines, "failure").len(), 3);
    assert_eq!(folder.names().len(), 4, "one was made small: {:?}", folder.names());
    assert_eq!(run("5", &["--max-failures", "3"]).1, three);
    assert_eq!(folder.names().len(), 4, "runs made in vain are not recorded");
    let first = json_lines(&run("2", &["--stop-on-first"]).1);
    assert_eq!(of_kind(&first, "failure").len(), 1);
}

#[test]
fn json_is_sorted_and_the_same_for_any_number_of_jobs() {
    let folder = Folder::new("json");
    let run = |seeds: &str, jobs: &str| {
        let words = ["--seeds", seeds, "--jobs", jobs, "--json-runs", "--twice", "10%"];
        campaign(&folder, &words, false).1
    };
    let [one, three] = ["1", "3"].map(|jobs| run("1500..1999", jobs));
    assert_eq!(one, three);
    let lines = json_lines(&one);
    let runs = of_kind(&lines, "run");
    assert!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).eq(1500..1999));
    let mut names: Vec<_> = runs[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["digest", "events", "kind", "outcome", "scenario", "seed"]);
    assert_eq!(
        (&runs[0]["scenario"], &runs[1]["scenario"]),
        (&json!("echo"), &json!("slow-readers"))
    );

    let hex = |value: &Value| {
        u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let sum = runs.iter().fold(0, |sum: u64, run| sum.wrapping_add(hex(&run["digest"])));
    let campaign = lines.last().unwrap();
    assert_eq!((&campaign["kind"], &campaign["interrupted"]), (&json!("campaign"), &json!(false)));
    assert_eq!((&campaign["runs"], hex(&campaign["digest"])), (&json!(499), sum));
    assert_eq!(campaign["seeds"], json!([[1500, 1999]]));
    assert_eq!(campaign["injected"]["reset"], 499);

    // Shards add up to the whole.
    let shard = |seeds| hex(&json_lines(&run(seeds, "2")).last().unwrap()["digest"]);
    assert_eq!(shard("1500..1601").wrapping_add(shard("1601..1999")), sum);
}

#[test]
fn roll_ups_begin_at_a_multiple_of_a_thousand() {
    let folder = Folder::new("roll-ups");
    let ranges = |seeds: &str| {
        let words = ["--seeds", seeds, "--max-failures", "10000"];
        let lines = json_lines(&campaign(&folder, &words, false).1);
        let rollups = of_kind(&lines, "rollup");
        let failures: u64 = rollups.iter().map(|line| line["failures"].as_u64().unwrap()).sum();
        assert_eq!(lines.last().unwrap()["failures"], failures, "the sums agree");
        rollups.iter().map(|line| line["seeds"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ranges("1990..2021"), [json!([[1990, 2000]]), json!([[2000, 2021]])]);
    assert_eq!(ranges("0..1000"), [json!([[0, 1000]])]);
    assert_eq!(ranges("5..6"), [json!([[5, 6]])]);
}

#[test]
fn an_interrupted_campaign_says_so_and_keeps_its_failures() {
    let folder = Folder::new("interrupted");
    let words = ["--seeds", "2000..9000", "--jobs", "1"];
    let (ran, json) = campaign(&folder, &words, true);
    assert_eq!(ran.code, 75);
    let last = json_lines(&json).pop().unwrap();
    assert_eq!((&last["interrupted"], &last["seeds"]), (&json!(true), &json!([[2000, 2001]])));
    assert_eq!(folder.names(), ["echo-2000.min.tide", "echo-2000.tide"]);
    assert!(ran.out.contains("budget"), "{}", ran.out);
    assert!(ran.out.ends_with("\nINTERRUPTED  until then: no-lost-edge 1\n"), "{}", ran.out);
}

#[test]
fn a_resumed_campaign_and_shards_add_up_to_the_whole() {
    let folder = Folder::new("resumed");
    let files: Vec<String> = ["a", "b", "c"].map(|name| folder.path(name)).to_vec();
    let run = |words: &[&str], json: &str, is_interrupted| {
        let fixed = ["run", "--jobs", "1", "--json", json];
        tidelock_interrupted(&[&fixed[..], words].concat(), is_interrupted).code
    };
    let seeds = ["--seeds", "100..900"];
    assert_eq!(run(&[&seeds[..], &["--shard", "0/2"]].concat(), &files[0], true), 75);
    let resume = ["--shard", "0/2", "--resume", &files[0]];
    assert_eq!(run(&[&seeds[..], &resume].concat(), &files[1], false), 0);
    assert_eq!(run(&[&seeds[..], &["--shard", "1/2"]].concat(), &files[2], false), 0);
    let last = |files: &[String]| {
        let words = ["merge"].into_iter().chain(files.iter().map(String::as_str));
        json_lines(&tidelock(&words.collect::<Vec<_>>()).out).pop().expect("the sum")
    };
    let whole = folder.path("whole");
    assert_eq!(run(&seeds, &whole, false), 0);
    assert_eq!(last(&files[..1])["seeds"], json!([[100, 101]]), "it was interrupted at once");
    assert_eq!(last(&files[1..2])["seeds"], json!([[101, 500]]));
    assert_eq!(last(&files), last(&[whole]), "nothing is missing, and nothing is there twice");
    assert_eq!(last(&[files[0].clone(), files[2].clone()])["interrupted"], true, "a gap is left");
}

#[test]
fn what_cannot_be_resumed_or_parted_is_told() {
    let folder = Folder::new("cannot-resume");
    let [done, other] = ["done", "other"].map(|name| folder.path(name));
    let campaign = ["run", "echo", "--quiet", "--seeds", "10..20", "--json", &done];
    assert_eq!(tidelock(&campaign).code, 0);
    let told = |words: &[&str]| {
        let ran = tidelock(&[&["run", "--resume", &done], words].concat());
        assert_eq!((ran.code, ran.err.lines().count()), (64, 1), "{words:?}: {}", ran.err);
        ran.err
    };
    assert!(told(&["--seeds", "10..30"]).contains("it is of the scenarios echo; allowed"));
    let echo = |seeds| told(&["echo", "--seeds", seeds]);
    let again = ["run", "--resume", &done, "echo", "--seeds", "10..20"];
    let nothing_left = tidelock(&again);
    assert_eq!((nothing_left.code, nothing_left.err.as_str()), (0, ""), "{}", nothing_left.out);
    let rest = folder.path("rest");
    assert_eq!(tidelock(&[&again[..], &["--quiet", "--json", &rest]].concat()).code, 0);
    let [whole, merged] = [&[&done][..], &[&done, &rest]].map(|files| {
        let words = ["merge"].into_iter().chain(files.iter().map(|file| file.as_str()));
        json_lines(&tidelock(&words.collect::<Vec<_>>()).out).pop()
    });
    assert_eq!(whole, merged, "what was left changes nothing");
    assert!(echo("5..30").contains("seed 5, with which this range begins, is not among"));
    let over = told(&["echo", "--seeds", "10..30", "--json", &done]);
    assert!(over.contains("--json would write over it; allowed: another file"), "{over}");
    let gap = fs::read_to_string(&done).unwrap().replace("[[10,20]]", "[[10,20],[25,30]]");
    fs::write(&other, gap).unwrap();
    let ahead = tidelock(&["run", "echo", "--seeds", "10..40", "--resume", &other]);
    assert!(ahead.code == 64 && ahead.err.contains("it did seed 25, too"), "{}", ahead.err);
    fs::write(&other, "{\"kind\":\"rollup\"}\n").unwrap();
    let torn = tidelock(&["run", "echo", "--seeds", "10..30", "--resume", &other]);
    assert!(torn.code == 64 && torn.err.contains("the campaign's end is missing"), "{}", torn.err);
    for shard in [&["--shard", "0/2"][..], &["--seeds", "0..", "--shard", "0/2"]] {
        let ran = tidelock(shard);
        assert!(ran.code == 64 && ran.err.contains("--seeds"), "{}", ran.err);
    }
}

#[test]
fn a_stable_campaign_ends_where_nothing_was_new_for_long_enough() {
    let folder = Folder::new("stable");
    for jobs in ["1", "3"] {
        let words = ["--seeds", "0..", "--until-stable", "40", "--jobs", jobs];
        let (ran, json) = self::campaign(&folder, &words, false);
        // The first run reaches the only cell there is.
        assert_eq!((ran.code, &json_lines(&json).pop().unwrap()["seeds"]), (0, &json!([[0, 41]])));
        assert!(ran.out.contains("\nstable    40 seeds without a new cell\n"), "{}", ran.out);
    }
    assert_eq!(tidelock(&["--until-stable", "0"]).code, 64);
}

#[test]
fn a_folder_that_cannot_be_written_hides_no_failure() {
    let folder = Folder::new("unwritable");
    let file = folder.path("file");
    fs::write(&file, "").unwrap();
    let ran = tidelock(&["run", "--seeds", "1000..1001", "--out", &file]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("  recorded  nothing: "), "{}", ran.out);
    assert!(ran.out.contains("replay seed:1000 --scenario echo"), "{}", ran.out);
}
