//! Every ordered pair of causes of an end, with and without pending output, paused and not.

use tidelock_core::{Bytes, CloseReason, FaultKind, Message, MessageKind, SocketId};

use crate::arm::ArmKind;
use crate::world::World;

/// A cause that can end a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    PeerFin,
    Shutdown,
    Finish,
    Close,
    Reset,
    /// Only the scripted kernel lets a write fail by itself.
    WriteError,
}

const CAUSES: [Cause; 6] =
    [Cause::PeerFin, Cause::Shutdown, Cause::Finish, Cause::Close, Cause::Reset, Cause::WriteError];

/// The reason without its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Closed,
    Shutdown,
    Peer,
    Fault,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    first: Cause,
    second: Cause,
    is_pending: bool,
    is_paused: bool,
}

/// The contents that `Close` must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    reason: Reason,
    /// `true` if something must be counted as unsent.
    has_unsent: bool,
    /// `true` if `Error` comes before `Close`; `None` where both are allowed.
    has_error: Option<bool>,
}

/// The peer's FIN first.
pub fn peer_fin_then_any(kind: ArmKind) {
    all_after(kind, Cause::PeerFin);
}

/// Own `shutdown` first.
pub fn shutdown_then_any(kind: ArmKind) {
    all_after(kind, Cause::Shutdown);
}

/// Own `finish` first.
pub fn finish_then_any(kind: ArmKind) {
    all_after(kind, Cause::Finish);
}

/// Own `close` first.
pub fn close_then_any(kind: ArmKind) {
    all_after(kind, Cause::Close);
}

/// A reset first.
pub fn reset_then_any(kind: ArmKind) {
    all_after(kind, Cause::Reset);
}

/// A failed write first. (scripted)
pub fn write_error_then_any(kind: ArmKind) {
    all_after(kind, Cause::WriteError);
}

fn all_after(kind: ArmKind, first: Cause) {
    let is_scripted = matches!(kind, ArmKind::Scripted(_));
    for second in CAUSES {
        if second == Cause::WriteError && !is_scripted {
            continue;
        }
        for (is_pending, is_paused) in [(false, false), (false, true), (true, false), (true, true)]
        {
            run(kind, Cell { first, second, is_pending, is_paused });
        }
    }
}

fn run(kind: ArmKind, cell: Cell) {
    let mut world = World::new(kind);
    let (id, peer) = world.started();
    // So that a read has been asked for, as in any connection that has lived for a while.
    world.settle();
    if cell.is_paused {
        world.ask(move |net| net.pause(id)).expect("alive");
        world.wait_for("Paused", |it| it.kind() == MessageKind::Paused);
    }
    if cell.is_pending {
        let flood = Bytes::from(vec![b'f'; world.arm().flood_bytes()]);
        world.send(id, flood);
        world.settle();
    }
    apply(&mut world, id, peer, cell.first);
    world.settle();
    if has_second(&cell) {
        apply(&mut world, id, peer, cell.second);
        world.settle();
    }
    let (reason, unsent) = resolve(&mut world, id, peer, &cell);
    let expected = expect(kind, &cell);
    assert_eq!(name(reason), expected.reason, "{kind:?} {cell:?}: {:?}", world.story(id));
    assert_eq!(unsent > 0, expected.has_unsent, "{kind:?} {cell:?}: {unsent} B unsent");
    let has_error = world.kinds(id).contains(&MessageKind::Error);
    if let Some(expected) = expected.has_error {
        assert_eq!(has_error, expected, "{kind:?} {cell:?}: {:?}", world.story(id));
    }
    world.finish();
}

/// A peer does each thing once, and nothing after its reset.
fn has_second(cell: &Cell) -> bool {
    match cell.second {
        Cause::PeerFin => !matches!(cell.first, Cause::PeerFin | Cause::Reset),
        Cause::Reset => cell.first != Cause::Reset,
        Cause::Shutdown | Cause::Finish | Cause::Close | Cause::WriteError => true,
    }
}

fn apply(world: &mut World, id: SocketId, peer: usize, cause: Cause) {
    match cause {
        Cause::PeerFin => world.arm().peer_finish(peer),
        Cause::Reset => world.arm().peer_reset(peer),
        // The id may be stale by now: that is an answer, and no matter of this test.
        Cause::Shutdown => world.ask(move |net| net.shutdown(id)).unwrap_or(()),
        Cause::Finish => world.ask(move |net| net.finish(id)).unwrap_or(()),
        Cause::Close => world.ask(move |net| net.close(id)).unwrap_or(()),
        Cause::WriteError => {
            world.kernel().with_stream(peer, |stream| {
                stream.write_fault = Some(FaultKind::TimedOut);
            });
            world.ask(move |net| net.send(id, "lost").map_or((), |_| ()));
        }
    }
}

/// Lets everything succeed that still can, until `Close`.
fn resolve(world: &mut World, id: SocketId, peer: usize, cell: &Cell) -> (CloseReason, u64) {
    let causes = [cell.first, cell.second];
    let is_reset = causes.contains(&Cause::Reset);
    if cell.is_paused {
        // As above: a stale id is an answer.
        world.ask(move |net| net.start(id)).unwrap_or(());
    }
    if !is_reset && !causes.contains(&Cause::PeerFin) {
        world.arm().peer_finish(peer);
    }
    let close = world.until(|world| {
        if !is_reset {
            world.arm().peer_read(peer, 256 << 10);
        }
        world.close_of(id)
    });
    close.unwrap_or_else(|| panic!("{cell:?}: no Close: {:?}", world.story(id)))
}

fn name(reason: CloseReason) -> Reason {
    match reason {
        CloseReason::Closed => Reason::Closed,
        CloseReason::Shutdown => Reason::Shutdown,
        CloseReason::Peer => Reason::Peer,
        CloseReason::Fault(_) => Reason::Fault,
        other => panic!("{other} is no reason of these cells"),
    }
}

fn expect(kind: ArmKind, cell: &Cell) -> Expected {
    let Cell { first, second, is_pending, is_paused } = *cell;
    // With nothing asked of it, only a style that reports by itself tells of a reset.
    let is_unnoticed = is_paused && !is_pending && kind.is_weakest();
    let orderly = |reason| Expected { reason, has_unsent: false, has_error: Some(false) };
    let discarding = |reason| Expected { reason, has_unsent: is_pending, has_error: Some(false) };
    let fault = Expected { reason: Reason::Fault, has_unsent: is_pending, has_error: Some(true) };
    let failed_write = Expected { has_unsent: true, ..fault };
    match (first, second) {
        (Cause::Close, _) => discarding(Reason::Closed),
        (Cause::Reset, Cause::Close) if is_unnoticed => discarding(Reason::Closed),
        // The reset shows in the failing shutdown, or in the failing write.
        (Cause::Reset, Cause::Shutdown | Cause::Finish) if is_unnoticed => {
            Expected { has_error: None, ..fault }
        }
        (Cause::Reset, Cause::WriteError) if is_unnoticed => failed_write,
        (Cause::Reset, _) => fault,
        (Cause::WriteError, _) => failed_write,
        // `Eof` was told and handled: without pending output that was the end.
        (Cause::PeerFin, _) if !is_paused && !is_pending => orderly(Reason::Peer),
        // The FIN ended the one read that was under way, and once it has come a read answers the
        // end of the stream, not the reset; nothing is written after that, so it shows nowhere.
        (Cause::PeerFin, Cause::Reset)
            if is_paused && !is_pending && !kind.tells_a_reset_behind_fin() =>
        {
            orderly(Reason::Peer)
        }
        (Cause::PeerFin, Cause::Reset) => fault,
        (Cause::PeerFin, Cause::WriteError) => failed_write,
        (Cause::PeerFin, Cause::Close) if !is_paused => discarding(Reason::Peer),
        (Cause::PeerFin, Cause::Close) => discarding(Reason::Closed),
        (Cause::PeerFin, Cause::Shutdown | Cause::Finish) if is_paused => orderly(Reason::Shutdown),
        (Cause::PeerFin, _) => orderly(Reason::Peer),
        // After FIN everything is delivered: a reset is a reason, but no error of the owner's,
        // unless it still wants to read.
        (Cause::Shutdown, Cause::Reset) => Expected { has_error: Some(is_pending), ..fault },
        (Cause::Finish, Cause::Reset) => fault,
        (Cause::Shutdown | Cause::Finish, Cause::WriteError) if is_pending => fault,
        (Cause::Shutdown | Cause::Finish, Cause::Close) => discarding(Reason::Shutdown),
        (Cause::Shutdown | Cause::Finish, _) => orderly(Reason::Shutdown),
    }
}

/// In every cell `Close` is the last message, and comes once.
pub fn close_is_last_in_a_sample_of_cells(kind: ArmKind) {
    for second in [Cause::PeerFin, Cause::Shutdown, Cause::Close] {
        let mut world = World::new(kind);
        let (id, peer) = world.started();
        world.arm().peer_send(peer, b"data");
        world.wait_received(id, 4);
        apply(&mut world, id, peer, Cause::Finish);
        apply(&mut world, id, peer, second);
        if second != Cause::PeerFin {
            world.arm().peer_finish(peer);
        }
        world.wait_close(id);
        world.settle();
        let closes = world.count(|it| matches!(it, Message::Close { socket, .. } if *socket == id));
        assert_eq!(closes, 1);
        assert_eq!(world.kinds(id).last(), Some(&MessageKind::Close));
        world.finish();
    }
}
