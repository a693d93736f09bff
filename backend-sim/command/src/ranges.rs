//! Which seeds were done.

use std::fmt;

/// Seeds, as ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a seed above all others.
    pub(crate) fn push(&mut self, seed: u64) {
        match self.0.last_mut() {
            Some((_, end)) if *end == seed => *end += 1,
            last => {
                assert!(last.is_none_or(|(_, end)| *end < seed), "seeds come in ascending order");
                self.0.push((seed, seed + 1));
            }
        }
    }

    /// First seed, and the one after the last, of each range.
    pub(crate) fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 3;
        for (index, (start, end)) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{start}..{end}")?;
        }
        match self.0.len() {
            0 => f.write_str("none"),
            n if n > SHOWN_MAX => write!(f, " and {} more", n - SHOWN_MAX),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_range() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.to_string(), "none");
        [3, 4, 5, 9, 11, 12, 20].into_iter().for_each(|seed| ranges.push(seed));
        assert_eq!(ranges.as_slice(), [(3, 6), (9, 10), (11, 13), (20, 21)]);
        assert_eq!(ranges.to_string(), "3..6, 9..10, 11..13 and 1 more");
    }
}
