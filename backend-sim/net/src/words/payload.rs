//! Bytes that say where they belong.

use super::operation::Side;
use crate::base::mix::mix;
use bytes::Bytes;

/// Names a message: which connection, from which side, with which priority, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The connection, by its label's number.
    pub connection: u32,
    /// The accepted side sent it.
    pub is_accepted_side: bool,
    /// It was sent with low priority.
    pub is_low: bool,
    /// Which message of its side, from 0.
    pub message: u32,
    /// Its length, if it says it in the four bytes behind its first one.
    pub framed_bytes: Option<u32>,
}

/// The bytes at the front of a framed message: its first byte and its whole length.
pub const FRAME_HEAD_BYTES: u32 = 5;

impl Mark {
    /// The byte at `offset` of the message.
    pub fn byte(self, offset: u32) -> u8 {
        self.block(offset / 8).to_le_bytes()[(offset % 8) as usize]
    }

    /// The whole message. Its first byte holds the priority and the number's low seven bits.
    pub fn payload(self, length: u32) -> Bytes {
        let mut bytes = vec![0; length.next_multiple_of(8) as usize];
        for (number, block) in (0..).zip(bytes.chunks_exact_mut(8)) {
            block.copy_from_slice(&self.block(number).to_le_bytes());
        }
        bytes.truncate(length as usize);
        Bytes::from(bytes)
    }

    /// Where `bytes`, which should be those from `offset` on, first differ.
    pub fn first_difference(self, offset: u32, bytes: &[u8]) -> Option<u32> {
        let mut at = offset;
        let mut left = bytes;
        while !left.is_empty() {
            // Nearly all of a long message: whole blocks, each of them one word.
            while let Some((word, rest)) = left.split_first_chunk()
                && at.is_multiple_of(8)
                && u64::from_le_bytes(*word) == self.block(at / 8)
            {
                (at, left) = (at + 8, rest);
            }
            if left.is_empty() {
                return None;
            }
            let block = self.block(at / 8).to_le_bytes();
            let block = &block[(at % 8) as usize..];
            let count = block.len().min(left.len());
            if block[..count] != left[..count] {
                let same = block.iter().zip(left).take_while(|(one, other)| one == other);
                return Some(at + same.count() as u32);
            }
            at += count as u32;
            left = &left[count..];
        }
        None
    }

    fn block(self, number: u32) -> u64 {
        let side = u64::from(self.is_accepted_side) << 1 | u64::from(self.is_low);
        let seed = (u64::from(self.connection) << 34) | (u64::from(self.message) << 2) | side;
        let block = mix(seed, u64::from(number));
        if number > 0 {
            return block;
        }
        let first = u64::from((self.message & 0x7F) << 1 | u32::from(self.is_low));
        match self.framed_bytes {
            Some(length) => block & !0xFF_FFFF_FFFF | u64::from(length) << 8 | first,
            None => block & !0xFF | first,
        }
    }
}

/// Returns the mark of a message of this side.
pub fn mark(on: Side, message: u32, is_low: bool) -> Mark {
    let (connection, is_accepted_side) = (on.label.number, on.is_accepted);
    Mark { connection, is_accepted_side, is_low, message, framed_bytes: None }
}

/// Returns the mark of a framed message of this side.
pub fn frame_mark(on: Side, message: u32, bytes: u32) -> Mark {
    assert!(bytes >= FRAME_HEAD_BYTES, "a frame has a head");
    Mark { framed_bytes: Some(bytes), ..mark(on, message, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        connection: 3,
        is_accepted_side: false,
        is_low: false,
        message: 5,
        framed_bytes: None,
    };

    #[test]
    fn every_byte_is_what_its_place_says() {
        let payload = MARK.payload(1001);
        assert_eq!(payload.len(), 1001);
        for (offset, byte) in payload.iter().enumerate() {
            assert_eq!(*byte, MARK.byte(offset as u32), "at {offset}");
        }
    }

    #[test]
    fn the_first_difference_is_found_at_every_place() {
        let payload = MARK.payload(40);
        for from in 0..40 {
            assert_eq!(MARK.first_difference(from, &payload[from as usize..]), None);
            for wrong in from..40 {
                let mut bytes = payload.to_vec();
                bytes[wrong as usize] ^= 1;
                assert_eq!(MARK.first_difference(from, &bytes[from as usize..]), Some(wrong));
            }
        }
    }

    #[test]
    fn a_framed_message_says_its_length() {
        let payload = Mark { framed_bytes: Some(0x0102), ..MARK }.payload(0x0102);
        assert_eq!(payload[..FRAME_HEAD_BYTES as usize], [5 << 1, 2, 1, 0, 0]);
        assert_eq!(payload[FRAME_HEAD_BYTES as usize..8], MARK.payload(8)[5..]);
    }

    #[test]
    fn other_messages_have_other_bytes() {
        let payload = MARK.payload(64);
        for other in [
            Mark { connection: 4, ..MARK },
            Mark { is_accepted_side: true, ..MARK },
            Mark { is_low: true, ..MARK },
            Mark { message: 6, ..MARK },
        ] {
            assert_ne!(payload, other.payload(64), "{other:?}");
        }
    }
}
