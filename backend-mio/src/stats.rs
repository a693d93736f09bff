//! What an operator sees of a runtime.

use std::time::Duration;

use tidelock_core::Stats;

use crate::DirectWriteStats;

/// What an operator sees of a runtime: a snapshot, taken by
/// [`Handle::stats`](crate::Handle::stats).
///
/// Counters count from the start of the runtime and never go back. What the network thread counts
/// is as of the last time that it looked for events, at most 32 turns ago; a service on it that
/// does not return makes it older.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeStats {
    /// Sockets by state, bytes, messages, limits that were reached, timeouts. What workers wrote
    /// themselves is among the bytes and messages.
    pub mux: Stats,
    /// What workers wrote themselves, as of now; all zero without workers, or with
    /// [`Config::direct_write`](tidelock_core::Config::direct_write) off.
    pub direct_writes: DirectWriteStats,
    /// Calls of the system.
    pub calls: Calls,
    /// How long turns took: events, commands, input and output of a few sockets, and with
    /// `workers(0)` the services that had messages.
    pub turns: Histogram,
    /// Commands that wait for the network thread.
    pub commands_queued: u64,
    /// Payload of all outboxes and of sends on their way, 64 bytes more for each message: what
    /// `total_bytes_max` bounds.
    pub charged_bytes: u64,
    /// Sends that were refused because their socket was gone or ending: a service that goes on
    /// sending to it.
    pub stale_sends: u64,
    /// Services that are alive.
    pub services: u64,
    /// Services whose mailbox holds a message and that do not run.
    pub services_waiting: u64,
    /// Services that run on a worker; always zero with `workers(0)`.
    pub services_running: u64,
}

/// What the network threads asked of the system, and of the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Waits for events, those that found some at once included.
    pub polls: u64,
    /// Waits that another thread ended, because it asked something.
    pub wake_ups: u64,
    /// Batches of messages that workers were given, each of which may wake some; always zero with
    /// `workers(0)`. Much that comes at once goes in few of them.
    pub hand_overs: u64,
    /// `accept`, those that found nobody included.
    pub accepts: u64,
    /// Connects that were begun.
    pub connects: u64,
    /// Reads of streams, those that found nothing included.
    pub reads: u64,
    /// Vectored writes of streams.
    pub writes: u64,
    /// Datagrams received, attempts included.
    pub receives: u64,
    /// Datagrams sent, attempts included.
    pub sends: u64,
}

/// Durations by powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum_nanos: u64,
}

/// The last one is for everything from 2^38 ns, some five minutes, on.
const BUCKETS: usize = 40;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_nanos: 0 }
    }
}

impl Calls {
    /// Adds those of another network thread.
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
    /// Adds those of another network thread.
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

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// The buckets: a duration that all of a bucket are below, and how many are in it and in no
    /// earlier one. The last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        self.counts.into_iter().enumerate().map(|(bucket, count)| {
            let bound = (bucket + 1 < BUCKETS).then(|| Duration::from_nanos(1 << bucket));
            (bound, count)
        })
    }

    /// A duration that at least `share` of those counted, in thousandths, are below: a bucket's
    /// bound, so at most twice what it was. `None` if none were counted, or if the bucket has no
    /// bound.
    ///
    /// # Panics
    /// If `share` is above 1,000.
    pub fn quantile(&self, share_thousandths: u32) -> Option<Duration> {
        assert!(share_thousandths <= 1000, "{share_thousandths} thousandths are more than all");
        let count = self.count();
        // Rounded up: the share is at least so many.
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
