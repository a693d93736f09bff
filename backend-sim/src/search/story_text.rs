//! A failure that was made small, in words; and two texts next to each other.

use crate::campaign::one_line;
use crate::report::table::side_by_side;
use crate::report::text::{end_lines, entry_lines, grouped, shortened, source_name};
use crate::run::Report;
use crate::search::shrink::Story;

/// A failure's story: what was violated, what is left of it, which line decides, the last events.
/// At most `lines_max` lines; the events make room first.
///
/// `found` is the run that failed. `kept` stands at the end, name and text: where the scripts lie,
/// the command that replays.
pub fn story_text(
    found: &Report,
    story: &Story,
    kept: &[(&str, String)],
    lines_max: usize,
) -> Vec<String> {
    const DETAIL_LINES_MAX: usize = 4;
    assert!(lines_max >= 16 + kept.len(), "there is room for the violation");
    let failure = story.report.failure.as_ref().expect("what was shrunk fails");
    let source = source_name(found);
    let mut lines = vec![format!("FAILED  {source}: {}", failure.law)];
    let mut entry = |name: &str, text: &str, max| lines.extend(entry_lines(name, text, max));
    entry("violated", &one_line(&failure.detail), DETAIL_LINES_MAX);
    entry("signature", &failure.signature, 1);
    let runs = match story.shrunk.is_minimal {
        true => format!("{} runs", grouped(story.shrunk.runs)),
        false => format!("{} runs, budget over", grouped(story.shrunk.runs)),
    };
    let world = if story.is_of_smaller_world { ", a smaller world that fails alike" } else { "" };
    entry("shrunk", &format!("{} → {} ({runs}{world})", story.before, story.after), 2);
    if let Some(decisive) = &story.shrunk.decisive {
        entry("decisive", decisive, 2);
    }
    let room = lines_max - lines.len() - kept.len();
    let script = script_lines(story);
    // A line for what is left out.
    let shown = if script.len() <= room { script.len() } else { room - 1 };
    lines.extend(script[..shown].iter().map(|line| format!("    {}", shortened(line))));
    if shown < script.len() {
        lines.push(format!("    … and {} more lines", script.len() - shown));
    }
    end_lines(&mut lines, failure, kept, lines_max);
    lines
}

/// The lines of what is left that say what happens, without what is told elsewhere.
fn script_lines(story: &Story) -> Vec<String> {
    let text = story.shrunk.script.to_string();
    let is_told = |line: &&str| {
        ["tide ", "#", "scenario ", "signature "].iter().all(|start| !line.starts_with(start))
    };
    text.lines().filter(is_told).map(str::to_owned).collect()
}

/// Two texts next to each other, each under its head and broken where its column ends.
pub fn columns(left: [&str; 2], right: [&str; 2]) -> Vec<String> {
    const COLUMNS_MAX: usize = 46;
    let block = |[head, text]: [&str; 2]| {
        let characters: Vec<char> = text.chars().collect();
        let rows = characters.chunks(COLUMNS_MAX).map(|row| row.iter().collect());
        [head.to_owned()].into_iter().chain(rows).collect::<Vec<String>>()
    };
    side_by_side(&[block(left), block(right)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_next_to_each_other_and_nothing_of_them_is_lost() {
        let long = "x".repeat(100);
        let lines = columns(["first", &long], ["second", "short"]);
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("first ") && lines[0].ends_with("second"), "{lines:?}");
        assert!(lines[1].ends_with("short"), "{lines:?}");
        assert_eq!(lines.concat().matches('x').count(), 100);
    }
}
