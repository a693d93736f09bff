//! A listener.

use std::hash::{Hash, Hasher};

use super::head::{CloseStep, Closing, Due, Head};
use super::kind::{Kind, Phased, Way};
use super::pace::Pace;
use crate::timeouts::Timeouts;
use crate::{
    Accepted, Config, Descriptor, Endpoint, Fault, Instant, ListenOptions, SocketId, SocketKind,
    SocketState,
};

/// A listener, or the part of one that another Mux has.
#[derive(Default, Hash)]
pub(crate) struct Listener {
    pub(crate) phase: Phase,
    /// The listener of another Mux that this is a part of.
    pub(crate) twin_of: Option<SocketId>,
    /// The parts of this that other Muxes have.
    pub(crate) twins: Option<Box<Twins>>,
    pub(crate) auto_start: bool,
    /// The times of what is accepted.
    pub(crate) timeouts: Option<Box<Timeouts>>,
    /// The id that was offered to `accept`.
    pub(crate) reserved: Option<SocketId>,
    /// A completed accept that is still to be told.
    pub(crate) held: Option<Result<Accepted, Fault>>,
    /// When accepting resumes after the system was out of something.
    pub(crate) retry_at: Option<Instant>,
    /// When accepting resumes after it accepted as many as it may.
    pub(crate) paced_until: Option<Instant>,
    pub(crate) pace: Option<Pace>,
    /// The next connection had to wait for its time.
    pub(crate) has_waited: bool,
    /// The owner knows that connections had to wait.
    pub(crate) is_pace_reported: bool,
    /// The number of times in a row that accepting failed.
    pub(crate) failures: u32,
    /// The table is full: accepting resumes when an id is free.
    pub(crate) is_stalled: bool,
    /// The owner knows of the failure that goes on.
    pub(crate) is_reported: bool,
    /// A connection was accepted since the last failure.
    pub(crate) is_recovering: bool,
    pub(crate) accepted: u64,
}

/// The phase of a listener's life.
#[derive(Default)]
pub(crate) enum Phase {
    /// The backend is to be asked; `None` while it is.
    Opening(Option<Opening>),
    #[default]
    Listening,
    Closing(Closing),
}

/// The request by which the backend will open it.
pub(crate) enum Opening {
    Listen {
        at: Endpoint,
        options: Box<ListenOptions>,
    },
    /// The part of a listener of another Mux; the descriptor listens already.
    Twin {
        descriptor: Descriptor,
        options: Box<ListenOptions>,
    },
}

impl Hash for Phase {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Phase::Opening(Some(Opening::Listen { at, options })) => {
                (0_u8, at, options).hash(state)
            }
            // Nobody sees into a descriptor: a Mux that is to open one has no fingerprint.
            Phase::Opening(Some(Opening::Twin { descriptor: _, options })) => {
                (1_u8, options).hash(state);
            }
            Phase::Closing(closing) => closing.hash(state),
            Phase::Opening(None) | Phase::Listening => {}
        }
    }
}

/// The parts of a listener that other Muxes have.
#[derive(Default, Hash)]
pub(crate) struct Twins {
    /// Their ids. `Close` waits until none is left.
    pub(crate) places: Vec<SocketId>,
    /// Their Muxes know of them.
    pub(crate) are_shared: bool,
    /// The number of twins that have not said yet that they paused.
    pub(crate) pauses_awaited: usize,
}

impl Listener {
    /// A listener of which other Muxes are to have `others`. The times of what it accepts are
    /// taken out of the options.
    pub(crate) fn new(
        at: Endpoint,
        mut options: Box<ListenOptions>,
        now: Instant,
        others: Vec<SocketId>,
    ) -> Self {
        let parts = 1 + u32::try_from(others.len()).expect("there are few Muxes");
        assert!(parts <= crate::SHARDS_MAX, "{parts} parts are more than there can be Muxes");
        Self {
            twins: (parts > 1).then(|| Box::new(Twins { places: others, ..Twins::default() })),
            timeouts: Timeouts::taken_from(&mut options.accepted),
            auto_start: options.auto_start,
            pace: options.accept_rate.map(|rate| Pace::of_part(rate, 0, parts, now)),
            phase: Phase::Opening(Some(Opening::Listen { at, options })),
            ..Self::default()
        }
    }

    /// Returns `true` if accepting waits for a time.
    #[inline]
    pub(crate) fn waits_for_time(&self) -> bool {
        self.retry_at.is_some() || self.paced_until.is_some()
    }

    /// Returns `true` if it is the part of a listener whose id another Mux has.
    #[inline]
    pub(crate) fn is_twin(&self) -> bool {
        self.twin_of.is_some()
    }

    /// The twins that other Muxes know of.
    pub(crate) fn shared_twins(&mut self) -> Option<&mut Twins> {
        self.twins.as_deref_mut().filter(|twins| twins.are_shared)
    }
}

impl Kind for Listener {
    fn kind(&self) -> SocketKind {
        SocketKind::Listener
    }

    fn state(&self) -> SocketState {
        match self.phase {
            Phase::Opening(_) => SocketState::Opening,
            Phase::Listening => SocketState::Listening,
            Phase::Closing(_) => SocketState::Closing,
        }
    }

    fn closing(&self) -> Option<&Closing> {
        match &self.phase {
            Phase::Closing(closing) => Some(closing),
            Phase::Opening(_) | Phase::Listening => None,
        }
    }

    fn closing_mut(&mut self) -> Option<&mut Closing> {
        match &mut self.phase {
            Phase::Closing(closing) => Some(closing),
            Phase::Opening(_) | Phase::Listening => None,
        }
    }

    fn is_open(&self) -> bool {
        match &self.phase {
            Phase::Opening(_) => false,
            Phase::Listening => true,
            Phase::Closing(closing) => closing.step != CloseStep::Done,
        }
    }

    fn pending_bytes(&self) -> usize {
        0
    }

    fn charge_bytes(&self) -> usize {
        0
    }

    fn has_output(&self) -> bool {
        false
    }

    fn has_begun(&self) -> bool {
        false
    }

    fn clear_output(&mut self) -> usize {
        0
    }

    fn wants_input(&self, head: &Head) -> bool {
        let is_listening = matches!(self.phase, Phase::Listening);
        is_listening && head.is_reading && !self.waits_for_time() && !self.is_stalled
    }

    fn may_want_input(&self, _head: &Head) -> bool {
        !self.is_closing()
    }

    fn has_held_input(&self) -> bool {
        self.held.is_some()
    }

    fn awaits_pause(&self) -> bool {
        self.twins.as_ref().is_some_and(|twins| twins.pauses_awaited > 0)
    }

    /// Parts that other Muxes have are still there.
    fn holds_close(&self) -> bool {
        self.twins.as_ref().is_some_and(|twins| !twins.places.is_empty())
    }

    fn has_output_work(&self, head: &Head, way: Way<'_>) -> bool {
        match &self.phase {
            Phase::Opening(_) => true,
            Phase::Listening => !head.rare.deferred.is_empty(),
            Phase::Closing(closing) => {
                let is_awaited = closing.step == CloseStep::Done && self.holds_close();
                !is_awaited && closing.has_work(head, way)
            }
        }
    }

    fn check(&self, head: &Head) {
        head.check(self);
        self.check_relations(head);
    }

    fn deadline(&self, _head: &Head, _config: &Config) -> Option<(Instant, Due)> {
        match self.phase {
            Phase::Listening => {
                let retry = self.retry_at.map(|at| (at, Due::AcceptRetry));
                retry.or(self.paced_until.map(|at| (at, Due::Paced)))
            }
            Phase::Opening(_) | Phase::Closing(_) => None,
        }
    }
}

impl Phased for Listener {
    type Phase = Phase;

    fn phase_mut(&mut self) -> &mut Phase {
        &mut self.phase
    }
}
