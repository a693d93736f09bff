//! The rows of the tables, and the steps that bring a socket into each state.

use tidelock_core::{
    ConnectOptions, Event, ListenOptions, Readiness, SocketId, SocketState, UdpOptions,
};

use crate::cell::World;
use crate::puppet::{connected, endpoint};

/// A row of the tables.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The state that the Mux reports; `None` if the id is not alive.
    pub(crate) state: Option<SocketState>,
    /// Brings a socket into the state.
    pub(crate) build: fn(&mut World) -> SocketId,
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "stale", state: None, build: stale },
    Row { name: "Connecting", state: Some(SocketState::Connecting), build: connecting },
    Row { name: "Listening", state: Some(SocketState::Listening), build: listening },
    Row { name: "Accepted", state: Some(SocketState::Accepted), build: accepted },
    Row { name: "Open", state: Some(SocketState::Open), build: open },
    Row { name: "Open, paused", state: Some(SocketState::Open), build: paused },
    Row { name: "Open, output pending", state: Some(SocketState::Open), build: pending },
    Row { name: "EofSeen", state: Some(SocketState::EofSeen), build: eof_seen },
    Row { name: "Flushing", state: Some(SocketState::Flushing), build: flushing },
    Row { name: "Flushing, finish", state: Some(SocketState::Flushing), build: finishing },
    Row { name: "Draining", state: Some(SocketState::Draining), build: draining },
    Row { name: "Draining, finish", state: Some(SocketState::Draining), build: finished },
    Row { name: "Closing", state: Some(SocketState::Closing), build: closing },
    Row { name: "Datagram", state: Some(SocketState::Datagram), build: datagram },
    Row {
        name: "Datagram, flushing",
        state: Some(SocketState::Flushing),
        build: datagram_flushing,
    },
];

fn connecting(world: &mut World) -> SocketId {
    let id = world.ask(|net| net.connect(endpoint(9), ConnectOptions::default()).unwrap());
    world.work();
    id
}

fn listening(world: &mut World) -> SocketId {
    let id = world.ask(|net| net.listen(endpoint(9), ListenOptions::default()).unwrap());
    world.work();
    id
}

fn accepted(world: &mut World) -> SocketId {
    let listener = listening(world);
    world.puppet.accepts.push_back(Ok(connected()));
    world.event(Event::Ready { id: listener, readiness: Readiness::READABLE });
    world.accepted.expect("the listener accepted")
}

fn open(world: &mut World) -> SocketId {
    let id = connecting(world);
    world.puppet.connect = Some(Ok(()));
    world.event(Event::Ready { id, readiness: Readiness::WRITABLE });
    id
}

fn stale(world: &mut World) -> SocketId {
    let id = open(world);
    world.ask(move |net| net.close(id).unwrap());
    world.work();
    id
}

fn paused(world: &mut World) -> SocketId {
    let id = open(world);
    world.ask(move |net| net.pause(id).unwrap());
    world.work();
    id
}

fn pending(world: &mut World) -> SocketId {
    let id = open(world);
    world.ask(move |net| net.send(id, "pending").unwrap());
    world.work();
    id
}

fn eof_seen(world: &mut World) -> SocketId {
    let id = open(world);
    world.ask(move |net| net.keep_open(id).unwrap());
    world.puppet.reads.push_back(Ok("".into()));
    world.event(Event::Ready { id, readiness: Readiness::READABLE });
    id
}

fn flushing(world: &mut World) -> SocketId {
    let id = pending(world);
    world.ask(move |net| net.shutdown(id).unwrap());
    world.work();
    id
}

fn finishing(world: &mut World) -> SocketId {
    let id = pending(world);
    world.ask(move |net| net.finish(id).unwrap());
    world.work();
    id
}

fn draining(world: &mut World) -> SocketId {
    let id = open(world);
    world.ask(move |net| net.shutdown(id).unwrap());
    world.work();
    id
}

fn finished(world: &mut World) -> SocketId {
    let id = open(world);
    world.ask(move |net| net.finish(id).unwrap());
    world.work();
    id
}

fn closing(world: &mut World) -> SocketId {
    let id = open(world);
    world.puppet.closes_later = true;
    world.ask(move |net| net.close(id).unwrap());
    world.work();
    id
}

fn datagram(world: &mut World) -> SocketId {
    let id = world.ask(|net| net.udp(UdpOptions::default().peer(endpoint(9))).unwrap());
    world.work();
    id
}

fn datagram_flushing(world: &mut World) -> SocketId {
    let id = datagram(world);
    world.ask(move |net| {
        net.send(id, "pending").unwrap();
        net.shutdown(id).unwrap();
    });
    world.work();
    id
}
