//! Counters of one Mux.

use crate::{CloseReason, SocketState, Timeout};

/// Counters since the start, and how many sockets there are.
///
/// A snapshot: plain numbers, which cost the Mux an addition each and nothing when nobody looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events whose id was stale.
    pub stale_events: u64,
    /// Commands whose id was stale when they arrived.
    pub stale_commands: u64,
    /// Messages whose owner was gone.
    pub undelivered: u64,
    /// Sockets that were opened: ids returned by commands, and accepted connections.
    pub opened: u64,
    /// Sockets that were closed.
    pub closed: u64,
    /// Of these, sockets that broke after they were open: reset by the peer, or failed otherwise
    /// ([`CloseReason::Fault`](crate::CloseReason::Fault)).
    pub broken: u64,
    /// Of these, sockets that never opened
    /// ([`CloseReason::ConnectFailed`](crate::CloseReason::ConnectFailed)).
    pub opens_failed: u64,
    /// Accepts that failed because the connection had gone meanwhile.
    pub accepts_aborted: u64,
    /// Accepts that failed otherwise.
    pub accepts_failed: u64,
    /// Payload bytes that came in, over all sockets.
    pub bytes_in: u64,
    /// Payload bytes that the system took, over all sockets; without those that services on worker
    /// threads wrote themselves, which whoever runs them counts as they go.
    pub bytes_out: u64,
    /// `Data` and `Udp` messages produced.
    pub messages_in: u64,
    /// Messages of services wholly taken by the system, counted like `bytes_out`.
    pub messages_out: u64,
    /// Sends that were refused with `SocketFull` or `TotalFull`. What a service tries again before
    /// it was told `SendReady` is not counted again.
    pub sends_refused: u64,
    /// Times that a service's mailbox reached `mailbox_bytes_max`, so that reading stopped for it.
    pub mailboxes_filled: u64,
    /// Times that a listener found the table of sockets full, so that its clients wait in the
    /// backlog.
    pub listeners_stalled: u64,
    /// Connections that came faster than their listener's rate, and waited.
    pub accepts_paced: u64,
    /// Addresses of names that were tried while another was under way: beyond the first, each a
    /// connection attempt delay later (RFC 8305).
    pub attempts_beside: u64,
    /// Connects that such an attempt won.
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
        assert!(STATES[at] as usize == at, "a state is counted at its place");
        at += 1;
    }
    let mut at = 0;
    while at < Timeout::ALL.len() {
        assert!(Timeout::ALL[at] as usize == at, "a timeout is counted at its place");
        at += 1;
    }
};

impl Stats {
    /// Sockets that a timeout closed.
    pub fn timed_out(&self, which: Timeout) -> u64 {
        let count = self.timeouts[which as usize];
        assert!(count <= self.opened, "{which:?}: more timed out than were opened");
        count
    }

    /// Sockets by what timed out.
    pub fn timeouts(&self) -> impl Iterator<Item = (Timeout, u64)> {
        assert!(self.timeouts.iter().sum::<u64>() <= self.opened, "more timed out than there were");
        Timeout::ALL.into_iter().zip(self.timeouts)
    }

    /// Sockets that are in a state now.
    pub fn sockets_in(&self, state: SocketState) -> u64 {
        let count = self.sockets[state as usize];
        assert!(count <= self.opened, "more are in {state:?} than were opened");
        count
    }

    /// The sockets that are alive, by state.
    pub fn sockets(&self) -> impl Iterator<Item = (SocketState, u64)> {
        assert!(self.sockets.iter().sum::<u64>() <= self.opened, "more are alive than were opened");
        STATES.into_iter().zip(self.sockets)
    }

    /// Adds what another Mux of the same runtime counted.
    pub fn merge(&mut self, other: &Stats) {
        // Named one by one, so that a new counter is not forgotten.
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
        let before = self.timeouts.iter().sum::<u64>();
        assert!(before < self.opened, "{which:?}: more timed out than were opened");
        self.timeouts[which as usize] += 1;
    }

    /// A socket is closed.
    pub(crate) fn count_close(&mut self, reason: CloseReason) {
        self.closed += 1;
        assert!(self.closed <= self.opened, "one closed before it was opened");
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
        assert!(self.broken + self.opens_failed <= self.closed, "more failed than closed");
    }

    /// A socket enters `to`, and was counted in `from` until now.
    pub(crate) fn count_state(&mut self, from: Option<SocketState>, to: Option<SocketState>) {
        assert_ne!(from, to, "a socket that stays is not counted again");
        assert_ne!(from, Some(SocketState::Closing).filter(|_| to.is_some()), "it is closed");
        if let Some(from) = from {
            assert!(self.sockets[from as usize] > 0, "nobody was counted in {from:?}");
            self.sockets[from as usize] -= 1;
        }
        if let Some(to) = to {
            self.sockets[to as usize] += 1;
        }
    }

    /// # Panics
    /// If what was counted does not add up.
    pub(crate) fn check(&self) {
        assert!(self.closed <= self.opened, "more closed than opened");
        let sockets: u64 = self.sockets.iter().sum();
        assert_eq!(self.opened - self.closed, sockets, "opened and closed do not add up");
        let timeouts: u64 = self.timeouts.iter().sum();
        assert!(timeouts <= self.opened, "more timed out than were opened");
    }
}
