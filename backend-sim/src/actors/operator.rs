//! The service that does on its host what is asked from outside.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidelock_core::{
    ConnectOptions, Endpoint, Message, Net, OpenError, Queued, SendError, Service, ServiceId,
    SocketId, SocketOption, Target, UdpOptions,
};
use tidelock_net::base::fingerprint::Fingerprint;
use tidelock_net::system::kernel::Address;
use tidelock_net::words::cast::Cast;
use tidelock_net::words::client::Part;
use tidelock_net::words::names::NAMES;
use tidelock_net::words::operation::{Action, Label, Operation, Side};
use tidelock_net::words::payload::{FRAME_HEAD_BYTES, frame_mark, mark};

use crate::actors::player::Player;
use crate::stage::address;

/// The deeds of an operator, for the world that asked it: a service cannot answer otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An operation opened this socket.
    Opened {
        /// The operation that opened it.
        side: Side,
        /// The socket.
        id: SocketId,
    },
    /// An operation was accepted.
    Done(Label),
    /// An operation could not be done any more.
    Void(Label),
    /// A client has taken every step of its script.
    Played(Label),
    /// A client received something else than it expects.
    Wrong {
        /// Which client.
        label: Label,
        /// The expectation, and what came.
        detail: String,
    },
}

/// Where operators leave their notes.
#[derive(Default)]
pub struct Notes {
    list: Mutex<Vec<Note>>,
    /// `true` if there are any. The world asks in every step, and mostly there are none: so it asks
    /// without the lock.
    is_any: AtomicBool,
}

impl Notes {
    /// Leaves a note.
    pub(crate) fn leave(&self, note: Note) {
        // No code panics while it holds this lock.
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        self.is_any.store(true, Ordering::Relaxed);
    }

    /// Takes all notes.
    pub(crate) fn take(&self) -> Vec<Note> {
        self.is_any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_any.load(Ordering::Relaxed)
    }
}

/// Does what is asked from outside.
pub struct Operator {
    notes: Arc<Notes>,
    cast: Arc<Cast>,
    is_by_name: bool,
    sockets: BTreeMap<Side, SocketId>,
    /// Sends that were refused because an outbox was full, and everything behind them.
    waiting: BTreeMap<Side, VecDeque<Operation>>,
    /// Services that sockets were handed to.
    keepers: BTreeMap<Side, ServiceId>,
}

impl Operator {
    /// An operator that leaves its notes there, and connects by name or by address.
    pub fn new(notes: Arc<Notes>, cast: Arc<Cast>, is_by_name: bool) -> Self {
        let (sockets, waiting, keepers) = Default::default();
        Self { notes, cast, is_by_name, sockets, waiting, keepers }
    }

    fn note(&self, note: Note) {
        self.notes.leave(note);
    }

    fn opened(&mut self, label: Label, id: SocketId) {
        let side = Side { label, is_accepted: false };
        self.sockets.insert(side, id);
        self.note(Note::Opened { side, id });
    }

    fn ask(&mut self, net: &mut Net<'_>, operation: Operation) {
        let side = match operation.action {
            // Whether it reads has nothing to do with what waits to be sent.
            Action::Pause { .. } | Action::Start { .. } => None,
            action => action.side(),
        };
        if let Some(queue) = side.and_then(|side| self.waiting.get_mut(&side)) {
            queue.push_back(operation);
            return;
        }
        match self.perform(net, operation) {
            Outcome::Done => self.note(Note::Done(operation.label)),
            Outcome::Void => self.note(Note::Void(operation.label)),
            // The player leaves its own notes.
            Outcome::Begun => {}
            Outcome::Full => {
                let side = side.expect("only a send meets a full outbox");
                self.waiting.insert(side, VecDeque::from([operation]));
            }
        }
    }

    fn perform(&mut self, net: &mut Net<'_>, operation: Operation) -> Outcome {
        let socket = operation.action.side().map(|side| self.sockets.get(&side).copied());
        match (operation.action, socket) {
            (_, Some(Some(id))) => self.perform_on(net, id, operation.action),
            (_, Some(None)) => Outcome::Void,
            (Action::Info, None) => {
                net.info();
                Outcome::Done
            }
            (Action::Play { client }, None) => self.play(net, operation.label, client),
            (action, None) => match self.open(net, action) {
                Ok(id) => {
                    self.opened(operation.label, id);
                    Outcome::Done
                }
                Err(_limit_or_stopped) => Outcome::Void,
            },
        }
    }

    fn perform_on(&mut self, net: &mut Net<'_>, id: SocketId, action: Action) -> Outcome {
        let result = match action {
            Action::Send { on, message, bytes, is_low } => {
                let payload = mark(on, message, is_low).payload(bytes);
                let sent = if is_low { net.send_low(id, payload) } else { net.send(id, payload) };
                return Outcome::of_send(&sent);
            }
            Action::Frame { on, message, bytes } => {
                let mut body = frame_mark(on, message, bytes).payload(bytes);
                let head = body.split_to(FRAME_HEAD_BYTES as usize);
                return Outcome::of_send(&net.send_vectored(id, vec![head, body]));
            }
            Action::SendTo { on, to, port, message, bytes } => {
                let payload = mark(on, message, false).payload(bytes);
                let to = address::endpoint(Address { host: to, port });
                return Outcome::of_send(&net.send_to(id, to, payload));
            }
            Action::Shutdown { .. } => net.shutdown(id),
            Action::Finish { .. } => net.finish(id),
            Action::Close { .. } => net.close(id),
            Action::Pause { .. } => net.pause(id),
            Action::Start { .. } => net.start(id),
            Action::KeepOpen { .. } => net.keep_open(id),
            Action::Nodelay { .. } => net
                .set_option(id, SocketOption::Nodelay(true))
                .map_err(|_gone| tidelock_core::Stale),
            Action::UdpConnect { to, port, .. } => {
                net.udp_connect(id, address::endpoint(Address { host: to, port }))
            }
            Action::HandOver { on } => return self.hand_over(net, on, id),
            Action::Release { on } => match self.keepers.remove(&on) {
                Some(keeper) => net.release(keeper),
                None => return Outcome::Void,
            },
            Action::Connect { .. }
            | Action::ConnectName { .. }
            | Action::Udp { .. }
            | Action::Play { .. }
            | Action::Info => unreachable!("they are about no socket"),
        };
        if result.is_ok() { Outcome::Done } else { Outcome::Void }
    }

    fn hand_over(&mut self, net: &mut Net<'_>, on: Side, id: SocketId) -> Outcome {
        let Ok(keeper) = net.spawn(Box::new(Keeper)) else { return Outcome::Void };
        self.keepers.insert(on, keeper);
        if net.post(keeper, id).is_ok() { Outcome::Done } else { Outcome::Void }
    }

    fn play(&mut self, net: &mut Net<'_>, label: Label, client: u16) -> Outcome {
        let Some((client, heard)) = self.cast.clients.get(client as usize) else {
            return Outcome::Void;
        };
        let part = Part::new(client, heard.clone());
        let player = Player::new(label, client, part, Arc::clone(&self.notes));
        match net.spawn(Box::new(player)) {
            Ok(_player) => Outcome::Begun,
            Err(_limit_or_stopped) => Outcome::Void,
        }
    }

    fn open(&self, net: &mut Net<'_>, action: Action) -> Result<SocketId, OpenError> {
        match action {
            Action::Connect { to, port, is_paused } => {
                let target = match self.cast.hosts.get(to as usize) {
                    Some(name) if self.is_by_name => Target::host(name, port),
                    _ => Target::from(address::endpoint(Address { host: to, port })),
                };
                net.connect(target, ConnectOptions::default().paused(is_paused))
            }
            Action::ConnectName { name, port, is_paused } => {
                let to = Target::host(NAMES[name as usize].0, port);
                // Every other name's connections outlive the peer's FIN.
                let is_half_open = name % 2 == 1;
                net.connect(to, ConnectOptions::default().paused(is_paused).half_open(is_half_open))
            }
            Action::Udp { port } => {
                let at = Endpoint::from(([0, 0, 0, 0], port));
                net.udp(UdpOptions::default().bind(at))
            }
            other => unreachable!("{other:?} opens nothing"),
        }
    }

    fn retry(&mut self, net: &mut Net<'_>, id: SocketId) {
        let of_id = self.sockets.iter().find(|(_, socket)| **socket == id);
        let Some(side) = of_id.map(|(side, _)| *side) else { return };
        let mut queue = self.waiting.remove(&side).unwrap_or_default();
        while let Some(operation) = queue.pop_front() {
            self.ask(net, operation);
            if let Some(again) = self.waiting.get_mut(&side) {
                again.append(&mut queue);
            }
        }
    }
}

enum Outcome {
    Done,
    Void,
    /// It goes on by itself.
    Begun,
    Full,
}

impl Outcome {
    fn of_send<T>(sent: &Result<Queued, SendError<T>>) -> Self {
        match sent {
            Ok(_) => Outcome::Done,
            Err(SendError::SocketFull(_) | SendError::TotalFull(_)) => Outcome::Full,
            Err(_) => Outcome::Void,
        }
    }
}

/// Owns what it is given, until it is released.
struct Keeper;

impl Service for Keeper {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Posted { value, .. } = message {
            let id = *value.downcast::<SocketId>().expect("it is given sockets");
            // One that died on the way is told to its owner.
            let _gone = net.start(id);
        }
    }

    fn name(&self) -> &'static str {
        "keeper"
    }
}

impl Service for Operator {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Posted { value, .. } => {
                let operation = value.downcast::<Operation>().expect("the world posts operations");
                self.ask(net, *operation);
            }
            Message::SendReady { socket } | Message::Close { socket, .. } => {
                self.retry(net, socket);
            }
            _ => {}
        }
    }

    fn fingerprint(&self) -> Option<u64> {
        let Self { notes: _, cast: _, is_by_name: _, sockets, waiting, keepers } = self;
        let mut state = Fingerprint::default();
        (sockets, waiting, keepers).hash(&mut state);
        Some(state.finish())
    }

    fn name(&self) -> &'static str {
        "operator"
    }
}
