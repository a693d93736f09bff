//! One listener.

use std::io;

use tidelock_core::{Answer, Connected, Endpoint, Fault, ListenOptions, SocketOption};

use crate::errno::{answer, fault, uninterrupted};
use crate::stream::Stream;
use crate::sys::{self, ListenerSocket, Registry, Sharing, StreamSocket, Token};

/// One listener, with what each socket accepted from it gets.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListenerSocket,
    local: Endpoint,
    accepted: Box<[SocketOption]>,
}

impl Listener {
    /// Opens and registers a listener; answers its address with the real port.
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

    /// Opens another listener beside one, for another network thread to register.
    pub(crate) fn open_further(
        local: &Endpoint,
        options: &ListenOptions,
    ) -> Result<ListenerSocket, Fault> {
        sys::open_listener(local, options, Sharing::Further).map_err(|error| fault(&error))
    }

    /// Registers a listener that is open; answers its address with the real port.
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

    /// Takes one connection and registers it under `token`.
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
            // The listener took the same option, so it is not wrong; a peer that has already
            // reset the connection makes some systems refuse, and the next read tells that.
            if let Err(error) = sys::set_option(&socket, option) {
                tracing::debug!(%error, ?option, %peer, "an accepted socket refused an option");
            }
        }
        let local = match self.local_of(&socket) {
            Ok(local) => local,
            Err(error) => return Answer::Ready(Err(fault(&error))),
        };
        let opened = Stream::register(socket, registry, token);
        Answer::Ready(opened.map(|stream| (stream, Connected { local, peer })))
    }

    /// The near end of what was accepted: the listener's own, unless that is every address.
    fn local_of(&self, accepted: &StreamSocket) -> io::Result<Endpoint> {
        match &self.local {
            Endpoint::Ip(address) if address.ip().is_unspecified() => accepted.local(),
            local => Ok(local.clone()),
        }
    }
}
