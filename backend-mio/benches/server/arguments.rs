//! The arguments of the bench.

/// What the bench is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Names of rows, or the beginnings of some; without any, every row is meant.
    pub(crate) names: Vec<String>,
    /// More and longer samples are taken.
    pub(crate) is_full: bool,
    /// Rows are listed and not measured.
    pub(crate) is_list: bool,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// An option that does not exist.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        for word in words {
            match word.as_str() {
                // Cargo adds it for a harness; here it means nothing.
                "--bench" => {}
                "--full" => arguments.is_full = true,
                "--list" => arguments.is_list = true,
                option if option.starts_with('-') => {
                    return Err(format!("{option}: no such option; there are --full and --list"));
                }
                _ => arguments.names.push(word),
            }
        }
        Ok(arguments)
    }
}
