//! Numbers, failures and runs in words.

use std::iter;

use crate::campaign::one_line;
use crate::run::{Failure, FailureClass, Report};

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in three digits, with its unit: `9,876`, `98.7 k`, `1.23 M`.
pub fn scaled(number: u64) -> String {
    const GROUPED_MAX: u64 = 10_000;
    let units = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)];
    let unit = units.into_iter().find(|(_, size)| number >= *size);
    let Some((unit, size)) = unit.filter(|_| number >= GROUPED_MAX) else {
        return grouped(number);
    };
    let (whole, rest) = (number / size, number % size);
    match whole {
        0..10 => format!("{whole}.{:02} {unit}", rest * 100 / size),
        10..100 => format!("{whole}.{} {unit}", rest * 10 / size),
        _ => format!("{} {unit}", grouped(whole)),
    }
}

/// A share of a whole with one digit after the point; `–` of nothing. Never rounded up to a
/// whole.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let permille = u128::from(part) * 1_000 / u128::from(whole);
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Returns the number per second, of so many in a time.
pub fn per_second(count: u64, elapsed_millis: u64) -> u64 {
    let rate = u128::from(count) * 1_000 / u128::from(elapsed_millis.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// A time: in seconds with one digit after the point, or in milliseconds below one second.
pub fn seconds(elapsed_millis: u64) -> String {
    if elapsed_millis < 1_000 {
        return format!("{elapsed_millis} ms");
    }
    format!("{}.{} s", elapsed_millis / 1_000, elapsed_millis % 1_000 / 100)
}

/// A violated law: what, where, the last events, and how to see it again. At most `lines_max`
/// lines; the events are what makes room.
///
/// `kept` stands at the end, name and text: where the recording lies, the command that replays.
pub fn failure_text(
    report: &Report,
    failure: &Failure,
    kept: &[(&str, String)],
    lines_max: usize,
) -> Vec<String> {
    assert!(lines_max >= FAILURE_LINES_MIN + kept.len(), "there is room for the violation");
    let mut lines = vec![format!("FAILED  {}: {}", source_name(report), failure.law)];
    let mut entry = |name: &str, text: &str| lines.extend(entry_lines(name, text, ENTRY_LINES_MAX));
    entry("violated", &one_line(&failure.detail));
    entry("class", class_text(failure.class));
    if failure.step > 0 {
        entry("step", &grouped(failure.step));
    }
    entry("options", &one_line(&report.options()));
    end_lines(&mut lines, failure, kept, lines_max);
    lines
}

/// Returns the end of each story of a failure: as many of the last events as there is room for, and
/// what is kept.
pub(crate) fn end_lines(
    lines: &mut Vec<String>,
    failure: &Failure,
    kept: &[(&str, String)],
    lines_max: usize,
) {
    let room = (lines_max - lines.len() - kept.len()).saturating_sub(1);
    let shown = failure.last_events.len().min(room);
    if shown > 0 {
        lines.push(format!("  the last {shown} events, the violation at the end"));
        let last = &failure.last_events[failure.last_events.len() - shown..];
        lines.extend(last.iter().map(|event| format!("    {}", shortened(&one_line(event)))));
    }
    // A path or a command is never cut: it is there to be copied.
    lines.extend(kept.iter().map(|(name, text)| format!("  {name:<9} {text}")));
    assert!(lines.len() <= lines_max, "{} lines", lines.len());
}

/// As many lines as a failure may take: a screen.
pub const FAILURE_LINES_MAX: usize = 40;
/// The lines that a failure takes without its events, and without what is kept.
const FAILURE_LINES_MIN: usize = 4 + 2 * ENTRY_LINES_MAX;
/// The number of lines that a detail or the options may take.
const ENTRY_LINES_MAX: usize = 4;

/// A run without its failure: what it was, and its hashes.
pub fn run_text(report: &Report) -> Vec<String> {
    let operations = format!(
        "{} of {} operations completed",
        grouped(report.completed),
        grouped(report.operations)
    );
    let counts = |counts: &[(&str, u64)]| {
        let some = counts.iter().filter(|(_, count)| *count > 0);
        let text: Vec<_> =
            some.map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
        if text.is_empty() { "none".to_owned() } else { text.join(", ") }
    };
    let entries = [
        ("options", one_line(&report.options())),
        ("digest", format!("{:#018x}", report.digest)),
        ("outcome", format!("{:#018x}", report.outcome)),
        ("events", format!("{}, {operations}", grouped(report.events))),
        ("faults", counts(&report.injected)),
        ("laws", counts(&report.checked)),
    ];
    let mut lines = vec![source_name(report)];
    entries.iter().for_each(|(name, text)| lines.extend(entry_lines(name, text, usize::MAX)));
    lines
}

/// Returns what was run: the scenario and its seed, if one was named.
pub(crate) fn source_name(report: &Report) -> String {
    match report.is_seedless {
        true => format!("{}, without a seed", report.scenario),
        false => format!("{}, seed {}", report.scenario, report.seed),
    }
}

/// A name and its text, broken between words; none of an empty text.
pub(crate) fn entry_lines(name: &str, text: &str, lines_max: usize) -> Vec<String> {
    const COLUMNS_MAX: usize = 88;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_full = lines.len() == lines_max;
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if is_full => {
                line.push_str(" …");
                break;
            }
            _ => lines.push(shortened(word)),
        }
    }
    let names = [name].into_iter().chain(iter::repeat(""));
    names.zip(lines).map(|(name, line)| format!("  {name:<9} {line}")).collect()
}

fn class_text(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Invariant => "invariant: something happened that must not",
        FailureClass::Liveness => "liveness: something did not happen that must",
        FailureClass::Nondeterminism => "non-determinism: two runs of one source differ",
    }
}

/// As much as a line or two of a terminal can bear.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 160;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_reading() {
        let numbers = [0, 7, 999, 1_000, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "7", "999", "1,000", "1,234,567"]);
        let numbers = [999, 9_999, 10_000, 12_345, 123_456, 6_019_999, u64::MAX];
        let scaled = numbers.map(scaled);
        assert_eq!(
            scaled,
            ["999", "9,999", "10.0 k", "12.3 k", "123 k", "6.01 M", "18,446,744,073 G"]
        );
    }

    #[test]
    fn shares_are_never_rounded_up_to_a_whole() {
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(percent(10, 10), "100.0 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
        assert_eq!(percent(0, 0), "–");
    }

    #[test]
    fn a_long_entry_is_broken_between_words() {
        let text = vec!["twenty-nine-letters-in-a-word"; 13].join(" ");
        let lines = entry_lines("options", &text, 4);
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("  options   twenty"), "{lines:?}");
        assert!(lines[1].starts_with("            twenty"), "{lines:?}");
        assert!(lines[3].ends_with(" …"), "{lines:?}");
        assert_eq!(entry_lines("options", &text, usize::MAX).len(), 7);
        assert!(entry_lines("options", "", 4).is_empty());
    }

    #[test]
    fn rates_and_times() {
        assert_eq!(per_second(10, 4_000), 2);
        assert_eq!(per_second(10, 0), 10_000, "as if it were one millisecond");
        assert_eq!([0, 999, 1_000, 10_050].map(seconds), ["0 ms", "999 ms", "1.0 s", "10.0 s"]);
    }
}
