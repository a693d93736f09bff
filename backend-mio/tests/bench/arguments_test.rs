//! Tests of the bench's `arguments`.

use crate::arguments::Arguments;

fn parse(words: &[&str]) -> Result<Arguments, String> {
    Arguments::parse(words.iter().copied().map(String::from))
}

#[test]
fn cargo_s_own_option_asks_for_nothing() {
    assert_eq!(parse(&["--bench"]), Ok(Arguments::default()));
}

#[test]
fn names_and_options_come_in_any_order() {
    let expected =
        Arguments { names: vec!["bulk".into(), "echo".into()], is_full: true, is_list: false };
    assert_eq!(parse(&["bulk", "--full", "echo", "--bench"]), Ok(expected));
    assert!(parse(&["--list"]).expect("it is an option").is_list);
}

#[test]
fn an_unknown_option_is_an_error_that_names_the_known_ones() {
    let why = parse(&["--ful"]).expect_err("there is no such option");
    assert!(why.starts_with("--ful: "), "{why}");
    assert!(why.contains("--full and --list"), "{why}");
}
