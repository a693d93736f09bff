//! How fast a listener accepts.

use std::time::Duration;

use crate::{AcceptRate, Instant};

/// A rate with its burst, as the generic cell rate algorithm counts it (ITU-T I.371): one time that
/// runs ahead of the clock, in place of tokens that somebody would have to fill in.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Pace {
    /// Between two connections, rounded up: what is promised is "at most".
    interval: Duration,
    /// How far `due_at` may be ahead.
    lead_max: Duration,
    /// When one more would come if they came evenly.
    due_at: Instant,
}

impl Pace {
    pub(super) fn new(rate: AcceptRate, now: Instant) -> Self {
        let interval =
            Duration::from_nanos(1_000_000_000_u64.div_ceil(rate.per_second.get().into()));
        assert!(!interval.is_zero(), "{rate:?} is no limit");
        let lead_max = interval.saturating_mul(rate.burst.get() - 1);
        assert!(lead_max >= interval || rate.burst.get() == 1, "{rate:?}: a burst of nothing");
        Self { interval, lead_max, due_at: now }
    }

    /// Until when the next one must wait; `None`: it need not.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        let ahead = self.due_at.saturating_since(now);
        assert!(ahead <= self.lead_max + self.interval, "more were accepted than might be");
        let until = (ahead > self.lead_max).then(|| now + (ahead - self.lead_max));
        assert!(until.is_none_or(|until| until > now), "a wait for what has passed");
        until
    }

    /// One was accepted.
    pub(super) fn took(&mut self, now: Instant) {
        assert!(self.wait(now).is_none(), "one was accepted before its time");
        self.due_at = self.due_at.max(now) + self.interval;
        assert!(self.due_at > now, "one was accepted, and it cost nothing");
    }
}
