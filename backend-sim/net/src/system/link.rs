//! The way from one host to another: latency, bandwidth, what it loses, and whether it is open.

use std::fmt;
use std::hash::Hash;

use crate::base::fingerprint::{Fingerprint, still_to_come};
use crate::chance::noise::{Amount, Noise};

/// One direction between two hosts. What varies on it is noise: nothing of it is a decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// The shortest way, in nanoseconds.
    pub latency_nanos: u64,
    /// The additional time of a way: at most, or, if exponential, on average.
    pub jitter_nanos: u64,
    /// The distribution of the additional time.
    pub latency: LatencyModel,
    /// 0 is without bound.
    pub bytes_per_second: u64,
    /// The room for what waits for a slow link; what comes beyond it is lost. 0 is without bound.
    pub queue_bytes_max: u64,
    /// The rates of loss, doubling and reordering.
    pub loss: Loss,
    /// The time until which a packet waits for those before it.
    busy_until_nanos: u64,
    /// Nothing arrives before this.
    blocked_until_nanos: u64,
    /// Datagrams wait with the rest instead of being lost, until then.
    held_until_nanos: u64,
    /// Until then each packet takes at least `clog_nanos`.
    clogged_until_nanos: u64,
    clog_nanos: u64,
    packets: u64,
    is_in_burst: bool,
}

/// The distribution of latencies above the shortest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatencyModel {
    /// Evenly below the jitter; without jitter it is constant.
    #[default]
    Uniform,
    /// Seven of eight packets within an eighth of the jitter, the others near all of it.
    Bimodal,
    /// Exponentially, with the jitter as mean.
    Exponential,
}

impl LatencyModel {
    /// The one with this number in a world's options; the last for every greater number.
    pub const fn of_number(number: u64) -> Self {
        match number {
            0 => LatencyModel::Uniform,
            1 => LatencyModel::Bimodal,
            _ => LatencyModel::Exponential,
        }
    }
}

/// Shares of packets, in millionths. Bursts have two states (Gilbert): outside and inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Lost outside a burst.
    pub lost: u32,
    /// Lost inside one.
    pub lost_in_burst: u32,
    /// A burst begins with this packet.
    pub begins: u32,
    /// A burst ends with this packet.
    pub ends: u32,
    /// Arrive twice; only datagrams do.
    pub doubled: u32,
    /// So late that others overtake them; only datagrams do.
    pub overtaken: u32,
}

impl Loss {
    const NONE: Loss =
        Loss { lost: 0, lost_in_burst: 0, begins: 0, ends: 0, doubled: 0, overtaken: 0 };
}

/// The fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// When it arrives.
    pub at_nanos: u64,
    /// It does not.
    pub is_lost: bool,
    /// It arrives twice.
    pub is_doubled: bool,
    /// It is lost because too much waits, and not by noise.
    pub is_overflow: bool,
    /// The part of its time that noise adds.
    pub noise_nanos: u64,
}

/// A gigabit switch: 0.1 ms and up to 0.05 more, 125 MB/s, a queue of 1 MiB, no loss.
pub const LAN: u64 = 1;
/// A shared channel: 2 ms, one packet in eight up to 30 more, 6 MB/s, 256 KiB, 0.1 % lost or
/// overtaken.
pub const WIFI: u64 = 2;
/// A mobile network: 40 ms and 15 more on average, 2.5 MB/s, 1 MiB, 0.5 % lost.
pub const MOBILE: u64 = 3;
/// A geostationary satellite: 270 ms and up to 20 more, 1.25 MB/s, 512 KiB, no loss.
pub const SATELLITE: u64 = 4;
/// A route that fails in bursts: 20 ms and up to 10 more, 12.5 MB/s, 256 KiB; a burst begins with
/// one packet in a hundred, lasts four on average and loses half; 0.05 % are lost outside, 0.5 %
/// doubled, 1 % overtaken.
pub const LOSSY_BURST: u64 = 5;
/// The names of presets, by their number less one.
pub const PRESETS: [&str; 5] = ["lan", "wifi", "4g", "satellite", "lossy_burst"];

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
/// No way takes longer than an hour: twice as much still fits every sum of times.
pub const LATENCY_NANOS_MAX: u64 = 3_600_000_000_000;

/// Why a link cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// Nothing would ever arrive.
    NoBandwidth,
    /// Times would overflow.
    TooSlow {
        /// Latency and jitter together.
        nanos: u64,
    },
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkFault::NoBandwidth => write!(
                f,
                "a link of zero bandwidth delivers nothing: expected at least 1 byte per second, \
                 or no bound; to stop a link for a time, use a fault `partition`"
            ),
            LinkFault::TooSlow { nanos } => write!(
                f,
                "latency and jitter of {nanos} ns: expected at most {LATENCY_NANOS_MAX} (an hour)"
            ),
        }
    }
}

impl std::error::Error for LinkFault {}

impl Link {
    /// Adds what it does from now on depends on, with silent noise: its settings do not
    /// change by themselves, and times that are over count no more.
    pub fn fingerprint(&self, now: u64, state: &mut Fingerprint) {
        let times = [
            self.busy_until_nanos,
            self.blocked_until_nanos,
            self.held_until_nanos,
            self.clogged_until_nanos,
        ];
        times.map(|at| still_to_come(at, now)).hash(state);
        (self.clog_nanos, self.is_in_burst).hash(state);
    }

    /// A way of this latency, jitter and bandwidth (0: without bound).
    pub fn new(latency_nanos: u64, jitter_nanos: u64, bytes_per_second: u64) -> Self {
        Self { latency_nanos, jitter_nanos, bytes_per_second, ..Self::default() }
    }

    /// The same for numbers that somebody wrote; no bandwidth is without bound.
    ///
    /// # Errors
    /// If nothing would arrive in time.
    pub fn checked(
        latency_nanos: u64,
        jitter_nanos: u64,
        bytes_per_second: Option<u64>,
    ) -> Result<Self, LinkFault> {
        let nanos = latency_nanos.saturating_add(jitter_nanos);
        if nanos > LATENCY_NANOS_MAX {
            return Err(LinkFault::TooSlow { nanos });
        }
        match bytes_per_second {
            Some(0) => Err(LinkFault::NoBandwidth),
            bound => Ok(Self::new(latency_nanos, jitter_nanos, bound.unwrap_or(0))),
        }
    }

    /// A local network; its numbers stand at [`LAN`].
    pub fn lan() -> Self {
        Self::preset(LAN).expect("it is one of them")
    }

    /// A wireless network; its numbers stand at [`WIFI`].
    pub fn wifi() -> Self {
        Self::preset(WIFI).expect("it is one of them")
    }

    /// A mobile network; its numbers stand at [`MOBILE`].
    pub fn mobile() -> Self {
        Self::preset(MOBILE).expect("it is one of them")
    }

    /// A geostationary satellite; its numbers stand at [`SATELLITE`].
    pub fn satellite() -> Self {
        Self::preset(SATELLITE).expect("it is one of them")
    }

    /// A route that fails in bursts; its numbers stand at [`LOSSY_BURST`].
    pub fn lossy_burst() -> Self {
        Self::preset(LOSSY_BURST).expect("it is one of them")
    }

    /// The preset with this number, from 1; `None` for any other number.
    pub fn preset(number: u64) -> Option<Self> {
        let link = |latency, jitter, bytes_per_second, queue_bytes_max| Self {
            queue_bytes_max,
            ..Self::new(latency, jitter, bytes_per_second)
        };
        let burst = Loss {
            lost: 500,
            lost_in_burst: 500_000,
            begins: 10_000,
            ends: 250_000,
            doubled: 5_000,
            overtaken: 10_000,
        };
        let few = Loss { lost: 1_000, overtaken: 1_000, ..Loss::NONE };
        Some(match number {
            LAN => link(100 * MICROSECOND, 50 * MICROSECOND, 125_000_000, 1 << 20),
            WIFI => Self {
                latency: LatencyModel::Bimodal,
                loss: few,
                ..link(2 * MILLISECOND, 30 * MILLISECOND, 6_000_000, 1 << 18)
            },
            MOBILE => Self {
                latency: LatencyModel::Exponential,
                loss: Loss { lost: 5_000, ..Loss::NONE },
                ..link(40 * MILLISECOND, 15 * MILLISECOND, 2_500_000, 1 << 20)
            },
            SATELLITE => link(270 * MILLISECOND, 20 * MILLISECOND, 1_250_000, 1 << 19),
            LOSSY_BURST => Self {
                loss: burst,
                ..link(20 * MILLISECOND, 10 * MILLISECOND, 12_500_000, 1 << 18)
            },
            _ => return None,
        })
    }

    /// Returns the fate of a packet that is sent at `now`.
    #[inline]
    pub fn transmit(&mut self, number: u32, now: u64, size_bytes: u64, noise: Noise) -> Passage {
        self.packets += 1;
        let size_bytes = size_bytes + HEADER_BYTES;
        let is_overflow = self.queue_bytes_max > 0 && self.queued_bytes(now) > self.queue_bytes_max;
        if !is_overflow
            && let Some(span) = (size_bytes * 1_000_000_000).checked_div(self.bytes_per_second)
        {
            self.busy_until_nanos = self.busy_until_nanos.max(now) + span;
        }
        let noise_nanos = self.jitter(number, noise);
        let way = self.latency_nanos.max(1) + noise_nanos;
        let mut passage = Passage {
            at_nanos: self.busy_until_nanos.max(now) + way,
            is_lost: is_overflow,
            is_doubled: false,
            is_overflow,
            noise_nanos,
        };
        if now < self.clogged_until_nanos {
            self.busy_until_nanos = self.busy_until_nanos.max(now) + self.clog_nanos;
            let free_at = self.busy_until_nanos.min(self.clogged_until_nanos);
            self.busy_until_nanos = free_at;
            passage.at_nanos = passage.at_nanos.max(free_at + way);
        }
        if self.loss != Loss::NONE {
            self.lose(number, noise, &mut passage);
        }
        passage
    }

    fn queued_bytes(&self, now: u64) -> u64 {
        let nanos = self.busy_until_nanos.saturating_sub(now);
        let bytes = u128::from(nanos) * u128::from(self.bytes_per_second) / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn jitter(&self, number: u32, noise: Noise) -> u64 {
        let drawn = |bound| noise.below(number, Amount::Latency, self.packets, bound);
        match self.latency {
            LatencyModel::Uniform => drawn(self.jitter_nanos),
            LatencyModel::Bimodal => {
                let place = drawn(self.jitter_nanos);
                // The place among all jitters says, too, in which hump it is.
                let is_far = place >= self.jitter_nanos - self.jitter_nanos / 8;
                if is_far { place } else { place / 8 }
            }
            LatencyModel::Exponential => {
                let place = drawn(EXPONENTIAL.len() as u64) as usize;
                match noise.seed() {
                    0 => 0,
                    _ => (self.jitter_nanos / 1024).saturating_mul(EXPONENTIAL[place]),
                }
            }
        }
    }

    fn lose(&mut self, number: u32, noise: Noise, passage: &mut Passage) {
        // Without noise nothing is lost: a draw of zero would be below every share.
        if noise.seed() == 0 {
            return;
        }
        let loss = self.loss;
        let mut count = self.packets * 4;
        let mut is_drawn = |share: u32| {
            count += 1;
            noise.below(number, Amount::Loss, count, 1_000_000) < u64::from(share)
        };
        if is_drawn(if self.is_in_burst { loss.ends } else { loss.begins }) {
            self.is_in_burst = !self.is_in_burst;
        }
        passage.is_lost |= is_drawn(if self.is_in_burst { loss.lost_in_burst } else { loss.lost });
        passage.is_doubled = is_drawn(loss.doubled);
        if is_drawn(loss.overtaken) {
            passage.at_nanos += self.latency_nanos + self.jitter_nanos;
            passage.noise_nanos += self.latency_nanos + self.jitter_nanos;
        }
    }

    /// Returns the time that a sender waits until it sends again what was lost.
    pub fn retransmission_nanos(&self) -> u64 {
        RETRANSMISSION_NANOS_MIN.max(3 * (self.latency_nanos + self.jitter_nanos))
    }

    /// Returns the time until which what arrives at `now` must wait, if it must.
    pub fn blocked_until(&self, now: u64) -> Option<u64> {
        (self.blocked_until_nanos > now).then_some(self.blocked_until_nanos)
    }

    /// Returns `true` if datagrams wait, too, at `now`.
    pub fn is_held(&self, now: u64) -> bool {
        self.held_until_nanos > now
    }

    /// Lets nothing arrive before `until`; datagrams are lost.
    pub fn block(&mut self, until_nanos: u64) {
        self.blocked_until_nanos = self.blocked_until_nanos.max(until_nanos);
    }

    /// Lets nothing arrive before `until`, and everything then.
    pub fn hold(&mut self, until_nanos: u64) {
        self.block(until_nanos);
        self.held_until_nanos = self.held_until_nanos.max(until_nanos);
    }

    /// Until then each packet takes at least `each` nanoseconds; what is under way waits as long.
    pub fn clog(&mut self, now: u64, until_nanos: u64, each_nanos: u64) {
        self.clogged_until_nanos = self.clogged_until_nanos.max(until_nanos);
        self.clog_nanos = each_nanos.max(1);
        self.block((now + each_nanos).min(until_nanos));
    }

    /// Everything that disturbs it ends.
    pub fn heal(&mut self) {
        (self.blocked_until_nanos, self.held_until_nanos) = (0, 0);
        self.clogged_until_nanos = 0;
    }
}

/// The bytes of a packet besides its payload.
const HEADER_BYTES: u64 = 40;
/// Nothing is sent again earlier, whatever the link.
const RETRANSMISSION_NANOS_MIN: u64 = 200_000_000;

/// `-ln(u)` in 1024ths at 64 places of equal weight.
const EXPONENTIAL: [u64; 64] = [
    4968, 3844, 3320, 2976, 2719, 2513, 2342, 2195, 2067, 1953, 1851, 1758, 1672, 1594, 1520, 1452,
    1388, 1328, 1271, 1217, 1166, 1117, 1070, 1026, 983, 942, 903, 865, 828, 793, 759, 726, 694,
    663, 633, 603, 575, 547, 520, 494, 469, 444, 419, 395, 372, 349, 327, 305, 284, 263, 243, 223,
    203, 184, 165, 146, 128, 110, 92, 75, 58, 41, 24, 8,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(link: &mut Link, now: u64, size_bytes: u64) -> u64 {
        link.transmit(0, now, size_bytes, Noise::new(0)).at_nanos
    }

    #[test]
    fn packets_queue_at_a_slow_link() {
        let mut link = Link::new(1000, 0, 1_000_000_000);
        assert_eq!(arrival(&mut link, 0, 60), 1100);
        assert_eq!(arrival(&mut link, 0, 60), 1200);
        assert_eq!(arrival(&mut link, 5000, 60), 6100);
    }

    #[test]
    fn what_a_full_queue_does_not_take_is_lost_and_takes_no_time() {
        let mut link = Link { queue_bytes_max: 150, ..Link::new(1000, 0, 1_000_000_000) };
        let mut lost = || link.transmit(0, 0, 60, Noise::new(0)).is_lost;
        assert_eq!([lost(), lost(), lost(), lost()], [false, false, true, true]);
        assert_eq!(arrival(&mut link, 200, 60), 1300, "what was lost is not waited for");
    }

    #[test]
    fn a_blocked_link_says_until_when() {
        let mut link = Link::new(1000, 0, 0);
        link.block(50);
        assert_eq!((link.blocked_until(49), link.blocked_until(50)), (Some(50), None));
        assert!(!link.is_held(10));
        link.hold(60);
        assert_eq!((link.is_held(59), link.is_held(60)), (true, false));
        link.heal();
        assert_eq!(link.blocked_until(0), None);
    }

    #[test]
    fn a_clogged_link_lets_one_packet_pass_at_a_time_and_is_free_at_the_end() {
        let mut link = Link::new(10, 0, 0);
        link.clog(0, 1000, 300);
        assert_eq!(link.blocked_until(0), Some(300), "what is under way waits, too");
        let arrivals = [0; 5].map(|now| arrival(&mut link, now, 1));
        assert_eq!(arrivals, [310, 610, 910, 1010, 1010]);
        assert_eq!(arrival(&mut link, 1000, 1), 1010);
    }

    #[test]
    fn latencies_are_spread_as_the_model_says() {
        let noise = Noise::new(7);
        let drawn = |latency| {
            let mut link = Link { latency, ..Link::new(1, 64_000, 0) };
            let mut all: Vec<u64> =
                (0..4000).map(|_| link.transmit(0, 0, 0, noise).at_nanos - 1).collect();
            all.sort_unstable();
            all
        };
        let uniform = drawn(LatencyModel::Uniform);
        assert!((30_000..34_000).contains(&uniform[2000]) && uniform[3999] < 64_000);
        let bimodal = drawn(LatencyModel::Bimodal);
        assert!(bimodal[3400] < 8_000 && bimodal[3600] >= 56_000, "{bimodal:?}");
        let exponential = drawn(LatencyModel::Exponential);
        let mean = exponential.iter().sum::<u64>() / 4000;
        assert!((60_000..68_000).contains(&mean), "{mean}");
        assert!(exponential[2000] < 46_000 && exponential[3999] > 200_000);
    }

    #[test]
    fn bursts_lose_packets_that_stand_together() {
        let mut link = Link::preset(LOSSY_BURST).expect("it is one of them");
        let noise = Noise::new(3);
        let lost: Vec<bool> =
            (0..100_000).map(|n| link.transmit(1, n * 1_000_000, 100, noise).is_lost).collect();
        let count = lost.iter().filter(|is_lost| **is_lost).count();
        let pairs = lost.windows(2).filter(|pair| pair[0] && pair[1]).count();
        // A burst has about four packets, a twenty-sixth of all are in one, half of those are lost.
        assert!((1_300..2_600).contains(&count), "{count}");
        assert!(pairs * 5 > count, "{pairs} of {count} are followed by another");
        let twice = |seed| Link::preset(LOSSY_BURST).unwrap().transmit(1, 0, 1, Noise::new(seed));
        assert_eq!(twice(5), twice(5));
        assert!(!Link::preset(LAN).unwrap().transmit(1, 0, 1, noise).is_lost);
        assert_eq!((1..=5).filter_map(Link::preset).count(), PRESETS.len());
        assert!(Link::preset(0).is_none() && Link::preset(6).is_none());
    }

    #[test]
    fn links_that_cannot_be_are_refused_with_what_is_allowed() {
        assert_eq!(Link::checked(1, 0, Some(0)).err(), Some(LinkFault::NoBandwidth));
        let fault = Link::checked(u64::MAX, 1, None).expect_err("it would overflow");
        assert!(fault.to_string().contains("an hour"), "{fault}");
        assert_eq!(Link::checked(5, 1, Some(9)).map(|link| link.bytes_per_second), Ok(9));
    }
}
