//! The parts that the servers share: how the bench asks for their work.

use std::io::Read;
use std::net::SocketAddr;

/// The work of a server with what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It sends it back.
    Echo,
    /// It sends so many messages of so many bytes to everybody.
    Broadcast { rounds: usize, bytes: usize },
}

impl Work {
    /// Returns the work that the arguments ask for: `echo`, or `broadcast ROUNDS BYTES`.
    pub fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse().expect("the bench gives numbers");
        match arguments.as_slice() {
            ["echo"] => Self::Echo,
            ["broadcast", rounds, bytes] => {
                Self::Broadcast { rounds: number(rounds), bytes: number(bytes) }
            }
            other => panic!("the bench asks for echo or for broadcast ROUNDS BYTES, not {other:?}"),
        }
    }
}

/// Where every server listens: a port that the kernel chooses.
pub const AT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Tells the bench where the server listens.
pub fn tell(address: SocketAddr) {
    println!("{address}");
}

/// Returns when nobody holds the standard input any more.
pub fn wait_for_end() {
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the bench holds it");
}
