//! The ends of single sockets. All pairs of causes are in `matrix`.

use std::time::Duration;

use tidelock_core::{
    CloseReason, Config, ConnectOptions, FaultKind, ListenOptions, Message, MessageKind, SendError,
    Timeout,
};

use crate::arm::ArmKind;
use crate::scripted::PeerRead;
use crate::world::{World, pattern};

/// A reply that is written while earlier data is handled goes out, though the peer has finished.
pub fn a_reply_to_a_finished_peer_goes_out(kind: ArmKind) {
    let mut world = World::new(kind);
    let server = world.spawn_with(Box::new(|net, message| {
        if let Message::Data { socket, bytes } = message {
            net.send(*socket, bytes.clone()).expect("a reply to an open socket");
        }
    }));
    let at = listen_as(&mut world, server);
    let peer = world.arm().peer_connect(&at);
    world.arm().peer_send(peer, b"request");
    world.arm().peer_finish(peer);
    assert_eq!(world.peer_read_to_end(peer), (b"request".to_vec(), PeerRead::Eof));
    world.finish();
}

/// A large reply to a finished peer that reads slowly goes out whole.
pub fn a_large_reply_to_a_finished_peer_goes_out_whole(kind: ArmKind) {
    let mut world = World::new(kind);
    let count = world.arm().flood_bytes();
    let reply = pattern(1, count);
    let expected = reply.clone();
    let server = world.spawn_with(Box::new(move |net, message| {
        if let Message::Data { socket, .. } = message {
            net.send(*socket, reply.clone()).expect("a reply to an open socket");
        }
    }));
    let at = listen_as(&mut world, server);
    let peer = world.arm().peer_connect(&at);
    world.arm().peer_send(peer, b"?");
    world.arm().peer_finish(peer);
    world.settle();
    let (bytes, end) = world.peer_read_to_end(peer);
    assert_eq!(end, PeerRead::Eof);
    assert!(bytes == expected, "{} of {count} B", bytes.len());
    world.finish();
}

fn listen_as(world: &mut World, service: tidelock_core::ServiceId) -> tidelock_core::Endpoint {
    let options = ListenOptions::default().auto_start(true);
    world.ask_as(service, |net| net.listen(([127, 0, 0, 1], 0), options)).expect("a free place");
    world.wait("Listening", |log| {
        log.iter().find_map(|entry| match &entry.message {
            Message::Listening { local, .. } if entry.service == service => Some(local.clone()),
            _ => None,
        })
    })
}

/// A service that ignores `Eof` leaks nothing: the socket is shut down.
pub fn an_ignored_eof_closes_the_socket(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.arm().peer_send(peer, b"last words");
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0));
    assert_eq!(world.kinds(id), [MessageKind::Data, MessageKind::Eof, MessageKind::Close]);
    assert_eq!(world.received(id), b"last words");
    assert_eq!(world.peer_read_to_end(peer), (Vec::new(), PeerRead::Eof));
    world.finish();
}

/// `keep_open` in the handler of `Eof` keeps the own direction open until the service ends it.
pub fn keep_open_outlives_the_peers_fin(kind: ArmKind) {
    let mut world = World::new(kind);
    let keeper = world.spawn_with(Box::new(|net, message| {
        if let Message::Eof { socket } = message {
            net.keep_open(*socket).expect("alive");
        }
    }));
    let (id, peer) = world.accepted();
    world.ask_as(keeper, move |net| net.start(id)).expect("alive");
    world.arm().peer_finish(peer);
    world.wait_for("Eof", |it| matches!(it, Message::Eof { socket } if *socket == id));
    world.settle();
    assert_eq!(world.close_of(id), None);
    world.send(id, "still here");
    assert_eq!(world.peer_read_exactly(peer, 10), b"still here");
    world.ask(move |net| net.shutdown(id)).expect("alive");
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0), "the first cause was the peer's FIN");
    world.finish();
}

/// After `Eof` a kept socket that writes nothing is closed after `half_open_timeout`.
pub fn a_kept_socket_that_is_silent_times_out(kind: ArmKind) {
    let config = Config { half_open_timeout: Duration::from_millis(200), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.connected(ConnectOptions::default().half_open(true));
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::TimedOut(Timeout::HalfOpen), 0));
    let kinds = [MessageKind::Connect, MessageKind::Eof, MessageKind::Close];
    assert_eq!(world.kinds(id), kinds, "no Error");
    world.finish();
}

/// `finish`: request, FIN, then the answer is read, then `Close`.
pub fn finish_reads_the_answer(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.connected(ConnectOptions::default());
    world.ask(move |net| {
        net.send(id, "request").expect("open");
        net.finish(id).expect("alive");
        assert!(matches!(net.send(id, "more"), Err(SendError::Closing(_))));
    });
    assert_eq!(world.peer_read_to_end(peer), (b"request".to_vec(), PeerRead::Eof));
    let answer = pattern(2, 5_000);
    world.arm().peer_send(peer, &answer);
    assert!(world.wait_received(id, 5_000) == answer, "the answer was lost");
    assert_eq!(world.close_of(id), None);
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    let kinds = world.kinds(id);
    assert!(!kinds.contains(&MessageKind::Error), "{kinds:?}");
    world.finish();
}

/// `shutdown` flushes everything to a peer that reads slowly.
pub fn shutdown_delivers_everything_to_a_slow_peer(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let count = world.arm().flood_bytes();
    let bytes = pattern(3, count);
    world.send(id, bytes.clone());
    world.ask(move |net| net.shutdown(id)).expect("alive");
    world.settle();
    assert_eq!(world.close_of(id), None, "it is not flushed yet");
    let (received, end) = world.peer_read_to_end(peer);
    assert_eq!(end, PeerRead::Eof);
    assert!(received == bytes, "{} of {count} B", received.len());
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    world.finish();
}

/// `shutdown` reads and discards what the peer still sends, so that no reset destroys what was
/// delivered.
pub fn shutdown_with_unread_input_destroys_nothing(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    world.wait_for("Paused", |it| it.kind() == MessageKind::Paused);
    world.arm().peer_send(peer, &pattern(4, 3_000));
    world.settle();
    let count = world.arm().flood_bytes();
    let bytes = pattern(5, count);
    world.send(id, bytes.clone());
    world.ask(move |net| net.shutdown(id)).expect("alive");
    let (received, end) = world.peer_read_to_end(peer);
    assert_eq!(end, PeerRead::Eof, "after {} of {count} B", received.len());
    assert!(received == bytes);
    world.arm().peer_send(peer, &pattern(6, 3_000));
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    assert_eq!(world.received(id), b"", "what came after shutdown was told");
    world.finish();
}

/// A peer that never ends its side is given up after `linger_timeout`.
pub fn a_peer_without_fin_is_given_up_after_the_linger(kind: ArmKind) {
    let config = Config { linger_timeout: Duration::from_millis(200), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    world.send(id, "all of it");
    world.ask(move |net| net.shutdown(id)).expect("alive");
    assert_eq!(world.peer_read_to_end(peer), (b"all of it".to_vec(), PeerRead::Eof));
    assert_eq!(world.wait_close(id), (CloseReason::TimedOut(Timeout::Linger), 0));
    assert_eq!(world.kinds(id), [MessageKind::Close], "a timeout is no Error");
    world.finish();
}

/// A peer that never reads is given up after `flush_stall_timeout`, and what was lost is counted.
pub fn a_peer_that_never_reads_is_given_up_after_the_stall(kind: ArmKind) {
    let config = Config { flush_stall_timeout: Duration::from_millis(300), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    let count = world.arm().flood_bytes();
    world.send(id, pattern(7, count));
    world.ask(move |net| net.shutdown(id)).expect("alive");
    let (reason, unsent) = world.wait_close(id);
    assert_eq!(reason, CloseReason::TimedOut(Timeout::Flush));
    assert!(0 < unsent && unsent < count as u64, "{unsent} of {count} B unsent");
    // What the system had taken before is not destroyed in silence: the peer sees a reset.
    assert_eq!(world.peer_read_to_end(peer).1, PeerRead::Reset);
    world.finish();
}

/// A slow peer that does read is never given up: the stall is measured from the last byte.
pub fn a_slow_reader_is_not_a_stalled_one(kind: ArmKind) {
    let config = Config { flush_stall_timeout: Duration::from_millis(300), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    let count = world.arm().flood_bytes();
    let bytes = pattern(8, count);
    world.send(id, bytes.clone());
    world.ask(move |net| net.shutdown(id)).expect("alive");
    let mut received = Vec::new();
    let share = count / 8;
    for _ in 0..8 {
        world.pass(Duration::from_millis(100));
        received.extend(world.peer_read_exactly(peer, share));
    }
    let (rest, end) = world.peer_read_to_end(peer);
    received.extend(rest);
    assert_eq!(end, PeerRead::Eof);
    assert!(received == bytes, "{} of {count} B", received.len());
    world.finish();
}

/// `flush_timeout` bounds the whole flush, even of a peer that reads.
pub fn the_flush_timeout_bounds_a_peer_that_reads(kind: ArmKind) {
    let config = Config { flush_timeout: Some(Duration::from_millis(300)), ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    let count = 4 * world.arm().flood_bytes();
    world.send(id, pattern(9, count));
    world.ask(move |net| net.shutdown(id)).expect("alive");
    for _ in 0..8 {
        world.pass(Duration::from_millis(50));
        world.arm().peer_read(peer, 100);
    }
    let (reason, unsent) = world.wait_close(id);
    assert_eq!(reason, CloseReason::TimedOut(Timeout::Flush));
    assert!(unsent > 0);
    world.finish();
}

/// `close` discards, counts, and lets the peer know by a reset.
pub fn close_counts_what_it_discards_and_resets(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let count = world.arm().flood_bytes();
    world.send(id, pattern(10, count));
    world.settle();
    world.ask(move |net| net.close(id)).expect("alive");
    let (reason, unsent) = world.wait_close(id);
    assert_eq!(reason, CloseReason::Closed);
    assert!(0 < unsent && unsent < count as u64, "{unsent} of {count} B unsent");
    assert_eq!(world.peer_read_to_end(peer).1, PeerRead::Reset);
    world.finish();
}

/// `close` with nothing pending is an orderly end for the peer.
pub fn close_of_a_flushed_socket_is_orderly(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.send(id, "delivered");
    assert_eq!(world.peer_read_exactly(peer, 9), b"delivered");
    world.ask(move |net| net.close(id)).expect("alive");
    assert_eq!(world.wait_close(id), (CloseReason::Closed, 0));
    assert_eq!(world.peer_read_to_end(peer), (Vec::new(), PeerRead::Eof));
    world.finish();
}

/// Bytes that arrived before a reset are delivered before its `Error` and `Close`.
pub fn data_before_a_reset_comes_before_its_error(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    // Both are there before anybody reads (K1).
    world.arm().peer_send(peer, b"0123456789");
    world.arm().peer_reset(peer);
    let (reason, unsent) = world.wait_close(id);
    let CloseReason::Fault(fault) = reason else { panic!("closed {reason}") };
    assert_eq!(world.received(id), b"0123456789");
    assert_eq!((fault.kind, unsent), (FaultKind::ConnectionReset, 0));
    assert_eq!(world.kinds(id), [MessageKind::Data, MessageKind::Error, MessageKind::Close]);
    world.wait_for("the error", |it| {
        matches!(it, Message::Error { socket, fault: told, fatal: true, .. }
            if *socket == id && *told == fault)
    });
    world.finish();
}

/// A reset while paused is noticed where the system tells, and then as a fault.
pub fn a_reset_while_paused_is_noticed(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    world.wait_for("Paused", |it| it.kind() == MessageKind::Paused);
    world.arm().peer_reset(peer);
    if !world.notices_while_paused() {
        // Nothing is promised while nobody asks; `start` asks.
        world.settle();
        if world.close_of(id).is_none() {
            world.ask(move |net| net.start(id)).expect("alive");
        }
    }
    let (reason, _) = world.wait_close(id);
    assert!(
        matches!(reason, CloseReason::Fault(fault) if fault.kind == FaultKind::ConnectionReset),
        "{reason}"
    );
    let kinds = world.kinds(id);
    assert_eq!(kinds[kinds.len() - 2..], [MessageKind::Error, MessageKind::Close]);
    world.finish();
}

/// A FIN while paused is not told before `start`, and starts `half_open_timeout` where noticed.
pub fn a_fin_while_paused_waits_for_start(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    world.wait_for("Paused", |it| it.kind() == MessageKind::Paused);
    world.arm().peer_send(peer, b"before");
    world.arm().peer_finish(peer);
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Paused]);
    world.ask(move |net| net.start(id)).expect("alive");
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0));
    assert_eq!(world.received(id), b"before");
    world.finish();
}

/// A paused socket whose peer has finished is closed after `half_open_timeout`.
pub fn a_forgotten_paused_socket_of_a_finished_peer_times_out(kind: ArmKind) {
    let config = Config { half_open_timeout: Duration::from_millis(200), ..Config::default() };
    let mut world = World::with_config(kind, config);
    if !world.notices_while_paused() {
        // Nothing is promised there: the FIN is not reported while nobody reads.
        world.finish();
        return;
    }
    let (id, peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    world.wait_for("Paused", |it| it.kind() == MessageKind::Paused);
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::TimedOut(Timeout::HalfOpen), 0));
    world.finish();
}

/// A failed write first delivers what can still be read, then says what failed. (scripted)
pub fn a_write_error_comes_after_what_can_still_be_read(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.arm().peer_send(peer, b"first ");
    world.wait_received(id, 6);
    world.kernel().with_stream(peer, |stream| {
        stream.peer_send(b"last");
        stream.write_fault = Some(FaultKind::TimedOut);
    });
    world.send(id, "lost");
    let (reason, unsent) = world.wait_close(id);
    assert!(
        matches!(reason, CloseReason::Fault(fault) if fault.kind == FaultKind::TimedOut),
        "{reason}"
    );
    assert_eq!(unsent, 4);
    assert_eq!(world.received(id), b"first last");
    assert_eq!(world.kinds(id), [MessageKind::Data, MessageKind::Error, MessageKind::Close]);
    world.finish();
}

/// Each failing call keeps its own number; a later one does not overwrite it. (scripted)
pub fn an_error_carries_the_number_of_its_own_call(kind: ArmKind) {
    let cases = [
        (FaultKind::ConnectionReset, 104),
        (FaultKind::TimedOut, 110),
        (FaultKind::HostUnreachable, 113),
        (FaultKind::NetworkUnreachable, 101),
    ];
    for (fault, number) in cases {
        let mut world = World::new(kind);
        let (id, peer) = world.started();
        world.kernel().with_stream(peer, |stream| stream.read_fault = Some(fault));
        let (reason, _) = world.wait_close(id);
        let CloseReason::Fault(told) = reason else { panic!("closed {reason}") };
        assert_eq!((told.kind, told.os), (fault, Some(number)));
        world.finish();
    }
}
