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
    /// Other descriptors of the same open file may live on, in this process and in others. Sockets,
    /// pipes and terminals keep their mode, which those others share: the runtime opens a pipe or
    /// a terminal once more (through `/proc`, on Linux and Android), and closes `descriptor`. Any
    /// other file becomes non-blocking for everyone who shares it, until the last adopted descriptor
    /// of it is closed. `descriptor` is closed on exec from now on, and `SO_LINGER` is switched off.
    ///
    /// A FIFO may be adopted before a writer opens it. Nothing is read from the writing end of a pipe, which gets `Eof` when the reader
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
