//! The kernel, through edge-triggered readiness.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use tidelock_core::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Directory,
    Endpoint, Event, Fault, FaultKind, ListenOptions, Outbox, Readiness, SocketId, SocketOption,
    UdpOptions,
};

use crate::adopted::Adopted;
use crate::buffer::BufferRing;
use crate::datagram::Datagram;
use crate::listener::Listener;
use crate::resolver::Resolver;
use crate::stream::Stream;
use crate::sys::{self, Registry, Token, Waker};

/// The kernel, through edge-triggered readiness: every socket is registered once, for both
/// directions, and never again.
#[derive(Debug)]
pub(crate) struct MioBackend {
    registry: Registry,
    ring: BufferRing,
    resolver: Resolver,
    /// By index of the id. Invariant: an entry's place is its id's index.
    table: Vec<Option<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: SocketId,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Stream(Stream),
    Listener(Listener),
    Datagram(Datagram),
    Adopted(Adopted),
}

/// The token of the waker; no socket has it, because indices are below `sockets_max`.
pub(crate) const WAKE_TOKEN: Token = Token(usize::MAX);

/// The whole id where a token can hold it, so that an event of a socket that is gone names that
/// socket and never the one in its place; else the index, and such an event is a spurious one.
fn token_of(id: SocketId) -> Token {
    Token(id.to_bits() as usize)
}

impl MioBackend {
    /// A backend without sockets on `registry`.
    pub(crate) fn new(registry: Registry, waker: Weak<Waker>, directory: Arc<Directory>) -> Self {
        let config = directory.config();
        // One buffer serves a stream's read and the largest datagram, with the byte that shows
        // that one was longer.
        let buffer_bytes = config.read_buffer_bytes_max.max(config.datagram_bytes_max + 1);
        let ring = BufferRing::new(buffer_bytes, config.read_buffer_bytes_min);
        Self { registry, ring, resolver: Resolver::new(waker, directory), table: Vec::new() }
    }

    /// What a poller's event says to the Mux; `None` if its socket is gone.
    pub(crate) fn handle_event(&mut self, event: &sys::Event) -> Option<Event> {
        let bits = event.token().0;
        // The lower half of a token is the index on every machine.
        let entry = self.table.get_mut(bits as u32 as usize)?.as_mut()?;
        if token_of(entry.id) != event.token() {
            return None;
        }
        match &mut entry.socket {
            Socket::Stream(stream) => stream.handle_event(event),
            Socket::Adopted(adopted) => adopted.handle_event(event),
            Socket::Listener(_) | Socket::Datagram(_) => {}
        }
        let readiness = readiness(event);
        tracing::trace!(id = %entry.id, ?readiness, "event");
        Some(Event::Ready { id: entry.id, readiness })
    }

    /// The next answer of the resolver.
    pub(crate) fn poll_resolved(&mut self) -> Option<Event> {
        self.resolver.poll()
    }

    /// How many sockets are open.
    pub(crate) fn open_sockets(&self) -> usize {
        self.table.iter().flatten().count()
    }

    fn insert(&mut self, id: SocketId, socket: Socket) {
        let index = id.index() as usize;
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        assert!(self.table[index].is_none(), "the place of {id} is taken");
        self.table[index] = Some(Entry { id, socket });
    }

    fn remove(&mut self, id: SocketId) -> Option<Socket> {
        let place = self.table.get_mut(id.index() as usize)?;
        place.take_if(|entry| entry.id == id).map(|entry| entry.socket)
    }

    fn socket(&mut self, id: SocketId) -> &mut Socket {
        let place = self.table.get_mut(id.index() as usize).and_then(Option::as_mut);
        let entry = place.filter(|entry| entry.id == id);
        &mut entry.unwrap_or_else(|| panic!("{id} is not open")).socket
    }

    /// A failed open leaves nothing behind; a socket that was opened takes its place.
    fn close_socket(&self, socket: Socket, how: CloseHow) {
        match socket {
            Socket::Stream(stream) => stream.close(&self.registry, how),
            Socket::Listener(listener) => listener.close(&self.registry),
            Socket::Datagram(datagram) => datagram.close(&self.registry),
            Socket::Adopted(adopted) => adopted.close(&self.registry, how),
        }
    }

    fn datagram(&mut self, id: SocketId) -> &mut Datagram {
        match self.socket(id) {
            Socket::Datagram(datagram) => datagram,
            other => panic!("{id} is no datagram socket but {other:?}"),
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
        let opened = Listener::open(&self.registry, token_of(id), at, options);
        let (listener, local) =
            opened.inspect_err(|fault| tracing::warn!(%id, %at, %fault, "cannot listen"))?;
        tracing::debug!(%id, %local, "listening");
        self.insert(id, Socket::Listener(listener));
        Ok(local)
    }

    fn connect(
        &mut self,
        id: SocketId,
        to: &Endpoint,
        options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>> {
        let index = id.index() as usize;
        let is_new = self.table.get(index).is_none_or(Option::is_none);
        if is_new {
            let Some(address) = to.socket_addr() else {
                return Answer::Ready(Err(FaultKind::InvalidInput.into()));
            };
            match Stream::connect(&self.registry, token_of(id), address, options) {
                Ok(stream) => self.insert(id, Socket::Stream(stream)),
                Err(fault) => {
                    tracing::debug!(%id, %to, %fault, "connect failed");
                    return Answer::Ready(Err(fault));
                }
            }
        }
        let Socket::Stream(stream) = self.socket(id) else {
            panic!("{id} connects and is no stream");
        };
        match stream.connected() {
            Answer::Later => Answer::Later,
            Answer::Ready(Ok(ends)) => {
                tracing::debug!(%id, local = %ends.local, peer = %ends.peer, "connected");
                Answer::Ready(Ok(ends))
            }
            Answer::Ready(Err(fault)) => {
                tracing::debug!(%id, %to, %fault, "connect failed");
                let socket = self.remove(id).expect("a socket that connects has its place");
                self.close_socket(socket, CloseHow::Plain);
                Answer::Ready(Err(fault))
            }
        }
    }

    fn accept(&mut self, listener: SocketId, id: SocketId) -> Answer<Result<Accepted, Fault>> {
        let place = self.table.get(listener.index() as usize).and_then(Option::as_ref);
        let Some(Entry { id: found, socket: Socket::Listener(socket) }) = place else {
            panic!("{listener} is no listener");
        };
        assert_eq!(*found, listener, "the listener is gone");
        match socket.accept(&self.registry, token_of(id)) {
            Answer::Later => Answer::Later,
            Answer::Ready(Ok((stream, ends))) => {
                tracing::debug!(%listener, %id, peer = %ends.peer, "accepted");
                self.insert(id, Socket::Stream(stream));
                Answer::Ready(Ok(ends))
            }
            Answer::Ready(Err(fault)) => {
                tracing::warn!(%listener, %fault, "accept failed");
                Answer::Ready(Err(fault))
            }
        }
    }

    fn adopt(&mut self, id: SocketId, descriptor: Descriptor) -> Result<Connected, Fault> {
        let descriptor =
            descriptor.downcast::<OwnedFd>().map_err(|_other| FaultKind::Unsupported)?;
        let (adopted, ends) = Adopted::adopt(&self.registry, token_of(id), *descriptor)
            .inspect_err(|fault| tracing::debug!(%id, %fault, "cannot adopt"))?;
        tracing::debug!(%id, local = %ends.local, peer = %ends.peer, "adopted");
        self.insert(id, Socket::Adopted(adopted));
        Ok(ends)
    }

    fn read(&mut self, id: SocketId, size_hint: usize) -> Answer<Result<Bytes, Fault>> {
        let place = self.table.get_mut(id.index() as usize).and_then(Option::as_mut);
        let entry = place.filter(|entry| entry.id == id);
        match entry.map(|entry| &mut entry.socket) {
            Some(Socket::Stream(stream)) => stream.read(&mut self.ring, size_hint),
            Some(Socket::Adopted(adopted)) => adopted.read(&mut self.ring, size_hint),
            other => panic!("{id} is read and is no stream but {other:?}"),
        }
    }

    fn write(
        &mut self,
        id: SocketId,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        match self.socket(id) {
            Socket::Stream(stream) => stream.write(unsent, size_max),
            Socket::Adopted(adopted) => adopted.write(unsent, size_max),
            other => panic!("{id} is written and is no stream but {other:?}"),
        }
    }

    fn shutdown_write(&mut self, id: SocketId) -> Result<(), Fault> {
        match self.socket(id) {
            Socket::Stream(stream) => stream.shutdown_write(),
            Socket::Adopted(adopted) => adopted.shutdown_write(),
            other => panic!("{id} is shut down and is no stream but {other:?}"),
        }
    }

    fn take_error(&mut self, id: SocketId) -> Result<(), Fault> {
        match self.socket(id) {
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
        tracing::debug!(%id, %local, "datagram socket");
        self.insert(id, Socket::Datagram(datagram));
        Ok(local)
    }

    fn connect_datagram(&mut self, id: SocketId, peer: &Endpoint) -> Result<(), Fault> {
        self.datagram(id).connect(peer)
    }

    fn send_to(
        &mut self,
        id: SocketId,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        self.datagram(id).send_to(to, payload)
    }

    fn receive_from(
        &mut self,
        id: SocketId,
        size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        let place = self.table.get(id.index() as usize).and_then(Option::as_ref);
        match place.filter(|entry| entry.id == id).map(|entry| &entry.socket) {
            Some(Socket::Datagram(datagram)) => datagram.receive_from(&mut self.ring, size_max),
            other => panic!("{id} is no datagram socket but {other:?}"),
        }
    }

    fn set_option(&mut self, id: SocketId, option: &SocketOption) -> Result<(), Fault> {
        match self.socket(id) {
            Socket::Stream(stream) => stream.set_option(option),
            Socket::Adopted(adopted) => adopted.set_option(option),
            Socket::Datagram(datagram) => datagram.set_option(option),
            Socket::Listener(_) => Err(FaultKind::Unsupported.into()),
        }
    }

    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()> {
        let socket = self.remove(id).unwrap_or_else(|| panic!("{id} is closed and is not open"));
        tracing::debug!(%id, ?how, "closed");
        self.close_socket(socket, how);
        Answer::Ready(())
    }
}
