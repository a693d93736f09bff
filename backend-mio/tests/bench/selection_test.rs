//! Tests of the bench's `selection`.

use crate::selection::select;

const NAMES: [&str; 5] = ["idle", "echo-1", "echo-1000", "echo-64", "bulk"];

fn selected(words: &[&str]) -> Vec<&'static str> {
    let words: Vec<_> = words.iter().copied().map(String::from).collect();
    let indices = select(&NAMES, &words).expect("each word selects something");
    indices.into_iter().map(|index| NAMES[index]).collect()
}

#[test]
fn without_words_all_are_selected() {
    assert_eq!(selected(&[]), NAMES);
}

#[test]
fn a_beginning_selects_all_that_begin_so() {
    assert_eq!(selected(&["echo-"]), ["echo-1", "echo-1000", "echo-64"]);
}

#[test]
fn a_whole_name_selects_no_longer_one() {
    assert_eq!(selected(&["echo-1"]), ["echo-1"]);
}

#[test]
fn rows_keep_their_order_and_come_once() {
    assert_eq!(selected(&["bulk", "echo-6", "bulk", "id", "idle"]), ["idle", "echo-64", "bulk"]);
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_rows() {
    let words = ["idle", "ehco"].map(String::from);
    let why = select(&NAMES, &words).expect_err("no row begins so");
    assert!(why.starts_with("ehco: "), "{why}");
    assert!(why.ends_with("idle, echo-1, echo-1000, echo-64, bulk"), "{why}");
}
