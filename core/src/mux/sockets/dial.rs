//! A connect under way.

use std::collections::VecDeque;

use super::head::{Head, Latch};
use crate::{ConnectOptions, Connected, Endpoint, Fault, Instant, SocketId, Target};

/// A connect under way.
#[derive(Hash)]
pub(crate) struct Dial {
    /// The name that is resolved first; taken when the backend was asked.
    pub(crate) target: Option<Target>,
    /// The address that is tried under the socket's own id.
    pub(crate) address: Option<Endpoint>,
    /// Addresses still to try, the next one in front.
    pub(crate) untried: VecDeque<Endpoint>,
    pub(crate) options: Box<ConnectOptions>,
    pub(crate) deadline: Instant,
    /// When the next address is tried beside those under way; while the name is looked up, when
    /// that takes too long.
    pub(crate) next_at: Instant,
    pub(crate) attempt: Attempt,
    /// Sockets under ids of their own that try other addresses; the winner is among them.
    pub(crate) racers: Vec<SocketId>,
    /// The racer that connected first.
    pub(crate) winner: Option<(SocketId, Connected)>,
    /// The socket that it is such a racer of.
    pub(crate) races_for: Option<SocketId>,
    /// Why the last address failed.
    pub(crate) last_fault: Option<Fault>,
}

/// The progress of the attempt under the socket's own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
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

impl Dial {
    /// A connect that tries one address, if it has it already.
    pub(crate) fn new(
        address: Option<Endpoint>,
        options: Box<ConnectOptions>,
        deadline: Instant,
    ) -> Self {
        Self {
            target: None,
            address,
            untried: VecDeque::new(),
            options,
            deadline,
            next_at: deadline,
            attempt: Attempt::None,
            racers: Vec::new(),
            winner: None,
            races_for: None,
            last_fault: None,
        }
    }

    /// Returns `true` if the name is still being looked up.
    pub(crate) fn is_unresolved(&self) -> bool {
        let is_idle = self.address.is_none() && self.untried.is_empty() && self.racers.is_empty();
        is_idle && self.last_fault.is_none() && self.winner.is_none()
    }

    /// When something is to be done about it, if nothing happens.
    pub(crate) fn due_at(&self) -> Instant {
        let waits_for_next = self.is_unresolved() || self.has_next();
        if waits_for_next { self.next_at.min(self.deadline) } else { self.deadline }
    }

    /// Returns `true` if another attempt is going to begin.
    fn has_next(&self) -> bool {
        !self.untried.is_empty() && self.winner.is_none()
    }

    /// Returns `true` if the backend is to be asked something now.
    pub(crate) fn has_work(&self, head: &Head) -> bool {
        match self.attempt {
            Attempt::None => {
                self.target.is_some() || self.address.is_some() || self.winner.is_some()
            }
            Attempt::UnderWay => head.output == Latch::Ready,
            Attempt::GivenUp => true,
            Attempt::Closing | Attempt::Won => false,
        }
    }
}
