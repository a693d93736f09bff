//! The way from one host to another: latency, bandwidth, and whether it is open.

use crate::noise::{Amount, Noise};

/// One direction between two hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// The shortest way, in nanoseconds.
    pub latency_nanos: u64,
    /// Noise adds less than this.
    pub jitter_nanos: u64,
    /// 0 is without bound.
    pub bytes_per_second: u64,
    /// What is sent waits until then for what was sent before.
    busy_until_nanos: u64,
    /// Nothing arrives before this.
    blocked_until_nanos: u64,
    packets: u64,
}

impl Link {
    /// A way of this latency, jitter and bandwidth (0: without bound).
    pub fn new(latency_nanos: u64, jitter_nanos: u64, bytes_per_second: u64) -> Self {
        Self { latency_nanos, jitter_nanos, bytes_per_second, ..Self::default() }
    }

    /// When a packet that is sent at `now` arrives.
    pub fn transmit(&mut self, number: u32, now: u64, size_bytes: u64, noise: Noise) -> u64 {
        self.packets += 1;
        let nanos = (size_bytes + HEADER_BYTES) * 1_000_000_000;
        if let Some(span) = nanos.checked_div(self.bytes_per_second) {
            self.busy_until_nanos = self.busy_until_nanos.max(now) + span;
        }
        let jitter = noise.below(number, Amount::Latency, self.packets, self.jitter_nanos);
        self.busy_until_nanos.max(now) + self.latency_nanos.max(1) + jitter
    }

    /// Whether what arrives at `now` must wait, and until when.
    pub fn blocked_until(&self, now: u64) -> Option<u64> {
        (self.blocked_until_nanos > now).then_some(self.blocked_until_nanos)
    }

    /// Lets nothing arrive before `until`.
    pub fn block(&mut self, until_nanos: u64) {
        self.blocked_until_nanos = self.blocked_until_nanos.max(until_nanos);
    }
}

/// What a packet costs besides its payload.
const HEADER_BYTES: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_queue_at_a_slow_link() {
        let mut link = Link::new(1000, 0, 1_000_000_000);
        let noise = Noise::new(0);
        assert_eq!(link.transmit(0, 0, 60, noise), 1100);
        assert_eq!(link.transmit(0, 0, 60, noise), 1200);
        assert_eq!(link.transmit(0, 5000, 60, noise), 6100);
    }

    #[test]
    fn a_blocked_link_says_until_when() {
        let mut link = Link::new(1000, 0, 0);
        link.block(50);
        assert_eq!((link.blocked_until(49), link.blocked_until(50)), (Some(50), None));
    }
}
