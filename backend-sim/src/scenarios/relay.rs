//! A relay between clients and an origin: three hosts, and connections that a service makes.

use std::collections::{BTreeMap, VecDeque};

use tidelock_core::{
    Bytes, CloseReason, ConnectOptions, Endpoint, ListenOptions, Message, Net, SendError, Service,
    SocketId, Target,
};
use tidelock_net::chance::streams::Stream;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Operation};
use tidelock_net::words::ports::{SERVER, SERVER_PORT};

use super::echo::Echo;
use super::planner::{Planner, keep_calm};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Whatever clients send reaches the origin through the relay, and comes back the same way.
pub(super) fn relay() -> Scenario {
    let about = "a relay carries streams between clients and an origin, half-closes included";
    Scenario::new("relay", about, |stage| {
        stage.host("client").may_be_asking_wire();
        stage.host("relay").service(Relay::default);
        stage.host("origin").service(Echo::default).may_be_serving_wire(Behaviour::Echo);
        stage.answers(Behaviour::Echo);
    })
    .adjust(adjust)
    .plan(plan)
}

fn adjust(options: &mut Options) {
    options.connections = options.connections.min(16);
    // Each connection of a client is two at the relay.
    options.sockets_max += options.connections;
    keep_calm(options);
    if options.is_calm() {
        // Each of a connection's two streams may be full: were what is queued for the origin all
        // that may be queued, the way back, which the origin waits for, would be closed for ever.
        let streams = 2 * options.connections;
        options.total_bytes_max = options.total_bytes_max.max(streams * options.outbox_bytes_max);
    }
}

fn plan(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    let share = 1 + options.operations / options.connections;
    for _ in 0..options.connections {
        let at = plan.early(4);
        let open = Action::Connect { to: SERVER, port: SERVER_PORT, is_paused: false };
        let line = plan.open(at, open);
        for _ in 0..1 + plan.stream.below(2 * share) {
            if plan.stream.one_in(2) {
                plan.wait(line, 8);
            }
            let bytes = options.draw_message_bytes(plan.stream);
            let is_low = plan.stream.one_in(4);
            plan.send(line, bytes, is_low);
        }
        plan.end(line, options.is_calm());
    }
    plan.finish()
}

/// Joins each accepted connection with one of its own to the origin.
#[derive(Default)]
struct Relay {
    legs: BTreeMap<SocketId, Leg>,
}

/// One of the two connections of a pair: where what it brings goes, and what waits to be sent
/// on it.
struct Leg {
    other: SocketId,
    unsent: VecDeque<Bytes>,
    /// The other leg is not read while something waits here.
    is_other_paused: bool,
    /// The end that follows the last unsent byte.
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    None,
    /// The other leg's peer has ended its stream.
    Finish,
    /// The other leg is over.
    Shutdown,
}

impl Relay {
    fn join(&mut self, net: &mut Net<'_>, accepted: SocketId) {
        let target = Target::host("origin", SERVER_PORT);
        match net.connect(target, ConnectOptions::default()) {
            Ok(outgoing) => {
                for (id, other) in [(accepted, outgoing), (outgoing, accepted)] {
                    let (unsent, ending) = (VecDeque::new(), Ending::None);
                    self.legs.insert(id, Leg { other, unsent, is_other_paused: false, ending });
                }
                // One that is gone is told as closed, here and below.
                let _gone = net.start(accepted);
            }
            Err(_limit_or_stopped) => {
                let _gone = net.close(accepted);
            }
        }
    }

    /// Sends what waits on a leg; what follows it when nothing waits any more.
    fn pass_on(&mut self, net: &mut Net<'_>, id: SocketId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        while let Some(part) = leg.unsent.pop_front() {
            match net.send(id, part) {
                Ok(_queued) => {}
                Err(SendError::TooLarge(mut part)) => {
                    let rest = part.split_off(part.len() / 2);
                    leg.unsent.push_front(rest);
                    leg.unsent.push_front(part);
                }
                Err(SendError::SocketFull(part) | SendError::TotalFull(part)) => {
                    leg.unsent.push_front(part);
                    if !leg.is_other_paused {
                        leg.is_other_paused = net.pause(leg.other).is_ok();
                    }
                    return;
                }
                Err(_gone) => leg.unsent.clear(),
            }
        }
        if std::mem::take(&mut leg.is_other_paused) {
            let _gone = net.start(leg.other);
        }
        let _gone = match leg.ending {
            Ending::None => Ok(()),
            Ending::Finish => net.finish(id),
            Ending::Shutdown => net.shutdown(id),
        };
    }

    fn end(&mut self, net: &mut Net<'_>, id: SocketId, reason: CloseReason) {
        let Some(Leg { other, .. }) = self.legs.remove(&id) else { return };
        let Some(leg) = self.legs.get_mut(&other) else { return };
        leg.is_other_paused = false;
        match reason {
            CloseReason::Shutdown | CloseReason::Peer => {
                leg.ending = Ending::Shutdown;
                self.pass_on(net, other);
            }
            _broken => {
                let _gone = net.close(other);
            }
        }
    }
}

impl Service for Relay {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        // If it cannot listen, clients are refused, and that is for the clients to see.
        let _refused = net.listen(at, ListenOptions::default());
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Accept { accepted, .. } => self.join(net, accepted),
            Message::Data { socket, bytes } => {
                let Some(Leg { other, .. }) = self.legs.get(&socket) else { return };
                let other = *other;
                if let Some(leg) = self.legs.get_mut(&other) {
                    leg.unsent.push_back(bytes);
                    self.pass_on(net, other);
                }
            }
            Message::SendReady { socket } => self.pass_on(net, socket),
            Message::Eof { socket } => {
                let Some(Leg { other, .. }) = self.legs.get(&socket) else { return };
                let other = *other;
                if let Some(leg) = self.legs.get_mut(&other) {
                    let _gone = net.keep_open(socket);
                    leg.ending = Ending::Finish;
                    self.pass_on(net, other);
                }
            }
            Message::Close { socket, reason, .. } => self.end(net, socket, reason),
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "relay"
    }
}
