//! The configuration of one world, drawn from its seed.

use std::fmt;
use std::time::Duration;

use tidelock_core::Config;
use tidelock_net::chance::streams::{Purpose, Stream};
use tidelock_net::system::link::{
    LAN, LOSSY_BURST, LatencyModel, Link, LinkFault, MOBILE, SATELLITE, WIFI,
};
use tidelock_net::words::kinds::Family;

use super::options::Options;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

impl Options {
    /// Draws the options of the world that `seed` and `scenario` name.
    pub fn draw(seed: u64, scenario: &str) -> Self {
        let mut stream = Stream::new(seed, scenario, Purpose::Options);
        let s = &mut stream;
        let mut options = Self::default();
        options.draw_rates(s);
        options.draw_world(s);
        options.draw_limits(s);
        options.draw_timeouts(s);
        options.draw_model(s);
        options.stage = s.below(1 << 16);
        options.is_split = u64::from(s.one_in(100));
        options.is_prompt = s.below(2);
        let is_patient = options.is_calm() || s.one_in(2);
        let longest = 10 * SECOND;
        options.resolve_timeout_nanos =
            if is_patient { longest } else { s.log_uniform(50 * MILLISECOND, longest) };
        options
    }

    /// The exponent of a family's rate; 0 is off.
    pub fn rate(&self, family: Family) -> u64 {
        let at = Family::ALL.iter().position(|known| *known == family);
        self.rates[at.expect("the family is one of them")]
    }

    /// Returns `true` if no fault happens, so that everything must succeed.
    pub fn is_calm(&self) -> bool {
        self.rates == [0; Family::ALL.len()]
    }

    fn draw_rates(&mut self, s: &mut Stream) {
        let all = Family::ALL.len() as u64;
        let active = if s.one_in(8) { 0 } else { s.pick(&[1, 2, 3, 5, all]) };
        for _ in 0..active {
            let mut at = s.below(all);
            while self.rates[at as usize] != 0 {
                at = (at + 1) % all;
            }
            self.rates[at as usize] = 3 + s.below(11);
        }
    }

    fn draw_world(&mut self, s: &mut Stream) {
        self.readiness = s.pick(&[0, 3, 1, 1, 1, 1, 2, 2]);
        self.scripted = s.pick(&[0, 0, 1, 1, 2, 2]);
        self.workers = s.pick(&[0, 0, 1, 2, 3]);
        self.noise = 1 + s.below(u64::MAX - 1);
        self.is_by_name = u64::from(s.one_in(4));
        self.connections = if s.one_in(2) { 1 + s.below(2) } else { s.log_uniform(2, 32) };
        if s.one_in(100) {
            self.connections = 100 + s.below(30);
        }
        let operations_max = if s.one_in(2) { 20 } else { 20 + 6 * self.connections };
        self.operations = s.log_uniform(1, operations_max);
        let message_bytes_max = if s.one_in(8) { 1 << 18 } else { 1 << 13 };
        self.message_bytes_max = s.log_uniform(1, message_bytes_max);
        self.quiet_at_nanos = s.log_uniform(MILLISECOND, 4 * SECOND);
        self.latency_nanos = s.log_uniform(1_000, 50 * MILLISECOND);
        self.jitter_nanos = s.pick(&[0, self.latency_nanos / 8, 2 * self.latency_nanos]);
        self.bytes_per_second = if s.one_in(4) { s.log_uniform(1 << 20, 1 << 30) } else { 0 };
        self.send_buffer_bytes = s.log_uniform(self.buffer_bytes_min(), 1 << 18);
        self.receive_buffer_bytes = s.log_uniform(self.buffer_bytes_min(), 1 << 18);
        self.batch_max = s.log_uniform(1, 64);
        self.hand_over_max = if s.one_in(2) { 1 << 20 } else { s.log_uniform(1, 8) };
        self.is_inline = s.below(2);
        self.delay_nanos_max = s.log_uniform(10_000, 2 * SECOND);
        self.peer_read_bytes = s.log_uniform(self.buffer_bytes_min().max(16), 1 << 16);
        self.peer_think_nanos = s.log_uniform(1_000, 2 * MILLISECOND);
    }

    fn draw_model(&mut self, s: &mut Stream) {
        self.os = s.pick(&[0, 0, 1, 2]);
        self.has_crashes = s.below(2);
        // Without faults nothing may be lost on the way, nor take as long as patience lasts, not
        // even by a link that is like that.
        let lossless: &[u64] = &[0, 0, 0, LAN];
        let every: &[u64] = &[0, 0, 0, 0, LAN, WIFI, MOBILE, SATELLITE, LOSSY_BURST];
        self.link = s.pick(if self.is_calm() { lossless } else { every });
        self.latency_model = s.below(3);
        let is_bounded = self.link == 0 && !self.is_calm() && s.one_in(4);
        self.queue_bytes_max = if is_bounded { s.log_uniform(1 << 12, 1 << 20) } else { 0 };
    }

    /// The plainest model: Linux, links as their numbers say, each turn in a step of its own.
    pub fn clear_model(&mut self) {
        (self.os, self.link, self.latency_model, self.queue_bytes_max) = (0, 0, 0, 0);
        self.is_prompt = 0;
        self.resolve_timeout_nanos = 10 * SECOND;
    }

    /// The link that latency, jitter and bandwidth describe; no bandwidth is without bound.
    ///
    /// # Errors
    /// If nothing would arrive in time.
    pub fn checked_link(&self) -> Result<Link, LinkFault> {
        let bytes_per_second = (self.bytes_per_second > 0).then_some(self.bytes_per_second);
        Link::checked(self.latency_nanos, self.jitter_nanos, bytes_per_second)
    }

    /// A transfer takes a bounded number of events.
    fn buffer_bytes_min(&self) -> u64 {
        (self.message_bytes_max / 256).max(1)
    }

    /// A message's length: half of them of any size, half of a size at which something turns over,
    /// so that unsent bytes come to stand exactly at a mark.
    pub fn draw_message_bytes(&self, s: &mut Stream) -> u64 {
        let most = self.message_bytes_max;
        if s.one_in(2) {
            return s.log_uniform(1, most);
        }
        let (warn, buffer) = (self.warn_bytes, self.send_buffer_bytes);
        let marks = [warn, warn, 2 * warn, warn.div_ceil(2), warn / 4, warn + 1, buffer, 1, most];
        s.pick(&marks).clamp(1, most)
    }

    fn draw_limits(&mut self, s: &mut Stream) {
        let config = Config::default();
        self.sockets_max = 2 * self.connections + 16;
        if !self.is_calm() && s.one_in(8) {
            self.sockets_max = 2 + s.below(self.connections + 1);
        }
        self.accepts_per_turn = s.log_uniform(1, 16);
        self.reads_per_turn = s.log_uniform(1, 8);
        self.write_bytes_per_turn = s.log_uniform(self.buffer_bytes_min().max(8), 1 << 20);
        self.sockets_per_turn = s.log_uniform(1, 16);
        self.commands_per_turn = s.log_uniform(1, u64::from(config.commands_per_turn));
        self.messages_per_batch = s.log_uniform(1, 64);
        self.read_buffer_bytes_max = s.log_uniform(self.buffer_bytes_min().max(16), 1 << 16);
        self.read_buffer_bytes_min = 1 + s.below(self.read_buffer_bytes_max);
        let small = s.below(3);
        self.warn_bytes =
            if small > 0 { s.log_uniform(1, 1 << 14) } else { config.warn_bytes as u64 };
        // Every single message of the plan must fit, with its overhead.
        let least = (2 * self.warn_bytes).max(self.message_bytes_max + 64);
        self.outbox_bytes_max = least + s.log_uniform(1, 1 << if small > 0 { 14 } else { 26 });
        self.total_bytes_max =
            self.outbox_bytes_max + s.log_uniform(1, 1 << if small > 1 { 15 } else { 28 });
        self.mailbox_bytes_max =
            if s.one_in(2) { s.log_uniform(1, 1 << 14) } else { config.mailbox_bytes_max as u64 };
        self.first_generation =
            if s.one_in(4) { u64::from(u32::MAX) - s.below(8) } else { 1 + s.below(3) };
    }

    fn draw_timeouts(&mut self, s: &mut Stream) {
        let is_calm = self.is_calm();
        let mut timeout = |of: u64| {
            if is_calm || s.one_in(2) { of } else { s.log_uniform(50 * MILLISECOND, of) }
        };
        self.connect_timeout_nanos = timeout(10 * SECOND);
        self.flush_stall_timeout_nanos = timeout(10 * SECOND);
        self.linger_timeout_nanos = timeout(10 * SECOND);
        self.half_open_timeout_nanos = timeout(60 * SECOND);
        self.start_timeout_nanos = timeout(60 * SECOND);
        self.flush_timeout_nanos = 0;
        self.idle_timeout_nanos = 0;
        (self.read_idle_timeout_nanos, self.write_stall_timeout_nanos) = (0, 0);
        if !is_calm {
            self.flush_timeout_nanos = s.pick(&[0, 0, 0, SECOND]);
            self.idle_timeout_nanos = s.pick(&[0, 0, 0, SECOND]);
            self.read_idle_timeout_nanos = s.pick(&[0, 0, 0, 0, 0, SECOND]);
            self.write_stall_timeout_nanos = s.pick(&[0, 0, 0, 0, 0, SECOND / 2]);
        }
        self.accept_retry_nanos = s.log_uniform(MILLISECOND, 100 * MILLISECOND);
        self.connection_attempt_delay_nanos = 250 * MILLISECOND;
        if !is_calm && s.one_in(2) {
            self.connection_attempt_delay_nanos = s.log_uniform(10 * MILLISECOND, SECOND);
        }
    }

    /// The rates of the active families, as a source of choice takes them.
    pub fn active(&self) -> Vec<(Family, u8)> {
        let pairs = Family::ALL.iter().zip(self.rates);
        pairs
            .filter(|(_, rate)| *rate > 0)
            .map(|(family, rate)| (*family, rate.min(31) as u8))
            .collect()
    }

    /// The links' properties.
    pub fn link(&self) -> Link {
        Link::preset(self.link).unwrap_or_else(|| {
            let mut link = Link::new(self.latency_nanos, self.jitter_nanos, self.bytes_per_second);
            link.latency = LatencyModel::of_number(self.latency_model);
            link.queue_bytes_max = self.queue_bytes_max;
            link
        })
    }

    /// The core's configuration.
    pub fn config(&self) -> Config {
        let optional = |nanos| (nanos > 0).then(|| Duration::from_nanos(nanos));
        Config {
            sockets_max: self.sockets_max as u32,
            accepts_per_turn: self.accepts_per_turn as u32,
            reads_per_turn: self.reads_per_turn as u32,
            write_bytes_per_turn: self.write_bytes_per_turn as usize,
            sockets_per_turn: self.sockets_per_turn as u32,
            commands_per_turn: self.commands_per_turn as u32,
            messages_per_batch: self.messages_per_batch as u32,
            read_buffer_bytes_min: self.read_buffer_bytes_min as usize,
            read_buffer_bytes_max: self.read_buffer_bytes_max as usize,
            warn_bytes: self.warn_bytes as usize,
            outbox_bytes_max: self.outbox_bytes_max as usize,
            total_bytes_max: self.total_bytes_max as usize,
            mailbox_bytes_max: self.mailbox_bytes_max as usize,
            connect_timeout: Duration::from_nanos(self.connect_timeout_nanos),
            resolve_timeout: Duration::from_nanos(self.resolve_timeout_nanos),
            connection_attempt_delay: Duration::from_nanos(self.connection_attempt_delay_nanos),
            flush_stall_timeout: Duration::from_nanos(self.flush_stall_timeout_nanos),
            flush_timeout: optional(self.flush_timeout_nanos),
            linger_timeout: Duration::from_nanos(self.linger_timeout_nanos),
            half_open_timeout: Duration::from_nanos(self.half_open_timeout_nanos),
            start_timeout: Duration::from_nanos(self.start_timeout_nanos),
            idle_timeout: optional(self.idle_timeout_nanos),
            read_idle_timeout: optional(self.read_idle_timeout_nanos),
            write_stall_timeout: optional(self.write_stall_timeout_nanos),
            accept_retry_min: Duration::from_nanos(self.accept_retry_nanos),
            accept_retry_max: Duration::from_nanos(10 * self.accept_retry_nanos),
            first_generation: self.first_generation as u32,
            ..Config::default()
        }
    }
}

/// `name=value`, separated by blanks; families that are off are left out.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let families = Options::entries().count() - Family::ALL.len();
        for (at, (entry, (name, value))) in Options::entries().zip(self.pairs()).enumerate() {
            if value != 0 || at < families {
                write!(f, "{separator}{name}={}", entry.text(value))?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_a_valid_configuration() {
        for seed in 0..2000 {
            let options = Options::draw(seed, "echo");
            options.config().validate().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
    }

    #[test]
    fn one_seed_in_eight_is_calm_and_half_of_the_worlds_are_small() {
        let drawn: Vec<Options> = (0..4000).map(|seed| Options::draw(seed, "echo")).collect();
        let calm = drawn.iter().filter(|options| options.is_calm()).count();
        assert!((400..600).contains(&calm), "{calm} of 4000");
        let weakest = drawn.iter().filter(|options| options.readiness == 1).count();
        assert!((1900..2100).contains(&weakest), "{weakest} of 4000");
        let small = |options: &&Options| options.connections <= 2 && options.operations <= 20;
        let small = drawn.iter().filter(small).count();
        assert!(small > 1900, "{small} of 4000");
        let large = drawn.iter().filter(|options| options.connections >= 100).count();
        assert!((20..80).contains(&large), "{large} of 4000");
    }

    #[test]
    fn every_option_can_be_set_by_the_name_that_is_printed() {
        let drawn = Options::draw(7, "echo");
        let mut copied = Options::default();
        for (name, value) in drawn.pairs() {
            assert!(copied.set(name, value), "{name}");
        }
        assert_eq!(drawn, copied);
        assert!(!copied.set("nonsense", 1));
    }
}
