//! The beginnings of sockets: listening, accepting, connecting, adopting.

use std::time::Duration;

use tidelock_core::{
    CloseReason, Config, ConnectOptions, FaultKind, ListenOptions, Message, MessageKind, OpenError,
    Operation, Target, Timeout,
};

use crate::arm::ArmKind;
use crate::scripted::{ConnectMode, PeerRead};
use crate::world::{World, pattern};

/// `Connect` once and first, then data both ways.
pub fn a_connect_is_told_once_and_carries_data_both_ways(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.connected(ConnectOptions::default());
    world.send(id, "request");
    assert_eq!(world.peer_read_exactly(peer, 7), b"request");
    world.arm().peer_send(peer, b"answer");
    assert_eq!(world.wait_received(id, 6), b"answer");
    world.arm().peer_finish(peer);
    let kinds = [MessageKind::Connect, MessageKind::Data, MessageKind::Eof, MessageKind::Close];
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0));
    assert_eq!(world.kinds(id), kinds);
    world.finish();
}

/// Messages sent before the connect is done leave after it, in order.
pub fn a_send_before_the_connect_is_done_is_delivered(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    let to = at.clone();
    world.ask(move |net| {
        let id = net.connect(to, ConnectOptions::default()).expect("a free place");
        net.send(id, "first ").expect("allowed while connecting");
        net.send(id, "second").expect("allowed while connecting");
    });
    let peer = world.wait_peer(&at);
    assert_eq!(world.peer_read_exactly(peer, 12), b"first second");
    world.finish();
}

/// A refused connect is a fatal `Error` with its own fault, then `Close`.
pub fn a_refused_connect_says_why(kind: ArmKind) {
    let mut world = World::new(kind);
    let nobody = world.arm().nobody();
    let id = world.ask(move |net| {
        let id = net.connect(nobody, ConnectOptions::default()).expect("a free place");
        net.send(id, "lost").expect("allowed while connecting");
        id
    });
    let (reason, unsent) = world.wait_close(id);
    assert_eq!(unsent, 4);
    let CloseReason::ConnectFailed(fault) = reason else { panic!("closed {reason}") };
    assert_eq!(fault.kind, FaultKind::ConnectionRefused);
    assert!(fault.os.is_some(), "the system's number is kept");
    world.wait_for("the error", |it| {
        matches!(it, Message::Error { socket, fault: told, operation: Operation::Connect, fatal: true }
            if *socket == id && *told == fault)
    });
    assert_eq!(world.kinds(id), [MessageKind::Error, MessageKind::Close]);
    world.finish();
}

/// A port that is taken is an `Error` and a `Close`, and the first listener lives on.
pub fn a_busy_port_is_an_error_of_that_listener_alone(kind: ArmKind) {
    let mut world = World::new(kind);
    let (first, at) = world.listen(ListenOptions::default());
    let again = at.clone();
    let second =
        world.ask(move |net| net.listen(again, ListenOptions::default())).expect("a free place");
    world.wait_close(second);
    assert_eq!(world.kinds(second), [MessageKind::Error, MessageKind::Close]);
    world.wait_for("the reason", |it| {
        matches!(it, Message::Error { socket, fault, operation: Operation::Listen, fatal: true }
            if *socket == second && fault.kind == FaultKind::AddressInUse)
    });
    world.arm().peer_connect(&at);
    world.wait_accept(first, 0);
    world.finish();
}

/// Port 0 becomes a real port, which `Listening` tells.
pub fn listening_on_port_zero_tells_the_real_port(kind: ArmKind) {
    let mut world = World::new(kind);
    let (first, at) = world.listen(ListenOptions::default());
    assert_ne!(at.port(), Some(0));
    let (_, other) = world.listen(ListenOptions::default());
    assert_ne!(at, other, "two listeners have two ports");
    assert_eq!(world.kinds(first), [MessageKind::Listening]);
    world.finish();
}

/// An accepted socket is not read before `start`, and then nothing is missing.
pub fn an_accepted_socket_is_read_from_start_on(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.accepted();
    world.arm().peer_send(peer, b"early");
    world.settle();
    assert!(world.kinds(id).is_empty(), "told before start: {:?}", world.story(id));
    world.ask(move |net| net.start(id)).expect("alive");
    assert_eq!(world.wait_received(id, 5), b"early");
    world.finish();
}

/// An accepted socket can be written before `start`.
pub fn an_accepted_socket_sends_before_start(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.accepted();
    world.send(id, "hello");
    assert_eq!(world.peer_read_exactly(peer, 5), b"hello");
    world.finish();
}

/// With `auto_start` an accepted socket is read at once.
pub fn auto_start_reads_at_once(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, at) = world.listen(ListenOptions::default().auto_start(true));
    let peer = world.arm().peer_connect(&at);
    world.arm().peer_send(peer, b"data");
    let id = world.wait_accept(listener, 0);
    assert_eq!(world.wait_received(id, 4), b"data");
    world.finish();
}

/// A paused listener leaves clients in the backlog until `start`.
pub fn a_paused_listener_accepts_from_start_on(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, at) = world.listen(ListenOptions::default().paused(true));
    let peer = world.arm().peer_connect(&at);
    world.settle();
    assert_eq!(world.count(|it| it.kind() == MessageKind::Accept), 0);
    world.ask(move |net| net.start(listener)).expect("alive");
    let id = world.wait_accept(listener, 0);
    world.send(id, "hi");
    assert_eq!(world.peer_read_exactly(peer, 2), b"hi");
    world.finish();
}

/// `pause` of a listener is answered, and nothing is accepted until `start`.
pub fn a_listener_pauses_and_goes_on(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, at) = world.listen(ListenOptions::default());
    world.ask(move |net| net.pause(listener)).expect("alive");
    world.wait_for("Paused", |it| matches!(it, Message::Paused { socket } if *socket == listener));
    world.arm().peer_connect(&at);
    world.settle();
    assert_eq!(world.count(|it| it.kind() == MessageKind::Accept), 0);
    world.ask(move |net| net.start(listener)).expect("alive");
    world.wait_accept(listener, 0);
    world.finish();
}

/// Accepted children outlive their listener.
pub fn children_outlive_their_listener(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, at) = world.listen(ListenOptions::default());
    let peer = world.arm().peer_connect(&at);
    let id = world.wait_accept(listener, 0);
    world.ask(move |net| net.close(listener)).expect("alive");
    assert_eq!(world.wait_close(listener), (CloseReason::Closed, 0));
    world.ask(move |net| net.start(id)).expect("the child lives");
    world.arm().peer_send(peer, b"still here");
    assert_eq!(world.wait_received(id, 10), b"still here");
    world.finish();
}

/// An accepted socket that nobody starts is closed after its time, without an `Error`.
pub fn an_accepted_socket_that_nobody_starts_times_out(kind: ArmKind) {
    let config = Config { start_timeout: Duration::from_millis(120), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.accepted();
    assert_eq!(world.wait_close(id), (CloseReason::TimedOut(Timeout::Start), 0));
    assert_eq!(world.kinds(id), [MessageKind::Close]);
    assert_eq!(world.peer_read_to_end(peer).0, b"");
    world.finish();
}

/// Starting in time, on the contrary, stops that clock.
pub fn a_started_socket_does_not_time_out(kind: ArmKind) {
    let config = Config { start_timeout: Duration::from_millis(60), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, _peer) = world.started();
    world.pass(Duration::from_millis(150));
    assert_eq!(world.close_of(id), None);
    world.finish();
}

/// A paused outgoing socket is connected and not read.
pub fn a_paused_connect_is_not_read_before_start(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.connected(ConnectOptions::default().paused(true));
    world.arm().peer_send(peer, b"later");
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    world.ask(move |net| net.start(id)).expect("alive");
    assert_eq!(world.wait_received(id, 5), b"later");
    world.finish();
}

/// `pause` while connecting is answered after `Connect`, and nothing is read.
pub fn a_pause_while_connecting_connects_paused(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    let to = at.clone();
    let id = world.ask(move |net| {
        let id = net.connect(to, ConnectOptions::default()).expect("a free place");
        net.pause(id).expect("alive");
        id
    });
    let peer = world.wait_peer(&at);
    world.arm().peer_send(peer, b"later");
    world.wait_for("Paused", |it| matches!(it, Message::Paused { socket } if *socket == id));
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Connect, MessageKind::Paused]);
    world.ask(move |net| net.start(id)).expect("alive");
    assert_eq!(world.wait_received(id, 5), b"later");
    world.finish();
}

/// `shutdown` while connecting connects, flushes, and ends.
pub fn a_shutdown_while_connecting_flushes_after_the_connect(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    let to = at.clone();
    let id = world.ask(move |net| {
        let id = net.connect(to, ConnectOptions::default()).expect("a free place");
        net.send(id, "all of it").expect("allowed while connecting");
        net.shutdown(id).expect("alive");
        id
    });
    let peer = world.wait_peer(&at);
    assert_eq!(world.peer_read_to_end(peer), (b"all of it".to_vec(), PeerRead::Eof));
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    world.finish();
}

/// `close` while connecting ends at once, with everything counted.
pub fn a_close_while_connecting_counts_what_was_queued(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    let id = world.ask(move |net| {
        let id = net.connect(at, ConnectOptions::default()).expect("a free place");
        net.send(id, "four").expect("allowed while connecting");
        net.close(id).expect("alive");
        id
    });
    assert_eq!(world.wait_close(id), (CloseReason::Closed, 4));
    world.finish();
}

/// An adopted stream is told as connected, and works like any other.
pub fn an_adopted_stream_works_like_any_other(kind: ArmKind) {
    let mut world = World::new(kind);
    let (descriptor, peer) = world.arm().adoptable();
    let id = world.ask(move |net| net.adopt_descriptor(descriptor, false)).expect("a free place");
    world.wait_for("Connect", |it| matches!(it, Message::Connect { socket, .. } if *socket == id));
    world.send(id, "out");
    assert_eq!(world.peer_read_exactly(peer, 3), b"out");
    world.arm().peer_send(peer, b"in");
    assert_eq!(world.wait_received(id, 2), b"in");
    world.ask(move |net| net.shutdown(id)).expect("alive");
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    assert_eq!(world.peer_read_to_end(peer), (Vec::new(), PeerRead::Eof));
    world.finish();
}

/// At `sockets_max` the call itself says so, and a free place can be taken again.
pub fn a_full_table_is_told_at_the_call(kind: ArmKind) {
    let mut world = World::with_config(kind, Config { sockets_max: 2, ..Config::default() });
    // A listener that accepts would hold a second place for its next client.
    let options = ListenOptions::default().paused(true);
    let (first, _) = world.listen(options.clone());
    let (_second, _) = world.listen(options.clone());
    let third = world.ask(|net| net.listen(([127, 0, 0, 1], 0), ListenOptions::default()));
    assert_eq!(third, Err(OpenError::LimitReached));
    let at = world.arm().peer_listen();
    let fourth = world.ask(move |net| net.connect(at, ConnectOptions::default()));
    assert_eq!(fourth, Err(OpenError::LimitReached));
    world.ask(move |net| net.close(first)).expect("alive");
    world.wait_close(first);
    world.listen(options);
    world.finish();
}

/// With a full table clients wait in the backlog, the owner is told once, and accepting resumes.
pub fn a_full_table_leaves_clients_in_the_backlog(kind: ArmKind) {
    let mut world = World::with_config(kind, Config { sockets_max: 3, ..Config::default() });
    let (listener, at) = world.listen(ListenOptions::default());
    let peers: Vec<usize> = (0..4).map(|_| world.arm().peer_connect(&at)).collect();
    let first = world.wait_accept(listener, 0);
    world.wait_accept(listener, 1);
    world.wait_for("the limit", |it| {
        matches!(it, Message::Error { socket, fault, operation: Operation::Accept, fatal: false }
            if *socket == listener && fault.kind == FaultKind::LimitReached)
    });
    world.settle();
    assert_eq!(world.count(|it| it.kind() == MessageKind::Accept), 2);
    assert_eq!(world.count(|it| it.kind() == MessageKind::Error), 1);
    world.ask(move |net| net.close(first)).expect("alive");
    let third = world.wait_accept(listener, 2);
    world.ask(move |net| net.close(third)).expect("alive");
    let fourth = world.wait_accept(listener, 3);
    world.send(fourth, "served");
    assert_eq!(world.peer_read_exactly(peers[3], 6), b"served");
    world.finish();
}

/// A host name that cannot be one is refused at the call.
pub fn an_impossible_name_is_refused_at_the_call(kind: ArmKind) {
    let mut world = World::new(kind);
    let refused = world.ask(|net| net.connect(Target::host("", 80), ConnectOptions::default()));
    assert_eq!(refused, Err(OpenError::InvalidTarget));
    world.finish();
}

/// Large transfers in both directions arrive whole and in order.
pub fn a_large_transfer_arrives_whole(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let count = world.arm().flood_bytes();
    let (there, back) = (pattern(1, count), pattern(2, count));
    world.send(id, there.clone());
    world.arm().peer_send(peer, &back);
    assert!(world.peer_read_exactly(peer, count) == there, "the peer got something else");
    assert!(world.wait_received(id, count) == back, "the socket got something else");
    world.finish();
}

/// A connect that hangs is given up after its own timeout. (scripted)
pub fn a_hanging_connect_times_out(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    world.kernel().set_connect_mode(&at, ConnectMode::Hang);
    let options = ConnectOptions::default().timeout(Duration::from_millis(300));
    let id = world.ask(move |net| net.connect(at, options)).expect("a free place");
    world.pass(Duration::from_millis(290));
    assert_eq!(world.close_of(id), None, "closed before its timeout");
    world.pass(Duration::from_millis(20));
    let Some((CloseReason::ConnectFailed(fault), 0)) = world.close_of(id) else {
        panic!("{:?}", world.story(id))
    };
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert_eq!(world.kinds(id), [MessageKind::Error, MessageKind::Close]);
    world.finish();
}

/// The addresses of a name are tried in turn, and the first one that answers wins. (scripted)
pub fn the_addresses_of_a_name_are_tried_in_turn(kind: ArmKind) {
    let mut world = World::new(kind);
    let (dead, alive) = (world.arm().nobody(), world.arm().peer_listen());
    world.kernel().set_name("service.test", Ok(vec![dead, alive.clone()]));
    let id = world
        .ask(|net| net.connect(Target::host("service.test", 80), ConnectOptions::default()))
        .expect("a free place");
    let peer = world.wait_peer(&alive);
    world.send(id, "found");
    assert_eq!(world.peer_read_exactly(peer, 5), b"found");
    assert_eq!(world.kinds(id), [MessageKind::Connect]);
    world.finish();
}

/// A name without addresses is an `Error` of the resolver and a `Close`. (scripted)
pub fn an_unknown_name_says_why(kind: ArmKind) {
    let mut world = World::new(kind);
    let id = world
        .ask(|net| net.connect(Target::host("nowhere.test", 80), ConnectOptions::default()))
        .expect("a free place");
    let (reason, _) = world.wait_close(id);
    assert!(
        matches!(reason, CloseReason::ConnectFailed(fault) if fault.kind == FaultKind::NameNotFound),
        "{reason}"
    );
    assert_eq!(world.kinds(id), [MessageKind::Error, MessageKind::Close]);
    world.finish();
}

/// Out of descriptors the listener survives, stays quiet, tells once, and resumes by a timer,
/// without a new edge. (scripted)
pub fn out_of_descriptors_accepting_resumes_by_a_timer(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, at) = world.listen(ListenOptions::default());
    world.kernel().descriptors_left = Some(1);
    let peers: Vec<usize> = (0..4).map(|_| world.arm().peer_connect(&at)).collect();
    world.wait_accept(listener, 0);
    world.wait_for("the failure", |it| {
        matches!(it, Message::Error { socket, fault, operation: Operation::Accept, fatal: false }
            if *socket == listener && fault.kind == FaultKind::DescriptorsExhausted)
    });
    let calls_before = world.kernel().calls;
    world.pass(Duration::from_secs(10));
    let calls = world.kernel().calls - calls_before;
    assert!((5..40).contains(&calls), "{calls} calls in ten seconds without descriptors");
    assert_eq!(world.count(|it| it.kind() == MessageKind::Error), 1, "the error is told once");
    world.kernel().descriptors_left = None;
    world.pass(Duration::from_millis(1100));
    assert_eq!(world.count(|it| it.kind() == MessageKind::Accept), 4, "all are served");
    let last = world.wait_accept(listener, 3);
    world.send(last, "served");
    assert_eq!(world.peer_read_exactly(peers[3], 6), b"served");
    world.finish();
}

/// A connection that died in the backlog, and every other passing error, costs no listener.
/// (scripted)
pub fn no_error_of_accept_kills_a_listener(kind: ArmKind) {
    let faults = [
        FaultKind::ConnectionAborted,
        FaultKind::PermissionDenied,
        FaultKind::OutOfMemory,
        FaultKind::NetworkUnreachable,
        FaultKind::Other,
    ];
    for fault in faults {
        let mut world = World::new(kind);
        let (listener, at) = world.listen(ListenOptions::default());
        world.kernel().fail_accept(&at, fault);
        world.arm().peer_connect(&at);
        world.wait_accept(listener, 0);
        assert_eq!(world.close_of(listener), None, "{fault} closed the listener");
        world.finish();
    }
}

/// A connect whose failure is reported after its socket was closed is not closed once more.
/// (scripted)
pub fn a_connect_that_fails_under_a_close_is_over(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    world.kernel().set_connect_mode(&at, ConnectMode::Hang);
    let to = at.clone();
    let id = world.ask(move |net| net.connect(to, ConnectOptions::default()));
    let id = id.expect("a free place");
    world.settle();
    world.ask(move |net| net.close(id)).expect("alive");
    // The close is on its way to the Mux while the failure is on its way too.
    world.kernel().set_connect_mode(&at, ConnectMode::Fail(FaultKind::ConnectionRefused));
    assert_eq!(world.wait_close(id), (CloseReason::Closed, 0));
    assert_eq!(world.kinds(id), [MessageKind::Close]);
    world.finish();
}
