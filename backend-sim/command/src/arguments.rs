//! From words to options, and from clap's page of complaint to one line.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::options::Options;

/// The meaning of a command line.
pub(crate) enum Parsed {
    /// The options of a command.
    Options(Box<Options>),
    /// Help or version, to be printed.
    Text(String),
    /// The mistake, in one line.
    Usage(String),
}

/// Reads the command line; its first word is the program.
pub(crate) fn parse(arguments: Vec<OsString>) -> Parsed {
    match Options::try_parse_from(with_subcommand(arguments)) {
        Ok(options) => Parsed::Options(Box::new(options)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Parsed::Text(error.render().to_string())
            }
            _ => Parsed::Usage(one_line(&error)),
        },
    }
}

/// Puts `run` before arguments that name no subcommand.
fn with_subcommand(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut place = 1;
    // `--log` stands before or after the subcommand.
    while let Some(word) = arguments.get(place).and_then(|word| word.to_str()) {
        match word {
            "--log" => place += 2,
            _ if word.starts_with("--log=") => place += 1,
            _ => break,
        }
    }
    let is_command = |word: &str| {
        let known = Options::command();
        let generated = ["help", "--help", "-h", "--version", "-V"];
        known.find_subcommand(word).is_some() || generated.contains(&word)
    };
    let first = arguments.get(place).and_then(|word| word.to_str());
    if !first.is_some_and(is_command) {
        arguments.insert(place.min(arguments.len()), "run".into());
    }
    arguments
}

/// Returns the words that may come first, without `help`.
pub(crate) fn subcommands() -> Vec<String> {
    Options::command().get_subcommands().map(|one| one.get_name().to_owned()).collect()
}

/// The complaint without usage and tips on where to look, which would be a page.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let complaint = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let complaint = complaint.take_while(|line| !line.starts_with("For more information"));
    let parts = complaint.map(str::trim).filter(|part| !part.is_empty());
    let mut line = String::new();
    for part in parts {
        let separator = match part {
            _ if line.is_empty() => "",
            tip if tip.starts_with("tip:") => "; ",
            _ => " ",
        };
        line.push_str(separator);
        line.push_str(part.trim_start_matches("error: "));
    }
    // Where clap does not say what is allowed, the help does.
    if !line.contains("allowed") && !line.contains("values") {
        line.push_str("; allowed: see `tidelock --help`");
    }
    line
}
