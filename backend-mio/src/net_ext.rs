//! What services may do only on real sockets.

use std::os::fd::OwnedFd;

use tidelock_core::{Net, OpenError, SocketId};

/// What services may do only on real sockets.
pub trait NetExt {
    /// Makes an existing pollable stream (a connected socket, a pipe's end, a terminal) a socket.
    /// Answered by `Connect`, or by `Error` and `Close`: `NotPollable` for a regular file,
    /// `InvalidInput` for a socket that is no connected stream. Reads at once unless `paused`.
    /// (`skynet_socket_bind`)
    ///
    /// The open file is made non-blocking, for everybody who shares it, until the socket closes;
    /// then it is as it was. Of a pipe's writing end nothing is read, and that the reader is gone
    /// is its `Eof`; a write to a reading end is `Unsupported`.
    ///
    /// # Errors
    /// At `sockets_max`, and while the runtime stops; the descriptor is closed then.
    fn adopt(&mut self, descriptor: OwnedFd, paused: bool) -> Result<SocketId, OpenError>;
}

impl NetExt for Net<'_> {
    fn adopt(&mut self, descriptor: OwnedFd, paused: bool) -> Result<SocketId, OpenError> {
        self.adopt_descriptor(Box::new(descriptor), paused)
    }
}
