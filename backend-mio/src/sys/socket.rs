//! Stream sockets and listeners of either family: TCP, and Unix-domain.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr as UnixSocketAddr;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tidelock_core::{Endpoint, UnixName};

use super::bound_path::BoundPath;

/// To write to a peer that is gone is an error, and no signal. Apple's systems have no such flag;
/// there mio sets an option of the socket.
pub(super) const SEND_FLAGS: SendFlags = send_flags();

const fn send_flags() -> SendFlags {
    #[cfg(target_vendor = "apple")]
    return SendFlags::empty();
    #[cfg(not(target_vendor = "apple"))]
    return SendFlags::NOSIGNAL;
}

/// One stream socket.
#[derive(Debug)]
pub(crate) enum StreamSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl StreamSocket {
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            StreamSocket::Tcp(socket) => socket.take_error(),
            StreamSocket::Unix(socket) => socket.take_error(),
        }
    }

    pub(crate) fn local(&self) -> io::Result<Endpoint> {
        match self {
            StreamSocket::Tcp(socket) => socket.local_addr().map(Endpoint::Ip),
            StreamSocket::Unix(socket) => socket.local_addr().map(|address| endpoint(&address)),
        }
    }

    /// Returns the peer's name, which only a connected socket has.
    pub(crate) fn peer(&self) -> io::Result<Endpoint> {
        match self {
            StreamSocket::Tcp(socket) => socket.peer_addr().map(Endpoint::Ip),
            StreamSocket::Unix(socket) => socket.peer_addr().map(|address| endpoint(&address)),
        }
    }

    /// Returns `true` if a short read can prove that nothing is left. It cannot for a Unix-domain
    /// socket: a read of one stops at ancillary data, and no further event comes (measured).
    pub(crate) fn can_be_drained(&self) -> bool {
        matches!(self, StreamSocket::Tcp(_))
    }

    /// Reads what is there. The system is asked without the C library, whose `recv` and `send` are
    /// points of cancellation, at the price of some fifty instructions a call.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_filled, count) = self.try_io(|fd| recv(fd, buffer, RecvFlags::empty()))?;
        Ok(count)
    }

    #[inline]
    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // `send` costs the system less than `sendmsg` with a single slice.
            [alone] => self.try_io(|fd| send(fd, alone, SEND_FLAGS)),
            many => {
                self.try_io(|fd| sendmsg(fd, many, &mut SendAncillaryBuffer::default(), SEND_FLAGS))
            }
        }
    }

    /// Makes a call through mio, which some of its pollers have to know of.
    #[inline]
    fn try_io<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        let fd = self.as_fd();
        let call = || call(fd).map_err(io::Error::from);
        match self {
            StreamSocket::Tcp(socket) => socket.try_io(call),
            StreamSocket::Unix(socket) => socket.try_io(call),
        }
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            StreamSocket::Tcp(socket) => socket.as_fd(),
            StreamSocket::Unix(socket) => socket.as_fd(),
        }
    }
}

/// One listening socket.
#[derive(Debug)]
pub(crate) enum ListenerSocket {
    Tcp(TcpListener),
    Unix {
        socket: UnixListener,
        /// The file of a path, which is dropped, and so removed, after the socket is closed; an
        /// abstract name has none.
        _file: Option<BoundPath>,
    },
}

impl ListenerSocket {
    pub(crate) fn local(&self) -> io::Result<Endpoint> {
        match self {
            ListenerSocket::Tcp(socket) => socket.local_addr().map(Endpoint::Ip),
            ListenerSocket::Unix { socket, .. } => {
                socket.local_addr().map(|address| endpoint(&address))
            }
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(StreamSocket, Endpoint)> {
        match self {
            ListenerSocket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((StreamSocket::Tcp(stream), peer.into()))
            }
            ListenerSocket::Unix { socket, .. } => {
                let (stream, peer) = socket.accept()?;
                Ok((StreamSocket::Unix(stream), endpoint(&peer)))
            }
        }
    }
}

impl AsFd for ListenerSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ListenerSocket::Tcp(socket) => socket.as_fd(),
            ListenerSocket::Unix { socket, .. } => socket.as_fd(),
        }
    }
}

/// Returns the name of a Unix-domain socket.
fn endpoint(address: &UnixSocketAddr) -> Endpoint {
    // A name that does not pass our checks did not come through us, and is reported as none.
    if let Some(path) = address.as_pathname() {
        return UnixName::path(path).map_or(Endpoint::Unnamed, Endpoint::Unix);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = abstract_name(address) {
        return UnixName::abstract_name(name).map_or(Endpoint::Unnamed, Endpoint::Unix);
    }
    Endpoint::Unnamed
}

#[cfg(target_os = "linux")]
fn abstract_name(address: &UnixSocketAddr) -> Option<&[u8]> {
    std::os::linux::net::SocketAddrExt::as_abstract_name(address)
}

#[cfg(target_os = "android")]
fn abstract_name(address: &UnixSocketAddr) -> Option<&[u8]> {
    std::os::android::net::SocketAddrExt::as_abstract_name(address)
}

/// Returns the name of a Unix-domain socket that other code opened.
pub(super) fn unix_endpoint(address: &socket2::SockAddr) -> Endpoint {
    address.as_unix().map_or(Endpoint::Unnamed, |address| endpoint(&address))
}

impl Source for StreamSocket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            StreamSocket::Tcp(socket) => socket.register(registry, token, interests),
            StreamSocket::Unix(socket) => socket.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            StreamSocket::Tcp(socket) => socket.reregister(registry, token, interests),
            StreamSocket::Unix(socket) => socket.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            StreamSocket::Tcp(socket) => socket.deregister(registry),
            StreamSocket::Unix(socket) => socket.deregister(registry),
        }
    }
}

impl Source for ListenerSocket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            ListenerSocket::Tcp(socket) => socket.register(registry, token, interests),
            ListenerSocket::Unix { socket, .. } => socket.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            ListenerSocket::Tcp(socket) => socket.reregister(registry, token, interests),
            ListenerSocket::Unix { socket, .. } => socket.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            ListenerSocket::Tcp(socket) => socket.deregister(registry),
            ListenerSocket::Unix { socket, .. } => socket.deregister(registry),
        }
    }
}
