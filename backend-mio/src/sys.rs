//! Every name through which the crate reaches the system.
//!
//! The first part is mio's own names, unchanged. No other file of the crate speaks to mio or to
//! socket2, so another implementation of these names (a simulated kernel) can take their place,
//! and the lines that break in production run in it: EINTR, stale tokens, drained sockets,
//! descriptor exhaustion, error mapping, wake-ups.

mod bound_path;
mod open;
mod options;
mod socket;

pub(crate) use mio::event::Event;
pub(crate) use mio::net::UdpSocket;
pub(crate) use mio::unix::SourceFd;
pub(crate) use mio::{Events, Interest, Poll, Registry, Token, Waker};

pub(crate) use open::{Sharing, open_datagram, open_listener, open_stream};
pub(crate) use options::{
    FdKind, access, fd_kind, is_nonblocking, reset_on_close, set_nonblocking, set_option,
    shutdown_write, socket_ends, take_socket_error,
};
pub(crate) use socket::{ListenerSocket, StreamSocket};

/// Readiness in both directions; on Linux with urgent data, because a socket with urgent data
/// must be known: a read stops short before it although more is there.
pub(crate) const STREAM_INTEREST: Interest = stream_interest();

/// Readiness in both directions.
pub(crate) const BOTH_DIRECTIONS: Interest = Interest::READABLE.add(Interest::WRITABLE);

const fn stream_interest() -> Interest {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return BOTH_DIRECTIONS.add(Interest::PRIORITY);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return BOTH_DIRECTIONS;
}

/// Whether `event` tells of urgent data; always false where the system cannot say.
pub(crate) fn is_urgent(event: &Event) -> bool {
    event.is_priority()
}

/// Whether a short read of a TCP stream proves that nothing is left, as long as no event told of
/// an end, an error or urgent data. Measured on Linux only.
pub(crate) const SHORT_READ_MEANS_DRAINED: bool = cfg!(target_os = "linux");
