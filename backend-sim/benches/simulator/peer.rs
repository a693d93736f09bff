//! The other simulators: programs that are built once, and asked over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::load::World;

/// The program that runs the load in madsim.
pub(crate) const MADSIM: &str = "peer-madsim";
/// The same in turmoil.
pub(crate) const TURMOIL: &str = "peer-turmoil";

/// A program of the package `peers` that runs, and waits to be asked.
pub(crate) struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// Builds the peers; answers the folder of their programs.
///
/// # Errors
/// Why they cannot be built.
pub(crate) fn build(target: &Path) -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet"])
        // There it finds the flag that madsim needs; a caller's own flags would hide it.
        .current_dir(&package)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_DIR", target)
        .status();
    match status {
        Ok(status) if status.success() => Ok(target.join("release")),
        Ok(status) => Err(format!("cargo build in {}: {status}", package.display())),
        Err(error) => Err(format!("cargo build in {}: {error}", package.display())),
    }
}

impl Peer {
    /// Starts a program.
    pub(crate) fn start(programs: &Path, name: &str) -> Self {
        let path = programs.join(name);
        let mut child = Command::new(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", path.display()));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Self { child, input, output }
    }

    /// Lets it run so many worlds; answers the nanoseconds that it took.
    pub(crate) fn run(&mut self, world: World, worlds: u64) -> u64 {
        let input = self.input.as_mut().expect("its input is piped until the end");
        writeln!(input, "{} {} {worlds}", world.clients, world.rounds).expect("the peer reads");
        input.flush().expect("the peer reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers");
        line.trim().parse().unwrap_or_else(|_| panic!("the peer answered {line:?}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // At the end of its input it ends.
        self.input = None;
        let _status = self.child.wait();
    }
}
