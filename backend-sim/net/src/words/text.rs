//! Words and times as scripts write them.

/// A time in the largest unit that needs no fraction.
pub fn time(nanos: u64) -> String {
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    if nanos == 0 {
        return "0".to_owned();
    }
    let unit = units.into_iter().find(|(_, length)| nanos.is_multiple_of(*length));
    let (unit, length) = unit.unwrap_or(("ns", 1));
    format!("{}{unit}", nanos / length)
}

/// The text, which is one word.
///
/// # Panics
/// If it is none: it could not be read back.
pub fn word(text: &str) -> &str {
    assert!(is_word(text), "not a word: {text:?}");
    text
}

/// Whether a text is one word, and no comment.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('#') && !text.contains(char::is_whitespace)
}
