//! Readers that are slow, or never read.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tidelock_core::{
    Bytes, Endpoint, ListenOptions, Message, Net, SendError, Service, SocketId, TimerId,
};
use tidelock_net::chance::streams::Stream;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Operation};
use tidelock_net::words::ports::{SERVER, SERVER_PORT};

use super::planner::{Planner, keep_calm, keep_valid};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Clients stop and start reading; the server thinks before it answers, and reads meanwhile not.
pub(super) fn slow_readers() -> Scenario {
    Scenario::new(
        "slow-readers",
        "peers that read slowly or never: full outboxes, full mailboxes, pauses, timeouts",
        |stage| {
            let options = stage.options().clone();
            stage.host("client").may_be_asking_wire();
            stage
                .host("server")
                .service(move || Slow::new(&options))
                .may_be_serving_wire(Behaviour::Echo);
            stage.answers(Behaviour::Echo);
        },
    )
    .adjust(adjust)
    .plan(plan)
}

/// Buffers, outboxes and mailboxes are small beside what is sent.
fn adjust(options: &mut Options) {
    options.connections = options.connections.min(8);
    options.message_bytes_max = options.message_bytes_max.clamp(64, 1 << 14);
    let most = options.message_bytes_max;
    options.send_buffer_bytes = options.send_buffer_bytes.clamp(most / 64, 2 * most);
    options.receive_buffer_bytes = options.receive_buffer_bytes.clamp(most / 64, 2 * most);
    options.peer_read_bytes = options.peer_read_bytes.clamp(most / 64, most);
    options.warn_bytes = (most >> (options.noise % 4)).max(1);
    options.outbox_bytes_max = 0;
    keep_valid(options);
    options.outbox_bytes_max += options.noise % (2 * most);
    // With a total as small as this, one slow reader stops the others.
    let others = 1 + (options.noise >> 8) % (2 * options.connections);
    options.total_bytes_max = options.outbox_bytes_max + others * (most / 2 + 64);
    options.mailbox_bytes_max = 1 + (options.noise >> 16) % (2 * most);
    keep_calm(options);
}

fn plan(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    for _ in 0..options.connections {
        let at = plan.early(4);
        let mut is_paused = plan.stream.one_in(2);
        let line = plan.open(at, Action::Connect { to: SERVER, port: SERVER_PORT, is_paused });
        for _ in 0..2 + plan.stream.below(12) {
            if plan.stream.one_in(3) {
                plan.wait(line, 8);
                is_paused = !is_paused;
                plan.ask(line, |on| match is_paused {
                    true => Action::Pause { on },
                    false => Action::Start { on },
                });
            }
            let bytes = options.draw_message_bytes(plan.stream);
            let is_low = plan.stream.one_in(4);
            plan.send(line, bytes, is_low);
        }
        plan.wait(line, 2);
        // One that never reads again meets a timeout, or the end of the world.
        let reads_on = options.is_calm() || plan.stream.one_in(2);
        if is_paused && reads_on {
            plan.ask(line, |on| Action::Start { on });
        }
        match plan.stream.below(if options.is_calm() { 2 } else { 5 }) {
            0 => plan.ask(line, |on| Action::Finish { on }),
            1 | 2 => {}
            3 => plan.ask(line, |on| Action::Shutdown { on }),
            _ => plan.ask(line, |on| Action::Close { on }),
        }
    }
    let at = plan.early(1);
    plan.ask_at(at, Action::Info);
    plan.finish()
}

/// Sends back what it receives, after a while in which it does not read.
struct Slow {
    thinking: Duration,
    clients: BTreeMap<SocketId, Client>,
    timers: BTreeMap<TimerId, SocketId>,
}

#[derive(Default)]
struct Client {
    parts: VecDeque<Bytes>,
    timer: Option<TimerId>,
    is_full: bool,
    has_ended: bool,
}

impl Slow {
    fn new(options: &Options) -> Self {
        let most = if options.is_calm() { 100_000 } else { options.quiet_at_nanos / 16 };
        let thinking = Duration::from_nanos(1 + (options.noise >> 24) % (most + 1));
        Self { thinking, clients: BTreeMap::new(), timers: BTreeMap::new() }
    }

    /// Stops reading, and thinks.
    fn think(&mut self, net: &mut Net<'_>, id: SocketId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.timer.is_none() {
            // One that is gone is told as closed.
            let _gone = net.pause(id);
            let timer = net.set_timer(self.thinking);
            client.timer = Some(timer);
            self.timers.insert(timer, id);
        }
    }

    /// Answers all that it knows, then reads again.
    fn answer(&mut self, net: &mut Net<'_>, id: SocketId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.is_full = false;
        while let Some(part) = client.parts.pop_front() {
            match net.send(id, part) {
                Ok(_queued) => {}
                Err(SendError::TooLarge(mut part)) => {
                    let rest = part.split_off(part.len() / 2);
                    client.parts.push_front(rest);
                    client.parts.push_front(part);
                }
                Err(SendError::SocketFull(part) | SendError::TotalFull(part)) => {
                    client.parts.push_front(part);
                    client.is_full = true;
                    return;
                }
                Err(_gone) => client.parts.clear(),
            }
        }
        // One that is gone is told as closed.
        let _gone = if client.has_ended { net.shutdown(id) } else { net.start(id) };
    }
}

impl Service for Slow {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        // If it cannot listen, clients are refused, and that is for the clients to see.
        let _refused = net.listen(at, ListenOptions::default().backlog(4).auto_start(true));
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Accept { accepted, .. } => {
                self.clients.insert(accepted, Client::default());
            }
            Message::Data { socket, bytes } => {
                if let Some(client) = self.clients.get_mut(&socket) {
                    client.parts.push_back(bytes);
                }
                self.think(net, socket);
            }
            Message::Eof { socket } => {
                let Some(client) = self.clients.get_mut(&socket) else { return };
                client.has_ended = true;
                if !client.parts.is_empty() {
                    // One that is gone is told as closed.
                    let _gone = net.keep_open(socket);
                }
            }
            Message::Timer { timer } => {
                let socket = self.timers.remove(&timer).expect("a cancelled timer never comes");
                let client = self.clients.get_mut(&socket).expect("its timer was cancelled");
                client.timer = None;
                if !client.is_full {
                    self.answer(net, socket);
                }
            }
            Message::SendReady { socket } => {
                if self.clients.get(&socket).is_some_and(|client| client.timer.is_none()) {
                    self.answer(net, socket);
                } else if let Some(client) = self.clients.get_mut(&socket) {
                    client.is_full = false;
                }
            }
            Message::Close { socket, .. } => {
                let timer = self.clients.remove(&socket).and_then(|client| client.timer);
                if let Some(timer) = timer {
                    self.timers.remove(&timer);
                    assert!(net.cancel_timer(timer), "{timer} was not delivered");
                }
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}
