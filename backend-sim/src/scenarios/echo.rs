//! A server that sends back what it receives.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use tidelock_core::{Bytes, Endpoint, ListenOptions, Message, Net, SendError, Service, SocketId};
use tidelock_net::base::fingerprint::Fingerprint;
use tidelock_net::chance::streams::Stream;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Label, Operation, Side, When};
use tidelock_net::words::ports::{CLIENT, SERVER, SERVER_PORT};

use super::planner::keep_calm;
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Clients send messages and end their connections; whatever arrives is sent back.
pub(super) fn echo() -> Scenario {
    Scenario::new(
        "echo",
        "clients send messages of both priorities; the server sends back what it receives",
        |stage| {
            stage.host("client").may_be_asking_wire();
            stage.host("server").service(Echo::default).may_be_serving_wire(Behaviour::Echo);
            stage.answers(Behaviour::Echo);
        },
    )
    .adjust(keep_calm)
    .plan(plan)
}

fn plan(options: &Options, s: &mut Stream) -> Vec<Operation> {
    let span = options.quiet_at_nanos;
    let mut plan = Vec::new();
    let mut sides = Vec::new();
    for number in 0..options.connections as u32 {
        let label = Label::connect(number);
        let at = s.below(span / 4 + 1);
        let action = Action::Connect { to: SERVER, port: SERVER_PORT, is_paused: false };
        plan.push(Operation { label, when: When::At { nanos: at }, host: CLIENT, action });
        sides.push((Side { label, is_accepted: false }, at, [0, 0]));
    }
    for number in 0..options.operations as u32 {
        let (on, from, messages) = &mut sides[s.below(options.connections) as usize];
        // Later ones of a connection are later in time, so that their numbers are in order.
        let at = *from + s.below((span - *from) / 4 + 1);
        *from = at;
        let is_low = s.one_in(3);
        let message = messages[usize::from(is_low)];
        messages[usize::from(is_low)] += 1;
        let bytes = options.draw_message_bytes(s) as u32;
        let action = Action::Send { on: *on, message, bytes, is_low };
        let label = Label { letter: b's', number };
        plan.push(Operation { label, when: When::At { nanos: at }, host: CLIENT, action });
    }
    for (number, (on, from, _)) in (0..).zip(sides) {
        let kinds = if options.is_calm() { 3 } else { 4 };
        let action = match s.below(kinds) {
            0 => Action::Shutdown { on },
            1 => Action::Finish { on },
            2 => continue,
            _ => Action::Close { on },
        };
        let when = When::At { nanos: from + s.below(span - from + 1) };
        plan.push(Operation { label: Label { letter: b'x', number }, when, host: CLIENT, action });
    }
    plan
}

/// Sends back what it receives; pauses a socket whose outbox is full.
#[derive(Default)]
pub(super) struct Echo {
    /// Answers with low priority.
    is_low: bool,
    /// The bytes that are to be sent back and were refused, by socket.
    waiting: BTreeMap<SocketId, Waiting>,
}

#[derive(Default, Hash)]
struct Waiting {
    parts: VecDeque<Bytes>,
    is_paused: bool,
    has_ended: bool,
}

impl Echo {
    /// One that answers with low priority.
    pub(super) fn low() -> Self {
        Self { is_low: true, ..Self::default() }
    }

    /// Sends what waits until it is refused.
    fn send(&mut self, net: &mut Net<'_>, id: SocketId) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        while let Some(part) = waiting.parts.pop_front() {
            let sent = if self.is_low { net.send_low(id, part) } else { net.send(id, part) };
            match sent {
                Ok(_queued) => {}
                Err(SendError::TooLarge(mut part)) => {
                    let rest = part.split_off(part.len() / 2);
                    waiting.parts.push_front(rest);
                    waiting.parts.push_front(part);
                }
                Err(SendError::SocketFull(part) | SendError::TotalFull(part)) => {
                    waiting.parts.push_front(part);
                    return;
                }
                Err(_closing) => waiting.parts.clear(),
            }
        }
        let Some(Waiting { is_paused, has_ended, .. }) = self.waiting.remove(&id) else { return };
        if has_ended {
            // A socket that is gone needs no end.
            let _gone = net.shutdown(id);
        } else if is_paused {
            // Nor does it need to be read.
            let _gone = net.start(id);
        }
    }
}

impl Service for Echo {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        // If it cannot listen, clients are refused, and that is for the clients to see.
        let _refused = net.listen(at, ListenOptions::default());
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Accept { accepted, .. } => {
                // One that is gone is told as closed.
                let _gone = net.start(accepted);
            }
            Message::Data { socket, bytes } => {
                let is_new = !self.waiting.contains_key(&socket);
                self.waiting.entry(socket).or_default().parts.push_back(bytes);
                if is_new {
                    self.send(net, socket);
                    if let Some(waiting) = self.waiting.get_mut(&socket) {
                        // One that is gone is told as closed.
                        waiting.is_paused = net.pause(socket).is_ok();
                    }
                }
            }
            Message::SendReady { socket } => self.send(net, socket),
            Message::Eof { socket } => {
                if let Some(waiting) = self.waiting.get_mut(&socket) {
                    waiting.has_ended = true;
                    let _gone = net.keep_open(socket);
                }
            }
            Message::Close { socket, .. } => {
                self.waiting.remove(&socket);
            }
            _ => {}
        }
    }

    fn fingerprint(&self) -> Option<u64> {
        let Self { is_low, waiting } = self;
        let mut state = Fingerprint::default();
        (is_low, waiting).hash(&mut state);
        Some(state.finish())
    }

    fn name(&self) -> &'static str {
        "echo"
    }
}
