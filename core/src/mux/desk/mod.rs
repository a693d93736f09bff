//! The state that a transition may touch besides its own socket.

pub(crate) mod errand;
pub(crate) mod services;
pub(crate) mod timers;
pub(crate) mod waiters;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::errand::Errand;
use self::services::Services;
use self::timers::{TimerKey, Timers};
use self::waiters::Waiters;
use super::output::Delivery;
use super::sockets::head::Head;
use super::sockets::kind::Kind;
use crate::contained::drop_contained;
use crate::shard::ShardOrder;
use crate::{
    Bytes, Config, Directory, Instant, MESSAGE_OVERHEAD_BYTES, Message, ServiceId, SocketId, Stats,
};

/// The state that a transition may touch besides its own socket: the time, mailboxes, outputs,
/// counters. It holds no socket, so no transition can reach another one.
pub(crate) struct Desk {
    pub(crate) directory: Arc<Directory>,
    /// The number of this Mux among those of the runtime.
    pub(crate) shard: u32,
    /// The latest time that any call brought. Invariant: never goes back.
    pub(crate) now: Instant,
    /// The backend of the last turn may be asked again before an event. Nothing is open before
    /// the first turn.
    pub(crate) may_repeat: bool,
    /// An exit has begun.
    pub(crate) is_exiting: bool,
    /// The exit's deadline has passed, so nobody is waited for.
    pub(crate) is_forcing: bool,
    /// No bound of silence is configured: streams without times of their own have no deadline.
    pub(crate) may_be_silent: bool,
    /// The shortest bound of silence that the configuration asks for, of what is read.
    pub(crate) silence_min: Option<Duration>,
    pub(crate) services: Services,
    pub(crate) waiters: Waiters,
    pub(crate) timers: Timers,
    pub(crate) deliveries: VecDeque<Delivery>,
    pub(crate) errands: Vec<Errand>,
    /// Listeners that found the table full.
    pub(crate) stalled_listeners: VecDeque<SocketId>,
    pub(crate) stats: Stats,
}

impl Desk {
    pub(crate) fn new(directory: Arc<Directory>, shard: u32) -> Self {
        let config = directory.config();
        Self {
            may_be_silent: config.idle_timeout.is_none()
                && config.read_idle_timeout.is_none()
                && config.write_stall_timeout.is_none(),
            silence_min: [config.idle_timeout, config.read_idle_timeout]
                .into_iter()
                .flatten()
                .min(),
            directory,
            shard,
            now: Instant::ZERO,
            may_repeat: false,
            is_exiting: false,
            is_forcing: false,
            services: Services::default(),
            waiters: Waiters::default(),
            timers: Timers::default(),
            deliveries: VecDeque::new(),
            errands: Vec::new(),
            stalled_listeners: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    #[inline]
    pub(crate) fn config(&self) -> &Config {
        self.directory.config()
    }

    /// Gives a message to a service, or counts that nobody was there.
    pub(crate) fn tell(&mut self, to: Option<ServiceId>, message: Message) {
        message.check();
        let entry = to.and_then(|to| self.services.get_mut(to)).filter(|entry| entry.is_alive());
        let Some(entry) = entry else {
            self.stats.undelivered += 1;
            return drop_contained(message);
        };
        let config = self.directory.config();
        entry.charge_bytes += message.charge_bytes(config);
        if entry.charge_bytes >= config.mailbox_bytes_max {
            self.stats.mailboxes_filled += u64::from(!entry.is_held_back);
            entry.is_held_back = true;
        }
        self.deliveries.push_back(Delivery::Message(entry.id, message));
    }

    /// Gives bytes that came in to a service, or counts that nobody was there. As
    /// [`tell`](Self::tell), but that a message of payload is made where it lies, and not moved.
    #[inline(always)]
    pub(crate) fn tell_data(&mut self, to: Option<ServiceId>, socket: SocketId, bytes: Bytes) {
        let entry = to.and_then(|to| self.services.get_mut(to)).filter(|entry| entry.is_alive());
        let Some(entry) = entry else {
            self.stats.undelivered += 1;
            return;
        };
        let config = self.directory.config();
        entry.charge_bytes += MESSAGE_OVERHEAD_BYTES + config.read_charge_bytes(bytes.len());
        if entry.charge_bytes >= config.mailbox_bytes_max {
            self.stats.mailboxes_filled += u64::from(!entry.is_held_back);
            entry.is_held_back = true;
        }
        let to = entry.id;
        self.deliveries.push_back(Delivery::Message(to, Message::Data { socket, bytes }));
    }

    /// Returns `true` if the input of a socket waits for room in its owner's mailbox.
    #[inline(always)]
    pub(crate) fn holds_back(&self, head: &Head, part: &impl Kind) -> bool {
        part.needs_mailbox(head) && self.services.is_held_back(head.owner)
    }

    /// Asks another Mux of the runtime.
    pub(crate) fn ask_shard(&mut self, shard: u32, order: ShardOrder) {
        assert_ne!(shard, self.shard, "a Mux asks itself");
        self.deliveries.push_back(Delivery::Command { shard, command: order.into() });
    }

    /// Returns `true` if the service is told here what is about no socket.
    pub(crate) fn is_home_of(&self, service: ServiceId) -> bool {
        self.directory.home_of(service) == self.shard
    }

    /// Arms a timer of a service, or the look for room.
    pub(crate) fn arm(&mut self, at: Instant, key: TimerKey) {
        let is_new = self.timers.insert(at, key);
        assert!(is_new, "{key:?} was armed for {at} already");
    }

    pub(crate) fn disarm(&mut self, at: Instant, key: TimerKey) {
        let was_armed = self.timers.remove(at, key);
        assert!(was_armed, "{key:?} was not armed for {at}");
    }
}
