//! Instructions that a server executes for each message, by callgrind.
//!
//! Counted is the server's process alone, with 64 B there and back at 64 connections. How many
//! messages a server finds at each look depends on how far the load is then, and the count with it.
//! Four things make it repeatable, on a busy machine too:
//!
//! * server and load share one processor, so that the load writes all of a round before the server
//!   looks;
//! * `--fair-sched=yes` lets the server's threads take turns in the order in which they ask;
//! * what differs between two runs, such as starting and ending, is spread over 12,800 messages;
//! * the median of three counts is taken.
//!
//! Of 24 such medians of one program, half of them beside two busy loops, the lowest and the highest
//! were apart by 0.05 % for raw mio, 0.1 % inline and 0.2 % with workers. Without all that it was
//! 3 %, 0.5 % and 1.1 %. The ratchet's 3 % are wide enough for each of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::child::Child;
use crate::conditions;
use crate::cpu;
use crate::ratchet::{Ratchet, Verdict};
use crate::rows::Bench;
use crate::samples::{Samples, Target};
use crate::servers::Kind;
use crate::tool::{self, each};

static HAS_VALGRIND: LazyLock<bool> = LazyLock::new(|| tool::is_there("valgrind"));

const CONNECTIONS: usize = 64;
/// Rounds of messages that are counted in two runs, whose difference counts.
const ROUNDS: [usize; 2] = [10, 210];

/// Counts of each server, of which the median is taken.
const SAMPLES: usize = 3;

/// The servers that are counted.
const KINDS: [Kind; 3] = [Kind::Raw, Kind::Inline, Kind::Workers];

/// The beginning of the names of all rows that count instructions.
pub(crate) const ROWS_BEGIN: &str = "instructions-";

/// The server whose count the others are divided by where the committed counts are not exact.
const YARDSTICK: &str = "raw-mio";

/// The comment that a written file begins with.
const COMMENT: &str = "\
# Instructions of the server's process per message of 64 B at 64 connections, counted by callgrind.
# `cargo bench -p tidelock-mio -- instructions --check` compares with them, `--write` renews them.
# The processor is the one that valgrind shows to the program.
";

/// The way to renew the committed counts.
const RENEW: &str = "`cargo bench -p tidelock-mio -- instructions --write` writes the file anew";

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
        let mut samples = Samples::default();
        for _ in 0..SAMPLES {
            let count = cpu::on_one(|| each(ROUNDS, |rounds| count_all(kind, rounds)));
            samples.push(count / CONNECTIONS as f64);
        }
        self.counts.push((kind, samples.median()));
        samples.median()
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
    if kind == Kind::Inline {
        bench.note(row, count, Target::AtMost(1500.0));
    }
}

/// Reads the committed counts.
///
/// # Errors
/// Why they cannot be read, and what to do.
fn committed() -> Result<Ratchet, String> {
    let path = committed_path();
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; {RENEW}", path.display()))?;
    Ratchet::parse(&text, &KINDS.map(Kind::name))
        .map_err(|why| format!("{}, {why}; {RENEW}", path.display()))
}

fn committed_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/server/instructions.txt")
}

/// Compares what was counted with the committed counts.
///
/// # Errors
/// Each count that has risen by more than is allowed; or why nothing can be compared.
pub(crate) fn check(bench: &mut Bench) -> Result<(), String> {
    if !*HAS_VALGRIND {
        return Ok(());
    }
    let committed = committed()?;
    let here = conditions::here()?;
    let is_exact = here == committed.conditions();
    println!("committed counts are exact for {}", committed.conditions());
    if !is_exact {
        println!("here is {here}: ratios to {YARDSTICK} are compared");
    }
    let mut risen = Vec::new();
    for (kind, count) in bench.instructions.counts.clone() {
        let name = kind.name();
        let comparison = match is_exact {
            true => committed.compare(name, count),
            false if kind == Kind::Raw => continue,
            false => {
                let raw = (YARDSTICK, bench.instructions.of(Kind::Raw));
                committed.compare_ratio(name, count, raw)
            }
        };
        let row = format!("instructions-{CONNECTIONS}/{name}");
        println!("  {name:<16}{comparison}");
        match comparison.verdict() {
            Verdict::Risen => {
                risen.push(format!("{row} has risen: {comparison}; if it must, {RENEW}"))
            }
            Verdict::Fallen => println!("{row} has fallen, and may rise again unseen: {RENEW}"),
            Verdict::Held => {}
        }
        let target = Target::AtMost(comparison.ratio_max());
        bench.note(format!("{row}-to-committed"), comparison.ratio(), target);
    }
    if risen.is_empty() { Ok(()) } else { Err(risen.join("\n")) }
}

/// Writes the counts of all servers, to be committed.
///
/// # Errors
/// Why they cannot be counted or written.
pub(crate) fn write(bench: &mut Bench) -> Result<(), String> {
    if !*HAS_VALGRIND {
        return Err("without valgrind there is nothing to write".into());
    }
    let counts =
        KINDS.map(|kind| (kind.name().to_owned(), bench.instructions.of(kind).round() as u64));
    let path = committed_path();
    fs::write(&path, Ratchet::new(COMMENT, conditions::here()?, counts.to_vec()).to_string())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} is written", path.display());
    Ok(())
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
    tool::counted_instructions(&path)
}
