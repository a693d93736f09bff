//! The traffic of one socket.

use crate::{Instant, Stats};

/// The traffic of one socket, for `info`; and with it that of all of them.
#[derive(Default, Hash)]
pub(crate) struct Counters {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
    pub(crate) last_read: Option<Instant>,
    pub(crate) last_write: Option<Instant>,
}

impl Counters {
    /// Counts payload that came in; as a message, unless it is discarded.
    #[inline]
    pub(crate) fn add_input(
        &mut self,
        all: &mut Stats,
        bytes: usize,
        is_message: bool,
        now: Instant,
    ) {
        self.bytes_in += bytes as u64;
        self.messages_in += u64::from(is_message);
        self.last_read = Some(now);
        all.bytes_in += bytes as u64;
        all.messages_in += u64::from(is_message);
    }

    /// Counts payload that the system took, and the messages that this finished.
    #[inline]
    pub(crate) fn add_output(&mut self, all: &mut Stats, bytes: u64, messages: u64, now: Instant) {
        self.bytes_out += bytes;
        self.messages_out += messages;
        self.last_write = Some(now);
        all.bytes_out += bytes;
        all.messages_out += messages;
    }
}
