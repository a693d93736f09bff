//! The times that a socket may wait: of the configuration, and of what was asked of the socket.

use tidelock_core::Timeout;

/// The times that sockets may wait that were asked nothing else, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// `connect_timeout`.
    pub connect_nanos: u64,
    /// `resolve_timeout`.
    pub resolve_nanos: u64,
    /// `connection_attempt_delay`.
    pub attempt_delay_nanos: u64,
    /// `flush_stall_timeout`.
    pub flush_stall_nanos: u64,
    /// `flush_timeout`; 0 is off.
    pub flush_nanos: u64,
    /// `linger_timeout`.
    pub linger_nanos: u64,
    /// `half_open_timeout`.
    pub half_open_nanos: u64,
    /// `start_timeout`.
    pub start_nanos: u64,
    /// `idle_timeout`; `u64::MAX` is off.
    pub idle_nanos: u64,
    /// `read_idle_timeout`; `u64::MAX` is off.
    pub read_idle_nanos: u64,
    /// `write_stall_timeout`; `u64::MAX` is off.
    pub write_stall_nanos: u64,
}

impl Bounds {
    fn of(&mut self, which: Timeout) -> &mut u64 {
        match which {
            Timeout::Idle => &mut self.idle_nanos,
            Timeout::ReadIdle => &mut self.read_idle_nanos,
            Timeout::WriteStall => &mut self.write_stall_nanos,
            Timeout::HalfOpen => &mut self.half_open_nanos,
            Timeout::Start => &mut self.start_nanos,
            Timeout::Flush => &mut self.flush_stall_nanos,
            Timeout::Linger => &mut self.linger_nanos,
            other => unreachable!("nobody knows how long {other:?} is"),
        }
    }
}

/// The times that one socket was asked to wait: the shortest and the longest that may hold, of each
/// that was asked. Mostly none.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct OwnTimes(Vec<(Timeout, u64, u64)>);

impl OwnTimes {
    /// It never waited for any other time.
    pub(super) fn is_born_with(&mut self, which: Timeout, nanos: u64) {
        self.0.retain(|(known, ..)| *known != which);
        self.0.push((which, nanos, nanos));
    }

    /// From some moment on this time holds; until then another one does.
    pub(super) fn is_asked(&mut self, which: Timeout, nanos: u64, bounds: &Bounds) {
        let [least, most] = [*self.least(bounds).of(which), *self.most(bounds).of(which)];
        self.0.retain(|(known, ..)| *known != which);
        self.0.push((which, least.min(nanos), most.max(nanos)));
    }

    /// The shortest times that may hold.
    pub(super) fn least(&self, bounds: &Bounds) -> Bounds {
        self.within(bounds, |(_, least, _)| *least)
    }

    /// The longest times that may hold.
    pub(super) fn most(&self, bounds: &Bounds) -> Bounds {
        self.within(bounds, |(_, _, most)| *most)
    }

    fn within(&self, bounds: &Bounds, pick: impl Fn(&(Timeout, u64, u64)) -> u64) -> Bounds {
        let mut bounds = *bounds;
        for own in &self.0 {
            *bounds.of(own.0) = pick(own);
        }
        bounds
    }
}
