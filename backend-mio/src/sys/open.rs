//! Opening of sockets, which are non-blocking and close-on-exec from the start.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use rustix::io::Errno;
use socket2::{Protocol, SockAddr, Socket, Type};
use tidelock_core::{ConnectOptions, Endpoint, ListenOptions, SocketOption, UnixName};

use super::bound_path::{BoundPath, remove_if_abandoned};
use super::{ListenerSocket, StreamSocket, set_option};

/// Begins to connect a stream to `to`. A connect that is still in progress is a success here; its
/// result comes with an event.
pub(crate) fn open_stream(to: &Endpoint, options: &ConnectOptions) -> io::Result<StreamSocket> {
    let address = address(to)?;
    let socket = open(&address, Type::STREAM)?;
    for option in &options.options {
        set_option(&socket, option)?;
    }
    if let Some(local) = &options.bind {
        socket.bind(&self::address(local)?)?;
    }
    match socket.connect(&address) {
        Ok(()) => {}
        // An interrupted connect goes on in the background; a second call would fail with EALREADY.
        Err(error) if is_in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(match to {
        Endpoint::Unix(_) => StreamSocket::Unix(UnixStream::from_std(socket.into())),
        _ => StreamSocket::Tcp(TcpStream::from_std(socket.into())),
    })
}

fn is_in_progress(error: &io::Error) -> bool {
    let in_progress = [Errno::INPROGRESS, Errno::INTR];
    Errno::from_io_error(error).is_some_and(|errno| in_progress.contains(&errno))
}

/// The relation of a listener to other listeners of this runtime at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// There are no others.
    Alone,
    /// It is the first, and others will follow.
    First,
    /// It joins the first.
    Further,
}

/// Opens a listener.
///
/// The options of accepted sockets are set on the listener as well. On most systems accepted
/// sockets inherit them. A receive buffer takes its full effect only this way, because the
/// handshake fixes the window scale. And an invalid option fails here, where the owner is told.
pub(crate) fn open_listener(
    at: &Endpoint,
    options: &ListenOptions,
    sharing: Sharing,
) -> io::Result<ListenerSocket> {
    let address = address(at)?;
    let socket = open(&address, Type::STREAM)?;
    let path = at.unix_name().and_then(path_of);
    if path.is_none() {
        socket.set_reuse_address(options.reuse_address)?;
    }
    for option in options.options.iter().chain(&options.accepted) {
        set_option(&socket, option)?;
    }
    let is_shared = sharing != Sharing::Alone && path.is_none() && !address.is_unix();
    let is_late = sharing == Sharing::First && SHARES_AFTER_BIND;
    if is_shared && !is_late {
        socket.set_reuse_port(true)?;
    }
    match (socket.bind(&address), path) {
        (Err(error), Some(path))
            if options.reuse_address && error.kind() == io::ErrorKind::AddrInUse =>
        {
            remove_if_abandoned(path)?;
            socket.bind(&address)?;
        }
        (bound, _) => bound?,
    }
    if is_shared && is_late {
        // The bind without the option fails if the address is in use, as usual. Only afterwards may
        // the further listeners of this runtime join.
        socket.set_reuse_port(true)?;
    }
    let file = path.map(BoundPath::of).transpose()?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(match at {
        Endpoint::Unix(_) => {
            let socket = UnixListener::from_std(socket.into());
            ListenerSocket::Unix { socket, _file: file }
        }
        _ => ListenerSocket::Tcp(TcpListener::from_std(socket.into())),
    })
}

/// `true` if `SO_REUSEPORT` may be set after the bind, so that others can join a socket that was
/// bound exclusively. Measured on Linux only. Elsewhere it is set before the bind, and the listener
/// may then also share an address with a program that came first.
const SHARES_AFTER_BIND: bool = cfg!(target_os = "linux");

fn path_of(name: &UnixName) -> Option<&Path> {
    name.path_bytes().map(|bytes| Path::new(std::ffi::OsStr::from_bytes(bytes)))
}

/// Returns the system's address of an endpoint.
fn address(endpoint: &Endpoint) -> io::Result<SockAddr> {
    match endpoint {
        Endpoint::Ip(address) => Ok((*address).into()),
        Endpoint::Unix(name) => match path_of(name) {
            Some(path) => SockAddr::unix(path),
            None => abstract_address(name),
        },
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &UnixName) -> io::Result<SockAddr> {
    let name = name.abstract_bytes().ok_or(io::ErrorKind::InvalidInput)?;
    // socket2 takes a path that begins with a NUL for an abstract name on these systems.
    SockAddr::unix(Path::new(std::ffi::OsStr::from_bytes(&[&[0], name].concat())))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_name: &UnixName) -> io::Result<SockAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens a datagram socket. It is always bound, so that its port is known.
pub(crate) fn open_datagram(
    bind: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    options: &[SocketOption],
) -> io::Result<UdpSocket> {
    let local = bind.unwrap_or_else(|| any_port_for(peer));
    let socket = open(&local.into(), Type::DGRAM)?;
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

fn open(address: &SockAddr, kind: Type) -> io::Result<Socket> {
    let protocol = match kind {
        _ if address.is_unix() => None,
        Type::STREAM => Some(Protocol::TCP),
        _ => Some(Protocol::UDP),
    };
    // socket2 makes every socket close-on-exec, atomically where the system can.
    let socket = Socket::new(address.domain(), kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    use rustix::io::{FdFlags, fcntl_getfd};

    #[test]
    fn sockets_are_closed_on_exec_and_never_block() {
        let listener =
            open_listener(&([127, 0, 0, 1], 0).into(), &ListenOptions::default(), Sharing::Alone)
                .unwrap();
        let to = listener.local().unwrap();
        let stream = open_stream(&to, &ConnectOptions::default()).unwrap();
        let name = UnixName::path(
            std::env::temp_dir().join(format!("tidelock-open-{}.sock", std::process::id())),
        );
        let at = Endpoint::Unix(name.unwrap());
        let unix_listener = open_listener(&at, &ListenOptions::default(), Sharing::Alone).unwrap();
        let unix_stream = open_stream(&at, &ConnectOptions::default()).unwrap();
        let datagram = open_datagram(None, None, &[]).unwrap();
        let all = [
            listener.as_fd(),
            stream.as_fd(),
            unix_listener.as_fd(),
            unix_stream.as_fd(),
            datagram.as_fd(),
        ];
        for socket in all {
            assert!(fcntl_getfd(socket).unwrap().contains(FdFlags::CLOEXEC));
            assert!(socket2::SockRef::from(&socket).nonblocking().unwrap());
        }
    }

    #[test]
    fn an_address_is_shared_only_with_further_listeners() {
        let options = ListenOptions::default();
        let at = ([127, 0, 0, 1], 0).into();
        let first = open_listener(&at, &options, Sharing::First).unwrap();
        let local = first.local().unwrap();
        let second = open_listener(&local, &options, Sharing::Further).unwrap();
        assert_eq!(second.local().unwrap(), local);
        for sharing in [Sharing::Alone, Sharing::First] {
            let refused = open_listener(&local, &options, sharing);
            if sharing == Sharing::Alone || SHARES_AFTER_BIND {
                assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AddrInUse, "{sharing:?}");
            }
        }
    }

    #[test]
    fn a_datagram_socket_is_of_its_peers_family() {
        let socket = open_datagram(None, Some((Ipv6Addr::LOCALHOST, 9).into()), &[]).unwrap();
        assert!(socket.local_addr().unwrap().is_ipv6());
        assert_ne!(socket.local_addr().unwrap().port(), 0);
    }
}
