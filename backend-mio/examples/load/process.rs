//! Processes: what the system lets this one have, and a server in one of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Failure;
use crate::serve::{LISTENING, Server};

/// Lets this process, and those that it starts, hold as many descriptors as the system allows.
///
/// # Errors
/// If that is fewer than `connections` need.
pub(crate) fn allow_descriptors(connections: u32) -> Result<(), Failure> {
    /// The poller, the listener, the standard ones, and what is being opened.
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
