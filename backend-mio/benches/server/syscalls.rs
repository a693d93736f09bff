//! Calls of the system that a server makes, by strace.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use crate::child::Child;
use crate::rows::Bench;
use crate::samples::Target;
use crate::servers::Kind;
use crate::tool::{self, each};

static HAS_STRACE: LazyLock<bool> = LazyLock::new(|| tool::is_there("strace"));

/// The divisor of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// A message at one connection.
    MessageOfOne,
    /// A message at 64 connections.
    MessageOfMany,
    /// A connection, from accept to close, with one message; 64 come at a time.
    Connection,
}

impl Per {
    fn name(self) -> &'static str {
        match self {
            Self::MessageOfOne => "1",
            Self::MessageOfMany => "64",
            Self::Connection => "connection",
        }
    }

    fn count(self, kind: Kind) -> f64 {
        match self {
            Self::MessageOfOne => {
                each([100, 1100], |rounds| count_calls(kind, |served| served.echo(1, rounds)))
            }
            Self::MessageOfMany => {
                each([4, 44], |rounds| count_calls(kind, |served| served.echo(64, rounds))) / 64.0
            }
            Self::Connection => {
                let serve = |served: &Child, times| (0..times).for_each(|_| served.echo(64, 1));
                each([2, 12], |times| count_calls(kind, |served| serve(served, times))) / 64.0
            }
        }
    }
}

/// Counts the calls of every server of ours.
pub(crate) fn measure(bench: &mut Bench, per: Per) {
    if !*HAS_STRACE {
        return;
    }
    let row = format!("syscalls-{}", per.name());
    let kinds = [Kind::Raw, Kind::Inline, Kind::Workers];
    println!("{row}: calls of the system for each");
    let counts = kinds.map(|kind| {
        let count = per.count(kind);
        println!("  {:<16}{count:>8.3}", kind.name());
        count
    });
    let [raw, inline, workers] = counts;
    let (inline, most) = match per {
        Per::MessageOfOne | Per::MessageOfMany => (inline / raw, 1.02),
        Per::Connection => (inline, 7.0),
    };
    bench.note(format!("{row}/inline"), inline, Target::AtMost(most));
    if per == Per::MessageOfMany {
        bench.note(format!("{row}/workers"), workers, Target::AtMost(2.1));
    }
}

fn count_calls(kind: Kind, load: impl Fn(&Child)) -> u64 {
    let path = tool::result_path();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(&path);
    let served = Child::start_under(strace, kind).expect("strace starts the server");
    load(&served);
    served.stop();
    let table = fs::read_to_string(&path).expect("strace writes a table");
    let total = table.lines().find(|line| line.ends_with(" total"));
    // The columns are time, seconds, time for each, calls, perhaps errors, and the name.
    let calls = total.and_then(|line| line.split_whitespace().nth(3));
    calls.and_then(|calls| calls.parse().ok()).expect("the fourth column are the calls")
}
