//! The senders of a stream, and the order in which its messages are sent.

use crate::stage::{Outcome, Plan, config, explore, send, send_low};

/// Messages of both priorities are sent whole, whichever thread sends them and however often a
/// write is short; a sender's high one goes before its low one.
#[test]
fn a_worker_and_the_network_thread_send_on_one_stream() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            send_low(net, id, "aa");
            send(net, id, "b");
        }]],
        inline: Some(|net, id| send(net, id, "cc")),
        room: vec![1, 0],
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["bccaa", "ccbaa"]);
}

/// Two workers announce a send at a time: both messages are sent.
#[test]
fn two_workers_send_at_a_time() {
    let plan = Plan {
        workers: vec![vec![|net, id| send(net, id, "aa")], vec![|net, id| send_low(net, id, "bb")]],
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["aabb", "bbaa"]);
}

/// A low message of which one byte was sent is finished before any other message.
#[test]
fn a_message_that_has_begun_is_not_overtaken() {
    let plan = Plan {
        workers: vec![vec![|net, id| send_low(net, id, "aa")]],
        inline: Some(|net, id| send(net, id, "b")),
        room: vec![1, 0],
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["aab", "baa"]);
}

/// The batches of one worker keep their order.
#[test]
fn a_later_batch_does_not_overtake_what_was_posted() {
    let plan = Plan {
        workers: vec![vec![|net, id| send(net, id, "aa"), |net, id| send(net, id, "bb")]],
        inline: Some(|net, id| send(net, id, "c")),
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["aabbc", "aacbb", "caabb"]);
}
