//! The sans-IO state machine.

use std::sync::Arc;

use crate::{
    Backend, Command, Config, ConfigError, Directory, Event, Instant, Message, Service, ServiceId,
    SocketId,
};

/// The sans-IO state machine: signatures only, so far; the bodies follow.
pub struct Mux {
    directory: Arc<Directory>,
}

impl Mux {
    /// Builds a Mux with a directory of its own.
    ///
    /// # Errors
    /// If two limits contradict.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self { directory: Arc::new(Directory::new(config)?) })
    }

    /// What the Mux shares with services.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Takes a command in; no I/O, cannot fail. The driver hands over at most
    /// `commands_per_turn` between two turns.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        unimplemented!("{command:?} at {now}")
    }

    /// Takes an event in; no I/O, cannot fail.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        unimplemented!("{event:?} at {now}")
    }

    /// Does a bounded amount of work, and all of the I/O.
    pub fn turn<B: Backend>(&mut self, _backend: &mut B, now: Instant) -> Progress {
        unimplemented!("{now}")
    }

    /// The next output, if there is one.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        unimplemented!()
    }

    /// When `turn` must be called even if nothing happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// What the Mux wishes of the backend for a socket, and whether it was told `Later`.
    pub fn wish(&self, _id: SocketId) -> Option<Wish> {
        unimplemented!()
    }

    /// All sockets that are alive, with their wishes, in order of index.
    pub fn wishes(&self) -> impl Iterator<Item = (SocketId, Wish)> {
        std::iter::empty()
    }

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        unimplemented!()
    }

    /// What the exit cost; complete once `turn` answered [`Progress::Exit`].
    pub fn exit_report(&self) -> &ExitReport {
        unimplemented!()
    }

    /// Checks every law that the Mux can see, in time proportional to its sockets.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        unimplemented!()
    }
}

/// What `turn` says to its driver.
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
    /// A service ends; its mailbox is dropped.
    Release(ServiceId),
}

/// What the Mux wishes of the backend for one socket.
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

/// Counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events whose id was stale.
    pub stale_events: u64,
    /// Commands whose id was stale when they arrived.
    pub stale_commands: u64,
    /// Messages whose owner was gone.
    pub undelivered: u64,
    /// Ids returned by commands or accepts.
    pub opened: u64,
    /// `Close` messages produced.
    pub closed: u64,
}

/// What an exit cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitReport {
    /// Sockets that were closed at the deadline, with the bytes that were not sent; in the order
    /// in which they closed, at most 1,024 of them.
    pub unsent: Vec<(SocketId, u64)>,
    /// Bytes not sent, of all sockets closed since the exit began.
    pub unsent_bytes: u64,
    /// Sockets closed since the exit began.
    pub closed: u64,
    /// Of those, how many only at the deadline.
    pub closed_at_deadline: u64,
}
