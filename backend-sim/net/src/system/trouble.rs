//! Troubles as changes of the kernel's state.

use super::kernel::Kernel;
use crate::chance::choices::Choices;
use crate::words::names::Resolver;
use crate::words::trouble::{Trouble, TroubleKind};

impl Trouble {
    /// Begins it; answers whether there is something to undo. After faults stopped it does nothing.
    /// The effect of a crash on the host's program is not the kernel's.
    pub fn begin<C: Choices>(&self, kernel: &mut Kernel<C>) -> bool {
        if kernel.is_quiet {
            return false;
        }
        let until_nanos = self.until_nanos;
        match self.kind {
            TroubleKind::Partition { from, to } => kernel.link_mut(from, to).block(until_nanos),
            TroubleKind::Split { one, other } => {
                kernel.link_mut(one, other).block(until_nanos);
                kernel.link_mut(other, one).block(until_nanos);
            }
            TroubleKind::Hold { from, to } => kernel.link_mut(from, to).hold(until_nanos),
            TroubleKind::Clog { from, to, each_nanos } => {
                let now = kernel.now;
                kernel.link_mut(from, to).clog(now, until_nanos, each_nanos);
            }
            TroubleKind::Pause { host } => kernel.pause_host(host, until_nanos),
            TroubleKind::Descriptors { host } => {
                let used = kernel.descriptors(host);
                kernel.set_descriptors_max(host, used);
                return true;
            }
            TroubleKind::Crash { host } => kernel.crash_host(host, until_nanos),
            TroubleKind::Drift { host, rate_ppm } => {
                kernel.set_clock_rate(host, rate_ppm);
                return true;
            }
            TroubleKind::Jump { host, nanos } => kernel.jump_clock(host, nanos),
            TroubleKind::Resolver { host, how } => {
                kernel.set_resolver(host, how);
                return true;
            }
        }
        false
    }

    /// Ends it.
    pub fn end<C: Choices>(&self, kernel: &mut Kernel<C>) {
        match self.kind {
            TroubleKind::Partition { .. }
            | TroubleKind::Split { .. }
            | TroubleKind::Hold { .. }
            | TroubleKind::Clog { .. }
            | TroubleKind::Pause { .. }
            | TroubleKind::Crash { .. }
            | TroubleKind::Jump { .. } => {}
            TroubleKind::Descriptors { host } => kernel.set_descriptors_max(host, u32::MAX),
            TroubleKind::Drift { host, .. } => kernel.set_clock_rate(host, 0),
            TroubleKind::Resolver { host, .. } => kernel.set_resolver(host, Resolver::Right),
        }
    }
}
