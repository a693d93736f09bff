//! The charge of all sockets together.

use crate::MESSAGE_OVERHEAD_BYTES;
use crate::sync::{AtomicU64, Ordering};

/// The charge of all sockets together, and whether somebody waits for it to fall.
///
/// Both stand in one word. So who gives a charge back learns in the same step whether the Mux is
/// to be told; and the Mux, which says that somebody waits, learns in the same step how much is
/// charged. No room appears between the two that nobody hears of.
#[derive(Debug, Default)]
pub(crate) struct Total {
    word: AtomicU64,
}

/// Somebody waits, and who gives something back tells the Mux.
const AWAITED: u64 = 1 << 63;

impl Total {
    /// Returns the number of charged bytes.
    pub(crate) fn bytes(&self) -> usize {
        (self.word.load(Ordering::Acquire) & !AWAITED) as usize
    }

    /// The count and whether somebody waits, for a fingerprint.
    pub(crate) fn word(&self) -> u64 {
        self.word.load(Ordering::Acquire)
    }

    /// Adds `charge` unless the sum would be above `limit`; answers whether it was added.
    #[inline]
    pub(crate) fn reserve(&self, charge: u64, limit: u64) -> bool {
        reserve(&self.word, charge, limit, AWAITED).is_some()
    }

    /// Gives `charge` back. Answers whether the Mux is to be told, because somebody waits; only
    /// one is told to tell it.
    #[must_use]
    #[inline]
    pub(crate) fn release(&self, charge: u64) -> bool {
        let before = self.word.fetch_sub(charge, Ordering::AcqRel);
        assert!(before & !AWAITED >= charge, "the total gave back more than it was charged");
        if before & AWAITED == 0 {
            return false;
        }
        self.word.fetch_and(!AWAITED, Ordering::AcqRel) & AWAITED != 0
    }

    /// Says whether somebody waits. What [`bytes`](Self::bytes) answers after `true` is no less
    /// than what is charged when the next one to give something back is told to tell.
    pub(crate) fn set_awaited(&self, is_awaited: bool) {
        if is_awaited {
            self.word.fetch_or(AWAITED, Ordering::AcqRel);
        } else {
            self.word.fetch_and(!AWAITED, Ordering::AcqRel);
        }
    }

    /// Returns `true` if who gives something back would be told to tell the Mux.
    pub(crate) fn is_awaited(&self) -> bool {
        self.word.load(Ordering::Acquire) & AWAITED != 0
    }
}

/// Adds `charge` to the count in a word, beside its `flags`, unless the sum would be above
/// `limit`; answers the sum.
///
/// Neither counts nor limits reach into the flags, which are the highest bit.
#[inline]
pub(crate) fn reserve(word: &AtomicU64, charge: u64, limit: u64, flags: u64) -> Option<u64> {
    debug_assert!(charge >= MESSAGE_OVERHEAD_BYTES as u64, "a message costs more than its bytes");
    let mut before = word.load(Ordering::Acquire);
    loop {
        let after = (before & !flags).checked_add(charge).filter(|after| *after <= limit)?;
        let replaced = word.compare_exchange_weak(
            before,
            before + charge,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match replaced {
            Ok(_) => return Some(after),
            Err(seen) => before = seen,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_gives_back_is_told_once_that_somebody_waits() {
        let total = Total::default();
        assert!(total.reserve(1000, 1500) && !total.reserve(501, 1500));
        assert!(!total.release(100), "nobody waits");
        total.set_awaited(true);
        assert_eq!((total.bytes(), total.is_awaited()), (900, true), "the flag is no charge");
        assert!(total.reserve(600, 1500) && !total.reserve(64, 1500));
        assert!(total.release(1000) && !total.release(500), "the first one tells");
        assert_eq!((total.bytes(), total.is_awaited()), (0, false));
    }
}
