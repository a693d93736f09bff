//! Adopted streams: sockets, pipes and terminals that other code opened.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use tidelock_core::{
    Answer, Bytes, CloseHow, Connected, Endpoint, Fault, FaultKind, Outbox, Read, SocketOption,
};

use crate::buffer::{BufferRing, ReadSize};
use crate::errno::{answer, fault, uninterrupted};
use crate::stream::write_parts;
use crate::sys::{self, Event, FdKind, Foreign, Registry, SourceFd, Token};

/// One adopted stream.
///
/// A short read never means that it is drained: a read of a Unix-domain socket stops at ancillary
/// data, and one of a terminal at the end of a line, with more bytes waiting and no further event.
/// So it is always read until the system answers *would block*.
#[derive(Debug)]
pub(crate) struct Adopted {
    file: Foreign,
    kind: FdKind,
    direction: Direction,
    /// An event came. Before that nothing is read: the reading end of a FIFO that no writer has
    /// opened yet would answer with an end of the stream.
    is_told: bool,
    /// `true` if the latest event told that the far end is gone.
    is_far_end_gone: bool,
    read_size: ReadSize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Both,
    ReadOnly,
    WriteOnly,
}

/// The end of a stream.
const END: Read = Read { bytes: Bytes::new(), is_drained: false };

impl Adopted {
    /// Adopts `descriptor` and registers it. On failure it is closed.
    pub(crate) fn adopt(
        registry: &Registry,
        token: Token,
        descriptor: OwnedFd,
    ) -> Result<(Self, Connected), Fault> {
        let as_fault = |error: io::Error| fault(&error);
        let kind = sys::fd_kind(&descriptor).map_err(as_fault)?;
        let ends = match kind {
            FdKind::StreamSocket => {
                let (local, peer) = sys::socket_ends(&descriptor).map_err(as_fault)?;
                Connected { local, peer }
            }
            FdKind::OtherSocket => return Err(FaultKind::InvalidInput.into()),
            FdKind::Device | FdKind::Other => {
                Connected { local: Endpoint::Unnamed, peer: Endpoint::Unnamed }
            }
        };
        let direction = direction(&descriptor, kind).map_err(as_fault)?;
        let file = Foreign::take(descriptor, kind).map_err(as_fault)?;
        let raw = file.as_fd().as_raw_fd();
        registry
            .register(&mut SourceFd(&raw), token, sys::BOTH_DIRECTIONS)
            .map_err(not_pollable)?;
        let adopted = Self {
            file,
            kind,
            direction,
            is_told: false,
            is_far_end_gone: false,
            read_size: ReadSize::default(),
        };
        Ok((adopted, ends))
    }

    pub(crate) fn handle_event(&mut self, event: &Event) {
        self.is_told = true;
        // A pipe whose reader has gone reports it as write-closed.
        self.is_far_end_gone = event.is_read_closed() || event.is_write_closed();
    }

    pub(crate) fn read(
        &mut self,
        ring: &mut BufferRing,
        size_hint: usize,
    ) -> Answer<Result<Read, Fault>> {
        if self.direction == Direction::WriteOnly {
            // Nothing ever comes in, so the end of the stream is that the reader has gone.
            return if self.is_far_end_gone { Answer::Ready(Ok(END)) } else { Answer::Later };
        }
        if !self.is_told {
            // The registration alone brings an event for what is there already.
            return Answer::Later;
        }
        let size = self.read_size.bytes(size_hint.clamp(1, ring.buffer_bytes()));
        let result = ring.fill(size, |buffer| uninterrupted(|| self.file.read(buffer)));
        if let Ok(bytes) = &result {
            self.read_size.handle_read(size, bytes.len());
        }
        match result {
            // A terminal whose other side hung up answers EIO in the place of an end of the stream.
            Err(error) if self.kind == FdKind::Device && is_hang_up(&error) => {
                Answer::Ready(Ok(END))
            }
            // One read gives one line of a terminal: more may wait, for which no event comes.
            result => answer(result.map(|bytes| Read { bytes, is_drained: false })),
        }
    }

    pub(crate) fn write(
        &mut self,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        if self.direction == Direction::ReadOnly {
            return Answer::Ready(Err(FaultKind::Unsupported.into()));
        }
        write_parts(unsent, size_max, |slices| self.file.write_vectored(slices))
    }

    pub(crate) fn shutdown_write(&self) -> Result<(), Fault> {
        if self.kind != FdKind::StreamSocket {
            return Err(FaultKind::Unsupported.into());
        }
        sys::shutdown_write(&self.file).map_err(|error| fault(&error))
    }

    pub(crate) fn take_error(&self) -> Result<(), Fault> {
        if self.kind != FdKind::StreamSocket {
            // Only sockets keep a pending error; a pipe's next read or write reports it.
            return Ok(());
        }
        match sys::take_socket_error(&self.file) {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(fault(&error)),
        }
    }

    pub(crate) fn set_option(&self, option: &SocketOption) -> Result<(), Fault> {
        sys::set_option(&self.file, option).map_err(|error| fault(&error))
    }

    /// Deregisters the stream and closes the descriptor.
    ///
    /// The poller watches the open file, not the descriptor: without the explicit deregistration, a
    /// duplicate that lives on elsewhere would keep events coming under the old token.
    pub(crate) fn close(self, registry: &Registry, how: CloseHow) {
        let raw = self.file.as_fd().as_raw_fd();
        if let Err(error) = registry.deregister(&mut SourceFd(&raw)) {
            tracing::warn!(%error, "cannot deregister an adopted stream before its close");
        }
        if how == CloseHow::Reset
            && self.kind == FdKind::StreamSocket
            && let Err(error) = sys::reset_on_close(&self.file)
        {
            tracing::debug!(%error, "cannot reset on close; the peer may see a clean end");
        }
    }
}

/// Returns the fault for a failed registration. The poller answers EPERM for descriptors that are
/// always ready: regular files, directories, some devices.
fn not_pollable(error: io::Error) -> Fault {
    if Errno::from_io_error(&error) == Some(Errno::PERM) {
        Fault { kind: FaultKind::NotPollable, ..fault(&error) }
    } else {
        fault(&error)
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::IO)
}

fn direction(descriptor: &OwnedFd, kind: FdKind) -> io::Result<Direction> {
    if kind == FdKind::StreamSocket {
        return Ok(Direction::Both);
    }
    Ok(match sys::access(descriptor)? {
        (true, false) => Direction::ReadOnly,
        (false, true) => Direction::WriteOnly,
        _ => Direction::Both,
    })
}
