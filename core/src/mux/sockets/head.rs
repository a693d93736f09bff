//! The fields that every socket has, whatever its kind.

use std::time::Duration;

use crate::timeouts::Timeouts;
use crate::{
    CloseHow, CloseReason, Config, Endpoint, Fault, Instant, Operation, ServiceId, SocketId,
    SocketState, Timeout,
};

use super::counters::Counters;
use super::deferred::AllDeferred;

/// The fields that every socket has, whatever its kind.
#[derive(Hash)]
pub(crate) struct Head {
    pub(crate) id: SocketId,
    pub(crate) owner: Option<ServiceId>,
    pub(crate) role: Role,
    /// For `read`, `accept`, `receive_from`.
    pub(crate) input: Latch,
    /// For `connect`, `write`, `send_to`.
    pub(crate) output: Latch,
    /// The style of the backend's reports about this socket, known from its first event on.
    pub(crate) style: Option<Style>,
    /// The owner wants input: it started, and did not pause.
    pub(crate) is_reading: bool,
    /// `pause` came before the socket was open, or before its twins stopped: `Paused` follows.
    pub(crate) is_pause_owed: bool,
    /// `shutdown` or `finish` came before the socket was open.
    pub(crate) is_shutdown_wanted: bool,
    /// Own `finish`: input is still wanted after FIN.
    pub(crate) is_finishing: bool,
    /// A warning is out that was not withdrawn.
    pub(crate) is_warned: bool,
    /// The state under which the statistics count it; brought up to date when it is settled.
    pub(crate) counted_state: SocketState,
    /// The first cause of the end, once there is one.
    pub(crate) cause: Option<CloseReason>,
    /// The pending bytes at which the next `Warning` is due.
    pub(crate) warn_next_bytes: usize,
    /// When the state was entered.
    pub(crate) since: Instant,
    /// The last progress, from which the state's timeout is measured.
    pub(crate) progress_at: Instant,
    /// The time that its timer is set to, if it is set. Invariant: not after the deadline.
    pub(crate) armed_at: Option<Instant>,
    pub(crate) counters: Counters,
    /// Times of its own.
    pub(crate) timeouts: Option<Box<Timeouts>>,
    pub(crate) rare: Box<Rare>,
}

/// The fields that are needed now and then.
#[derive(Default, Hash)]
pub(crate) struct Rare {
    pub(crate) local: Option<Endpoint>,
    pub(crate) peer: Option<Endpoint>,
    /// Options, and a datagram socket's peer, that wait for the backend.
    pub(crate) deferred: AllDeferred,
    /// Payload bytes that will not be sent any more.
    pub(crate) unsent_bytes: u64,
}

/// The parties that know of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Its id was returned by a command or told by `Accept`: a `Close` is owed.
    Told,
    /// It works for another socket, whose id was told: a part of a listener that another Mux has,
    /// or one of several addresses that race. It is not counted.
    Helper,
    /// Nobody: it was accepted for a listener that had ended.
    Refused,
}

/// The permission to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Latch {
    /// The call may be made: it was never made, or an event came, or it answered `Ready`.
    Ready,
    /// It answered `Later`; only an event makes it ready again.
    Pending,
}

/// The style of a backend's reports about a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Style {
    /// A call may be repeated.
    Readiness,
    /// A call has ended, with this result.
    Completion,
}

/// The progress of a socket's end.
#[derive(Debug, Hash)]
pub(crate) struct Closing {
    pub(crate) step: CloseStep,
    /// The `Error` that precedes `Close`.
    pub(crate) fatal: Option<Box<(Fault, Operation)>>,
}

/// The meaning of a socket's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A connect took too long, or its next attempt may begin.
    Dial,
    /// Accepting is tried again.
    AcceptRetry,
    /// One more connection may be accepted.
    Paced,
    /// The socket ends.
    Timeout(Timeout),
}

/// The next step of a socket's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CloseStep {
    /// The backend is to be asked.
    Asked(CloseHow),
    /// The backend said `Later`.
    Waiting,
    /// The backend holds nothing; announced sends may still be on their way.
    Done,
}

impl Head {
    pub(crate) fn new(id: SocketId, state: SocketState, now: Instant, warn_bytes: usize) -> Self {
        assert!(warn_bytes > 0, "{id} would warn of nothing");
        Self {
            id,
            owner: None,
            role: Role::Told,
            input: Latch::Ready,
            output: Latch::Ready,
            style: None,
            is_reading: false,
            is_pause_owed: false,
            is_shutdown_wanted: false,
            is_finishing: false,
            is_warned: false,
            counted_state: state,
            cause: None,
            warn_next_bytes: warn_bytes,
            since: now,
            progress_at: now,
            armed_at: None,
            counters: Counters::default(),
            timeouts: None,
            rare: Box::default(),
        }
    }

    /// Returns `true` if the id was told to somebody, who is owed a `Close`.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        self.role == Role::Told
    }

    #[inline]
    pub(crate) fn is_helper(&self) -> bool {
        self.role == Role::Helper
    }

    /// Names the cause of the end, unless there was one before.
    pub(crate) fn add_cause(&mut self, cause: CloseReason) {
        let is_failure = matches!(
            cause,
            CloseReason::Fault(_) | CloseReason::ConnectFailed(_) | CloseReason::TimedOut(_)
        );
        assert!(!is_failure, "{}: a failure replaces an earlier cause: {cause}", self.id);
        self.cause.get_or_insert(cause);
    }

    /// Names a failure as the cause of the end. It replaces the start of an orderly end, but not
    /// a decision that nothing could outrun.
    pub(crate) fn fail_cause(&mut self, cause: CloseReason) {
        let is_final = matches!(
            self.cause,
            Some(CloseReason::Closed | CloseReason::OwnerGone | CloseReason::Exit)
        );
        if !is_final {
            self.cause = Some(cause);
        }
    }

    /// The time that the socket may wait for this; `None`: for ever.
    pub(crate) fn timeout(&self, which: Timeout, config: &Config) -> Option<Duration> {
        let own = self.timeouts.as_ref().and_then(|own| own.get(which));
        own.or_else(|| config.timeout(which)).filter(|span| *span < Duration::MAX)
    }

    /// The deadline of a wait that began `at` some time.
    #[inline]
    pub(crate) fn due_after(
        &self,
        at: Instant,
        which: Timeout,
        config: &Config,
    ) -> Option<(Instant, Due)> {
        Some((at + self.timeout(which, config)?, Due::Timeout(which)))
    }

    /// The deadline of a flush: of the whole, and of the stretch without progress.
    pub(crate) fn flush_deadline(&self, config: &Config) -> Option<(Instant, Due)> {
        let due = Due::Timeout(Timeout::Flush);
        let whole = config.flush_timeout.map(|span| (self.since + span, due));
        let stall = self.due_after(self.progress_at, Timeout::Flush, config);
        whole.into_iter().chain(stall).min()
    }
}
