//! The times after which a socket is given up, and those of its own.

use std::time::Duration;

use tidelock_core::{
    CloseReason, Config, ConnectOptions, FaultKind, ListenOptions, Message, MessageKind, Operation,
    SocketId, SocketOption, Timeout, UdpOptions,
};

use crate::arm::ArmKind;
use crate::scripted::PeerRead;
use crate::world::{World, pattern};

const SPAN: Duration = Duration::from_millis(250);
const STEP: Duration = Duration::from_millis(50);

fn over(which: Timeout) -> Option<(CloseReason, u64)> {
    Some((CloseReason::TimedOut(which), 0))
}

/// A socket silent in both directions is closed after `idle_timeout`, a busy one is not.
pub fn an_idle_socket_times_out_and_a_busy_one_does_not(kind: ArmKind) {
    let config = Config { idle_timeout: Some(Duration::from_millis(250)), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (idle, _idle_peer) = world.started();
    let (busy, peer) = world.started();
    for _ in 0..10 {
        world.pass(Duration::from_millis(50));
        world.arm().peer_send(peer, b".");
    }
    let timed_out = CloseReason::TimedOut(tidelock_core::Timeout::Idle);
    assert_eq!(world.close_of(idle), Some((timed_out, 0)));
    assert_eq!(world.kinds(idle), [MessageKind::Close], "a timeout is no Error");
    assert_eq!(world.close_of(busy), None);
    world.finish();
}

/// With `read_idle_timeout` a socket that hears nothing is closed, however much it writes.
pub fn a_socket_that_hears_nothing_times_out_while_it_writes(kind: ArmKind) {
    let config = Config { read_idle_timeout: Some(SPAN), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (deaf, deaf_peer) = world.started();
    let (heard, peer) = world.started();
    for _ in 0..10 {
        world.pass(STEP);
        if world.close_of(deaf).is_none() {
            world.ask(move |net| net.send(deaf, ".").map(drop)).ok();
        }
        world.arm().peer_send(peer, b".");
    }
    assert_eq!(world.close_of(deaf), over(Timeout::ReadIdle));
    assert_eq!(world.kinds(deaf), [MessageKind::Close], "a timeout is no Error");
    assert!(world.peer_read_to_end(deaf_peer).0.len() >= 3, "it wrote until then");
    assert_eq!(world.close_of(heard), None);
    world.finish();
}

/// While an owner has paused a socket nothing is heard, and `start` counts anew.
pub fn a_pause_is_no_silence(kind: ArmKind) {
    let config = Config { read_idle_timeout: Some(SPAN), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, _peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    world.pass(2 * SPAN);
    assert_eq!(world.close_of(id), None, "{:?}", world.story(id));
    world.ask(move |net| net.start(id)).expect("alive");
    world.pass(SPAN / 2);
    assert_eq!(world.close_of(id), None, "{:?}", world.story(id));
    assert_eq!(Some(world.wait_close(id)), over(Timeout::ReadIdle));
    world.finish();
}

/// With `write_stall_timeout` a peer that does not read is given up while the socket is open, and
/// one that reads a little now and then is not.
pub fn a_peer_that_takes_nothing_is_given_up_while_it_talks(kind: ArmKind) {
    let config = Config { write_stall_timeout: Some(SPAN), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (stuck, stuck_peer) = world.started();
    let (slow, peer) = world.started();
    let count = world.arm().flood_bytes();
    let bytes = pattern(9, count);
    world.send(stuck, bytes.clone());
    world.send(slow, bytes.clone());
    let mut received = Vec::new();
    for _ in 0..10 {
        world.pass(STEP);
        received.extend(world.peer_read_exactly(peer, count / 10));
        if world.close_of(stuck).is_none() {
            world.arm().peer_send(stuck_peer, b".");
        }
    }
    let (reason, unsent) = world.wait_close(stuck);
    assert_eq!(reason, CloseReason::TimedOut(Timeout::WriteStall));
    assert!(0 < unsent && unsent < count as u64, "{unsent} of {count} B unsent");
    assert_eq!(world.peer_read_to_end(stuck_peer).1, PeerRead::Reset);
    assert_eq!(world.close_of(slow), None);
    let rest = world.peer_read_exactly(peer, count - received.len());
    received.extend(rest);
    assert!(received == bytes, "the slow one was torn");
    // With nothing queued nothing is stuck.
    world.pass(2 * SPAN);
    assert_eq!(world.close_of(slow), None);
    world.finish();
}

/// Output that was stuck before a socket was started counts as stuck from the start on.
pub fn output_that_was_stuck_before_start_counts_from_there(kind: ArmKind) {
    let config = Config { write_stall_timeout: Some(SPAN), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, _peer) = world.accepted();
    let count = world.arm().flood_bytes();
    world.send(id, pattern(9, count));
    world.pass(2 * SPAN);
    assert_eq!(world.close_of(id), None, "it was not open yet");
    world.ask(move |net| net.start(id)).expect("alive");
    world.pass(SPAN / 2);
    assert_eq!(world.close_of(id), None, "{:?}", world.story(id));
    assert_eq!(world.wait_close(id).0, CloseReason::TimedOut(Timeout::WriteStall));
    world.finish();
}

/// A socket's own time counts in place of the configuration's, from the moment that it is set; a
/// longer one and one for ever as well as a shorter.
pub fn a_socket_has_times_of_its_own(kind: ArmKind) {
    let config = Config { idle_timeout: Some(2 * SPAN), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (short, _short_peer) = world.started();
    let (plain, _plain_peer) = world.started();
    let (long, _long_peer) = world.started();
    let idle = |span| SocketOption::Timeout(Timeout::Idle, span);
    world.ask(move |net| {
        net.set_option(short, idle(SPAN / 2)).expect("alive");
        net.set_option(long, idle(Duration::MAX)).expect("alive");
    });
    assert_eq!(Some(world.wait_close(short)), over(Timeout::Idle));
    assert_eq!(world.close_of(plain), None, "a socket keeps the time of the configuration");
    assert_eq!(Some(world.wait_close(plain)), over(Timeout::Idle));
    world.pass(SPAN);
    assert_eq!(world.close_of(long), None, "a timeout of `Duration::MAX` never expires");
    world.ask(move |net| net.set_option(long, idle(STEP))).expect("alive");
    assert_eq!(Some(world.wait_close(long)), over(Timeout::Idle));
    assert_eq!(world.kinds(long), [MessageKind::Close], "a timeout is no Error");
    world.finish();
}

/// The times of a listener hold for its connections, and a connect has its own.
pub fn times_of_their_own_are_set_where_sockets_begin(kind: ArmKind) {
    let mut world = World::new(kind);
    let start = SocketOption::Timeout(Timeout::Start, SPAN);
    let (listener, local) = world.listen(ListenOptions::default().accepted(start));
    let _peer = world.arm().peer_connect(&local);
    let accepted = world.wait_accept(listener, 0);
    let idle = SocketOption::Timeout(Timeout::ReadIdle, SPAN);
    let (dialled, _dialled_peer) = world.connected(ConnectOptions::default().option(idle));
    assert_eq!(Some(world.wait_close(accepted)), over(Timeout::Start));
    assert_eq!(Some(world.wait_close(dialled)), over(Timeout::ReadIdle));
    assert_eq!(world.kinds(accepted), [MessageKind::Close], "a timeout is no Error");
    world.finish();
}

/// The times of the end are a socket's own as well: none at all resets at once who is not done.
pub fn a_linger_of_nothing_ends_at_once(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.send(id, "all of it");
    world.ask(move |net| {
        let linger = SocketOption::Timeout(Timeout::Linger, Duration::ZERO);
        net.set_option(id, linger).expect("alive");
        net.shutdown(id).expect("alive");
    });
    assert_eq!(world.wait_close(id), (CloseReason::TimedOut(Timeout::Linger), 0));
    assert_eq!(world.peer_read_to_end(peer).0, b"all of it");
    world.finish();
}

/// A time for something that a socket never waits for is refused to it, and nothing else is lost.
pub fn a_time_that_no_socket_waits_for_is_refused(kind: ArmKind) {
    let mut world = World::new(kind);
    let idle = SocketOption::Timeout(Timeout::Idle, SPAN);
    let (listener, local) = world.listen(ListenOptions::default().option(idle.clone()));
    refused(&mut world, listener, 1);
    let again = idle.clone();
    world.ask(move |net| net.set_option(listener, again)).expect("alive");
    refused(&mut world, listener, 2);
    let options = UdpOptions::default().option(idle);
    let udp = world.ask(|net| net.udp(options));
    let udp = udp.expect("a free place");
    refused(&mut world, udp, 1);
    world.ask(move |net| {
        let flush = SocketOption::Timeout(Timeout::Flush, SPAN);
        net.set_option(udp, flush).expect("alive");
    });
    world.settle();
    refused(&mut world, udp, 1);
    let _peer = world.arm().peer_connect(&local);
    world.wait_accept(listener, 0);
    world.finish();
}

fn refused(world: &mut World, id: SocketId, times: usize) {
    let is_refusal = |message: &Message| match message {
        Message::Error { socket, fault, operation, fatal: false } => {
            assert_eq!(fault.kind, FaultKind::Unsupported, "{id}");
            assert_eq!(*operation, Operation::SetOption, "{id}");
            *socket == id
        }
        _ => false,
    };
    let told = world.until(|world| (world.count(is_refusal) >= times).then_some(()));
    assert!(told.is_some(), "{id}: expected {times} refusals of its time");
    assert_eq!(world.count(is_refusal), times, "{id}");
}
