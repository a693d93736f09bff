//! A stream: connected, accepted or adopted.

use std::hash::{Hash, Hasher};

use bytes::Bytes;

use super::dial::{Attempt, Dial};
use super::head::{CloseStep, Closing, Due, Head, Latch};
use super::kind::{Kind, Phased, Way};
use crate::{Config, Descriptor, Fault, Instant, Outbox, SocketKind, SocketState, Timeout};

/// A stream: connected, accepted or adopted.
#[derive(Hash)]
pub(crate) struct Stream {
    pub(crate) phase: Phase,
    pub(crate) outbox: Outbox,
    /// The peer's FIN does not shut the stream down.
    pub(crate) is_kept_open: bool,
    /// The end of the stream was read.
    pub(crate) is_eof: bool,
    /// An event told of the peer's FIN; it was not read yet.
    pub(crate) is_fin_noticed: bool,
    /// An event told of a failure, and neither a read nor a question for the error answered since.
    pub(crate) is_failure_noticed: bool,
    /// The one completed read that came while nothing was wanted.
    pub(crate) held: Option<Box<Result<Bytes, Fault>>>,
    /// A write failed; what can still be read is delivered first.
    pub(crate) write_fault: Option<Box<Fault>>,
    /// When an owner last began to read again after a pause.
    pub(crate) resumed_at: Option<Instant>,
    /// Since when the system takes nothing of what is queued.
    pub(crate) stalled_at: Option<Instant>,
}

/// The phase of a stream's life, with what only that phase needs.
pub(crate) enum Phase {
    /// A descriptor is to be taken over; `None` while the backend is asked.
    Adopting(Option<Box<Descriptor>>),
    Dialling(Box<Dial>),
    /// Accepted, not started.
    Accepted,
    /// Read (or paused) and written.
    Open,
    /// The peer's FIN was read.
    EofSeen,
    /// The queue goes out, then FIN.
    Flushing,
    /// FIN is out; the peer's is waited for.
    Draining,
    Closing(Closing),
}

impl Hash for Phase {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Phase::Dialling(dial) => dial.hash(state),
            Phase::Closing(closing) => closing.hash(state),
            // Nobody sees into a descriptor: a Mux that is to adopt one has no fingerprint.
            Phase::Adopting(_)
            | Phase::Accepted
            | Phase::Open
            | Phase::EofSeen
            | Phase::Flushing
            | Phase::Draining => {}
        }
    }
}

impl Stream {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase,
            outbox: Outbox::new(),
            is_kept_open: false,
            is_eof: false,
            is_fin_noticed: false,
            is_failure_noticed: false,
            held: None,
            write_fault: None,
            resumed_at: None,
            stalled_at: None,
        }
    }

    /// Returns `true` if the stream is connected, and neither closed nor let go of.
    #[inline]
    pub(crate) fn is_established(&self) -> bool {
        self.state().is_established()
    }

    /// Returns `true` if the stream writes what is queued.
    #[inline]
    pub(crate) fn writes(&self) -> bool {
        matches!(self.phase, Phase::Accepted | Phase::Open | Phase::EofSeen | Phase::Flushing)
    }

    /// Returns `true` if the error that an event told of is to be asked for, since no read will
    /// meet it.
    #[inline]
    pub(crate) fn asks_for_error(&self, head: &Head) -> bool {
        self.is_failure_noticed && !self.has_input_work(head)
    }

    /// When an open stream has been silent for too long, in one direction or in both.
    #[inline]
    fn silence_deadline(&self, head: &Head, config: &Config) -> Option<(Instant, Due)> {
        let after = |at, which| head.due_after(at, which, config);
        // A socket is silent while it reads, and half open while it does not.
        let half_open = match self.is_fin_noticed && !head.is_reading {
            true => after(head.progress_at, Timeout::HalfOpen),
            false => None,
        };
        // It may have been stuck before it was started, when other bounds held.
        let stalled_at = self.stalled_at.map(|at| at.max(head.since));
        let stalled = stalled_at.and_then(|at| after(at, Timeout::WriteStall));
        // Only a system that said `Later` has shown silence; what waits for a paused or busy
        // owner is none.
        let silent = if head.is_reading && head.input == Latch::Pending {
            let both = after(last_activity(head), Timeout::Idle);
            both.into_iter().chain(after(self.last_read(head), Timeout::ReadIdle)).min()
        } else {
            None
        };
        [stalled, silent, half_open].into_iter().flatten().min()
    }

    /// Since when nothing was read, of the time in which the owner wanted to.
    fn last_read(&self, head: &Head) -> Instant {
        let last = [head.counters.last_read, self.resumed_at].into_iter().flatten().max();
        last.map_or(head.since, |last| last.max(head.since))
    }
}

fn last_activity(head: &Head) -> Instant {
    [head.counters.last_read, head.counters.last_write]
        .into_iter()
        .flatten()
        .fold(head.progress_at, Instant::max)
}

impl Kind for Stream {
    fn kind(&self) -> SocketKind {
        SocketKind::Stream
    }

    #[inline]
    fn state(&self) -> SocketState {
        match self.phase {
            Phase::Adopting(_) => SocketState::Opening,
            Phase::Dialling(_) => SocketState::Connecting,
            Phase::Accepted => SocketState::Accepted,
            Phase::Open => SocketState::Open,
            Phase::EofSeen => SocketState::EofSeen,
            Phase::Flushing => SocketState::Flushing,
            Phase::Draining => SocketState::Draining,
            Phase::Closing(_) => SocketState::Closing,
        }
    }

    fn closing(&self) -> Option<&Closing> {
        match &self.phase {
            Phase::Closing(closing) => Some(closing),
            _ => None,
        }
    }

    fn closing_mut(&mut self) -> Option<&mut Closing> {
        match &mut self.phase {
            Phase::Closing(closing) => Some(closing),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        match &self.phase {
            Phase::Adopting(_) => false,
            Phase::Dialling(dial) => dial.attempt != Attempt::None,
            Phase::Closing(closing) => closing.step != CloseStep::Done,
            Phase::Accepted | Phase::Open | Phase::EofSeen | Phase::Flushing | Phase::Draining => {
                true
            }
        }
    }

    #[inline]
    fn pending_bytes(&self) -> usize {
        self.outbox.pending_bytes()
    }

    #[inline]
    fn charge_bytes(&self) -> usize {
        self.outbox.charge_bytes()
    }

    #[inline]
    fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    #[inline]
    fn has_begun(&self) -> bool {
        self.outbox.has_begun()
    }

    fn clear_output(&mut self) -> usize {
        self.outbox.clear()
    }

    #[inline]
    fn has_input_work(&self, head: &Head) -> bool {
        // Of what is pending nothing is held, as `check` sees to.
        if head.input == Latch::Pending {
            return false;
        }
        if matches!(self.phase, Phase::Open) && head.is_reading {
            return true;
        }
        self.wants_input(head) || self.has_held_fault()
    }

    fn wants_input(&self, head: &Head) -> bool {
        match self.phase {
            Phase::Open => head.is_reading,
            Phase::Flushing | Phase::Draining => {
                !self.is_eof && (!head.is_finishing || head.is_reading)
            }
            Phase::Adopting(_)
            | Phase::Dialling(_)
            | Phase::Accepted
            | Phase::EofSeen
            | Phase::Closing(_) => false,
        }
    }

    #[inline]
    fn may_want_input(&self, head: &Head) -> bool {
        match self.phase {
            Phase::Adopting(_) | Phase::Dialling(_) | Phase::Open => true,
            Phase::Flushing | Phase::Draining => head.is_finishing,
            Phase::Accepted | Phase::EofSeen | Phase::Closing(_) => false,
        }
    }

    #[inline]
    fn has_held_input(&self) -> bool {
        self.held.is_some()
    }

    #[inline]
    fn has_held_fault(&self) -> bool {
        matches!(self.held.as_deref(), Some(Err(_))) && !self.is_closing()
    }

    #[inline]
    fn discards_input(&self, head: &Head) -> bool {
        matches!(self.phase, Phase::Flushing | Phase::Draining) && !head.is_finishing
    }

    #[inline]
    fn is_eof(&self) -> bool {
        self.is_eof
    }

    /// An attempt to connect was given up, and is being closed.
    fn is_being_closed(&self) -> bool {
        matches!(&self.phase, Phase::Dialling(dial) if dial.attempt == Attempt::Closing)
    }

    #[inline]
    fn has_output_work(&self, head: &Head, way: Way<'_>) -> bool {
        let has_turn = || self.has_output() && head.output == Latch::Ready;
        match &self.phase {
            Phase::Adopting(_) => true,
            Phase::Dialling(dial) => dial.has_work(head),
            Phase::Closing(closing) => closing.has_work(head, way),
            Phase::Accepted | Phase::Open | Phase::EofSeen | Phase::Flushing if has_turn() => true,
            Phase::Flushing if self.outbox.is_empty() => {
                // After a failed write no FIN is sent: the end comes when the input is read.
                let has_end = self.write_fault.is_none() || self.discards_input(head);
                has_end && !way.has_sends(head) || self.has_own_work(head)
            }
            _ => self.has_own_work(head),
        }
    }

    #[inline]
    fn has_no_deadline(&self, head: &Head, may_be_silent: bool) -> bool {
        matches!(self.phase, Phase::Open)
            && may_be_silent
            && head.timeouts.is_none()
            && !self.is_fin_noticed
            && self.write_fault.is_none()
    }

    fn check(&self, head: &Head) {
        head.check(self);
        self.check_relations(head);
    }

    #[inline]
    fn deadline(&self, head: &Head, config: &Config) -> Option<(Instant, Due)> {
        let after = |at, which| head.due_after(at, which, config);
        match &self.phase {
            Phase::Open if self.write_fault.is_none() => self.silence_deadline(head, config),
            Phase::Open => after(head.progress_at, Timeout::Flush),
            Phase::Adopting(_) | Phase::Closing(_) => None,
            // A racer has no time of its own: the connect that it races for has.
            Phase::Dialling(dial) if dial.races_for.is_some() => None,
            Phase::Dialling(dial) => Some((dial.due_at(), Due::Dial)),
            Phase::Accepted => after(head.since, Timeout::Start),
            Phase::EofSeen => after(head.progress_at, Timeout::HalfOpen),
            Phase::Flushing => head.flush_deadline(config),
            Phase::Draining if head.is_finishing => after(head.progress_at, Timeout::HalfOpen),
            Phase::Draining => after(head.since, Timeout::Linger),
        }
    }
}

impl Stream {
    /// Returns `true` if something is to be asked of the backend besides writing.
    #[inline]
    fn has_own_work(&self, head: &Head) -> bool {
        self.asks_for_error(head) || !head.rare.deferred.is_empty()
    }
}

impl Phased for Stream {
    type Phase = Phase;

    fn phase_mut(&mut self) -> &mut Phase {
        &mut self.phase
    }
}
