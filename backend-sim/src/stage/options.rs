//! The numbers that a world is configured with: one table of their names, what each may be, what
//! it is where a script says nothing, and how it is written.

use std::time::Duration;

use tidelock_core::Config;
use tidelock_net::system::kernel::Os;
use tidelock_net::system::link::{LOSSY_BURST, PRESETS};
use tidelock_net::words::kinds::Family;

/// One option: its name, and what it may be. Whatever is allowed neither overflows nor needs much
/// memory by itself.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The least value.
    pub least: u64,
    /// The greatest value.
    pub most: u64,
    /// The form in which values are written.
    pub form: Form,
}

/// The form in which an option's values are written.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// As numbers.
    Number,
    /// As nanoseconds, or as times with a unit.
    Time,
    /// As numbers, 0 with a word.
    NumberOr(&'static str),
    /// The same, where 0 is read as the word only.
    PositiveOr(&'static str),
    /// As times, 0 with a word.
    TimeOr(&'static str),
    /// With a word for each, from 0 on.
    Names(&'static [&'static str]),
}

/// The names of links, by number: as drawn, or a preset.
const LINKS: [&str; 1 + PRESETS.len()] =
    ["as-drawn", PRESETS[0], PRESETS[1], PRESETS[2], PRESETS[3], PRESETS[4]];
const MANY: u64 = 10_000;
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

macro_rules! options {
    ($config:ident: $($(#[$doc:meta])* $name:ident in $allowed:expr, neutral $neutral:expr, $form:expr;)*) => {
        /// Everything that a world is configured with; each is a number, by name.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Options {
            $($(#[$doc])* pub $name: u64,)*
            /// For each family the exponent of its rate `2^-exponent`; 0 is off.
            pub rates: [u64; Family::ALL.len()],
        }

        const TABLE: &[Entry] = &[$(Entry {
            name: stringify!($name),
            least: *($allowed).start(),
            most: *($allowed).end(),
            form: $form,
        }),*];

        impl Options {
            /// Every option's name and value.
            pub fn pairs(&self) -> Vec<(&'static str, u64)> {
                let mut pairs = vec![$((stringify!($name), self.$name)),*];
                pairs.extend(Family::ALL.iter().map(|family| family.name()).zip(self.rates));
                pairs
            }

            /// Sets an option by name; answers whether there is one.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                $(if name == stringify!($name) {
                    self.$name = value;
                    return true;
                })*
                match Family::ALL.iter().position(|family| family.name() == name) {
                    Some(at) => {
                        self.rates[at] = value;
                        true
                    }
                    None => false,
                }
            }

            /// The options of a script that has no `seed` line, before its `config` lines:
            /// readiness as on Linux, a host at each end, services between turns, no jitter, room
            /// for everything, the core's own limits and timeouts.
            ///
            /// Such a world may go wrong: it is not judged by the law `calm-succeeds`, unless its
            /// script turns the family `world` off, too (`config world=0`).
            pub fn neutral() -> Self {
                let $config = Config::default();
                let rates = Family::ALL.map(|family| u64::from(family == Family::World));
                Self { $($name: $neutral,)* rates }
            }
        }
    };
}

options! {
    config:
    /// The readiness that hosts are told of: 0 as on Linux, 1 as weak as promised, 2 by
    /// completions, 3 as with kqueue.
    readiness in 0..=3, neutral 0, Form::Names(&["linux", "weakest", "completion", "kqueue"]);
    /// Which end of the connections is a scripted peer: 0 neither, 1 the client, 2 the server.
    scripted in 0..=2, neutral 0, Form::Names(&["neither", "client", "server"]);
    /// Virtual worker threads of each host; 0 runs services between its turns.
    workers in 0..=64, neutral 0, Form::Number;
    /// The seed of the noise; 0 is silence.
    noise in 0..=u64::MAX, neutral 0, Form::Number;
    /// The seed of what the scenario draws while it sets the stage.
    stage in 0..=u64::MAX, neutral 0, Form::Number;
    /// Clients connect by the server's name, which is resolved first.
    is_by_name in 0..=1, neutral 0, Form::Number;
    /// Connections that the plan makes.
    connections in 1..=MANY, neutral 1, Form::Number;
    /// Further operations of the plan.
    operations in 0..=100 * MANY, neutral 1, Form::Number;
    /// The largest message of the plan.
    message_bytes_max in 1..=1 << 26, neutral 1 << 13, Form::Number;
    /// Faults stop then, at the latest of the plan's end.
    quiet_at_nanos in 1..=HOUR, neutral SECOND, Form::Time;
    /// Of each link.
    latency_nanos in 0..=HOUR, neutral 100_000, Form::Time;
    /// Of each link: noise adds less than this.
    jitter_nanos in 0..=HOUR, neutral 0, Form::Time;
    /// Of each link; 0 is without bound.
    // A byte takes at most a second.
    bytes_per_second in 0..=1 << 40, neutral 0, Form::PositiveOr("unbounded");
    /// The room that the system has for a writer.
    send_buffer_bytes in 1..=1 << 32, neutral 1 << 16, Form::Number;
    /// The room that the system has for a reader.
    receive_buffer_bytes in 1..=1 << 32, neutral 1 << 16, Form::Number;
    /// Events of one poll.
    batch_max in 1..=1 << 20, neutral 64, Form::Number;
    /// Events that a host takes in between two turns.
    hand_over_max in 1..=1 << 20, neutral 1 << 20, Form::Number;
    /// Completions come at once where they can.
    is_inline in 0..=1, neutral 0, Form::Number;
    /// The longest delay that a decision makes.
    // It is drawn in 32 bits.
    delay_nanos_max in 1..=u32::MAX as u64, neutral 2 * SECOND, Form::Time;
    /// The most that a scripted peer reads at once.
    peer_read_bytes in 1..=1 << 32, neutral 1 << 16, Form::Number;
    /// The longest time that a scripted peer thinks.
    peer_think_nanos in 1..=HOUR, neutral 1_000, Form::Time;
    /// `Config::sockets_max`.
    sockets_max in 1..=1 << 20, neutral 1 << 10, Form::Number;
    /// `Config::accepts_per_turn`.
    accepts_per_turn in 1..=1 << 20, neutral config.accepts_per_turn.into(), Form::Number;
    /// `Config::reads_per_turn`.
    reads_per_turn in 1..=1 << 20, neutral config.reads_per_turn.into(), Form::Number;
    /// `Config::write_bytes_per_turn`.
    write_bytes_per_turn in 1..=1 << 32, neutral config.write_bytes_per_turn as u64, Form::Number;
    /// `Config::sockets_per_turn`.
    sockets_per_turn in 1..=1 << 20, neutral config.sockets_per_turn.into(), Form::Number;
    /// `Config::commands_per_turn`.
    commands_per_turn in 1..=1 << 20, neutral config.commands_per_turn.into(), Form::Number;
    /// `Config::messages_per_batch`.
    messages_per_batch in 1..=1 << 20, neutral config.messages_per_batch.into(), Form::Number;
    /// `Config::read_buffer_bytes_min`.
    read_buffer_bytes_min in 1..=1 << 32, neutral config.read_buffer_bytes_min as u64, Form::Number;
    /// `Config::read_buffer_bytes_max`.
    read_buffer_bytes_max in 1..=1 << 32, neutral config.read_buffer_bytes_max as u64, Form::Number;
    /// `Config::warn_bytes`.
    warn_bytes in 1..=1 << 32, neutral config.warn_bytes as u64, Form::Number;
    /// `Config::outbox_bytes_max`.
    outbox_bytes_max in 1..=1 << 32, neutral config.outbox_bytes_max as u64, Form::Number;
    /// `Config::total_bytes_max`.
    total_bytes_max in 1..=1 << 32, neutral config.total_bytes_max as u64, Form::Number;
    /// `Config::mailbox_bytes_max`.
    mailbox_bytes_max in 1..=1 << 32, neutral config.mailbox_bytes_max as u64, Form::Number;
    /// `Config::connect_timeout`.
    connect_timeout_nanos in 1..=HOUR, neutral nanos(config.connect_timeout), Form::Time;
    /// `Config::resolve_timeout`.
    resolve_timeout_nanos in 1..=HOUR, neutral nanos(config.resolve_timeout), Form::Time;
    /// `Config::connection_attempt_delay`.
    // RFC 8305 allows no less.
    connection_attempt_delay_nanos in 10_000_000..=HOUR, neutral nanos(config.connection_attempt_delay), Form::Time;
    /// `Config::flush_stall_timeout`.
    flush_stall_timeout_nanos in 1..=HOUR, neutral nanos(config.flush_stall_timeout), Form::Time;
    /// `Config::flush_timeout`; 0 is off.
    flush_timeout_nanos in 0..=HOUR, neutral 0, Form::TimeOr("off");
    /// `Config::linger_timeout`.
    linger_timeout_nanos in 1..=HOUR, neutral nanos(config.linger_timeout), Form::Time;
    /// `Config::half_open_timeout`.
    half_open_timeout_nanos in 1..=HOUR, neutral nanos(config.half_open_timeout), Form::Time;
    /// `Config::start_timeout`.
    start_timeout_nanos in 1..=HOUR, neutral nanos(config.start_timeout), Form::Time;
    /// `Config::idle_timeout`; 0 is off.
    idle_timeout_nanos in 0..=HOUR, neutral 0, Form::TimeOr("off");
    /// `Config::read_idle_timeout`; 0 is off.
    read_idle_timeout_nanos in 0..=HOUR, neutral 0, Form::TimeOr("off");
    /// `Config::write_stall_timeout`; 0 is off.
    write_stall_timeout_nanos in 0..=HOUR, neutral 0, Form::TimeOr("off");
    /// `Config::accept_retry_min`, and a tenth of `accept_retry_max`.
    accept_retry_nanos in 1..=HOUR, neutral nanos(config.accept_retry_min), Form::Time;
    /// `Config::first_generation`.
    first_generation in 1..=u32::MAX as u64, neutral config.first_generation.into(), Form::Number;
    /// Whose details hosts show: 0 Linux's, 1 macOS's, 2 Windows'.
    os in 0..=2, neutral 0, Form::Names(&[Os::Linux.name(), Os::Macos.name(), Os::Windows.name()]);
    /// A named kind of link instead of the drawn one: 1 lan, 2 wifi, 3 4g, 4 satellite, 5 lossy
    /// burst; 0 is as drawn.
    link in 0..=LOSSY_BURST, neutral 0, Form::Names(&LINKS);
    /// The distribution of a link's latency: 0 even, 1 in two humps, 2 exponential.
    latency_model in 0..=2, neutral 0, Form::Names(&["uniform", "bimodal", "exponential"]);
    /// The room of each link's queue; 0 is without bound.
    queue_bytes_max in 0..=1 << 32, neutral 0, Form::NumberOr("unbounded");
    /// Hosts may crash and begin anew.
    has_crashes in 0..=1, neutral 0, Form::Number;
    /// The world is steady, and compared with one in which nothing is cut or late.
    is_split in 0..=1, neutral 0, Form::Number;
    /// Commands of services that run between turns are handled in the same step of their host, by a
    /// turn at the same time; else by the next step, a little later.
    is_prompt in 0..=1, neutral 0, Form::Number;
}

impl Options {
    /// The table, in the order of [`pairs`](Self::pairs).
    pub fn entries() -> impl Iterator<Item = Entry> {
        let families = Family::ALL.iter().map(|family| Entry {
            name: family.name(),
            least: 0,
            most: 31,
            form: Form::NumberOr("off"),
        });
        TABLE.iter().copied().chain(families)
    }

    /// The option of this name.
    pub fn entry(name: &str) -> Option<Entry> {
        Self::entries().find(|entry| entry.name == name)
    }
}

impl Entry {
    /// Returns `true` if it may have this value.
    pub fn allows(&self, value: u64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a default timeout is less than 585 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neutral_options_are_valid_and_not_calm() {
        let options = Options::neutral();
        options.config().validate().expect("a valid configuration");
        assert!(!options.is_calm());
        for (entry, (name, value)) in Options::entries().zip(options.pairs()) {
            assert_eq!(entry.name, name);
            assert!(entry.allows(value), "{name}={value}");
        }
    }

    #[test]
    fn whatever_is_drawn_is_allowed() {
        for scenario in crate::scenarios::all() {
            for seed in 0..500 {
                let pairs = scenario.options(seed).pairs();
                for (entry, (name, value)) in Options::entries().zip(pairs) {
                    assert!(entry.allows(value), "seed {seed}: {name}={value}");
                }
            }
        }
    }
}
