//! Operations on open descriptors other than reading and writing.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use socket2::{SockRef, TcpKeepalive, Type};
use tidelock_core::{Endpoint, Multicast, SocketOption};

use super::socket::unix_endpoint;
use crate::errno::option_refused;

/// The kind of file behind a descriptor that other code opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FdKind {
    /// A connected stream socket.
    StreamSocket,
    /// A socket that carries datagrams, listens, or is of another kind.
    OtherSocket,
    /// A terminal or another device.
    Device,
    /// Anything else. Only the poller knows if it can be polled.
    Other,
}

/// Returns the kind of file behind `fd`.
pub(crate) fn fd_kind(fd: impl AsFd) -> io::Result<FdKind> {
    let status = fstat(&fd)?;
    Ok(match FileType::from_raw_mode(status.st_mode) {
        FileType::Socket => {
            let socket = SockRef::from(&fd);
            // Not every system can tell that a socket listens. On the others, the first read of
            // such a socket fails.
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

/// Returns the local and the far end of a stream socket.
pub(crate) fn socket_ends(fd: impl AsFd) -> io::Result<(Endpoint, Endpoint)> {
    let socket = SockRef::from(&fd);
    let name = |address: socket2::SockAddr| match address.as_socket() {
        Some(address) => Endpoint::Ip(address),
        None => unix_endpoint(&address),
    };
    Ok((name(socket.local_addr()?), name(socket.peer_addr()?)))
}

/// Sets one option of a socket. The error names it.
pub(crate) fn set_option(fd: impl AsFd, option: &SocketOption) -> io::Result<()> {
    set(&SockRef::from(&fd), option).map_err(|error| option_refused(option.name(), error))
}

fn set(socket: &SockRef<'_>, option: &SocketOption) -> io::Result<()> {
    match option {
        SocketOption::Nodelay(on) => socket.set_tcp_nodelay(*on),
        SocketOption::Keepalive(None) => socket.set_keepalive(false),
        SocketOption::Keepalive(Some(keepalive)) => {
            let times = TcpKeepalive::new()
                .with_time(whole_seconds(keepalive.idle))
                .with_interval(whole_seconds(keepalive.interval))
                .with_retries(keepalive.count);
            socket.set_tcp_keepalive(&times)
        }
        SocketOption::ReceiveBuffer(bytes) => socket.set_recv_buffer_size(*bytes as usize),
        SocketOption::SendBuffer(bytes) => socket.set_send_buffer_size(*bytes as usize),
        SocketOption::Broadcast(on) => socket.set_broadcast(*on),
        SocketOption::UserTimeout(time) => set_user_timeout(socket, *time),
        SocketOption::TrafficClass(class) => set_for_families(
            socket,
            |socket| socket.set_tos_v4(u32::from(*class)),
            |socket| socket.set_tclass_v6(u32::from(*class)),
        ),
        SocketOption::OnlyV6(on) => socket.set_only_v6(*on),
        SocketOption::ReusePort(on) => socket.set_reuse_port(*on),
        SocketOption::JoinMulticast(Multicast::V4 { group, interface }) => {
            socket.join_multicast_v4(group, interface)
        }
        SocketOption::JoinMulticast(Multicast::V6 { group, interface }) => {
            socket.join_multicast_v6(group, *interface)
        }
        SocketOption::LeaveMulticast(Multicast::V4 { group, interface }) => {
            socket.leave_multicast_v4(group, interface)
        }
        SocketOption::LeaveMulticast(Multicast::V6 { group, interface }) => {
            socket.leave_multicast_v6(group, *interface)
        }
        SocketOption::MulticastInterfaceV4(address) => socket.set_multicast_if_v4(address),
        SocketOption::MulticastInterfaceV6(index) => socket.set_multicast_if_v6(*index),
        SocketOption::MulticastLoop(on) => set_for_families(
            socket,
            |socket| socket.set_multicast_loop_v4(*on),
            |socket| socket.set_multicast_loop_v6(*on),
        ),
        SocketOption::MulticastHops(hops) => set_for_families(
            socket,
            |socket| socket.set_multicast_ttl_v4(u32::from(*hops)),
            |socket| socket.set_multicast_hops_v6(u32::from(*hops)),
        ),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Sets an option that each family has its own of: both on a socket of IPv6 that may reach IPv4,
/// whose peers would see the system's default otherwise (measured on Linux).
fn set_for_families(
    socket: &SockRef<'_>,
    set_v4: impl Fn(&SockRef<'_>) -> io::Result<()>,
    set_v6: impl Fn(&SockRef<'_>) -> io::Result<()>,
) -> io::Result<()> {
    // The local address tells the family, even of a socket that is not bound.
    if !socket.local_addr()?.is_ipv6() {
        return set_v4(socket);
    }
    set_v6(socket)?;
    if socket.only_v6()? { Ok(()) } else { set_v4(socket) }
}

/// The system would cut what is left of a second, and take none for a mistake.
fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_user_timeout(socket: &SockRef<'_>, time: Option<Duration>) -> io::Result<()> {
    // To the kernel, zero milliseconds means its own rule, which is not what the caller asks for.
    let whole_millis = |time: Duration| {
        let is_cut = !time.subsec_nanos().is_multiple_of(1_000_000);
        time + Duration::from_millis(u64::from(is_cut))
    };
    socket.set_tcp_user_timeout(time.map(whole_millis))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_user_timeout(_socket: &SockRef<'_>, _time: Option<Duration>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the close of a stream socket send RST (`SO_LINGER` of zero).
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

/// Makes reads and writes of the open file non-blocking, or blocking. The flag belongs to the open
/// file, so it changes for every descriptor and process that shares it.
pub(super) fn set_nonblocking(fd: impl AsFd, on: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(&fd)?;
    flags.set(OFlags::NONBLOCK, on);
    Ok(fcntl_setfl(&fd, flags)?)
}

/// Returns whether the open file can be read, and whether it can be written.
pub(crate) fn access(fd: impl AsFd) -> io::Result<(bool, bool)> {
    let mode = fcntl_getfl(fd)? & OFlags::RWMODE;
    Ok((mode != OFlags::WRONLY, mode != OFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use socket2::{Domain, Socket};
    use tidelock_core::Keepalive;

    use super::*;

    fn open(domain: Domain, kind: Type) -> Socket {
        Socket::new(domain, kind, None).unwrap()
    }

    #[test]
    fn an_option_that_was_set_is_set() {
        let tcp = open(Domain::IPV4, Type::STREAM);
        set_option(&tcp, &SocketOption::Nodelay(true)).unwrap();
        assert!(tcp.tcp_nodelay().unwrap());
        let keepalive =
            Keepalive { idle: Duration::from_secs(70), interval: Duration::from_secs(7), count: 3 };
        set_option(&tcp, &SocketOption::Keepalive(Some(keepalive))).unwrap();
        assert!(tcp.keepalive().unwrap());
        assert_eq!(tcp.tcp_keepalive_time().unwrap(), Duration::from_secs(70));
        assert_eq!(tcp.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
        assert_eq!(tcp.tcp_keepalive_retries().unwrap(), 3);
        let keepalive = Keepalive {
            idle: Duration::from_millis(500),
            interval: Duration::from_millis(1900),
            count: 1,
        };
        set_option(&tcp, &SocketOption::Keepalive(Some(keepalive))).unwrap();
        let set = (tcp.tcp_keepalive_time().unwrap(), tcp.tcp_keepalive_interval().unwrap());
        assert_eq!(set, (Duration::from_secs(1), Duration::from_secs(2)), "rounded up");
        set_option(&tcp, &SocketOption::Keepalive(None)).unwrap();
        assert!(!tcp.keepalive().unwrap());
        set_option(&tcp, &SocketOption::TrafficClass(0xb8)).unwrap();
        assert_eq!(tcp.tos_v4().unwrap(), 0xb8);
        set_option(&tcp, &SocketOption::ReusePort(true)).unwrap();
        assert!(tcp.reuse_port().unwrap());

        let udp = open(Domain::IPV6, Type::DGRAM);
        set_option(&udp, &SocketOption::TrafficClass(0xb8)).unwrap();
        assert_eq!(udp.tclass_v6().unwrap(), 0xb8);
        set_option(&udp, &SocketOption::OnlyV6(true)).unwrap();
        assert!(udp.only_v6().unwrap());
        set_option(&udp, &SocketOption::MulticastLoop(false)).unwrap();
        assert!(!udp.multicast_loop_v6().unwrap());
        set_option(&udp, &SocketOption::MulticastHops(9)).unwrap();
        assert_eq!(udp.multicast_hops_v6().unwrap(), 9);
        set_option(&udp, &SocketOption::MulticastInterfaceV6(1)).unwrap();
        assert_eq!(udp.multicast_if_v6().unwrap(), 1);

        let dual = open(Domain::IPV6, Type::DGRAM);
        set_option(&dual, &SocketOption::OnlyV6(false)).unwrap();
        set_option(&dual, &SocketOption::TrafficClass(0xb8)).unwrap();
        assert_eq!((dual.tclass_v6().unwrap(), dual.tos_v4().unwrap()), (0xb8, 0xb8));
        set_option(&dual, &SocketOption::MulticastLoop(false)).unwrap();
        assert!(!dual.multicast_loop_v6().unwrap() && !dual.multicast_loop_v4().unwrap());
        set_option(&dual, &SocketOption::MulticastHops(9)).unwrap();
        assert_eq!((dual.multicast_hops_v6().unwrap(), dual.multicast_ttl_v4().unwrap()), (9, 9));

        let udp = open(Domain::IPV4, Type::DGRAM);
        set_option(&udp, &SocketOption::MulticastLoop(false)).unwrap();
        assert!(!udp.multicast_loop_v4().unwrap());
        set_option(&udp, &SocketOption::MulticastHops(9)).unwrap();
        assert_eq!(udp.multicast_ttl_v4().unwrap(), 9);
        set_option(&udp, &SocketOption::MulticastInterfaceV4(Ipv4Addr::LOCALHOST)).unwrap();
        assert_eq!(udp.multicast_if_v4().unwrap(), Ipv4Addr::LOCALHOST);
        set_option(&udp, &SocketOption::Broadcast(true)).unwrap();
        assert!(udp.broadcast().unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_time_without_acknowledgement_is_set_and_taken_back() {
        let tcp = open(Domain::IPV4, Type::STREAM);
        let time = Duration::from_millis(1500);
        set_option(&tcp, &SocketOption::UserTimeout(Some(time))).unwrap();
        assert_eq!(tcp.tcp_user_timeout().unwrap(), Some(time));
        let cut = SocketOption::UserTimeout(Some(Duration::from_micros(1_500_001)));
        set_option(&tcp, &cut).unwrap();
        let rounded = Duration::from_millis(1501);
        assert_eq!(tcp.tcp_user_timeout().unwrap(), Some(rounded), "cut to less than was asked");
        set_option(&tcp, &SocketOption::UserTimeout(None)).unwrap();
        assert_eq!(tcp.tcp_user_timeout().unwrap(), None);
    }

    #[test]
    fn an_option_that_does_not_fit_the_socket_is_refused() {
        let unix = open(Domain::UNIX, Type::STREAM);
        let udp = open(Domain::IPV4, Type::DGRAM);
        let group =
            Multicast::V4 { group: Ipv4Addr::new(10, 0, 0, 1), interface: Ipv4Addr::LOCALHOST };
        let group_v6 = Multicast::V6 { group: Ipv6Addr::LOCALHOST, interface: 0 };
        set_option(&unix, &SocketOption::Nodelay(true)).unwrap_err();
        set_option(&udp, &SocketOption::Nodelay(true)).unwrap_err();
        set_option(&udp, &SocketOption::OnlyV6(true)).unwrap_err();
        set_option(&udp, &SocketOption::JoinMulticast(group)).unwrap_err();
        set_option(&udp, &SocketOption::LeaveMulticast(group)).unwrap_err();
        set_option(&udp, &SocketOption::JoinMulticast(group_v6)).unwrap_err();
        set_option(&udp, &SocketOption::MulticastInterfaceV6(1)).unwrap_err();
    }
}
