//! Addresses of a name that race.

use std::time::Duration;

use tidelock_core::{
    CloseReason, Config, ConnectOptions, Endpoint, FaultKind, MessageKind, OpenError, SocketId,
    SocketOption, Target,
};

use crate::arm::ArmKind;
use crate::scripted::{ConnectMode, PeerRead};
use crate::world::World;

/// The delay after which an address is tried beside another (RFC 8305, section 8).
const DELAY: Duration = Duration::from_millis(250);
const MOMENT: Duration = Duration::from_millis(10);

/// Peers that listen and do not answer, under one name.
fn silent(world: &mut World, count: usize) -> Vec<Endpoint> {
    let peers: Vec<Endpoint> = (0..count).map(|_| world.arm().peer_listen()).collect();
    for peer in &peers {
        world.kernel().set_connect_mode(peer, ConnectMode::Hang);
    }
    world.kernel().set_name("service.test", Ok(peers.clone()));
    peers
}

fn answers(world: &mut World, peer: &Endpoint) {
    world.kernel().set_connect_mode(peer, ConnectMode::Accept);
}

fn dial(world: &mut World, options: ConnectOptions) -> SocketId {
    let id = world.ask(move |net| net.connect(Target::host("service.test", 80), options));
    world.settle();
    id.expect("a free place")
}

/// An address that hangs costs the delay, and not the time of the whole. (scripted)
pub fn a_hanging_address_costs_the_delay(kind: ArmKind) {
    let mut world = World::new(kind);
    let peers = silent(&mut world, 2);
    answers(&mut world, &peers[1]);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(DELAY - MOMENT);
    assert!(
        world.arm().peer_accept(&peers[1]).is_none(),
        "the second address is tried after the delay"
    );
    world.pass(2 * MOMENT);
    let peer = world.wait_peer(&peers[1]);
    world.send(id, "found");
    assert_eq!(world.peer_read_exactly(peer, 5), b"found");
    assert_eq!(world.kernel().sockets_open(), 1, "the first attempt is over");
    world.arm().peer_send(peer, b"and heard");
    assert_eq!(world.wait_received(id, 9), b"and heard");
    assert_eq!(world.kinds(id), [MessageKind::Connect, MessageKind::Data]);
    world.finish();
}

/// Bytes from the peer before the connection has its name are not lost. (scripted)
pub fn what_comes_before_the_name_is_told(kind: ArmKind) {
    let mut world = World::new(kind);
    let peers = silent(&mut world, 2);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(DELAY + MOMENT);
    answers(&mut world, &peers[1]);
    let peer = world.arm().peer_accept(&peers[1]).expect("it is under way");
    world.arm().peer_send(peer, b"early");
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_received(id, 5), b"early");
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0));
    world.finish();
}

/// An address that refuses lets the next one begin at once, beside those under way. (scripted)
pub fn a_refusal_does_not_wait_for_the_delay(kind: ArmKind) {
    let mut world = World::new(kind);
    let peers = silent(&mut world, 3);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(DELAY + MOMENT);
    let refused = ConnectMode::Fail(FaultKind::ConnectionRefused);
    world.kernel().set_connect_mode(&peers[1], refused);
    answers(&mut world, &peers[2]);
    world.pass(MOMENT);
    let peer = world.arm().peer_accept(&peers[2]).expect("it is tried at once");
    world.send(id, "third");
    assert_eq!(world.peer_read_exactly(peer, 5), b"third");
    assert_eq!(world.kernel().sockets_open(), 1, "the other attempts are closed");
    world.finish();
}

/// If two connect at the same time, one stays, and the owner is told of one. (scripted)
pub fn of_two_that_connect_one_stays(kind: ArmKind) {
    let mut world = World::new(kind);
    let peers = silent(&mut world, 2);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(DELAY + MOMENT);
    peers.iter().for_each(|peer| answers(&mut world, peer));
    let [first, second] = [0, 1].map(|nth| world.arm().peer_accept(&peers[nth]).unwrap());
    world.send(id, "one");
    let (kept, lost) = match world.peer_next(first, 3) {
        PeerRead::Bytes(bytes) => (bytes, second),
        _over => (world.peer_read_exactly(second, 3), first),
    };
    assert_eq!(kept, b"one");
    let (bytes, _end) = world.peer_read_to_end(lost);
    assert!(bytes.is_empty(), "the loser got {bytes:?}");
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    assert_eq!(world.kernel().sockets_open(), 1);
    world.finish();
}

/// Own close in the middle of a race ends every attempt, and is told once. (scripted)
pub fn a_close_in_a_race_leaves_nothing(kind: ArmKind) {
    let mut world = World::new(kind);
    silent(&mut world, 3);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(2 * DELAY + MOMENT);
    assert_eq!(world.kernel().sockets_open(), 3, "all of them race");
    world.ask(move |net| net.close(id)).expect("the socket is open");
    assert_eq!(world.wait_close(id), (CloseReason::Closed, 0));
    world.settle();
    assert_eq!(world.kernel().sockets_open(), 0);
    assert_eq!(world.kinds(id), [MessageKind::Close]);
    world.finish();
}

/// A service that guesses the id of an attempt that nobody was told of is told that it is gone, and
/// changes nothing. (scripted)
pub fn a_guessed_id_in_a_race_is_nobodys(kind: ArmKind) {
    let mut world = World::new(kind);
    let peers = silent(&mut world, 2);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(DELAY + MOMENT);
    let places = [1, 2].map(|offset| SocketId::from_bits(id.to_bits() + offset).expect("an id"));
    for guessed in places {
        world.ask(move |net| {
            // Some are answered at the call, some later; none of them does anything.
            let _ = (net.start(guessed), net.pause(guessed), net.keep_open(guessed));
            let _ = (net.set_option(guessed, SocketOption::Nodelay(true)), net.finish(guessed));
            let _ = (net.shutdown(guessed), net.close(guessed));
            assert!(net.send(guessed, "nobody").is_err(), "{guessed} accepted a send");
        });
        world.settle();
    }
    answers(&mut world, &peers[1]);
    let peer = world.wait_peer(&peers[1]);
    world.send(id, "mine");
    assert_eq!(world.peer_read_exactly(peer, 4), b"mine");
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    world.finish();
}

/// If nobody answers, the time for the whole ends all attempts. (scripted)
pub fn a_race_that_nobody_wins_times_out(kind: ArmKind) {
    let mut world = World::new(kind);
    silent(&mut world, 3);
    let id = dial(&mut world, ConnectOptions::default().timeout(4 * DELAY));
    world.pass(4 * DELAY + MOMENT);
    let Some((CloseReason::ConnectFailed(fault), 0)) = world.close_of(id) else {
        panic!("{:?}", world.story(id))
    };
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert_eq!(world.kinds(id), [MessageKind::Error, MessageKind::Close]);
    assert_eq!(world.kernel().sockets_open(), 0);
    world.finish();
}

/// With a delay beyond the timeout, and from a port of one's own, addresses are tried only one after
/// the other. (scripted)
pub fn a_race_can_be_forbidden(kind: ArmKind) {
    let slow = ConnectOptions::default().attempt_delay(Duration::MAX);
    let bound = ConnectOptions::default().bind(([127, 0, 0, 1], 7777));
    for options in [slow, bound] {
        is_no_race(World::new(kind), options);
    }
}

fn is_no_race(mut world: World, options: ConnectOptions) {
    let peers = silent(&mut world, 2);
    answers(&mut world, &peers[1]);
    let id = dial(&mut world, options);
    world.pass(8 * DELAY);
    assert!(world.arm().peer_accept(&peers[1]).is_none(), "the first attempt is still under way");
    let refused = ConnectMode::Fail(FaultKind::ConnectionRefused);
    world.kernel().set_connect_mode(&peers[0], refused);
    world.wait_peer(&peers[1]);
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    world.finish();
}

/// A winner that cannot be renamed is an attempt that failed. (scripted)
pub fn a_winner_without_its_name_has_failed(kind: ArmKind) {
    let mut world = World::new(kind);
    let peers = silent(&mut world, 3);
    let id = dial(&mut world, ConnectOptions::default());
    world.pass(DELAY + MOMENT);
    world.kernel().rename_fault = Some(FaultKind::OutOfMemory);
    answers(&mut world, &peers[1]);
    world.settle();
    world.kernel().rename_fault = None;
    answers(&mut world, &peers[2]);
    world.pass(MOMENT);
    let peer = world.arm().peer_accept(&peers[2]).expect("the next address is tried at once");
    world.send(id, "third");
    assert_eq!(world.peer_read_exactly(peer, 5), b"third");
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    assert_eq!(world.kernel().sockets_open(), 1);
    world.finish();
}

/// At the limit of sockets an address has to wait for its turn, and nothing else breaks. (scripted)
pub fn a_race_waits_for_a_place(kind: ArmKind) {
    let mut world = World::with_config(kind, Config { sockets_max: 2, ..Config::default() });
    let peers = silent(&mut world, 2);
    answers(&mut world, &peers[1]);
    let somewhere = world.arm().peer_listen();
    let at = somewhere.clone();
    let other = world.ask(move |net| net.connect(at, ConnectOptions::default()));
    let other = other.expect("a free place");
    world.wait_peer(&somewhere);
    let id = dial(&mut world, ConnectOptions::default());
    let full = world.ask(|net| net.connect(Target::host("a.test", 80), ConnectOptions::default()));
    assert_eq!(full, Err(OpenError::LimitReached));
    world.pass(2 * DELAY);
    assert!(world.arm().peer_accept(&peers[1]).is_none(), "the second address waits for a place");
    world.ask(move |net| net.close(other)).expect("the socket is open");
    world.pass(DELAY + MOMENT);
    world.wait_peer(&peers[1]);
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    world.finish();
}
