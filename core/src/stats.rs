//! The counters of one Mux.

use crate::{CloseReason, SocketState, Timeout};

/// The counters of one Mux since its start, and its number of sockets in each state.
///
/// This is a snapshot. Each counter costs the Mux one addition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events with a stale id.
    pub stale_events: u64,
    /// Commands whose id was stale on arrival.
    pub stale_commands: u64,
    /// Messages whose owner was gone.
    pub undelivered: u64,
    /// Sockets opened: ids returned by commands, and accepted connections.
    pub opened: u64,
    /// Sockets closed.
    pub closed: u64,
    /// Sockets among `closed` that failed while open: reset by the peer, or by another fault
    /// ([`CloseReason::Fault`](crate::CloseReason::Fault)).
    pub broken: u64,
    /// Sockets among `closed` that never opened
    /// ([`CloseReason::ConnectFailed`](crate::CloseReason::ConnectFailed)).
    pub opens_failed: u64,
    /// Accepts that failed because the connection was already gone.
    pub accepts_aborted: u64,
    /// Accepts that failed for another reason.
    pub accepts_failed: u64,
    /// Payload bytes received by all sockets.
    pub bytes_in: u64,
    /// Payload bytes that the system accepted from all sockets.
    pub bytes_out: u64,
    /// `Data` and `Udp` messages produced.
    pub messages_in: u64,
    /// Messages that the system accepted whole.
    pub messages_out: u64,
    /// Sends refused with `SocketFull` or `TotalFull`. A service that tries again before it gets
    /// `SendReady` is not counted again.
    pub sends_refused: u64,
    /// Times that a service's mailbox reached `mailbox_bytes_max`, so that reading for it stopped.
    pub mailboxes_filled: u64,
    /// Times that a listener found the table of sockets full, so that its clients had to wait in
    /// the backlog.
    pub listeners_stalled: u64,
    /// Connections that arrived faster than their listener's rate, and had to wait.
    pub accepts_paced: u64,
    /// Attempts at an address of a name while another address was being tried (RFC 8305): the
    /// first address of a name is not counted.
    pub attempts_beside: u64,
    /// Connects won by such an attempt.
    pub connects_by_racer: u64,
    timeouts: [u64; Timeout::ALL.len()],
    sockets: [u64; STATES.len()],
}

const STATES: [SocketState; 10] = [
    SocketState::Opening,
    SocketState::Connecting,
    SocketState::Listening,
    SocketState::Accepted,
    SocketState::Open,
    SocketState::EofSeen,
    SocketState::Flushing,
    SocketState::Draining,
    SocketState::Datagram,
    SocketState::Closing,
];

const _: () = {
    let mut at = 0;
    while at < STATES.len() {
        assert!(STATES[at] as usize == at, "`STATES` is in the order of the enum");
        at += 1;
    }
    let mut at = 0;
    while at < Timeout::ALL.len() {
        assert!(Timeout::ALL[at] as usize == at, "`Timeout::ALL` is in the order of the enum");
        at += 1;
    }
};

impl Stats {
    /// Returns the number of sockets that a timeout closed.
    pub fn timed_out(&self, which: Timeout) -> u64 {
        self.timeouts[which as usize]
    }

    /// Returns the number of sockets that each timeout closed.
    pub fn timeouts(&self) -> impl Iterator<Item = (Timeout, u64)> {
        Timeout::ALL.into_iter().zip(self.timeouts)
    }

    /// Returns the number of sockets that are in a state now.
    pub fn sockets_in(&self, state: SocketState) -> u64 {
        self.sockets[state as usize]
    }

    /// Returns the number of live sockets in each state.
    pub fn sockets(&self) -> impl Iterator<Item = (SocketState, u64)> {
        STATES.into_iter().zip(self.sockets)
    }

    /// Adds the counters of another Mux of the same runtime.
    pub fn merge(&mut self, other: &Stats) {
        // Destructured, so that the compiler asks for every new counter.
        let Self {
            stale_events,
            stale_commands,
            undelivered,
            opened,
            closed,
            broken,
            opens_failed,
            accepts_aborted,
            accepts_failed,
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            sends_refused,
            mailboxes_filled,
            listeners_stalled,
            accepts_paced,
            attempts_beside,
            connects_by_racer,
            timeouts,
            sockets,
        } = self;
        let counters = [
            (stale_events, other.stale_events),
            (stale_commands, other.stale_commands),
            (undelivered, other.undelivered),
            (opened, other.opened),
            (closed, other.closed),
            (broken, other.broken),
            (opens_failed, other.opens_failed),
            (accepts_aborted, other.accepts_aborted),
            (accepts_failed, other.accepts_failed),
            (bytes_in, other.bytes_in),
            (bytes_out, other.bytes_out),
            (messages_in, other.messages_in),
            (messages_out, other.messages_out),
            (sends_refused, other.sends_refused),
            (mailboxes_filled, other.mailboxes_filled),
            (listeners_stalled, other.listeners_stalled),
            (accepts_paced, other.accepts_paced),
            (attempts_beside, other.attempts_beside),
            (connects_by_racer, other.connects_by_racer),
        ];
        let timeouts = timeouts.iter_mut().zip(other.timeouts);
        let sockets = sockets.iter_mut().zip(other.sockets);
        for (own, others) in counters.into_iter().chain(timeouts).chain(sockets) {
            *own = own.checked_add(others).expect("a counter has 64 bits");
        }
        self.check();
    }

    pub(crate) fn count_timeout(&mut self, which: Timeout) {
        self.timeouts[which as usize] += 1;
    }

    /// Counts a socket that has closed.
    pub(crate) fn count_close(&mut self, reason: CloseReason) {
        self.closed += 1;
        match reason {
            CloseReason::Fault(_) => self.broken += 1,
            CloseReason::ConnectFailed(_) => self.opens_failed += 1,
            CloseReason::Closed
            | CloseReason::Shutdown
            | CloseReason::Peer
            | CloseReason::TimedOut(_)
            | CloseReason::OwnerGone
            | CloseReason::Exit => {}
        }
    }

    /// Moves a socket from the count of `from` to that of `to`. `None` is for one that is new, or
    /// gone.
    pub(crate) fn count_state(&mut self, from: Option<SocketState>, to: Option<SocketState>) {
        assert_ne!(from, to, "a state was entered twice");
        let is_revived = from == Some(SocketState::Closing) && to.is_some();
        assert!(!is_revived, "a socket went from {from:?} to {to:?}");
        if let Some(from) = from {
            assert!(self.sockets[from as usize] > 0, "no socket is counted in {from:?}");
            self.sockets[from as usize] -= 1;
        }
        if let Some(to) = to {
            self.sockets[to as usize] += 1;
        }
    }

    /// # Panics
    /// If the counters contradict each other.
    pub(crate) fn check(&self) {
        let (opened, closed) = (self.opened, self.closed);
        assert!(closed <= opened, "{closed} sockets closed of {opened} opened");
        let failed = self.broken + self.opens_failed;
        assert!(failed <= closed, "{failed} sockets failed of {closed} closed");
        let alive: u64 = self.sockets.iter().sum();
        assert_eq!(alive, opened - closed, "sockets by state, and those opened less those closed");
        let timed_out: u64 = self.timeouts.iter().sum();
        assert!(timed_out <= opened, "{timed_out} sockets timed out of {opened} opened");
    }
}
