//! A server in a process of its own: another library's, or ours under a tool that counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, Command, Stdio};

use crate::servers::{Kind, Server, Work};

/// The argument with which the bench calls itself.
pub(crate) const COMMAND: &str = "--serve";

/// Serves as the kind of this name until nobody holds the standard input any more.
pub(crate) fn serve(name: &str) {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.expect("the bench names one of its own");
    assert!(!kind.is_peer(), "{kind:?} has a program of its own");
    let server = Server::start(kind, Work::Echo, Path::new(""));
    println!("{}", server.address());
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the bench holds it");
    server.stop();
}

/// Builds the other libraries' servers; answers the folder of their programs.
///
/// # Errors
/// Why they cannot be built.
pub(crate) fn build_peers() -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("server-peers");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", &target)
        .status();
    match status {
        Ok(status) if status.success() => Ok(target.join("release")),
        Ok(status) => Err(format!("cargo build in {}: {status}", package.display())),
        Err(error) => Err(format!("cargo build in {}: {error}", package.display())),
    }
}

/// A server that runs.
pub(crate) struct Child {
    process: process::Child,
    stdin: ChildStdin,
    address: SocketAddr,
}

impl Child {
    /// Starts a program that tells where it listens.
    pub(crate) fn start(mut program: Command) -> std::io::Result<Self> {
        let mut process = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = process.stdin.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(std::io::Error::other)?;
        Ok(Self { process, stdin, address })
    }

    /// Starts our own server under a tool, whose last arguments are the program and what it is.
    pub(crate) fn start_under(mut tool: Command, kind: Kind) -> std::io::Result<Self> {
        tool.arg(std::env::current_exe()?).args([COMMAND, kind.name()]);
        Self::start(tool)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Messages of 64 B there and back.
    pub(crate) fn echo(&self, connections: usize, rounds: usize) {
        let mut clients: Vec<_> = (0..connections)
            .map(|_| {
                let client = TcpStream::connect(self.address).expect("the server accepts");
                client.set_nodelay(true).expect("a stream has the option");
                client
            })
            .collect();
        let mut buffer = [7; 64];
        for _ in 0..rounds {
            for client in &mut clients {
                client.write_all(&buffer).expect("an empty socket takes it");
            }
            for client in &mut clients {
                client.read_exact(&mut buffer).expect("it comes back");
            }
        }
    }

    /// Ends it, and the tool with it.
    pub(crate) fn stop(self) {
        let Self { mut process, stdin, .. } = self;
        drop(stdin);
        let status = process.wait().expect("it was started here");
        assert!(status.success(), "a server ends with {status}");
    }
}
