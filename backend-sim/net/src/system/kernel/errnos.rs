//! The results that are injected as such: one table, each row with its source.
//!
//! A row that is fatal changes the kernel's state, and what the call answers is computed from
//! that; so a fault that was met once is met by every later call, and by the peer.

use super::{Errno, Kernel, Readiness};
use crate::chance::choices::Choices;
use crate::system::schedule::What;
use crate::words::kinds::Kind;

/// The effect of a row besides failing the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changed: the next call may succeed.
    Passes,
    /// The call would block; an edge is owed and comes.
    OwesEdge,
    /// A signal came: whoever calls repeats the call.
    Repeats,
    /// The stream is broken at this end, and the peer hears nothing until it sends.
    Breaks,
    /// The stream is reset: both ends hear of it.
    Resets,
    /// The connection that was to be accepted is gone.
    Aborts,
    /// The connect goes on, and fails with this later.
    FailsLater,
}

/// Where a row can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Any,
    /// Where calls are repeated after an event: nothing is to be repeated of a completion.
    Readiness,
    /// On macOS only.
    Macos,
    /// On Windows only.
    Windows,
}

/// One result that a call can be made to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The decision that chooses it: its value is the row's place among those of this kind, from 1.
    pub kind: Kind,
    /// `call/ERRNO`, as reports say it.
    pub name: &'static str,
    /// The answer of the call.
    pub errno: Errno,
    /// The other effect.
    pub effect: Effect,
    /// Where it can happen.
    pub scope: Scope,
    /// The source that says so.
    pub source: &'static str,
}

macro_rules! rows {
    ($($kind:ident $name:literal $errno:ident $effect:ident $scope:ident $source:literal;)*) => {
        /// Every row; those of one kind stand together, and new ones stand last among them.
        pub const ROWS: [Row; [$($name),*].len()] = [$(Row {
            kind: Kind::$kind,
            name: $name,
            errno: Errno::$errno,
            effect: Effect::$effect,
            scope: Scope::$scope,
            source: $source,
        }),*];
    };
}

rows! {
    READ "read/EAGAIN" WouldBlock OwesEdge Readiness "recv(2); edge-triggered readiness owes an edge";
    READ "read/EINTR" Interrupted Repeats Readiness "recv(2)";
    READ "read/ECONNRESET" ConnectionReset Resets Any "KERNEL K1";
    READ "read/ETIMEDOUT" TimedOut Breaks Any "tcp(7): the other end did not acknowledge";
    READ "read/EHOSTUNREACH" HostUnreachable Breaks Any "ip(7): ICMP, with the last retransmission";
    READ "read/ENETDOWN" NetworkDown Breaks Any "POSIX recv";
    WRITE "write/EAGAIN" WouldBlock OwesEdge Readiness "send(2); edge-triggered readiness owes an edge";
    WRITE "write/EINTR" Interrupted Repeats Readiness "send(2)";
    WRITE "write/EPIPE" BrokenPipe Resets Any "KERNEL K2";
    WRITE "write/ECONNRESET" ConnectionReset Resets Any "send(2)";
    WRITE "write/ETIMEDOUT" TimedOut Breaks Any "tcp(7)";
    WRITE "write/EHOSTUNREACH" HostUnreachable Breaks Any "ip(7)";
    WRITE "write/ENETDOWN" NetworkDown Breaks Any "POSIX send";
    WRITE "write/EPROTOTYPE" ProtocolType Resets Macos "XNU: a send that races with the peer's close (unverified)";
    SHUTDOWN "shutdown/ENOTCONN" NotConnected Resets Any "shutdown(2), after RST";
    ACCEPT "accept/ECONNABORTED" ConnectionAborted Aborts Any "accept(2)";
    ACCEPT "accept/EMFILE" TooManyFiles Passes Any "accept(2); LESSONS 29";
    ACCEPT "accept/ENOBUFS" NoBuffers Passes Any "accept(2)";
    ACCEPT "accept/ENFILE" FileTableFull Passes Any "accept(2)";
    ACCEPT "accept/ENOMEM" NoMemory Passes Any "accept(2)";
    ACCEPT "accept/EPERM" NotPermitted Aborts Any "accept(2): firewall rules";
    ACCEPT "accept/EPROTO" Protocol Aborts Any "accept(2)";
    ACCEPT "accept/EHOSTUNREACH" HostUnreachable Aborts Any "accept(2): an error of the new socket";
    ACCEPT "accept/ENETDOWN" NetworkDown Aborts Any "accept(2): an error of the new socket";
    ACCEPT "accept/EAGAIN" WouldBlock OwesEdge Readiness "accept(2)";
    ACCEPT "accept/EINTR" Interrupted Repeats Readiness "accept(2)";
    SOCKET "socket/EMFILE" TooManyFiles Passes Any "socket(2)";
    SOCKET "socket/ENFILE" FileTableFull Passes Any "socket(2)";
    SOCKET "socket/ENOBUFS" NoBuffers Passes Any "socket(2)";
    SOCKET "socket/ENOMEM" NoMemory Passes Any "socket(2)";
    SOCKET "socket/EACCES" AccessDenied Passes Any "socket(2)";
    DIAL "connect/EADDRNOTAVAIL" AddressNotAvailable Passes Any "connect(2): no port is free";
    DIAL "connect/ENETUNREACH" NetworkUnreachable Passes Any "connect(2)";
    DIAL "connect/EPERM" NotPermitted Passes Any "connect(2): firewall rules";
    DIAL "connect/EACCES" AccessDenied Passes Any "connect(2)";
    DIAL "connect/EINVAL" InvalidArgument Passes Any "POSIX connect";
    DIAL "connect/ECONNREFUSED" ConnectionRefused FailsLater Any "connect(2), by SO_ERROR";
    DIAL "connect/ETIMEDOUT" TimedOut FailsLater Any "connect(2), by SO_ERROR";
    DIAL "connect/EHOSTUNREACH" HostUnreachable FailsLater Any "ip(7), by SO_ERROR";
    DIAL "connect/ECONNRESET" ConnectionReset FailsLater Any "POSIX connect, by SO_ERROR";
    BIND "bind/EADDRINUSE" AddressInUse Passes Any "bind(2), listen(2)";
    BIND "bind/EADDRNOTAVAIL" AddressNotAvailable Passes Any "bind(2)";
    BIND "bind/EACCES" AccessDenied Passes Any "bind(2): a port below 1024";
    BIND "bind/EMFILE" TooManyFiles Passes Any "socket(2)";
    BIND "bind/ENFILE" FileTableFull Passes Any "socket(2)";
    BIND "bind/ENOBUFS" NoBuffers Passes Any "socket(2)";
    BIND "bind/ENOMEM" NoMemory Passes Any "bind(2)";
    DATAGRAM_FAIL "send_to/ENOBUFS" NoBuffers Passes Any "send(2): the interface's queue is full";
    DATAGRAM_FAIL "send_to/ENETUNREACH" NetworkUnreachable Passes Any "ip(7)";
    DATAGRAM_FAIL "send_to/EHOSTUNREACH" HostUnreachable Passes Any "ip(7)";
    DATAGRAM_FAIL "send_to/EPERM" NotPermitted Passes Any "send(2): firewall rules";
    DATAGRAM_FAIL "send_to/EMSGSIZE" MessageTooLarge Passes Any "udp(7): beyond the path's MTU";
    DATAGRAM_FAIL "send_to/ECONNREFUSED" ConnectionRefused Passes Any "KERNEL K8";
    DATAGRAM_FAIL "send_to/EINVAL" InvalidArgument Passes Any "send(2)";
    DATAGRAM_FAIL "send_to/EACCES" AccessDenied Passes Any "ip(7): a broadcast address";
    DATAGRAM_FAIL "send_to/ENOMEM" NoMemory Passes Any "send(2)";
    DATAGRAM_FAIL "send_to/ENETDOWN" NetworkDown Passes Any "POSIX send";
    DATAGRAM_FAIL "send_to/EAGAIN" WouldBlock OwesEdge Readiness "send(2)";
    DATAGRAM_FAIL "send_to/EINTR" Interrupted Repeats Readiness "send(2)";
    RECEIVE "receive_from/ECONNREFUSED" ConnectionRefused Passes Any "KERNEL K8; recv(2)";
    RECEIVE "receive_from/EHOSTUNREACH" HostUnreachable Passes Any "udp(7): ICMP";
    RECEIVE "receive_from/ENOMEM" NoMemory Passes Any "recv(2)";
    RECEIVE "receive_from/EAGAIN" WouldBlock OwesEdge Readiness "recv(2); a wrong checksum, select(2) BUGS";
    RECEIVE "receive_from/EINTR" Interrupted Repeats Readiness "recv(2)";
    RECEIVE "receive_from/WSAECONNRESET" ConnectionReset Passes Windows "recvfrom: ICMP (unverified)";
    PEER "udp_connect/ENETUNREACH" NetworkUnreachable Passes Any "connect(2)";
    PEER "udp_connect/EADDRNOTAVAIL" AddressNotAvailable Passes Any "connect(2)";
    PEER "udp_connect/EACCES" AccessDenied Passes Any "connect(2): a broadcast address";
    OPTION "set_option/ENOPROTOOPT" NoProtocolOption Passes Any "setsockopt(2)";
    OPTION "set_option/ENOMEM" NoMemory Passes Any "tcp(7)";
    OPTION "set_option/EINVAL" InvalidArgument Passes Any "setsockopt(2); XNU says it after RST";
    RENAME "rename/ENOMEM" NoMemory Passes Any "epoll_ctl(2)";
    POLL "poll/EINTR" Interrupted Repeats Any "epoll_wait(2), kevent(2), io_uring_enter(2)";
}

/// The number of times that each row was met.
pub type RowCounts = [u64; ROWS.len()];

/// Where the rows of a kind begin, and how many they are.
const fn rows_of(kind: Kind) -> (usize, usize) {
    let (mut first, mut count, mut at) = (0, 0, 0);
    while at < ROWS.len() {
        if ROWS[at].kind.0 == kind.0 {
            if count == 0 {
                first = at;
            }
            count += 1;
        }
        at += 1;
    }
    (first, count)
}

/// The same for every kind, so that no call counts.
const PLACES: [(usize, usize); crate::words::kinds::KIND_COUNT] = {
    let mut places = [(0, 0); crate::words::kinds::KIND_COUNT];
    let mut at = 0;
    while at < places.len() {
        places[at] = rows_of(Kind(at as u8));
        at += 1;
    }
    places
};

/// An owed edge comes within this.
const OWED_NANOS: u64 = 50_000;

impl<C: Choices> Kernel<C> {
    /// Decides the row of this kind that a call of `host` is made to meet, if any can happen there.
    /// `entity` is who calls.
    #[inline]
    pub(super) fn meets(&mut self, kind: Kind, host: u16, entity: u32) -> Option<&'static Row> {
        let (first, count) = PLACES[kind.0 as usize];
        match self.draw(kind, entity, count as u32 + 1) {
            0 => None,
            drawn => self.meets_row(first + drawn as usize - 1, host),
        }
    }

    #[cold]
    fn meets_row(&mut self, at: usize, host: u16) -> Option<&'static Row> {
        let row = &ROWS[at];
        let is_possible = match row.scope {
            Scope::Any => true,
            Scope::Readiness => self.readiness(host) != Readiness::Completion,
            Scope::Macos => self.settings.os == super::Os::Macos,
            Scope::Windows => self.settings.os == super::Os::Windows,
        };
        if !is_possible {
            return None;
        }
        self.met[at] += 1;
        Some(row)
    }

    /// Decides the error of opening a socket at an address, if any.
    pub fn bind_meets(&mut self, host: u16) -> Option<Errno> {
        let entity = self.host_entity(host);
        self.meets(Kind::BIND, host, entity).map(|row| row.errno)
    }

    /// Decides the error of setting an option, if any.
    pub fn option_meets(&mut self, socket: u32) -> Option<Errno> {
        let (host, entity) = (self.sockets[socket as usize].host, self.entity(socket));
        self.meets(Kind::OPTION, host, entity).map(|row| row.errno)
    }

    /// Decides the error of giving a connection another name, if any.
    pub fn rename_meets(&mut self, socket: u32) -> Option<Errno> {
        let (host, entity) = (self.sockets[socket as usize].host, self.entity(socket));
        self.meets(Kind::RENAME, host, entity).map(|row| row.errno)
    }

    /// Returns the number of times that each row was met.
    pub fn met(&self) -> &RowCounts {
        &self.met
    }

    /// A call that would block though it could go on: its edge comes.
    pub(super) fn owe_edge(&mut self, socket: u32, is_in: bool) -> Errno {
        let s = &mut self.sockets[socket as usize];
        let waits = if is_in { &mut s.waits_in } else { &mut s.waits_out };
        *waits = true;
        s.edges_owed += 1;
        s.edges += 1;
        let (entity, edges) = (s.entity, s.edges);
        let late = 1 + self.vary(entity, crate::chance::noise::Amount::Edge, edges, OWED_NANOS);
        self.at(self.now + late, What::OwedEdge { socket, is_in });
        Errno::WouldBlock
    }

    pub(super) fn owed_edge_comes(&mut self, socket: u32, is_in: bool) {
        let s = &mut self.sockets[socket as usize];
        assert!(s.edges_owed > 0, "an edge comes that nobody owes");
        s.edges_owed -= 1;
        let host = s.host;
        let is_current = matches!(self.readiness(host), Readiness::Linux | Readiness::Kqueue);
        if !is_in && is_current && !self.bits(socket).writable {
            // The event would not say so; the caller still waits, and hears when there is space.
            return;
        }
        self.mark(socket, is_in, !is_in);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_kind_stand_together_under_names_of_their_own() {
        for (at, row) in ROWS.iter().enumerate() {
            let (first, count) = PLACES[row.kind.0 as usize];
            assert!((first..first + count).contains(&at), "{} stands apart", row.name);
            assert!(!row.source.is_empty(), "{} has no source", row.name);
            assert!(ROWS[at + 1..].iter().all(|other| other.name != row.name), "{}", row.name);
            let owes = row.effect == Effect::OwesEdge;
            assert_eq!(owes, row.errno == Errno::WouldBlock, "{}: who waits is owed", row.name);
            let repeats = row.effect == Effect::Repeats;
            assert_eq!(repeats, row.errno == Errno::Interrupted, "{}", row.name);
        }
    }

    #[test]
    fn scripts_of_before_mean_the_same() {
        let named = |kind: Kind, value: usize| ROWS[PLACES[kind.0 as usize].0 + value - 1].name;
        let accept = [1, 2, 3].map(|value| named(Kind::ACCEPT, value));
        assert_eq!(accept, ["accept/ECONNABORTED", "accept/EMFILE", "accept/ENOBUFS"]);
        let datagram = [1, 2].map(|value| named(Kind::DATAGRAM_FAIL, value));
        assert_eq!(datagram, ["send_to/ENOBUFS", "send_to/ENETUNREACH"]);
    }
}
