//! Who writes a stream, and in which order its messages leave.

use crate::stage::{Outcome, Plan, config, explore, send, send_low};

/// What was sent with both priorities leaves whole, whoever writes it and however often it is
/// parted; and of one sender the high before the low.
#[test]
fn a_worker_and_the_network_thread_write_one_stream() {
    let plan = Plan {
        workers: vec![vec![|net, id| {
            send_low(net, id, "aa");
            send(net, id, "b");
        }]],
        inline: Some(|net, id| send(net, id, "cc")),
        room: vec![1],
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["baacc", "bccaa", "ccbaa"]);
}

/// Of two workers that may write one does, and what the other sends goes through the Mux.
#[test]
fn two_workers_ask_for_the_right_to_write_at_a_time() {
    let plan = Plan {
        workers: vec![vec![|net, id| send(net, id, "aa")], vec![|net, id| send_low(net, id, "bb")]],
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["aabb", "bbaa"]);
}

/// A low message of which a byte left is finished before anything else.
#[test]
fn what_a_worker_has_begun_is_not_overtaken() {
    let plan = Plan {
        workers: vec![vec![|net, id| send_low(net, id, "aa")]],
        inline: Some(|net, id| send(net, id, "b")),
        room: vec![1, 0],
        config: config(),
        ..Plan::default()
    };
    explore(plan, Outcome::wire, &["aab", "baa"]);
}

/// One worker's batches keep their order, though the first goes through the Mux, and the second
/// could be written by the worker itself.
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
