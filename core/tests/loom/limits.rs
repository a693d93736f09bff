//! Services that wait for room, and are told of it.

use crate::stage::{Outcome, Plan, config, explore, try_send};
use crate::{Config, Message, SendError};

/// Limits that do not admit two messages of two bytes at a time.
fn tight() -> Config {
    Config { warn_bytes: 32, outbox_bytes_max: 130, total_bytes_max: 130, ..config() }
}

/// Describes the bytes sent, and the number of services told that there is room.
fn told(outcome: &Outcome, wire: &str) -> String {
    let is_ready = |message: &&Message| matches!(message, Message::SendReady { .. });
    format!("{wire} went, {} told", outcome.told.iter().filter(is_ready).count())
}

/// A refused sender is told once, although the room may appear before its refusal arrives.
#[test]
fn a_service_that_waits_for_a_socket_is_told_of_room() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            try_send(net, id, "ab").ok();
        }]],
        inline: Some(|net, id| {
            if let Err(error) = try_send(net, id, "cd") {
                assert!(matches!(error, SendError::SocketFull(_)), "{error:?}");
            }
        }),
        room: vec![1],
        config: Config { total_bytes_max: 1000, ..tight() },
        ..Plan::default()
    };
    let reached = ["ab went, 1 told", "cd went, 1 told", "abcd went, 0 told", "cdab went, 0 told"];
    explore(plan, |outcome| told(outcome, &outcome.wire()), &reached);
}

/// The same for the total, with two streams.
#[test]
fn a_service_that_waits_for_the_total_is_told_of_room() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            try_send(net, id, "ab").ok();
        }]],
        inline: Some(|net, id| {
            if let Err(error) = try_send(net, id, "cd") {
                assert!(matches!(error, SendError::TotalFull(_)), "{error:?}");
            }
        }),
        has_second: true,
        config: tight(),
        ..Plan::default()
    };
    let judge = |outcome: &Outcome| {
        let second = outcome.kernel.stream(outcome.second.expect("there are two")).wire;
        let wire = outcome.wire() + &String::from_utf8(second).expect("text was sent");
        told(outcome, &wire)
    };
    explore(plan, judge, &["ab went, 1 told", "cd went, 1 told", "abcd went, 0 told"]);
}
