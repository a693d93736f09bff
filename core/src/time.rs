//! Time, as a number that the driver passes in: the core has no clock.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

/// A point in time: nanoseconds since an origin that the driver chooses and never moves.
///
/// tidelock-mio counts from the start of the runtime on the monotonic clock, tidelock-sim from
/// the start of the world. Sums saturate, so that a deadline may be as far away as you like.
///
/// An `Option<Instant>` has the size of an `Instant`: sockets hold several times, most of which are
/// absent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Nanoseconds since the origin, plus one, so that zero can stand for `None`.
    nanos_and_one: NonZeroU64,
}

const _: () = assert!(size_of::<Option<Instant>>() == size_of::<u64>(), "`None` needs no room");

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant { nanos_and_one: NonZeroU64::MIN };
    /// The last representable point, 584 years after the origin.
    pub const MAX: Instant = Instant { nanos_and_one: NonZeroU64::MAX };

    /// Returns the point `nanos` nanoseconds after the origin, or [`MAX`](Self::MAX) if it is not
    /// representable.
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { nanos_and_one: NonZeroU64::MIN.saturating_add(nanos) }
    }

    /// Returns the nanoseconds since the origin.
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.nanos_and_one.get() - 1
    }

    /// Returns the time from `earlier` to `self`, or zero if `earlier` is later.
    #[inline]
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.as_nanos().saturating_sub(earlier.as_nanos()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, span: Duration) -> Instant {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Instant { nanos_and_one: self.nanos_and_one.saturating_add(nanos) }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.as_nanos();
        write!(f, "{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::ZERO.saturating_since(Instant::MAX), Duration::ZERO);
        assert_eq!(Instant::from_nanos(u64::MAX), Instant::MAX);
    }

    #[test]
    fn nanoseconds_come_back_as_they_went_in() {
        for nanos in [0, 1, 1_000_000_000, u64::MAX - 1] {
            let at = Instant::from_nanos(nanos);
            assert_eq!(at.as_nanos(), nanos);
            assert_eq!(at, Instant::ZERO + Duration::from_nanos(nanos));
        }
        assert_eq!(Instant::default(), Instant::ZERO);
        assert_eq!(Instant::from_nanos(1_000_000_002).to_string(), "1.000000002s");
    }
}
