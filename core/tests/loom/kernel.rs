//! A model of the kernel: streams that accept a planned number of bytes at each write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::queue::Queue;
use crate::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Endpoint,
    Event, Fault, FaultKind, ListenOptions, Outbox, Read, Readiness, SocketId, SocketOption,
    UdpOptions,
};

/// The streams by id, including those that are closed.
pub struct Kernel {
    /// A lock of the standard library. Nothing of loom's is touched while it is held, so loom never
    /// switches to another thread that could wait for it; nor does it add an order.
    streams: Mutex<BTreeMap<SocketId, Stream>>,
    /// The bytes that each stream accepts; see [`Plan::room`](crate::stage::Plan::room).
    room: Vec<usize>,
    queue: Arc<Queue>,
}

/// One stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The bytes that it accepted.
    pub wire: Vec<u8>,
    /// `true` if FIN came after them.
    pub has_fin: bool,
    /// The way it was closed, once it is.
    pub closed: Option<CloseHow>,
    /// The peer has reset it.
    is_broken: bool,
    room: VecDeque<usize>,
}

impl Kernel {
    pub fn new(room: &[usize], queue: Arc<Queue>) -> Self {
        Self { streams: Mutex::default(), room: room.to_vec(), queue }
    }

    pub fn stream(&self, id: SocketId) -> Stream {
        self.with(id, |stream| stream.clone())
    }

    pub fn open_streams(&self) -> usize {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.values().filter(|stream| stream.closed.is_none()).count()
    }

    /// The peer resets the stream.
    pub fn break_stream(&self, id: SocketId) {
        self.with(id, |stream| stream.is_broken = true);
        let failed = Readiness { readable: true, writable: true, peer_closed: true, failed: true };
        self.queue.push_event(Event::Ready { id, readiness: failed });
    }

    /// Accepts as many bytes as there is room for.
    fn write(&self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
        let (answer, is_full) = self.with(id, |stream| {
            assert!(stream.closed.is_none(), "{id} was written after its close");
            assert!(!stream.has_fin, "{id} was written after its FIN");
            if stream.is_broken {
                return (Answer::Ready(Err(FaultKind::ConnectionReset.into())), false);
            }
            let all = unsent.pending_bytes();
            let count = stream.room.pop_front().unwrap_or(all).min(all);
            let bytes: Vec<u8> = unsent.parts().flatten().copied().take(count).collect();
            stream.wire.extend(bytes);
            unsent.advance(count);
            let answer = if count == 0 { Answer::Later } else { Answer::Ready(Ok(count)) };
            (answer, count < all)
        });
        if is_full {
            // The peer reads at once, so the edge comes now, and only once: a writer that misses it
            // waits for ever.
            self.queue.push_event(Event::Ready {
                id,
                readiness: Readiness { writable: true, ..Readiness::default() },
            });
        }
        answer
    }

    fn with<R>(&self, id: SocketId, look: impl FnOnce(&mut Stream) -> R) -> R {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        look(streams.get_mut(&id).unwrap_or_else(|| panic!("{id} was never opened")))
    }
}

/// The network thread's door to the kernel.
pub struct Door(pub Arc<Kernel>);

impl Backend for Door {
    fn connect(
        &mut self,
        id: SocketId,
        to: &Endpoint,
        _options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>> {
        let stream = Stream { room: self.0.room.iter().copied().collect(), ..Stream::default() };
        let mut streams = self.0.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = streams
            .iter()
            .all(|(other, stream)| other.index() != id.index() || stream.closed.is_some());
        assert!(is_free, "{id} was opened in a place whose stream is still open");
        assert!(streams.insert(id, stream).is_none(), "{id} was opened twice");
        Answer::Ready(Ok(Connected { local: to.clone(), peer: to.clone() }))
    }

    fn rename(&mut self, from: SocketId, _to: SocketId) -> Result<(), Fault> {
        unreachable!("{from} was renamed, but no name is dialled here")
    }

    fn read(&mut self, id: SocketId, _size_hint: usize) -> Answer<Result<Read, Fault>> {
        self.0.with(id, |stream| {
            assert!(stream.closed.is_none(), "{id} was read after its close");
            match (stream.is_broken, stream.has_fin) {
                (true, _) => Answer::Ready(Err(FaultKind::ConnectionReset.into())),
                // The peer answers FIN with FIN.
                (false, true) => Answer::Ready(Ok(Read { bytes: Bytes::new(), is_drained: false })),
                (false, false) => Answer::Later,
            }
        })
    }

    fn write(
        &mut self,
        id: SocketId,
        unsent: &mut Outbox,
        _size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        self.0.write(id, unsent)
    }

    fn shutdown_write(&mut self, id: SocketId) -> Result<(), Fault> {
        self.0.with(id, |stream| {
            assert!(stream.closed.is_none() && !stream.has_fin, "{id} got a second FIN");
            stream.has_fin = true;
        });
        let readiness = Readiness { readable: true, peer_closed: true, ..Readiness::default() };
        self.0.queue.push_event(Event::Ready { id, readiness });
        Ok(())
    }

    fn take_error(&mut self, id: SocketId) -> Result<(), Fault> {
        let is_broken = self.0.with(id, |stream| stream.is_broken);
        if is_broken { Err(FaultKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()> {
        self.0.with(id, |stream| {
            assert!(stream.closed.replace(how).is_none(), "{id} was closed twice");
        });
        Answer::Ready(())
    }

    fn resolve(&mut self, _: SocketId, _: &str, _: u16) -> Answer<Result<Vec<Endpoint>, Fault>> {
        unreachable!("no test resolves a name")
    }

    fn listen(&mut self, _: SocketId, _: &Endpoint, _: &ListenOptions) -> Result<Endpoint, Fault> {
        unreachable!("no test listens")
    }

    fn accept(&mut self, _: SocketId, _: SocketId) -> Answer<Result<Accepted, Fault>> {
        unreachable!("no test listens")
    }

    fn adopt(&mut self, _: SocketId, _: Descriptor) -> Result<Connected, Fault> {
        unreachable!("nothing is adopted")
    }

    fn open_datagram(&mut self, _: SocketId, _: &UdpOptions) -> Result<Endpoint, Fault> {
        unreachable!("the model has streams only")
    }

    fn connect_datagram(&mut self, _: SocketId, _: &Endpoint) -> Result<(), Fault> {
        unreachable!("the model has streams only")
    }

    fn send_to(
        &mut self,
        _: SocketId,
        _: Option<&Endpoint>,
        _: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        unreachable!("the model has streams only")
    }

    fn receive_from(&mut self, _: SocketId, _: usize) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        unreachable!("the model has streams only")
    }

    fn set_option(&mut self, _: SocketId, _: &SocketOption) -> Result<(), Fault> {
        unreachable!("no test sets an option")
    }
}
