//! The law that the reason of a `Close` can be true: judged by what was asked and what calls
//! answered.

use std::time::Duration;

use tidelock_core::{CloseReason, Fault, Timeout};

use super::bounds::{Bounds, OwnTimes};
use crate::judge::mark::Mark;

/// The facts about a socket that may explain its end. Times are in nanoseconds.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Ending {
    /// When it was asked for, or accepted.
    pub(super) born_at: u64,
    /// A connect of it may take so long.
    pub(super) connect_nanos: u64,
    /// The resolution of its name may take so long; 0 if it has none.
    pub(super) resolve_nanos: u64,
    /// It needs no `start`.
    pub(super) is_started: bool,
    /// The number of times that `start` was asked and not refused.
    pub(super) starts: u32,
    /// When own `close` reached the Mux.
    pub(super) close_at: Mark,
    /// When the first own `shutdown` or `finish` reached the Mux.
    pub(super) shutdown_at: Mark,
    /// When output was first to be flushed, whoever wanted that.
    pub(super) flush_at: Mark,
    /// When the last own `shutdown` or `finish` reached the Mux.
    pub(super) last_shutdown_at: Mark,
    /// `finish` was asked, and no `shutdown`.
    pub(super) is_finishing: bool,
    /// When `Eof` was told first.
    pub(super) eof_at: Mark,
    /// `Eof` was told before any own `shutdown` or `finish`.
    pub(super) was_eof_first: bool,
    /// When FIN was sent.
    pub(super) fin_at: Mark,
    /// When an event last said that the peer's FIN is there.
    pub(super) is_fin_noticed: bool,
    /// When the system last took bytes.
    pub(super) took_at: Mark,
    /// When bytes that were read were last told.
    pub(super) told_at: Mark,
    /// When reading last began after a pause.
    pub(super) resumed_at: Mark,
    /// It was silent for too long before a pause: its end for that may have begun.
    pub(super) was_idle: bool,
    /// The same for the peer's silence alone, before a pause.
    pub(super) was_unread: bool,
    /// The same for the peer's silence after own `finish`, before a `shutdown`.
    pub(super) was_half_open: bool,
    /// When something was last queued where nothing was.
    pub(super) queued_at: Mark,
    /// The times that it was asked to wait.
    pub(super) own_times: OwnTimes,
    /// The answers of calls on the open socket.
    pub(super) faults: Faults,
    /// The answers of calls that open.
    pub(super) opening_faults: Faults,
}

/// Faults that calls answered; mostly none, in one word.
#[derive(Clone, Debug, Default, Hash)]
#[expect(clippy::box_collection, reason = "worlds have two of them for each socket")]
pub(super) struct Faults(Option<Box<Vec<Fault>>>);

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        self.0.get_or_insert_default().push(fault);
    }

    pub(super) fn contains(&self, fault: Fault) -> bool {
        self.0.as_ref().is_some_and(|faults| faults.contains(&fault))
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// The events around a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    pub(super) now: u64,
    /// A service that owned it has ended, or is about to.
    pub(super) is_owner_gone: bool,
    /// The host was asked to stop.
    pub(super) is_exiting: bool,
}

/// Returns `true` if so much time has passed since the last of the marks; not without any.
fn has_passed(marks: &[Option<u64>], span_nanos: u64, now: u64) -> bool {
    let last = marks.iter().flatten().max();
    last.is_some_and(|last| now >= last.saturating_add(span_nanos))
}

/// A timer that is due fires within this, once nothing disturbs any more.
const GRACE_NANOS: u64 = 1_000_000_000;

impl Ending {
    pub(super) fn set_connect_timeout(&mut self, timeout: Option<Duration>, bounds: &Bounds) {
        self.connect_nanos = match timeout {
            Some(timeout) => u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
            None => bounds.connect_nanos,
        };
    }

    /// Something happens to a socket that is read, and that the network thread may not know of when
    /// it takes it for idle.
    pub(super) fn may_be_idle(&mut self, now: u64, bounds: &Bounds) {
        let bounds = &self.own_times.least(bounds);
        self.was_idle |= self.is_idle(now, bounds);
        self.was_unread |= self.is_unread(now, bounds);
    }

    /// A `shutdown` follows a `finish`: the end for the peer's silence may have begun before.
    pub(super) fn finishes_no_more(&mut self, now: u64, bounds: &Bounds) {
        self.was_half_open |= self.is_half_open(now, &self.own_times.least(bounds));
        self.is_finishing = false;
    }

    /// Nothing came after own `finish` for too long.
    fn is_half_open(&self, now: u64, bounds: &Bounds) -> bool {
        let marks = [self.fin_at.get(), self.told_at.get()];
        self.is_finishing && has_passed(&marks, bounds.half_open_nanos, now)
    }

    /// The network thread itself moves bytes: it has not taken the socket for idle.
    pub(super) fn is_busy(&mut self) {
        self.was_idle = false;
    }

    fn is_idle(&self, now: u64, bounds: &Bounds) -> bool {
        let marks =
            [Some(self.born_at), self.took_at.get(), self.told_at.get(), self.resumed_at.get()];
        has_passed(&marks, bounds.idle_nanos, now)
    }

    /// The peer was silent for too long, whatever was written.
    fn is_unread(&self, now: u64, bounds: &Bounds) -> bool {
        let marks = [Some(self.born_at), self.told_at.get(), self.resumed_at.get()];
        has_passed(&marks, bounds.read_idle_nanos, now)
    }

    /// Judges the reason of a `Close`.
    ///
    /// # Errors
    /// Why it cannot be true.
    pub(super) fn judge(
        &self,
        reason: CloseReason,
        around: Around,
        bounds: &Bounds,
    ) -> Result<(), String> {
        let bounds = &self.own_times.least(bounds);
        let is_true = match reason {
            CloseReason::Closed => self.close_at.get().is_some(),
            CloseReason::Shutdown => self.shutdown_at.get().is_some() && !self.was_eof_first,
            CloseReason::Peer => self.eof_at.get().is_some() && self.was_eof_first,
            CloseReason::Fault(fault) => self.faults.contains(fault),
            CloseReason::ConnectFailed(fault) => {
                // What no call reported is the Mux's own patience.
                let patience_nanos = match self.resolve_nanos {
                    0 => self.connect_nanos,
                    nanos => nanos.min(self.connect_nanos),
                };
                let has_waited = has_passed(&[Some(self.born_at)], patience_nanos, around.now);
                self.opening_faults.contains(fault) || (fault.os.is_none() && has_waited)
            }
            CloseReason::TimedOut(which) => self.was_silent(which, around, bounds),
            CloseReason::OwnerGone => around.is_owner_gone,
            CloseReason::Exit => around.is_exiting,
            _ => false,
        };
        if is_true {
            Ok(())
        } else {
            Err(format!("closed for `{reason}`; what is known: {self:?}"))
        }
    }

    /// Judges what should have ended by now, when nothing disturbs any more.
    ///
    /// # Errors
    /// Which bound has passed.
    pub(super) fn check_bounds(
        &self,
        now: u64,
        is_open: bool,
        bounds: &Bounds,
    ) -> Result<(), String> {
        let bounds = &self.own_times.most(bounds);
        let is_over = |marks: &[Option<u64>], span: u64| {
            let last = marks.iter().flatten().max();
            last.is_some_and(|last| now > last.saturating_add(span).saturating_add(GRACE_NANOS))
        };
        let (asked, fin) = (self.last_shutdown_at.get(), self.fin_at.get());
        let late = if self.close_at.get().is_some() {
            Some("own close")
        } else if !is_open {
            is_over(&[Some(self.born_at)], self.connect_nanos).then_some("opening")
        } else if !self.is_started && self.starts == 0 && asked.is_none() {
            // An end that was asked for needs no start any more: the bounds of ends hold.
            is_over(&[Some(self.born_at)], bounds.start_nanos).then_some("waiting for start")
        } else if asked.is_some() && fin.is_none() {
            is_over(&[asked, self.took_at.get()], bounds.flush_stall_nanos).then_some("flushing")
        } else if asked.is_some() && !self.is_finishing {
            is_over(&[asked, fin], bounds.linger_nanos).then_some("lingering")
        } else {
            None
        };
        match late {
            Some(what) => Err(format!("{what} takes too long: {self:?}")),
            None => Ok(()),
        }
    }

    fn was_silent(&self, which: Timeout, around: Around, bounds: &Bounds) -> bool {
        let now = around.now;
        // Silence is measured from the last of what was given to it.
        let silent = |marks: &[Option<u64>], span: u64| has_passed(marks, span, now);
        let born_at = Some(self.born_at);
        match which {
            Timeout::Idle => self.was_idle || self.is_idle(now, bounds),
            Timeout::ReadIdle => self.was_unread || self.is_unread(now, bounds),
            // Only what was queued can be stuck.
            Timeout::WriteStall => {
                let queued_at = self.queued_at.get();
                queued_at.is_some()
                    && silent(&[queued_at, self.took_at.get()], bounds.write_stall_nanos)
            }
            Timeout::Start => {
                !self.is_started && self.starts == 0 && silent(&[born_at], bounds.start_nanos)
            }
            Timeout::Flush => {
                // Whoever began the flush; a write that failed waits for its owner's mailbox.
                let since = match (self.flush_at.get(), around.is_owner_gone || around.is_exiting) {
                    (Some(at), _) => Some(at),
                    (None, true) => born_at,
                    (None, false) => born_at.filter(|_| !self.faults.is_empty()),
                };
                since.is_some()
                    && (silent(&[since, self.took_at.get()], bounds.flush_stall_nanos)
                        || (bounds.flush_nanos > 0 && silent(&[since], bounds.flush_nanos)))
            }
            Timeout::Linger => silent(&[self.fin_at.get()], bounds.linger_nanos),
            Timeout::HalfOpen => {
                let own = self.was_half_open || self.is_half_open(now, bounds);
                let seen = silent(&[self.eof_at.get(), self.took_at.get()], bounds.half_open_nanos);
                let noticed = self.is_fin_noticed
                    && silent(&[born_at, self.took_at.get()], bounds.half_open_nanos);
                own || (self.eof_at.get().is_some() && seen) || noticed
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        connect_nanos: 100,
        resolve_nanos: 40,
        attempt_delay_nanos: 10,
        flush_stall_nanos: 10,
        flush_nanos: 0,
        linger_nanos: 20,
        half_open_nanos: 30,
        start_nanos: 40,
        idle_nanos: u64::MAX,
        read_idle_nanos: u64::MAX,
        write_stall_nanos: u64::MAX,
    };

    fn judge(ending: &Ending, reason: CloseReason, now: u64) -> bool {
        judge_within(ending, reason, now, &BOUNDS)
    }

    fn judge_within(ending: &Ending, reason: CloseReason, now: u64, bounds: &Bounds) -> bool {
        let around = Around { now, is_owner_gone: false, is_exiting: false };
        ending.judge(reason, around, bounds).is_ok()
    }

    #[test]
    fn a_reason_needs_its_cause() {
        let ending = Ending::default();
        for reason in [
            CloseReason::Closed,
            CloseReason::Shutdown,
            CloseReason::Peer,
            CloseReason::OwnerGone,
            CloseReason::Exit,
            CloseReason::TimedOut(Timeout::Idle),
            CloseReason::TimedOut(Timeout::Linger),
        ] {
            assert!(!judge(&ending, reason, 1_000), "{reason}");
        }
        assert!(judge(&Ending { close_at: Mark::at(1), ..ending }, CloseReason::Closed, 2));
    }

    #[test]
    fn the_first_of_eof_and_shutdown_names_the_end() {
        let both = Ending { eof_at: Mark::at(1), shutdown_at: Mark::at(2), ..Ending::default() };
        let peer = Ending { was_eof_first: true, ..both.clone() };
        assert!(judge(&peer, CloseReason::Peer, 9) && !judge(&peer, CloseReason::Shutdown, 9));
        assert!(judge(&both, CloseReason::Shutdown, 9) && !judge(&both, CloseReason::Peer, 9));
    }

    #[test]
    fn what_is_bounded_ends_in_time() {
        let second = GRACE_NANOS;
        let started = Ending { is_started: true, ..Ending::default() };
        let flushing =
            Ending { last_shutdown_at: Mark::at(5), took_at: Mark::at(50), ..started.clone() };
        assert!(flushing.check_bounds(60 + second, true, &BOUNDS).is_ok());
        assert!(flushing.check_bounds(61 + second, true, &BOUNDS).is_err());
        let lingering = Ending { fin_at: Mark::at(60), ..flushing };
        assert!(lingering.check_bounds(80 + second, true, &BOUNDS).is_ok());
        assert!(lingering.check_bounds(81 + second, true, &BOUNDS).is_err());
        assert!(started.check_bounds(9 * second, true, &BOUNDS).is_ok());
        let unstarted = Ending::default();
        assert!(unstarted.check_bounds(9 * second, true, &BOUNDS).is_err());
        let at = Mark::at(5 * second);
        let finishing =
            Ending { last_shutdown_at: at, fin_at: at, is_finishing: true, ..unstarted };
        assert!(finishing.check_bounds(9 * second, true, &BOUNDS).is_ok());
        let lingering = Ending { is_finishing: false, ..finishing };
        assert!(lingering.check_bounds(9 * second, true, &BOUNDS).is_err());
        assert!(started.check_bounds(9 * second, false, &BOUNDS).is_err());
    }

    #[test]
    fn a_timeout_needs_its_silence() {
        let ending = Ending { fin_at: Mark::at(100), ..Ending::default() };
        assert!(!judge(&ending, CloseReason::TimedOut(Timeout::Linger), 119));
        assert!(judge(&ending, CloseReason::TimedOut(Timeout::Linger), 120));
        let ending =
            Ending { flush_at: Mark::at(100), took_at: Mark::at(105), ..Ending::default() };
        assert!(!judge(&ending, CloseReason::TimedOut(Timeout::Flush), 114));
        assert!(judge(&ending, CloseReason::TimedOut(Timeout::Flush), 115));
        assert!(!judge(&Ending::default(), CloseReason::TimedOut(Timeout::Start), 39));
        assert!(judge(&Ending::default(), CloseReason::TimedOut(Timeout::Start), 40));
    }

    #[test]
    fn silence_counts_from_the_last_start_and_a_write_of_another_thread_may_come_too_late() {
        let bounds = Bounds { idle_nanos: 50, ..BOUNDS };
        let reason = CloseReason::TimedOut(Timeout::Idle);
        let judge = |ending: &Ending, now| judge_within(ending, reason, now, &bounds);
        let mut ending = Ending { resumed_at: Mark::at(100), ..Ending::default() };
        assert!(!judge(&ending, 149) && judge(&ending, 150));
        ending.may_be_idle(149, &bounds);
        ending.took_at = Mark::at(149);
        assert!(!judge(&ending, 160), "it was in time");
        ending.may_be_idle(199, &bounds);
        ending.took_at = Mark::at(199);
        assert!(judge(&ending, 200), "its end may have begun");
        ending.is_busy();
        assert!(!judge(&ending, 200), "it has not, as it is still read");
    }

    #[test]
    fn each_direction_has_its_own_silence() {
        let bounds = Bounds { read_idle_nanos: 50, write_stall_nanos: 20, ..BOUNDS };
        let judge = |ending: &Ending, which, now| {
            judge_within(ending, CloseReason::TimedOut(which), now, &bounds)
        };
        let written = Ending { took_at: Mark::at(90), told_at: Mark::at(60), ..Ending::default() };
        assert!(
            !judge(&written, Timeout::ReadIdle, 109) && judge(&written, Timeout::ReadIdle, 110)
        );
        assert!(!judge(&written, Timeout::WriteStall, 999), "nothing is queued");
        let queued = Ending { queued_at: Mark::at(100), ..written };
        assert!(
            !judge(&queued, Timeout::WriteStall, 119) && judge(&queued, Timeout::WriteStall, 120)
        );
    }

    #[test]
    fn own_times_stand_in_place_of_those_of_all() {
        let reason = CloseReason::TimedOut(Timeout::Linger);
        let mut ending = Ending { fin_at: Mark::at(100), ..Ending::default() };
        ending.own_times.is_born_with(Timeout::Linger, 50);
        assert!(!judge(&ending, reason, 149) && judge(&ending, reason, 150));
        // Which of both holds when the end begins shows only in the Mux.
        ending.own_times.is_asked(Timeout::Linger, 30, &BOUNDS);
        assert!(!judge(&ending, reason, 129) && judge(&ending, reason, 130));
        let asked = Ending { is_started: true, last_shutdown_at: Mark::at(100), ..ending };
        assert!(asked.check_bounds(150 + GRACE_NANOS, true, &BOUNDS).is_ok());
        assert!(asked.check_bounds(151 + GRACE_NANOS, true, &BOUNDS).is_err());
    }

    #[test]
    fn a_name_is_waited_for_as_long_as_it_may_take_and_an_address_longer() {
        let reason = CloseReason::ConnectFailed(tidelock_core::FaultKind::TimedOut.into());
        let judge = |ending: &Ending, now| judge(ending, reason, now);
        let named = Ending { connect_nanos: 100, resolve_nanos: 40, ..Ending::default() };
        assert!(!judge(&named, 39) && judge(&named, 40));
        let addressed = Ending { resolve_nanos: 0, ..named };
        assert!(!judge(&addressed, 99) && judge(&addressed, 100));
    }

    #[test]
    fn a_shutdown_may_come_too_late_for_a_finish_that_nobody_answered() {
        let bounds = Bounds { half_open_nanos: 50, ..BOUNDS };
        let reason = CloseReason::TimedOut(Timeout::HalfOpen);
        let judge = |ending: &Ending, now| judge_within(ending, reason, now, &bounds);
        let finishing = Ending { fin_at: Mark::at(5), is_finishing: true, ..Ending::default() };
        let (mut early, mut late) = (finishing.clone(), finishing);
        early.finishes_no_more(54, &bounds);
        late.finishes_no_more(55, &bounds);
        assert!(!judge(&early, 90), "it was in time, and lingers from then");
        assert!(judge(&late, 90), "its end may have begun");
    }
}
