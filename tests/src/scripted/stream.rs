//! One connection of the scripted kernel, with both of its ends.

use std::collections::VecDeque;

use tidelock_core::{Bytes, CloseHow, FaultKind};

/// The result of a peer's read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerRead {
    /// Some bytes; never empty.
    Bytes(Vec<u8>),
    /// The FIN, after all bytes.
    Eof,
    /// The connection was reset.
    Reset,
    /// Nothing yet.
    Nothing,
}

/// One connection: two byte queues with bounds, two FINs, and what broke it.
///
/// The rules are those that were measured on Linux: bytes that came before a reset can still be
/// read; the error is told once, to whichever call comes first; after it a read gives the end of
/// the stream and a write a broken pipe.
#[derive(Debug)]
pub struct Stream {
    /// Bytes that the Mux's end can read.
    inbound: VecDeque<u8>,
    /// Bytes that the peer has sent and that did not fit yet.
    underway: VecDeque<u8>,
    /// The bound of `inbound`.
    pub inbound_bytes_max: usize,
    /// The peer sent FIN, after all of `underway`.
    peer_finished: bool,
    /// The peer's program is gone: what is written to it makes its system reset.
    peer_gone: bool,
    /// The error that the next call is told; told once.
    pending_error: Option<FaultKind>,
    /// The connection is broken.
    broken: bool,
    /// The next write fails with this.
    pub write_fault: Option<FaultKind>,
    /// The next read fails with this.
    pub read_fault: Option<FaultKind>,
    /// Bytes that the peer can read.
    outbound: VecDeque<u8>,
    /// The bound of `outbound`.
    pub outbound_bytes_max: usize,
    /// All bytes that writes took so far.
    pub taken_bytes: u64,
    /// The Mux's end sent FIN.
    finished: bool,
    /// The peer's reads end in a reset.
    reset_sent: bool,
}

impl Stream {
    /// A new connection with these bounds on what either end can have unread.
    pub fn new(inbound_bytes_max: usize, outbound_bytes_max: usize) -> Self {
        Self {
            inbound: VecDeque::new(),
            underway: VecDeque::new(),
            inbound_bytes_max,
            peer_finished: false,
            peer_gone: false,
            pending_error: None,
            broken: false,
            write_fault: None,
            read_fault: None,
            outbound: VecDeque::new(),
            outbound_bytes_max,
            taken_bytes: 0,
            finished: false,
            reset_sent: false,
        }
    }

    /// Returns `true` if a read would answer.
    pub fn can_read(&self) -> bool {
        !self.inbound.is_empty()
            || self.pending_error.is_some()
            || self.read_fault.is_some()
            || self.broken
            || self.has_peer_finished()
    }

    /// Returns `true` if a write would answer.
    pub fn can_write(&self) -> bool {
        self.pending_error.is_some()
            || self.write_fault.is_some()
            || self.broken
            || self.finished
            || self.room() > 0
    }

    /// Returns `true` if the peer's FIN has arrived behind everything before it.
    pub fn has_peer_finished(&self) -> bool {
        self.peer_finished && self.underway.is_empty()
    }

    /// Returns `true` if the connection broke.
    pub fn is_broken(&self) -> bool {
        self.broken || self.pending_error.is_some()
    }

    /// Reads; `None` would block. Empty bytes are the end of the stream.
    pub fn read(&mut self, size_max: usize) -> Option<Result<Bytes, FaultKind>> {
        assert!(size_max > 0, "a read of nothing");
        if let Some(fault) = self.read_fault.take() {
            return Some(Err(fault));
        }
        if !self.inbound.is_empty() {
            let count = size_max.min(self.inbound.len());
            let bytes: Vec<u8> = self.inbound.drain(..count).collect();
            self.arrive();
            return Some(Ok(bytes.into()));
        }
        if let Some(error) = self.pending_error.take() {
            return Some(Err(error));
        }
        (self.broken || self.has_peer_finished()).then(|| Ok(Bytes::new()))
    }

    /// Writes from the front of `bytes`; `None` would block.
    pub fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, FaultKind>> {
        assert!(!bytes.is_empty(), "a write of nothing");
        if let Some(fault) = self.write_fault.take() {
            return Some(Err(fault));
        }
        if let Some(error) = self.pending_error.take() {
            return Some(Err(error));
        }
        if self.broken || self.finished {
            return Some(Err(FaultKind::BrokenPipe));
        }
        if self.peer_gone {
            // The system takes the bytes, and the answer to them is a reset.
            self.broken = true;
            self.taken_bytes += bytes.len() as u64;
            return Some(Ok(bytes.len()));
        }
        let count = bytes.len().min(self.room());
        self.outbound.extend(&bytes[..count]);
        self.taken_bytes += count as u64;
        (count > 0).then_some(Ok(count))
    }

    /// Sends FIN.
    pub fn finish(&mut self) -> Result<(), FaultKind> {
        if self.is_broken() {
            return Err(FaultKind::Other);
        }
        self.finished = true;
        Ok(())
    }

    /// Takes the pending error.
    pub fn take_error(&mut self) -> Option<FaultKind> {
        self.pending_error.take()
    }

    /// The Mux's end gives its descriptor back. With unread bytes the system resets, whatever was
    /// asked, and what the peer has not read is lost.
    pub fn close(&mut self, how: CloseHow) {
        let has_unread = !self.inbound.is_empty() || !self.underway.is_empty();
        if self.is_broken() {
            return;
        }
        if how == CloseHow::Reset || has_unread {
            self.outbound.clear();
            self.reset_sent = true;
            self.broken = true;
        } else {
            self.finished = true;
        }
    }

    /// The peer sends.
    pub fn peer_send(&mut self, bytes: &[u8]) {
        assert!(!self.peer_finished, "a peer sends nothing after its FIN");
        if !self.broken {
            self.underway.extend(bytes);
            self.arrive();
        }
    }

    /// The peer sends FIN and keeps reading.
    pub fn peer_finish(&mut self) {
        self.peer_finished = true;
    }

    /// The peer's program closes: FIN, and nobody reads any more.
    pub fn peer_close(&mut self) {
        self.peer_finished = true;
        self.peer_gone = true;
        self.outbound.clear();
    }

    /// The peer resets. What had arrived can still be read.
    pub fn peer_reset(&mut self) {
        if !self.broken {
            self.broken = true;
            self.pending_error = Some(FaultKind::ConnectionReset);
            self.underway.clear();
            self.outbound.clear();
        }
    }

    /// The peer reads at most `size_max` bytes.
    pub fn peer_read(&mut self, size_max: usize) -> PeerRead {
        if !self.outbound.is_empty() {
            let count = size_max.min(self.outbound.len());
            return PeerRead::Bytes(self.outbound.drain(..count).collect());
        }
        if self.reset_sent {
            PeerRead::Reset
        } else if self.finished {
            PeerRead::Eof
        } else {
            PeerRead::Nothing
        }
    }

    /// Returns `true` if everything that the peer sent was read.
    pub fn is_inbound_drained(&self) -> bool {
        self.inbound.is_empty() && self.underway.is_empty()
    }

    fn room(&self) -> usize {
        self.outbound_bytes_max.saturating_sub(self.outbound.len())
    }

    fn arrive(&mut self) {
        let room = self.inbound_bytes_max.saturating_sub(self.inbound.len());
        let count = room.min(self.underway.len());
        self.inbound.extend(self.underway.drain(..count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &mut Stream) -> Option<Result<Vec<u8>, FaultKind>> {
        stream.read(100).map(|result| result.map(|bytes| bytes.to_vec()))
    }

    /// Measured: ten bytes, then a reset: the bytes, the error once, the end, a broken pipe.
    #[test]
    fn a_reset_is_told_once_after_the_bytes() {
        let mut stream = Stream::new(100, 100);
        stream.peer_send(b"0123456789");
        stream.peer_reset();
        assert_eq!(read(&mut stream), Some(Ok(b"0123456789".to_vec())));
        assert_eq!(read(&mut stream), Some(Err(FaultKind::ConnectionReset)));
        assert_eq!(read(&mut stream), Some(Ok(vec![])));
        assert_eq!(stream.write(b"x"), Some(Err(FaultKind::BrokenPipe)));
    }

    /// Measured: a clean close of the peer: one write passes, then the end and a broken pipe.
    #[test]
    fn one_write_to_a_closed_peer_passes() {
        let mut stream = Stream::new(100, 100);
        stream.peer_close();
        assert_eq!(stream.write(b"x"), Some(Ok(1)));
        assert_eq!(read(&mut stream), Some(Ok(vec![])));
        assert_eq!(stream.write(b"x"), Some(Err(FaultKind::BrokenPipe)));
    }

    /// Measured: closing over unread bytes destroys what was delivered.
    #[test]
    fn a_close_over_unread_bytes_resets() {
        let mut stream = Stream::new(100, 100);
        stream.peer_send(b"unread");
        assert_eq!(stream.write(b"reply"), Some(Ok(5)));
        stream.close(CloseHow::Plain);
        assert_eq!(stream.peer_read(100), PeerRead::Reset);
    }

    #[test]
    fn bounds_hold_and_what_does_not_fit_comes_later() {
        let mut stream = Stream::new(4, 3);
        stream.peer_send(b"abcdef");
        stream.peer_finish();
        assert_eq!(read(&mut stream), Some(Ok(b"abcd".to_vec())));
        assert_eq!(read(&mut stream), Some(Ok(b"ef".to_vec())));
        assert_eq!(read(&mut stream), Some(Ok(vec![])));
        assert_eq!(stream.write(b"12345"), Some(Ok(3)));
        assert_eq!(stream.write(b"45"), None);
        assert_eq!(stream.peer_read(2), PeerRead::Bytes(b"12".to_vec()));
        assert_eq!(stream.write(b"45"), Some(Ok(2)));
    }
}
