//! Limits of what waits, and of time.

use tidelock_core::Message;

use super::Bounds;

/// The limits that a run is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `Config::warn_bytes`.
    pub warn_bytes: u64,
    /// `Config::outbox_bytes_max`.
    pub outbox_bytes_max: u64,
    /// `Config::total_bytes_max`.
    pub total_bytes_max: u64,
    /// `Config::mailbox_bytes_max`.
    pub mailbox_bytes_max: usize,
    /// `Config::read_buffer_bytes_max`.
    pub read_buffer_bytes_max: usize,
    /// `Config::sockets_max`.
    pub sockets_max: u64,
    /// The longest times of things.
    pub bounds: Bounds,
}

impl Limits {
    /// Returns the charge of a message in a mailbox: 64 bytes and its payload, or the read buffer
    /// that the payload keeps alive because it fills half of it.
    pub(super) fn mailbox_charge_bytes(&self, message: &Message) -> usize {
        const OVERHEAD_BYTES: usize = 64;
        match message {
            Message::Data { bytes, .. } if 2 * bytes.len() >= self.buffer_bytes(bytes.len()) => {
                OVERHEAD_BYTES + bytes.len().max(self.buffer_bytes(bytes.len()))
            }
            Message::Data { bytes, .. } => OVERHEAD_BYTES + bytes.len(),
            Message::Udp { payload, .. } => OVERHEAD_BYTES + payload.len(),
            // Only `info` is answered with more, and what it is charged is the core's own size.
            _ => OVERHEAD_BYTES,
        }
    }

    /// The buffer that so many bytes were read into: 32 KiB doubled until they fit, up to the
    /// largest.
    fn buffer_bytes(&self, bytes: usize) -> usize {
        let doubled = (0..16).map(|times| (32_usize << 10).saturating_mul(1 << times));
        let mut smaller = doubled.take_while(|buffer| *buffer < self.read_buffer_bytes_max);
        smaller.find(|buffer| *buffer >= bytes).unwrap_or(self.read_buffer_bytes_max)
    }
}
