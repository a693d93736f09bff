//! The number of connections that a listener may have accepted: a bucket of tokens, where the core
//! has a time that runs ahead.

/// Parts of one connection.
const WHOLE: u64 = 1_000_000_000;

/// The connections that a listener with a rate may accept.
#[derive(Clone, Debug, Hash)]
pub(super) struct Tokens {
    per_second: u64,
    burst: u64,
    /// Billionths of a connection, at `at`.
    left: u64,
    at: u64,
}

impl Tokens {
    pub(super) fn new(per_second: u32, burst: u32, now: u64) -> Self {
        let (per_second, burst) = (u64::from(per_second), u64::from(burst));
        Self { per_second, burst, left: burst * WHOLE, at: now }
    }

    /// One was accepted.
    ///
    /// # Errors
    /// It came too early.
    pub(super) fn take(&mut self, now: u64) -> Result<(), String> {
        // A billionth of a second gives `per_second` billionths of a connection.
        let gained = now.saturating_sub(self.at).saturating_mul(self.per_second);
        self.left = self.left.saturating_add(gained).min(self.burst * WHOLE);
        self.at = now;
        let Some(left) = self.left.checked_sub(WHOLE) else {
            let (per_second, burst) = (self.per_second, self.burst);
            return Err(format!("accepts more than {per_second} in a second, {burst} at once"));
        };
        self.left = left;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut tokens = Tokens::new(10, 2, 500);
        assert_eq!([500, 500].map(|now| tokens.take(now).is_ok()), [true; 2]);
        assert!(tokens.clone().take(100_000_499).is_err(), "one comes each 100 ms");
        tokens.take(100_000_500).unwrap();
        assert!(tokens.clone().take(200_000_499).is_err());
        // However long nobody came, not more than the burst is saved.
        assert_eq!([9, 9, 9].map(|s| tokens.take(s * WHOLE).is_ok()), [true, true, false]);
    }
}
