//! The limits of this process, and a server in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Failure;
use crate::serve::{LISTENING, Server};

/// Raises the limit of descriptors of this process, and of those that it starts, to what
/// `connections` need.
///
/// # Errors
/// If the system's hard limit is lower.
pub(crate) fn allow_descriptors(connections: u32) -> Result<(), Failure> {
    /// The poller, the listener, the standard streams, and descriptors that are being opened.
    const OTHERS: u64 = 64;
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(connections) + OTHERS;
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if let Some(most) = limit.maximum.filter(|most| *most < wanted) {
        let told = format!(
            "{connections} connections need {wanted} descriptors, and the system allows {most}: \
             raise its hard limit, or ask for fewer --connections"
        );
        return Err(told.into());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })?;
    Ok(())
}

/// A server in a process of its own, which runs until it is stopped.
pub(crate) struct Served {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Served {
    /// Starts this program as a server.
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

    /// Returns the server's resident memory.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kilobytes.ok_or("Linux tells the resident memory in kB")?.parse::<u64>()? << 10)
    }

    /// Returns the number of descriptors that the server holds.
    pub(crate) fn descriptors(&self) -> Result<usize, Failure> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Stops the server and returns its last output.
    ///
    /// # Errors
    /// If the server ends with a failure.
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
