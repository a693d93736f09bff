//! The rate at which a listener accepts.

use std::time::Duration;

use crate::{AcceptRate, Instant};

/// A rate with its burst, as the generic cell rate algorithm counts it (ITU-T I.371): one time that
/// runs ahead of the clock, in place of tokens that somebody would have to fill in.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Pace {
    /// Between two connections, rounded up: what is promised is "at most".
    interval: Duration,
    /// The time by which `due_at` may be ahead.
    lead_max: Duration,
    /// When one more would come if they came evenly.
    due_at: Instant,
}

impl Pace {
    /// That of one of `parts` which share a rate: an equal share of it and of its burst, of which
    /// what does not divide goes to the first ones, but at least one.
    pub(crate) fn of_part(rate: AcceptRate, part: u32, parts: u32, now: Instant) -> Self {
        assert!(part < parts, "part {part} of {parts}");
        assert!(parts <= crate::SHARDS_MAX, "more parts than there are Muxes");
        let interval =
            Duration::from_nanos(1_000_000_000_u64.div_ceil(rate.per_second.get().into()));
        assert!(!interval.is_zero(), "{rate:?} is no limit");
        let interval = interval.saturating_mul(parts);
        let left_over = rate.burst.get() % parts;
        let burst = (rate.burst.get() / parts + u32::from(part < left_over)).max(1);
        let lead_max = interval.saturating_mul(burst - 1);
        assert!(lead_max >= interval || burst == 1, "{rate:?}: a burst of nothing");
        Self { interval, lead_max, due_at: now }
    }

    /// Until when the next one must wait; `None`: it need not.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        let ahead = self.due_at.saturating_since(now);
        assert!(ahead <= self.lead_max + self.interval, "more were accepted than might be");
        let until = (ahead > self.lead_max).then(|| now + (ahead - self.lead_max));
        assert!(until.is_none_or(|until| until > now), "a wait for what has passed");
        until
    }

    /// One was accepted.
    pub(crate) fn took(&mut self, now: Instant) {
        assert!(self.wait(now).is_none(), "one was accepted before its time");
        self.due_at = self.due_at.max(now) + self.interval;
        assert!(self.due_at > now, "one was accepted, and it cost nothing");
    }
}
