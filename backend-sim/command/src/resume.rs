//! Where a campaign goes on that was interrupted.

use std::ops::Range;
use std::path::Path;

use crate::exit::Problem;
use crate::json::is_stdout;
use crate::options::RunOptions;
use crate::results::Results;

/// The seeds that are left behind those of the file, which a campaign over the same scenarios and
/// a range with the same beginning wrote; none if it did them all.
///
/// # Errors
/// If the file is of another campaign.
pub(crate) fn left(
    path: &Path,
    seeds: Range<u64>,
    scenarios: &[&str],
    options: &RunOptions,
) -> Result<Range<u64>, Problem> {
    let shown = path.display();
    let wrong = |what: String| Problem::Usage(format!("--resume {shown}: {what}"));
    if let Some(json) = &options.json
        && !is_stdout(json)
        && json.canonicalize().is_ok_and(|json| path.canonicalize().is_ok_and(|it| it == json))
    {
        return Err(wrong(
            "--json would write over it; allowed: another file, and tidelock merge for both"
                .to_owned(),
        ));
    }
    let before = Results::read_all(&[path.to_owned()], true)?.campaign;
    if before.scenarios != scenarios {
        return Err(wrong(format!(
            "it is of the scenarios {}; allowed: the same here, not {}",
            before.scenarios.join(", "),
            scenarios.join(", ")
        )));
    }
    let done = before.seeds.iter().find(|(start, end)| (*start..*end).contains(&seeds.start));
    let Some((_, done_end)) = done else {
        return Err(wrong(format!(
            "seed {}, with which this range begins, is not among those that it did; allowed: the \
             same --seeds and --shard as before",
            seeds.start
        )));
    };
    let is_ahead = |start: &u64| (*done_end..seeds.end).contains(start);
    if let Some(start) = before.seeds.iter().map(|(start, _)| *start).find(is_ahead) {
        return Err(wrong(format!(
            "it did seed {start}, too, behind others that it did not; allowed: seeds below {start}"
        )));
    }
    Ok((*done_end).min(seeds.end)..seeds.end)
}
