//! The digest at some steps of a run, so that the place where two runs part is found without
//! their traces.

/// A bounded number of digests, evenly spread over the steps so far.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    every: u64,
    /// The step of the next one.
    pub next: u64,
    points: Vec<(u64, u64)>,
}

/// As many are kept at most; when there are more, every other one goes.
const POINTS_MAX: usize = 64;

impl Default for Checkpoints {
    fn default() -> Self {
        Self { every: 1, next: 1, points: Vec::new() }
    }
}

impl Checkpoints {
    /// Notes the digest after a step.
    pub fn note(&mut self, step: u64, digest: u64) {
        assert_eq!(step, self.next, "checkpoints are noted where they are due");
        if self.points.len() == POINTS_MAX {
            self.every *= 2;
            let every = self.every;
            self.points.retain(|(step, _)| step.is_multiple_of(every));
        }
        if step.is_multiple_of(self.every) {
            self.points.push((step, digest));
        }
        self.next = (step / self.every + 1) * self.every;
    }

    /// Step and digest, in order of steps.
    pub fn into_points(self) -> Vec<(u64, u64)> {
        self.points
    }
}

/// The steps between which two runs part: after the first, at the last at the latest. `None` if
/// all checkpoints that both have are the same.
pub fn first_difference(left: &[(u64, u64)], right: &[(u64, u64)]) -> Option<(u64, u64)> {
    // A run that is longer has its checkpoints farther apart.
    let digest_at = |step: u64| {
        let at = right.binary_search_by_key(&step, |(step, _)| *step).ok()?;
        Some(right[at].1)
    };
    let both = left.iter().filter_map(|(step, digest)| Some((*step, *digest, digest_at(*step)?)));
    let both: Vec<(u64, u64, u64)> = both.collect();
    // Once apart, digests stay apart: they hash everything before.
    let at = both.partition_point(|(_, left, right)| left == right);
    let (last, ..) = both.get(at)?;
    let first = if at == 0 { 0 } else { both[at - 1].0 };
    Some((first, *last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(steps: u64, parts_at: u64) -> Vec<(u64, u64)> {
        let mut checkpoints = Checkpoints::default();
        for step in 1..=steps {
            if step == checkpoints.next {
                checkpoints.note(step, step * 10 + u64::from(step >= parts_at));
            }
        }
        checkpoints.into_points()
    }

    #[test]
    fn checkpoints_are_bounded_and_spread_over_the_whole_run() {
        for steps in [1, 63, 64, 65, 1_000, 100_000] {
            let points = points(steps, u64::MAX);
            assert!(points.len() <= POINTS_MAX && !points.is_empty(), "{steps}: {}", points.len());
            let (last, _) = points[points.len() - 1];
            assert!(last * 2 > steps, "{steps}: the last is at {last}");
        }
    }

    #[test]
    fn the_first_difference_lies_between_two_checkpoints() {
        for parts_at in [1, 2, 77, 500, 900] {
            let (whole, parted) = (points(1_000, u64::MAX), points(1_500, parts_at));
            let (from, to) = first_difference(&whole, &parted).expect("they part");
            assert!(from < parts_at && parts_at <= to, "{parts_at}: {from}..{to}");
            assert!(to - from <= 128, "{from}..{to}");
        }
        assert_eq!(first_difference(&points(1_000, u64::MAX), &points(900, u64::MAX)), None);
    }
}
