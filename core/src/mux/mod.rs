//! The sans-IO state machine.

mod close;
mod commands;
mod counters;
mod datagram;
mod deadline;
mod deferred;
mod dial;
mod direct;
mod events;
mod exit;
mod fingerprint;
mod grammar;
mod info;
mod invariants;
mod listener;
mod owner;
mod pace;
mod race;
mod relations;
mod services;
mod shards;
mod slot;
mod stream;
mod table;
mod timers;
mod turn;
mod waiters;
mod work;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) use self::deadline::Timeouts;
use self::exit::Exit;
use self::info::InfoJob;
use self::services::{Ending, Services};
use self::slot::{Attempt, Closing, Kind, Latch, Slot};
use self::table::{Chain, List, Table};
use self::timers::TimerKey;
use self::waiters::Waiters;
use crate::gate::OnTheWay;
use crate::{
    Command, Config, ConfigError, Directory, Instant, Message, OutputState, Service, ServiceId,
    Situation, SocketId, SocketState, Stats,
};

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
/// What each state does with each command and each event stands in the tables of [`states`].
///
/// [`states`]: crate::states
pub struct Mux {
    directory: Arc<Directory>,
    /// Which of the runtime's Muxes it is.
    shard: u32,
    /// The latest time that any call brought. Invariant: never goes back.
    now: Instant,
    table: Table,
    /// Sockets with output work. Invariant: every socket with such work is in it.
    ready_output: List,
    /// Sockets with input work whose owner's mailbox has room.
    ready_input: List,
    timers: BTreeSet<(Instant, TimerKey)>,
    services: Services,
    /// Services whose mailbox has room again, with sockets that wait for that.
    resuming: VecDeque<ServiceId>,
    /// Services that end and still have sockets to be told.
    ending: VecDeque<ServiceId>,
    /// Listeners that found the table full.
    stalled_listeners: VecDeque<SocketId>,
    waiters: Waiters,
    deliveries: VecDeque<Delivery>,
    info_jobs: VecDeque<InfoJob>,
    /// Answers of which other Muxes still owe their part.
    info_waiting: Vec<InfoJob>,
    /// Services that had handled `Exit` before this Mux heard of the exit.
    early_drains: Vec<ServiceId>,
    exit: Option<Exit>,
    /// The backend of the last turn may be asked again before an event. Nothing is open before
    /// the first turn.
    may_repeat: bool,
    stats: Stats,
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
            directory,
            shard,
            now: Instant::ZERO,
            table: Table::default(),
            ready_output: List::default(),
            ready_input: List::default(),
            timers: BTreeSet::new(),
            services: Services::default(),
            resuming: VecDeque::new(),
            ending: VecDeque::new(),
            stalled_listeners: VecDeque::new(),
            waiters: Waiters::default(),
            deliveries: VecDeque::new(),
            info_jobs: VecDeque::new(),
            info_waiting: Vec::new(),
            early_drains: Vec::new(),
            exit: None,
            may_repeat: false,
            stats: Stats::default(),
            exit_report: ExitReport::default(),
        }
    }

    /// Which of the runtime's Muxes it is.
    #[inline]
    pub fn shard(&self) -> u32 {
        debug_assert!(self.shard < self.directory.shards(), "a shard that there is not");
        self.shard
    }

    /// What the Mux shares with services.
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
        self.deliveries.pop_front()
    }

    /// What the Mux wishes of the backend for a socket, and what it was told; `None` for an id
    /// that is not alive.
    #[inline]
    pub fn wish(&self, id: SocketId) -> Option<Wish> {
        let slot = self.table.get(id)?;
        debug_assert_eq!(slot.id, id, "another socket is in its place");
        Some(self.wish_of(slot))
    }

    /// All sockets that are alive, with their wishes, in order of index.
    pub fn wishes(&self) -> impl Iterator<Item = (SocketId, Wish)> {
        self.table.iter().map(|slot| (slot.id, self.wish_of(slot)))
    }

    /// How a socket stands, for those who watch; `None` for an id that is not alive.
    pub fn situation(&self, id: SocketId) -> Option<Situation> {
        let slot = self.table.get(id)?;
        let situation = slot.situation();
        assert!(!situation.is_eof || slot.kind == Kind::Stream, "{id} has no end to be read");
        let is_empty = situation.output == OutputState::Empty;
        assert_eq!(is_empty, !slot.has_output(), "{id}: what waits is seen");
        Some(situation)
    }

    /// The state of a socket; `None` for an id that is not alive.
    #[inline]
    pub fn state(&self, id: SocketId) -> Option<SocketState> {
        self.table.get(id).map(|slot| slot.state)
    }

    /// The sockets that are alive, those that are closing included.
    pub fn sockets(&self) -> usize {
        let used = self.table.used();
        assert!(used <= self.config().sockets_max as usize, "{used} sockets exceed their limit");
        used
    }

    /// The most services that were alive at a time, those included that were released and still had
    /// sockets.
    pub fn services_peak(&self) -> usize {
        let peak = self.services.peak();
        assert!(peak <= self.config().services_max as usize, "{peak} services exceed their limit");
        peak
    }

    /// The timers that are armed, of sockets and of services.
    pub fn timers_armed(&self) -> usize {
        self.timers.len()
    }

    /// Counters since the start.
    #[inline]
    pub fn stats(&self) -> &Stats {
        assert!(self.stats.closed <= self.stats.opened, "more closed than opened");
        &self.stats
    }

    /// What the exit cost; complete once `turn` answered [`Progress::Exit`].
    pub fn exit_report(&self) -> &ExitReport {
        let report = &self.exit_report;
        assert!(report.closed == 0 || self.exit.is_some(), "an exit is told that never began");
        assert!(report.closed <= self.stats.closed, "more closed in the exit than ever");
        &self.exit_report
    }

    #[inline]
    fn wish_of(&self, slot: &Slot) -> Wish {
        let wants_input = slot.wants_input();
        assert!(!wants_input || slot.is_open, "{} is read before it is open", slot.id);
        let input = wants_input
            && !slot.has_held_input()
            && !(slot.needs_mailbox() && self.services.is_held_back(slot.owner));
        let output = match slot.state {
            // While the backend lets go of an attempt there is nothing to wait for but that.
            SocketState::Connecting => {
                let dial = slot.rare.dial.as_ref().expect("a connecting socket dials");
                slot.is_open && dial.attempt == Attempt::UnderWay
            }
            // Who writes it without the Mux gives the right to write back first, and says so.
            _ => {
                let on_the_way = self.on_the_way(slot.id);
                let is_others = on_the_way.has_direct || on_the_way.has_flush;
                slot.writes() && slot.has_output() && !is_others
            }
        };
        assert!(!output || slot.is_open, "{} is written before it is open", slot.id);
        Wish {
            input,
            output,
            input_pending: slot.input == Latch::Pending,
            output_pending: slot.output == Latch::Pending,
        }
    }

    #[inline]
    fn advance_clock(&mut self, now: Instant) {
        assert!(now >= self.now, "time went back from {} to {now}", self.now);
        self.now = now;
    }

    fn new_slot(&self, id: SocketId, kind: Kind, state: SocketState) -> Slot {
        assert!(self.directory.is_alive(id), "{id} was not taken");
        assert!(self.table.get(id).is_none(), "{id} is opened twice");
        assert_eq!(id.shard(), self.shard, "{id} is another Mux's");
        Slot::new(id, kind, state, self.now, self.config().warn_bytes)
    }

    /// Puts a new socket into the table. It is whole by then, so that it can end at once.
    fn add_slot(&mut self, slot: Slot) {
        let id = slot.id;
        assert!(slot.owner.is_none() && slot.armed_at.is_none(), "{id} is in no list yet");
        assert!(!slot.is_twin() || self.directory.shards() > 1, "{id} is a part of nothing");
        slot.check();
        if slot.is_helper {
            // Whom it helps is counted.
            return self.table.insert(slot);
        }
        self.stats.count_state(None, Some(slot.state));
        self.table.insert(slot);
        self.stats.opened += 1;
        assert!(self.stats.opened > self.stats.closed, "{id} closed before it was opened");
    }

    /// Puts the socket where its work is done, and arms its timer. Called after every change.
    fn settle(&mut self, id: SocketId) {
        let Some((slot, [is_in_output, is_in_input])) = self.table.get_linked(id) else { return };
        let is_closing = slot.state == SocketState::Closing;
        debug_assert_eq!(is_closing, slot.closing != Closing::No, "{id} ends");
        debug_assert!(slot.progress_at <= self.now, "{id} is ahead of time");
        debug_assert!(is_in_input || !slot.waits_for_mailbox, "{id} waits in no list");
        if self.config().direct_write {
            self.settle_permit(id);
        }
        let has_output_work =
            slot.may_have_output_work() && slot.has_output_work(self.on_the_way(id));
        let is_input_right = !is_in_input && !slot.has_input_work();
        let is_armed = slot.is_armed(self.directory.config());
        let (counted, state) = (slot.counted_state, slot.state);
        // This runs several times for each message, and mostly everything is where it belongs.
        if counted != state {
            if !slot.is_helper {
                self.stats.count_state(Some(counted), Some(state));
            }
            self.table.slot_mut(id).counted_state = state;
        }
        if has_output_work && !is_in_output {
            self.table.push_back(&mut self.ready_output, Chain::Output, id);
        }
        if !is_input_right {
            self.settle_input(id);
        }
        if !is_armed {
            self.arm_timer(id);
        }
        if cfg!(debug_assertions) {
            let slot = self.table.slot(id);
            let is_linked = self.table.is_linked(Chain::Output, id);
            let is_forgotten = slot.must_be_in_output(self.on_the_way(id)) && !is_linked;
            assert!(!is_forgotten, "{id}: output work is forgotten");
            assert!(slot.is_armed(self.directory.config()), "{id} forgot its deadline");
            slot.check();
        }
    }

    fn settle_input(&mut self, id: SocketId) {
        let slot = self.table.slot(id);
        let is_linked = self.table.is_linked(Chain::Input, id);
        let waits = slot.needs_mailbox() && self.services.is_held_back(slot.owner);
        if is_linked {
            if slot.waits_for_mailbox == waits || !slot.has_input_work() {
                return;
            }
            self.unlink_input(id);
        } else if !slot.has_input_work() {
            return;
        }
        if waits {
            let owner = self.table.slot(id).owner.expect("somebody's mailbox is full");
            let entry = self.services.get_mut(owner).expect("that somebody is there");
            assert!(entry.is_held_back, "{id} waits for {owner}, who has room");
            self.table.push_back(&mut entry.waiting_input, Chain::Input, id);
        } else {
            self.table.push_back(&mut self.ready_input, Chain::Input, id);
        }
        self.table.slot_mut(id).waits_for_mailbox = waits;
        assert!(self.table.is_linked(Chain::Input, id), "{id}: input work is forgotten");
    }

    /// Takes the socket out of whatever list of input it is in.
    fn unlink_input(&mut self, id: SocketId) {
        if !self.table.is_linked(Chain::Input, id) {
            return;
        }
        let slot = self.table.slot_mut(id);
        if std::mem::take(&mut slot.waits_for_mailbox) {
            let owner = slot.owner.expect("only an owned socket waits for a mailbox");
            let entry = self.services.get_mut(owner).expect("an owner is there");
            self.table.unlink(&mut entry.waiting_input, Chain::Input, id);
        } else {
            self.table.unlink(&mut self.ready_input, Chain::Input, id);
        }
        assert!(!self.table.slot(id).waits_for_mailbox, "{id} waits in no list");
    }

    /// What is on its way from services that is waited for.
    #[inline]
    fn on_the_way(&self, id: SocketId) -> OnTheWay {
        let gate = self.directory.gate(id).expect("a taken id has a gate");
        let on_the_way = gate.on_the_way(id);
        let is_written = on_the_way.has_direct || on_the_way.has_flush;
        assert!(self.config().direct_write || !is_written, "{id} is written by who may not");
        // Who writes is inside a call of the system, not of a service, and is always waited for.
        let has_sends = on_the_way.has_sends && !self.is_forcing();
        OnTheWay { has_sends, ..on_the_way }
    }

    /// Gives a message to a service, or counts that nobody was there.
    fn tell(&mut self, to: Option<ServiceId>, message: Message) {
        message.check();
        let mailbox_bytes_max = self.config().mailbox_bytes_max;
        let charge_bytes = message.charge_bytes(self.config());
        let Some(to) = to.filter(|to| self.services.is_alive(*to)) else {
            self.stats.undelivered += 1;
            return;
        };
        let entry = self.services.get_mut(to).expect("a living service has an entry");
        let charge_before = entry.charge_bytes;
        entry.charge_bytes += charge_bytes;
        assert!(entry.charge_bytes > charge_before, "{to} was told something for nothing");
        if entry.charge_bytes >= mailbox_bytes_max {
            self.stats.mailboxes_filled += u64::from(!entry.is_held_back);
            entry.is_held_back = true;
        }
        assert!(!matches!(entry.ending, Ending::Released { .. }), "{to} was released");
        self.deliveries.push_back(Delivery::Message(to, message));
    }

    /// Gives a message to the owner of a socket.
    fn tell_owner(&mut self, id: SocketId, message: Message) {
        let slot = self.table.slot(id);
        slot.check_told(&message);
        let owner = slot.owner;
        self.tell(owner, message);
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
    /// A service ends; its mailbox is dropped when every Mux of the runtime has said so.
    Release(ServiceId),
    /// For another Mux of the same runtime, which gets it as a command when all messages that were
    /// put out before it are in their mailboxes. A runtime of one Mux has none.
    Command {
        /// Which Mux.
        shard: u32,
        /// What it is to do.
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

/// What an exit cost.
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

impl ExitReport {
    /// Adds what the exit of another Mux of the same runtime cost.
    pub fn merge(&mut self, other: ExitReport) {
        let Self { unsent, unsent_bytes, closed, closed_at_deadline } = self;
        unsent.extend(other.unsent);
        unsent.truncate(close::REPORTED_SOCKETS_MAX);
        *unsent_bytes += other.unsent_bytes;
        *closed += other.closed;
        *closed_at_deadline += other.closed_at_deadline;
        assert!(closed_at_deadline <= closed, "more were forced than closed");
        assert!(unsent.len() as u64 <= *closed, "more lost bytes than closed");
    }
}
