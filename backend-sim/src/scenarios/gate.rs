//! A listener's owner that hands each socket to an agent, and agents that hand them on.

use std::collections::VecDeque;

use bytes::BytesMut;
use tidelock_core::{
    Bytes, Endpoint, ListenOptions, Message, Net, Queued, SendError, Service, ServiceId, SocketId,
};
use tidelock_net::chance::streams::Stream;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Operation};
use tidelock_net::words::payload::FRAME_HEAD_BYTES;
use tidelock_net::words::ports::{SERVER, SERVER_PORT};

use super::planner::{Planner, keep_calm};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Clients send frames that say their length; an agent sends each whole one back.
pub(super) fn gate() -> Scenario {
    Scenario::new(
        "gate",
        "length-prefixed frames; sockets go from the gate to agents, and from agent to agent",
        |stage| {
            let moods = Moods::of(stage.options());
            stage.host("client").may_be_asking_wire();
            stage
                .host("server")
                .service(move || Gate { moods })
                .may_be_serving_wire(Behaviour::Echo);
            stage.answers(Behaviour::Echo);
        },
    )
    .adjust(adjust)
    .plan(plan)
}

fn adjust(options: &mut Options) {
    options.message_bytes_max = options.message_bytes_max.max(64);
    options.outbox_bytes_max = options.outbox_bytes_max.max(options.message_bytes_max + 64);
    options.total_bytes_max = options.total_bytes_max.max(options.outbox_bytes_max);
    keep_calm(options);
}

fn plan(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    let share = 1 + 2 * options.operations / options.connections;
    for _ in 0..options.connections {
        let at = plan.early(4);
        let open = match plan.stream.below(4) {
            0 => {
                let name = plan.stream.below(5) as u8;
                Action::ConnectName { name, port: SERVER_PORT, is_paused: false }
            }
            _ => Action::Connect { to: SERVER, port: SERVER_PORT, is_paused: false },
        };
        let line = plan.open(at, open);
        for _ in 0..1 + plan.stream.below(share) {
            if plan.stream.one_in(2) {
                plan.wait(line, 8);
            }
            let least = u64::from(FRAME_HEAD_BYTES);
            let bytes = plan.stream.log_uniform(least, options.message_bytes_max);
            plan.frame(line, bytes);
        }
        plan.end(line, options.is_calm());
    }
    plan.finish()
}

/// Owns the listener, and gives away what it accepts.
struct Gate {
    moods: Moods,
}

/// The moods of agents: what they may do to a socket when they have had enough of it. They draw
/// that for each
/// piece of a stream, so that in a steady world they may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moods {
    Faithful,
    MayHandOn,
    MayHandOnOrLeave,
}

impl Moods {
    fn of(options: &Options) -> Self {
        match (options.is_split == 1, options.is_calm()) {
            (true, _) => Moods::Faithful,
            (false, true) => Moods::MayHandOn,
            (false, false) => Moods::MayHandOnOrLeave,
        }
    }
}

impl Service for Gate {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        // If it cannot listen, clients are refused, and that is for the clients to see.
        let _refused = net.listen(at, ListenOptions::default());
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Accept { accepted, .. } = message {
            let (input, output) = (BytesMut::new(), VecDeque::new());
            let charge = Charge { socket: accepted, input, output, from: None };
            give_away(net, self.moods, charge);
        }
    }

    fn name(&self) -> &'static str {
        "gate"
    }
}

/// A socket on its way to an agent, with what was read and not answered.
struct Charge {
    socket: SocketId,
    /// The beginning of a frame.
    input: BytesMut,
    /// Answers that were refused by a full outbox.
    output: VecDeque<Bytes>,
    /// The agent that had it before, and still owns it.
    from: Option<ServiceId>,
}

/// Tells an agent that its socket has a new owner.
struct Taken;

/// Gives a socket to a new agent.
fn give_away(net: &mut Net<'_>, moods: Moods, charge: Charge) {
    let socket = charge.socket;
    let agent = Agent { charge: None, moods, has_ended: false, is_leaving: false };
    let given = match net.spawn(Box::new(agent)) {
        Ok(agent) => net.post(agent, charge).is_ok(),
        Err(_stopped) => false,
    };
    if !given {
        // Nobody will serve it; one that is gone needs no end.
        let _gone = net.close(socket);
    }
}

/// Serves one socket: sends each whole frame back.
struct Agent {
    charge: Option<Charge>,
    moods: Moods,
    has_ended: bool,
    is_leaving: bool,
}

/// A frame is at most this long; a longer one is a lie.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Sends a frame, in two parts if its length is even: both ways are mixed on one socket, and none of
/// the frames must overtake another.
fn send_frame(net: &mut Net<'_>, socket: SocketId, frame: Bytes) -> Result<Queued, SendError> {
    if !frame.len().is_multiple_of(2) {
        return net.send(socket, frame);
    }
    let mut head = frame.clone();
    let body = head.split_off(FRAME_HEAD_BYTES as usize);
    net.send_vectored(socket, vec![head, body]).map_err(|refused| match refused {
        SendError::SocketFull(_) => SendError::SocketFull(frame),
        SendError::TotalFull(_) => SendError::TotalFull(frame),
        SendError::TooLarge(_) => SendError::TooLarge(frame),
        _gone => SendError::Stale(frame),
    })
}

impl Agent {
    /// Answers what is whole.
    fn serve(&mut self, net: &mut Net<'_>) {
        let Some(charge) = &mut self.charge else { return };
        let head_bytes = FRAME_HEAD_BYTES as usize;
        while charge.input.len() >= head_bytes {
            let length = charge.input[1..head_bytes].try_into().expect("a length has four bytes");
            let length = u32::from_le_bytes(length) as usize;
            if !(head_bytes..=FRAME_BYTES_MAX).contains(&length) {
                // A length that lies ends that client alone, and keeps none of its bytes.
                charge.input.clear();
                let _gone = net.close(charge.socket);
                return;
            }
            if charge.input.len() < length {
                break;
            }
            charge.output.push_back(charge.input.split_to(length).freeze());
        }
        self.answer(net);
    }

    fn answer(&mut self, net: &mut Net<'_>) {
        let Some(charge) = &mut self.charge else { return };
        while let Some(frame) = charge.output.pop_front() {
            match send_frame(net, charge.socket, frame) {
                Ok(_queued) => {}
                Err(SendError::SocketFull(frame) | SendError::TotalFull(frame)) => {
                    // `SendReady` comes.
                    return charge.output.push_front(frame);
                }
                Err(SendError::TooLarge(frame)) => panic!("{} B fit no outbox", frame.len()),
                Err(_gone) => charge.output.clear(),
            }
        }
        if self.has_ended {
            // One that is gone needs no end.
            let _gone = net.shutdown(charge.socket);
        }
    }

    /// Sometimes it has had enough: it hands the socket on, or leaves it to its fate.
    fn tire(&mut self, net: &mut Net<'_>) {
        let Some(charge) = &self.charge else { return };
        if self.is_leaving {
            return;
        }
        match net.random() % 16 {
            0..=3 if self.moods != Moods::Faithful => {
                self.is_leaving = true;
                // One that is gone is told as closed.
                let _gone = net.pause(charge.socket);
            }
            4 if self.moods == Moods::MayHandOnOrLeave => {
                leave(net);
            }
            _ => {}
        }
    }

    fn hand_on(&mut self, net: &mut Net<'_>) {
        if let Some(mut charge) = self.charge.take() {
            charge.from = Some(net.service());
            give_away(net, self.moods, charge);
        }
    }

    fn take(&mut self, net: &mut Net<'_>, charge: Charge) {
        let is_gone = net.start(charge.socket).is_err();
        if let Some(from) = charge.from {
            // This comes behind the start: until then a release would end the socket. The other
            // one may be gone, because the socket died.
            let _gone = net.post(from, Taken);
        }
        if is_gone {
            // It died on the way, and its owner was told.
            return leave(net);
        }
        self.charge = Some(charge);
        self.answer(net);
    }
}

/// The service ends itself; it may have done so before, in this batch.
fn leave(net: &mut Net<'_>) {
    let me = net.service();
    let _gone = net.release(me);
}

impl Service for Agent {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Posted { value, .. } => match value.downcast::<Charge>() {
                Ok(charge) => self.take(net, *charge),
                Err(value) => {
                    assert!(value.is::<Taken>(), "an agent is given sockets");
                    leave(net);
                }
            },
            Message::Data { bytes, .. } => {
                let Some(charge) = &mut self.charge else { panic!("Data after it was handed on") };
                charge.input.extend_from_slice(&bytes);
                self.serve(net);
                self.tire(net);
            }
            Message::SendReady { .. } => self.answer(net),
            Message::Eof { socket } => {
                let Some(charge) = &self.charge else { panic!("Eof after it was handed on") };
                assert_eq!(charge.socket, socket, "an agent has one socket");
                self.has_ended = true;
                // It ends when the last answer is out; one that is gone is told as closed.
                let _gone = net.keep_open(socket);
                self.answer(net);
            }
            Message::Paused { .. } => self.hand_on(net),
            // It is gone, or was before it could be started.
            Message::Close { .. } | Message::Refused { .. } => leave(net),
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "agent"
    }
}
