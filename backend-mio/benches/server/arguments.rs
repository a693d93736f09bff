//! The arguments of the bench. The bench of tidelock-sim has this file, too.

const OPTIONS: &str = "--full, --list, --check and --write";

/// The arguments of the bench.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Names of rows, or the beginnings of some; without any, every row is meant.
    pub(crate) names: Vec<String>,
    /// More and longer samples are taken.
    pub(crate) is_full: bool,
    /// Rows are listed and not measured.
    pub(crate) is_list: bool,
    /// The use of counts of instructions.
    pub(crate) counts: Counts,
}

/// The use of counts of instructions, besides printing them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Nothing.
    #[default]
    Print,
    /// They are compared with those that are committed.
    Check,
    /// They are written, to be committed.
    Write,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// An option that does not exist, or one that contradicts another.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        for word in words {
            match word.as_str() {
                // Cargo adds it for a harness; here it means nothing.
                "--bench" => {}
                "--full" => arguments.is_full = true,
                "--list" => arguments.is_list = true,
                "--check" => arguments.ask_of_counts(Counts::Check)?,
                "--write" => arguments.ask_of_counts(Counts::Write)?,
                option if option.starts_with('-') => {
                    return Err(format!("{option}: no such option; there are {OPTIONS}"));
                }
                _ => arguments.names.push(word),
            }
        }
        Ok(arguments)
    }

    fn ask_of_counts(&mut self, counts: Counts) -> Result<(), String> {
        if self.counts != Counts::Print && self.counts != counts {
            return Err("--check and --write: counts are compared or written, not both".into());
        }
        self.counts = counts;
        Ok(())
    }
}
