//! Reading, pausing, moving ownership, priorities.

use tidelock_core::{
    Bytes, CloseReason, Config, ConnectOptions, ListenOptions, Message, MessageKind, Operation,
    SendError, SocketId, Stale,
};

use crate::arm::ArmKind;
use crate::driver::Entry;
use crate::scripted::{ConnectMode, PeerRead};
use crate::world::{World, pattern};

fn data_bytes(entry: &Entry) -> usize {
    match &entry.message {
        Message::Data { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

fn paused(world: &mut World, id: SocketId) {
    world.wait_for("Paused", |it| matches!(it, Message::Paused { socket } if *socket == id));
}

/// After `Paused` nothing is read until `start`, and then nothing is missing.
pub fn nothing_is_read_between_paused_and_start(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let bytes = pattern(3, 3000);
    world.arm().peer_send(peer, &bytes[..1000]);
    world.wait_received(id, 1000);
    world.ask(move |net| net.pause(id)).expect("alive");
    paused(&mut world, id);
    world.arm().peer_send(peer, &bytes[1000..]);
    world.settle();
    assert_eq!(world.kinds(id), [MessageKind::Data, MessageKind::Paused]);
    world.ask(move |net| net.start(id)).expect("alive");
    assert!(world.wait_received(id, 3000) == bytes, "something was lost over the pause");
    world.finish();
}

/// Pausing stops reading only: what was sent goes out.
pub fn output_drains_while_paused(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    paused(&mut world, id);
    let count = world.arm().flood_bytes();
    let bytes = pattern(4, count);
    world.send(id, bytes.clone());
    assert!(world.peer_read_exactly(peer, count) == bytes, "the peer got something else");
    world.finish();
}

/// Pausing and starting many times over a stream loses and repeats nothing.
pub fn a_stream_survives_many_pauses(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let bytes = pattern(5, 40 * 700);
    for (round, part) in bytes.chunks(700).enumerate() {
        world.arm().peer_send(peer, part);
        world.ask(move |net| net.pause(id)).expect("alive");
        if round % 2 == 0 {
            world.settle();
        }
        world.ask(move |net| net.start(id)).expect("alive");
    }
    assert!(world.wait_received(id, bytes.len()) == bytes, "a pause lost or doubled something");
    world.finish();
}

/// A socket is handed to another service after `Paused`: the two together get every byte, in order.
pub fn a_socket_moves_to_another_service_without_loss(kind: ArmKind) {
    let mut world = World::new(kind);
    let other = world.spawn();
    let (id, peer) = world.started();
    let bytes = pattern(6, 2000);
    world.arm().peer_send(peer, &bytes[..1200]);
    world.wait_received(id, 1);
    world.ask(move |net| net.pause(id)).expect("alive");
    paused(&mut world, id);
    world.arm().peer_send(peer, &bytes[1200..]);
    world.ask_as(other, move |net| net.start(id)).expect("alive");
    assert!(world.wait_received(id, 2000) == bytes, "a byte was lost on the way");
    let main = world.main();
    world.look(|log| {
        let told: Vec<_> = log.iter().filter(|entry| entry.message.socket() == Some(id)).collect();
        let at = told
            .iter()
            .position(|entry| matches!(entry.message, Message::Paused { .. }))
            .expect("it was paused");
        assert!(told[..=at].iter().all(|entry| entry.service == main), "{told:#?}");
        assert!(told[at + 1..].iter().all(|entry| entry.service == other), "{told:#?}");
        assert!(told.len() > at + 1, "the rest went to the new owner");
    });
    world.finish();
}

/// A never-started accepted socket can be started by another service without a pause.
pub fn an_accepted_socket_is_started_by_another_service(kind: ArmKind) {
    let mut world = World::new(kind);
    let agent = world.spawn();
    let (id, peer) = world.accepted();
    world.arm().peer_send(peer, b"for the agent");
    world.ask_as(agent, move |net| net.start(id)).expect("alive");
    world.wait_received(id, 13);
    world.arm().peer_finish(peer);
    world.wait_close(id);
    world.look(|log| {
        let about = log.iter().filter(|entry| entry.message.socket() == Some(id));
        assert!(about.clone().count() >= 3);
        assert!(about.into_iter().all(|entry| entry.service == agent));
    });
    world.finish();
}

/// `start` by the owner of a running socket changes nothing.
pub fn starting_a_running_socket_again_is_harmless(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    for _ in 0..3 {
        world.ask(move |net| net.start(id)).expect("alive");
    }
    world.arm().peer_send(peer, b"once");
    world.wait_received(id, 4);
    world.settle();
    assert_eq!(world.received(id), b"once");
    assert_eq!(world.kinds(id), [MessageKind::Data]);
    world.finish();
}

/// A new owner of a half-closed socket gets its own `Eof`.
pub fn a_new_owner_after_eof_gets_its_own_eof(kind: ArmKind) {
    let mut world = World::new(kind);
    let other = world.spawn();
    let (id, peer) = world.connected(ConnectOptions::default().half_open(true));
    world.arm().peer_finish(peer);
    world.wait_for("Eof", |it| matches!(it, Message::Eof { socket } if *socket == id));
    world.ask_as(other, move |net| net.start(id)).expect("alive");
    let eof_of = |log: &[Entry], service| {
        let is_it = |entry: &&Entry| {
            entry.service == service && matches!(entry.message, Message::Eof { .. })
        };
        log.iter().filter(is_it).count()
    };
    world.wait("the second Eof", |log| (eof_of(log, other) == 1).then_some(()));
    let main = world.main();
    assert_eq!(world.look(|log| eof_of(log, main)), 1);
    world
        .ask_as(other, move |net| net.send(id, "still open").map(|_| ()))
        .expect("the own direction is still open");
    assert_eq!(world.peer_read_exactly(peer, 10), b"still open");
    world.ask_as(other, move |net| net.shutdown(id)).expect("alive");
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0));
    world.finish();
}

/// Two commands of one batch: what the first does to the id is seen by the second.
pub fn a_service_sees_its_own_commands_in_order(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, _peer) = world.started();
    let (first, second) = world.ask(move |net| {
        let first = net.send(id, "before").is_ok();
        net.shutdown(id).expect("alive");
        (first, net.send(id, "after"))
    });
    assert!(first);
    assert!(matches!(second, Err(SendError::Closing(bytes)) if bytes == "after"));
    world.finish();
}

/// `start` that meets a socket on its way out is `Refused`, even after `Close`.
pub fn a_start_that_comes_too_late_is_refused(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, _peer) = world.accepted();
    let start = world.ask(move |net| {
        net.close(id).expect("alive");
        net.start(id)
    });
    // The id dies only when the close arrives, so the call itself may still pass.
    if start == Ok(()) {
        world.wait_for("Refused", |it| {
            matches!(it, Message::Refused { socket, operation: Operation::Start, .. }
                if *socket == id)
        });
    }
    world.wait_close(id);
    assert_eq!(world.ask(move |net| net.start(id)), Err(Stale));
    world.finish();
}

/// A transfer of a dead socket answers the one who asked, not the old owner.
pub fn a_late_transfer_is_refused_to_whom_it_concerns(kind: ArmKind) {
    let mut world = World::new(kind);
    let other = world.spawn();
    let (id, _peer) = world.started();
    world.ask(move |net| net.shutdown(id)).expect("alive");
    let start = world.ask_as(other, move |net| net.start(id));
    assert_eq!(start, Ok(()), "the peer sent no FIN, so the id is alive");
    world.wait("Refused to the other", |log| {
        log.iter()
            .any(|entry| entry.service == other && matches!(entry.message, Message::Refused { .. }))
            .then_some(())
    });
    world.finish();
}

/// A low message that has begun is finished before a high one; one that has not is overtaken.
pub fn high_overtakes_low_but_tears_nothing(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    let big = world.arm().flood_bytes();
    let low = pattern(7, big);
    let file = low.clone();
    world.ask(move |net| net.send_low(id, file).map(|_| ())).expect("open");
    world.settle();
    world.ask(move |net| {
        net.send_low(id, "second low;").expect("open");
        net.send(id, "high one;").expect("open");
        net.send_vectored(id, vec!["high ".into(), Bytes::new(), "two;".into()]).expect("open");
    });
    let bytes = world.peer_read_exactly(peer, big + 29);
    assert!(bytes[..big] == low, "the message that had begun was torn");
    assert_eq!(String::from_utf8_lossy(&bytes[big..]), "high one;high two;second low;");
    world.finish();
}

/// One low message on an idle socket is still low: a high one of the same batch overtakes it.
/// (scripted)
pub fn the_first_low_message_is_still_low(kind: ArmKind) {
    let mut world = World::new(kind);
    let at = world.arm().peer_listen();
    world.kernel().set_connect_mode(&at, ConnectMode::Hang);
    let to = at.clone();
    world.ask(move |net| {
        let id = net.connect(to, ConnectOptions::default()).expect("a free place");
        net.send_low(id, "low").expect("allowed while connecting");
        net.send(id, "high").expect("allowed while connecting");
    });
    world.settle();
    world.kernel().set_connect_mode(&at, ConnectMode::Accept);
    let peer = world.wait_peer(&at);
    assert_eq!(world.peer_read_exactly(peer, 7), b"highlow");
    world.finish();
}

/// Many messages of several services arrive whole, each sender's in order.
pub fn each_senders_messages_keep_their_order(kind: ArmKind) {
    let mut world = World::new(kind);
    let other = world.spawn();
    let (id, peer) = world.started();
    for round in 0..20_u8 {
        for (service, name) in [(world.main(), b'a'), (other, b'b')] {
            world.ask_as(service, move |net| {
                for number in 0..5_u8 {
                    let frame = vec![name, round * 5 + number, b'.'];
                    net.send(id, frame).expect("open");
                }
            });
        }
    }
    let bytes = world.peer_read_exactly(peer, 600);
    let (frames, _) = bytes.as_chunks::<3>();
    for name in *b"ab" {
        let numbers: Vec<u8> =
            frames.iter().filter(|frame| frame[0] == name).map(|frame| frame[1]).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
    }
    assert!(frames.iter().all(|frame| frame[2] == b'.'), "a frame was torn");
    world.finish();
}

/// An empty message is accepted and sends nothing.
pub fn an_empty_message_is_nothing(kind: ArmKind) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    world.ask(move |net| {
        net.send(id, "").expect("open");
        net.send_low(id, Bytes::new()).expect("open");
        net.send_vectored(id, vec![Bytes::new(), Bytes::new()]).expect("open");
        net.send(id, "x").expect("open");
        net.shutdown(id).expect("alive");
    });
    assert_eq!(world.peer_read_to_end(peer), (b"x".to_vec(), PeerRead::Eof));
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Shutdown, 0));
    world.finish();
}

/// A full mailbox holds reading back; when it has room again, nothing is missing.
pub fn a_full_mailbox_holds_reading_back_and_loses_nothing(kind: ArmKind) {
    let config = Config { mailbox_bytes_max: 2_000, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    let bytes = pattern(8, 200_000);
    for part in bytes.chunks(10_000) {
        world.arm().peer_send(peer, part);
    }
    assert!(world.wait_received(id, bytes.len()) == bytes, "something was lost");
    world.arm().peer_finish(peer);
    assert_eq!(world.wait_close(id), (CloseReason::Peer, 0));
    world.finish();
}

/// The owner's pause outlasts the mailbox's: room in the mailbox does not start a paused socket.
pub fn a_mailbox_with_room_starts_no_paused_socket(kind: ArmKind) {
    let config = Config { mailbox_bytes_max: 500, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    let (other, other_peer) = world.started();
    world.ask(move |net| net.pause(id)).expect("alive");
    paused(&mut world, id);
    world.arm().peer_send(peer, b"must wait");
    world.arm().peer_send(other_peer, &pattern(9, 5_000));
    world.wait_received(other, 5_000);
    world.settle();
    assert_eq!(world.received(id), b"");
    world.ask(move |net| net.start(id)).expect("alive");
    assert_eq!(world.wait_received(id, 9), b"must wait");
    world.finish();
}

/// `Data` is never larger than a read buffer, and never empty.
pub fn data_comes_in_bounded_pieces(kind: ArmKind) {
    let config =
        Config { read_buffer_bytes_min: 64, read_buffer_bytes_max: 256, ..Config::default() };
    let mut world = World::with_config(kind, config);
    let (id, peer) = world.started();
    world.arm().peer_send(peer, &pattern(10, 4_000));
    world.wait_received(id, 4_000);
    let sizes: Vec<usize> = world.look(|log| {
        let is_data = |entry: &&Entry| entry.message.kind() == MessageKind::Data;
        log.iter().filter(is_data).map(data_bytes).collect()
    });
    assert!(sizes.iter().all(|size| (1..=256).contains(size)), "{sizes:?}");
    world.finish();
}

/// One socket that never stops receiving starves no other. (scripted)
pub fn a_flood_on_one_socket_starves_no_other(kind: ArmKind) {
    let mut world = World::new(kind);
    let (flooded, flood) = world.started();
    let (quiet, peer) = world.started();
    let count = 4 << 20;
    world.arm().peer_send(flood, &pattern(11, count));
    world.arm().peer_send(peer, b"me too");
    world.wait_received(quiet, 6);
    let before = world.look(|log| {
        let is_quiet = |entry: &Entry| entry.message.socket() == Some(quiet);
        log.iter().take_while(|entry| !is_quiet(entry)).map(data_bytes).sum::<usize>()
    });
    assert!(before < count / 2, "{before} B of the flood came before the quiet socket");
    assert_eq!(world.wait_received(flooded, count).len(), count);
    world.finish();
}

/// Commands on ids that are stale, or were never issued, touch nothing.
pub fn stale_ids_touch_nothing(kind: ArmKind) {
    let mut world = World::new(kind);
    let (old, _) = world.started();
    world.ask(move |net| net.close(old)).expect("alive");
    world.wait_close(old);
    let (living, peer) = world.started();
    let never = [99 << 32, u64::MAX, (1 << 32) + 60_000, (7 << 32) + u64::from(living.index())];
    let ids: Vec<SocketId> =
        never.into_iter().filter_map(SocketId::from_bits).chain([old]).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(SocketId::from_bits(0), None, "zero is no id at all");
    world.ask(move |net| {
        for id in ids {
            assert!(matches!(net.send(id, "x"), Err(SendError::Stale(_))), "{id}");
            assert!(matches!(net.send_low(id, "x"), Err(SendError::Stale(_))), "{id}");
            let to = ([127, 0, 0, 1], 9);
            assert!(matches!(net.send_to(id, to, "x"), Err(SendError::Stale(_))), "{id}");
            assert_eq!(net.start(id), Err(Stale));
            assert_eq!(net.pause(id), Err(Stale));
            assert_eq!(net.shutdown(id), Err(Stale));
            assert_eq!(net.finish(id), Err(Stale));
            assert_eq!(net.close(id), Err(Stale));
            assert_eq!(net.keep_open(id), Err(Stale));
            assert_eq!(net.udp_connect(id, to), Err(Stale));
            net.flush(id);
        }
    });
    world.arm().peer_send(peer, b"untouched");
    assert_eq!(world.wait_received(living, 9), b"untouched");
    world.finish();
}

/// Any service may send to a socket that another one owns.
pub fn any_service_may_send_and_close(kind: ArmKind) {
    let mut world = World::new(kind);
    let other = world.spawn();
    let (id, peer) = world.started();
    world.ask_as(other, move |net| net.send(id, "by another").map(|_| ())).expect("open");
    assert_eq!(world.peer_read_exactly(peer, 10), b"by another");
    world.ask_as(other, move |net| net.close(id)).expect("alive");
    assert_eq!(world.wait_close(id), (CloseReason::Closed, 0));
    let main = world.main();
    world.look(|log| {
        let close = log.iter().find(|entry| matches!(entry.message, Message::Close { .. }));
        assert_eq!(close.expect("the socket is closed").service, main, "the owner is told");
    });
    world.finish();
}

/// `Accept` comes before anything about the child, even if its bytes are there already.
pub fn accept_comes_before_anything_about_the_child(kind: ArmKind) {
    let mut world = World::new(kind);
    let (listener, at) = world.listen(ListenOptions::default().auto_start(true));
    let peers: Vec<usize> = (0..8).map(|_| world.arm().peer_connect(&at)).collect();
    for peer in &peers {
        world.arm().peer_send(*peer, b"eager");
        world.arm().peer_finish(*peer);
    }
    for nth in 0..8 {
        let id = world.wait_accept(listener, nth);
        world.wait_close(id);
        assert_eq!(world.received(id), b"eager");
        let kinds = [MessageKind::Data, MessageKind::Eof, MessageKind::Close];
        assert_eq!(world.kinds(id), kinds);
    }
    // The order of Accept and what follows is checked over the whole log.
    world.finish();
}
