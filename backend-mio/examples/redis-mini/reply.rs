//! Replies as RESP2 bytes.

use tidelock_core::Bytes;

/// The replies of one or more requests, in order.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
}

impl Reply {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// `+text`
    pub(crate) fn status(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `-code message`. Line breaks in it become spaces, because they would end it early.
    pub(crate) fn error(&mut self, text: &[u8]) {
        self.bytes.push(b'-');
        let shown =
            text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
        self.bytes.extend(shown);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// `:value`
    pub(crate) fn integer(&mut self, value: i64) {
        self.line(b':', value.to_string().as_bytes());
    }

    /// `:count`
    pub(crate) fn count(&mut self, count: usize) {
        self.line(b':', count.to_string().as_bytes());
    }

    /// `$length`, and the bytes.
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.line(b'$', bytes.len().to_string().as_bytes());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// `$-1`: nothing is there.
    pub(crate) fn null(&mut self) {
        self.line(b'$', b"-1");
    }

    /// `*-1`: nothing is there, where an array would be.
    pub(crate) fn null_array(&mut self) {
        self.line(b'*', b"-1");
    }

    /// `*count`; that many replies follow.
    pub(crate) fn array(&mut self, count: usize) {
        self.line(b'*', count.to_string().as_bytes());
    }

    /// Takes everything.
    pub(crate) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).into()
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        assert!(!text.contains(&b'\n'), "a line break would end the reply early");
        self.bytes.push(kind);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// The bytes of a bulk reply of `len` bytes.
pub(crate) fn bulk_len(len: usize) -> usize {
    // The longest length is 20 digits; what matters is an upper bound that is not far off.
    len + 25
}
