//! A moment, or none, in one word.

use std::fmt;

/// A moment of a world's time in nanoseconds, or none. One word, where an `Option` takes two:
/// worlds have many of them for each socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u64);

/// The world's end is never reached.
const NONE: u64 = u64::MAX;

impl Default for Mark {
    fn default() -> Self {
        Self(NONE)
    }
}

impl Mark {
    /// This moment.
    pub(crate) fn at(nanos: u64) -> Self {
        assert_ne!(nanos, NONE, "a world ends before");
        Self(nanos)
    }

    /// The moment, if there is one.
    #[inline]
    pub(crate) fn get(self) -> Option<u64> {
        (self.0 != NONE).then_some(self.0)
    }

    /// Sets it, unless it is set.
    pub(crate) fn set_first(&mut self, nanos: u64) {
        if self.get().is_none() {
            *self = Self::at(nanos);
        }
    }
}

/// As an `Option` is told.
impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_stays() {
        let mut mark = Mark::default();
        assert_eq!(mark.get(), None);
        mark.set_first(0);
        mark.set_first(7);
        assert_eq!(mark.get(), Some(0));
        assert_eq!(format!("{mark:?} {:?}", Mark::default()), "Some(0) None");
        assert_eq!(size_of::<Mark>(), 8);
    }
}
