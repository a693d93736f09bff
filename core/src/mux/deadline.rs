//! By when a socket must have gone on, and how long it may wait.

use std::time::Duration;

use super::deferred::Deferred;
use super::slot::{Kind, Latch, Slot};
use crate::{Config, Instant, SocketOption, SocketState, Timeout};

/// What a socket's deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A connect, or its current address, took too long.
    Dial,
    /// Accepting is tried again.
    AcceptRetry,
    /// One more may be accepted.
    Paced,
    /// The socket ends.
    Timeout(Timeout),
}

/// The times of one socket that differ from those of the configuration.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Timeouts([Option<Duration>; Timeout::ALL.len()]);

impl Timeouts {
    pub(super) fn set(&mut self, which: Timeout, span: Duration) {
        self.0[which as usize] = Some(span);
    }

    /// Takes the times out of what is asked of a socket before it is there, so that no backend
    /// sees them.
    pub(super) fn taken_from(options: &mut Vec<SocketOption>) -> Option<Box<Self>> {
        let mut timeouts = None::<Box<Self>>;
        for (which, span) in extract_times(options) {
            timeouts.get_or_insert_default().set(which, span);
        }
        assert!(timeouts.iter().all(|own| own.0.iter().any(Option::is_some)), "no time is none");
        timeouts
    }

    fn of(&self, which: Timeout) -> Option<Duration> {
        self.0[which as usize]
    }
}

/// Takes the times out of a list of options.
fn extract_times(options: &mut Vec<SocketOption>) -> Vec<(Timeout, Duration)> {
    let count = options.len();
    let mut times = Vec::new();
    options.retain(|option| match option {
        SocketOption::Timeout(which, span) => {
            times.push((*which, *span));
            false
        }
        _ => true,
    });
    let is_left = |option: &SocketOption| matches!(option, SocketOption::Timeout(..));
    assert!(!options.iter().any(is_left), "a backend would be asked to wait");
    assert_eq!(times.len() + options.len(), count, "an option was lost");
    times
}

impl Slot {
    /// Gives the socket a time of its own; answers whether that is something it waits for.
    pub(super) fn set_timeout(&mut self, which: Timeout, span: Duration) -> bool {
        let fits = match self.kind {
            Kind::Stream => true,
            Kind::Datagram => which == Timeout::Flush,
            Kind::Listener => false,
        };
        if fits {
            self.rare.timeouts.get_or_insert_default().set(which, span);
        }
        let has_own = self.rare.timeouts.is_some();
        assert!(!fits || has_own, "{}: its {which:?} was lost", self.id);
        assert!(self.kind != Kind::Listener || !has_own, "{} waits for clients alone", self.id);
        fits
    }

    /// Takes the times out of what is asked of a socket that is not open yet. What does not fit
    /// is refused once it is.
    pub(super) fn take_timeouts(&mut self, options: &mut Vec<SocketOption>) {
        assert!(!self.is_open, "{} is open already", self.id);
        for (which, span) in extract_times(options) {
            if !self.set_timeout(which, span) {
                assert_ne!(self.kind, Kind::Stream, "{}: streams wait", self.id);
                let unfit = SocketOption::Timeout(which, span);
                self.rare.deferred.push_back(Deferred::Option(unfit));
            }
        }
    }

    /// How long the socket may wait for this; `None`: for ever.
    fn timeout(&self, which: Timeout, config: &Config) -> Option<Duration> {
        let own = self.rare.timeouts.as_ref().and_then(|own| own.of(which));
        own.or_else(|| config.timeout(which)).filter(|span| *span < Duration::MAX)
    }

    /// When it has waited so long from then on.
    #[inline]
    fn due_after(&self, at: Instant, which: Timeout, config: &Config) -> Option<(Instant, Due)> {
        let span = self.timeout(which, config)?;
        debug_assert_ne!(self.kind, Kind::Listener, "{}: no time ends a listener", self.id);
        debug_assert!(span < Duration::MAX, "{}: for ever is never due", self.id);
        Some((at + span, Due::Timeout(which)))
    }

    /// Whether its timer is set early enough for its deadline, if it has one.
    #[inline]
    pub(super) fn is_armed(&self, config: &Config) -> bool {
        // This is asked several times for each message, and mostly an open stream has no deadline.
        let is_at_rest = self.state == SocketState::Open && !self.is_fin_noticed;
        if is_at_rest && self.rare.write_fault.is_none() && self.may_be_silent(config) {
            debug_assert!(self.deadline(config).is_none(), "{}: the short look is wrong", self.id);
            return true;
        }
        let Some((deadline, _)) = self.deadline(config) else { return true };
        debug_assert!(deadline >= self.since, "{}: a deadline lies before its state", self.id);
        self.armed_at.is_some_and(|armed_at| armed_at <= deadline)
    }

    /// When the socket's state ends if nothing happens, and what that means.
    pub(super) fn deadline(&self, config: &Config) -> Option<(Instant, Due)> {
        debug_assert!(self.progress_at >= self.since, "{} went on before it began", self.id);
        let after = |at, which| self.due_after(at, which, config);
        match self.state {
            SocketState::Opening | SocketState::Datagram | SocketState::Closing => None,
            SocketState::Connecting => {
                // Who races has no time of its own: the connect that it races for has.
                let dial = self.rare.dial.as_ref().filter(|dial| dial.races_for.is_none())?;
                Some((dial.due_at(), Due::Dial))
            }
            SocketState::Listening => {
                let listener = self.rare.listener.as_ref()?;
                let retry = listener.retry_at.map(|at| (at, Due::AcceptRetry));
                retry.or(listener.paced_until.map(|at| (at, Due::Paced)))
            }
            SocketState::Accepted => after(self.since, Timeout::Start),
            SocketState::Open if self.rare.write_fault.is_some() => {
                after(self.progress_at, Timeout::Flush)
            }
            SocketState::Open => self.silence_deadline(config),
            SocketState::EofSeen => after(self.progress_at, Timeout::HalfOpen),
            SocketState::Flushing => {
                let whole = config
                    .flush_timeout
                    .map(|span| (self.since + span, Due::Timeout(Timeout::Flush)));
                whole.into_iter().chain(after(self.progress_at, Timeout::Flush)).min()
            }
            SocketState::Draining if self.is_finishing => {
                after(self.progress_at, Timeout::HalfOpen)
            }
            SocketState::Draining => {
                assert_eq!(self.kind, Kind::Stream, "only streams drain");
                after(self.since, Timeout::Linger)
            }
        }
    }

    /// When an open stream has been silent for too long, in one direction or in both.
    #[inline]
    fn silence_deadline(&self, config: &Config) -> Option<(Instant, Due)> {
        debug_assert_eq!(self.state, SocketState::Open, "{}: another bound holds", self.id);
        debug_assert!(self.rare.write_fault.is_none(), "{} waits to be read to its end", self.id);
        let after = |at, which| self.due_after(at, which, config);
        // A socket is silent while it reads, and half open while it does not.
        let half_open = match self.is_fin_noticed && !self.is_reading {
            true => after(self.progress_at, Timeout::HalfOpen),
            false => None,
        };
        if self.may_be_silent(config) {
            return half_open;
        }
        // It may have been stuck before it was started, when other bounds held.
        let stalled_at = self.rare.stalled_at.map(|at| at.max(self.since));
        let stalled = stalled_at.and_then(|at| after(at, Timeout::WriteStall));
        // Only a system that said `Later` has shown silence; what waits for a paused or busy
        // owner is none.
        let silent = if self.is_reading && self.input == Latch::Pending {
            let both = after(self.last_activity(), Timeout::Idle);
            both.into_iter().chain(after(self.last_read(), Timeout::ReadIdle)).min()
        } else {
            None
        };
        debug_assert!(silent.is_none() || half_open.is_none(), "{} reads and does not", self.id);
        [stalled, silent, half_open].into_iter().flatten().min()
    }

    /// Whether no bound of silence was asked for. This is asked several times for each message.
    #[inline]
    fn may_be_silent(&self, config: &Config) -> bool {
        let may_be = self.rare.timeouts.is_none()
            && config.idle_timeout.is_none()
            && config.read_idle_timeout.is_none()
            && config.write_stall_timeout.is_none();
        let has_none = |which| self.timeout(which, config).is_none();
        debug_assert!(!may_be || has_none(Timeout::Idle), "{} may be idle", self.id);
        debug_assert!(!may_be || has_none(Timeout::ReadIdle), "{} may hear nothing", self.id);
        debug_assert!(!may_be || has_none(Timeout::WriteStall), "{} may be stuck", self.id);
        may_be
    }

    fn last_activity(&self) -> Instant {
        let counters = &self.rare.counters;
        assert_eq!(self.kind, Kind::Stream, "{}: only streams are idle", self.id);
        [counters.last_read, counters.last_write]
            .into_iter()
            .flatten()
            .fold(self.progress_at, Instant::max)
    }

    /// Since when nothing was read, of the time in which somebody wanted to.
    fn last_read(&self) -> Instant {
        let last = [self.rare.counters.last_read, self.rare.resumed_at].into_iter().flatten().max();
        assert_eq!(self.kind, Kind::Stream, "{}: only streams are silent", self.id);
        assert!(self.is_reading, "{} is paused, not silent", self.id);
        last.map_or(self.since, |last| last.max(self.since))
    }
}
