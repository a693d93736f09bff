//! Streams that end while sends are on their way, and ids whose place is used again.

use crate::stage::{Outcome, Plan, config, explore, send, somewhere, try_send};
use crate::{CloseHow, CloseReason, ConnectOptions, Message, SocketId, SocketState};

/// A message that the gate admitted before the shutdown is sent before FIN.
#[test]
fn fin_comes_behind_what_a_worker_sends() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            try_send(net, id, "ab").ok();
        }]],
        inline: Some(|net, id| net.shutdown(id).expect("it is alive")),
        room: vec![1],
        config: config(),
        ..Plan::default()
    };
    let judge = |outcome: &Outcome| {
        let stream = outcome.stream();
        assert!(stream.has_fin, "no FIN after the shutdown");
        assert_eq!(stream.closed, Some(CloseHow::Plain));
        outcome.ended()
    };
    // The send came before the shutdown, or after it.
    explore(plan, judge, &["ab went, 0 lost", " went, 0 lost"]);
}

/// A close waits for the sends that the gate admitted, and counts the bytes that are lost.
#[test]
fn a_close_waits_for_announced_sends_and_counts_what_is_lost() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            try_send(net, id, "ab").ok();
        }]],
        inline: Some(|net, id| net.close(id).expect("it is alive")),
        room: vec![1, 0],
        config: config(),
        ..Plan::default()
    };
    let judge = |outcome: &Outcome| {
        let ended = outcome.ended();
        // The peer sees a reset if bytes were lost, and only then.
        let is_lossy = !ended.ends_with(" 0 lost");
        let how = if is_lossy { CloseHow::Reset } else { CloseHow::Plain };
        assert_eq!(outcome.stream().closed, Some(how), "{ended}");
        ended
    };
    explore(plan, judge, &["a went, 1 lost", " went, 2 lost", " went, 0 lost"]);
}

/// The peer breaks the stream while a worker sends: one `Error`, one `Close`.
#[test]
fn a_reset_under_a_send_ends_the_stream_once() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            try_send(net, id, "ab").ok();
        }]],
        is_reset: true,
        room: vec![1],
        config: config(),
        ..Plan::default()
    };
    let judge = |outcome: &Outcome| {
        let is_error = |message: &&Message| matches!(message, Message::Error { fatal: true, .. });
        assert_eq!(outcome.told.iter().filter(is_error).count(), 1, "fatal errors");
        let reason = outcome.told.iter().find_map(|message| match message {
            Message::Close { reason, .. } => Some(*reason),
            _ => None,
        });
        assert!(matches!(reason, Some(CloseReason::Fault(_))), "{reason:?}");
        outcome.ended()
    };
    explore(plan, judge, &[" went, 2 lost", " went, 0 lost"]);
}

/// A place is given to another stream while a worker still holds the old id: no byte of one stream
/// reaches the other.
#[test]
fn a_place_that_is_given_away_again_gets_nothing_of_the_old_stream() {
    let plan = Plan {
        workers: vec![vec![
            |net, id| {
                try_send(net, id, "ab").ok();
            },
            |net, id| {
                try_send(net, id, "x").ok();
            },
        ]],
        inline: Some(|net, id| net.close(id).expect("it is alive")),
        next: Some(|net, _old| {
            let new = net.connect(somewhere(), ConnectOptions::default());
            let new = new.expect("a place is free");
            send(net, new, "new");
        }),
        room: vec![1],
        config: config(),
        ..Plan::default()
    };
    let judge = |outcome: &Outcome| {
        let new = check_place(outcome);
        assert_eq!(outcome.kernel.stream(new).wire, b"new");
        outcome.ended()
    };
    let reached = [
        "abx went, 0 lost",
        "ab went, 0 lost",
        "ab went, 1 lost",
        " went, 3 lost",
        " went, 2 lost",
        " went, 0 lost",
    ];
    explore(plan, judge, &reached);
}

/// Asserts that the only stream left is a new one in the old one's place, and returns its id.
fn check_place(outcome: &Outcome) -> SocketId {
    let alive: Vec<_> = outcome.mux.wishes().map(|(id, _wish)| id).collect();
    let [new] = alive[..] else { panic!("one stream is alive, not {alive:?}") };
    assert_eq!(outcome.mux.state(new), Some(SocketState::Open));
    assert_eq!(new.index(), outcome.id.index(), "the freed place is used again");
    assert_ne!(new.generation(), outcome.id.generation(), "the old id came back to life");
    new
}
