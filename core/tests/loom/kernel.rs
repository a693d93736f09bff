//! The kernel as a model: streams that take so many bytes at each write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::queue::Queue;
use crate::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Endpoint,
    Event, Fault, FaultKind, ListenOptions, Outbox, Read, Readiness, SocketId, SocketOption,
    UdpOptions,
};

/// So many sockets at a time.
pub const PLACES: usize = 2;

/// Streams by id, those that are closed included.
pub struct Kernel {
    /// How many bytes each place's stream took, written down without any order between threads: so
    /// who writes without the right to, or got it without what came before, is seen.
    taken_bytes: [AtomicU64; PLACES],
    /// Whether the peer reset each place's stream.
    is_broken: [AtomicBool; PLACES],
    /// Loom does not run another thread while this is held: nothing of loom's is touched then.
    streams: Mutex<BTreeMap<SocketId, Stream>>,
    /// What each stream takes; see [`Plan::room`](crate::stage::Plan::room).
    room: Vec<usize>,
    queue: Arc<Queue>,
}

/// One stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// What it took.
    pub wire: Vec<u8>,
    /// FIN came behind that.
    pub has_fin: bool,
    /// How it was closed.
    pub closed: Option<CloseHow>,
    room: VecDeque<usize>,
}

impl Kernel {
    pub fn new(room: &[usize], queue: Arc<Queue>) -> Self {
        let taken_bytes = std::array::from_fn(|_| AtomicU64::new(0));
        let is_broken = std::array::from_fn(|_| AtomicBool::new(false));
        Self { taken_bytes, is_broken, streams: Mutex::default(), room: room.to_vec(), queue }
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
        self.is_broken[id.index() as usize].store(true, Ordering::Release);
        let failed = Readiness { readable: true, writable: true, peer_closed: true, failed: true };
        self.queue.push_event(Event::Ready { id, readiness: failed });
    }

    /// Takes what there is room for, from either thread.
    pub fn write(&self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
        let is_broken = self.is_broken(id);
        let taken_bytes = &self.taken_bytes[id.index() as usize];
        let at = taken_bytes.load(Ordering::Relaxed) as usize;
        let (answer, is_full) = self.with(id, |stream| {
            assert!(stream.closed.is_none(), "{id} is written after its close");
            assert!(!stream.has_fin, "{id} is written after its end");
            assert_eq!(at, stream.wire.len(), "{id}: two write it");
            if is_broken {
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
        if let Answer::Ready(Ok(count)) = answer {
            taken_bytes.store((at + count) as u64, Ordering::Relaxed);
        }
        if is_full {
            // The peer reads at once; this is the only edge.
            self.queue.push_event(Event::Ready {
                id,
                readiness: Readiness { writable: true, ..Readiness::default() },
            });
        }
        answer
    }

    fn is_broken(&self, id: SocketId) -> bool {
        self.is_broken[id.index() as usize].load(Ordering::Acquire)
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
        assert!(is_free, "the place of {id} is taken");
        assert!(streams.insert(id, stream).is_none(), "{id} is opened twice");
        drop(streams);
        self.0.taken_bytes[id.index() as usize].store(0, Ordering::Relaxed);
        self.0.is_broken[id.index() as usize].store(false, Ordering::Release);
        Answer::Ready(Ok(Connected { local: to.clone(), peer: to.clone() }))
    }

    fn rename(&mut self, from: SocketId, _to: SocketId) -> Result<(), Fault> {
        unreachable!("{from}: no name is dialled here")
    }

    fn read(&mut self, id: SocketId, _size_hint: usize) -> Answer<Result<Read, Fault>> {
        let is_broken = self.0.is_broken(id);
        self.0.with(id, |stream| {
            assert!(stream.closed.is_none(), "{id} is read after its close");
            match (is_broken, stream.has_fin) {
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
        let taken = self.0.taken_bytes[id.index() as usize].load(Ordering::Relaxed) as usize;
        self.0.with(id, |stream| {
            assert!(stream.closed.is_none() && !stream.has_fin, "{id} ends twice");
            assert_eq!(taken, stream.wire.len(), "{id} ends while it is written");
            stream.has_fin = true;
        });
        let readiness = Readiness { readable: true, peer_closed: true, ..Readiness::default() };
        self.0.queue.push_event(Event::Ready { id, readiness });
        Ok(())
    }

    fn take_error(&mut self, id: SocketId) -> Result<(), Fault> {
        if self.0.is_broken(id) { Err(FaultKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()> {
        let taken = self.0.taken_bytes[id.index() as usize].load(Ordering::Relaxed) as usize;
        self.0.with(id, |stream| {
            assert_eq!(taken, stream.wire.len(), "{id} is closed while it is written");
            assert!(stream.closed.replace(how).is_none(), "{id} is closed twice");
        });
        Answer::Ready(())
    }

    fn resolve(&mut self, _: SocketId, _: &str, _: u16) -> Answer<Result<Vec<Endpoint>, Fault>> {
        unreachable!("nobody asks for a name")
    }

    fn listen(&mut self, _: SocketId, _: &Endpoint, _: &ListenOptions) -> Result<Endpoint, Fault> {
        unreachable!("nobody listens")
    }

    fn accept(&mut self, _: SocketId, _: SocketId) -> Answer<Result<Accepted, Fault>> {
        unreachable!("nobody listens")
    }

    fn adopt(&mut self, _: SocketId, _: Descriptor) -> Result<Connected, Fault> {
        unreachable!("nothing is adopted")
    }

    fn open_datagram(&mut self, _: SocketId, _: &UdpOptions) -> Result<Endpoint, Fault> {
        unreachable!("there are streams only")
    }

    fn connect_datagram(&mut self, _: SocketId, _: &Endpoint) -> Result<(), Fault> {
        unreachable!("there are streams only")
    }

    fn send_to(
        &mut self,
        _: SocketId,
        _: Option<&Endpoint>,
        _: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        unreachable!("there are streams only")
    }

    fn receive_from(&mut self, _: SocketId, _: usize) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        unreachable!("there are streams only")
    }

    fn set_option(&mut self, _: SocketId, _: &SocketOption) -> Result<(), Fault> {
        unreachable!("nobody sets an option")
    }
}
