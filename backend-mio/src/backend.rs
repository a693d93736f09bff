//! The kernel, through edge-triggered readiness.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use tidelock_core::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Directory,
    Endpoint, Event, Fault, FaultKind, ListenOptions, Outbox, Read, Readiness, SocketId,
    SocketOption, UdpOptions,
};
use tracing::field::Empty;
use tracing::span::Entered;

use crate::adopted::Adopted;
use crate::buffer::BufferRing;
use crate::datagram::Datagram;
use crate::listener::Listener;
use crate::resolver::{Lookup, Resolver};
use crate::socket_span::SocketSpan;
use crate::stats::Calls;
use crate::stream::Stream;
use crate::sys::{self, ListenerSocket, Registry, Sharing, Token, Waker};

/// The kernel, through edge-triggered readiness: every socket is registered once, for both
/// directions, and never again.
#[derive(Debug)]
pub(crate) struct MioBackend {
    registry: Registry,
    ring: BufferRing,
    resolver: Resolver,
    /// The calls that the network thread made to the system.
    pub(crate) calls: Calls,
    /// Listeners have others beside them, on other network threads.
    is_shared: bool,
    /// By place of the id. Invariant: an entry's place is its id's.
    table: Vec<Option<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: SocketId,
    socket: Socket,
    span: SocketSpan,
}

#[derive(Debug)]
enum Socket {
    Stream(Stream),
    /// Few, and each larger than all else that a place holds.
    Listener(Box<Listener>),
    Datagram(Datagram),
    Adopted(Adopted),
}

/// The span of a socket's life; it is no part of the turn in which it begins.
macro_rules! socket_span {
    ($id:expr, $kind:literal, $($field:tt)*) => {
        SocketSpan::new(tracing::debug_span!(
            parent: None, "socket", id = %$id, kind = $kind, $($field)*
        ))
    };
}

/// The token of the waker; no socket has it, because no index is all ones.
pub(crate) const WAKE_TOKEN: Token = Token(usize::MAX);

/// The whole id where a token can hold it, so that an event of a socket that is gone names that
/// socket and never the one in its place; else the index, and such an event is a spurious one.
fn token_of(id: SocketId) -> Token {
    Token(id.to_bits() as usize)
}

impl MioBackend {
    /// A backend without sockets on `registry`.
    pub(crate) fn new(
        registry: Registry,
        waker: Weak<Waker>,
        directory: Arc<Directory>,
        lookup: Lookup,
    ) -> Self {
        let config = directory.config();
        // One buffer serves a stream's read and the largest datagram, with the byte that shows
        // that one was longer.
        let buffer_bytes = config.read_buffer_bytes_max.max(config.datagram_bytes_max + 1);
        let is_shared = directory.shards() > 1;
        let ring = BufferRing::new(buffer_bytes, config.read_buffer_bytes_min);
        let resolver = Resolver::new(waker, directory, lookup);
        let calls = Calls::default();
        Self { registry, ring, resolver, calls, is_shared, table: Vec::new() }
    }

    /// Returns the report of a poller's event for the Mux; `None` if its socket is gone.
    #[inline]
    pub(crate) fn handle_event(&mut self, event: &sys::Event) -> Option<(SocketId, Readiness)> {
        let bits = event.token().0;
        // The lower half of a token is the index on every machine.
        let entry = self.table.get_mut(SocketId::place_of(bits as u32) as usize)?.as_mut()?;
        if token_of(entry.id) != event.token() {
            return None;
        }
        let _about = entry.span.enter();
        let readiness = readiness(event);
        match &mut entry.socket {
            Socket::Stream(stream) => {
                // Both directions' ends, which are no error, imply the end of input.
                let is_marked = readiness.peer_closed || readiness.failed || sys::is_urgent(event);
                stream.handle_event(event.is_readable(), is_marked);
            }
            Socket::Adopted(adopted) => adopted.handle_event(event),
            Socket::Listener(_) | Socket::Datagram(_) => {}
        }
        tracing::trace!(?readiness, "event");
        Some((entry.id, readiness))
    }

    /// The next answer of the resolver.
    pub(crate) fn poll_resolved(&mut self) -> Option<Event> {
        self.resolver.poll()
    }

    /// Returns the number of open sockets.
    pub(crate) fn open_sockets(&self) -> usize {
        self.table.iter().flatten().count()
    }

    fn insert(&mut self, id: SocketId, socket: Socket, span: SocketSpan) {
        let index = id.place() as usize;
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        assert!(self.table[index].is_none(), "the place of {id} is taken");
        self.table[index] = Some(Entry { id, socket, span });
    }

    fn insert_listener(&mut self, id: SocketId, listener: Listener, local: &Endpoint) {
        let span = socket_span!(id, "listener", %local);
        span.in_scope(|| tracing::debug!("listening"));
        self.insert(id, Socket::Listener(Box::new(listener)), span);
    }

    fn remove(&mut self, id: SocketId) -> Option<Entry> {
        let place = self.table.get_mut(id.place() as usize)?;
        place.take_if(|entry| entry.id == id)
    }

    fn entry(&mut self, id: SocketId) -> &mut Entry {
        let place = self.table.get_mut(id.place() as usize).and_then(Option::as_mut);
        let entry = place.filter(|entry| entry.id == id);
        entry.unwrap_or_else(|| panic!("{id} is not open"))
    }

    /// An open socket; while the guard is there, what happens is about it.
    fn socket(&mut self, id: SocketId) -> (&mut Socket, Option<Entered<'_>>) {
        let Entry { socket, span, .. } = self.entry(id);
        (socket, span.enter())
    }

    /// A failed open leaves nothing behind; a socket that was opened takes its place.
    fn close_socket(&self, socket: Socket, how: CloseHow) {
        match socket {
            Socket::Stream(stream) => stream.close(how),
            // Closing the descriptor ends its registration, too.
            Socket::Listener(_) | Socket::Datagram(_) => {}
            Socket::Adopted(adopted) => adopted.close(&self.registry, how),
        }
    }

    fn datagram(&mut self, id: SocketId) -> (&mut Datagram, Option<Entered<'_>>) {
        match self.socket(id) {
            (Socket::Datagram(datagram), about) => (datagram, about),
            (other, _) => panic!("{id} is no datagram socket but {other:?}"),
        }
    }
}

/// Errors and ends are readiness in both directions: the next call tells what they are.
fn readiness(event: &sys::Event) -> Readiness {
    let (read_closed, write_closed) = (event.is_read_closed(), event.is_write_closed());
    let failed = event.is_error() || (read_closed && write_closed);
    Readiness {
        readable: event.is_readable() || read_closed || failed,
        writable: event.is_writable() || write_closed || failed,
        peer_closed: read_closed,
        failed,
    }
}

impl Backend for MioBackend {
    fn resolve(
        &mut self,
        id: SocketId,
        host: &str,
        port: u16,
    ) -> Answer<Result<Vec<Endpoint>, Fault>> {
        match self.resolver.resolve(id, host, port) {
            Ok(()) => Answer::Later,
            Err(fault) => Answer::Ready(Err(fault)),
        }
    }

    fn listen(
        &mut self,
        id: SocketId,
        at: &Endpoint,
        options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        let sharing = if self.is_shared { Sharing::First } else { Sharing::Alone };
        let opened = Listener::open(&self.registry, token_of(id), at, options, sharing);
        let (listener, local) =
            opened.inspect_err(|fault| tracing::warn!(%id, %at, %fault, "cannot listen"))?;
        self.insert_listener(id, listener, &local);
        Ok(local)
    }

    fn share_listener(
        &mut self,
        id: SocketId,
        local: &Endpoint,
        options: &ListenOptions,
    ) -> Result<Descriptor, Fault> {
        assert!(self.is_shared, "{id} is shared with nobody");
        let opened = Listener::open_further(local, options);
        let socket =
            opened.inspect_err(|fault| tracing::warn!(%id, %local, %fault, "cannot share"))?;
        Ok(Box::new(socket))
    }

    fn listen_shared(
        &mut self,
        id: SocketId,
        listener: Descriptor,
        options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        let listener = listener.downcast::<ListenerSocket>();
        let socket = listener.map_err(|_other| FaultKind::Unsupported)?;
        let opened = Listener::register(&self.registry, token_of(id), *socket, options);
        let (listener, local) =
            opened.inspect_err(|fault| tracing::warn!(%id, %fault, "cannot listen beside"))?;
        self.insert_listener(id, listener, &local);
        Ok(local)
    }

    fn connect(
        &mut self,
        id: SocketId,
        to: &Endpoint,
        options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>> {
        let index = id.place() as usize;
        let is_new = self.table.get(index).is_none_or(Option::is_none);
        if is_new {
            self.calls.connects += 1;
            match Stream::connect(&self.registry, token_of(id), to, options) {
                Ok(stream) => {
                    let span = socket_span!(id, "stream", peer = %to, local = Empty);
                    self.insert(id, Socket::Stream(stream), span);
                }
                Err(fault) => {
                    tracing::debug!(%id, %to, %fault, "connect failed");
                    return Answer::Ready(Err(fault));
                }
            }
        }
        let Entry { socket: Socket::Stream(stream), span, .. } = self.entry(id) else {
            panic!("{id} connects and is no stream");
        };
        let about = span.enter();
        match stream.connected() {
            Answer::Later => Answer::Later,
            Answer::Ready(Ok(ends)) => {
                span.record("local", &ends.local);
                tracing::debug!("connected");
                Answer::Ready(Ok(ends))
            }
            Answer::Ready(Err(fault)) => {
                tracing::debug!(%fault, "connect failed");
                drop(about);
                let entry = self.remove(id).expect("a socket that connects has its place");
                self.close_socket(entry.socket, CloseHow::Plain);
                Answer::Ready(Err(fault))
            }
        }
    }

    fn beside(&mut self, id: SocketId, told: SocketId) {
        tracing::debug!(%id, %told, "another address is tried beside");
    }

    fn rename(&mut self, from: SocketId, to: SocketId) -> Result<(), Fault> {
        let entry = self.remove(from).unwrap_or_else(|| panic!("{from} is not open"));
        let Entry { socket: Socket::Stream(mut stream), span, .. } = entry else {
            panic!("{from} connected and is no stream");
        };
        if let Err(fault) = stream.rename(&self.registry, token_of(to)) {
            span.in_scope(|| tracing::debug!(%to, %fault, "cannot rename"));
            self.insert(from, Socket::Stream(stream), span);
            return Err(fault);
        }
        span.in_scope(|| tracing::debug!(%to, "renamed"));
        let (local, peer) = stream.known_ends();
        let span = socket_span!(to, "stream", %peer, %local, racer = %from);
        self.insert(to, Socket::Stream(stream), span);
        Ok(())
    }

    fn accept(&mut self, listener: SocketId, id: SocketId) -> Answer<Result<Accepted, Fault>> {
        self.calls.accepts += 1;
        let place = self.table.get(listener.place() as usize).and_then(Option::as_ref);
        let Some(Entry { id: found, socket: Socket::Listener(socket), span }) = place else {
            panic!("{listener} is no listener");
        };
        assert_eq!(*found, listener, "the listener is gone");
        match socket.accept(&self.registry, token_of(id)) {
            Answer::Later => Answer::Later,
            Answer::Ready(Ok((stream, ends))) => {
                let (local, peer) = (&ends.local, &ends.peer);
                let span = socket_span!(id, "stream", %peer, %local, %listener);
                span.in_scope(|| tracing::debug!("accepted"));
                self.insert(id, Socket::Stream(stream), span);
                Answer::Ready(Ok(ends))
            }
            Answer::Ready(Err(fault)) => {
                span.in_scope(|| tracing::warn!(%fault, "accept failed"));
                Answer::Ready(Err(fault))
            }
        }
    }

    fn adopt(&mut self, id: SocketId, descriptor: Descriptor) -> Result<Connected, Fault> {
        let descriptor =
            descriptor.downcast::<OwnedFd>().map_err(|_other| FaultKind::Unsupported)?;
        let (adopted, ends) = Adopted::adopt(&self.registry, token_of(id), *descriptor)
            .inspect_err(|fault| tracing::debug!(%id, %fault, "cannot adopt"))?;
        let span = socket_span!(id, "adopted", peer = %ends.peer, local = %ends.local);
        span.in_scope(|| tracing::debug!("adopted"));
        self.insert(id, Socket::Adopted(adopted), span);
        Ok(ends)
    }

    #[inline(always)]
    fn read(&mut self, id: SocketId, size_hint: usize) -> Answer<Result<Read, Fault>> {
        let place = self.table.get_mut(id.place() as usize).and_then(Option::as_mut);
        let entry = place.filter(|entry| entry.id == id);
        let Entry { socket, span, .. } = entry.unwrap_or_else(|| panic!("{id} is not open"));
        let _about = span.enter();
        let answer = match socket {
            Socket::Stream(stream) => {
                if stream.is_drained() {
                    return Answer::Later;
                }
                self.calls.reads += 1;
                stream.read(&mut self.ring, size_hint)
            }
            Socket::Adopted(adopted) => {
                self.calls.reads += 1;
                adopted.read(&mut self.ring, size_hint)
            }
            other => panic!("{id} is read and is no stream but {other:?}"),
        };
        match &answer {
            Answer::Ready(Ok(read)) => tracing::trace!(bytes = read.bytes.len(), "read"),
            Answer::Ready(Err(fault)) => tracing::debug!(%fault, "read failed"),
            Answer::Later => {}
        }
        answer
    }

    #[inline(always)]
    fn write(
        &mut self,
        id: SocketId,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        self.calls.writes += 1;
        let (socket, _about) = self.socket(id);
        let answer = match socket {
            Socket::Stream(stream) => stream.write(unsent, size_max),
            Socket::Adopted(adopted) => adopted.write(unsent, size_max),
            other => panic!("{id} is written and is no stream but {other:?}"),
        };
        match &answer {
            Answer::Ready(Ok(bytes)) => tracing::trace!(bytes, "written"),
            Answer::Ready(Err(fault)) => tracing::debug!(%fault, "write failed"),
            Answer::Later => {}
        }
        answer
    }

    fn shutdown_write(&mut self, id: SocketId) -> Result<(), Fault> {
        let (socket, _about) = self.socket(id);
        match socket {
            Socket::Stream(stream) => stream.shutdown_write(),
            Socket::Adopted(adopted) => adopted.shutdown_write(),
            other => panic!("{id} is shut down and is no stream but {other:?}"),
        }
    }

    fn take_error(&mut self, id: SocketId) -> Result<(), Fault> {
        let (socket, _about) = self.socket(id);
        match socket {
            Socket::Stream(stream) => stream.take_error(),
            Socket::Adopted(adopted) => adopted.take_error(),
            Socket::Datagram(datagram) => datagram.take_error(),
            // A listener's errors are told by accept.
            Socket::Listener(_) => Ok(()),
        }
    }

    fn open_datagram(&mut self, id: SocketId, options: &UdpOptions) -> Result<Endpoint, Fault> {
        let (datagram, local) = Datagram::open(&self.registry, token_of(id), options)
            .inspect_err(|fault| tracing::warn!(%id, %fault, "cannot open a datagram socket"))?;
        let span = socket_span!(id, "datagram", %local);
        span.in_scope(|| tracing::debug!("bound"));
        self.insert(id, Socket::Datagram(datagram), span);
        Ok(local)
    }

    fn connect_datagram(&mut self, id: SocketId, peer: &Endpoint) -> Result<(), Fault> {
        let (datagram, _about) = self.datagram(id);
        datagram.connect(peer)
    }

    fn send_to(
        &mut self,
        id: SocketId,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        self.calls.sends += 1;
        let (datagram, _about) = self.datagram(id);
        datagram.send_to(to, payload)
    }

    fn receive_from(
        &mut self,
        id: SocketId,
        size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        self.calls.receives += 1;
        let place = self.table.get(id.place() as usize).and_then(Option::as_ref);
        let entry = place.filter(|entry| entry.id == id);
        let _about = entry.and_then(|entry| entry.span.enter());
        match entry.map(|entry| &entry.socket) {
            Some(Socket::Datagram(datagram)) => datagram.receive_from(&mut self.ring, size_max),
            other => panic!("{id} is no datagram socket but {other:?}"),
        }
    }

    fn set_option(&mut self, id: SocketId, option: &SocketOption) -> Result<(), Fault> {
        let (socket, _about) = self.socket(id);
        match socket {
            Socket::Stream(stream) => stream.set_option(option),
            Socket::Adopted(adopted) => adopted.set_option(option),
            Socket::Datagram(datagram) => datagram.set_option(option),
            Socket::Listener(_) => Err(FaultKind::Unsupported.into()),
        }
    }

    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()> {
        let entry = self.remove(id).unwrap_or_else(|| panic!("{id} is closed and is not open"));
        let Entry { socket, span, .. } = entry;
        span.in_scope(|| {
            self.close_socket(socket, how);
            tracing::debug!(?how, "closed");
        });
        Answer::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::num::NonZeroU32;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use tidelock_core::{Config, Priority};

    use super::*;
    use crate::sys::{Events, Poll};

    /// A backend with its poller, and the events that it reported.
    struct Bench {
        poll: Poll,
        backend: MioBackend,
    }

    const BOUND: Duration = Duration::from_secs(10);

    fn id(index: u32, generation: u32) -> SocketId {
        SocketId::new(index, NonZeroU32::new(generation).unwrap())
    }

    impl Bench {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let registry = poll.registry().try_clone().unwrap();
            let directory = Arc::new(Directory::new(Config::default()).unwrap());
            Self {
                backend: MioBackend::new(registry, Weak::new(), directory, Lookup::default()),
                poll,
            }
        }

        fn events(&mut self, timeout: Duration) -> Vec<(SocketId, Readiness)> {
            let mut events = Events::with_capacity(64);
            self.poll.poll(&mut events, Some(timeout)).unwrap();
            let reported = events.iter().filter_map(|event| self.backend.handle_event(event));
            reported.collect()
        }

        /// Repeats `call` after events of `of` until it is ready.
        fn until_ready<T>(
            &mut self,
            of: SocketId,
            mut call: impl FnMut(&mut MioBackend) -> Answer<T>,
        ) -> T {
            let start = Instant::now();
            loop {
                if let Answer::Ready(result) = call(&mut self.backend) {
                    return result;
                }
                while !self.events(BOUND).iter().any(|(id, _)| *id == of) {
                    assert!(start.elapsed() < BOUND, "no event for {of}");
                }
            }
        }

        fn connect(&mut self, of: SocketId, to: Endpoint) -> Result<Connected, Fault> {
            let options = ConnectOptions::default();
            self.until_ready(of, |backend| backend.connect(of, &to, &options))
        }

        /// An open stream and its far end.
        fn stream(&mut self, of: SocketId) -> TcpStream {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let ends = self.connect(of, listener.local_addr().unwrap().into()).unwrap();
            let (peer, address) = listener.accept().unwrap();
            assert_eq!(ends.local, address.into());
            peer
        }

        fn read_once(&mut self, of: SocketId) -> Answer<Result<Bytes, Fault>> {
            match self.backend.read(of, 65_536) {
                Answer::Ready(result) => Answer::Ready(result.map(|read| read.bytes)),
                Answer::Later => Answer::Later,
            }
        }

        fn read(&mut self, of: SocketId) -> Result<Bytes, Fault> {
            let read = self.until_ready(of, |backend| backend.read(of, 65_536));
            read.map(|read| read.bytes)
        }
    }

    /// An address that refuses: bound, so that nobody else gets it, and not listening.
    fn refused_address() -> (socket2::Socket, Endpoint) {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any_port.into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address.into())
    }

    #[test]
    fn after_a_refused_connect_the_same_id_connects_elsewhere() {
        let mut bench = Bench::new();
        let socket = id(3, 1);
        let (_reserved, refused) = refused_address();
        let fault = bench.connect(socket, refused).unwrap_err();
        assert_eq!(fault.kind, FaultKind::ConnectionRefused);
        assert_eq!(bench.backend.open_sockets(), 0, "a failed connect leaves nothing behind");
        let mut peer = bench.stream(socket);
        peer.write_all(b"here").unwrap();
        assert_eq!(bench.read(socket).unwrap(), "here");
    }

    #[test]
    fn a_connect_that_was_given_up_makes_place_for_the_next() {
        let mut bench = Bench::new();
        let socket = id(3, 1);
        // A backlog that is full never answers.
        let full =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        full.listen(0).unwrap();
        let to = full.local_addr().unwrap().as_socket().unwrap();
        let _fills_the_backlog = TcpStream::connect(to).unwrap();
        let options = ConnectOptions::default();
        for _ in 0..3 {
            assert_eq!(bench.backend.connect(socket, &to.into(), &options), Answer::Later);
            assert_eq!(bench.backend.connect(socket, &to.into(), &options), Answer::Later);
            assert_eq!(bench.backend.close(socket, CloseHow::Plain), Answer::Ready(()));
        }
        bench.stream(socket);
    }

    #[test]
    fn after_urgent_data_every_byte_is_read() {
        let mut bench = Bench::new();
        let socket = id(0, 1);
        let mut peer = bench.stream(socket);
        peer.write_all(&[1; 10]).unwrap();
        socket2::SockRef::from(&peer).send_out_of_band(&[9]).unwrap();
        peer.write_all(&[2; 10]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!bench.events(BOUND).is_empty());
        // The first read stops before the urgent byte, and no event comes for what is behind it.
        assert_eq!(bench.read_once(socket), Answer::Ready(Ok(vec![1; 10].into())));
        assert_eq!(bench.read_once(socket), Answer::Ready(Ok(vec![2; 10].into())));
    }

    #[test]
    fn the_end_behind_the_last_data_is_read_without_a_further_event() {
        let mut bench = Bench::new();
        let socket = id(0, 1);
        let mut peer = bench.stream(socket);
        peer.write_all(&[1; 10]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let merged = bench.events(BOUND);
        assert!(merged.iter().any(|(_, readiness)| readiness.peer_closed), "{merged:?}");
        assert_eq!(bench.read_once(socket), Answer::Ready(Ok(vec![1; 10].into())));
        assert_eq!(bench.read_once(socket), Answer::Ready(Ok(Bytes::new())));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_drained_stream_is_not_asked_and_tells_of_what_comes_later() {
        let mut bench = Bench::new();
        let socket = id(0, 1);
        let mut peer = bench.stream(socket);
        for round in 0..3 {
            peer.write_all(&[round; 10]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            assert!(!bench.events(BOUND).is_empty());
            assert_eq!(bench.read(socket).unwrap(), vec![round; 10]);
            // More is there at once, and is owed an event: the answer needs no call.
            peer.write_all(&[round; 5]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(bench.read_once(socket), Answer::Later);
            assert_eq!(bench.read(socket).unwrap(), vec![round; 5]);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_came_before_the_accept_is_told_by_an_event_and_not_asked_for() {
        let mut bench = Bench::new();
        let (listener, socket) = (id(0, 1), id(1, 1));
        let options = ListenOptions::default();
        let at = Endpoint::from(([127, 0, 0, 1], 0));
        let local = bench.backend.listen(listener, &at, &options).unwrap();
        let mut peer = TcpStream::connect(local.socket_addr().unwrap()).unwrap();
        peer.write_all(b"early").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let Answer::Ready(Ok(accepted)) = bench.backend.accept(listener, socket) else {
            panic!("somebody has connected");
        };
        assert_eq!(accepted.local, local);
        assert_eq!(bench.read_once(socket), Answer::Later);
        assert_eq!(bench.backend.calls.reads, 0, "it was asked for");
        assert_eq!(bench.read(socket).unwrap(), "early");
        assert_eq!(bench.backend.close(listener, CloseHow::Plain), Answer::Ready(()));
        assert_eq!(bench.backend.close(socket, CloseHow::Plain), Answer::Ready(()));
        assert_eq!(bench.backend.open_sockets(), 0);
    }

    #[test]
    fn an_accepted_socket_says_by_which_of_all_addresses_it_came() {
        let mut bench = Bench::new();
        let (listener, socket) = (id(0, 1), id(1, 1));
        let at = Endpoint::from(([0, 0, 0, 0], 0));
        let local = bench.backend.listen(listener, &at, &ListenOptions::default()).unwrap();
        let target = ([127, 0, 0, 1], local.port().unwrap());
        let _peer = TcpStream::connect(std::net::SocketAddr::from(target)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let Answer::Ready(Ok(accepted)) = bench.backend.accept(listener, socket) else {
            panic!("somebody has connected");
        };
        assert_eq!(accepted.local, Endpoint::from(target));
    }

    #[test]
    fn an_event_of_a_socket_that_is_gone_is_not_the_next_ones() {
        let mut bench = Bench::new();
        let (old, new) = (id(5, 1), id(5, 2));
        let mut old_peer = bench.stream(old);
        old_peer.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let mut events = Events::with_capacity(8);
        bench.poll.poll(&mut events, Some(BOUND)).unwrap();
        assert!(!events.is_empty());
        assert_eq!(bench.backend.close(old, CloseHow::Plain), Answer::Ready(()));
        let _new_peer = bench.stream(new);
        for event in &events {
            assert!(bench.backend.handle_event(event).is_none(), "a stale event went through");
        }
    }

    #[test]
    fn after_a_failed_write_the_stream_is_read_without_an_event() {
        let mut bench = Bench::new();
        let socket = id(3, 1);
        let mut peer = bench.stream(socket);
        peer.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(!bench.events(BOUND).is_empty());
        assert_eq!(bench.read(socket).unwrap(), "x");
        // From now on it is known to be drained.
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        std::thread::sleep(Duration::from_millis(20));
        let mut unsent = Outbox::new();
        unsent.push("y".into(), Priority::High);
        let answer = bench.backend.write(socket, &mut unsent, 1);
        assert!(matches!(answer, Answer::Ready(Err(_))), "{answer:?}");
        assert_ne!(bench.read_once(socket), Answer::Later, "the end is there");
        assert_eq!(bench.backend.close(socket, CloseHow::Reset), Answer::Ready(()));
    }

    #[test]
    fn a_reset_close_resets_and_a_plain_one_ends() {
        let mut bench = Bench::new();
        for (index, how) in [(0, CloseHow::Plain), (1, CloseHow::Reset)] {
            let mut peer = bench.stream(id(index, 1));
            assert_eq!(bench.backend.close(id(index, 1), how), Answer::Ready(()));
            peer.set_read_timeout(Some(BOUND)).unwrap();
            let end = peer.read(&mut [0; 8]).map_err(|error| error.kind());
            match how {
                CloseHow::Plain => assert_eq!(end, Ok(0)),
                CloseHow::Reset => assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset)),
            }
        }
    }

    #[test]
    fn a_full_socket_answers_later_and_goes_on_after_its_event() {
        let mut bench = Bench::new();
        let socket = id(0, 1);
        let mut peer = bench.stream(socket);
        let mut unsent = Outbox::new();
        unsent.push(vec![7; 32 << 20].into(), Priority::High);
        let mut written = 0;
        while let Answer::Ready(result) = bench.backend.write(socket, &mut unsent, 1 << 20) {
            written += result.unwrap();
        }
        assert_eq!(written + unsent.pending_bytes(), 32 << 20);
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).unwrap();
            got.len()
        });
        while !unsent.is_empty() {
            let answer =
                bench.until_ready(socket, |backend| backend.write(socket, &mut unsent, 1 << 20));
            assert!(answer.unwrap() > 0);
        }
        bench.backend.shutdown_write(socket).unwrap();
        assert_eq!(reader.join().unwrap(), 32 << 20);
    }

    /// Returns `true` if a read of the open file may wait.
    fn blocks(fd: impl std::os::fd::AsFd) -> bool {
        let flags = rustix::fs::fcntl_getfl(fd).unwrap();
        !flags.contains(rustix::fs::OFlags::NONBLOCK)
    }

    #[test]
    fn an_adopted_stream_is_deregistered_although_a_duplicate_lives() {
        let mut bench = Bench::new();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let duplicate = ours.try_clone().unwrap();
        let descriptor: Descriptor = Box::new(OwnedFd::from(ours));
        let ends = bench.backend.adopt(id(0, 1), descriptor).unwrap();
        assert_eq!(ends.peer, Endpoint::Unnamed);
        assert!(blocks(&duplicate), "the mode of the open file is others', too");
        theirs.write_all(b"before").unwrap();
        assert_eq!(bench.read(id(0, 1)).unwrap(), "before");
        assert_eq!(bench.backend.close(id(0, 1), CloseHow::Plain), Answer::Ready(()));
        theirs.write_all(b"after").unwrap();
        let mut events = Events::with_capacity(8);
        bench.poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
        assert!(events.is_empty(), "events go on with the old token");
    }

    #[test]
    fn what_cannot_be_adopted_is_refused_and_left_as_it_was() {
        let mut bench = Bench::new();
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let datagram = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let cases: [(OwnedFd, FaultKind); 4] = [
            (file.into(), FaultKind::NotPollable),
            (null.into(), FaultKind::NotPollable),
            (listener.into(), FaultKind::InvalidInput),
            (datagram.into(), FaultKind::InvalidInput),
        ];
        for (descriptor, kind) in cases {
            let duplicate = descriptor.try_clone().unwrap();
            let fault = bench.backend.adopt(id(0, 1), Box::new(descriptor)).unwrap_err();
            assert_eq!(fault.kind, kind);
            assert!(blocks(&duplicate));
        }
        let fault = bench.backend.adopt(id(0, 1), Box::new("no descriptor")).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unsupported);
        assert_eq!(bench.backend.open_sockets(), 0);
    }

    #[test]
    fn a_datagram_that_is_too_long_is_an_error_and_not_a_cut_one() {
        let mut bench = Bench::new();
        let socket = id(0, 1);
        let options = UdpOptions::default().bind(([127, 0, 0, 1], 0));
        let local = bench.backend.open_datagram(socket, &options).unwrap();
        let sender = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        for len in [0, 99, 100, 101, 100] {
            sender.send_to(&vec![5; len], local.socket_addr().unwrap()).unwrap();
        }
        for len in [0, 99, 100, 101, 100] {
            let got = bench.until_ready(socket, |backend| backend.receive_from(socket, 100));
            match got {
                Ok((from, bytes)) if len <= 100 => {
                    assert_eq!(from, sender.local_addr().unwrap().into());
                    assert_eq!(bytes, vec![5; len]);
                }
                Err(fault) if len > 100 => assert_eq!(fault.kind, FaultKind::MessageTooLarge),
                other => panic!("{len}: {other:?}"),
            }
        }
    }
}
