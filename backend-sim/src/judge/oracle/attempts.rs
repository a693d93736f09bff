//! Attempts of one connect to a name.

use tidelock_core::SocketId;

/// The attempts of one connect to a name.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Race {
    /// When its addresses were known.
    pub(super) known_at: u64,
    pub(super) addresses: u32,
    pub(super) begun: u32,
    pub(super) failed: u32,
    /// Those under ids of their own whose descriptor is open.
    pub(super) racers: Vec<SocketId>,
}

impl Race {
    /// Judges that one more attempt begins.
    ///
    /// # Errors
    /// Why it must not.
    pub(super) fn begins(&mut self, now: u64, delay_nanos: u64) -> Result<(), String> {
        // One at once, one more for each that failed, and one more each delay.
        let delays = now.saturating_sub(self.known_at) / delay_nanos;
        let due = 1 + u64::from(self.failed) + delays;
        self.begun += 1;
        if u64::from(self.begun) > due {
            return Err(format!("attempt {} of {due} that are due: {self:?}", self.begun));
        }
        if self.begun > self.addresses {
            return Err(format!("more attempts than addresses: {self:?}"));
        }
        Ok(())
    }
}
