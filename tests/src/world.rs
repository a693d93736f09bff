//! A runtime with one driver, and the words in which conformance bodies speak.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidelock_core::{
    Bytes, CloseReason, Config, ConnectOptions, Endpoint, ExitReport, ListenOptions, Message,
    MessageKind, Net, ServiceId, SocketId, mix,
};

use crate::arm::{Arm, ArmKind, build};
use crate::driver::{Ask, Driver, Entry, Log, Reaction};
use crate::grammar;
use crate::scripted::{PeerRead, ScriptedBackend};

/// A runtime with one driver, hand-driven peers, and a log of everything that drivers were told.
pub struct World {
    arm: Box<dyn Arm>,
    log: Log,
    main: ServiceId,
    /// A service was released, so that some `Close` may have had nobody to be told to.
    has_released: bool,
}

/// The longest wait for anything, in virtual time too. The default timeouts are longer, so that
/// none of them can stand in for the event that should have happened.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl World {
    /// A world with the default configuration and a driver that only records.
    pub fn new(kind: ArmKind) -> Self {
        Self::with_config(kind, Config::default())
    }

    /// A world with this configuration.
    pub fn with_config(kind: ArmKind, config: Config) -> Self {
        Self::on(build(kind, config))
    }

    /// A world on an arm that was built before.
    pub fn on(mut arm: Box<dyn Arm>) -> Self {
        let log = Log::default();
        let main = arm.spawn(Box::new(Driver::new(&log)));
        Self { arm, log, main, has_released: false }
    }

    /// Returns the kind of arm that it runs on.
    pub fn kind(&self) -> ArmKind {
        self.arm.kind()
    }

    /// Returns `true` if the system reports an end or an error while nothing is read. The contract
    /// leaves that open; epoll does it.
    pub fn notices_while_paused(&self) -> bool {
        !self.kind().is_weakest() && !self.kind().is_completion()
    }

    /// The arm, for what peers do.
    pub fn arm(&mut self) -> &mut dyn Arm {
        self.arm.as_mut()
    }

    /// The scripted kernel.
    ///
    /// # Panics
    /// On another arm.
    pub fn kernel(&mut self) -> &mut ScriptedBackend {
        self.arm.kernel().expect("this body runs on the scripted kernel only")
    }

    /// The first driver.
    pub fn main(&self) -> ServiceId {
        self.main
    }

    /// Starts another driver.
    pub fn spawn(&mut self) -> ServiceId {
        self.arm.spawn(Box::new(Driver::new(&self.log)))
    }

    /// Releases a service, from within it. The `Close` of its sockets is told to nobody then.
    pub fn release(&mut self, service: ServiceId) {
        self.has_released = true;
        self.ask_as(service, |net| net.release(net.service())).expect("it runs");
    }

    /// Starts a driver that reacts to each message at once.
    pub fn spawn_with(&mut self, reaction: Reaction) -> ServiceId {
        self.arm.spawn(Box::new(Driver::with_reaction(&self.log, reaction)))
    }

    /// Runs `ask` in the first driver and gives its answer.
    pub fn ask<R: Send + 'static>(
        &mut self,
        ask: impl FnOnce(&mut Net<'_>) -> R + Send + 'static,
    ) -> R {
        self.ask_as(self.main, ask)
    }

    /// Runs `ask` in a driver and gives its answer.
    pub fn ask_as<R: Send + 'static>(
        &mut self,
        service: ServiceId,
        ask: impl FnOnce(&mut Net<'_>) -> R + Send + 'static,
    ) -> R {
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let run = Ask::new(move |net| {
            let result = ask(net);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        self.arm.post(service, run);
        let found = self.until(|_| answer.lock().unwrap_or_else(PoisonError::into_inner).take());
        found.unwrap_or_else(|| {
            panic!("{service} did not run the closure; told: {:#?}", self.log.entries())
        })
    }

    /// Lets things happen until `look` finds what it looks for among what drivers were told.
    ///
    /// # Panics
    /// If nothing more happens, or for too long, and it was not found.
    pub fn wait<R>(&mut self, what: &str, mut look: impl FnMut(&[Entry]) -> Option<R>) -> R {
        let found = self.until(|world| look(&world.log.entries()));
        found.unwrap_or_else(|| {
            panic!(
                "{:?}: {what} did not come in time; told: {:#?}",
                self.kind(),
                self.log.entries()
            )
        })
    }

    /// Lets things happen until `look` finds something; `None` if it does not in time.
    pub fn until<R>(&mut self, mut look: impl FnMut(&mut Self) -> Option<R>) -> Option<R> {
        let limit = self.arm.time() + WAIT_MAX;
        loop {
            if let Some(found) = look(self) {
                return Some(found);
            }
            if !self.arm.advance(limit) {
                return look(self);
            }
        }
    }

    /// Waits for a message that `is_it` knows.
    pub fn wait_for(&mut self, what: &str, mut is_it: impl FnMut(&Message) -> bool) {
        self.wait(what, |log| log.iter().any(|entry| is_it(&entry.message)).then_some(()));
    }

    /// Lets everything happen that needs no time.
    pub fn settle(&mut self) {
        self.arm.settle();
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        self.arm.pass_time(span);
    }

    /// Looks at what drivers were told so far.
    pub fn look<R>(&self, look: impl FnOnce(&[Entry]) -> R) -> R {
        look(&self.log.entries())
    }

    /// Returns the number of messages so far that match `is_it`.
    pub fn count(&self, is_it: impl Fn(&Message) -> bool) -> usize {
        self.look(|log| log.iter().filter(|entry| is_it(&entry.message)).count())
    }

    /// Returns the messages about `id` so far, one line for each.
    pub fn story(&self, id: SocketId) -> Vec<String> {
        self.look(|log| {
            log.iter()
                .filter(|entry| entry.message.socket() == Some(id))
                .map(|entry| entry.message.to_string())
                .collect()
        })
    }

    /// The kinds of the messages about `id` so far; consecutive `Data` count as one.
    pub fn kinds(&self, id: SocketId) -> Vec<MessageKind> {
        let mut kinds: Vec<MessageKind> = self.look(|log| {
            log.iter()
                .filter(|entry| entry.message.socket() == Some(id))
                .map(|entry| entry.message.kind())
                .collect()
        });
        kinds.dedup_by(|next, before| *next == MessageKind::Data && next == before);
        kinds
    }

    /// All bytes that `id` received so far.
    pub fn received(&self, id: SocketId) -> Vec<u8> {
        self.look(|log| received(log, id))
    }

    /// Waits until `id` has received `count` bytes, and gives all of them.
    pub fn wait_received(&mut self, id: SocketId, count: usize) -> Vec<u8> {
        self.wait(&format!("{count} B on {id}"), |log| {
            let bytes = received(log, id);
            (bytes.len() >= count).then_some(bytes)
        })
    }

    /// Waits for the `Close` of `id`.
    pub fn wait_close(&mut self, id: SocketId) -> (CloseReason, u64) {
        self.wait(&format!("Close of {id}"), |log| close_of(log, id))
    }

    /// The `Close` of `id`, if it came.
    pub fn close_of(&self, id: SocketId) -> Option<(CloseReason, u64)> {
        self.look(|log| close_of(log, id))
    }

    /// Listens on a port that the system chooses.
    pub fn listen(&mut self, options: ListenOptions) -> (SocketId, Endpoint) {
        let id = self.ask(|net| net.listen(([127, 0, 0, 1], 0), options)).expect("a free place");
        let local = self.wait("Listening", |log| {
            log.iter().find_map(|entry| match &entry.message {
                Message::Listening { socket, local } if *socket == id => Some(local.clone()),
                _ => None,
            })
        });
        (id, local)
    }

    /// Waits until a listener's owner is told of a connection, the `nth` of that listener.
    pub fn wait_accept(&mut self, listener: SocketId, nth: usize) -> SocketId {
        self.wait(&format!("Accept number {nth} of {listener}"), |log| {
            let mut accepted = log.iter().filter_map(|entry| match &entry.message {
                Message::Accept { socket, accepted, .. } if *socket == listener => Some(*accepted),
                _ => None,
            });
            accepted.nth(nth)
        })
    }

    /// An accepted socket that is not started, with its peer.
    pub fn accepted(&mut self) -> (SocketId, usize) {
        let (listener, local) = self.listen(ListenOptions::default());
        let peer = self.arm.peer_connect(&local);
        (self.wait_accept(listener, 0), peer)
    }

    /// An accepted socket that the first driver has started, with its peer.
    pub fn started(&mut self) -> (SocketId, usize) {
        let (id, peer) = self.accepted();
        self.ask(move |net| net.start(id)).expect("an accepted socket can be started");
        (id, peer)
    }

    /// A connected outgoing socket with its peer.
    pub fn connected(&mut self, options: ConnectOptions) -> (SocketId, usize) {
        let at = self.arm.peer_listen();
        let to = at.clone();
        let id = self.ask(|net| net.connect(to, options)).expect("a free place");
        self.wait_for(
            "Connect",
            |it| matches!(it, Message::Connect { socket, .. } if *socket == id),
        );
        let peer = self.wait_peer(&at);
        (id, peer)
    }

    /// Waits until a listening peer has a connection.
    pub fn wait_peer(&mut self, at: &Endpoint) -> usize {
        let peer = self.until(|world| world.arm.peer_accept(at));
        peer.unwrap_or_else(|| panic!("{:?}: nobody connected to {at}", self.kind()))
    }

    /// Sends with high priority from the first driver.
    pub fn send(&mut self, id: SocketId, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.ask(move |net| net.send(id, bytes)).expect("the socket admits a send");
    }

    /// Reads exactly `count` bytes at a peer.
    ///
    /// # Panics
    /// If they do not come.
    pub fn peer_read_exactly(&mut self, peer: usize, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match self.peer_next(peer, count - bytes.len()) {
                PeerRead::Bytes(more) => bytes.extend(more),
                end => panic!("{:?}: {end:?} after {} of {count} B", self.kind(), bytes.len()),
            }
        }
        bytes
    }

    /// Reads at a peer until the stream ends; returns the bytes and the kind of end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn peer_read_to_end(&mut self, peer: usize) -> (Vec<u8>, PeerRead) {
        let mut bytes = Vec::new();
        loop {
            match self.peer_next(peer, 64 << 10) {
                PeerRead::Bytes(more) => bytes.extend(more),
                PeerRead::Nothing => panic!("{:?}: the peer's stream never ends", self.kind()),
                end => return (bytes, end),
            }
        }
    }

    /// Returns what a peer reads next; `Nothing` if nothing comes in time.
    pub fn peer_next(&mut self, peer: usize, size_max: usize) -> PeerRead {
        let next = self.until(|world| match world.arm.peer_read(peer, size_max) {
            PeerRead::Nothing => None,
            read => Some(read),
        });
        next.unwrap_or(PeerRead::Nothing)
    }

    /// Stops the runtime, and checks the order of all messages and that nothing is left behind.
    pub fn finish(mut self) -> ExitReport {
        self.arm.begin_exit(Duration::from_millis(100));
        self.wait_exit()
    }

    /// Waits for the end of an exit that has begun; checks the same.
    pub fn wait_exit(&mut self) -> ExitReport {
        let report = self.until(|world| world.arm.exit_report());
        grammar::check(&self.log.entries(), !self.has_released);
        report.unwrap_or_else(|| {
            panic!("{:?}: the exit never ends; told: {:#?}", self.kind(), self.log.entries())
        })
    }
}

/// `count` bytes that depend on `seed` and on their place, so that every wrong order shows.
pub fn pattern(seed: u64, count: usize) -> Vec<u8> {
    (0..count as u64).map(|place| mix(seed, place).to_le_bytes()[0]).collect()
}

fn received(log: &[Entry], id: SocketId) -> Vec<u8> {
    log.iter()
        .filter_map(|entry| match &entry.message {
            Message::Data { socket, bytes } if *socket == id => Some(bytes.as_ref()),
            _ => None,
        })
        .flatten()
        .copied()
        .collect()
}

fn close_of(log: &[Entry], id: SocketId) -> Option<(CloseReason, u64)> {
    log.iter().find_map(|entry| match &entry.message {
        Message::Close { socket, reason, unsent } if *socket == id => Some((*reason, *unsent)),
        _ => None,
    })
}
