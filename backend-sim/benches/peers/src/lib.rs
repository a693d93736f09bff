//! The parts that the peers of the simulator's bench share: the load, and how they are asked.

use std::io::{BufRead, Write};
use std::time::Instant;

/// One world: so many clients, each with one connection and so many round trips.
#[derive(Clone, Copy)]
pub struct World {
    /// Clients, each a host of its own.
    pub clients: u64,
    /// Round trips of each.
    pub rounds: u64,
    /// The seed.
    pub seed: u64,
}

/// Bytes of one message.
pub const MESSAGE_BYTES: usize = 64;

/// The message of a client's round: bytes that say where they belong, as the bench's own.
pub fn message(client: u64, round: u64) -> [u8; MESSAGE_BYTES] {
    let mut bytes = [0; MESSAGE_BYTES];
    for (number, block) in (0..).zip(bytes.chunks_exact_mut(8)) {
        let word = (client << 40 | round << 8 | number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        block.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Answers each line `CLIENTS ROUNDS WORLDS` with the nanoseconds that so many worlds took, built
/// from nothing one after the other, with the seeds from 0 on.
pub fn serve(run: impl Fn(World)) {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("the bench writes lines");
        let mut numbers = line.split(' ').map(|word| word.parse::<u64>().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        let (clients, rounds, worlds) = (next(), next(), next());
        let begin = Instant::now();
        for seed in 0..worlds {
            run(World { clients, rounds, seed });
        }
        let nanos = begin.elapsed().as_nanos();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{nanos}").and_then(|()| out.flush()).expect("the bench reads");
    }
}
