//! Troubles of a world as a whole, drawn from its seed.

use tidelock_net::chance::streams::Stream;
use tidelock_net::words::kinds::Family;
use tidelock_net::words::names::Resolver;
use tidelock_net::words::trouble::{JUMP_NANOS_MAX, RATE_PPM_MAX, Trouble, TroubleKind};

use crate::stage::options::Options;

/// A swizzle clogs at most this many directions.
const SWIZZLE_MAX: u64 = 4;

/// Draws the troubles of a world of so many hosts, if their families are on.
pub fn draw(options: &Options, hosts: u16, s: &mut Stream) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    if options.rate(Family::World) > 0 && hosts > 1 {
        for _ in 0..s.log_uniform(1, 8) {
            draw_links(options, hosts, s, &mut troubles);
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
