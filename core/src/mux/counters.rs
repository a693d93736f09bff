//! What went through one socket.

use crate::{Instant, Stats};

/// What went through one socket, for `info`; and with it through all of them.
#[derive(Default, Hash)]
pub(super) struct Counters {
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    pub(super) last_read: Option<Instant>,
    pub(super) last_write: Option<Instant>,
}

impl Counters {
    /// Payload came; as a message, unless it is discarded.
    #[inline]
    pub(super) fn came(&mut self, all: &mut Stats, bytes: usize, is_message: bool, now: Instant) {
        debug_assert!(self.last_read <= Some(now), "it was read later than now");
        debug_assert!(self.messages_in == 0 || self.last_read.is_some(), "it was read, never");
        debug_assert!(bytes > 0 || is_message, "nothing came");
        self.bytes_in += bytes as u64;
        self.messages_in += u64::from(is_message);
        self.last_read = Some(now);
        all.bytes_in += bytes as u64;
        all.messages_in += u64::from(is_message);
        debug_assert!(self.bytes_in <= all.bytes_in, "one socket got more than all");
        debug_assert!(self.messages_in <= all.messages_in, "one socket got more than all");
    }

    /// The system took payload, and with it the rest of so many messages.
    #[inline]
    pub(super) fn went(&mut self, all: &mut Stats, bytes: u64, messages: u64, at: Instant) {
        self.went_elsewhere(bytes, messages, at);
        all.bytes_out += bytes;
        all.messages_out += messages;
        debug_assert!(self.last_write >= Some(at), "it was written earlier than now");
    }

    /// The system took payload from another thread, which counts for all sockets itself.
    #[inline]
    pub(super) fn went_elsewhere(&mut self, bytes: u64, messages: u64, at: Instant) {
        debug_assert!(bytes > 0 || messages > 0, "nothing went");
        debug_assert!(self.messages_out == 0 || self.last_write.is_some(), "it was written, never");
        self.bytes_out += bytes;
        self.messages_out += messages;
        // What another thread wrote may be told after what was written later.
        self.last_write = self.last_write.max(Some(at));
    }
}
