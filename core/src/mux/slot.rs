//! One socket.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use super::counters::Counters;
use super::deadline::Timeouts;
use super::deferred::AllDeferred;
use super::pace::Pace;
use super::shards::Twins;
use crate::datagrams::Datagrams;
use crate::{
    Accepted, CloseHow, CloseReason, ConnectOptions, Connected, Descriptor, Endpoint, Fault,
    Instant, ListenOptions, Operation, Outbox, OutputState, ServiceId, Situation, SocketId,
    SocketState, Target, UdpOptions,
};

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Latch {
    /// It may; it was never made, or an event came, or it answered `Ready`.
    Ready,
    /// It answered `Later`; only an event makes it ready again.
    Pending,
}

/// How a backend tells of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Style {
    /// A call may be repeated.
    Readiness,
    /// A call has ended, with this result.
    Completion,
}

/// One socket. Which fields mean something depends on the state.
#[derive(Hash)]
pub(super) struct Slot {
    pub(super) id: SocketId,
    pub(super) state: SocketState,
    pub(super) kind: Kind,
    pub(super) owner: Option<ServiceId>,
    /// For `read`, `accept`, `receive_from`.
    pub(super) input: Latch,
    /// For `connect`, `write`, `send_to`.
    pub(super) output: Latch,
    /// How the backend tells of this socket, once it did.
    pub(super) style: Option<Style>,
    /// The owner wants input: it started, and did not pause.
    pub(super) is_reading: bool,
    /// The id was returned by a command or told by `Accept`: a `Close` is owed.
    pub(super) is_told: bool,
    /// It does something for another socket, whose id was told: a part of a listener that another
    /// Mux has, or one of several addresses that race. It is not counted.
    pub(super) is_helper: bool,
    /// The backend holds something for the id: `close` must be called.
    pub(super) is_open: bool,
    /// The peer's FIN does not shut the socket down.
    pub(super) is_kept_open: bool,
    /// Own `finish`: input is still wanted after FIN.
    pub(super) is_finishing: bool,
    /// The end of the stream was read.
    pub(super) is_eof: bool,
    /// An event told of the peer's FIN; it was not read yet.
    pub(super) is_fin_noticed: bool,
    /// An event told of a failure, and neither a read nor a question for the error answered since.
    pub(super) is_failure_noticed: bool,
    /// `shutdown` or `finish` came while connecting.
    pub(super) is_shutdown_wanted: bool,
    /// `pause` came before the socket was open: `Paused` follows the opening.
    pub(super) is_pause_owed: bool,
    /// A warning is out that was not taken back.
    pub(super) is_warned: bool,
    /// It stands in its owner's list of input that waits for room in the mailbox.
    pub(super) waits_for_mailbox: bool,
    /// In which state it was counted last; what differs is counted when it is settled.
    pub(super) counted_state: SocketState,
    pub(super) closing: Closing,
    /// The first cause of the end, once there is one.
    pub(super) cause: Option<CloseReason>,
    /// The pending bytes at which the next `Warning` is due.
    pub(super) warn_next_bytes: usize,
    /// When the state was entered.
    pub(super) since: Instant,
    /// The last progress that the state's timeout measures from.
    pub(super) progress_at: Instant,
    /// When the timer of this slot is set to, if it is set. Invariant: not after the deadline.
    pub(super) armed_at: Option<Instant>,
    pub(super) outbox: Outbox,
    pub(super) rare: Box<Rare>,
}

/// What an idle connection costs is said in README and measured in the bench; most of it is this.
const _: () = assert!(size_of::<Option<Slot>>() <= 144, "every socket has a slot");
const _: () = assert!(size_of::<Rare>() <= 216, "every socket has what is seldom needed");

pub(super) use crate::SocketKind as Kind;

/// How far the end has come. Invariant: not `No` exactly in the state `Closing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Closing {
    No,
    /// The backend is to be asked.
    Asked(CloseHow),
    /// The backend said `Later`.
    Waiting,
    /// The backend has let go; announced sends may still be on their way.
    Done,
}

/// What is needed now and then.
#[derive(Default, Hash)]
pub(super) struct Rare {
    pub(super) opening: Option<Box<Opening>>,
    pub(super) dial: Option<Box<Dial>>,
    pub(super) local: Option<Endpoint>,
    pub(super) peer: Option<Endpoint>,
    /// The one completed read that came while nothing was wanted.
    pub(super) held: Option<Box<Result<Bytes, Fault>>>,
    /// The one completed receive that is still to be told.
    pub(super) held_datagram: Option<Box<Result<(Endpoint, Bytes), Fault>>>,
    /// A write failed; what can still be read is delivered first.
    pub(super) write_fault: Option<Box<Fault>>,
    /// What `Error` will say before `Close`.
    pub(super) fatal: Option<Box<(Fault, Operation)>>,
    /// What waits for the backend: options, a datagram socket's peer.
    pub(super) deferred: AllDeferred,
    pub(super) listener: Option<Box<Listener>>,
    pub(super) datagrams: Datagrams,
    /// Payload bytes that will not be sent any more.
    pub(super) unsent_bytes: u64,
    pub(super) counters: Counters,
    /// Times of its own.
    pub(super) timeouts: Option<Box<Timeouts>>,
    /// When an owner last began to read again after a pause.
    pub(super) resumed_at: Option<Instant>,
    /// Since when the system takes nothing of what is queued.
    pub(super) stalled_at: Option<Instant>,
}

/// What the backend will be asked to open.
pub(super) enum Opening {
    Listen {
        at: Endpoint,
        options: Box<ListenOptions>,
    },
    /// The part of a listener of another Mux; the descriptor listens already.
    Twin {
        descriptor: Descriptor,
        options: Box<ListenOptions>,
    },
    Adopt {
        descriptor: Descriptor,
    },
    Udp {
        options: Box<UdpOptions>,
    },
}

impl Hash for Opening {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Opening::Listen { at, options } => (0_u8, at, options).hash(state),
            // Nobody sees into a descriptor: a Mux that is to adopt one has no fingerprint.
            Opening::Adopt { descriptor: _ } => 1_u8.hash(state),
            Opening::Udp { options } => (2_u8, options).hash(state),
            Opening::Twin { descriptor: _, options } => (3_u8, options).hash(state),
        }
    }
}

/// A connect under way.
#[derive(Hash)]
pub(super) struct Dial {
    /// What is resolved first; taken when the backend was asked.
    pub(super) target: Option<Target>,
    /// The address that is tried under the socket's own id.
    pub(super) address: Option<Endpoint>,
    /// Addresses still to try, the next one in front.
    pub(super) untried: VecDeque<Endpoint>,
    pub(super) options: Box<ConnectOptions>,
    pub(super) deadline: Instant,
    /// When the next address is tried beside those under way; while the name is looked up, when
    /// that takes too long.
    pub(super) next_at: Instant,
    pub(super) attempt: Attempt,
    /// Sockets under ids of their own that try other addresses; the winner is among them.
    pub(super) racers: Vec<SocketId>,
    /// The racer that connected first.
    pub(super) winner: Option<(SocketId, Connected)>,
    /// It is such a racer itself, of this socket.
    pub(super) races_for: Option<SocketId>,
    /// Why the last address failed.
    pub(super) last_fault: Option<Fault>,
}

/// How far the attempt under the socket's own id has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    /// Nothing was asked; or a name is being resolved, if there is no address.
    None,
    /// `connect` said `Later`.
    UnderWay,
    /// Another won: the backend is to close it.
    GivenUp,
    /// `close` said `Later`.
    Closing,
    /// A racer that is connected, and waits for the id that was told.
    Won,
}

/// What only listeners have.
#[derive(Default, Hash)]
pub(super) struct Listener {
    /// The listener of another Mux that this is a part of.
    pub(super) twin_of: Option<SocketId>,
    /// The parts of this that other Muxes have.
    pub(super) twins: Option<Box<Twins>>,
    pub(super) auto_start: bool,
    /// The times of what is accepted.
    pub(super) timeouts: Option<Box<Timeouts>>,
    /// The id that was offered to `accept`.
    pub(super) reserved: Option<SocketId>,
    /// A completed accept that is still to be told.
    pub(super) held: Option<Result<Accepted, Fault>>,
    /// Accepting resumes then: the system was out of something.
    pub(super) retry_at: Option<Instant>,
    /// Accepting resumes then: it accepted as many as it may.
    pub(super) paced_until: Option<Instant>,
    pub(super) pace: Option<Pace>,
    /// Who is accepted next had to wait for its time.
    pub(super) has_waited: bool,
    /// The owner knows that connections had to wait.
    pub(super) is_pace_reported: bool,
    /// How often in a row accepting failed.
    pub(super) failures: u32,
    /// The table is full: accepting resumes when an id is free.
    pub(super) is_stalled: bool,
    /// The owner knows of the failure that goes on.
    pub(super) is_reported: bool,
    /// A connection was accepted since the last failure.
    pub(super) is_recovering: bool,
    pub(super) accepted: u64,
}

impl Listener {
    /// Whether a timer goes first.
    pub(super) fn waits_for_time(&self) -> bool {
        let (retries, is_paced) = (self.retry_at.is_some(), self.paced_until.is_some());
        debug_assert!(!retries || !is_paced, "two timers for one accept");
        retries || is_paced
    }
}

/// Which states may follow a state: the arrows of the picture in `docs/states.md`. A state that
/// stands among its own followers begins anew, with new times: `shutdown` after `finish`.
const FOLLOWERS: [(SocketState, &[SocketState]); 10] = {
    use SocketState::{
        Accepted, Closing, Connecting, Datagram, Draining, EofSeen, Flushing, Listening, Open,
        Opening,
    };
    [
        (Opening, &[Listening, Open, Datagram, Closing]),
        (Connecting, &[Open, Closing]),
        (Listening, &[Closing]),
        (Accepted, &[Open, Flushing, Closing]),
        (Open, &[EofSeen, Flushing, Closing]),
        (EofSeen, &[Flushing, Closing]),
        (Flushing, &[Flushing, Draining, Closing]),
        (Draining, &[Draining, Closing]),
        (Datagram, &[Flushing, Closing]),
        (Closing, &[]),
    ]
};

impl Slot {
    pub(super) fn new(
        id: SocketId,
        kind: Kind,
        state: SocketState,
        now: Instant,
        warn_next_bytes: usize,
    ) -> Self {
        let is_birth =
            matches!(state, SocketState::Opening | SocketState::Connecting | SocketState::Accepted);
        assert!(is_birth, "{id} cannot begin as {state:?}");
        let can_be_any = state == SocketState::Opening || kind == Kind::Stream;
        assert!(can_be_any, "{id} is a {kind:?} and cannot begin as {state:?}");
        assert!(warn_next_bytes > 0, "{id} would warn of nothing");
        Self {
            id,
            state,
            kind,
            owner: None,
            input: Latch::Ready,
            output: Latch::Ready,
            style: None,
            is_reading: false,
            is_told: true,
            is_helper: false,
            is_open: false,
            is_kept_open: false,
            is_finishing: false,
            is_eof: false,
            is_fin_noticed: false,
            is_failure_noticed: false,
            is_shutdown_wanted: false,
            is_pause_owed: false,
            is_warned: false,
            waits_for_mailbox: false,
            counted_state: state,
            closing: Closing::No,
            cause: None,
            warn_next_bytes,
            since: now,
            progress_at: now,
            armed_at: None,
            outbox: Outbox::new(),
            rare: Box::default(),
        }
    }

    /// Enters a state; its time begins.
    pub(super) fn enter(&mut self, state: SocketState, now: Instant) {
        let (id, from) = (self.id, self.state);
        let mut rows = FOLLOWERS.iter().filter(|(row, _)| *row == from);
        let (_, followers) = rows.next().expect("each state has a row");
        assert!(followers.contains(&state), "{id}: {state:?} does not follow {from:?}");
        assert!(now >= self.since && now >= self.progress_at, "{id}: time went back to {now}");
        self.state = state;
        self.since = now;
        self.progress_at = now;
    }

    /// How the socket stands, for those who watch. Looks only at what is at hand, so that it is
    /// free where nobody does.
    #[inline]
    pub(super) fn situation(&self) -> Situation {
        let may_want_input = match self.state {
            SocketState::Opening
            | SocketState::Connecting
            | SocketState::Listening
            | SocketState::Open
            | SocketState::Datagram => true,
            SocketState::Flushing | SocketState::Draining => self.is_finishing,
            SocketState::Accepted | SocketState::EofSeen | SocketState::Closing => false,
        };
        let has_output = !self.outbox.is_empty() || !self.rare.datagrams.is_empty();
        debug_assert!(has_output || !self.outbox.has_begun(), "{}: nothing has begun", self.id);
        debug_assert!(!self.is_eof || self.kind == Kind::Stream, "{} has no end", self.id);
        Situation {
            state: self.state,
            is_paused: may_want_input && !self.is_eof && !self.is_reading,
            is_eof: self.is_eof,
            output: match (has_output, self.outbox.has_begun()) {
                (false, _) => OutputState::Empty,
                (true, false) => OutputState::Whole,
                (true, true) => OutputState::Begun,
            },
        }
    }

    /// Payload bytes that are queued.
    #[inline]
    pub(super) fn pending_bytes(&self) -> usize {
        debug_assert!(self.kind == Kind::Stream || self.outbox.is_empty(), "bytes of no stream");
        match self.kind {
            Kind::Datagram => self.rare.datagrams.pending_bytes(),
            Kind::Stream | Kind::Listener => self.outbox.pending_bytes(),
        }
    }

    /// What is charged for what is queued.
    #[inline]
    pub(super) fn charge_bytes(&self) -> usize {
        assert!(self.kind != Kind::Listener || !self.has_output(), "{} has output", self.id);
        match self.kind {
            Kind::Datagram => self.rare.datagrams.charge_bytes(),
            Kind::Stream | Kind::Listener => self.outbox.charge_bytes(),
        }
    }

    /// Whether anything is queued: stream bytes, or datagrams, an empty one included.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        // A stream's many questions do not go to its rare part; `check` looks there.
        debug_assert!(self.kind == Kind::Datagram || self.rare.datagrams.is_empty(), "datagrams");
        match self.kind {
            Kind::Stream => !self.outbox.is_empty(),
            Kind::Listener | Kind::Datagram => {
                assert!(self.outbox.is_empty(), "{}: bytes for no stream", self.id);
                !self.rare.datagrams.is_empty()
            }
        }
    }

    /// Whether input is read only to be thrown away.
    #[inline]
    pub(super) fn discards_input(&self) -> bool {
        let ends = matches!(self.state, SocketState::Flushing | SocketState::Draining);
        debug_assert!(!ends || self.cause.is_some(), "{} ends without a cause", self.id);
        ends && self.kind == Kind::Stream && !self.is_finishing
    }

    /// Whether input is wanted, but for a full mailbox.
    #[inline]
    pub(super) fn wants_input(&self) -> bool {
        match self.state {
            SocketState::Open => self.is_reading && !self.is_eof,
            SocketState::Flushing | SocketState::Draining => {
                self.kind == Kind::Stream && !self.is_eof && (!self.is_finishing || self.is_reading)
            }
            SocketState::Listening => {
                let listener = self.rare.listener.as_ref().expect("a listener's part");
                debug_assert_eq!(self.kind, Kind::Listener, "{} listens", self.id);
                self.is_reading && !listener.waits_for_time() && !listener.is_stalled
            }
            SocketState::Datagram => self.is_reading,
            SocketState::Opening
            | SocketState::Connecting
            | SocketState::Accepted
            | SocketState::EofSeen
            | SocketState::Closing => false,
        }
    }

    /// Whether something came in that waits only to be wanted.
    #[inline]
    pub(super) fn has_held_input(&self) -> bool {
        let rare = &self.rare;
        debug_assert!(self.kind == Kind::Stream || rare.held.is_none(), "bytes of no stream");
        debug_assert!(self.kind == Kind::Datagram || rare.held_datagram.is_none(), "a datagram");
        let is_held = match self.kind {
            Kind::Stream => self.rare.held.is_some(),
            Kind::Datagram => self.rare.held_datagram.is_some(),
            Kind::Listener => {
                let listener = self.rare.listener.as_ref();
                listener.is_some_and(|listener| listener.held.is_some())
            }
        };
        debug_assert!(!is_held || self.is_open, "{} came before it was open", self.id);
        is_held
    }

    /// Whether a completed read brought an error, which is served even while nothing is wanted.
    #[inline]
    pub(super) fn has_held_fault(&self) -> bool {
        let is_stream = self.kind == Kind::Stream;
        debug_assert!(is_stream || self.rare.held.is_none(), "{}: bytes of no stream", self.id);
        matches!(self.rare.held.as_deref(), Some(Err(_))) && self.state != SocketState::Closing
    }

    /// Names the cause of the end, unless there was one before.
    pub(super) fn add_cause(&mut self, cause: CloseReason) {
        let id = self.id;
        let is_failure = matches!(
            cause,
            CloseReason::Fault(_) | CloseReason::ConnectFailed(_) | CloseReason::TimedOut(_)
        );
        assert!(!is_failure, "{id}: a failure is no mere cause, it replaces one");
        self.cause.get_or_insert(cause);
    }

    /// Names a failure as the cause of the end. It replaces the start of an orderly end, but not
    /// a decision that nothing could outrun.
    pub(super) fn fail_cause(&mut self, cause: CloseReason) {
        let id = self.id;
        let is_orderly =
            matches!(cause, CloseReason::Closed | CloseReason::Shutdown | CloseReason::Peer);
        assert!(!is_orderly, "{id}: {cause} is no failure");
        assert_ne!(self.state, SocketState::Closing, "{id} has ended before it fails");
        let is_final = matches!(
            self.cause,
            Some(CloseReason::Closed | CloseReason::OwnerGone | CloseReason::Exit)
        );
        if !is_final {
            self.cause = Some(cause);
        }
    }
}
