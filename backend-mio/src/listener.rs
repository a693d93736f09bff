//! Listeners.

use std::io;

use tidelock_core::{Answer, Connected, Endpoint, Fault, ListenOptions, SocketOption};

use crate::errno::{answer, fault, uninterrupted};
use crate::stream::Stream;
use crate::sys::{self, ListenerSocket, Registry, Sharing, StreamSocket, Token};

/// One listener, with the options that each socket accepted from it gets.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListenerSocket,
    local: Endpoint,
    accepted: Box<[SocketOption]>,
}

impl Listener {
    /// Opens and registers a listener. Returns it with its address, which has the real port.
    pub(crate) fn open(
        registry: &Registry,
        token: Token,
        at: &Endpoint,
        options: &ListenOptions,
        sharing: Sharing,
    ) -> Result<(Self, Endpoint), Fault> {
        let socket = sys::open_listener(at, options, sharing).map_err(|error| fault(&error))?;
        Self::register(registry, token, socket, options)
    }

    /// Opens one more listener at the address of a first one, for another network thread to
    /// register.
    pub(crate) fn open_further(
        local: &Endpoint,
        options: &ListenOptions,
    ) -> Result<ListenerSocket, Fault> {
        sys::open_listener(local, options, Sharing::Further).map_err(|error| fault(&error))
    }

    /// Registers an open listener. Returns it with its address, which has the real port.
    pub(crate) fn register(
        registry: &Registry,
        token: Token,
        mut socket: ListenerSocket,
        options: &ListenOptions,
    ) -> Result<(Self, Endpoint), Fault> {
        let local = socket.local().map_err(|error| fault(&error))?;
        registry
            .register(&mut socket, token, sys::BOTH_DIRECTIONS)
            .map_err(|error| fault(&error))?;
        let accepted = options.accepted.clone().into_boxed_slice();
        Ok((Self { socket, local: local.clone(), accepted }, local))
    }

    /// Accepts one connection and registers it under `token`.
    pub(crate) fn accept(
        &self,
        registry: &Registry,
        token: Token,
    ) -> Answer<Result<(Stream, Connected), Fault>> {
        let (socket, peer) = match answer(uninterrupted(|| self.socket.accept())) {
            Answer::Ready(Ok(connection)) => connection,
            Answer::Ready(Err(fault)) => return Answer::Ready(Err(fault)),
            Answer::Later => return Answer::Later,
        };
        for option in &self.accepted {
            // The listener took the same option, so it is valid. Some systems refuse it once the
            // peer has reset the connection, which the next read reports.
            if let Err(error) = sys::set_option(&socket, option) {
                tracing::debug!(%error, ?option, %peer, "cannot set an accepted socket's option");
            }
        }
        let local = match self.local_of(&socket) {
            Ok(local) => local,
            Err(error) => return Answer::Ready(Err(fault(&error))),
        };
        let opened = Stream::register(socket, registry, token);
        Answer::Ready(opened.map(|stream| (stream, Connected { local, peer })))
    }

    /// Returns the local end of an accepted socket. That is the listener's address, without a
    /// system call, unless the listener is bound to all addresses.
    fn local_of(&self, accepted: &StreamSocket) -> io::Result<Endpoint> {
        match &self.local {
            Endpoint::Ip(address) if address.ip().is_unspecified() => accepted.local(),
            local => Ok(local.clone()),
        }
    }
}
