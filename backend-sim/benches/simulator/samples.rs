//! Measurements: medians with their range, and how they compare with a target. The bench of
//! tidelock-mio has this file, too.

use std::fmt;

/// Several measurements of one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    values: Vec<f64>,
}

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, value: f64) {
        assert!(value.is_finite(), "a measurement is a number");
        self.values.push(value);
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.sorted()[self.values.len() / 2]
    }

    fn sorted(&self) -> Vec<f64> {
        assert!(!self.values.is_empty(), "nothing was measured");
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Median, and least to greatest.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        let (least, greatest) = (sorted[0], sorted[sorted.len() - 1]);
        write!(f, "{:>12.0}  ({least:.0} to {greatest:.0})", self.median())
    }
}

/// A ratio and what it should be.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    /// The name of the comparison.
    pub(crate) name: String,
    /// The ratio, or the number itself.
    pub(crate) value: f64,
    /// The target.
    pub(crate) target: Target,
}

/// The target of a number.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each bench has targets of its own")]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// One line, for people and programs.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, target } = self;
        let (operator, number, is_met) = match *target {
            Target::AtLeast(number) => (">=", number, *value >= number),
            Target::AtMost(number) => ("<=", number, *value <= number),
        };
        let verdict = if is_met { "ok" } else { "short" };
        write!(f, "ratio {name} {value:.2} target {operator} {number} {verdict}")
    }
}
