//! What is done to a world as a whole: each trouble has an end.

use crate::choices::Choices;
use crate::clock::{JUMP_NANOS_MAX, RATE_PPM_MAX};
use crate::kernel::{Kernel, Resolver};
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
    /// What is under way from one host to another waits for the end; datagrams are lost.
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
        /// How.
        how: Resolver,
    },
}

/// A swizzle clogs at most this many directions.
const SWIZZLE_MAX: u64 = 4;

impl Trouble {
    /// Draws the troubles of a world of so many hosts, if their families are on.
    pub fn draw(options: &Options, hosts: u16, s: &mut Stream) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        if options.rate(Family::World) > 0 && hosts > 1 {
            for _ in 0..s.log_uniform(1, 8) {
                Self::draw_links(options, hosts, s, &mut troubles);
            }
        }
        if options.rate(Family::Machines) > 0 {
            for _ in 0..s.log_uniform(1, 8) {
                let (at_nanos, until_nanos) = draw_span(options, s);
                let kind = draw_host(options, hosts, s);
                troubles.push(Trouble { at_nanos, after: None, until_nanos, kind });
            }
        }
        troubles
    }

    fn draw_links(options: &Options, hosts: u16, s: &mut Stream, troubles: &mut Vec<Trouble>) {
        let (at_nanos, until_nanos) = draw_span(options, s);
        let (from, to) = draw_direction(hosts, s);
        let each_nanos = s.log_uniform(1_000, options.quiet_at_nanos + 1_000);
        let kind = match s.below(6) {
            0 | 1 => TroubleKind::Partition { from, to },
            2 => TroubleKind::Split { one: from, other: to },
            3 => TroubleKind::Hold { from, to },
            4 => TroubleKind::Clog { from, to, each_nanos },
            // A swizzle: one direction after the other is clogged, and they are freed in another
            // order.
            _ => {
                let length = (until_nanos - at_nanos) / (2 * SWIZZLE_MAX) + 1;
                for number in 0..1 + s.below(SWIZZLE_MAX) {
                    let (from, to) = draw_direction(hosts, s);
                    let end = 1 + SWIZZLE_MAX + s.below(SWIZZLE_MAX);
                    troubles.push(Trouble {
                        at_nanos: at_nanos + number * length,
                        after: None,
                        until_nanos: (at_nanos + end * length).min(until_nanos + length),
                        kind: TroubleKind::Clog { from, to, each_nanos },
                    });
                }
                return;
            }
        };
        troubles.push(Trouble { at_nanos, after: None, until_nanos, kind });
    }

    /// Begins it; answers whether there is something to undo. After faults stopped it does nothing.
    /// What a crash does to the host's program is not the kernel's.
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

fn draw_span(options: &Options, s: &mut Stream) -> (u64, u64) {
    let at_nanos = s.below(options.quiet_at_nanos);
    let length = s.log_uniform(1_000, options.quiet_at_nanos - at_nanos + 1_000);
    (at_nanos, at_nanos + length)
}

/// From one host to another.
fn draw_direction(hosts: u16, s: &mut Stream) -> (u16, u16) {
    assert!(hosts > 1, "a host alone has no link");
    let from = s.below(u64::from(hosts)) as u16;
    (from, (from + 1 + s.below(u64::from(hosts) - 1) as u16) % hosts)
}

fn draw_host(options: &Options, hosts: u16, s: &mut Stream) -> TroubleKind {
    let host = s.below(u64::from(hosts)) as u16;
    match s.below(6) {
        0 => TroubleKind::Pause { host },
        1 => TroubleKind::Descriptors { host },
        2 if options.has_crashes == 1 => TroubleKind::Crash { host },
        3 => {
            let rate_ppm = s.log_uniform(1, RATE_PPM_MAX.unsigned_abs().into()) as i32;
            TroubleKind::Drift { host, rate_ppm: if s.one_in(2) { rate_ppm } else { -rate_ppm } }
        }
        4 => TroubleKind::Jump { host, nanos: s.log_uniform(1_000, JUMP_NANOS_MAX / 36) },
        5 => TroubleKind::Resolver { host, how: s.pick(&Resolver::WRONG) },
        _ => TroubleKind::Pause { host },
    }
}
