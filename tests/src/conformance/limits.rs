//! Limits: full outboxes, warnings, what is too large, generations that wrap.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidelock_core::{
    AcceptRate, Bytes, CloseReason, Config, ConnectOptions, Endpoint, FaultKind, ListenOptions,
    Message, MessageKind, Operation, SendError, SocketId,
};

use crate::arm::ArmKind;
use crate::scripted::{ConnectMode, PeerRead};
use crate::world::{World, pattern};

/// The charge of one message besides its bytes.
const OVERHEAD: usize = tidelock_core::MESSAGE_OVERHEAD_BYTES;

fn warnings(world: &World, id: SocketId) -> Vec<u64> {
    world.look(|log| {
        let warning = |message: &Message| match message {
            Message::Warning { socket, pending_bytes } if *socket == id => Some(*pending_bytes),
            _ => None,
        };
        log.iter().filter_map(|entry| warning(&entry.message)).collect()
    })
}

/// A connecting socket that nothing leaves, until the mode of the address is changed.
fn hanging(world: &mut World) -> (SocketId, Endpoint) {
    let at = world.arm().peer_listen();
    world.kernel().set_connect_mode(&at, ConnectMode::Hang);
    let to = at.clone();
    let id = world.ask(move |net| net.connect(to, ConnectOptions::default()));
    world.settle();
    (id.expect("a free place"), at)
}

/// `Warning` comes at `warn_bytes · 2^k` exactly, once for each, and zero once when drained.
/// (scripted)
pub fn warnings_come_at_each_doubling_exactly(kind: ArmKind) {
    let mut world = World::with_config(kind, Config { warn_bytes: 1000, ..Config::default() });
    let (id, at) = hanging(&mut world);
    let mut pending = 0;
    let mut told = Vec::new();
    // Each step: send so much, and whether that passes a mark.
    let steps = [(999, false), (1, true), (999, false), (1, true), (1999, false), (1, true)];
    for (count, is_due) in steps {
        pending += count;
        world.send(id, vec![b'w'; count]);
        world.settle();
        if is_due {
            told.push(pending as u64);
        }
        assert_eq!(warnings(&world, id), told, "after {pending} B");
    }
    // A jump over several marks is one warning, and the next mark lies above it.
    for (count, is_due) in [(60_000, true), (100, false), (0, false)] {
        pending += count;
        world.send(id, vec![b'w'; count]);
        world.settle();
        if is_due {
            told.push(pending as u64);
        }
        assert_eq!(warnings(&world, id), told, "after {pending} B");
    }
    world.kernel().set_connect_mode(&at, ConnectMode::Accept);
    let peer = world.wait_peer(&at);
    world.peer_read_exactly(peer, pending);
    world.settle();
    told.push(0);
    assert_eq!(warnings(&world, id), told, "drained once");
    world.finish();
}

/// The drained `Warning` comes below half of `warn_bytes`, not at it, and a later rise warns anew.
/// (scripted)
pub fn drained_is_told_below_half_of_the_mark(kind: ArmKind) {
    let mut world = World::with_config(kind, Config { warn_bytes: 1000, ..Config::default() });
    let (id, peer) = world.started();
    world.settle();
    let room = world.kernel().stream_bytes_max;
    world.send(id, vec![b'a'; room]);
    world.settle();
    assert_eq!(warnings(&world, id).last(), Some(&0), "the system took all of it");
    let before = warnings(&world, id).len();
    world.send(id, vec![b'b'; 1000]);
    world.settle();
    assert_eq!(warnings(&world, id)[before..], [1000]);
    world.peer_read_exactly(peer, 500);
    world.settle();
    assert_eq!(warnings(&world, id)[before..], [1000], "500 B pending is not below half");
    world.peer_read_exactly(peer, 1);
    world.settle();
    assert_eq!(warnings(&world, id)[before..], [1000, 0]);
    world.send(id, vec![b'c'; 600]);
    world.settle();
    assert_eq!(warnings(&world, id)[before..], [1000, 0, 1099]);
    world.finish();
}

/// After own `close` or `shutdown` nobody is warned of anything. (scripted)
pub fn no_warning_comes_after_the_own_end(kind: ArmKind) {
    let mut world = World::with_config(kind, Config { warn_bytes: 1000, ..Config::default() });
    let (id, peer) = world.started();
    let flood = world.arm().flood_bytes();
    world.send(id, vec![b'a'; flood]);
    world.settle();
    let before = warnings(&world, id);
    world.ask(move |net| net.shutdown(id)).expect("alive");
    world.peer_read_to_end(peer);
    world.arm().peer_finish(peer);
    world.wait_close(id);
    assert_eq!(warnings(&world, id), before);
    world.finish();
}

/// The socket's limit is told at the call, gives the bytes back, and one `SendReady` follows.
/// (scripted)
pub fn a_full_socket_says_so_at_the_call(kind: ArmKind) {
    let config = Config { warn_bytes: 1000, outbox_bytes_max: 10_000, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, at) = hanging(&mut world);
    world.ask(move |net| {
        let queued = net.send(id, vec![1; 10_000 - OVERHEAD]).expect("exactly the limit");
        assert_eq!(queued.charged_bytes, 10_000);
        for _ in 0..3 {
            let refused = net.send(id, "more");
            assert!(matches!(refused, Err(SendError::SocketFull(bytes)) if bytes == "more"));
        }
        assert!(matches!(net.send(id, ""), Err(SendError::SocketFull(_))), "a charge of 64");
    });
    world.settle();
    let ready = |it: &Message| matches!(it, Message::SendReady { socket } if *socket == id);
    assert_eq!(world.count(ready), 0);
    world.kernel().set_connect_mode(&at, ConnectMode::Accept);
    let peer = world.wait_peer(&at);
    world.peer_read_exactly(peer, 10_000 - OVERHEAD);
    world.settle();
    assert_eq!(world.count(ready), 1, "one SendReady for all refusals");
    world.ask(move |net| net.send(id, "again").map(|_| ())).expect("the outbox has room again");
    assert_eq!(world.peer_read_exactly(peer, 5), b"again");
    world.finish();
}

/// `SendReady` comes when the charge falls below half of the limit, not at it. (scripted)
pub fn send_ready_comes_below_half_of_the_limit(kind: ArmKind) {
    let config = Config { warn_bytes: 1000, outbox_bytes_max: 10_000, ..Config::default() };
    let mut world = World::with_config(kind, config);
    world.kernel().stream_bytes_max = 1000;
    let (id, peer) = world.started();
    world.send(id, vec![1; 1000]);
    world.settle();
    world.ask(move |net| {
        net.send(id, vec![2; 9_000]).expect("below the limit");
        assert!(matches!(net.send(id, vec![3; 2_000]), Err(SendError::SocketFull(_))));
    });
    let ready = |world: &World| world.count(|it| it.kind() == MessageKind::SendReady);
    // One message is left, so that its overhead counts once.
    world.peer_read_exactly(peer, 4_000 + OVERHEAD);
    world.settle();
    assert_eq!(ready(&world), 0, "a charge of 5000 is not below half of 10000");
    world.peer_read_exactly(peer, 1);
    world.settle();
    assert_eq!(ready(&world), 1);
    world.finish();
}

/// A refusal is answered by `SendReady` on real sockets as well.
pub fn who_was_refused_is_told_when_there_is_room(kind: ArmKind) {
    let mut world = World::new(kind);
    let flood = world.arm().flood_bytes();
    let config =
        Config { warn_bytes: 1000, outbox_bytes_max: flood + OVERHEAD, ..Config::default() };
    world.finish();
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    let mut accepted = 0;
    // The system takes a part, so it may take more than one to fill the outbox.
    while world.ask(move |net| net.send(id, vec![7; flood]).is_ok()) {
        accepted += flood;
        assert!(accepted <= 4 * flood, "no limit holds");
        world.settle();
    }
    assert_eq!(world.count(|it| it.kind() == MessageKind::SendReady), 0);
    world.peer_read_exactly(peer, accepted);
    world.wait_for("SendReady", |it| matches!(it, Message::SendReady { socket } if *socket == id));
    world.finish();
}

/// All sockets together have a limit, and each refused sender is told when there is room.
/// (scripted)
pub fn a_full_total_says_so_at_the_call(kind: ArmKind) {
    let config = Config {
        warn_bytes: 1000,
        outbox_bytes_max: 10_000,
        total_bytes_max: 16_000,
        ..Config::default()
    };
    let mut world = World::with_config(kind, config);
    let (first, at) = hanging(&mut world);
    let (second, _) = hanging(&mut world);
    world.ask(move |net| {
        net.send(first, vec![1; 10_000 - OVERHEAD]).expect("the socket's limit");
        net.send(second, vec![1; 6_000 - OVERHEAD]).expect("the total limit");
        let refused = net.send(second, vec![1; 3_000]);
        assert!(matches!(refused, Err(SendError::TotalFull(bytes)) if bytes.len() == 3_000));
    });
    world.settle();
    assert_eq!(world.count(|it| it.kind() == MessageKind::SendReady), 0);
    world.kernel().set_connect_mode(&at, ConnectMode::Accept);
    let peer = world.wait_peer(&at);
    world.peer_read_exactly(peer, 10_000 - OVERHEAD);
    world.wait_for(
        "SendReady",
        |it| matches!(it, Message::SendReady { socket } if *socket == second),
    );
    world
        .ask(move |net| net.send(second, vec![1; 3_000]).map(|_| ()))
        .expect("the outbox has room again");
    world.finish();
}

/// A message that can never fit is `TooLarge`, at once, and nobody waits for anything.
pub fn what_can_never_fit_is_too_large(kind: ArmKind) {
    let config = Config { warn_bytes: 1000, outbox_bytes_max: 10_000, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, _peer) = world.started();
    world.ask(move |net| {
        let size = 10_001 - OVERHEAD;
        assert!(matches!(net.send(id, vec![1; size]), Err(SendError::TooLarge(_))));
        let parts: Vec<Bytes> = vec![vec![1; size - 1].into(), "x".into()];
        assert!(matches!(net.send_vectored(id, parts), Err(SendError::TooLarge(_))));
        net.send(id, vec![1; size - 1]).expect("exactly the limit");
    });
    world.settle();
    assert_eq!(world.count(|it| it.kind() == MessageKind::SendReady), 0);
    world.finish();
}

/// Small messages are not free: 67 million one-byte sends do not fit into 64 MiB. (scripted)
pub fn a_limit_charges_what_a_message_costs(kind: ArmKind) {
    let config = Config { warn_bytes: 1000, outbox_bytes_max: 6_500, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, _) = hanging(&mut world);
    let sent = world.ask(move |net| (0..1000).take_while(|_| net.send(id, "x").is_ok()).count());
    assert_eq!(sent, 6_500 / (1 + OVERHEAD));
    world.ask(move |net| net.close(id)).expect("alive");
    assert_eq!(world.wait_close(id), (CloseReason::Closed, sent as u64));
    world.finish();
}

/// Ids stay valid and distinct while the generation passes its end.
pub fn ids_survive_the_wrap_of_the_generation(kind: ArmKind) {
    let config = Config { first_generation: u32::MAX - 1, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let (id, _) = world.listen(ListenOptions::default().paused(true));
        assert!(seen.insert(id), "{id} twice");
        assert_ne!(id.to_bits(), 0);
        world.ask(move |net| net.close(id)).expect("alive");
        assert_eq!(world.wait_close(id), (CloseReason::Closed, 0));
    }
    world.finish();
}

/// A buffer whose death is counted.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Each sent object is dropped exactly once, on every path: sent, discarded, refused, too late.
pub fn every_sent_object_is_dropped_exactly_once(kind: ArmKind) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let object = {
        let (dropped, made) = (dropped.clone(), made.clone());
        move |size: usize| {
            made.fetch_add(1, Ordering::Relaxed);
            Bytes::from_owner(Counted(vec![b'o'; size], dropped.clone()))
        }
    };
    let mut world = World::new(kind);
    let flood = world.arm().flood_bytes();
    let (sent, peer) = world.started();
    let (discarded, _unread) = world.started();
    let nobody = world.arm().nobody();
    let refused = world.ask(move |net| {
        net.send(sent, object(1000)).expect("open");
        net.send_vectored(sent, vec![object(10), object(20)]).expect("open");
        net.send(discarded, object(flood)).expect("open");
        net.send_low(discarded, object(flood)).expect("open");
        let refused = net.connect(nobody, ConnectOptions::default()).expect("a free place");
        net.send(refused, object(30)).expect("allowed while connecting");
        net.close(discarded).expect("alive");
        drop(net.send(discarded, object(40)).expect_err("it is closing"));
        refused
    });
    world.peer_read_exactly(peer, 1030);
    world.wait_close(discarded);
    world.wait_close(refused);
    world.finish();
    assert_eq!(made.load(Ordering::Relaxed), 7);
    assert_eq!(dropped.load(Ordering::Relaxed), 7, "of 7 objects");
}

/// Hundreds of thousands of queued messages neither overflow a count nor starve another socket.
pub fn very_many_queued_messages_are_only_many(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let (other, other_peer) = world.started();
    let count = 100_000;
    world.ask(move |net| {
        for number in 0..count as u32 {
            net.send(id, number.to_le_bytes().to_vec()).expect("open");
        }
    });
    world.send(other, "me too");
    assert_eq!(world.peer_read_exactly(other_peer, 6), b"me too");
    let bytes = world.peer_read_exactly(peer, 4 * count);
    let numbers: Vec<u32> =
        bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    assert!(numbers.iter().copied().eq(0..count as u32), "lost or out of order");
    world.finish();
}

fn listen_at_rate(world: &mut World, per_second: u32, burst: u32) -> (SocketId, Endpoint) {
    let [per_second, burst] =
        [per_second, burst].map(|count| NonZeroU32::new(count).expect("not zero"));
    world.listen(ListenOptions::default().accept_rate(AcceptRate { per_second, burst }))
}

/// A flood of connections is accepted at the listener's rate, behind a burst; it is told once, and
/// nobody is lost.
pub fn a_flood_of_connections_is_accepted_at_the_rate(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, local) = listen_at_rate(&mut world, 4, 3);
    let peers: Vec<usize> = (0..8).map(|_| world.arm().peer_connect(&local)).collect();
    world.wait_accept(listener, 2);
    // What happens to it meanwhile is not lost.
    world.arm().peer_send(peers[3], b"early");
    world.arm().peer_finish(peers[3]);
    let accepted = |message: &Message| matches!(message, Message::Accept { .. });
    // Five wait, each a quarter of a second longer.
    world.pass(Duration::from_millis(75));
    assert!(world.count(accepted) < 8, "{:?}", world.story(listener));
    world.wait_accept(listener, 7);
    let told = |message: &Message| match message {
        Message::Error { socket, fault, operation, fatal } => {
            assert!(!fatal && *operation == Operation::Accept && *socket == listener);
            fault.kind == FaultKind::RateLimited
        }
        _ => false,
    };
    assert_eq!(world.count(told), 1, "{:?}", world.story(listener));
    let waited = world.wait_accept(listener, 3);
    world.ask(move |net| net.start(waited)).expect("alive");
    world.wait_close(waited);
    assert_eq!(world.received(waited), b"early");
    // The flood is over: after a time without any the burst is there again.
    world.pass(Duration::from_secs(1));
    let _peers: Vec<usize> = (0..4).map(|_| world.arm().peer_connect(&local)).collect();
    world.wait_accept(listener, 11);
    assert_eq!(world.count(told), 2, "{:?}", world.story(listener));
    world.finish();
}

/// A connection that waits for its time is reset if its listener closes, and nobody is told of it.
pub fn a_connection_that_waits_for_its_time_goes_with_its_listener(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, local) = listen_at_rate(&mut world, 1, 1);
    let peers = [0; 2].map(|_| world.arm().peer_connect(&local));
    world.wait_accept(listener, 0);
    world.settle();
    world.ask(move |net| net.close(listener)).expect("alive");
    assert_eq!(world.wait_close(listener), (CloseReason::Closed, 0));
    assert_eq!(world.peer_read_to_end(peers[1]), (Vec::new(), PeerRead::Reset));
    assert_eq!(world.count(|message| matches!(message, Message::Accept { .. })), 1);
    world.finish();
}

/// One-byte buffers of the system on both sides change nothing but the pace. (scripted)
pub fn the_smallest_buffers_only_slow_down(kind: ArmKind) {
    let mut world = World::new(kind);
    world.kernel().stream_bytes_max = 1;
    let (id, peer) = world.started();
    let (there, back) = (pattern(1, 500), pattern(2, 500));
    world.send(id, there[..250].to_vec());
    world.send(id, there[250..].to_vec());
    world.arm().peer_send(peer, &back);
    assert_eq!(world.peer_read_exactly(peer, 500), there);
    assert_eq!(world.wait_received(id, 500), back);
    world.ask(move |net| net.shutdown(id)).expect("alive");
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    world.finish();
}
