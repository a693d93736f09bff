//! The limits and timeouts of a runtime.

use std::fmt;
use std::time::Duration;

use crate::Timeout;

/// The fixed cost of one queued message, charged in addition to its bytes.
///
/// Without it, 64 MiB of *payload* in one-byte sends would pass the limit and take some 4 GiB of
/// memory.
pub const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// The limits and timeouts of one runtime. Names end in their unit.
///
/// ```
/// use tidelock_core::Config; let config = Config { warn_bytes: 64 * 1024, outbox_bytes_max: 1024 *
/// 1024, ..Config::default() }; config.validate().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sockets of all kinds that may be open at a time. Default 65,536. The table grows in steps of
    /// 256 places, so an unused place costs nothing until its step is reached. A listener that
    /// accepts holds one place more, for the next connection. Several network threads share the
    /// limit in equal parts. At most 67,108,863, because an id has no bits for more.
    pub sockets_max: u32,
    /// Services that may be alive at a time. Default 65,536.
    pub services_max: u32,
    /// Connections accepted from one listener before other sockets are served. Default 16.
    pub accepts_per_turn: u32,
    /// Reads from one socket before other sockets are served. Default 4.
    pub reads_per_turn: u32,
    /// Bytes written to one socket before other sockets are served. Default 1 MiB.
    pub write_bytes_per_turn: usize,
    /// Sockets served by one `turn`. Default 8: in a small turn the data of a socket and of its
    /// service stays in the cache from the read to the write of the answer.
    pub sockets_per_turn: u32,
    /// Commands that a driver hands over between two turns. Default 1,024.
    pub commands_per_turn: u32,
    /// Messages that one service handles before other services are served. Default 64.
    pub messages_per_batch: u32,
    /// Commands that one service makes before other services are served: once a call has reached
    /// the limit, the service's remaining messages wait for its next batch. Default 1,024. A single
    /// call may exceed it.
    pub commands_per_service: u32,
    /// Reads of up to this many bytes are always copied out of the read buffer. Default 2 KiB.
    ///
    /// tidelock-mio lets those of up to a sixteenth of it share memory, in chunks of a quarter of
    /// it (512 bytes): a service that keeps one for long keeps its chunk, and had better copy it.
    /// Where peers arrange for that, mailboxes and outboxes keep up to seven times as many bytes as
    /// they are charged with.
    pub read_buffer_bytes_min: usize,
    /// The largest read buffer. Default 1 MiB. A stream begins with 32 KiB, or this if it is less.
    /// Its buffer doubles while reads fill it, and halves while they leave most of it empty. Bytes
    /// that fill at least half of a buffer are handed over in it and charged with its full size;
    /// fewer are copied out, so that a small message which a service keeps pins no large buffer.
    pub read_buffer_bytes_max: usize,
    /// Unsent bytes of one socket at which its owner gets `Warning`. Default 1 MiB.
    pub warn_bytes: usize,
    /// The most unsent bytes of one socket; each message is charged with 64 bytes more. Default
    /// 64 MiB. At least twice [`warn_bytes`](Self::warn_bytes), at most 512 MiB.
    pub outbox_bytes_max: usize,
    /// The most unsent bytes of all sockets together, charged likewise. Default 1 GiB.
    /// At least [`outbox_bytes_max`](Self::outbox_bytes_max).
    pub total_bytes_max: usize,
    /// Bytes in one service's mailbox at which reading for that service stops; it resumes below
    /// half of it. Default 16 MiB.
    pub mailbox_bytes_max: usize,
    /// The largest datagram that is sent or received whole. Default 65,507, the most that IPv4
    /// carries.
    pub datagram_bytes_max: usize,
    /// Time for a connect, including name resolution and every address. Default 10 s.
    pub connect_timeout: Duration,
    /// The Connection Attempt Delay of RFC 8305 (*Happy Eyeballs*): an address of a name that has
    /// not connected within this time competes with the next one; the first to connect wins, and
    /// the others are closed. Default 250 ms, as in the RFC; at least 10 ms. Each further attempt
    /// is a socket, and counts towards [`sockets_max`](Self::sockets_max) until the race is over.
    pub connection_attempt_delay: Duration,
    /// Time for the name resolution of a connect, within
    /// [`connect_timeout`](Self::connect_timeout). Default 10 s: all of it.
    pub resolve_timeout: Duration,
    /// Time that the flush of a shut-down socket may go without the system accepting a byte.
    /// Default 10 s.
    pub flush_stall_timeout: Duration,
    /// Time for the whole flush of a shut-down socket. Default off.
    pub flush_timeout: Option<Duration>,
    /// Time to wait for the peer's FIN after the FIN of a `shutdown`. Default 10 s.
    pub linger_timeout: Duration,
    /// Time that a half-closed socket may be silent: without a byte written after the peer's FIN,
    /// or without a byte read after `finish`. Default 60 s.
    pub half_open_timeout: Duration,
    /// Time that an accepted socket may wait for `start`. Default 60 s.
    pub start_timeout: Duration,
    /// Time that an open stream may be silent in both directions. The time does not run while the
    /// stream is paused, and `start` restarts it. Default off.
    pub idle_timeout: Option<Duration>,
    /// Time that an open stream may go without a byte read, however much is written: it detects a
    /// peer that is gone or silent. Like `idle_timeout` it does not run while the stream is paused,
    /// and `start` restarts it. Default off.
    pub read_idle_timeout: Option<Duration>,
    /// Time that the system may accept nothing of the queued output of an open stream: it detects a
    /// peer that does not read. Default off.
    pub write_stall_timeout: Option<Duration>,
    /// The first pause of a listener that ran out of descriptors or memory; it doubles at each
    /// further failure. Default 100 ms.
    pub accept_retry_min: Duration,
    /// The longest such pause. Default 1 s.
    pub accept_retry_max: Duration,
    /// The generation of the first id at each place. Default 1; tests of the wrap-around start near
    /// the largest.
    pub first_generation: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sockets_max: 65_536,
            services_max: 65_536,
            accepts_per_turn: 16,
            reads_per_turn: 4,
            write_bytes_per_turn: 1 << 20,
            sockets_per_turn: 8,
            commands_per_turn: 1024,
            messages_per_batch: 64,
            commands_per_service: 1024,
            read_buffer_bytes_min: 2 << 10,
            read_buffer_bytes_max: 1 << 20,
            warn_bytes: 1 << 20,
            outbox_bytes_max: 64 << 20,
            total_bytes_max: 1 << 30,
            mailbox_bytes_max: 16 << 20,
            datagram_bytes_max: 65_507,
            connect_timeout: Duration::from_secs(10),
            connection_attempt_delay: Duration::from_millis(250),
            resolve_timeout: Duration::from_secs(10),
            flush_stall_timeout: Duration::from_secs(10),
            flush_timeout: None,
            linger_timeout: Duration::from_secs(10),
            half_open_timeout: Duration::from_secs(60),
            start_timeout: Duration::from_secs(60),
            idle_timeout: None,
            read_idle_timeout: None,
            write_stall_timeout: None,
            accept_retry_min: Duration::from_millis(100),
            accept_retry_max: Duration::from_secs(1),
            first_generation: 1,
        }
    }
}

/// The read buffer that every stream begins with.
const READ_BUFFER_BYTES_FIRST: usize = 32 << 10;

/// The least delay that RFC 8305 allows (section 5: "MUST NOT be less than 10 milliseconds").
pub(crate) const CONNECTION_ATTEMPT_DELAY_MIN: Duration = Duration::from_millis(10);

/// One place fewer than the bits of an id can name, so that no id is all ones.
const IDS_MAX: u32 = crate::id::PLACES_MAX - 1;

impl Config {
    /// Returns the size of the smallest read buffer that holds `bytes`. The sizes are 32 KiB and
    /// its doubles up to [`read_buffer_bytes_max`](Self::read_buffer_bytes_max), which is also
    /// returned for larger `bytes`.
    ///
    /// ```
    /// # use tidelock_core::Config;
    /// let config = Config { read_buffer_bytes_max: 200_000, ..Config::default() }; let buffers =
    /// [0, 32_768, 32_769, 140_000, 1_000_000].map(|bytes| config.read_buffer_bytes(bytes));
    /// assert_eq!(buffers, [32_768, 32_768, 65_536, 200_000, 200_000]);
    /// ```
    pub fn read_buffer_bytes(&self, bytes: usize) -> usize {
        let largest = self.read_buffer_bytes_max;
        let mut buffer = READ_BUFFER_BYTES_FIRST.min(largest);
        while buffer < bytes.min(largest) {
            buffer = buffer.saturating_mul(2).min(largest);
        }
        buffer
    }

    /// The mailbox charge of `bytes` that were read: themselves, or the buffer of which they fill
    /// half, because they keep it alive.
    #[inline]
    pub(crate) fn read_charge_bytes(&self, bytes: usize) -> usize {
        if 2 * bytes < READ_BUFFER_BYTES_FIRST.min(self.read_buffer_bytes_max) {
            return bytes;
        }
        let buffer_bytes = self.read_buffer_bytes(bytes);
        if 2 * bytes >= buffer_bytes { bytes.max(buffer_bytes) } else { bytes }
    }

    /// Returns the duration of a timeout for a socket that does not set its own, or `None` if it is
    /// off. For a flush this is the time without progress.
    pub(crate) fn timeout(&self, which: Timeout) -> Option<Duration> {
        match which {
            Timeout::Idle => self.idle_timeout,
            Timeout::ReadIdle => self.read_idle_timeout,
            Timeout::WriteStall => self.write_stall_timeout,
            Timeout::HalfOpen => Some(self.half_open_timeout),
            Timeout::Start => Some(self.start_timeout),
            Timeout::Flush => Some(self.flush_stall_timeout),
            Timeout::Linger => Some(self.linger_timeout),
        }
    }

    /// The fields that must not be zero, by name.
    fn limits(&self) -> [(&'static str, u128); 15] {
        [
            ("sockets_max", self.sockets_max.into()),
            ("services_max", self.services_max.into()),
            ("accepts_per_turn", self.accepts_per_turn.into()),
            ("reads_per_turn", self.reads_per_turn.into()),
            ("write_bytes_per_turn", self.write_bytes_per_turn as u128),
            ("sockets_per_turn", self.sockets_per_turn.into()),
            ("commands_per_turn", self.commands_per_turn.into()),
            ("messages_per_batch", self.messages_per_batch.into()),
            ("commands_per_service", self.commands_per_service.into()),
            ("read_buffer_bytes_min", self.read_buffer_bytes_min as u128),
            ("warn_bytes", self.warn_bytes as u128),
            ("mailbox_bytes_max", self.mailbox_bytes_max as u128),
            ("datagram_bytes_max", self.datagram_bytes_max as u128),
            ("first_generation", self.first_generation.into()),
            ("accept_retry_min (ns)", self.accept_retry_min.as_nanos()),
        ]
    }

    /// Checks that no limit is zero and that no two limits contradict each other.
    ///
    /// # Errors
    /// The first zero or contradiction found, with the names and values.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (name, value) in self.limits() {
            if value == 0 {
                return Err(ConfigError::Zero { name });
            }
        }
        let ordered: [(&'static str, u128, &'static str, u128); 8] = [
            (
                "10 ms (in ns, RFC 8305)",
                CONNECTION_ATTEMPT_DELAY_MIN.as_nanos(),
                "connection_attempt_delay (ns)",
                self.connection_attempt_delay.as_nanos(),
            ),
            ("sockets_max", self.sockets_max.into(), "what an id can name", IDS_MAX.into()),
            (
                "read_buffer_bytes_min",
                self.read_buffer_bytes_min as u128,
                "read_buffer_bytes_max",
                self.read_buffer_bytes_max as u128,
            ),
            (
                "2 * warn_bytes",
                2 * self.warn_bytes as u128,
                "outbox_bytes_max",
                self.outbox_bytes_max as u128,
            ),
            (
                "outbox_bytes_max",
                self.outbox_bytes_max as u128,
                "total_bytes_max",
                self.total_bytes_max as u128,
            ),
            // The gate counts announced sends in 24 bits, and each is charged at least 64 bytes: up
            // to this limit the charge is full before the count is.
            ("outbox_bytes_max", self.outbox_bytes_max as u128, "what can be counted", 512 << 20),
            (
                "datagram_bytes_max",
                self.datagram_bytes_max as u128,
                "the largest UDP payload",
                65_527,
            ),
            (
                "accept_retry_min (ns)",
                self.accept_retry_min.as_nanos(),
                "accept_retry_max (ns)",
                self.accept_retry_max.as_nanos(),
            ),
        ];
        for (lower, lower_value, upper, upper_value) in ordered {
            if lower_value > upper_value {
                return Err(ConfigError::Contradiction { lower, lower_value, upper, upper_value });
            }
        }
        Ok(())
    }
}

/// The reason why a [`Config`] is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit is zero, and would let nothing through.
    Zero {
        /// The field.
        name: &'static str,
    },
    /// Two fields contradict each other: the first must not be above the second.
    Contradiction {
        /// The field (or the multiple of it) that is too large.
        lower: &'static str,
        /// Its value.
        lower_value: u128,
        /// The field that must be at least as large.
        upper: &'static str,
        /// Its value.
        upper_value: u128,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Zero { name } => write!(f, "{name} is zero; it must be at least one"),
            ConfigError::Contradiction { lower, lower_value, upper, upper_value } => write!(
                f,
                "{lower} ({lower_value}) is above {upper} ({upper_value}); lower the first or raise the second"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn a_contradiction_names_both_fields() {
        let config = Config { warn_bytes: 40 << 20, ..Config::default() };
        let text = config.validate().unwrap_err().to_string();
        assert!(text.contains("warn_bytes") && text.contains("outbox_bytes_max"), "{text}");
        let config = Config { total_bytes_max: 1, ..Config::default() };
        let text = config.validate().unwrap_err().to_string();
        assert!(text.contains("outbox_bytes_max") && text.contains("total_bytes_max"), "{text}");
    }

    #[test]
    fn zero_names_its_field() {
        let config = Config { sockets_max: 0, ..Config::default() };
        assert_eq!(config.validate(), Err(ConfigError::Zero { name: "sockets_max" }));
    }
}
