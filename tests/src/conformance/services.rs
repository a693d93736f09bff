//! Timers, datagrams, services and their end, the exit of the runtime, `info`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidelock_core::{
    Bytes, CloseReason, Config, ConnectOptions, Endpoint, FaultKind, ListenOptions, Message,
    MessageKind, Operation, SendError, SocketId, SocketState, Stale, TimerId, UdpOptions,
};

use crate::arm::ArmKind;
use crate::scripted::PeerRead;
use crate::world::{World, pattern};

fn timers(world: &World) -> Vec<TimerId> {
    world.look(|log| {
        let timer = |message: &Message| match message {
            Message::Timer { timer } => Some(*timer),
            _ => None,
        };
        log.iter().filter_map(|entry| timer(&entry.message)).collect()
    })
}

/// Timers come once, in the order of their deadlines, and not early.
pub fn timers_come_once_and_in_order(kind: ArmKind) {
    let mut world = World::new(kind);
    let (late, early) = world.ask(|net| {
        (net.set_timer(Duration::from_millis(120)), net.set_timer(Duration::from_millis(40)))
    });
    assert_eq!(timers(&world), []);
    world.wait_for("the late one", |it| matches!(it, Message::Timer { timer } if *timer == late));
    assert!(world.arm().time() >= Duration::from_millis(120), "closed before its timeout");
    world.pass(Duration::from_millis(50));
    assert_eq!(timers(&world), [early, late]);
    world.finish();
}

/// A cancelled timer never comes; cancelling again, or after it came, answers so.
pub fn a_cancelled_timer_never_comes(kind: ArmKind) {
    let mut world = World::new(kind);
    let (kept, cancelled) = world.ask(|net| {
        (net.set_timer(Duration::from_millis(20)), net.set_timer(Duration::from_millis(10)))
    });
    assert!(world.ask(move |net| net.cancel_timer(cancelled)) || !timers(&world).is_empty());
    world.wait_for("the other", |it| matches!(it, Message::Timer { timer } if *timer == kept));
    world.pass(Duration::from_millis(30));
    assert!(!world.ask(move |net| net.cancel_timer(cancelled)), "cancelled before");
    assert!(!world.ask(move |net| net.cancel_timer(kept)), "the timer has fired");
    world.finish();
}

/// A timer that is due and on its way is not delivered after `cancel_timer` returned.
pub fn a_timer_on_its_way_can_still_be_cancelled(kind: ArmKind) {
    let mut world = World::new(kind);
    let set: Arc<Mutex<Vec<TimerId>>> = Arc::default();
    let slot = Arc::clone(&set);
    // Both are due at one time; handling the first cancels the second.
    let service = world.spawn_with(Box::new(move |net, message| {
        if let Message::Timer { timer } = message {
            for other in slot.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                assert!(other == *timer || net.cancel_timer(other));
            }
        }
    }));
    world.ask_as(service, move |net| {
        let timers =
            [net.set_timer(Duration::from_millis(5)), net.set_timer(Duration::from_millis(5))];
        set.lock().unwrap_or_else(PoisonError::into_inner).extend(timers);
    });
    world.pass(Duration::from_millis(40));
    assert_eq!(timers(&world).len(), 1);
    world.finish();
}

fn udp(world: &mut World, options: UdpOptions) -> (SocketId, Endpoint) {
    let id = world.ask(|net| net.udp(options)).expect("a free place");
    let local = world.wait("Listening", |log| {
        log.iter().find_map(|entry| match &entry.message {
            Message::Listening { socket, local } if *socket == id => Some(local.clone()),
            _ => None,
        })
    });
    (id, local)
}

fn loopback() -> UdpOptions {
    UdpOptions::default().bind(([127, 0, 0, 1], 0))
}

fn datagrams(world: &World, id: SocketId) -> Vec<(Endpoint, Bytes)> {
    world.look(|log| {
        let datagram = |message: &Message| match message {
            Message::Udp { socket, from, payload } if *socket == id => {
                Some((from.clone(), payload.clone()))
            }
            _ => None,
        };
        log.iter().filter_map(|entry| datagram(&entry.message)).collect()
    })
}

/// One buffer is one datagram, empty ones included, with the sender's address.
pub fn datagrams_keep_their_bounds_and_their_sender(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, local) = udp(&mut world, loopback());
    let peer = world.arm().peer_open_datagram();
    let payloads: [&[u8]; 3] = [b"first", b"", b"third"];
    for (number, payload) in payloads.into_iter().enumerate() {
        world.arm().peer_datagram(&peer, &local, payload);
        world.wait("a datagram", |log| {
            let count = log.iter().filter(|entry| entry.message.kind() == MessageKind::Udp).count();
            (count > number).then_some(())
        });
    }
    let expected: Vec<(Endpoint, Bytes)> =
        payloads.into_iter().map(|payload| (peer.clone(), Bytes::from_static(payload))).collect();
    assert_eq!(datagrams(&world, id), expected);
    let to = peer.clone();
    world.ask(move |net| {
        net.send_to(id, to.clone(), "one").expect("open");
        net.send_to(id, to, "").expect("empty ones are legal");
    });
    for expected in [b"one".as_slice(), b""] {
        let got = world.until(|world| world.arm().peer_receive(&peer));
        assert_eq!(got, Some((local.clone(), expected.to_vec())));
    }
    world.finish();
}

/// `send` on a datagram socket needs a peer; `udp_connect` gives it one at the call.
pub fn a_datagram_socket_sends_to_its_peer_once_it_has_one(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, local) = udp(&mut world, loopback());
    let peer = world.arm().peer_open_datagram();
    let to = peer.clone();
    world.ask(move |net| {
        assert!(matches!(net.send(id, "nobody"), Err(SendError::NoPeer(_))));
        net.udp_connect(id, to).expect("alive");
        net.send(id, "to the peer").expect("it has a peer now");
    });
    let got = world.until(|world| world.arm().peer_receive(&peer));
    assert_eq!(got, Some((local, b"to the peer".to_vec())));
    world.finish();
}

/// `udp_dial` has its peer from the start.
pub fn a_dialled_datagram_socket_has_its_peer_at_once(kind: ArmKind) {
    let mut world = World::new(kind);
    let peer = world.arm().peer_open_datagram();
    let to = peer.clone();
    world.ask(move |net| {
        let id = net.udp_dial(to).expect("a free place");
        net.send(id, "hello").expect("it has a peer");
    });
    let got = world.until(|world| world.arm().peer_receive(&peer)).expect("a datagram");
    assert_eq!(got.1, b"hello");
    world.finish();
}

/// A stream sends no datagrams, and a datagram socket no oversized ones.
pub fn datagram_sends_are_refused_where_they_make_no_sense(kind: ArmKind) {
    let mut world =
        World::with_config(kind, Config { datagram_bytes_max: 1000, ..Config::default() });
    let (stream, peer) = world.started();
    let (id, _) = udp(&mut world, loopback());
    world.ask(move |net| {
        let to = ([127, 0, 0, 1], 9);
        assert!(matches!(net.send_to(stream, to, "x"), Err(SendError::NoPeer(_))));
        assert!(matches!(net.send_to(id, to, vec![0; 1001]), Err(SendError::TooLarge(_))));
        net.shutdown(stream).expect("alive");
    });
    assert_eq!(world.peer_read_to_end(peer), (Vec::new(), PeerRead::Eof), "no byte was injected");
    world.finish();
}

/// A paused datagram socket is not read until `start`.
pub fn a_paused_datagram_socket_waits_for_start(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, local) = udp(&mut world, loopback().paused(true));
    let peer = world.arm().peer_open_datagram();
    world.arm().peer_datagram(&peer, &local, b"early");
    world.settle();
    assert_eq!(datagrams(&world, id), []);
    world.ask(move |net| net.start(id)).expect("alive");
    world.wait_for("the datagram", |it| it.kind() == MessageKind::Udp);
    world.finish();
}

/// `shutdown` of a datagram socket sends what is queued, then closes.
pub fn shutdown_flushes_datagrams(kind: ArmKind) {
    let mut world = World::new(kind);
    let peer = world.arm().peer_open_datagram();
    let to = peer.clone();
    let id = world.ask(move |net| {
        let id = net.udp(loopback()).expect("a free place");
        for number in 0..5_u8 {
            net.send_to(id, to.clone(), vec![number]).expect("open");
        }
        net.shutdown(id).expect("alive");
        assert!(matches!(net.send_to(id, to, "late"), Err(SendError::Closing(_))));
        id
    });
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    for number in 0..5_u8 {
        let got = world.until(|world| world.arm().peer_receive(&peer)).expect("a datagram");
        assert_eq!(got.1, [number]);
    }
    world.finish();
}

/// A datagram that fails is dropped and reported; the next one goes out, and the socket lives.
/// (scripted)
pub fn a_failing_datagram_stops_no_other(kind: ArmKind) {
    let faults = [
        FaultKind::InvalidInput,
        FaultKind::MessageTooLarge,
        FaultKind::NetworkUnreachable,
        FaultKind::ConnectionRefused,
    ];
    for fault in faults {
        let mut world = World::new(kind);
        let (id, local) = udp(&mut world, loopback());
        let peer = world.arm().peer_open_datagram();
        world.kernel().fail_send(&local, fault);
        let to = peer.clone();
        world.ask(move |net| {
            net.send_to(id, to.clone(), "lost").expect("open");
            net.send_to(id, to, "arrives").expect("open");
        });
        let got = world.until(|world| world.arm().peer_receive(&peer)).expect("a datagram");
        assert_eq!(got.1, b"arrives");
        world.wait_for("the error", |it| {
            matches!(it, Message::Error { socket, fault: told, operation: Operation::SendTo, fatal: false }
                if *socket == id && told.kind == fault)
        });
        world.kernel().fail_receive(&local, fault);
        world.arm().peer_datagram(&peer, &local, b"still received");
        world.wait_for("the datagram", |it| it.kind() == MessageKind::Udp);
        assert_eq!(world.close_of(id), None);
        world.finish();
    }
}

/// Datagrams that the system cannot take wait, without an attempt per turn. (scripted)
pub fn a_clogged_datagram_socket_waits_for_its_event(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, local) = udp(&mut world, loopback());
    let peer = world.arm().peer_open_datagram();
    world.kernel().clog(&local, true);
    let to = peer.clone();
    world.ask(move |net| net.send_to(id, to, "waits").map(|_| ())).expect("open");
    world.settle();
    let calls = world.kernel().calls;
    world.pass(Duration::from_secs(3));
    assert_eq!(world.kernel().calls, calls, "it was tried again and again");
    world.kernel().clog(&local, false);
    let got = world.until(|world| world.arm().peer_receive(&peer)).expect("a datagram");
    assert_eq!(got.1, b"waits");
    world.finish();
}

/// Values of one sender reach one receiver in order.
pub fn posts_keep_their_order(kind: ArmKind) {
    let mut world = World::new(kind);
    let (main, other) = (world.main(), world.spawn());
    world.ask(move |net| {
        for number in 0..200_u32 {
            net.post(other, number).expect("alive");
        }
    });
    let numbers = world.wait("200 values", |log| {
        let number = |message: &Message| match message {
            Message::Posted { from, value } => {
                assert_eq!(*from, Some(main));
                value.downcast_ref::<u32>().copied()
            }
            _ => None,
        };
        let numbers: Vec<u32> = log
            .iter()
            .filter(|entry| entry.service == other)
            .filter_map(|entry| number(&entry.message))
            .collect();
        (numbers.len() == 200).then_some(numbers)
    });
    assert!(numbers.iter().copied().eq(0..200));
    world.finish();
}

/// `release` is graceful: what was sent goes out, listeners and timers end, nothing is delivered
/// any more.
pub fn a_released_service_leaves_gracefully(kind: ArmKind) {
    let mut world = World::new(kind);
    let service = world.spawn();
    let (id, peer) = world.accepted();
    world.ask_as(service, move |net| net.start(id)).expect("alive");
    let flood = world.arm().flood_bytes();
    let bytes = pattern(1, flood);
    let sent = bytes.clone();
    world.ask_as(service, move |net| {
        net.listen(([127, 0, 0, 1], 0), ListenOptions::default()).expect("a free place");
        net.set_timer(Duration::from_millis(20));
        net.send(id, sent).expect("open");
    });
    world.release(service);
    world.settle();
    let told = world.look(|log| log.iter().filter(|entry| entry.service == service).count());
    let (received, end) = world.peer_read_to_end(peer);
    assert_eq!(end, PeerRead::Eof);
    assert!(received == bytes, "{} of {flood} B", received.len());
    world.arm().peer_finish(peer);
    world.pass(Duration::from_millis(50));
    let told_later = world.look(|log| log.iter().filter(|entry| entry.service == service).count());
    assert_eq!(told, told_later, "something was delivered after the release");
    assert_eq!(world.ask(move |net| net.release(service)), Err(Stale));
    let left = info(&mut world);
    assert!(left.iter().all(|socket| socket.socket != id), "{left:?}");
    // The listener of `accepted` belongs to the first driver and lives on.
    assert_eq!(left.len(), 1, "{left:?}");
    world.finish();
}

fn info(world: &mut World) -> Vec<tidelock_core::SocketInfo> {
    let before = world.count(|it| it.kind() == MessageKind::Info);
    world.ask(|net| net.info());
    world.wait("Info", |log| {
        let infos = log.iter().filter_map(|entry| match &entry.message {
            Message::Info(sockets) => Some(sockets.clone()),
            _ => None,
        });
        infos.collect::<Vec<_>>().into_iter().nth(before)
    })
}

/// `info` tells the state, the owner, the ends, and exact counts.
pub fn info_counts_exactly(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.send(id, "four");
    world.send(id, "more");
    world.peer_read_exactly(peer, 8);
    world.arm().peer_send(peer, b"12345");
    world.wait_received(id, 5);
    world.settle();
    let sockets = info(&mut world);
    let listener = sockets.iter().find(|it| it.state == SocketState::Listening).expect("one");
    assert_eq!(listener.accepted, 1);
    let socket = sockets.iter().find(|it| it.socket == id).expect("the socket is open");
    assert_eq!(socket.state, SocketState::Open);
    assert_eq!(socket.owner, Some(world.main()));
    assert_eq!((socket.bytes_in, socket.bytes_out, socket.messages_out), (5, 8, 2));
    assert_eq!((socket.queued_bytes, socket.reading, socket.writing), (0, true, false));
    assert!(socket.local.is_some() && socket.peer.is_some());
    assert!(socket.last_read.is_some() && socket.last_write.is_some());
    world.finish();
}

/// The exit delivers pending output to peers that read.
pub fn an_exit_delivers_what_is_pending(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let flood = world.arm().flood_bytes();
    let bytes = pattern(2, flood);
    world.send(id, bytes.clone());
    world.arm().begin_exit(Duration::from_secs(4));
    let (received, end) = world.peer_read_to_end(peer);
    assert_eq!(end, PeerRead::Eof);
    assert!(received == bytes, "{} of {flood} B", received.len());
    world.arm().peer_finish(peer);
    let report = world.wait_exit();
    assert_eq!(report.unsent_bytes, 0);
    assert_eq!(report.closed_at_deadline, 0);
    assert_eq!(world.count(|it| it.kind() == MessageKind::Exit), 1);
}

/// At the deadline of an exit everything closes, and what was lost is counted.
pub fn an_exit_counts_what_its_deadline_cuts_off(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, _unread) = world.started();
    let flood = world.arm().flood_bytes();
    world.send(id, vec![b'x'; flood]);
    world.settle();
    world.arm().begin_exit(Duration::from_millis(150));
    let report = world.wait_exit();
    let (reason, unsent) = world.close_of(id).expect("the socket is closed");
    assert_eq!(reason, CloseReason::Exit);
    assert!(0 < unsent && unsent < flood as u64);
    assert_eq!(report.unsent, [(id, unsent)]);
    assert_eq!(report.unsent_bytes, unsent);
    assert!(report.closed_at_deadline >= 1);
}

/// During an exit nothing new is opened, and a service may still send from its `Exit`.
pub fn a_service_says_good_bye_at_the_exit(kind: ArmKind) {
    let mut world = World::new(kind);
    let socket: Arc<Mutex<Option<SocketId>>> = Arc::default();
    let slot = Arc::clone(&socket);
    let opened = Arc::new(AtomicUsize::new(0));
    let tried = Arc::clone(&opened);
    let service = world.spawn_with(Box::new(move |net, message| {
        if let Message::Exit = message {
            let id = slot
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .expect("the socket was stored before the exit");
            net.send(id, "good bye").expect("it may still send");
            let at = ([127, 0, 0, 1], 9);
            let opened = [
                net.connect(at, ConnectOptions::default()).is_ok(),
                net.listen(at, ListenOptions::default()).is_ok(),
                net.udp(UdpOptions::default()).is_ok(),
            ];
            tried.fetch_add(1 + 10 * opened.iter().filter(|it| **it).count(), Ordering::Relaxed);
        }
    }));
    let (id, peer) = world.accepted();
    *socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    world.ask_as(service, move |net| net.start(id)).expect("alive");
    world.settle();
    world.arm().begin_exit(Duration::from_secs(2));
    assert_eq!(world.peer_read_to_end(peer), (b"good bye".to_vec(), PeerRead::Eof));
    world.arm().peer_finish(peer);
    world.wait_exit();
    assert_eq!(opened.load(Ordering::Relaxed), 1, "told once, and nothing was opened");
    assert_eq!(world.close_of(id), Some((CloseReason::Exit, 0)));
}

/// An option is set, or its failure is a passing `Error`; the socket lives in both cases.
pub fn options_cost_no_socket(kind: ArmKind) {
    use tidelock_core::SocketOption;
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.ask(move |net| {
        net.set_option(id, SocketOption::Nodelay(true)).expect("alive");
        net.set_option(id, SocketOption::SendBuffer(4096)).expect("alive");
        net.set_option(id, SocketOption::ReceiveBuffer(4096)).expect("alive");
        net.set_option(id, SocketOption::Keepalive(None)).expect("alive");
    });
    world.send(id, "fine");
    assert_eq!(world.peer_read_exactly(peer, 4), b"fine");
    assert_eq!(world.close_of(id), None);
    world.finish();
}
