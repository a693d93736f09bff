//! The outputs of the Mux to its driver.

use crate::{Command, Message, Service, ServiceId, SocketId};

/// The answer of [`Mux::turn`](crate::Mux::turn) to its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Work is left: call again, after other work that waits.
    More,
    /// Nothing to do before an event, a command, or the next deadline.
    Idle,
    /// The runtime has stopped: every socket is closed. Deliver what is left, then end.
    Exit,
}

/// One output of the Mux, for the [`Dispatcher`](crate::Dispatcher).
pub enum Delivery {
    /// A service begins.
    Spawn(ServiceId, Box<dyn Service>),
    /// A message for a service.
    Message(ServiceId, Message),
    /// A service ends; its mailbox is dropped when every Mux of the runtime has said so.
    Release(ServiceId),
    /// For another Mux of the same runtime, which gets it as a command when all messages that were
    /// put out before it are in their mailboxes. A runtime of one Mux has none.
    Command {
        /// The shard of that Mux.
        shard: u32,
        /// The order for it.
        command: Command,
    },
}

impl Delivery {
    /// The service that it is for; `None` for another Mux.
    pub fn service(&self) -> Option<ServiceId> {
        match self {
            Delivery::Spawn(id, _) | Delivery::Message(id, _) | Delivery::Release(id) => Some(*id),
            Delivery::Command { .. } => None,
        }
    }
}

/// The calls that the Mux wants to make for one socket, and the answers that it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// It wants to read, receive or accept.
    pub input: bool,
    /// It wants to connect, write or send.
    pub output: bool,
    /// The backend answered the last input call with `Later`, and no event came since.
    pub input_pending: bool,
    /// The backend answered the last output call with `Later`, and no event came since.
    pub output_pending: bool,
}

/// The cost of an exit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitReport {
    /// Sockets that closed with unsent bytes since the exit began, in the order in which they
    /// closed; at most 1,024 of them.
    pub unsent: Vec<(SocketId, u64)>,
    /// Bytes not sent, of all sockets closed since the exit began.
    pub unsent_bytes: u64,
    /// Sockets closed since the exit began.
    pub closed: u64,
    /// Of those, how many were closed by force, at the deadline.
    pub closed_at_deadline: u64,
}

/// The most sockets that an exit report names.
const REPORTED_SOCKETS_MAX: usize = 1024;

impl ExitReport {
    /// Adds the cost of the exit of another Mux of the same runtime.
    pub fn merge(&mut self, other: ExitReport) {
        let Self { unsent, unsent_bytes, closed, closed_at_deadline } = self;
        unsent.extend(other.unsent);
        unsent.truncate(REPORTED_SOCKETS_MAX);
        *unsent_bytes += other.unsent_bytes;
        *closed += other.closed;
        *closed_at_deadline += other.closed_at_deadline;
    }

    /// Adds a socket that closed since the exit began.
    pub(crate) fn add(&mut self, id: SocketId, unsent: u64, is_forced: bool) {
        self.closed += 1;
        self.unsent_bytes += unsent;
        self.closed_at_deadline += u64::from(is_forced);
        if unsent > 0 && self.unsent.len() < REPORTED_SOCKETS_MAX {
            self.unsent.push((id, unsent));
        }
    }

    /// # Panics
    /// If its parts contradict each other.
    pub(crate) fn check(&self) {
        assert!(self.closed_at_deadline <= self.closed, "more were forced than closed");
        let is_loss = self.unsent.iter().all(|(_, bytes)| *bytes > 0);
        assert!(is_loss, "a socket is named that lost nothing");
        let named: u64 = self.unsent.iter().map(|(_, bytes)| bytes).sum();
        assert!(named <= self.unsent_bytes, "more bytes are named than were lost");
    }
}
