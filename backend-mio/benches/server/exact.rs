//! What can be counted exactly: calls of the system, and instructions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::Child;
use crate::rows::Bench;
use crate::samples::Target;
use crate::servers::Kind;

/// Where the tools write what they counted.
fn result_path() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("counted")
}

fn is_there(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
    let is_there = version.is_ok_and(|status| status.success());
    if !is_there {
        println!("{tool} is not there, and nothing is counted with it");
    }
    is_there
}

/// What one more of `things` costs: the difference between many and few, divided.
fn each(things: [usize; 2], count: impl Fn(usize) -> u64) -> f64 {
    let [few, many] = things.map(&count);
    assert!(many > few, "{many} for {} and {few} for {}", things[1], things[0]);
    (many - few) as f64 / (things[1] - things[0]) as f64
}

/// Calls of the system per message and per connection, by strace.
pub(crate) fn syscalls(bench: &mut Bench) {
    if !is_there("strace") {
        return;
    }
    let kinds = [Kind::Raw, Kind::Inline, Kind::Workers, Kind::Direct];
    println!("calls of the system per message at 1 and 64 connections, and per connection");
    let mut raw = None;
    for kind in kinds {
        let name = kind.name();
        let one = each([100, 1100], |rounds| count_calls(kind, 1, rounds));
        let many = each([4, 44], |rounds| count_calls(kind, 64, rounds)) / 64.0;
        // From accept to close, with one message; 64 come at a time.
        let connection = each([2, 12], |times| {
            count_with(kind, |served| (0..times).for_each(|_| served.echo(64, 1)))
        }) / 64.0;
        println!("  {name:<16}{one:>8.3}{many:>8.3}{connection:>8.2}");
        let (raw_one, raw_many) = *raw.get_or_insert((one, many));
        let mut note = |what: &str, value, most| {
            let name = format!("syscalls-{what}/{name}");
            bench.note(name, value, Target::AtMost(most));
        };
        match kind {
            Kind::Inline => {
                note("1", one / raw_one, 1.02);
                note("64", many / raw_many, 1.02);
                note("connection", connection, 7.0);
            }
            Kind::Direct => note("64", many, 2.1),
            _ => {}
        }
    }
}

fn count_calls(kind: Kind, connections: usize, rounds: usize) -> u64 {
    count_with(kind, |served| served.echo(connections, rounds))
}

fn count_with(kind: Kind, load: impl Fn(&Child)) -> u64 {
    let path = result_path();
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

/// Instructions of the server per message, by callgrind.
pub(crate) fn instructions(bench: &mut Bench) {
    if !is_there("valgrind") {
        return;
    }
    println!("instructions per message of 64 B at 64 connections");
    for kind in [Kind::Raw, Kind::Inline] {
        let name = kind.name();
        let value = each([4, 44], |rounds| count_instructions(kind, rounds)) / 64.0;
        println!("  {name:<16}{value:>8.0}");
        if kind == Kind::Inline {
            let name = format!("instructions-64/{name}");
            bench.note(name, value, Target::AtMost(1000.0));
        }
    }
}

fn count_instructions(kind: Kind, rounds: usize) -> u64 {
    let path = result_path();
    let mut valgrind = Command::new("valgrind");
    let out = format!("--callgrind-out-file={}", path.display());
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(out);
    let served = Child::start_under(valgrind, kind).expect("valgrind starts the server");
    served.echo(64, rounds);
    served.stop();
    let profile = fs::read_to_string(&path).expect("callgrind writes a profile");
    let summary = profile
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    summary.and_then(|count| count.trim().parse().ok()).expect("a number of instructions")
}
