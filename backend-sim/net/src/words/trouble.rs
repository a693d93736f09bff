//! Troubles of a world as a whole; each has an end.

use super::names::Resolver;
use super::operation::Label;

/// No clock is wrong by more: a tenth.
pub const RATE_PPM_MAX: i32 = 100_000;
/// No clock jumps by more: an hour.
pub const JUMP_NANOS_MAX: u64 = 3_600_000_000_000;

/// Something that is done to the world, and undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it begins, unless it waits for an operation.
    pub at_nanos: u64,
    /// It begins as soon as this operation was handed over.
    pub after: Option<Label>,
    /// When it ends, at the latest when faults stop.
    pub until_nanos: u64,
    /// The kind.
    pub kind: TroubleKind,
}

/// The kind of a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Data from one host to another waits for the end; datagrams are lost.
    Partition {
        /// From this host.
        from: u16,
        /// To this one.
        to: u16,
    },
    /// The same in both directions.
    Split {
        /// One host.
        one: u16,
        /// The other.
        other: u16,
    },
    /// Everything from one host to another waits, datagrams too, and comes at once at the end.
    Hold {
        /// From this host.
        from: u16,
        /// To this one.
        to: u16,
    },
    /// From one host to another each packet takes at least so long.
    Clog {
        /// From this host.
        from: u16,
        /// To this one.
        to: u16,
        /// For each packet.
        each_nanos: u64,
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
    /// A host forgets everything, is silent until the end, and begins anew: what was open is then
    /// answered with RST.
    Crash {
        /// The host.
        host: u16,
    },
    /// A host's clock is too fast, or too slow.
    Drift {
        /// The host.
        host: u16,
        /// Millionths that it is too fast.
        rate_ppm: i32,
    },
    /// A host's clock jumps ahead.
    Jump {
        /// The host.
        host: u16,
        /// By so much.
        nanos: u64,
    },
    /// A host's resolver answers otherwise.
    Resolver {
        /// The host.
        host: u16,
        /// The resolver meanwhile.
        how: Resolver,
    },
}

impl TroubleKind {
    /// The host that it is done to; `None` if it is done to a link.
    pub fn host(&self) -> Option<u16> {
        match self {
            TroubleKind::Partition { .. }
            | TroubleKind::Split { .. }
            | TroubleKind::Hold { .. }
            | TroubleKind::Clog { .. } => None,
            TroubleKind::Pause { host }
            | TroubleKind::Descriptors { host }
            | TroubleKind::Crash { host }
            | TroubleKind::Drift { host, .. }
            | TroubleKind::Jump { host, .. }
            | TroubleKind::Resolver { host, .. } => Some(*host),
        }
    }
}
