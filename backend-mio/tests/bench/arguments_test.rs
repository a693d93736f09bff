//! Tests of the bench's `arguments`.

use crate::arguments::{Arguments, Counts};

fn parse(words: &[&str]) -> Result<Arguments, String> {
    Arguments::parse(words.iter().copied().map(String::from))
}

#[test]
fn cargo_s_own_option_asks_for_nothing() {
    assert_eq!(parse(&["--bench"]), Ok(Arguments::default()));
}

#[test]
fn names_and_options_come_in_any_order() {
    let expected = Arguments {
        names: vec!["bulk".into(), "echo".into()],
        is_full: true,
        is_list: false,
        counts: Counts::Check,
    };
    assert_eq!(parse(&["bulk", "--full", "echo", "--check", "--bench"]), Ok(expected));
}

#[test]
fn rows_can_be_listed_and_counts_written() {
    let expected = Arguments { is_list: true, counts: Counts::Write, ..Arguments::default() };
    assert_eq!(parse(&["--list", "--write", "--write"]), Ok(expected));
}

#[test]
fn counts_are_not_both_compared_and_written() {
    for words in [["--check", "--write"], ["--write", "--check"]] {
        let why = parse(&words).expect_err("one contradicts the other");
        assert!(why.starts_with("--check and --write: "), "{why}");
    }
}

#[test]
fn an_unknown_option_is_an_error_that_names_the_known_ones() {
    let why = parse(&["--ful"]).expect_err("there is no such option");
    assert!(why.starts_with("--ful: "), "{why}");
    assert!(why.contains("--full, --list, --check and --write"), "{why}");
}
