//! A script from text.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use tidelock_net::words::decision::{Decision, Position, Value};
use tidelock_net::words::text::{parse_number, parse_time};

use super::{Script, ScriptFault, ScriptOperation, When};

/// Why a text is not a script: the first line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// From 1.
    pub line: usize,
    /// The text that would have been right.
    pub expected: String,
    /// The text that stands there instead.
    pub found: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected {}, found {}", self.line, self.expected, self.found)
    }
}

impl std::error::Error for ScriptError {}

/// Where the statements of a script stand in its text: line numbers from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Of the scenario's name.
    pub scenario: usize,
    /// Of each option.
    pub config: Vec<usize>,
    /// Of each `op` line.
    pub operations: Vec<usize>,
    /// Of each `fault` line.
    pub faults: Vec<usize>,
}

impl FromStr for Script {
    type Err = ScriptError;

    /// Reads a `.tide` text.
    fn from_str(text: &str) -> Result<Script, ScriptError> {
        Script::with_lines(text).map(|(script, _lines)| script)
    }
}

impl Script {
    /// Reads a `.tide` text, and notes where each statement stands.
    ///
    /// # Errors
    ///
    /// The first line that is wrong.
    pub fn with_lines(text: &str) -> Result<(Script, Lines), ScriptError> {
        let mut reader = Reader::default();
        let mut lines = text.lines();
        let version = lines.next().unwrap_or("");
        reader.line = 1;
        if split_comment(version).0.split_whitespace().ne(["tide", "1"]) {
            return Err(reader.error("the version line `tide 1`", &quoted(version.trim())));
        }
        reader.comment_at_head(split_comment(version).1);
        for line in lines {
            reader.line += 1;
            reader.read(line)?;
        }
        if !reader.seen.contains("scenario") {
            reader.line += 1;
            return Err(reader.error("a `scenario` line", "the end of the file"));
        }
        Ok((reader.script, reader.lines))
    }
}

#[derive(Default)]
struct Reader {
    script: Script,
    /// Of the line in hand, from 1.
    line: usize,
    /// Keywords that may stand once and did.
    seen: BTreeSet<&'static str>,
    /// Of operations and faults.
    labels: BTreeSet<String>,
    lines: Lines,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), ScriptError> {
        let (statement, comment) = split_comment(line);
        let words: Vec<&str> = statement.split_whitespace().collect();
        let Some((&keyword, rest)) = words.split_first() else {
            self.comment_at_head(comment);
            return Ok(());
        };
        let note = comment.unwrap_or("").to_owned();
        match keyword {
            "op" => return self.operation(rest, note),
            "fault" => return self.fault(rest, note),
            "at" => return self.decision(rest, note),
            "scenario" => {
                self.once("scenario")?;
                self.script.scenario = self.only(rest, "a scenario's name")?.to_owned();
                self.lines.scenario = self.line;
            }
            "seed" => {
                self.once("seed")?;
                self.script.seed = Some(self.number(rest)?);
            }
            "noise" => {
                self.once("noise")?;
                self.script.noise = Some(self.number(rest)?);
            }
            "config" => self.config(rest)?,
            "needs" => {
                let cell = self.only(rest, "one coverage cell")?.to_owned();
                self.script.needs.push(cell);
            }
            "signature" => {
                self.once("signature")?;
                self.script.signature = Some(self.only(rest, "one signature")?.to_owned());
            }
            other => {
                let expected =
                    "scenario, seed, config, noise, op, fault, at, needs, signature or a comment";
                return Err(self.error(expected, &quoted(other)));
            }
        }
        self.comment_at_head(comment);
        Ok(())
    }

    fn operation(&mut self, rest: &[&str], note: String) -> Result<(), ScriptError> {
        let (label, when, rest) = self.begin(rest)?;
        if rest.is_empty() {
            return Err(self.error("what is done, as `client connect server:9000`", END));
        }
        let words = rest.iter().map(|&word| word.to_owned()).collect();
        self.lines.operations.push(self.line);
        self.script.operations.push(ScriptOperation { label, when, words, note });
        Ok(())
    }

    fn fault(&mut self, rest: &[&str], note: String) -> Result<(), ScriptError> {
        let (label, when, mut rest) = self.begin(rest)?;
        let mut until_nanos = None;
        if let [before @ .., "until", end] = rest
            && let Ok(nanos) = parse_time(end)
        {
            until_nanos = Some(nanos);
            rest = before;
        }
        if rest.is_empty() {
            return Err(self.error("what is done, as `partition client>server`", END));
        }
        let words = rest.iter().map(|&word| word.to_owned()).collect();
        self.lines.faults.push(self.line);
        self.script.faults.push(ScriptFault { label, when, words, until_nanos, note });
        Ok(())
    }

    /// Label and time of an `op` or `fault` line, and the words after them.
    fn begin<'a>(
        &mut self,
        rest: &'a [&'a str],
    ) -> Result<(String, When, &'a [&'a str]), ScriptError> {
        let [label, rest @ ..] = rest else { return Err(self.error("a label", END)) };
        if !self.labels.insert((*label).to_owned()) {
            return Err(self.error("a label of its own", &format!("{} again", quoted(label))));
        }
        let expected = "`@TIME` or `after LABEL`";
        let (when, rest) = match rest {
            ["after", other, rest @ ..] => (When::After((*other).to_owned()), rest),
            [word, rest @ ..] if word.starts_with('@') => {
                let nanos = parse_time(&word[1..]);
                let nanos = nanos.map_err(|expected| self.error(expected, &quoted(word)))?;
                (When::At { nanos }, rest)
            }
            [word, ..] => return Err(self.error(expected, &quoted(word))),
            [] => return Err(self.error(expected, END)),
        };
        Ok(((*label).to_owned(), when, rest))
    }

    fn decision(&mut self, rest: &[&str], note: String) -> Result<(), ScriptError> {
        let (key, kind, value) = match rest {
            [key, kind] => (key, kind, Value::Number(1)),
            [key, kind, value] => (key, kind, self.value(value)?),
            [key] => return Err(self.error("a kind after the key", &quoted(key))),
            [] => return Err(self.error("a key as `c1'/in@10` or `server/poll#3`", END)),
            [_, _, _, more, ..] => return Err(self.error("the end of the line", &quoted(more))),
        };
        let expected = "a key that ends in @OFFSET, @eof or #OCCURRENCE, each a number below 2^64";
        let error = self.error(expected, &quoted(key));
        let Some(end) = key.rfind(['@', '#']).filter(|&end| end > 0) else { return Err(error) };
        let (entity, position) = key.split_at(end);
        let position = match position.split_at(1) {
            ("@", "eof") => Position::Eof,
            ("@", offset) => Position::Offset(parse_number(offset).map_err(|_| error)?),
            (_, occurrence) => Position::Occurrence(parse_number(occurrence).map_err(|_| error)?),
        };
        let decision = Decision { note, ..Decision::new(entity, position, *kind, value) };
        self.script.decisions.push(decision);
        Ok(())
    }

    fn value(&self, word: &str) -> Result<Value, ScriptError> {
        if let Ok(number) = parse_number(word) {
            return Ok(Value::Number(number));
        }
        let nanos = parse_time(word)
            .map_err(|_| self.error("a number, or a time as 40us, 30ms or 2s", &quoted(word)))?;
        Ok(Value::Time { nanos })
    }

    fn config(&mut self, rest: &[&str]) -> Result<(), ScriptError> {
        for word in rest {
            let Some((name, value)) = word.split_once('=') else {
                return Err(self.error("NAME=VALUE", &quoted(word)));
            };
            self.lines.config.push(self.line);
            self.script.config.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    fn number(&self, rest: &[&str]) -> Result<u64, ScriptError> {
        let word = self.only(rest, "one number")?;
        parse_number(word).map_err(|expected| self.error(expected, &quoted(word)))
    }

    fn only<'a>(&self, rest: &[&'a str], expected: &str) -> Result<&'a str, ScriptError> {
        match rest {
            [word] => Ok(word),
            [] => Err(self.error(expected, END)),
            [_, more, ..] => Err(self.error("the end of the line", &quoted(more))),
        }
    }

    fn once(&mut self, keyword: &'static str) -> Result<(), ScriptError> {
        if self.seen.insert(keyword) {
            return Ok(());
        }
        let expected = format!("only one `{keyword}` line");
        Err(self.error(&expected, "another"))
    }

    fn comment_at_head(&mut self, comment: Option<&str>) {
        self.script.comments.extend(comment.map(str::to_owned));
    }

    fn error(&self, expected: &str, found: &str) -> ScriptError {
        ScriptError { line: self.line, expected: expected.to_owned(), found: found.to_owned() }
    }
}

const END: &str = "the end of the line";

/// The statement, and the comment without its `#` if there is one.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    let mut blank_before = true;
    for (index, character) in line.char_indices() {
        if character == '#' && blank_before {
            return (&line[..index], Some(line[index + 1..].trim()));
        }
        blank_before = character.is_whitespace();
    }
    (line, None)
}

/// As much of a word as one line of an error can bear.
fn quoted(word: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if word.is_empty() {
        return "nothing".to_owned();
    }
    let shown: String = word.chars().take(SHOWN_MAX).collect();
    let more = if word.chars().count() > SHOWN_MAX { "…" } else { "" };
    format!("'{}{more}'", shown.escape_debug())
}
