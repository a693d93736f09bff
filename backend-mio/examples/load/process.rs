//! A server in a process of its own, and what the system tells of it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Failure;
use crate::serve::{LISTENING, Server};

/// A server that runs until it is told to end.
pub(crate) struct Served {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Served {
    /// This program, as a server.
    pub(crate) fn start(server: &Server) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args(server.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let address = line.trim().strip_prefix(LISTENING).ok_or("the server did not begin")?;
        Ok(Self { address: address.parse()?, child, stdin, stdout })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its resident memory.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kilobytes.ok_or("Linux tells the resident memory in kB")?.parse::<u64>()? << 10)
    }

    /// How many descriptors it holds.
    pub(crate) fn descriptors(&self) -> Result<usize, Failure> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Lets it end; answers what it says then.
    ///
    /// # Errors
    /// If it ends with a failure.
    pub(crate) fn stop(self) -> Result<String, Failure> {
        let Self { mut child, stdin, mut stdout, .. } = self;
        drop(stdin);
        let mut said = String::new();
        stdout.read_to_string(&mut said)?;
        let status = child.wait()?;
        if status.success() {
            Ok(said)
        } else {
            Err(format!("the server: {status}: {said}").into())
        }
    }
}
