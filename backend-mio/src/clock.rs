//! The monotonic clock.

use std::time;

use tidelock_core::Instant;

/// Counts from the start of the runtime on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: time::Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: time::Instant::now() }
    }

    /// The time since the start.
    pub(crate) fn now(self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }
}
