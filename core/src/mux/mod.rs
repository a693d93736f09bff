//! The sans-IO state machine.
//!
//! | files | what they hold |
//! |---|---|
//! | `sockets` | what a socket is, and where it lies |
//! | `desk` | what a transition may touch besides its own socket |
//! | `seat` | one socket at its place, found once for one step |
//! | `focus` | one socket in the hands of a transition |
//! | `stream`, `listener`, `twin`, `datagram`, `opening`, `dial`, `close`, `waiting` | transitions |
//! | `settle` | putting a socket where its work is done |
//! | `turn`, `commands`, `events`, `timers`, `owner`, `errands`, `shards`, `exit`, `info` | the Mux |

mod agenda;
mod close;
mod commands;
mod datagram;
mod desk;
mod dial;
mod errands;
mod events;
mod exit;
mod fingerprint;
mod focus;
mod info;
mod invariants;
mod listener;
mod opening;
mod output;
mod owner;
mod seat;
mod settle;
mod shards;
mod sockets;
mod stream;
mod timers;
mod turn;
mod twin;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;

use self::agenda::Agenda;
use self::desk::Desk;
use self::focus::Focus;
pub use self::output::{Delivery, ExitReport, Progress, Wish};
use self::seat::Seat;
use self::sockets::dial::Attempt;
use self::sockets::head::Latch;
use self::sockets::kind::Kind;
use self::sockets::stream::Phase;
use self::sockets::{AnyPart, Socket, Sockets};
use crate::{Config, ConfigError, Directory, Instant, Situation, SocketId, SocketState, Stats};

/// The sans-IO state machine: socket slots, outboxes, priorities, timers, and the mapping of
/// events to messages.
///
/// It has four kinds of methods. [`handle_command`](Self::handle_command) and
/// [`handle_event`](Self::handle_event) take something in: they mark, do no I/O and cannot fail.
/// [`turn`](Self::turn) does a bounded amount of work, and all of the I/O.
/// [`poll_delivery`](Self::poll_delivery) and [`next_deadline`](Self::next_deadline) give
/// something out. The rest looks.
///
/// A driver repeats: events in, commands in, `turn`, deliveries out; it waits for events until
/// `next_deadline` when `turn` said [`Progress::Idle`] and no delivery and no command is left.
/// Nothing is lost by calling any of them more often than needed.
///
/// A driver whose services run on its own thread has a short way for what happens most:
/// [`handle_readiness`](Self::handle_readiness) in,
/// [`Dispatcher::handle_in_front`](crate::Dispatcher::handle_in_front) on what
/// [`take_deliveries`](Self::take_deliveries) gives, [`send_at_once`](Self::send_at_once) inside of
/// a service's call, [`settle_handled`](Self::settle_handled) after it. All of these may come
/// behind the turn that was idle: so it asks [`is_ready`](Self::is_ready) before it waits.
///
/// The tables of [`states`] say what each state does with each command and each event.
///
/// [`states`]: crate::states
pub struct Mux {
    directory: Arc<Directory>,
    sockets: Sockets,
    desk: Desk,
    agenda: Agenda,
    exit_report: ExitReport,
}

impl Mux {
    /// Builds a Mux with a directory of its own. (`skynet_socket_init`)
    ///
    /// # Errors
    /// If two limits contradict.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self::of_shard(Arc::new(Directory::new(config)?), 0))
    }

    /// Builds one of the Muxes of a runtime, each of which has a thread of its own. They share the
    /// directory, and tell each other what they must by [`Delivery::Command`]; what services ask
    /// is given to the right ones by [`Command::distribute`].
    ///
    /// # Panics
    /// If the directory was not built for so many.
    ///
    /// [`Command::distribute`]: crate::Command::distribute
    pub fn of_shard(directory: Arc<Directory>, shard: u32) -> Self {
        let shards = directory.shards();
        assert!(shard < shards, "a runtime of {shards} has no shard {shard}");
        Self {
            desk: Desk::new(Arc::clone(&directory), shard),
            directory,
            sockets: Sockets::default(),
            agenda: Agenda::default(),
            exit_report: ExitReport::default(),
        }
    }

    /// The number of this Mux among those of the runtime.
    #[inline]
    pub fn shard(&self) -> u32 {
        self.desk.shard
    }

    /// The part that the Mux shares with services.
    #[inline]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The configuration.
    #[inline]
    pub fn config(&self) -> &Config {
        self.directory.config()
    }

    /// The next output, if there is one: a service that begins or ends, or a message. A driver
    /// moves all of them into its [`Dispatcher`](crate::Dispatcher) after each turn.
    #[inline]
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.desk.deliveries.pop_front()
    }

    /// The outputs that were not taken yet, in order.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.desk.deliveries.iter()
    }

    /// Moves all outputs at once, in order, into `empty`, whose memory the next ones use.
    ///
    /// # Panics
    /// If `empty` is not.
    #[inline]
    pub fn take_deliveries(&mut self, empty: &mut VecDeque<Delivery>) {
        assert!(empty.is_empty(), "{} deliveries would be overtaken", empty.len());
        std::mem::swap(&mut self.desk.deliveries, empty);
    }

    /// Returns `true` if there is something to do or to take at once. A driver asks before it
    /// waits: since the turn that was idle a service may have sent, or have made room in its
    /// mailbox.
    #[inline]
    pub fn is_ready(&self) -> bool {
        !self.sockets.ready.is_empty() || !self.desk.deliveries.is_empty() || self.agenda.has_work()
    }

    /// The calls that the Mux wants to make for a socket; `None` for an id that is not alive.
    #[inline]
    pub fn wish(&self, id: SocketId) -> Option<Wish> {
        self.sockets.table.get(id).map(|socket| self.wish_of(socket))
    }

    /// All sockets that are alive, with their wishes, in order of index.
    pub fn wishes(&self) -> impl Iterator<Item = (SocketId, Wish)> {
        self.sockets.table.iter().map(|socket| (socket.id(), self.wish_of(socket)))
    }

    /// The situation of a socket, for an observer; `None` for an id that is not alive.
    pub fn situation(&self, id: SocketId) -> Option<Situation> {
        self.sockets.table.get(id).map(Socket::situation)
    }

    /// The state of a socket; `None` for an id that is not alive.
    #[inline]
    pub fn state(&self, id: SocketId) -> Option<SocketState> {
        self.sockets.table.get(id).map(Socket::state)
    }

    /// The number of sockets that are alive, those that are closing included.
    pub fn sockets(&self) -> usize {
        self.sockets.table.used()
    }

    /// The most services that were alive at a time, those included that were released and still had
    /// sockets.
    pub fn services_peak(&self) -> usize {
        self.desk.services.peak()
    }

    /// The number of timers that are armed, of sockets and of services.
    pub fn timers_armed(&self) -> usize {
        self.desk.timers.len()
    }

    /// Counters since the start.
    #[inline]
    pub fn stats(&self) -> &Stats {
        &self.desk.stats
    }

    /// The cost of the exit; complete once `turn` answered [`Progress::Exit`].
    pub fn exit_report(&self) -> &ExitReport {
        &self.exit_report
    }

    fn wish_of(&self, socket: &Socket) -> Wish {
        let Socket { head, part } = socket;
        let input =
            part.wants_input(head) && !part.has_held_input() && !self.desk.holds_back(head, part);
        let output = match part {
            AnyPart::Stream(stream) => match &stream.phase {
                Phase::Dialling(dial) => dial.attempt == Attempt::UnderWay,
                _ => stream.writes() && stream.has_output(),
            },
            AnyPart::Datagram(datagram) => datagram.writes() && datagram.has_output(),
            AnyPart::Listener(_) => false,
        };
        Wish {
            input,
            output,
            input_pending: head.input == Latch::Pending,
            output_pending: head.output == Latch::Pending,
        }
    }

    #[inline]
    fn advance_clock(&mut self, now: Instant) {
        assert!(now >= self.desk.now, "time went back from {} to {now}", self.desk.now);
        self.desk.now = now;
    }

    /// Finds a living socket.
    #[inline]
    fn seat(&mut self, id: SocketId) -> Option<Seat<'_>> {
        let Self { directory, sockets, desk, .. } = self;
        let place = sockets.table.living(id)?;
        Some(Seat::new(place, directory, desk, &mut sockets.ready))
    }

    /// A living socket in the hands of a transition, to be [concluded](Self::conclude).
    fn focus(&mut self, id: SocketId) -> Option<Focus<'_, AnyPart>> {
        let Self { directory, sockets, desk, .. } = self;
        let place = sockets.table.living(id)?;
        let Socket { head, part } = place.socket.as_mut().expect("a living id has a socket");
        Some(Focus { head, part, directory, desk })
    }

    /// Runs a transition of a living socket, does what it wants of others, and settles it. `None`:
    /// the id is not alive.
    fn with<R>(
        &mut self,
        id: SocketId,
        transition: impl FnOnce(&mut Focus<'_, AnyPart>) -> R,
    ) -> Option<R> {
        let result = transition(&mut self.focus(id)?);
        self.conclude(id);
        Some(result)
    }

    /// As [`with`](Self::with), of a socket that the caller knows to be alive.
    fn with_living<R>(
        &mut self,
        id: SocketId,
        transition: impl FnOnce(&mut Focus<'_, AnyPart>) -> R,
    ) -> R {
        self.with(id, transition).unwrap_or_else(|| panic!("{id} is not alive"))
    }

    /// A transition is over: does what it wants of others, and settles the socket.
    fn conclude(&mut self, id: SocketId) {
        if !self.desk.errands.is_empty() {
            self.run_errands();
        }
        self.settle(id);
    }
}
