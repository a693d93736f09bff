//! Instructions that the simulator executes for a message and for a world, by callgrind, beside
//! madsim's.
//!
//! Nothing here depends on time or on other processes: two runs of one program count the same.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::bench::Bench;
use crate::conditions;
use crate::peer;
use crate::ratchet::{Ratchet, Verdict};
use crate::samples::Target;
use crate::sockets;
use crate::tool::{self, each};

static HAS_VALGRIND: LazyLock<bool> = LazyLock::new(|| tool::is_there("valgrind"));

/// Something whose instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// A message of the ping-pong, 16 clients in one world. Seeds differ in what they draw of the
    /// configuration, so it is the mean over those that the bench runs.
    Message,
    /// A world of one client and 100 round trips, its building and its end included.
    World,
    /// The same message in madsim.
    MadsimMessage,
    /// The same world in madsim.
    MadsimWorld,
}

use Counted::{MadsimMessage, MadsimWorld, Message, World};

const ALL: [Counted; 4] = [MadsimMessage, MadsimWorld, Message, World];
/// Clients, and the numbers of their round trips in two runs whose difference counts.
const CLIENTS: usize = 16;
const ROUNDS: [usize; 2] = [20, 120];
const SEEDS: usize = 7;
/// Numbers of worlds in two runs whose difference counts, and the round trips of each.
const WORLDS: [usize; 2] = [1, 21];
const WORLD_ROUNDS: usize = 100;

/// The beginning of the names of the rows of which counts are committed.
pub(crate) const ROWS_BEGIN: &str = "instructions-of-";

/// The comment that a written file begins with.
const COMMENT: &str = "\
# Instructions of the simulator, and of madsim, for a message of 64 B among 16 clients, and for a
# world of one client and 100 round trips, counted by callgrind.
# `cargo bench -p tidelock-sim -- instructions-of --check` compares with them, `--write` renews them.
# The processor is the one that valgrind shows to the program.
";

/// The way to renew the committed counts.
const RENEW: &str = "`cargo bench -p tidelock-sim -- instructions-of --write` writes the file anew";

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Message => "message",
            World => "world",
            MadsimMessage => "madsim-message",
            MadsimWorld => "madsim-world",
        }
    }

    /// The same in madsim.
    fn yardstick(self) -> Counted {
        match self {
            Message | MadsimMessage => MadsimMessage,
            World | MadsimWorld => MadsimWorld,
        }
    }

    fn count(self, programs: &Path) -> f64 {
        let messages = |seeds| (seeds * 2 * CLIENTS) as f64;
        match self {
            Message => each(ROUNDS, |rounds| own([CLIENTS, rounds, SEEDS])) / messages(SEEDS),
            World => each(WORLDS, |worlds| own([1, WORLD_ROUNDS, worlds])),
            MadsimMessage => {
                each(ROUNDS, |rounds| madsim(programs, [CLIENTS, rounds, 1])) / messages(1)
            }
            MadsimWorld => each(WORLDS, |worlds| madsim(programs, [1, WORLD_ROUNDS, worlds])),
        }
    }
}

/// The counts so far.
#[derive(Debug, Default)]
pub(crate) struct Instructions {
    counts: Vec<(Counted, f64)>,
}

/// Returns a count; counts at the first call.
fn of(bench: &mut Bench, counted: Counted) -> f64 {
    let counts = &bench.instructions.counts;
    if let Some((_, count)) = counts.iter().find(|(known, _)| *known == counted) {
        return *count;
    }
    let count = counted.count(bench.programs());
    bench.instructions.counts.push((counted, count));
    count
}

/// Counts a message's or a world's instructions.
pub(crate) fn measure(bench: &mut Bench, counted: Counted) {
    if !*HAS_VALGRIND {
        return;
    }
    let (count, madsim) = (of(bench, counted), of(bench, counted.yardstick()));
    let row = format!("{ROWS_BEGIN}{}", counted.name());
    println!("{row}: {count:.0}, of madsim {madsim:.0}");
    if counted == Message {
        bench.note(row.clone(), count, Target::AtMost(6_000.0));
    }
    bench.note(format!("{row}/madsim"), count / madsim, Target::AtMost(1.4));
}

fn committed_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/simulator/instructions.txt")
}

/// Reads the committed counts.
///
/// # Errors
/// Why they cannot be read, and what to do.
fn committed() -> Result<Ratchet, String> {
    let path = committed_path();
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; {RENEW}", path.display()))?;
    Ratchet::parse(&text, &ALL.map(Counted::name))
        .map_err(|why| format!("{}, {why}; {RENEW}", path.display()))
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
        println!("here is {here}: ratios to madsim are compared");
    }
    let mut risen = Vec::new();
    for (counted, count) in bench.instructions.counts.clone() {
        let (name, yardstick) = (counted.name(), counted.yardstick());
        // Madsim's own changes with its version and its compiler, and is nothing to hold.
        if counted == yardstick {
            continue;
        }
        let comparison = match is_exact {
            true => committed.compare(name, count),
            false => committed.compare_ratio(name, count, (yardstick.name(), of(bench, yardstick))),
        };
        let row = format!("{ROWS_BEGIN}{name}");
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

/// Writes all counts, to be committed.
///
/// # Errors
/// Why they cannot be counted or written.
pub(crate) fn write(bench: &mut Bench) -> Result<(), String> {
    if !*HAS_VALGRIND {
        return Err("without valgrind there is nothing to write".into());
    }
    let counts = ALL.map(|counted| (counted.name().to_owned(), of(bench, counted).round() as u64));
    let path = committed_path();
    let ratchet = Ratchet::new(COMMENT, conditions::here()?, counts.to_vec());
    fs::write(&path, ratchet.to_string())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} is written", path.display());
    Ok(())
}

/// Counts all instructions of this program's worlds: clients, round trips, and seeds.
fn own(load: [usize; 3]) -> u64 {
    let mut command = valgrind();
    command.arg(std::env::current_exe().expect("a running program has a path"));
    command.arg(sockets::ROLE).args(load.map(|number| number.to_string()));
    let output = command.output().expect("valgrind starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{load:?}: {errors}");
    tool::counted_instructions(&tool::result_path())
}

/// Counts all instructions of the same in madsim.
fn madsim(programs: &Path, load: [usize; 3]) -> u64 {
    let mut command = valgrind();
    command.arg(programs.join(peer::MADSIM));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("valgrind starts");
    let mut input = child.stdin.take().expect("its input is piped");
    let [clients, rounds, worlds] = load;
    writeln!(input, "{clients} {rounds} {worlds}").expect("the peer reads");
    // At the end of its input it ends.
    drop(input);
    let status = child.wait().expect("it was started here");
    assert!(status.success(), "{load:?}: {status}");
    tool::counted_instructions(&tool::result_path())
}

fn valgrind() -> Command {
    let mut valgrind = Command::new("valgrind");
    let out = format!("--callgrind-out-file={}", tool::result_path().display());
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(out);
    valgrind
}
