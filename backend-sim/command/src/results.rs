//! The files that campaigns wrote with `--json`, read again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::Problem;
use crate::json::{ReachedLine, add_counts};

/// The last line of a campaign's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CampaignLine {
    kind: String,
    pub(crate) scenarios: Vec<String>,
    interrupted: bool,
    pub(crate) seeds: Vec<(u64, u64)>,
    pub(crate) runs: u64,
    repeated: u64,
    events: u64,
    operations: u64,
    completed: u64,
    failures: u64,
    digest: String,
    pub(crate) injected: BTreeMap<String, u64>,
    checked: BTreeMap<String, u64>,
    #[serde(flatten)]
    pub(crate) reached: ReachedLine,
}

/// One campaign's file.
pub(crate) struct Results {
    /// Every line but the last.
    pub(crate) lines: Vec<Value>,
    pub(crate) campaign: CampaignLine,
    /// Where campaigns were interrupted: whoever goes on begins there.
    interrupted_at: Vec<u64>,
}

impl Results {
    /// Reads a file.
    fn read(path: &Path) -> Result<Results, Problem> {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| {
            Problem::Usage(format!("{shown}: {error}; allowed: a file that --json wrote"))
        })?;
        let wrong = |line: usize, what: &str| {
            Problem::Usage(format!(
                "{shown}, line {line}: {what}; allowed: what --json wrote, up to its last line, \
                 whose kind is campaign"
            ))
        };
        let mut lines = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            lines.push(serde_json::from_str(line).map_err(|error| {
                // It counts lines of its own text, which is one line of the file.
                let what = error.to_string();
                let what = what.split(" at line ").next().unwrap_or_default();
                wrong(number, &format!("{what} at column {}", error.column()))
            })?);
        }
        let count = lines.len();
        let last: Value = lines.pop().ok_or_else(|| wrong(1, "there is nothing"))?;
        if last["kind"] != "campaign" {
            return Err(wrong(count, "the campaign's end is missing"));
        }
        let campaign: CampaignLine =
            serde_json::from_value(last).map_err(|e| wrong(count, &e.to_string()))?;
        let ends = campaign.seeds.iter().map(|(_, end)| *end);
        let interrupted_at = ends.filter(|_| campaign.interrupted).collect();
        Ok(Results { lines, campaign, interrupted_at })
    }

    /// Reads all files; each seed may be in one of them only if `is_disjoint`.
    pub(crate) fn read_all(paths: &[PathBuf], is_disjoint: bool) -> Result<Results, Problem> {
        let mut all: Option<Results> = None;
        for path in paths {
            let one = Results::read(path)?;
            match &mut all {
                None => all = Some(one),
                Some(sum) => sum.add(one, path, is_disjoint)?,
            }
        }
        all.ok_or_else(|| Problem::Usage("no file is named; allowed: one or more".to_owned()))
    }

    fn add(&mut self, other: Results, path: &Path, is_disjoint: bool) -> Result<(), Problem> {
        let (sum, one) = (&mut self.campaign, other.campaign);
        let shown = path.display();
        if is_disjoint && sum.scenarios != one.scenarios {
            return Err(Problem::Usage(format!(
                "{shown} is of the scenarios {}; allowed: as in the first file, {}",
                one.scenarios.join(", "),
                sum.scenarios.join(", ")
            )));
        }
        sum.seeds.extend(one.seeds);
        sum.seeds.sort_unstable();
        if let Some(twice) = sum.seeds.windows(2).find(|two| two[1].0 < two[0].1)
            && is_disjoint
        {
            return Err(Problem::Usage(format!(
                "{shown}: seed {} stands in another file, too; allowed: each seed once",
                twice[1].0
            )));
        }
        sum.seeds.dedup_by(|next, before| {
            let touches = next.0 <= before.1;
            before.1 = if touches { before.1.max(next.1) } else { before.1 };
            touches
        });
        self.interrupted_at.extend(other.interrupted_at);
        // What another one went on with is whole again.
        let is_left = |at: &u64| sum.seeds.iter().any(|(_, end)| end == at);
        sum.interrupted = self.interrupted_at.iter().any(is_left);
        sum.runs += one.runs;
        sum.repeated += one.repeated;
        sum.events += one.events;
        sum.operations += one.operations;
        sum.completed += one.completed;
        sum.failures += one.failures;
        let digest = |text: &str| {
            let digits = text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
            digits.ok_or_else(|| {
                Problem::Usage(format!("{shown}: digest '{text}'; allowed: 0x and 16 digits"))
            })
        };
        let digests = digest(&sum.digest)?.wrapping_add(digest(&one.digest)?);
        sum.digest = format!("{digests:#018x}");
        add_counts(&mut sum.injected, one.injected);
        add_counts(&mut sum.checked, one.checked);
        sum.reached.add(one.reached);
        self.lines.extend(other.lines);
        Ok(())
    }

    /// The lines in ascending order of seeds, the sum at the end.
    pub(crate) fn into_lines(mut self) -> Vec<String> {
        let first_seed = |line: &Value| {
            line["seed"].as_u64().or_else(|| line["seeds"][0][0].as_u64()).unwrap_or(u64::MAX)
        };
        // A roll-up stands behind what it sums, as its campaign wrote it.
        self.lines.sort_by_key(|line| match line["kind"] == "rollup" {
            true => (line["seeds"].as_array().and_then(|all| all.last()?[1].as_u64()), true),
            false => (first_seed(line).checked_add(1), false),
        });
        let last = serde_json::to_string(&self.campaign).expect("what was read can be written");
        self.lines.iter().map(Value::to_string).chain([last]).collect()
    }
}
