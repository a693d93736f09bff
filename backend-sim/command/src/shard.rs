//! Which part of a campaign's seeds one machine of many takes.

use std::ops::Range;
use std::str::FromStr;

use crate::exit::Problem;

/// The part that is to be done, as it was asked for. Shards are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shard {
    /// The part of this number, of so many.
    Number { index: u64, count: u64 },
    /// The number that the engine gives which started this process; it may leave the count to the
    /// caller.
    Auto { count: Option<u64> },
}

const ALLOWED: &str = "allowed: K/N with K below N, as 0/4; auto; or auto/N where the engine tells \
    a task its number and not their count";

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        if text == "auto" {
            return Ok(Shard::Auto { count: None });
        }
        let (index, count) = text.split_once('/').ok_or(ALLOWED)?;
        let count = count.parse().ok().filter(|count| *count > 0).ok_or(ALLOWED)?;
        if index == "auto" {
            return Ok(Shard::Auto { count: Some(count) });
        }
        let index = index.parse().ok().filter(|index| *index < count).ok_or(ALLOWED)?;
        Ok(Shard::Number { index, count })
    }
}

/// The way in which an engine tells a task its number.
struct Engine {
    index: &'static str,
    /// The variable of the first task's number, and that number where there is none.
    first: (&'static str, u64),
    count: &'static str,
}

/// Kubernetes tells no count; `completions` of the job is it.
const ENGINES: [Engine; 4] = [
    Engine {
        index: "SLURM_ARRAY_TASK_ID",
        first: ("SLURM_ARRAY_TASK_MIN", 0),
        count: "SLURM_ARRAY_TASK_COUNT",
    },
    Engine { index: "JOB_COMPLETION_INDEX", first: ("", 0), count: "" },
    Engine {
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: ("", 0),
        count: "AWS_BATCH_JOB_ARRAY_SIZE",
    },
    Engine { index: "CI_NODE_INDEX", first: ("", 1), count: "CI_NODE_TOTAL" },
];

impl Shard {
    /// The part of the seeds; neighbouring shards touch, so that all of them are all seeds, each
    /// once, and their digests add up.
    ///
    /// # Errors
    /// If there is no such part, or the environment does not say which one it is.
    pub(crate) fn part(
        self,
        seeds: Range<u64>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Range<u64>, Problem> {
        let (index, count) = match self {
            Shard::Number { index, count } => (index, count),
            Shard::Auto { count } => told(count, variable)?,
        };
        assert!(index < count && seeds.start < seeds.end);
        let length = seeds.end - seeds.start;
        if count > length {
            return Err(Problem::Usage(format!(
                "--shard: {count} shards of {length} seeds leave some with none; allowed: at most \
                 as many shards as seeds"
            )));
        }
        let at = |index: u64| {
            let before = u128::from(length) * u128::from(index) / u128::from(count);
            seeds.start + u64::try_from(before).expect("it is at most the length")
        };
        Ok(at(index)..at(index + 1))
    }
}

/// Number and count, as the engine's variables say.
fn told(
    count: Option<u64>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(u64, u64), Problem> {
    let number = |name: &str, text: String| {
        text.parse::<u64>().map_err(|_| {
            Problem::Usage(format!("--shard auto: {name}={text}; allowed: a whole number"))
        })
    };
    let found = ENGINES.iter().find_map(|engine| Some((engine, variable(engine.index)?)));
    let Some((engine, index)) = found else {
        let names: Vec<_> = ENGINES.iter().map(|engine| engine.index).collect();
        return Err(Problem::Usage(format!(
            "--shard auto: no engine says which shard this is; allowed: one of {} in the \
             environment, or --shard K/N",
            names.join(", ")
        )));
    };
    let (name, least) = engine.first;
    let first = variable(name).map_or(Ok(least), |text| number(name, text))?;
    let index = number(engine.index, index)?;
    let told = variable(engine.count).map(|text| number(engine.count, text)).transpose()?;
    let Some(count) = count.or(told) else {
        return Err(Problem::Usage(format!(
            "--shard auto: {} is there, and nothing says how many shards there are; allowed: \
             --shard auto/N",
            engine.index
        )));
    };
    match index.checked_sub(first) {
        Some(from_zero) if from_zero < count => Ok((from_zero, count)),
        _ => Err(Problem::Usage(format!(
            "--shard auto: {}={index}, of {count} shards; allowed: {first} to {}",
            engine.index,
            (first + count).saturating_sub(1)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(shard: &str, seeds: Range<u64>, set: &[(&str, &str)]) -> Result<Range<u64>, String> {
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        shard.parse::<Shard>()?.part(seeds, &variable).map_err(|problem| match problem {
            Problem::Usage(line) => line,
            Problem::Output(..) => unreachable!("nothing is written"),
        })
    }

    #[test]
    fn shards_are_all_seeds_each_once() {
        for (count, seeds) in [(1, 0..1), (3, 5..105), (7, 0..7), (4, 0..u64::MAX)] {
            let mut next = seeds.start;
            for index in 0..count {
                let part = part(&format!("{index}/{count}"), seeds.clone(), &[]).unwrap();
                assert!(part.start == next && part.start < part.end, "{index}/{count} {part:?}");
                next = part.end;
            }
            assert_eq!(next, seeds.end);
        }
    }

    #[test]
    fn each_engine_says_which_shard_it_is() {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
        ];
        assert_eq!(part("auto", 0..100, &slurm), Ok(50..75));
        assert_eq!(part("auto/4", 0..100, &[("JOB_COMPLETION_INDEX", "0")]), Ok(0..25));
        let aws = [("AWS_BATCH_JOB_ARRAY_INDEX", "3"), ("AWS_BATCH_JOB_ARRAY_SIZE", "4")];
        assert_eq!(part("auto", 0..100, &aws), Ok(75..100));
        let gitlab = [("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")];
        assert_eq!(part("auto", 0..100, &gitlab), Ok(0..25));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for wrong in ["", "1", "4/4", "-1/4", "a/4", "0/0", "auto/0", "auto/x", "1/2/3"] {
            assert!(part(wrong, 0..100, &[]).unwrap_err().contains("allowed: K/N"), "{wrong}");
        }
        let told = |shard, set: &[_]| part(shard, 0..100, set).unwrap_err();
        assert!(told("auto", &[]).contains("SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX"));
        assert!(told("auto", &[("JOB_COMPLETION_INDEX", "0")]).contains("allowed: --shard auto/N"));
        let node = |index| told("auto/4", &[("CI_NODE_INDEX", index)]);
        assert!(
            node("0").contains("CI_NODE_INDEX=0, of 4 shards; allowed: 1 to 4"),
            "{}",
            node("0")
        );
        assert!(node("5").contains("allowed: 1 to 4") && node("x").contains("a whole number"));
        assert!(told("0/101", &[]).contains("101 shards of 100 seeds"));
    }
}
