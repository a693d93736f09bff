//! Read buffers that are never zeroed twice.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use tidelock_core::Config;

/// Fully initialised read buffers, in rings by size: the smallest, twice that, and so on to the
/// largest.
///
/// A read goes into a whole buffer; what came is given away as a slice of it, and the buffer goes
/// to its ring's back. Once nobody holds a slice any more, it is taken back, still initialised. So
/// safe code reads without zeroing a buffer per read, sockets that are silent hold no buffer, and a
/// small message is copied out, so that a service which keeps it pins no large buffer.
#[derive(Debug)]
pub(crate) struct BufferRing {
    /// The smallest first.
    rings: Vec<Ring>,
    /// The size of the largest.
    buffer_bytes: usize,
    /// Up to this size bytes are copied out.
    copy_bytes_max: usize,
    small: SmallChunk,
}

/// The memory of the next small messages, which share it: to allocate for each costs as much as to
/// read it.
///
/// A message that somebody keeps pins its chunk: up to seven times what it is charged with. So
/// chunks are small, and messages of few bytes get memory of their own, which is not much more than
/// they.
#[derive(Debug)]
struct SmallChunk {
    chunk: BytesMut,
    chunk_bytes: usize,
    /// The lengths of messages that are small; of the longest a chunk holds four.
    lens: RangeInclusive<usize>,
}

impl SmallChunk {
    fn new(chunk_bytes: usize) -> Self {
        let lens = chunk_bytes / 32..=chunk_bytes / 4;
        Self { chunk: BytesMut::new(), chunk_bytes, lens }
    }

    #[inline(always)]
    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        // A chunk of which nobody holds a part any more is used again.
        if !self.chunk.try_reclaim(bytes.len()) {
            self.chunk = BytesMut::with_capacity(self.chunk_bytes);
        }
        self.chunk.extend_from_slice(bytes);
        self.chunk.split().freeze()
    }
}

/// Buffers of one size.
#[derive(Debug)]
struct Ring {
    /// The buffer of the last read that kept it: the next one finds it at once, warm in the cache.
    spare: Option<BytesMut>,
    /// Whole buffers; slices of them may be out. Invariant: at most `buffers_max`, with the spare.
    buffers: VecDeque<Bytes>,
    buffer_bytes: usize,
}

/// The size with which reads begin, and which most never leave.
const SMALLEST_BUFFER_BYTES: usize = 32 * 1024;
/// Buffers of one size that are kept take at most so much, if two of them do not take more.
const RING_BYTES_MAX: usize = 2 * 1024 * 1024;
const RING_BUFFERS_MIN: usize = 2;
/// The number of buffers that are looked at before a new one is made: the newest, which are still in
/// the cache once their bytes have gone out, and then the oldest, which most likely are free.
const NEWEST_LOOKS_MAX: usize = 8;
const OLDEST_LOOKS_MAX: usize = 4;

impl BufferRing {
    /// Rings of buffers of up to `buffer_bytes`, the most that one read can give.
    pub(crate) fn new(buffer_bytes: usize, copy_bytes_max: usize) -> Self {
        assert!(buffer_bytes > 0 && copy_bytes_max > 0, "a read buffer without a byte");
        let config = Config { read_buffer_bytes_max: buffer_bytes, ..Config::default() };
        let mut rings = Vec::new();
        let mut bytes = 0;
        while bytes < buffer_bytes {
            bytes = config.read_buffer_bytes(bytes + 1);
            rings.push(Ring { spare: None, buffers: VecDeque::new(), buffer_bytes: bytes });
        }
        Self { rings, buffer_bytes, copy_bytes_max, small: SmallChunk::new(copy_bytes_max / 4) }
    }

    /// Lets `read` fill at most `size` bytes (at least one, at most the largest buffer's size) and
    /// answers what it filled.
    pub(crate) fn fill(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Bytes> {
        self.fill_with(size, |buffer| Ok((read(buffer)?, ()))).map(|(bytes, ())| bytes)
    }

    /// As [`fill`](Self::fill), for a read that tells more than how many bytes came.
    #[inline]
    pub(crate) fn fill_with<T>(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<(usize, T)>,
    ) -> io::Result<(Bytes, T)> {
        let copy_bytes_max = self.copy_bytes_max;
        let fitting = self.fitting(size);
        let ring = &mut self.rings[fitting];
        let whole = ring.spare();
        let (count, more) = read(&mut whole[..size])?;
        if self.small.lens.contains(&count) {
            return Ok((self.small.copy(&whole[..count]), more));
        }
        if count <= copy_bytes_max {
            return Ok((Bytes::copy_from_slice(&whole[..count]), more));
        }
        assert!(count <= size, "the system filled {count} of {size} B");
        Ok((self.give(fitting, count), more))
    }

    /// The ring of the smallest buffers that a read of `size` bytes fits into.
    #[inline]
    fn fitting(&self, size: usize) -> usize {
        assert!(size > 0, "a read of nothing");
        if size <= self.rings[0].buffer_bytes {
            // Mostly so.
            return 0;
        }
        let fitting = self.rings.iter().position(|ring| ring.buffer_bytes >= size);
        fitting.unwrap_or_else(|| panic!("a read of {size} B, and no buffer is so large"))
    }

    /// Gives away the filled part of a spare buffer, with the buffer if it fills half of it.
    fn give(&mut self, fitting: usize, count: usize) -> Bytes {
        let smaller_bytes = fitting.checked_sub(1).map(|before| self.rings[before].buffer_bytes);
        let ring = &mut self.rings[fitting];
        // Bytes that fit into a smaller buffer are charged with that one, not with this.
        let fits_smaller = smaller_bytes.is_some_and(|smaller| count <= smaller);
        if 2 * count < ring.buffer_bytes || fits_smaller {
            return Bytes::copy_from_slice(&ring.spare()[..count]);
        }
        let whole = ring.spare.take().expect("it was just filled").freeze();
        let bytes = whole.slice(..count);
        ring.lend(whole);
        bytes
    }

    /// The most that one read can give.
    #[inline]
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }
}

impl Ring {
    /// The buffer that the next read fills.
    #[inline]
    fn spare(&mut self) -> &mut BytesMut {
        if self.spare.is_none() {
            self.spare = Some(self.take());
        }
        self.spare.as_mut().expect("it was just put there")
    }

    /// A buffer that nobody holds, or a new one.
    #[inline(never)]
    fn take(&mut self) -> BytesMut {
        let count = self.buffers.len();
        let newest = (0..count).rev().take(NEWEST_LOOKS_MAX);
        let mut looks = newest.chain((0..count).take(OLDEST_LOOKS_MAX));
        let free = looks.find(|at| self.buffers[*at].is_unique());
        let taken = free.and_then(|at| self.buffers.remove(at));
        let Some(whole) = taken else { return aligned(self.buffer_bytes) };
        whole.try_into_mut().expect("nobody else holds it, so nobody can begin to")
    }

    /// Keeps a buffer of which a slice was given away.
    fn lend(&mut self, whole: Bytes) {
        self.make_room();
        self.buffers.push_back(whole);
    }

    /// For one more.
    fn make_room(&mut self) {
        let buffers_max = (RING_BYTES_MAX / self.buffer_bytes).clamp(RING_BUFFERS_MIN, 32);
        if self.buffers.len() == buffers_max {
            // The oldest is still held by somebody; it dies with its last slice.
            self.buffers.pop_front();
        }
        assert!(self.buffers.len() < buffers_max, "the ring grew past its bound");
    }
}

/// Creates a zeroed buffer that begins with a cache line: the system copies faster to and from it.
fn aligned(bytes: usize) -> BytesMut {
    const LINE_BYTES: usize = 64;
    let mut whole = BytesMut::zeroed(bytes + LINE_BYTES - 1);
    let before = whole.as_ptr().align_offset(LINE_BYTES).min(LINE_BYTES - 1);
    let mut aligned = whole.split_off(before);
    aligned.truncate(bytes);
    aligned
}

/// The size that one stream is asked for: more while reads fill what they are given, less while
/// they leave most of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadSize {
    /// The number of times that the smallest buffer was doubled: a byte says it for each of many
    /// streams.
    doublings: u8,
    /// Reads in a row that left three quarters.
    scant_reads: u8,
}

/// One scant read may be the end of a burst.
const SCANT_READS_MAX: u8 = 4;

/// More than any memory has.
const DOUBLINGS_MAX: u8 = SMALLEST_BUFFER_BYTES.leading_zeros() as u8;

impl ReadSize {
    /// The next read's size, at most `size_max`.
    #[inline]
    pub(crate) fn bytes(self, size_max: usize) -> usize {
        self.wanted_bytes().min(size_max)
    }

    fn wanted_bytes(self) -> usize {
        SMALLEST_BUFFER_BYTES << self.doublings
    }

    /// A read asked for `asked` bytes and got `got`.
    #[inline]
    pub(crate) fn handle_read(&mut self, asked: usize, got: usize) {
        // Mostly so: the smallest buffer was not filled, and there is no smaller one.
        if got == asked || self.doublings > 0 {
            self.adapt(asked, got);
        }
    }

    fn adapt(&mut self, asked: usize, got: usize) {
        if got == asked {
            // It stays below what the caller allows; what it grew beyond is of no use then.
            if asked == self.wanted_bytes() && self.doublings < DOUBLINGS_MAX {
                self.doublings += 1;
            }
            self.scant_reads = 0;
        } else if got > asked / 4 {
            self.scant_reads = 0;
        } else {
            self.scant_reads += 1;
            if self.scant_reads == SCANT_READS_MAX {
                self.doublings = self.doublings.saturating_sub(1);
                self.scant_reads = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_fill_all_they_get_ask_for_no_more_than_any_memory_has() {
        let mut size = ReadSize::default();
        for _ in 0..200 {
            let asked = size.bytes(usize::MAX);
            size.handle_read(asked, asked);
        }
        assert_eq!(size.bytes(usize::MAX), 1 << (usize::BITS - 1), "the largest power of two");
        for _ in 0..200 * usize::from(SCANT_READS_MAX) {
            let asked = size.bytes(usize::MAX);
            size.handle_read(asked, 0);
        }
        assert_eq!(size.bytes(usize::MAX), SMALLEST_BUFFER_BYTES);
    }

    impl Ring {
        fn is_spare(&self) -> bool {
            self.spare.is_some()
        }
    }

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
        assert_eq!(ring.rings[0].buffers.len(), 32);
    }

    #[test]
    fn a_returned_buffer_is_used_again() {
        let mut ring = BufferRing::new(64, 4);
        let address = filled(&mut ring, 50, 1).as_ptr();
        assert_eq!(filled(&mut ring, 64, 2).as_ptr(), address);
        assert_eq!(ring.rings[0].buffers.len(), 1);
        filled(&mut ring, 4, 3);
        assert_eq!((ring.rings[0].is_spare(), ring.rings[0].buffers.len()), (true, 0));
        assert_eq!(filled(&mut ring, 64, 4).as_ptr(), address);
    }

    #[test]
    fn small_messages_share_memory_that_nobody_writes_while_it_is_held() {
        let mut ring = BufferRing::new(4096, 1024);
        // A chunk of 256 B holds four of the longest that are small.
        let held: Vec<Bytes> = (0..100).map(|byte| filled(&mut ring, 64, byte)).collect();
        for (byte, bytes) in (0..100).zip(&held) {
            assert_eq!(bytes[..], [byte; 64]);
        }
        let shared = held.windows(2).filter(|two| two[1].as_ptr() == two[0].as_ptr_range().end);
        assert_eq!(shared.count(), 75, "25 chunks");
        drop(held);
        let addresses = (0..100).map(|byte| filled(&mut ring, 64, byte).as_ptr());
        let different: std::collections::BTreeSet<_> = addresses.collect();
        assert!(different.len() <= 4, "memory that nobody holds is not used again");
        for len in [7, 65] {
            let alone = filled(&mut ring, len, 1);
            assert!(alone.is_unique(), "{len} B pin more than themselves");
        }
    }

    #[test]
    fn small_bytes_pin_no_buffer() {
        let mut ring = BufferRing::new(64, 4);
        let small = filled(&mut ring, 4, 7);
        assert!(ring.rings[0].is_spare());
        assert_eq!(small[..], [7; 4]);
        // A buffer is handed over only by bytes that fill half of it.
        drop(filled(&mut ring, 31, 7));
        assert!(ring.rings[0].is_spare());
        let medium = filled(&mut ring, 31, 9);
        assert!(ring.rings[0].is_spare());
        assert_eq!(medium[..], [9; 31]);
        let large = filled(&mut ring, 32, 8);
        assert!(!ring.rings[0].is_spare() && !ring.rings[0].buffers[0].is_unique());
        assert_eq!(large[..], [8; 32]);
    }

    #[test]
    fn a_failed_read_gives_its_buffer_back() {
        let mut ring = BufferRing::new(64, 4);
        let error = ring.fill(64, |_| Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(ring.rings[0].is_spare() && ring.rings[0].buffers.is_empty());
    }

    #[test]
    fn a_read_takes_the_smallest_buffer_that_it_fits_into() {
        let mut ring = BufferRing::new(200_000, 4);
        let sizes: Vec<_> = ring.rings.iter().map(|ring| ring.buffer_bytes).collect();
        assert_eq!(sizes, [32_768, 65_536, 131_072, 200_000]);
        assert_eq!(ring.buffer_bytes(), 200_000);
        for (size, expected) in [(1, 0), (32_768, 0), (32_769, 1), (131_073, 3), (200_000, 3)] {
            let mut ring = BufferRing::new(200_000, 4);
            filled(&mut ring, size, 1);
            let used =
                ring.rings.iter().position(|ring| ring.is_spare() || !ring.buffers.is_empty());
            assert_eq!(used, Some(expected), "{size} B");
        }
        let held: Vec<_> = (0..100).map(|byte| filled(&mut ring, 200_000, byte)).collect();
        assert_eq!(ring.rings[3].buffers.len(), RING_BYTES_MAX / 200_000);
        drop(held);
        let boundary = ring.fill(131_072, |_| Ok(65_536)).unwrap();
        assert!(ring.rings[2].is_spare(), "it is charged with 64 KiB, and is copied");
        drop(boundary);
    }

    #[test]
    fn reads_grow_while_they_fill_and_shrink_while_they_are_scant() {
        let mut size = ReadSize::default();
        let next = |size: &mut ReadSize, share: usize| {
            let asked = size.bytes(1 << 20);
            size.handle_read(asked, asked / share);
            asked
        };
        let grown: Vec<_> = (0..7).map(|_| next(&mut size, 1) >> 15).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 32], "to the largest and no further");
        for _ in 0..3 {
            next(&mut size, 4);
        }
        next(&mut size, 3);
        assert_eq!(size.bytes(1 << 20) >> 15, 32, "one read that was not scant starts the count");
        let shrunk: Vec<_> = (0..28).map(|_| next(&mut size, 4) >> 15).collect();
        assert_eq!(shrunk[..4], [32; 4]);
        assert_eq!(shrunk[27], 1);
        assert_eq!(size.bytes(1000), 1000, "a caller may want less");
        size.handle_read(1000, 1000);
        assert_eq!(size.bytes(1 << 20), 1 << 15, "which says nothing of the stream");
    }
}
