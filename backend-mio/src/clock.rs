//! The monotonic clock.

use std::time;

use tidelock_core::Instant;

/// A clock that counts from the start of the runtime. It is monotonic, so a change of the wall
/// clock cannot move a deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: time::Instant,
}

impl Clock {
    /// Creates a clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: time::Instant::now() }
    }

    /// Returns the time since the start.
    pub(crate) fn now(self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }
}
