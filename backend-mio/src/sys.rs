//! The only door of the crate to the system.
//!
//! The first names are mio's own, unchanged. No other file of the crate uses mio or socket2, so
//! another implementation of these names, such as a simulated kernel, could take their place and
//! run the code that tends to break in production: EINTR, stale tokens, drained sockets, exhausted
//! descriptors, the mapping of errors, wake-ups.

mod bound_path;
mod foreign;
mod open;
mod options;
mod socket;

pub(crate) use mio::event::Event;
pub(crate) use mio::net::UdpSocket;
pub(crate) use mio::unix::SourceFd;
pub(crate) use mio::{Events, Interest, Poll, Registry, Token, Waker};

pub(crate) use foreign::Foreign;
pub(crate) use open::{Sharing, open_datagram, open_listener, open_stream};
pub(crate) use options::{
    FdKind, access, fd_kind, reset_on_close, set_option, shutdown_write, socket_ends,
    take_socket_error,
};
pub(crate) use socket::{ListenerSocket, StreamSocket};

/// Readiness in both directions and, on Linux, urgent data. A read stops before an urgent byte
/// although more bytes follow, and no further event comes for those: without this bit, such a short
/// read would be taken for a drained socket.
pub(crate) const STREAM_INTEREST: Interest = stream_interest();

/// Readiness in both directions.
pub(crate) const BOTH_DIRECTIONS: Interest = Interest::READABLE.add(Interest::WRITABLE);

const fn stream_interest() -> Interest {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return BOTH_DIRECTIONS.add(Interest::PRIORITY);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return BOTH_DIRECTIONS;
}

/// Returns `true` if `event` reports urgent data; always `false` on systems without that bit.
pub(crate) fn is_urgent(event: &Event) -> bool {
    event.is_priority()
}

/// `true` if a short read of a TCP stream proves that nothing is left, unless an event reported an
/// end, an error or urgent data. Measured on Linux only.
pub(crate) const SHORT_READ_MEANS_DRAINED: bool = cfg!(target_os = "linux");
