//! Replies as RESP2 bytes.

use tidelock_core::Bytes;

/// The replies of one or more requests, in order, cut into messages.
///
/// Each message has memory of its own, so that it is freed once it is sent, while the rest waits.
#[derive(Debug)]
pub(crate) struct Reply {
    message_bytes_max: usize,
    /// Messages of exactly `message_bytes_max`.
    full: Vec<Bytes>,
    /// The bytes after those. Invariant: fewer than `message_bytes_max`.
    rest: Vec<u8>,
}

impl Reply {
    /// Creates an empty reply.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        assert!(message_bytes_max > 0, "messages of at most zero bytes");
        Self { message_bytes_max, full: Vec::new(), rest: Vec::new() }
    }

    /// Returns `true` if there is a full message.
    pub(crate) fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Appends `+text`.
    pub(crate) fn status(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// Appends `-text`. Line breaks in it become spaces, because one would end the reply early.
    pub(crate) fn error(&mut self, text: &[u8]) {
        let one_line = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        self.line(b'-', &text.iter().map(one_line).collect::<Vec<u8>>());
    }

    /// Appends `:value`.
    pub(crate) fn integer(&mut self, value: i64) {
        self.line(b':', value.to_string().as_bytes());
    }

    /// Appends `:count`.
    pub(crate) fn count(&mut self, count: usize) {
        self.line(b':', count.to_string().as_bytes());
    }

    /// Appends `$length` and the bytes.
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.line(b'$', bytes.len().to_string().as_bytes());
        self.push(bytes);
        self.push(b"\r\n");
    }

    /// Appends `$-1`: there is no value.
    pub(crate) fn null(&mut self) {
        self.line(b'$', b"-1");
    }

    /// Appends `*-1`: there is no array.
    pub(crate) fn null_array(&mut self) {
        self.line(b'*', b"-1");
    }

    /// Appends `*count`; that many replies must follow.
    pub(crate) fn array(&mut self, count: usize) {
        self.line(b'*', count.to_string().as_bytes());
    }

    /// Takes everything, as messages of which none is empty.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        let mut messages = std::mem::take(&mut self.full);
        if !self.rest.is_empty() {
            messages.push(std::mem::take(&mut self.rest).into());
        }
        messages
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        let shown = text.escape_ascii();
        assert!(!text.contains(&b'\n'), "a line break ends the reply \"{shown}\" early");
        self.push(&[kind]);
        self.push(text);
        self.push(b"\r\n");
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while self.rest.len() + bytes.len() >= self.message_bytes_max {
            let (front, back) = bytes.split_at(self.message_bytes_max - self.rest.len());
            self.rest.extend_from_slice(front);
            self.full.push(std::mem::take(&mut self.rest).into());
            bytes = back;
        }
        self.rest.extend_from_slice(bytes);
    }
}

/// Returns the most bytes that a bulk reply of `len` bytes takes.
pub(crate) fn bulk_len(len: usize) -> usize {
    // A length has at most 20 digits. The result is an upper bound, and need not be exact.
    len + 25
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_their_size_and_lose_nothing() {
        for message_bytes_max in 1..30 {
            let mut reply = Reply::new(message_bytes_max);
            reply.status("OK");
            reply.bulk(b"0123456789");
            reply.integer(-7);
            let messages = reply.take();
            assert_eq!(messages.concat(), b"+OK\r\n$10\r\n0123456789\r\n:-7\r\n");
            let lens = messages.iter().map(Bytes::len);
            assert!(lens.clone().all(|len| 0 < len && len <= message_bytes_max));
            assert!(lens.rev().skip(1).all(|len| len == message_bytes_max));
            assert!(reply.take().is_empty() && !reply.has_full());
        }
    }
}
