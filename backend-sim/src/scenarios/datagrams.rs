//! Datagrams with and without a peer.

use std::time::Duration;

use tidelock_core::{Bytes, Endpoint, Message, Net, SendError, Service, SocketOption, UdpOptions};
use tidelock_net::chance::streams::Stream;
use tidelock_net::system::kernel::Address;
use tidelock_net::words::operation::{Action, Operation};
use tidelock_net::words::ports::{DEAD_PORT, SERVER, SERVER_PORT};

use super::planner::{Planner, keep_calm};
use crate::stage::address;
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Clients send datagrams of all sizes; the server sends each back to where it came from.
pub(super) fn datagrams() -> Scenario {
    Scenario::new(
        "datagrams",
        "datagrams with and without a peer, lost, doubled, overtaken, to dead ports",
        |stage| {
            stage.host("client").service(Dialer::default);
            stage.host("server").service(|| Reflector);
        },
    )
    .adjust(adjust)
    .plan(plan)
    // Datagrams overtake each other: nothing in it is a stream whose pieces could be compared.
    .timed()
}

fn adjust(options: &mut Options) {
    options.message_bytes_max = options.message_bytes_max.min(1 << 14);
    // Scripted peers know only streams.
    options.scripted = 0;
    keep_calm(options);
}

fn plan(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    for number in 0..options.connections {
        let at = plan.early(4);
        // Some ask for a port, and one port is asked for twice.
        let port = if plan.stream.one_in(3) { 5000 + (number / 2) as u16 } else { 0 };
        let port = if options.is_calm() && number % 2 == 1 { 0 } else { port };
        let line = plan.open(at, Action::Udp { port });
        let mut peer = None;
        let share = 1 + options.operations / options.connections;
        for _ in 0..share + plan.stream.below(4) {
            if plan.stream.one_in(2) {
                plan.wait(line, 8);
            }
            let bytes = match plan.stream.below(8) {
                0 => 0,
                1 => options.message_bytes_max,
                _ => options.draw_message_bytes(plan.stream),
            };
            let to = if plan.stream.one_in(4) { DEAD_PORT } else { SERVER_PORT };
            match plan.stream.below(10) {
                0 | 1 => {
                    plan.ask(line, |on| Action::UdpConnect { on, to: SERVER, port: to });
                    peer = Some(to);
                }
                2 => plan.ask(line, |on| Action::Pause { on }),
                3 => plan.ask(line, |on| Action::Start { on }),
                4..=6 if peer.is_some() => {
                    let is_low = plan.stream.one_in(4);
                    plan.send(line, bytes, is_low);
                }
                _ => plan.send_to(line, SERVER, to, bytes),
            }
        }
        plan.wait(line, 2);
        match plan.stream.below(3) {
            0 => plan.ask(line, |on| Action::Shutdown { on }),
            1 => plan.ask(line, |on| Action::Close { on }),
            _ => {}
        }
    }
    plan.finish()
}

/// Sends each datagram back, one with a refused answer is dropped.
struct Reflector;

impl Service for Reflector {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        let options = UdpOptions::default().bind(at).option(SocketOption::Broadcast(true));
        // If it cannot be opened, datagrams go to a dead port.
        let _refused = net.udp(options);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Udp { socket, from, payload } = message {
            match net.send_to(socket, from, payload) {
                // A datagram may be lost anywhere.
                Ok(_) | Err(SendError::SocketFull(_) | SendError::TotalFull(_)) => {}
                Err(error) => assert!(
                    matches!(error, SendError::Closing(_) | SendError::Stale(_)),
                    "an answer is refused: {error}"
                ),
            }
        }
    }

    fn name(&self) -> &'static str {
        "reflector"
    }
}

/// Dials the server and sends it a few datagrams; only those may come back.
#[derive(Default)]
struct Dialer {
    sent: Vec<Bytes>,
}

/// The server has this long to open its socket.
const START: Duration = Duration::from_millis(2);
/// The dialer sends so many.
const DIALED_MAX: u64 = 6;

impl Service for Dialer {
    fn on_start(&mut self, net: &mut Net<'_>) {
        net.set_timer(START);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let server = address::endpoint(Address { host: SERVER, port: SERVER_PORT });
        match message {
            Message::Timer { .. } => {
                // Without a free id, or at the end, there is nobody to dial.
                let Ok(id) = net.udp_dial(server) else { return };
                for number in 0..1 + net.random() % DIALED_MAX {
                    let length = (net.random() % 32) as usize;
                    let payload = Bytes::from(vec![number as u8; length]);
                    if net.send(id, payload.clone()).is_ok() {
                        self.sent.push(payload);
                    }
                }
            }
            Message::Udp { from, payload, .. } => {
                assert_eq!(from, server, "a dialed socket hears only its peer");
                assert!(self.sent.contains(&payload), "{payload:?} was never sent");
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "dialer"
    }
}
