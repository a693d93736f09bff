//! The figures of a runtime, for operators.

use std::time::Duration;

use tidelock_core::Stats;

/// A snapshot of the figures of a runtime, taken by [`Handle::stats`](crate::Handle::stats).
///
/// Counters start with the runtime and never decrease. The counters of a network thread are as of
/// the last time that it polled for events, at most 32 turns ago; they are older while a service
/// on it does not return.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeStats {
    /// Sockets by state, bytes, messages, limits that were reached, timeouts.
    pub mux: Stats,
    /// System calls.
    pub calls: Calls,
    /// The durations of turns. A turn includes events, commands, the input and output of a few
    /// sockets, and with `workers(0)` the services that have messages.
    pub turns: Histogram,
    /// Commands that wait for a network thread.
    pub commands_queued: u64,
    /// Payload in all outboxes and in sends on their way, plus 64 bytes for each message; the sum
    /// that `total_bytes_max` limits.
    pub charged_bytes: u64,
    /// Sends refused because their socket was gone or closing: some service goes on sending to it.
    pub stale_sends: u64,
    /// Services alive.
    pub services: u64,
    /// Services that have messages and are not running.
    pub services_waiting: u64,
    /// Services running on a worker; always zero with `workers(0)`.
    pub services_running: u64,
}

/// The system calls of the network threads, and their hand-overs to workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Waits for events, including those that found some at once.
    pub polls: u64,
    /// Waits that another thread ended, because it had commands.
    pub wake_ups: u64,
    /// Batches of messages handed over to workers, each of which may wake some; always zero with
    /// `workers(0)`. Messages that come at the same time go in few batches.
    pub hand_overs: u64,
    /// Calls of `accept`, including those that found no connection.
    pub accepts: u64,
    /// Connects begun.
    pub connects: u64,
    /// Reads of streams, including those that found nothing.
    pub reads: u64,
    /// Writes of streams.
    pub writes: u64,
    /// Receives of datagrams, including those that found nothing.
    pub receives: u64,
    /// Sends of datagrams, including those that failed.
    pub sends: u64,
}

/// A histogram of durations, with buckets that end at powers of two of nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum_nanos: u64,
}

/// The last bucket is for everything from 2^38 ns, almost five minutes, on.
const BUCKETS: usize = 40;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_nanos: 0 }
    }
}

impl Calls {
    /// Adds the counts of another network thread.
    pub(crate) fn merge(&mut self, other: &Calls) {
        let Self { polls, wake_ups, hand_overs, accepts, connects, reads, writes, receives, sends } =
            self;
        *polls += other.polls;
        *wake_ups += other.wake_ups;
        *hand_overs += other.hand_overs;
        *accepts += other.accepts;
        *connects += other.connects;
        *reads += other.reads;
        *writes += other.writes;
        *receives += other.receives;
        *sends += other.sends;
    }
}

impl Histogram {
    /// Adds the counts of another network thread.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, others)| *own += others);
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    pub(crate) fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - nanos.leading_zeros()) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// Returns the upper bound of each bucket, which is exclusive, and the number of durations in
    /// it. The last bucket has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        self.counts.into_iter().enumerate().map(|(bucket, count)| {
            let bound = (bucket + 1 < BUCKETS).then(|| Duration::from_nanos(1 << bucket));
            (bound, count)
        })
    }

    /// Returns a duration that at least `share_thousandths` of the durations are below. It is the
    /// bound of a bucket, so at most twice the exact quantile. `None` if there are no durations, or
    /// if the bucket has no bound.
    ///
    /// # Panics
    /// If `share_thousandths` is above 1,000.
    pub fn quantile(&self, share_thousandths: u32) -> Option<Duration> {
        assert!(share_thousandths <= 1000, "a share of {share_thousandths} thousandths is above 1");
        let count = self.count();
        // Rounded up, because at least that share must be below.
        let wanted = (u128::from(count) * u128::from(share_thousandths)).div_ceil(1000);
        let mut seen = 0;
        let mut buckets = self.buckets().filter(|(_, count)| *count > 0);
        buckets
            .find(|(_, count)| {
                seen += u128::from(*count);
                seen >= wanted
            })
            .and_then(|(bound, _)| bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_below_the_next_power_of_two() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.quantile(500)), (0, None));
        for nanos in [0, 1, 2, 3, 4, 1023, 1024] {
            histogram.add(Duration::from_nanos(nanos));
        }
        let filled: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        let below = |nanos| Some(Duration::from_nanos(nanos));
        let expected = [(1, 1), (2, 1), (4, 2), (8, 1), (1024, 1), (2048, 1)];
        assert_eq!(filled, expected.map(|(nanos, count)| (below(nanos), count)));
        assert_eq!(histogram.sum(), Duration::from_nanos(2057));
        assert_eq!(histogram.quantile(0), below(1));
        assert_eq!(histogram.quantile(571), below(4), "four of seven");
        assert_eq!(histogram.quantile(572), below(8), "a little more");
        assert_eq!(histogram.quantile(1000), below(2048));
        histogram.add(Duration::MAX);
        assert_eq!(histogram.quantile(1000), None);
        assert_eq!(histogram.buckets().last(), Some((None, 1)));
        assert_eq!(histogram.sum(), Duration::from_nanos(u64::MAX));
    }
}
