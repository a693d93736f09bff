//! A script as text.

use std::fmt;

use tidelock_net::words::decision::Decision;
use tidelock_net::words::text::{is_word, parse_time, time, word};

use super::{Script, When};

impl fmt::Display for Script {
    /// The canonical text, with a newline at its end.
    ///
    /// # Panics
    ///
    /// If a name breaks the grammar, so that the text could not be read back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tide 1")?;
        for comment in &self.comments {
            assert!(is_comment(comment), "a comment is one trimmed line: {comment:?}");
            writeln!(f, "{}", format!("# {comment}").trim_end())?;
        }
        statement(f, "scenario", word(&self.scenario))?;
        if let Some(seed) = self.seed {
            statement(f, "seed", &format!("{seed:#x}"))?;
        }
        for line in self.config_lines() {
            statement(f, "config", &line)?;
        }
        if let Some(noise) = self.noise {
            statement(f, "noise", &number(noise))?;
        }
        self.print_outside(f)?;
        self.print_decisions(f)?;
        for cell in &self.needs {
            statement(f, "needs", word(cell))?;
        }
        if let Some(signature) = &self.signature {
            statement(f, "signature", word(signature))?;
        }
        Ok(())
    }
}

impl Script {
    /// As many options in a line as a terminal shows.
    fn config_lines(&self) -> Vec<String> {
        const COLUMNS_MAX: usize = 88;
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in &self.config {
            assert!(!name.contains('='), "an option's name holds no '=': {name:?}");
            let pair = format!("{name}={value}");
            match lines.last_mut() {
                Some(line) if width(line) + 1 + width(word(&pair)) <= COLUMNS_MAX => {
                    line.push(' ');
                    line.push_str(&pair);
                }
                _ => lines.push(word(&pair).to_owned()),
            }
        }
        lines
    }

    /// The `op` and `fault` lines, with one width for all labels and one for all times.
    fn print_outside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Vec::new();
        for operation in &self.operations {
            let words = operation.words.clone();
            rows.push(("op", &operation.label, &operation.when, words, &operation.note));
        }
        for fault in &self.faults {
            let words = fault.words.clone();
            assert!(!ends_like_until(&words), "a fault's words do not end in `until TIME`");
            let end = fault.until_nanos.map(|nanos| ["until".to_owned(), time(nanos)]);
            let words = words.into_iter().chain(end.into_iter().flatten()).collect();
            rows.push(("fault", &fault.label, &fault.when, words, &fault.note));
        }
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(keyword, label, at, words, note)| (keyword, word(label), when(at), words, note))
            .collect();
        let label_width = rows.iter().map(|row| width(row.1)).max().unwrap_or(0);
        let when_width = rows.iter().map(|row| width(&row.2)).max().unwrap_or(0);
        for (keyword, label, when, words, note) in rows {
            assert!(!words.is_empty(), "{keyword} {label} says what is done");
            words.iter().for_each(|each| assert!(is_word(each), "not a word: {each:?}"));
            let label = pad(label, label_width);
            let text = format!("{label} {} {}", pad(&when, when_width), words.join(" "));
            statement(f, keyword, &noted(text, note))?;
        }
        Ok(())
    }

    /// The `at` lines, with one width for all keys.
    fn print_decisions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.decisions.iter().map(Decision::key).collect();
        let key_width = keys.iter().map(|key| width(key)).max().unwrap_or(0);
        for (decision, key) in self.decisions.iter().zip(&keys) {
            let text =
                format!("{} {} {}", pad(key, key_width), word(&decision.kind), decision.value);
            statement(f, "at", &noted(text, &decision.note))?;
        }
        Ok(())
    }
}

/// One line: the keyword in a column of its own.
fn statement(f: &mut fmt::Formatter<'_>, keyword: &str, rest: &str) -> fmt::Result {
    writeln!(f, "{keyword:9} {rest}")
}

fn noted(text: String, note: &str) -> String {
    assert!(is_comment(note), "a comment is one trimmed line: {note:?}");
    if note.is_empty() { text } else { format!("{text}  # {note}") }
}

fn when(when: &When) -> String {
    match when {
        When::At { nanos } => format!("@{}", time(*nanos)),
        When::After(label) => format!("after {}", word(label)),
    }
}

/// Seeds look like seeds, and zero like what it is.
fn number(number: u64) -> String {
    if number == 0 { "0".to_owned() } else { format!("{number:#x}") }
}

fn is_comment(text: &str) -> bool {
    text.trim() == text && !text.contains(['\n', '\r'])
}

fn ends_like_until(words: &[String]) -> bool {
    let [.., keyword, end] = words else { return false };
    keyword == "until" && parse_time(end).is_ok()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, columns: usize) -> String {
    format!("{text:columns$}")
}
