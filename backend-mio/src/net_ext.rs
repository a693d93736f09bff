//! Adopting descriptors, which only real sockets allow.

use std::os::fd::OwnedFd;

use tidelock_core::{Net, OpenError, SocketId};

/// Operations of a service that only real sockets allow.
pub trait NetExt {
    /// Makes a socket of an existing pollable stream: a connected socket, an end of a pipe, or a
    /// terminal. The owner gets `Connect`, or `Error` and `Close`: `NotPollable` for a regular
    /// file, `InvalidInput` for a socket that is not a connected stream. It is read at once unless
    /// `paused`. (`skynet_socket_bind`)
    ///
    /// The open file becomes non-blocking for everyone who shares it; the socket's close restores
    /// its mode. Nothing is read from the writing end of a pipe, which gets `Eof` when the reader
    /// has gone; a write to a reading end is `Unsupported`.
    ///
    /// # Errors
    /// At `sockets_max`, and once the runtime is shutting down; the descriptor is then closed.
    fn adopt(&mut self, descriptor: OwnedFd, paused: bool) -> Result<SocketId, OpenError>;
}

impl NetExt for Net<'_> {
    fn adopt(&mut self, descriptor: OwnedFd, paused: bool) -> Result<SocketId, OpenError> {
        self.adopt_descriptor(Box::new(descriptor), paused)
    }
}
