//! Where lines for people go.

use std::fmt::Display;
use std::io::Write;

use crate::exit::Problem;

/// The two streams, and the command's own name.
pub(crate) struct Console<'a> {
    /// The way in which this command was called, as a shell would take it again.
    pub(crate) program: String,
    /// Results.
    pub(crate) out: &'a mut dyn Write,
    /// Complaints.
    pub(crate) err: &'a mut dyn Write,
    /// A program reads `out`, so results for people go to `err`, too.
    pub(crate) is_out_taken: bool,
}

impl Console<'_> {
    /// Prints lines of results.
    pub(crate) fn print(
        &mut self,
        lines: impl IntoIterator<Item = impl Display>,
    ) -> Result<(), Problem> {
        let out = if self.is_out_taken { &mut *self.err } else { &mut *self.out };
        let write = || {
            for line in lines {
                writeln!(out, "{line}")?;
            }
            out.flush()
        };
        write().map_err(|error| Problem::Output("the output".to_owned(), error))
    }

    /// Prints one line to stderr, whatever the words that it repeats hold.
    pub(crate) fn complain(&mut self, line: &str) {
        let mut shown = String::new();
        for character in line.chars() {
            match character.is_control() {
                true => shown.extend(character.escape_default()),
                false => shown.push(character),
            }
        }
        // If stderr is gone, nobody is left to be told.
        drop(writeln!(self.err, "tidelock: {shown}"));
    }
}

/// A word as a shell would take it again.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=+@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_word_as_it_was() {
        assert_eq!(shell_word("target/release/tidelock"), "target/release/tidelock");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
