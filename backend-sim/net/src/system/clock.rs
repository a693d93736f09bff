//! A host's clock: it may run at another rate than the world's, and jump ahead; never back.

use crate::words::trouble::{JUMP_NANOS_MAX, RATE_PPM_MAX};

/// The relation of a host's time to the world's.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Clock {
    /// The world's time of the last change, and the host's at it.
    base_nanos: u64,
    base_local_nanos: u64,
    /// Millionths that it is too fast.
    rate_ppm: i32,
}

const MILLION: u128 = 1_000_000;

impl Clock {
    fn rate(self) -> u128 {
        // The bound of the rate keeps it positive.
        (1_000_000 + i64::from(self.rate_ppm)).unsigned_abs().into()
    }

    /// The host's time at the world's `now`, which is not before the last change.
    #[inline]
    pub fn local(self, now: u64) -> u64 {
        let span = now - self.base_nanos;
        match self.rate_ppm {
            0 => self.base_local_nanos + span,
            _ => self.base_local_nanos + (u128::from(span) * self.rate() / MILLION) as u64,
        }
    }

    /// The first of the world's times at which the host's time is `local` or later.
    #[inline]
    pub fn global(self, local: u64) -> u64 {
        let span = local.saturating_sub(self.base_local_nanos);
        match self.rate_ppm {
            0 => self.base_nanos.saturating_add(span),
            _ => {
                let span = (u128::from(span) * MILLION).div_ceil(self.rate());
                self.base_nanos.saturating_add(u64::try_from(span).unwrap_or(u64::MAX))
            }
        }
    }

    /// From the world's `now` on it is too fast by so many millionths.
    pub fn set_rate(&mut self, now: u64, rate_ppm: i32) {
        assert!(rate_ppm.abs() <= RATE_PPM_MAX, "a clock that is off by {rate_ppm} ppm");
        self.rebase(now);
        self.rate_ppm = rate_ppm;
    }

    /// At the world's `now` it jumps ahead.
    pub fn jump(&mut self, now: u64, nanos: u64) {
        assert!(nanos <= JUMP_NANOS_MAX, "a clock that jumps by {nanos} ns");
        self.rebase(now);
        self.base_local_nanos += nanos;
    }

    fn rebase(&mut self, now: u64) {
        self.base_local_nanos = self.local(now);
        self.base_nanos = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_runs_at_its_rate_and_never_back() {
        let mut clock = Clock::default();
        assert_eq!((clock.local(70), clock.global(70)), (70, 70));
        clock.set_rate(1_000, 100_000);
        assert_eq!((clock.local(1_000), clock.local(2_000)), (1_000, 2_100));
        clock.set_rate(2_000, -100_000);
        assert_eq!((clock.local(2_000), clock.local(3_000)), (2_100, 3_000));
        clock.jump(3_000, 50);
        assert_eq!(clock.local(3_000), 3_050);
    }

    #[test]
    fn a_deadline_is_met_at_the_first_time_that_reaches_it() {
        let mut clock = Clock::default();
        for rate in [-100_000, -3, 1, 777, 100_000] {
            clock.set_rate(10, rate);
            for local in 10..3_000 {
                let global = clock.global(local);
                assert!(clock.local(global) >= local, "{rate}: {local} at {global}");
                assert!(global == 10 || clock.local(global - 1) < local, "{rate}: {local}");
            }
        }
    }
}
