//! Decisions that are given by their number: what an exhaustive search runs again and again.

use super::{Choices, Site, Visited};
use crate::words::kinds::{KIND_COUNT, Kind};

/// A decision that is not benign: at which choice point of the run, counted from 0, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chosen {
    /// The number of choice points before it.
    pub point: u32,
    /// The value; for a cut, how many bytes pass.
    pub value: u32,
}

/// Where something else than the benign answer could have been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoicePoint {
    /// The kind of the decision there.
    pub kind: Kind,
    /// Values are below this; at least 2.
    pub bound: u32,
}

/// Gives the chosen values at their points and benign answers everywhere else, and lists the
/// points that it met. A question that has only the benign answer is no point.
#[derive(Debug)]
pub struct Enumerate {
    chosen: Vec<Chosen>,
    next: usize,
    points: Vec<ChoicePoint>,
    is_quiet: bool,
    injected: [u64; KIND_COUNT],
    /// The states that runs came to before, and the number of decisions that may follow in other
    /// runs.
    visited: Option<(Visited, u32)>,
}

impl Enumerate {
    /// Decides as `chosen` says, which is in ascending order of its points.
    pub fn new(chosen: &[Chosen]) -> Self {
        let is_ascending = chosen.windows(2).all(|pair| pair[0].point < pair[1].point);
        assert!(is_ascending, "one decision for each point, in order: {chosen:?}");
        Self {
            chosen: chosen.to_vec(),
            next: 0,
            points: Vec::new(),
            is_quiet: false,
            injected: [0; KIND_COUNT],
            visited: None,
        }
    }

    /// The same, but the run ends where, after its last decision, it comes to what an earlier run
    /// followed with at least `left` decisions. The points behind that are not met.
    pub fn among(chosen: &[Chosen], visited: Visited, left: u32) -> Self {
        Self { visited: Some((visited, left)), ..Self::new(chosen) }
    }

    /// Takes the states that runs came to, this one included.
    pub fn take_visited(&mut self) -> Option<Visited> {
        self.visited.take().map(|(visited, _)| visited)
    }

    /// The points that were met, in order. Those before the last decision are the same in every
    /// run with these decisions.
    pub fn points(&self) -> &[ChoicePoint] {
        &self.points
    }

    /// Returns `true` if every chosen decision was asked for.
    pub fn is_complete(&self) -> bool {
        self.next == self.chosen.len()
    }

    #[inline]
    fn choose(&mut self, kind: Kind, bound: u64) -> u32 {
        if bound < 2 || self.is_quiet {
            return 0;
        }
        let bound = u32::try_from(bound).expect("a world that is searched is small");
        let point = self.points.len() as u32;
        self.points.push(ChoicePoint { kind, bound });
        let Some(chosen) = self.chosen.get(self.next).filter(|chosen| chosen.point == point) else {
            return 0;
        };
        assert!((1..bound).contains(&chosen.value), "{chosen:?} is not below {bound}");
        self.next += 1;
        self.injected[kind.0 as usize] += 1;
        chosen.value
    }
}

impl Choices for Enumerate {
    fn birth(&mut self, _entity: u32, _name: &dyn Fn() -> String) {}

    fn draw(&mut self, site: Site, bound: u32) -> u32 {
        self.choose(site.kind, u64::from(bound))
    }

    fn draw_at(&mut self, site: Site, _position: u64, _length: usize, bound: u32) -> u32 {
        self.choose(site.kind, u64::from(bound))
    }

    fn cut(&mut self, site: Site, _position: u64, length: usize) -> usize {
        match self.choose(site.kind, length as u64) {
            0 => length,
            passed => passed as usize,
        }
    }

    fn quiet(&mut self) {
        self.is_quiet = true;
    }

    fn wants_histories(&self) -> bool {
        self.visited.is_some()
    }

    fn wants_fingerprint(&self) -> bool {
        self.visited.is_some() && self.is_complete()
    }

    fn is_known(&mut self, fingerprint: u128) -> bool {
        let (visited, left) = self.visited.as_mut().expect("it asked for a fingerprint");
        visited.is_known(fingerprint, *left)
    }

    fn injected(&self) -> &[u64; KIND_COUNT] {
        &self.injected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_values_are_given_at_their_points_and_nowhere_else() {
        let chosen = [Chosen { point: 1, value: 3 }, Chosen { point: 2, value: 1 }];
        let mut choices = Enumerate::new(&chosen);
        let site = |kind| Site { kind, entity: 0 };
        assert_eq!(choices.draw(site(Kind::TIE), 4), 0);
        assert_eq!(choices.cut(site(Kind::IN_CUT), 0, 1), 1, "one byte cannot be cut: no point");
        assert_eq!(choices.cut(site(Kind::IN_CUT), 0, 8), 3);
        assert!(!choices.is_complete());
        assert_eq!(choices.draw(site(Kind::CONNECT), 5), 1);
        assert!(choices.is_complete());
        choices.quiet();
        assert_eq!(choices.draw(site(Kind::TIE), 4), 0);
        assert_eq!(choices.points().len(), 3, "after quiet there is nothing to choose");
        assert_eq!(choices.injected().iter().sum::<u64>(), 2);
    }
}
