//! Opening sockets: non-blocking and close-on-exec from their birth.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tidelock_core::{ListenOptions, SocketOption};

use super::{TcpListener, TcpStream, UdpSocket, set_option};

/// Begins to connect a stream to `to`. That it is still under way is a success here.
pub(crate) fn open_stream(
    to: SocketAddr,
    bind: Option<SocketAddr>,
    options: &[SocketOption],
) -> io::Result<TcpStream> {
    let socket = open(to, Type::STREAM, Protocol::TCP)?;
    for option in options {
        set_option(&socket, option)?;
    }
    if let Some(local) = bind {
        socket.bind(&local.into())?;
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        // An interrupted connect goes on by itself; calling it again would be an error.
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn is_under_way(error: &io::Error) -> bool {
    let under_way = [Errno::INPROGRESS, Errno::INTR];
    Errno::from_io_error(error).is_some_and(|errno| under_way.contains(&errno))
}

/// Opens a listener. Options of accepted sockets are set on the listener as well: most systems
/// inherit them, a receive buffer only works so, and a wrong one fails here, where it is told.
pub(crate) fn open_listener(at: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = open(at, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(options.reuse_address)?;
    for option in &options.accepted {
        set_option(&socket, option)?;
    }
    socket.bind(&at.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Opens a datagram socket, bound in every case so that its port is known.
pub(crate) fn open_datagram(
    bind: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    options: &[SocketOption],
) -> io::Result<UdpSocket> {
    let local = bind.unwrap_or_else(|| any_port_for(peer));
    let socket = open(local, Type::DGRAM, Protocol::UDP)?;
    for option in options {
        set_option(&socket, option)?;
    }
    socket.bind(&local.into())?;
    if let Some(peer) = peer {
        socket.connect(&peer.into())?;
    }
    Ok(UdpSocket::from_std(socket.into()))
}

fn any_port_for(peer: Option<SocketAddr>) -> SocketAddr {
    match peer {
        Some(SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        Some(SocketAddr::V4(_)) | None => (Ipv4Addr::UNSPECIFIED, 0).into(),
    }
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    // socket2 makes every socket close-on-exec, atomically where the system can.
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{FdFlags, fcntl_getfd};

    #[test]
    fn sockets_are_closed_on_exec_and_never_block() {
        let listener =
            open_listener(([127, 0, 0, 1], 0).into(), &ListenOptions::default()).unwrap();
        let stream = open_stream(listener.local_addr().unwrap(), None, &[]).unwrap();
        let datagram = open_datagram(None, None, &[]).unwrap();
        assert!(fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfd(&stream).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfd(&datagram).unwrap().contains(FdFlags::CLOEXEC));
        for socket in [
            socket2::SockRef::from(&listener),
            socket2::SockRef::from(&stream),
            socket2::SockRef::from(&datagram),
        ] {
            assert!(socket.nonblocking().unwrap());
        }
    }

    #[test]
    fn a_datagram_socket_is_of_its_peers_family() {
        let socket = open_datagram(None, Some((Ipv6Addr::LOCALHOST, 9).into()), &[]).unwrap();
        assert!(socket.local_addr().unwrap().is_ipv6());
        assert_ne!(socket.local_addr().unwrap().port(), 0);
    }
}
