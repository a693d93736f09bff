//! What is done to a world as a whole: each trouble has an end.

use crate::choices::Choices;
use crate::kernel::Kernel;
use crate::kinds::Family;
use crate::operation::Label;
use crate::streams::Stream;
use crate::swarm::Options;

/// Something that is done to the world, and undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it begins, unless it waits for an operation.
    pub at_nanos: u64,
    /// It begins as soon as this operation was handed over.
    pub after: Option<Label>,
    /// When it ends, at the latest when faults stop.
    pub until_nanos: u64,
    /// What.
    pub kind: TroubleKind,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// What is under way from one host to another waits for the end.
    Partition {
        /// From this host.
        from: u16,
        /// To this one.
        to: u16,
    },
    /// A host stands still.
    Pause {
        /// The host.
        host: u16,
    },
    /// A host gets no descriptor beyond those that it has.
    Descriptors {
        /// The host.
        host: u16,
    },
}

impl Trouble {
    /// Draws the troubles of a world of so many hosts, if that family is on.
    pub fn draw(options: &Options, hosts: u16, s: &mut Stream) -> Vec<Trouble> {
        let at = Family::ALL.iter().position(|family| *family == Family::World);
        if options.rates[at.expect("the family is one of them")] == 0 {
            return Vec::new();
        }
        let count = s.log_uniform(1, 8);
        let draw = |_| {
            let at_nanos = s.below(options.quiet_at_nanos);
            let length = s.log_uniform(1_000, options.quiet_at_nanos - at_nanos + 1_000);
            let host = s.below(u64::from(hosts)) as u16;
            let kind = match s.below(4) {
                0 | 1 if hosts > 1 => {
                    let other = (host + 1 + s.below(u64::from(hosts) - 1) as u16) % hosts;
                    TroubleKind::Partition { from: host, to: other }
                }
                0..=2 => TroubleKind::Pause { host },
                _ => TroubleKind::Descriptors { host },
            };
            Trouble { at_nanos, after: None, until_nanos: at_nanos + length, kind }
        };
        (0..count).map(draw).collect()
    }

    /// Begins it; answers whether there is something to undo. After faults stopped it does nothing.
    pub fn begin<C: Choices>(&self, kernel: &mut Kernel<C>) -> bool {
        if kernel.is_quiet {
            return false;
        }
        match self.kind {
            TroubleKind::Partition { from, to } => {
                kernel.link_mut(from, to).block(self.until_nanos);
                false
            }
            TroubleKind::Pause { host } => {
                kernel.pause_host(host, self.until_nanos);
                false
            }
            TroubleKind::Descriptors { host } => {
                let used = kernel.descriptors(host);
                kernel.set_descriptors_max(host, used);
                true
            }
        }
    }

    /// Ends it.
    pub fn end<C: Choices>(&self, kernel: &mut Kernel<C>) {
        match self.kind {
            TroubleKind::Partition { .. } | TroubleKind::Pause { .. } => {}
            TroubleKind::Descriptors { host } => kernel.set_descriptors_max(host, u32::MAX),
        }
    }
}
