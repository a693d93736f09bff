//! A small kernel in memory, driven by hand.

mod backend;
mod socket;
mod stream;

use std::collections::{BTreeMap, VecDeque};

use tidelock_core::{
    Bytes, Connected, Endpoint, Event, Fault, FaultKind, Readiness, SocketId, mix,
};

pub use backend::ScriptedDescriptor;
use socket::{Asked, Kind, Listener, Socket};
pub use stream::{PeerRead, Stream};

/// The style in which a [`ScriptedBackend`] answers and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Readiness, and only what the contract promises: an event after each `Later`, no other.
    Weakest,
    /// Readiness as edge-triggered epoll shows it: every arrival is an event with all current
    /// bits, whether somebody waits or not.
    Chatty,
    /// Completions.
    Completion,
}

/// The behaviour of a listening peer towards connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectMode {
    /// They succeed.
    Accept,
    /// They stay under way.
    Hang,
    /// They fail.
    Fail(FaultKind),
}

/// A deterministic [`Backend`](tidelock_core::Backend) in memory with hand-driven peers.
///
/// It asserts the Mux's half of the contract: no call while one is pending in that direction, no
/// call for an id that is not open, `close` exactly once.
#[derive(Debug)]
pub struct ScriptedBackend {
    style: Style,
    sockets: BTreeMap<SocketId, Socket>,
    streams: Vec<Stream>,
    /// The socket at each stream's end; `None` in a backlog and after close.
    stream_ids: Vec<Option<SocketId>>,
    peer_listeners: BTreeMap<Endpoint, PeerListener>,
    /// The datagrams that came for each peer.
    peer_inboxes: BTreeMap<Endpoint, VecDeque<(Endpoint, Bytes)>>,
    names: BTreeMap<String, Result<Vec<Endpoint>, Fault>>,
    events: VecDeque<Event>,
    next_port: u16,
    /// The bounds of streams that are made from now on.
    pub stream_bytes_max: usize,
    /// The number of sockets that accept may still open; `None` is no bound.
    pub descriptors_left: Option<usize>,
    /// The number of times that a peer connected to a listener of the Mux.
    connects_to_listeners: usize,
    /// The fault of the next renames.
    pub rename_fault: Option<FaultKind>,
    draws: Option<Draws>,
    /// Calls of every kind, to see that nothing spins.
    pub calls: u64,
}

#[derive(Debug)]
struct PeerListener {
    mode: ConnectMode,
    /// Streams that nobody took yet.
    arrived: VecDeque<usize>,
}

#[derive(Debug)]
struct Draws {
    seed: u64,
    count: u64,
}

impl ScriptedBackend {
    /// An empty world; every answer is whole.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            sockets: BTreeMap::new(),
            streams: Vec::new(),
            stream_ids: Vec::new(),
            peer_listeners: BTreeMap::new(),
            peer_inboxes: BTreeMap::new(),
            names: BTreeMap::new(),
            events: VecDeque::new(),
            next_port: 40_000,
            stream_bytes_max: 64 << 10,
            rename_fault: None,
            connects_to_listeners: 0,
            descriptors_left: None,
            draws: None,
            calls: 0,
        }
    }

    /// From now on answers are cut short, and events come out of order and spuriously, as `seed`
    /// decides.
    pub fn draw_from(&mut self, seed: u64) {
        self.draws = Some(Draws { seed, count: 0 });
    }

    /// From now on every answer is whole again.
    pub fn draw_no_more(&mut self) {
        self.draws = None;
    }

    /// A number below `bound`; 0 without draws.
    fn draw(&mut self, bound: usize) -> usize {
        match &mut self.draws {
            Some(draws) if bound > 1 => {
                draws.count += 1;
                (mix(draws.seed, draws.count) % bound as u64) as usize
            }
            _ => 0,
        }
    }

    /// All of `size`, or with draws often less, never nothing.
    fn cut(&mut self, size: usize) -> usize {
        assert!(size > 0, "expected a size to cut");
        match self.draw(4) {
            0 => size,
            1 => 1,
            _ => 1 + self.draw(size),
        }
    }

    /// The next event. Events of one id keep their order.
    pub fn next_event(&mut self) -> Option<Event> {
        if self.draws.is_some() && self.draw(8) == 7 {
            self.report_spuriously();
        }
        if self.events.is_empty() {
            return None;
        }
        let wanted = self.draw(self.events.len());
        let id = self.events[wanted].socket();
        let first = self.events.iter().position(|event| event.socket() == id);
        let event = self.events.remove(first.expect("the wanted event has this id"))?;
        self.deliver(&event);
        Some(event)
    }

    /// Returns `true` if an event waits to be fetched.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns the number of ids that hold something of this kernel.
    pub fn sockets_open(&self) -> usize {
        self.sockets.len()
    }

    /// Returns `true` if an input call for `id` would answer anything but `Later`.
    pub fn could_input(&self, id: SocketId) -> bool {
        match self.sockets.get(&id).map(|socket| &socket.kind) {
            Some(Kind::Listener(it)) => !it.backlog.is_empty() || !it.faults.is_empty(),
            Some(Kind::Stream(index)) => self.streams[*index].can_read(),
            Some(Kind::Datagram(it)) => !it.inbox.is_empty() || !it.receive_faults.is_empty(),
            Some(Kind::Connecting { .. } | Kind::Closing) | None => false,
        }
    }

    /// Returns `true` if an output call for `id` would answer anything but `Later`.
    pub fn could_output(&self, id: SocketId) -> bool {
        match self.sockets.get(&id).map(|socket| &socket.kind) {
            Some(Kind::Connecting { fate, .. }) => fate.is_some(),
            Some(Kind::Stream(index)) => self.streams[*index].can_write(),
            Some(Kind::Datagram(it)) => !it.is_clogged,
            Some(Kind::Listener(_) | Kind::Closing) | None => false,
        }
    }

    /// Sets the result of resolving a name; unknown ones are not found.
    pub fn set_name(&mut self, host: &str, result: Result<Vec<Endpoint>, Fault>) {
        self.names.insert(host.to_owned(), result);
    }

    /// A peer listens.
    pub fn peer_listen(&mut self) -> Endpoint {
        let at = self.new_endpoint();
        let listener = PeerListener { mode: ConnectMode::Accept, arrived: VecDeque::new() };
        self.peer_listeners.insert(at.clone(), listener);
        at
    }

    /// Sets the behaviour of a listening peer towards connects, those under way included.
    pub fn set_connect_mode(&mut self, at: &Endpoint, mode: ConnectMode) {
        self.peer_listeners.get_mut(at).expect("a peer listens there").mode = mode;
        let waiting: Vec<SocketId> = self
            .sockets
            .iter()
            .filter(|(_, socket)| {
                matches!(&socket.kind, Kind::Connecting { to, fate: None } if to == at)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            let fate = self.fate_of_connect(at);
            if let Some(Socket { kind: Kind::Connecting { fate: slot, .. }, .. }) =
                self.sockets.get_mut(&id)
            {
                *slot = fate;
            }
            self.settle(id);
        }
    }

    /// The listening peer takes a connection.
    pub fn peer_accept(&mut self, at: &Endpoint) -> Option<usize> {
        self.peer_listeners.get_mut(at).expect("a peer listens there").arrived.pop_front()
    }

    /// A peer connects to a listener of the Mux; `None` if nobody listens there.
    pub fn peer_connect(&mut self, to: &Endpoint) -> Option<usize> {
        let stream = self.new_stream();
        let id = self.next_listener_at(to)?;
        if let Some(Socket { kind: Kind::Listener(listener), .. }) = self.sockets.get_mut(&id) {
            listener.backlog.push_back(stream);
        }
        self.arrived(id);
        Some(stream)
    }

    /// Changes one connection from the peer's side, and reports what that makes possible.
    pub fn with_stream<R>(&mut self, stream: usize, change: impl FnOnce(&mut Stream) -> R) -> R {
        let result = change(&mut self.streams[stream]);
        if let Some(id) = self.stream_ids[stream] {
            self.arrived(id);
        }
        result
    }

    /// A connection that nobody owns yet, to be adopted.
    pub fn new_stream(&mut self) -> usize {
        self.streams.push(Stream::new(self.stream_bytes_max, self.stream_bytes_max));
        self.stream_ids.push(None);
        self.streams.len() - 1
    }

    /// The next accept of the listener at `at` fails, if the Mux listens there.
    pub fn fail_accept(&mut self, at: &Endpoint, fault: FaultKind) {
        let Some(id) = self.listener_at(at) else { return };
        if let Some(Socket { kind: Kind::Listener(listener), .. }) = self.sockets.get_mut(&id) {
            listener.faults.push_back(fault);
        }
        self.arrived(id);
    }

    /// Datagrams arrive for the Mux's socket at `to`; without one they are lost.
    pub fn peer_datagram(&mut self, from: &Endpoint, to: &Endpoint, payload: Bytes) {
        if let Some(id) = self.with_datagram(to, |it| it.inbox.push_back((from.clone(), payload))) {
            self.arrived(id);
        }
    }

    /// A peer opens a datagram socket.
    pub fn peer_open_datagram(&mut self) -> Endpoint {
        let at = self.new_endpoint();
        self.peer_inboxes.insert(at.clone(), VecDeque::new());
        at
    }

    /// The next datagram that reached a peer.
    pub fn peer_receive(&mut self, at: &Endpoint) -> Option<(Endpoint, Bytes)> {
        self.peer_inboxes.get_mut(at).expect("a peer has this socket").pop_front()
    }

    /// The next send of the Mux's datagram socket at `local` fails.
    pub fn fail_send(&mut self, local: &Endpoint, fault: FaultKind) {
        self.with_datagram(local, |it| it.send_faults.push_back(fault));
    }

    /// The next receive of the Mux's datagram socket at `local` fails.
    pub fn fail_receive(&mut self, local: &Endpoint, fault: FaultKind) {
        if let Some(id) = self.with_datagram(local, |it| it.receive_faults.push_back(fault)) {
            self.arrived(id);
        }
    }

    /// Sets whether the Mux's datagram socket at `local` can send.
    pub fn clog(&mut self, local: &Endpoint, is_clogged: bool) {
        if let Some(id) = self.with_datagram(local, |it| it.is_clogged = is_clogged) {
            self.arrived(id);
        }
    }

    fn with_datagram(
        &mut self,
        local: &Endpoint,
        change: impl FnOnce(&mut socket::Datagram),
    ) -> Option<SocketId> {
        self.sockets
            .iter_mut()
            .find_map(|(id, socket)| match &mut socket.kind {
                Kind::Datagram(it) if it.local == *local => Some((*id, it)),
                _ => None,
            })
            .map(|(id, it)| {
                change(it);
                id
            })
    }

    /// Listeners that share an address take turns.
    fn next_listener_at(&mut self, at: &Endpoint) -> Option<SocketId> {
        let all: Vec<SocketId> = self.listeners_at(at).collect();
        self.connects_to_listeners += 1;
        let turn = self.connects_to_listeners % all.len().max(1);
        all.get(turn).copied()
    }

    fn listener_at(&self, at: &Endpoint) -> Option<SocketId> {
        self.listeners_at(at).next()
    }

    fn insert_listener(&mut self, id: SocketId, local: Endpoint) {
        let before = self.sockets.insert(id, Socket::new(Kind::Listener(Listener::at(local))));
        assert!(before.is_none(), "{id} is listened on twice");
    }

    fn listeners_at(&self, at: &Endpoint) -> impl Iterator<Item = SocketId> {
        self.sockets.iter().filter_map(move |(id, socket)| match &socket.kind {
            Kind::Listener(listener) if listener.local == *at => Some(*id),
            _ => None,
        })
    }

    fn new_endpoint(&mut self) -> Endpoint {
        self.next_port += 1;
        Endpoint::from(([127, 0, 0, 1], self.next_port))
    }

    fn connected(&self, stream: usize) -> Connected {
        let port = |base: u16| Endpoint::from(([127, 0, 0, 1], base + stream as u16));
        Connected { local: port(20_000), peer: port(30_000) }
    }

    fn fate_of_connect(&mut self, to: &Endpoint) -> Option<Result<usize, FaultKind>> {
        match self.peer_listeners.get(to).map(|listener| listener.mode) {
            Some(ConnectMode::Accept) => {
                let stream = self.new_stream();
                let listener = self.peer_listeners.get_mut(to).expect("checked above");
                listener.arrived.push_back(stream);
                Some(Ok(stream))
            }
            Some(ConnectMode::Hang) => None,
            Some(ConnectMode::Fail(fault)) => Some(Err(fault)),
            None => Some(Err(FaultKind::ConnectionRefused)),
        }
    }

    /// Something arrived for `id`.
    fn arrived(&mut self, id: SocketId) {
        if self.style == Style::Chatty {
            let readiness = self.readiness(id);
            self.push_readiness(id, readiness);
        }
        self.settle(id);
    }

    /// Reports what is owed for `id` by now.
    fn settle(&mut self, id: SocketId) {
        let (input, output) = (self.could_input(id), self.could_output(id));
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let is_due =
            |asked: &Option<Asked>, could| could && asked.as_ref().is_some_and(|it| !it.is_owed);
        let due = (is_due(&socket.input, input), is_due(&socket.output, output));
        match self.style {
            Style::Weakest if due.0 || due.1 => {
                let mut readiness = self.readiness(id);
                // A direction that nobody waits for is not reported, and no end or error by itself.
                readiness.readable &= due.0;
                readiness.writable &= due.1;
                (readiness.peer_closed, readiness.failed) = (false, false);
                self.push_readiness(id, readiness);
            }
            Style::Chatty if due.0 || due.1 => {
                let readiness = self.readiness(id);
                self.push_readiness(id, readiness);
            }
            Style::Completion => {
                if due.0 {
                    self.complete_input(id);
                }
                if due.1 {
                    self.complete_output(id);
                }
            }
            Style::Weakest | Style::Chatty => {}
        }
    }

    fn readiness(&self, id: SocketId) -> Readiness {
        let mut readiness = Readiness {
            readable: self.could_input(id),
            writable: self.could_output(id),
            ..Readiness::default()
        };
        if let Some(Socket { kind: Kind::Stream(index), .. }) = self.sockets.get(&id) {
            readiness.peer_closed = self.streams[*index].has_peer_finished();
            readiness.failed = self.streams[*index].is_broken();
        }
        readiness
    }

    fn push_readiness(&mut self, id: SocketId, readiness: Readiness) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            for (asked, bit) in
                [(&mut socket.input, readiness.readable), (&mut socket.output, readiness.writable)]
            {
                if let Some(asked) = asked {
                    asked.is_owed |= bit;
                }
            }
        }
        self.events.push_back(Event::Ready { id, readiness });
    }

    /// A readiness event that means nothing, for some open id.
    fn report_spuriously(&mut self) {
        if self.style == Style::Completion || self.sockets.is_empty() {
            return;
        }
        let index = self.draw(self.sockets.len());
        let id = *self.sockets.keys().nth(index).expect("drawn below the length");
        let readiness = if self.draw(2) == 0 { Readiness::READABLE } else { Readiness::WRITABLE };
        self.events.push_back(Event::Ready { id, readiness });
    }

    /// The event reaches the Mux: what it answers is no longer pending.
    fn deliver(&mut self, event: &Event) {
        let Some(socket) = self.sockets.get_mut(&event.socket()) else {
            return;
        };
        let (input, output) = match event {
            Event::Ready { readiness, .. } => {
                let ended = readiness.failed || readiness.peer_closed;
                (readiness.readable || ended, readiness.writable || readiness.failed)
            }
            Event::Accepted { .. } | Event::Received { .. } | Event::ReceivedFrom { .. } => {
                (true, false)
            }
            Event::Connected { .. } | Event::Written { .. } | Event::SentTo { .. } => (false, true),
            _ => (false, false),
        };
        if input {
            socket.input = None;
        }
        if output {
            socket.output = None;
        }
        let is_over = match event {
            Event::Closed { .. } => true,
            // A connect that failed leaves nothing behind.
            Event::Connected { result: Err(_), .. } => !matches!(socket.kind, Kind::Closing),
            _ => false,
        };
        if is_over {
            self.sockets.remove(&event.socket());
        }
    }
}

/// The number that Linux gives the fault.
fn with_number(kind: FaultKind) -> Fault {
    let os = match kind {
        FaultKind::ConnectionReset => 104,
        FaultKind::ConnectionRefused => 111,
        FaultKind::ConnectionAborted => 103,
        FaultKind::BrokenPipe => 32,
        FaultKind::TimedOut => 110,
        FaultKind::HostUnreachable => 113,
        FaultKind::NetworkUnreachable => 101,
        FaultKind::AddressInUse => 98,
        FaultKind::PermissionDenied => 1,
        FaultKind::DescriptorsExhausted => 24,
        FaultKind::OutOfMemory => 105,
        FaultKind::MessageTooLarge => 90,
        FaultKind::InvalidInput => 22,
        _ => return Fault::new(kind),
    };
    Fault::of_system(kind, os)
}
