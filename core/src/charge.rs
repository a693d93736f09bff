//! The charge of all sockets together.

use crate::MESSAGE_OVERHEAD_BYTES;
use crate::sync::{AtomicU64, Ordering};

/// The charge of all sockets together.
#[derive(Debug, Default)]
pub(crate) struct Total {
    charged_bytes: AtomicU64,
}

impl Total {
    /// Returns the number of charged bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.charged_bytes.load(Ordering::Acquire) as usize
    }

    /// Adds `charge` unless the sum would be above `limit`; answers whether it was added.
    #[inline]
    pub(crate) fn reserve(&self, charge: u64, limit: u64) -> bool {
        reserve(&self.charged_bytes, charge, limit).is_some()
    }

    /// Gives `charge` back.
    #[inline]
    pub(crate) fn release(&self, charge: u64) {
        let before = self.charged_bytes.fetch_sub(charge, Ordering::AcqRel);
        assert!(before >= charge, "the total gave back more than it was charged");
    }
}

/// Adds `charge` to a count, unless the sum would be above `limit`; answers the sum.
#[inline]
pub(crate) fn reserve(count: &AtomicU64, charge: u64, limit: u64) -> Option<u64> {
    debug_assert!(charge >= MESSAGE_OVERHEAD_BYTES as u64, "a message costs more than its bytes");
    let mut before = count.load(Ordering::Acquire);
    loop {
        let after = before.checked_add(charge).filter(|after| *after <= limit)?;
        let replaced =
            count.compare_exchange_weak(before, after, Ordering::AcqRel, Ordering::Acquire);
        match replaced {
            Ok(_) => return Some(after),
            Err(seen) => before = seen,
        }
    }
}
