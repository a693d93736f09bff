//! Where a service that runs between turns leaves its commands.

use tidelock_core::{Command, Outlet};

use crate::coverage::Probes;

/// Leaves commands where they are, for a service that runs between turns.
pub(super) struct Inline<'a>(pub(super) &'a mut Probes);

impl Outlet for Inline<'_> {
    fn publish(&mut self, _commands: &mut Vec<Command>) {}

    fn sometimes(&mut self, probe: &'static str, has_happened: bool) {
        self.0.pass(probe, has_happened);
    }
}
