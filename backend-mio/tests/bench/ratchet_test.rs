//! Tests of the bench's `ratchet`.

use crate::ratchet::{Ratchet, Verdict};

const NAMES: [&str; 3] = ["raw-mio", "inline", "workers"];

const TEXT: &str =
    "# A comment.\n\nexact for rustc 1; glibc 2; x\nraw-mio 200\ninline 2000\nworkers 3000\n";

fn ratchet() -> Ratchet {
    Ratchet::parse(TEXT, &NAMES).expect("the text is well-formed")
}

fn complaint(text: &str) -> String {
    Ratchet::parse(text, &NAMES).expect_err("the text is malformed")
}

#[test]
fn the_committed_files_are_well_formed_and_as_they_would_be_written() {
    let servers = include_str!("../../benches/server/instructions.txt");
    let simulator = include_str!("../../../backend-sim/benches/simulator/instructions.txt");
    for (text, names) in [
        (servers, &NAMES[..]),
        (simulator, &["madsim-message", "madsim-world", "message", "world"][..]),
    ] {
        let ratchet = Ratchet::parse(text, names).expect("the file is well-formed");
        assert_eq!(ratchet.to_string(), text);
    }
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let counts = [("raw-mio", 200), ("inline", 2000), ("workers", 3000)];
    let counts = counts.map(|(name, count)| (name.to_owned(), count));
    let written = Ratchet::new("# A comment.\n", "rustc 1; glibc 2; x".into(), counts.to_vec());
    assert_eq!(Ratchet::parse(&written.to_string(), &NAMES), Ok(written));
    assert_eq!(ratchet().conditions(), "rustc 1; glibc 2; x");
}

#[test]
fn a_malformed_file_is_an_error_that_names_the_line() {
    let cases = [
        (String::new(), "line 1: the file says nothing"),
        (TEXT.replace("exact for ", ""), "line 3: expected `exact for "),
        (TEXT.replace("; x", ""), "line 3: expected `exact for "),
        (TEXT.replace("; x", ";"), "line 3: expected `exact for "),
        (TEXT.replace("inline 2000", "inline"), "line 5: expected a name and its count"),
        (TEXT.replace("inline 2000", "inline 2000 1"), "line 5: expected a name and its count"),
        (TEXT.replace("2000", "2k"), "line 5: expected a count above zero, found \"2k\""),
        (TEXT.replace("2000", "0"), "line 5: expected a count above zero"),
        (
            TEXT.replace("workers", "worker"),
            "line 6: worker: nothing of that name is counted; there are raw-mio,",
        ),
        (TEXT.replace("workers", "inline"), "line 6: inline has a count already"),
        (TEXT.replace("workers 3000\n", ""), "line 5: the file ends without a count of workers"),
    ];
    for (text, begin) in cases {
        let complaint = complaint(&text);
        assert!(complaint.starts_with(begin), "{complaint:?} instead of {begin:?}");
    }
}

#[test]
fn a_count_may_rise_by_three_percent() {
    let verdict = |measured| ratchet().compare("inline", measured).verdict();
    assert_eq!(verdict(2060.0), Verdict::Held);
    assert_eq!(verdict(2061.0), Verdict::Risen);
}

#[test]
fn a_count_that_falls_by_more_than_chance_is_told() {
    let verdict = |measured| ratchet().compare("inline", measured).verdict();
    assert_eq!(verdict(1961.0), Verdict::Held);
    assert_eq!(verdict(1959.0), Verdict::Fallen);
}

#[test]
fn under_other_conditions_the_ratio_to_raw_mio_may_rise_by_ten_percent() {
    // The committed ratio is 10.
    let verdict =
        |measured| ratchet().compare_ratio("inline", measured, ("raw-mio", 300.0)).verdict();
    assert_eq!(verdict(3290.0), Verdict::Held);
    assert_eq!(verdict(3310.0), Verdict::Risen);
    assert_eq!(verdict(300.0), Verdict::Held, "a lower ratio may be another compiler's");
}

#[test]
fn a_comparison_names_both_figures() {
    let told = ratchet().compare("workers", 3300.0).to_string();
    assert_eq!(told, "3300.00 instructions, committed are 3000.00: +10.0 %");
    let told = ratchet().compare_ratio("workers", 4200.0, ("raw-mio", 300.0)).to_string();
    assert_eq!(told, "14.00 x raw-mio, committed are 15.00: -6.7 %");
}
