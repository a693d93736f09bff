//! The results of a poll: as the judge sees them, and as the Mux takes them.

use tidelock_core::{Event, FaultKind, Readiness as Bits, SocketId};
use tidelock_net::chance::choices::Choices;
use tidelock_net::system::kernel::{Completion, Polled};

use crate::actors::host::fault::fault;
use crate::actors::host::io::Io;
use crate::actors::shared::Shared;
use crate::judge::coverage::sometimes;
use crate::stage::address::{connected, endpoint};

/// An event as the host holds it, and the descriptor of a completion.
pub type Fetched = (Option<u32>, Event);

/// The kernel and the judge see an event handed over, right before the Mux does. `is_closing`: the
/// Mux has let go of the socket.
#[inline]
pub fn hand_over<C: Choices>(
    io: &mut Io,
    shared: &mut Shared<C>,
    host: u16,
    fetched: &Fetched,
    is_closing: bool,
) {
    let (socket, event) = fetched;
    if let Event::Ready { id, readiness } = event {
        return hand_over_readiness(shared, host, *id, *readiness);
    }
    if let Some(socket) = *socket {
        shared.kernel.handed_over(socket);
    }
    if let Event::Connected { id, result: Err(_) } = event
        && io.socket(*id).is_some()
    {
        // A connect that failed leaves nothing behind.
        let is_later = shared.kernel.close(io.remove(*id), false);
        assert!(!is_later, "nothing else is pending for it");
    }
    let is_in_vain = is_closing && matches!(event, Event::Connected { result: Ok(_), .. });
    sometimes!(shared.coverage, is_in_vain, "connected-in-vain");
    let oracle = &mut shared.oracle;
    match event {
        Event::Received { id, result: Ok(bytes) } => oracle.read(host, *id, bytes),
        Event::Written { id, result: Ok(count) } => {
            oracle.took_offered(host, *id, *count, is_closing);
        }
        // What a close cancels has not failed.
        Event::Received { id, result: Err(fault) } | Event::Written { id, result: Err(fault) }
            if fault.kind != FaultKind::Cancelled =>
        {
            oracle.failed(host, *id, *fault);
        }
        Event::Connected { id, result: Err(fault) }
        | Event::Resolved { id, result: Err(fault) } => {
            oracle.failed_to_open(host, *id, *fault);
        }
        Event::Resolved { id, result: Ok(addresses) } => {
            oracle.resolved(host, *id, addresses.len() as u32);
        }
        Event::ReceivedFrom { id, result: Ok((_, payload)) } => {
            oracle.received_datagram(host, *id, payload);
        }
        _ => {}
    }
}

fn hand_over_readiness<C: Choices>(shared: &mut Shared<C>, host: u16, id: SocketId, bits: Bits) {
    let fin = bits.peer_closed && bits.readable && !bits.failed;
    sometimes!(shared.coverage, fin, "fin-told-before-it-was-read");
    sometimes!(shared.coverage, bits.failed, "event-of-a-failure");
    if bits.peer_closed {
        shared.oracle.fin_noticed(host, id);
    }
}

/// Returns the class of an event in a failure's signature: the gravest that it says.
pub fn class(event: &Event) -> &'static str {
    match event {
        Event::Ready { readiness, .. } if readiness.failed => "failed",
        Event::Ready { readiness, .. } if readiness.peer_closed => "fin",
        Event::Ready { readiness, .. } if readiness.readable => "readable",
        Event::Ready { .. } => "writable",
        Event::Resolved { .. } => "resolved",
        Event::Connected { .. } => "connected",
        Event::Accepted { .. } => "accepted",
        Event::Received { .. } => "received",
        Event::ReceivedFrom { .. } => "received-from",
        Event::Written { .. } => "written",
        Event::SentTo { .. } => "sent-to",
        Event::Closed { .. } => "closed",
        other => unreachable!("{other:?} is no event that this simulator knows"),
    }
}

/// Returns the result of a poll, as the Mux takes it.
pub fn fetch<C: Choices>(
    io: &mut Io,
    shared: &mut Shared<C>,
    host: u16,
    polled: Polled,
) -> Fetched {
    let oracle = &mut shared.oracle;
    let name = |token| SocketId::from_bits(token).expect("every token is an id");
    match polled {
        Polled::Ready { token, bits } => {
            let readiness = Bits {
                readable: bits.readable,
                writable: bits.writable,
                peer_closed: bits.peer_closed,
                failed: bits.failed,
            };
            (None, Event::Ready { id: name(token), readiness })
        }
        Polled::Completion { socket: completed, completion } => {
            let event = match completion {
                Completion::Connected { token, result } => {
                    let id = name(token);
                    Event::Connected { id, result: result.map(connected).map_err(fault) }
                }
                Completion::Accepted { token, child, result } => {
                    let id = name(child);
                    if let Ok((socket, ..)) = result {
                        io.insert(id, socket);
                        oracle.opened(host, id, shared.kernel.end_of(socket));
                    }
                    let result = result.map(|(_, local, peer)| connected((local, peer)));
                    Event::Accepted { listener: name(token), id, result: result.map_err(fault) }
                }
                Completion::Received { token, result } => {
                    Event::Received { id: name(token), result: result.map_err(fault) }
                }
                Completion::ReceivedFrom { token, result } => Event::ReceivedFrom {
                    id: name(token),
                    result: result.map(|(from, payload)| (endpoint(from), payload)).map_err(fault),
                },
                Completion::Written { token, result } => {
                    Event::Written { id: name(token), result: result.map_err(fault) }
                }
                Completion::Closed { token } => Event::Closed { id: name(token) },
            };
            (Some(completed), event)
        }
    }
}
