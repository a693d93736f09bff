//! What a script without a seed need not say: options that are in nobody's way.

use tidelock_core::Config;
use tidelock_net::system::link::LOSSY_BURST;
use tidelock_net::words::kinds::Family;

use crate::stage::swarm::Options;

impl Options {
    /// The options of a script that has no `seed` line, before its `config` lines: readiness as on
    /// Linux, a host at each end, services between turns, no jitter, room for everything, the
    /// core's own limits and timeouts.
    ///
    /// Such a world may go wrong: it is not judged by [`CalmSucceeds`](crate::judge::oracle::Law), unless
    /// its script turns the family `world` off, too (`config world=0`).
    pub fn neutral() -> Self {
        const SECOND: u64 = 1_000_000_000;
        let config = Config::default();
        let nanos = |time: std::time::Duration| {
            u64::try_from(time.as_nanos()).expect("a default timeout is less than 585 years")
        };
        let mut options = Self {
            connections: 1,
            operations: 1,
            message_bytes_max: 1 << 13,
            quiet_at_nanos: SECOND,
            latency_nanos: 100_000,
            send_buffer_bytes: 1 << 16,
            receive_buffer_bytes: 1 << 16,
            batch_max: 64,
            hand_over_max: 1 << 20,
            delay_nanos_max: 2 * SECOND,
            peer_read_bytes: 1 << 16,
            peer_think_nanos: 1_000,
            sockets_max: 1 << 10,
            accepts_per_turn: config.accepts_per_turn.into(),
            reads_per_turn: config.reads_per_turn.into(),
            write_bytes_per_turn: config.write_bytes_per_turn as u64,
            sockets_per_turn: config.sockets_per_turn.into(),
            commands_per_turn: config.commands_per_turn.into(),
            messages_per_batch: config.messages_per_batch.into(),
            read_buffer_bytes_min: config.read_buffer_bytes_min as u64,
            read_buffer_bytes_max: config.read_buffer_bytes_max as u64,
            warn_bytes: config.warn_bytes as u64,
            outbox_bytes_max: config.outbox_bytes_max as u64,
            total_bytes_max: config.total_bytes_max as u64,
            mailbox_bytes_max: config.mailbox_bytes_max as u64,
            connect_timeout_nanos: nanos(config.connect_timeout),
            resolve_timeout_nanos: nanos(config.resolve_timeout),
            connection_attempt_delay_nanos: nanos(config.connection_attempt_delay),
            flush_stall_timeout_nanos: nanos(config.flush_stall_timeout),
            linger_timeout_nanos: nanos(config.linger_timeout),
            half_open_timeout_nanos: nanos(config.half_open_timeout),
            start_timeout_nanos: nanos(config.start_timeout),
            accept_retry_nanos: nanos(config.accept_retry_min),
            first_generation: config.first_generation.into(),
            ..Self::default()
        };
        let world = Family::ALL.iter().position(|family| *family == Family::World);
        options.rates[world.expect("the family is one of them")] = 1;
        options
    }

    /// What an option may be, by its name: the unit at its end says it, and for a few more is
    /// known. Whatever is allowed neither overflows nor needs much memory by itself.
    pub fn allowed(name: &str) -> std::ops::RangeInclusive<u64> {
        const HOUR: u64 = 3_600_000_000_000;
        const MANY: u64 = 10_000;
        let least_one = |most| 1..=most;
        match name {
            "noise" | "stage" => 0..=u64::MAX,
            "readiness" => 0..=3,
            "scripted" | "os" | "latency_model" => 0..=2,
            "has_crashes" | "direct_write" => 0..=1,
            "link" => 0..=LOSSY_BURST,
            // 0 is without bound.
            "queue_bytes_max" => 0..=1 << 32,
            "workers" => 0..=64,
            "connections" => least_one(MANY),
            "operations" => 0..=100 * MANY,
            "sockets_max" => least_one(1 << 20),
            "first_generation" => least_one(u64::from(u32::MAX)),
            "message_bytes_max" => least_one(1 << 26),
            // A byte takes at most a second; 0 is without bound.
            "bytes_per_second" => 0..=1 << 40,
            // What a decision delays is drawn below it, in 32 bits.
            "delay_nanos_max" => least_one(u64::from(u32::MAX)),
            // RFC 8305 allows no less.
            "connection_attempt_delay_nanos" => 10_000_000..=HOUR,
            "latency_nanos" | "jitter_nanos" => 0..=HOUR,
            "flush_timeout_nanos" | "idle_timeout_nanos" => 0..=HOUR,
            "read_idle_timeout_nanos" | "write_stall_timeout_nanos" => 0..=HOUR,
            _ if Family::ALL.iter().any(|family| family.name() == name) => 0..=31,
            _ if name.starts_with("is_") => 0..=1,
            _ if name.ends_with("_nanos") || name.ends_with("_nanos_max") => least_one(HOUR),
            _ if name.contains("_bytes") => least_one(1 << 32),
            _ => least_one(1 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neutral_options_are_valid_and_not_calm() {
        let options = Options::neutral();
        options.config().validate().expect("a valid configuration");
        assert!(!options.is_calm());
        for (name, value) in options.pairs() {
            assert!(Options::allowed(name).contains(&value), "{name}={value}");
        }
    }

    #[test]
    fn whatever_is_drawn_is_allowed() {
        for scenario in crate::scenarios::all() {
            for seed in 0..500 {
                for (name, value) in scenario.options(seed).pairs() {
                    assert!(Options::allowed(name).contains(&value), "seed {seed}: {name}={value}");
                }
            }
        }
    }
}
