//! Which warnings a socket's owner must be told, by its accepted and taken bytes alone.

use tidelock_net::base::few::Few;

/// The warnings of one socket.
#[derive(Clone, Debug, Hash)]
pub(super) struct WarningModel {
    warn_bytes: u64,
    next_bytes: u64,
    is_warned: bool,
    /// The messages that must be told, in order.
    expected: Few<Expected>,
    /// The warning that was not told when it was due: right only if the socket had ended already.
    pub(super) overdue: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Expected {
    pending_bytes: u64,
    /// The socket may have been ending, for a reason that only the Mux knew then.
    is_optional: bool,
}

impl WarningModel {
    /// Warnings from `warn_bytes` on.
    pub(super) fn new(warn_bytes: u64) -> Self {
        let expected = Few::default();
        Self { warn_bytes, next_bytes: warn_bytes, is_warned: false, expected, overdue: None }
    }

    /// Returns `true` if a send that leaves so much pending is told, if anybody is there to be
    /// told.
    #[inline]
    pub(super) fn is_above(&self, pending_bytes: u64) -> bool {
        pending_bytes >= self.next_bytes
    }

    /// Returns `true` if it is told that no more than so much is pending.
    #[inline]
    pub(super) fn is_drained(&self, pending_bytes: u64) -> bool {
        self.is_warned && pending_bytes < self.warn_bytes.div_ceil(2)
    }

    /// A send was accepted; so much is pending now.
    pub(super) fn accepted(&mut self, pending_bytes: u64, is_optional: bool) {
        if !self.is_above(pending_bytes) {
            return;
        }
        self.is_warned = true;
        self.next_bytes = self.warn_bytes;
        while self.next_bytes <= pending_bytes {
            self.next_bytes = self.next_bytes.saturating_mul(2);
        }
        self.expected.push_back(Expected { pending_bytes, is_optional });
    }

    /// The system took bytes; so much is pending now. `is_told`: whether the owner hears of it.
    pub(super) fn taken(&mut self, pending_bytes: u64, is_told: bool, is_optional: bool) {
        if !self.is_drained(pending_bytes) {
            return;
        }
        self.is_warned = false;
        self.next_bytes = self.warn_bytes;
        if is_told {
            self.expected.push_back(Expected { pending_bytes: 0, is_optional });
        }
    }

    /// A warning is told.
    ///
    /// # Errors
    /// If something else should have been told; says what.
    pub(super) fn told(&mut self, pending_bytes: u64) -> Result<(), String> {
        while let Some(expected) = self.expected.pop_front() {
            if expected.pending_bytes == pending_bytes {
                return Ok(());
            }
            if !expected.is_optional {
                let of = expected.pending_bytes;
                return Err(format!("a warning of {pending_bytes} B instead of one of {of} B"));
            }
        }
        Err(format!("a warning of {pending_bytes} B, and none was due"))
    }

    /// Returns `true` if anything must be told, so that it is to be settled.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        !self.expected.is_empty()
    }

    /// Everything that was due has been told, or is overdue.
    pub(super) fn settle(&mut self) {
        let missing = self.expected.iter().find(|expected| !expected.is_optional);
        if let Some(missing) = missing {
            self.overdue.get_or_insert(missing.pending_bytes);
        }
        self.expected = Few::default();
    }

    /// The socket goes on: what is overdue was forgotten.
    ///
    /// # Errors
    /// If something is.
    pub(super) fn goes_on(&mut self) -> Result<(), String> {
        match self.overdue.take() {
            Some(of) => Err(format!("no warning of {of} B was told")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_for_each_doubling_at_the_mark_itself_and_one_when_drained() {
        let mut model = WarningModel::new(10);
        for pending in [9, 10, 11, 19, 20, 80, 159, 160] {
            model.accepted(pending, false);
        }
        for due in [10, 20, 80, 160] {
            model.told(due).unwrap();
        }
        model.taken(5, true, false);
        assert!(model.told(0).is_err(), "half of it is not below half of it");
        model.taken(4, true, false);
        model.told(0).unwrap();
        model.accepted(10, false);
        model.told(10).unwrap();
        model.settle();
        model.goes_on().unwrap();
    }

    #[test]
    fn a_missing_a_wrong_and_a_needless_warning_are_seen() {
        let mut model = WarningModel::new(10);
        model.accepted(10, false);
        assert!(model.clone().told(20).is_err());
        model.settle();
        assert!(model.goes_on().is_err());
        assert!(model.told(10).is_err());
    }

    #[test]
    fn what_may_be_left_out_may_also_be_told() {
        let mut model = WarningModel::new(10);
        model.accepted(10, true);
        let mut told = model.clone();
        told.told(10).unwrap();
        model.settle();
        model.goes_on().unwrap();
    }
}
