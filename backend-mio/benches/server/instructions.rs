//! Instructions that a server executes for each message, by callgrind.
//!
//! What is counted are those of the server's process, with 64 B there and back at 64 connections.
//! How many messages a server finds at each look depends on how far the load is then, and so does
//! the count. Three things make it repeatable, on a busy machine too:
//!
//! * server and load share one processor, so that the load writes all of a round before the server
//!   looks;
//! * `--fair-sched=yes` lets the server's threads take turns in the order in which they ask, and
//!   not as the system finds them;
//! * what differs between two runs, such as starting and ending, is spread over 12,800 messages.
//!
//! In ten runs each, half of them beside two busy loops, counts of one program were then apart by
//! nothing for raw mio, 0.1 % inline, 0.1 % with workers, and 0.4 % with direct writes. Without,
//! they were apart by 3 %, 0.5 %, 1.1 % and 5 %.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use crate::child::Child;
use crate::cpu;
use crate::rows::Bench;
use crate::samples::Target;
use crate::servers::Kind;
use crate::tool::{self, each};

static HAS_VALGRIND: LazyLock<bool> = LazyLock::new(|| tool::is_there("valgrind"));

const CONNECTIONS: usize = 64;
/// Rounds of messages that are counted in two runs, whose difference counts.
const ROUNDS: [usize; 2] = [10, 210];

/// Instructions per message of the servers that were counted so far.
#[derive(Debug, Default)]
pub(crate) struct Instructions {
    counts: Vec<(Kind, f64)>,
}

impl Instructions {
    /// Returns those of one server; counts them at the first call.
    fn of(&mut self, kind: Kind) -> f64 {
        if let Some((_, count)) = self.counts.iter().find(|(counted, _)| *counted == kind) {
            return *count;
        }
        let count = cpu::on_one(|| each(ROUNDS, |rounds| count_all(kind, rounds)));
        let count = count / CONNECTIONS as f64;
        self.counts.push((kind, count));
        count
    }
}

/// Counts the instructions of one server.
pub(crate) fn measure(bench: &mut Bench, kind: Kind) {
    if !*HAS_VALGRIND {
        return;
    }
    let row = format!("instructions-{CONNECTIONS}/{}", kind.name());
    let count = bench.instructions.of(kind);
    println!("{row}: {count:.1} per message of 64 B");
    match kind {
        Kind::Inline => bench.note(row, count, Target::AtMost(1500.0)),
        Kind::Direct => {
            let workers = bench.instructions.of(Kind::Workers);
            let row = format!("instructions-{CONNECTIONS}");
            bench.note_direct(&row, CONNECTIONS, count / workers);
        }
        _ => {}
    }
}

/// Counts all instructions of a server's process, from its start to its end.
fn count_all(kind: Kind, rounds: usize) -> u64 {
    let path = tool::result_path();
    let mut valgrind = Command::new("valgrind");
    let out = format!("--callgrind-out-file={}", path.display());
    valgrind.args(["--tool=callgrind", "--quiet", "--fair-sched=yes"]).arg(out);
    let served = Child::start_under(valgrind, kind).expect("valgrind starts the server");
    served.echo(CONNECTIONS, rounds);
    served.stop();
    let profile = fs::read_to_string(&path).expect("callgrind writes a profile");
    let summary = profile
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    summary.and_then(|count| count.trim().parse().ok()).expect("a number of instructions")
}
