//! One stream.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};

use tidelock_core::{
    Answer, Bytes, CloseHow, ConnectOptions, Connected, Endpoint, Fault, FaultKind, Outbox, Read,
    SocketOption,
};

use crate::buffer::{BufferRing, ReadSize};
use crate::drained::Drained;
use crate::errno::{answer, fault, uninterrupted};
use crate::sys::{self, Interest, Registry, SourceFd, StreamSocket, Token};

/// One stream, of TCP or Unix-domain: connecting, or open.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: StreamSocket,
    input: Drained,
    read_size: ReadSize,
}

impl Stream {
    /// Begins to connect; the socket is registered.
    pub(crate) fn connect(
        registry: &Registry,
        token: Token,
        to: &Endpoint,
        options: &ConnectOptions,
    ) -> Result<Self, Fault> {
        match sys::open_stream(to, options) {
            Ok(socket) => Self::register(socket, registry, token),
            // "Try again", and no event would come: no local port is free for a TCP socket; the
            // backlog of a Unix-domain listener is full.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let is_unix = to.unix_name().is_some();
                let kind =
                    if is_unix { FaultKind::BacklogFull } else { FaultKind::AddressNotAvailable };
                Err(Fault { kind, ..fault(&error) })
            }
            Err(error) => Err(fault(&error)),
        }
    }

    /// Takes an open socket in.
    pub(crate) fn register(
        mut socket: StreamSocket,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Fault> {
        const INTEREST: Interest = sys::STREAM_INTEREST;
        registry.register(&mut socket, token, INTEREST).map_err(|error| fault(&error))?;
        Ok(Self { socket, input: Drained::registered(), read_size: ReadSize::default() })
    }

    /// From now on events carry `token`; what is ready is told of once more.
    pub(crate) fn rename(&mut self, registry: &Registry, token: Token) -> Result<(), Fault> {
        let fd = self.socket.as_fd().as_raw_fd();
        let renamed = registry.reregister(&mut SourceFd(&fd), token, sys::STREAM_INTEREST);
        renamed.map_err(|error| fault(&error))?;
        self.input = Drained::registered();
        Ok(())
    }

    /// The near end and the far end, as far as the system still knows them.
    pub(crate) fn known_ends(&self) -> (Endpoint, Endpoint) {
        let known = |end: io::Result<Endpoint>| end.unwrap_or(Endpoint::Unnamed);
        (known(self.socket.local()), known(self.socket.peer()))
    }

    /// Asks if the connect is done: the pending error first, because it is told once;
    /// then the peer's name, which only a connected socket has.
    pub(crate) fn connected(&self) -> Answer<Result<Connected, Fault>> {
        match self.socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Answer::Ready(Err(fault(&error))),
        }
        match self.socket.peer() {
            Ok(peer) => Answer::Ready(self.ends(peer)),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Answer::Later,
            Err(error) => Answer::Ready(Err(fault(&error))),
        }
    }

    /// The ends of a stream whose peer is known.
    fn ends(&self, peer: Endpoint) -> Result<Connected, Fault> {
        let local = self.socket.local().map_err(|error| fault(&error))?;
        Ok(Connected { local, peer })
    }

    /// Takes note of an event; `is_marked`: of an end, an error or urgent data.
    #[inline]
    pub(crate) fn handle_event(&mut self, is_readable: bool, is_marked: bool) {
        self.input.handle_event(is_readable, is_marked);
    }

    /// Returns `true` if a read would answer without asking the system.
    pub(crate) fn is_drained(&self) -> bool {
        self.input.is_drained()
    }

    /// Asks the system for what is there, for a stream that is not drained.
    #[inline]
    pub(crate) fn read(
        &mut self,
        ring: &mut BufferRing,
        size_hint: usize,
    ) -> Answer<Result<Read, Fault>> {
        let size = self.read_size.bytes(size_hint.clamp(1, ring.buffer_bytes()));
        let socket = &self.socket;
        match ring.fill(size, |buffer| uninterrupted(|| socket.read(buffer))) {
            Ok(bytes) => {
                self.read_size.handle_read(size, bytes.len());
                if self.socket.can_be_drained() {
                    self.input.handle_read(size, bytes.len());
                }
                let is_drained = self.input.is_drained();
                Answer::Ready(Ok(Read { bytes, is_drained }))
            }
            Err(error) => answer(Err(error)),
        }
    }

    #[inline]
    pub(crate) fn write(
        &mut self,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        let socket = &self.socket;
        let answer = write_parts(unsent, size_max, |slices| socket.write_vectored(slices));
        if matches!(answer, Answer::Ready(Err(_))) {
            // What broke the stream may have come behind bytes whose event was not fetched yet.
            self.input = Drained::default();
        }
        answer
    }

    pub(crate) fn shutdown_write(&self) -> Result<(), Fault> {
        sys::shutdown_write(&self.socket).map_err(|error| fault(&error))
    }

    pub(crate) fn take_error(&self) -> Result<(), Fault> {
        match self.socket.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(fault(&error)),
        }
    }

    pub(crate) fn set_option(&self, option: &SocketOption) -> Result<(), Fault> {
        sys::set_option(&self.socket, option).map_err(|error| fault(&error))
    }

    /// Closes it, which ends its registration: nobody has a duplicate of the descriptor.
    pub(crate) fn close(self, how: CloseHow) {
        if how == CloseHow::Reset
            && let Err(error) = sys::reset_on_close(&self.socket)
        {
            tracing::debug!(%error, "no reset on close; the peer may see a plain end");
        }
    }
}

/// The most slices that one vectored write takes; the system's limit.
const SLICES_MAX: usize = 1024;
/// The number of slices that stand on the stack; only a write of more allocates.
const SLICES_ON_STACK: usize = 64;

/// Writes the front of `unsent`, at most `size_max` bytes and [`SLICES_MAX`] parts, and consumes
/// what was taken.
#[inline]
pub(crate) fn write_parts(
    unsent: &mut Outbox,
    size_max: usize,
    mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> Answer<Result<usize, Fault>> {
    assert!(size_max > 0 && !unsent.is_empty(), "a write of nothing");
    match offer_parts(unsent, size_max, &mut write) {
        Ok(0) => Answer::Ready(Err(FaultKind::BrokenPipe.into())),
        Ok(taken) => {
            assert!(taken <= size_max, "the system took {taken} B of {size_max}");
            unsent.advance(taken);
            Answer::Ready(Ok(taken))
        }
        Err(error) => answer(Err(error)),
    }
}

/// Answers how much the system took.
fn offer_parts(
    unsent: &Outbox,
    size_max: usize,
    write: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let first = unsent.front().expect("what is unsent lies in some part");
    let first = IoSlice::new(&first[..first.len().min(size_max)]);
    if first.len() == size_max || first.len() == unsent.pending_bytes() {
        // Mostly so: nothing is made ready for slices that there are not.
        return uninterrupted(|| write(&[first]));
    }
    offer_slices(first, unsent.parts().skip(1), size_max, write)
}

/// Offers `first` and the front of `rest` with one call.
#[inline(never)]
fn offer_slices<'a>(
    first: IoSlice<'a>,
    rest: impl Iterator<Item = &'a Bytes>,
    size_max: usize,
    write: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut few = [IoSlice::new(&[]); SLICES_ON_STACK];
    let mut many = Vec::new();
    let (mut count, mut left) = (1, size_max - first.len());
    few[0] = first;
    for part in rest.take(SLICES_MAX - 1) {
        let slice = IoSlice::new(&part[..part.len().min(left)]);
        if count < few.len() {
            few[count] = slice;
        } else {
            if many.is_empty() {
                many.reserve(SLICES_MAX);
                many.extend_from_slice(&few);
            }
            many.push(slice);
        }
        count += 1;
        left -= slice.len();
        if left == 0 {
            break;
        }
    }
    let slices = if many.is_empty() { &few[..count] } else { &many[..] };
    let taken = uninterrupted(|| write(slices))?;
    assert!(taken <= size_max - left, "the system took {taken} B and was offered less");
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_core::Priority;

    fn outbox_of(parts: usize) -> Outbox {
        let mut outbox = Outbox::new();
        for index in 0..parts {
            outbox.push(vec![index as u8; 3].into(), Priority::High);
        }
        outbox
    }

    #[test]
    fn one_write_takes_as_many_parts_as_the_system_allows() {
        for parts in [1, 63, 64, 65, 1023, 1024, 1025, 3000] {
            let mut outbox = outbox_of(parts);
            let mut seen = 0;
            let answer = write_parts(&mut outbox, usize::MAX, |slices| {
                seen = slices.len();
                for (index, slice) in slices.iter().enumerate() {
                    assert_eq!(slice[..], [index as u8; 3]);
                }
                Ok(slices.iter().map(|slice| slice.len()).sum())
            });
            assert_eq!(seen, parts.min(1024));
            assert_eq!(answer, Answer::Ready(Ok(3 * seen)));
            assert_eq!(outbox.pending_bytes(), 3 * (parts - seen));
        }
    }

    #[test]
    fn a_write_offers_no_more_than_it_may() {
        let mut outbox = outbox_of(100);
        let answer = write_parts(&mut outbox, 7, |slices| {
            assert_eq!(slices.iter().map(|slice| slice.len()).collect::<Vec<_>>(), [3, 3, 1]);
            Ok(7)
        });
        assert_eq!(answer, Answer::Ready(Ok(7)));
        assert!(outbox.has_begun());
    }

    #[test]
    fn a_write_that_fails_consumes_nothing() {
        let mut outbox = outbox_of(2);
        let mut calls = 0;
        let answer = write_parts(&mut outbox, 100, |_| {
            calls += 1;
            Err(if calls == 1 { io::ErrorKind::Interrupted } else { io::ErrorKind::WouldBlock }
                .into())
        });
        assert_eq!((answer, calls), (Answer::Later, 2));
        let answer = write_parts(&mut outbox, 100, |_| Err(io::Error::from_raw_os_error(32)));
        assert!(matches!(answer, Answer::Ready(Err(Fault { os: Some(32), .. }))));
        let answer = write_parts(&mut outbox, 100, |_| Ok(0));
        assert!(matches!(answer, Answer::Ready(Err(_))), "zero would be written for ever");
        assert_eq!(outbox.pending_bytes(), 6);
    }
}
