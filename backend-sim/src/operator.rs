//! The service that does on its host what is asked from outside.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tidelock_core::{
    ConnectOptions, Endpoint, Message, Net, SendError, Service, SocketId, Target, UdpOptions,
};

use crate::address;
use crate::kernel::Address;
use crate::payload::Mark;
use crate::scenario::{Action, HOST_NAMES, Label, Operation, Side};

/// What an operator did, for the world that asked it: a service cannot answer otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// An operation opened this socket.
    Opened {
        /// What opened it.
        side: Side,
        /// The socket.
        id: SocketId,
    },
    /// An operation was accepted.
    Done(Label),
    /// An operation could not be done any more.
    Void(Label),
}

/// Where operators leave their notes.
pub type Notes = Arc<Mutex<Vec<Note>>>;

/// Does what is asked from outside.
pub struct Operator {
    notes: Notes,
    is_by_name: bool,
    sockets: BTreeMap<Side, SocketId>,
    /// Sends that were refused because an outbox was full, and everything behind them.
    waiting: BTreeMap<Side, VecDeque<Operation>>,
}

impl Operator {
    /// An operator that leaves its notes there, and connects by name or by address.
    pub fn new(notes: Notes, is_by_name: bool) -> Self {
        Self { notes, is_by_name, sockets: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn note(&self, note: Note) {
        // No code panics while it holds this lock.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    fn opened(&mut self, label: Label, id: SocketId) {
        let side = Side { label, is_accepted: false };
        self.sockets.insert(side, id);
        self.note(Note::Opened { side, id });
    }

    fn ask(&mut self, net: &mut Net<'_>, operation: Operation) {
        let side = operation.action.side();
        if let Some(queue) = side.and_then(|side| self.waiting.get_mut(&side)) {
            queue.push_back(operation);
            return;
        }
        match self.perform(net, operation) {
            Outcome::Done => self.note(Note::Done(operation.label)),
            Outcome::Void => self.note(Note::Void(operation.label)),
            Outcome::Full => {
                let side = side.expect("only a send meets a full outbox");
                self.waiting.insert(side, VecDeque::from([operation]));
            }
        }
    }

    fn perform(&mut self, net: &mut Net<'_>, operation: Operation) -> Outcome {
        let label = operation.label;
        let socket = operation.action.side().map(|side| self.sockets.get(&side).copied());
        let id = match (operation.action, socket) {
            (Action::Connect { to, port, is_paused }, _) => {
                let options = ConnectOptions::default().paused(is_paused);
                let target = match HOST_NAMES.get(to as usize) {
                    Some(name) if self.is_by_name => Target::host(name, port),
                    _ => Target::from(address::endpoint(Address { host: to, port })),
                };
                return match net.connect(target, options) {
                    Ok(id) => {
                        self.opened(label, id);
                        Outcome::Done
                    }
                    Err(_limit_or_stopped) => Outcome::Void,
                };
            }
            (Action::Udp { port }, _) => {
                let at = Endpoint::from(([0, 0, 0, 0], port));
                return match net.udp(UdpOptions::default().bind(at)) {
                    Ok(id) => {
                        self.opened(label, id);
                        Outcome::Done
                    }
                    Err(_limit_or_stopped) => Outcome::Void,
                };
            }
            (_, Some(Some(id))) => id,
            (_, Some(None) | None) => return Outcome::Void,
        };
        let result = match operation.action {
            Action::Send { on, message, bytes, is_low } => {
                let payload = mark(on, message, is_low).payload(bytes);
                let sent = if is_low { net.send_low(id, payload) } else { net.send(id, payload) };
                return Outcome::of_send(sent.map(|_queued| ()));
            }
            Action::SendTo { on, to, port, message, bytes } => {
                let payload = mark(on, message, false).payload(bytes);
                let to = address::endpoint(Address { host: to, port });
                return Outcome::of_send(net.send_to(id, to, payload).map(|_queued| ()));
            }
            Action::Shutdown { .. } => net.shutdown(id),
            Action::Finish { .. } => net.finish(id),
            Action::Close { .. } => net.close(id),
            Action::Pause { .. } => net.pause(id),
            Action::Start { .. } => net.start(id),
            Action::Connect { .. } | Action::Udp { .. } => unreachable!("they were done before"),
        };
        if result.is_ok() { Outcome::Done } else { Outcome::Void }
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

/// What the world calls a message of this side.
pub fn mark(on: Side, message: u32, is_low: bool) -> Mark {
    let is_accepted_side = on.is_accepted;
    Mark { connection: on.label.number, is_accepted_side, is_low, message }
}

enum Outcome {
    Done,
    Void,
    Full,
}

impl Outcome {
    fn of_send(sent: Result<(), SendError>) -> Self {
        match sent {
            Ok(()) => Outcome::Done,
            Err(SendError::SocketFull(_) | SendError::TotalFull(_)) => Outcome::Full,
            Err(_) => Outcome::Void,
        }
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

    fn name(&self) -> &'static str {
        "operator"
    }
}
