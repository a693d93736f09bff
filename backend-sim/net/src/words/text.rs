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

/// Returns `true` if a text is one word, and no comment.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('#') && !text.contains(char::is_whitespace)
}

/// Reads a number: decimal, or hexadecimal after `0x`.
///
/// # Errors
///
/// If it is no number or does not fit into 64 bits; says what was expected.
pub fn parse_number(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "a number as 12049 or 0x2f11, below 2^64";
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` would allow a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(EXPECTED);
    }
    u64::from_str_radix(digits, radix).map_err(|_| EXPECTED)
}

/// Reads a time in whole `ns`, `us`, `ms` or `s` and gives nanoseconds; a bare `0` is a time too.
///
/// # Errors
///
/// If it is no time or does not fit into 64 bits of nanoseconds; says what was expected.
pub fn parse_time(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "a time as 40us, 30ms or 2s";
    if text == "0" {
        return Ok(0);
    }
    let end = text.find(|digit: char| !digit.is_ascii_digit()).ok_or(EXPECTED)?;
    let length = match &text[end..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(EXPECTED),
    };
    let count: u64 = text[..end].parse().map_err(|_| EXPECTED)?;
    count.checked_mul(length).ok_or(EXPECTED)
}
