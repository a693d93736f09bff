//! `tidelock coverage` and `merge`: what is done with what campaigns wrote.

use std::fs;

use serde_json::json;

use super::{Folder, json_lines, of_kind, tidelock};

/// Writes the JSON of a campaign over these seeds, and gives its path.
fn json_of(folder: &Folder, seeds: &str) -> String {
    let path = folder.path(&format!("{seeds}.jsonl"));
    let out = folder.path("");
    tidelock(&["run", "--seeds", seeds, "--json", &path, "--out", &out, "--max-failures", "5"]);
    path
}

#[test]
fn coverage_tells_what_was_reached_and_what_never() {
    let folder = Folder::new("coverage");
    let files = [json_of(&folder, "0..10"), json_of(&folder, "10..30")];
    let ran = tidelock(&["coverage", &files[0], &files[1], "--floor", "0%"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.starts_with("30 runs\ncells  1 of "), "{}", ran.out);
    let row = |text: &str| ran.out.lines().find(|line| line.contains(text)).map(str::to_owned);
    let readable = row("linux       readable  ").expect("holes of the same event");
    assert!(!readable.contains(" open ") && readable.contains(" open·begun "), "{readable}");
    assert!(ran.out.contains("pairs that never met: cuts>cuts, "), "{}", ran.out);
    let (never, faults) = ran.out.split_once("\nfault").expect("the table of faults");
    assert!(!never.contains("write-refused"), "it was reached: {never}");
    assert!(never.contains("accept-aborted") && never.contains("a frame in pieces"), "{never}");
    assert!(faults.contains("reset              30     0   0 of 0"), "{faults}");
    let low = tidelock(&["coverage", &files[0], "--floor", "95%"]);
    assert_eq!(low.code, 4, "{}", low.out);
    assert!(low.out.ends_with("FAILED  fewer cells were reached than --floor asks for\n"));
    let low = tidelock(&["coverage", &files[0], "--pairs-floor", "90%"]);
    assert_eq!(low.code, 4, "{}", low.out);
    assert!(low.out.ends_with("FAILED  fewer pairs met than --pairs-floor asks for\n"));
    let other = fs::read_to_string(&files[0])
        .unwrap()
        .replace("\"cells\":[", "\"cells\":[\"of another build\",");
    fs::write(folder.path("other"), other).unwrap();
    let unknown = tidelock(&["coverage", &folder.path("other")]);
    assert_eq!(unknown.code, 0, "{}", unknown.out);
    assert!(unknown.out.contains("WARNING  "), "{}", unknown.out);
}

#[test]
fn a_cell_that_cannot_be_reached_is_told_of() {
    let folder = Folder::new("impossible");
    let file = json_of(&folder, "500000..500001");
    let ran = tidelock(&["coverage", &file]);
    assert_eq!(ran.code, 4, "{}", ran.out);
    let told = "WARNING  stale×read:eof×linux was reached, and cannot be: nothing is called";
    assert!(ran.out.contains(told), "{}", ran.out);
    assert!(ran.out.ends_with("FAILED  1 of what was reached cannot be: see the warnings\n"));
    let run = tidelock(&["run", "--seeds", "500000..500001", "--out", &folder.path("")]);
    assert!(run.out.contains(told), "{}", run.out);
}

#[test]
fn shards_are_merged_into_the_file_of_the_whole() {
    let folder = Folder::new("merge");
    let whole = fs::read_to_string(json_of(&folder, "1100..1900")).unwrap();
    let shards = ["1500..1900", "1100..1300", "1300..1500"].map(|seeds| json_of(&folder, seeds));
    let merged = tidelock(&["merge", &shards[0], &shards[1], &shards[2]]);
    assert_eq!((merged.code, merged.err.as_str()), (0, ""));
    let lines = json_lines(&merged.out);
    assert_eq!(lines.last(), json_lines(&whole).last(), "the sums");
    let rollups: Vec<_> =
        of_kind(&lines, "rollup").iter().map(|line| line["seeds"].clone()).collect();
    let in_order = [json!([[1100, 1300]]), json!([[1300, 1500]]), json!([[1500, 1900]])];
    assert_eq!(rollups, in_order);
    let twice = tidelock(&["merge", &shards[0], &shards[0]]);
    assert_eq!(twice.code, 64);
    assert!(twice.err.contains("seed 1500 stands in another file, too; allowed"), "{}", twice.err);
}

#[test]
fn what_is_no_campaign_s_file_is_refused() {
    let folder = Folder::new("torn");
    let whole = fs::read_to_string(json_of(&folder, "0..3")).unwrap();
    let first = whole.lines().next().unwrap();
    for (text, complaint) in [
        ("", "line 1: there is nothing; allowed"),
        (first, "line 1: the campaign's end is missing; allowed"),
        ("{\"kind\":\"campaign\"}", "line 1: missing field"),
        (&whole[..whole.len() - 10], "line 2: EOF while parsing"),
    ] {
        let path = folder.path("torn.jsonl");
        fs::write(&path, text).unwrap();
        for command in ["coverage", "merge"] {
            let ran = tidelock(&[command, &path]);
            assert_eq!((ran.code, ran.err.lines().count()), (64, 1), "{}", ran.err);
            assert!(ran.err.contains(complaint), "{}", ran.err);
        }
    }
    assert!(
        tidelock(&["merge", "missing.jsonl"]).err.contains("allowed: a file that --json wrote")
    );
}
