//! What is asked of an open descriptor besides reading and writing.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use socket2::{SockRef, TcpKeepalive, Type};
use tidelock_core::{Endpoint, SocketOption};

/// What stands behind a descriptor that somebody else opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FdKind {
    /// A connected stream socket.
    StreamSocket,
    /// A socket that carries datagrams, listens, or is of another kind.
    OtherSocket,
    /// A terminal or another device.
    Device,
    /// Anything else; whether it can be polled, only the poller knows.
    Other,
}

/// Finds out what stands behind `fd`.
pub(crate) fn fd_kind(fd: impl AsFd) -> io::Result<FdKind> {
    let status = fstat(&fd)?;
    Ok(match FileType::from_raw_mode(status.st_mode) {
        FileType::Socket => {
            let socket = SockRef::from(&fd);
            // Only some systems can say whether a socket listens; on the others its first read
            // fails.
            #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
            let listens = socket.is_listener()?;
            #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
            let listens = false;
            if socket.r#type()? == Type::STREAM && !listens {
                FdKind::StreamSocket
            } else {
                FdKind::OtherSocket
            }
        }
        FileType::CharacterDevice => FdKind::Device,
        _ => FdKind::Other,
    })
}

/// Both ends of a stream socket, by name.
pub(crate) fn socket_ends(fd: impl AsFd) -> io::Result<(Endpoint, Endpoint)> {
    let socket = SockRef::from(&fd);
    let name = |address: socket2::SockAddr| match address.as_socket() {
        Some(address) => Endpoint::Ip(address),
        None => Endpoint::Unnamed,
    };
    Ok((name(socket.local_addr()?), name(socket.peer_addr()?)))
}

/// Sets one option of a socket.
pub(crate) fn set_option(fd: impl AsFd, option: &SocketOption) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    match option {
        SocketOption::Nodelay(on) => socket.set_tcp_nodelay(*on),
        SocketOption::Keepalive(None) => socket.set_keepalive(false),
        SocketOption::Keepalive(Some(keepalive)) => {
            let times = TcpKeepalive::new()
                .with_time(keepalive.idle)
                .with_interval(keepalive.interval)
                .with_retries(keepalive.count);
            socket.set_tcp_keepalive(&times)
        }
        SocketOption::ReceiveBuffer(bytes) => socket.set_recv_buffer_size(*bytes as usize),
        SocketOption::SendBuffer(bytes) => socket.set_send_buffer_size(*bytes as usize),
        SocketOption::Broadcast(on) => socket.set_broadcast(*on),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Makes the close of a stream socket a reset.
pub(crate) fn reset_on_close(fd: impl AsFd) -> io::Result<()> {
    SockRef::from(&fd).set_linger(Some(Duration::ZERO))
}

/// Takes the pending error of a socket.
pub(crate) fn take_socket_error(fd: impl AsFd) -> io::Result<Option<io::Error>> {
    SockRef::from(&fd).take_error()
}

/// Sends FIN.
pub(crate) fn shutdown_write(fd: impl AsFd) -> io::Result<()> {
    SockRef::from(&fd).shutdown(Shutdown::Write)
}

/// Whether reads and writes of the open file never block.
pub(crate) fn is_nonblocking(fd: impl AsFd) -> io::Result<bool> {
    Ok(fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

/// Lets reads and writes of the open file, in every process that shares it, never block, or block.
pub(crate) fn set_nonblocking(fd: impl AsFd, on: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(&fd)?;
    flags.set(OFlags::NONBLOCK, on);
    Ok(fcntl_setfl(&fd, flags)?)
}

/// Whether the open file may be read, and whether it may be written.
pub(crate) fn access(fd: impl AsFd) -> io::Result<(bool, bool)> {
    let mode = fcntl_getfl(fd)? & OFlags::RWMODE;
    Ok((mode != OFlags::WRONLY, mode != OFlags::RDONLY))
}
