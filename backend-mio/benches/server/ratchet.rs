//! The ratchet: counts of instructions that are committed, and may not rise. The bench of
//! tidelock-sim has this file, too.

use std::fmt;
use std::ops::RangeInclusive;

/// The share of the committed count that a count may be. Below, it has fallen; chance moves it by
/// 1.1 % at most.
const HELD: RangeInclusive<f64> = 0.98..=1.03;

/// The share of the committed ratio that a ratio to the yardstick may be, under other conditions.
/// Between rustc
/// 1.88 and a nightly 1.97 these ratios moved by 7 %, most of it the yardstick's; without AVX2 by
/// less than 1 %. So much less says nothing about the committed count.
const RATIO_HELD: RangeInclusive<f64> = 0.0..=1.10;

/// The words that begin the line of the conditions.
const CONDITIONS_BEGIN: &str = "exact for ";

/// The committed counts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ratchet {
    /// The lines that the file begins with.
    comment: String,
    conditions: String,
    /// By name of what was counted.
    counts: Vec<(String, u64)>,
}

impl Ratchet {
    /// Counts to be committed, in a file that begins with `comment`; `conditions` name compiler, C
    /// library and processor.
    pub(crate) fn new(comment: &str, conditions: String, counts: Vec<(String, u64)>) -> Self {
        Self { comment: comment.to_owned(), conditions, counts }
    }

    /// Reads a file that has a count for each of `names`.
    ///
    /// # Errors
    /// The first line that is wrong, and why.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        let is_comment = |line: &&str| line.starts_with('#');
        let comment = text.split_inclusive('\n').take_while(is_comment).collect();
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        let (number, line) = lines.next().ok_or("line 1: the file says nothing")?;
        let conditions = parse_conditions(line).map_err(|why| format!("line {number}: {why}"))?;
        let mut counts: Vec<(String, u64)> = Vec::new();
        for (number, line) in lines {
            let (name, count) =
                parse_count(line, names).map_err(|why| format!("line {number}: {why}"))?;
            if counts.iter().any(|(other, _)| other == name) {
                return Err(format!("line {number}: {name} has a count already"));
            }
            counts.push((name.to_owned(), count));
        }
        let has_count = |name: &str| counts.iter().any(|(other, _)| other == name);
        if let Some(missing) = names.iter().find(|name| !has_count(name)) {
            let end = text.lines().count();
            return Err(format!("line {end}: the file ends without a count of {missing}"));
        }
        Ok(Self { comment, conditions, counts })
    }

    /// The compiler, C library and processor that the counts are exact for.
    pub(crate) fn conditions(&self) -> &str {
        &self.conditions
    }

    /// Compares a count that was taken under the same conditions.
    pub(crate) fn compare(&self, name: &str, measured: f64) -> Comparison {
        let committed = self.count(name);
        Comparison { measured, committed, unit: "instructions".to_owned(), held: HELD }
    }

    /// Compares a count that was taken under other conditions, by its ratio to a yardstick: its name,
    /// and its count of the same run.
    pub(crate) fn compare_ratio(
        &self,
        name: &str,
        measured: f64,
        (yardstick, count): (&str, f64),
    ) -> Comparison {
        let committed = self.count(name) / self.count(yardstick);
        let (measured, unit) = (measured / count, format!("x {yardstick}"));
        Comparison { measured, committed, unit, held: RATIO_HELD }
    }

    fn count(&self, name: &str) -> f64 {
        let count = self.counts.iter().find(|(other, _)| other == name);
        count.expect("a file without it is not read").1 as f64
    }
}

/// The file.
impl fmt::Display for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{CONDITIONS_BEGIN}{}", self.comment, self.conditions)?;
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{name} {count}"))
    }
}

fn parse_conditions(line: &str) -> Result<String, String> {
    let conditions = line.strip_prefix(CONDITIONS_BEGIN).unwrap_or("");
    let parts: Vec<_> = conditions.split(';').map(str::trim).collect();
    if parts.len() != 3 || parts.contains(&"") {
        return Err(format!("expected `exact for RUSTC; LIBC; PROCESSOR`, found {line:?}"));
    }
    Ok(parts.join("; "))
}

fn parse_count<'a>(line: &'a str, names: &[&str]) -> Result<(&'a str, u64), String> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(count), None) = (words.next(), words.next(), words.next()) else {
        return Err(format!("expected a name and its count, found {line:?}"));
    };
    if !names.contains(&name) {
        return Err(format!(
            "{name}: nothing of that name is counted; there are {}",
            names.join(", ")
        ));
    }
    match count.parse() {
        Ok(count) if count > 0 => Ok((name, count)),
        _ => Err(format!("expected a count above zero, found {count:?}")),
    }
}

/// A count beside the committed one, or a ratio beside the committed ratio.
#[derive(Debug)]
pub(crate) struct Comparison {
    measured: f64,
    committed: f64,
    unit: String,
    held: RangeInclusive<f64>,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More than is allowed.
    Risen,
    /// About the same.
    Held,
    /// So much less that the committed count would let it rise again unseen.
    Fallen,
}

impl Comparison {
    /// The measured, of the committed.
    pub(crate) fn ratio(&self) -> f64 {
        self.measured / self.committed
    }

    /// The most that the ratio may be.
    pub(crate) fn ratio_max(&self) -> f64 {
        *self.held.end()
    }

    /// The result.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.ratio() {
            ratio if ratio > self.ratio_max() => Verdict::Risen,
            ratio if ratio < *self.held.start() => Verdict::Fallen,
            _ => Verdict::Held,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measured, committed, unit, .. } = self;
        let percent = (self.ratio() - 1.0) * 100.0;
        write!(f, "{measured:.2} {unit}, committed are {committed:.2}: {percent:+.1} %")
    }
}
