//! Datagram sockets.

use tidelock_core::{Answer, Bytes, Endpoint, Fault, FaultKind, SocketOption, UdpOptions};

use crate::buffer::BufferRing;
use crate::errno::{answer, fault, uninterrupted};
use crate::sys::{self, Registry, Token, UdpSocket};

/// One datagram socket. An error that the system reports concerns one datagram, and does not close
/// the socket.
#[derive(Debug)]
pub(crate) struct Datagram {
    socket: UdpSocket,
}

impl Datagram {
    /// Opens and registers a datagram socket. Returns it with its address, which has the real port.
    pub(crate) fn open(
        registry: &Registry,
        token: Token,
        options: &UdpOptions,
    ) -> Result<(Self, Endpoint), Fault> {
        let bind = options.bind.as_ref().map(ip).transpose()?;
        let peer = options.peer.as_ref().map(ip).transpose()?;
        let mut socket =
            sys::open_datagram(bind, peer, &options.options).map_err(|error| fault(&error))?;
        let local = socket.local_addr().map_err(|error| fault(&error))?;
        registry
            .register(&mut socket, token, sys::BOTH_DIRECTIONS)
            .map_err(|error| fault(&error))?;
        Ok((Self { socket }, local.into()))
    }

    pub(crate) fn connect(&self, peer: &Endpoint) -> Result<(), Fault> {
        let peer = ip(peer)?;
        uninterrupted(|| self.socket.connect(peer)).map_err(|error| fault(&error))
    }

    pub(crate) fn send_to(
        &self,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        let sent = match to.map(ip).transpose() {
            Ok(None) => uninterrupted(|| self.socket.send(payload)),
            Ok(Some(to)) => uninterrupted(|| self.socket.send_to(payload, to)),
            Err(fault) => return Answer::Ready(Err(fault)),
        };
        if let Ok(count) = &sent {
            assert_eq!(*count, payload.len(), "the system sent a part of a datagram");
        }
        answer(sent.map(|_all| ()))
    }

    /// Receives one datagram of at most `size_max` bytes. A longer one is an error. The system
    /// truncates silently to the size of the buffer, so that has room for one byte more: if it is
    /// filled, the datagram was too long.
    pub(crate) fn receive_from(
        &self,
        ring: &mut BufferRing,
        size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        let received =
            ring.fill_with(size_max + 1, |buffer| uninterrupted(|| self.socket.recv_from(buffer)));
        match answer(received) {
            Answer::Ready(Ok((bytes, _from))) if bytes.len() > size_max => {
                Answer::Ready(Err(FaultKind::MessageTooLarge.into()))
            }
            Answer::Ready(Ok((bytes, from))) => Answer::Ready(Ok((from.into(), bytes))),
            Answer::Ready(Err(fault)) => Answer::Ready(Err(fault)),
            Answer::Later => Answer::Later,
        }
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
}

fn ip(endpoint: &Endpoint) -> Result<std::net::SocketAddr, Fault> {
    endpoint.socket_addr().ok_or_else(|| FaultKind::InvalidInput.into())
}
