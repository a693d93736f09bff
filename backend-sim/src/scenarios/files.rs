//! Large transfers beside small messages that may overtake them.

use tidelock_net::chance::streams::Stream;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Operation};
use tidelock_net::words::ports::{SERVER, SERVER_PORT};

use super::echo::Echo;
use super::planner::{Planner, keep_calm, keep_valid};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Each connection carries a file in low-priority pieces and control messages of high priority.
pub(super) fn files() -> Scenario {
    Scenario::new(
        "files",
        "a large low-priority transfer beside small high-priority control messages",
        |stage| {
            stage.host("client").may_be_asking_wire();
            stage.host("server").service(Echo::low).may_be_serving_wire(Behaviour::Echo);
            stage.answers(Behaviour::Echo);
        },
    )
    .adjust(adjust)
    .plan(plan)
}

/// Pieces of a file, at most.
const PIECES_MAX: u64 = 3;
/// A control message, at most.
const CONTROL_BYTES_MAX: u64 = 64;

/// The warning mark is a power of two, so that pending bytes can meet each doubling exactly.
fn adjust(options: &mut Options) {
    options.connections = options.connections.min(6);
    options.message_bytes_max = options.message_bytes_max.max(256);
    // A world of files is large anyway; tiny buffers are for the others.
    let buffer_bytes = options.message_bytes_max / 32;
    options.send_buffer_bytes = options.send_buffer_bytes.max(buffer_bytes);
    options.receive_buffer_bytes = options.receive_buffer_bytes.max(buffer_bytes);
    options.peer_read_bytes = options.peer_read_bytes.max(buffer_bytes);
    options.read_buffer_bytes_max = options.read_buffer_bytes_max.max(buffer_bytes);
    options.write_bytes_per_turn = options.write_bytes_per_turn.max(buffer_bytes);
    options.warn_bytes = 16 << (options.noise % 9);
    keep_valid(options);
    let doublings = DOUBLINGS * 64 + (options.warn_bytes << (DOUBLINGS - 1));
    options.outbox_bytes_max = options.outbox_bytes_max.max(doublings);
    keep_valid(options);
    keep_calm(options);
}

/// The number of sends in one row that double what is pending.
const DOUBLINGS: u64 = 4;

fn plan(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    for _ in 0..options.connections {
        let at = plan.early(4);
        let is_paused = plan.stream.one_in(8);
        let line = plan.open(at, Action::Connect { to: SERVER, port: SERVER_PORT, is_paused });
        if plan.stream.one_in(2) {
            // Before the connection is there, what is pending is exactly what was sent.
            let mut pending_bytes = 0;
            for doubling in 0..DOUBLINGS {
                let bytes = (options.warn_bytes << doubling) - pending_bytes;
                let is_low = plan.stream.one_in(2);
                plan.send(line, bytes, is_low);
                pending_bytes += bytes;
            }
        }
        transfer(options, &mut plan, line);
        if is_paused {
            plan.wait(line, 8);
            plan.ask(line, |on| Action::Start { on });
        }
        plan.wait(line, 2);
        match plan.stream.below(if options.is_calm() { 2 } else { 4 }) {
            0 => plan.ask(line, |on| Action::Finish { on }),
            1 => {}
            2 => plan.ask(line, |on| Action::Shutdown { on }),
            _ => plan.ask(line, |on| Action::Close { on }),
        }
    }
    plan.finish()
}

/// A file in pieces, and control messages before, between and behind them.
fn transfer(options: &Options, plan: &mut Planner<'_>, line: usize) {
    let most = options.message_bytes_max;
    for _ in 0..1 + plan.stream.below(PIECES_MAX) {
        let bytes = match plan.stream.below(4) {
            0 => options.warn_bytes.min(most),
            1 => plan.stream.log_uniform(1, most),
            _ => most,
        };
        plan.send(line, bytes, true);
        for _ in 0..plan.stream.below(4) {
            if plan.stream.one_in(2) {
                plan.wait(line, 16);
            }
            let bytes = plan.stream.log_uniform(1, CONTROL_BYTES_MAX.min(most));
            plan.send(line, bytes, false);
        }
    }
}
