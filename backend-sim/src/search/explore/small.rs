//! The small worlds that can be searched exhaustively.

use tidelock_net::words::kinds::Family;

use super::Search;
use crate::run::simulate::Prepared;
use crate::scenarios;
use crate::stage::options::Options;
use crate::tide::Script;

/// A world to be searched: the scenario's name, what it is called, and what is asked in it.
#[derive(Clone, Copy, Debug)]
pub struct SmallWorld {
    /// The name that the search prints.
    pub name: &'static str,
    /// Whose services run.
    pub scenario: &'static str,
    /// The `op` lines.
    operations: &'static str,
}

const OPENING: &str = "op c0 @2ms client connect server:9000\n";
/// The worlds of each search, by the name that the command takes.
const SMALL_WORLDS: [(&str, &[SmallWorld]); 2] = [
    (
        "echo",
        &[SmallWorld {
            name: "echo",
            scenario: "echo",
            operations: "op s0 after c0 client send c0 0 6\nop x0 @4ms client finish c0\n",
        }],
    ),
    (
        "closing",
        &[
            SmallWorld {
                name: "shutdown",
                scenario: "echo",
                operations: "op s0 after c0 client send c0 0 2\nop x0 after s0 client shutdown c0\n",
            },
            SmallWorld {
                name: "finish",
                scenario: "echo",
                operations: "op s0 after c0 client send c0 0 2\nop x0 after s0 client finish c0\n",
            },
            SmallWorld {
                name: "close",
                scenario: "echo",
                operations: "op s0 after c0 client send c0 0 2\nop x0 after s0 client close c0\n",
            },
        ],
    ),
];

/// The worlds of a search by this name.
pub fn find(name: &str) -> Option<&'static [SmallWorld]> {
    SMALL_WORLDS.iter().find(|(known, _)| *known == name).map(|(_, worlds)| *worlds)
}

/// The names of all searches.
pub fn names() -> impl Iterator<Item = &'static str> {
    SMALL_WORLDS.iter().map(|(name, _)| *name)
}

impl SmallWorld {
    /// The world as a script without decisions. `readiness` as in [`Options::readiness`].
    pub fn script(&self, readiness: u64) -> Script {
        let text = format!("tide 1\nscenario {}\n{OPENING}{}", self.scenario, self.operations);
        let mut script: Script = text.parse().expect("a small world is a script");
        script.seed = Some(0);
        let pairs = options(readiness).pairs();
        script.config = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Options::text_of(name, value)))
            .collect();
        script
    }

    /// Prepares the search with at most `faults_max` decisions in a run, and calls `then` with it
    /// and with the world's script.
    pub fn search<T>(
        &self,
        readiness: u64,
        faults_max: u32,
        is_deduplicated: bool,
        then: impl FnOnce(&Search, &Script) -> T,
    ) -> T {
        let scenario = scenarios::find(self.scenario).expect("a small world's scenario is known");
        let script = self.script(readiness);
        let world = Prepared::new(scenario, &script).expect("every line of it means something");
        then(&Search::new(world, faults_max, is_deduplicated), &script)
    }
}

/// One connection, silent noise, nothing scarce: two hosts with a Mux each, services between
/// turns, 10 µs from host to host, delays of at most a millisecond, faults until the tenth.
/// The families count as active, so that not everything has to succeed.
fn options(readiness: u64) -> Options {
    const SECOND: u64 = 1_000_000_000;
    let mut options = Options {
        readiness,
        connections: 1,
        operations: 1,
        message_bytes_max: 6,
        quiet_at_nanos: 10_000_000,
        latency_nanos: 10_000,
        send_buffer_bytes: 64,
        receive_buffer_bytes: 64,
        batch_max: 64,
        hand_over_max: 64,
        delay_nanos_max: 1_000_000,
        peer_read_bytes: 64,
        peer_think_nanos: 1_000,
        sockets_max: 8,
        accepts_per_turn: 4,
        reads_per_turn: 4,
        write_bytes_per_turn: 64,
        sockets_per_turn: 8,
        commands_per_turn: 64,
        messages_per_batch: 16,
        read_buffer_bytes_min: 16,
        read_buffer_bytes_max: 64,
        warn_bytes: 1_024,
        outbox_bytes_max: 4_096,
        total_bytes_max: 8_192,
        mailbox_bytes_max: 4_096,
        connect_timeout_nanos: 10 * SECOND,
        resolve_timeout_nanos: 10 * SECOND,
        connection_attempt_delay_nanos: SECOND / 4,
        flush_stall_timeout_nanos: 10 * SECOND,
        linger_timeout_nanos: 10 * SECOND,
        half_open_timeout_nanos: 10 * SECOND,
        start_timeout_nanos: 10 * SECOND,
        accept_retry_nanos: 10_000_000,
        first_generation: 1,
        ..Options::default()
    };
    for (family, rate) in Family::ALL.iter().zip(&mut options.rates) {
        // What is done to links and hosts is no decision at a choice point.
        *rate = u64::from(!matches!(family, Family::World | Family::Machines));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_world_has_a_valid_configuration() {
        for readiness in 0..3 {
            options(readiness).config().validate().expect("the limits fit each other");
        }
        assert!(names().all(|name| find(name).is_some_and(|worlds| !worlds.is_empty())));
    }
}
