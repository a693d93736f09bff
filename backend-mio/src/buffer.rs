//! Read buffers that are never zeroed twice.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};

/// A ring of fully initialised read buffers.
///
/// A read goes into a whole buffer; what came is given away as a slice of it, and the buffer goes
/// to the ring's back. When it comes to the front again and nobody holds a slice any more, it is
/// taken back, still initialised. So safe code reads without zeroing a buffer per read, sockets
/// that are silent hold no buffer, and a small message is copied out, so that a service which
/// keeps it pins no large buffer.
#[derive(Debug)]
pub(crate) struct BufferRing {
    /// Whole buffers of `buffer_bytes`; slices of them may be out. Invariant: at most
    /// [`RING_BUFFERS_MAX`].
    ring: VecDeque<Bytes>,
    buffer_bytes: usize,
    /// Up to this size bytes are copied out.
    copy_bytes_max: usize,
}

/// With the default of 64 KiB a ring holds at most 2 MiB.
const RING_BUFFERS_MAX: usize = 32;
/// How many buffers are looked at before a new one is made.
const RING_LOOKS_MAX: usize = 4;

impl BufferRing {
    /// A ring of buffers of `buffer_bytes`, the most that one read can give.
    pub(crate) fn new(buffer_bytes: usize, copy_bytes_max: usize) -> Self {
        assert!(buffer_bytes > 0 && copy_bytes_max > 0, "a read buffer without a byte");
        Self { ring: VecDeque::new(), buffer_bytes, copy_bytes_max }
    }

    /// Lets `read` fill at most `size` bytes (at least one, at most a buffer's size) and answers
    /// what it filled.
    pub(crate) fn fill(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Bytes> {
        self.fill_with(size, |buffer| Ok((read(buffer)?, ()))).map(|(bytes, ())| bytes)
    }

    /// As [`fill`](Self::fill), for a read that tells more than how many bytes came.
    pub(crate) fn fill_with<T>(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<(usize, T)>,
    ) -> io::Result<(Bytes, T)> {
        assert!(size > 0 && size <= self.buffer_bytes, "a read of {size} B");
        let mut whole = self.take();
        assert_eq!(whole.len(), self.buffer_bytes, "a buffer was cut");
        let result = read(&mut whole[..size]);
        let whole = whole.freeze();
        let bytes = match &result {
            Ok((count, _)) => {
                assert!(*count <= size, "the system filled {count} of {size} B");
                if *count <= self.copy_bytes_max || 2 * *count < self.buffer_bytes {
                    Bytes::copy_from_slice(&whole[..*count])
                } else {
                    whole.slice(..*count)
                }
            }
            Err(_told_below) => Bytes::new(),
        };
        self.put(whole);
        result.map(|(_count, more)| (bytes, more))
    }

    /// The most that one read can give.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    fn take(&mut self) -> BytesMut {
        for _ in 0..self.ring.len().min(RING_LOOKS_MAX) {
            let Some(whole) = self.ring.pop_front() else {
                break;
            };
            match whole.try_into_mut() {
                Ok(unique) => return unique,
                Err(shared) => self.ring.push_back(shared),
            }
        }
        BytesMut::zeroed(self.buffer_bytes)
    }

    fn put(&mut self, whole: Bytes) {
        if self.ring.len() == RING_BUFFERS_MAX {
            // The oldest is still held by somebody; it dies with its last slice.
            self.ring.pop_front();
        }
        if whole.is_unique() {
            // The next read finds it at once, warm in the cache.
            self.ring.push_front(whole);
        } else {
            self.ring.push_back(whole);
        }
        assert!(self.ring.len() <= RING_BUFFERS_MAX, "the ring grew past its bound");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(ring: &mut BufferRing, size: usize, byte: u8) -> Bytes {
        ring.fill(size, |buffer| {
            buffer.fill(byte);
            Ok(buffer.len())
        })
        .unwrap()
    }

    #[test]
    fn a_held_slice_is_never_written_again() {
        let mut ring = BufferRing::new(64, 4);
        let held: Vec<Bytes> = (0..100).map(|byte| filled(&mut ring, 50, byte)).collect();
        for (byte, bytes) in (0..100).zip(&held) {
            assert_eq!(bytes[..], [byte; 50]);
        }
        assert_eq!(ring.ring.len(), RING_BUFFERS_MAX);
    }

    #[test]
    fn a_returned_buffer_is_used_again() {
        let mut ring = BufferRing::new(64, 4);
        let address = filled(&mut ring, 50, 1).as_ptr();
        assert_eq!(filled(&mut ring, 64, 2).as_ptr(), address);
        assert_eq!(ring.ring.len(), 1);
    }

    #[test]
    fn small_bytes_pin_no_buffer() {
        let mut ring = BufferRing::new(64, 4);
        let small = filled(&mut ring, 4, 7);
        assert!(ring.ring[0].is_unique());
        assert_eq!(small[..], [7; 4]);
        // A buffer is handed over only by bytes that fill half of it.
        drop(filled(&mut ring, 31, 7));
        assert!(ring.ring[0].is_unique());
        let medium = filled(&mut ring, 31, 9);
        assert!(ring.ring[0].is_unique());
        assert_eq!(medium[..], [9; 31]);
        let large = filled(&mut ring, 32, 8);
        assert!(!ring.ring[0].is_unique());
        assert_eq!(large[..], [8; 32]);
    }

    #[test]
    fn a_failed_read_gives_its_buffer_back() {
        let mut ring = BufferRing::new(64, 4);
        let error = ring.fill(64, |_| Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(ring.ring.len(), 1);
        assert!(ring.ring[0].is_unique());
    }
}
