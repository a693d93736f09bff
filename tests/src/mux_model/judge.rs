//! The comparison of what was asked with what was seen at both ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidelock_core::{
    Bytes, CloseReason, Instant, Message, SendError, ServiceId, SocketId, TimerId, mix,
};

use crate::driver::Entry;
use crate::grammar;

/// The comparison of what was asked with what was seen at both ends.
///
/// It knows nothing of the Mux but its promises: bytes are judged by what they say of themselves.
pub(super) struct Judge {
    sockets: BTreeMap<SocketId, Socket>,
    peers: BTreeMap<usize, Peer>,
    timers: BTreeMap<(ServiceId, TimerId), Timer>,
    /// The services that were told *full* of a socket, and not yet *ready*.
    awaited: BTreeSet<(ServiceId, SocketId)>,
    released: BTreeSet<ServiceId>,
    /// Entries of the log that were read.
    read: usize,
    frames: u64,
    /// Commands that were asked, to order them.
    asked: u64,
}

/// One socket by its promises.
struct Socket {
    /// The service that owns it if every `start` was in time.
    owner: ServiceId,
    /// The services that may ever have owned it.
    owners: BTreeSet<ServiceId>,
    is_listener: bool,
    /// Its accepted sockets are read at once.
    auto_start: bool,
    /// Messages that a send accepted, by number.
    sent: BTreeMap<u64, Frame>,
    /// Payload bytes of all of them.
    sent_bytes: u64,
    /// Frames that were made and not sent yet.
    made: BTreeMap<u64, Frame>,
    peer: Option<usize>,
    received: Vec<u8>,
    has_eof: bool,
    close: Option<(CloseReason, u64)>,
    /// `true` once `shutdown`, `finish` or `close` was asked.
    is_ended: bool,
    /// When `pause` and `start` were asked.
    pauses: Vec<u64>,
    last_start: u64,
    /// `Paused` messages so far.
    paused_told: usize,
    is_orphan: bool,
    /// Accepted, and nobody has started it.
    is_unstarted: bool,
}

#[derive(Clone)]
struct Frame {
    low: bool,
    bytes: Bytes,
}

/// The other end of a connection.
#[derive(Default)]
struct Peer {
    sent: Vec<u8>,
    is_finished: bool,
    /// A reset or a fault: the stream may end anywhere.
    is_broken: bool,
    got: Vec<u8>,
    got_eof: bool,
}

struct Timer {
    deadline: Instant,
    is_cancelled: bool,
    is_told: bool,
}

/// The port of a scripted peer is this and the index of its stream.
const PEER_PORT: u16 = 30_000;

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            sockets: BTreeMap::new(),
            peers: BTreeMap::new(),
            timers: BTreeMap::new(),
            awaited: BTreeSet::new(),
            released: BTreeSet::new(),
            read: 0,
            frames: 0,
            asked: 0,
        }
    }

    pub(super) fn ids(&self) -> Vec<SocketId> {
        self.sockets.keys().copied().collect()
    }

    pub(super) fn peers(&self) -> Vec<usize> {
        self.peers.keys().copied().collect()
    }

    /// Sockets without `Close`, with their owners.
    pub(super) fn living(&self) -> Vec<(SocketId, ServiceId)> {
        let is_living = |socket: &&Socket| socket.close.is_none() && !socket.is_orphan;
        (self.sockets.iter())
            .filter(|(_, socket)| is_living(socket))
            .map(|(id, socket)| (*id, socket.owner))
            .collect()
    }

    pub(super) fn opened(&mut self, id: SocketId, owner: ServiceId, is_listener: bool) {
        let before = self.sockets.insert(id, Socket::new(owner, is_listener));
        assert!(before.is_none(), "{id} was issued twice");
    }

    /// Notes that the sockets a listener accepts are read at once.
    pub(super) fn starts_what_it_accepts(&mut self, id: SocketId) {
        self.sockets.get_mut(&id).expect("a known id").auto_start = true;
    }

    pub(super) fn peer_born(&mut self, peer: usize) {
        self.peers.entry(peer).or_default();
    }

    /// A message with its own number and length in front.
    pub(super) fn frame(&mut self, id: SocketId, size: usize, low: bool) -> (u64, Bytes) {
        self.frames += 1;
        let number = self.frames;
        let size = size.max(HEADER_BYTES);
        let mut bytes = Vec::with_capacity(size);
        bytes.extend((number as u32).to_le_bytes());
        bytes.extend((size as u16).to_le_bytes());
        bytes.extend([u8::from(low), MAGIC]);
        bytes.extend((HEADER_BYTES..size).map(|at| mix(number, at as u64).to_le_bytes()[0]));
        let bytes = Bytes::from(bytes);
        let socket = self.sockets.get_mut(&id).expect("a known id");
        socket.made.insert(number, Frame { low, bytes: bytes.clone() });
        (number, bytes)
    }

    pub(super) fn sent(&mut self, id: SocketId, number: u64) {
        let socket = self.sockets.get_mut(&id).expect("a known id");
        assert!(!socket.is_listener, "{id}: a listener accepted a send");
        assert!(!socket.is_ended, "{id}: a send was accepted after the own end");
        assert_eq!(socket.close, None, "{id}: a send was accepted after Close");
        let frame = socket.made.remove(&number).expect("a frame is made before it is sent");
        socket.sent_bytes += frame.bytes.len() as u64;
        socket.sent.insert(number, frame);
    }

    pub(super) fn refused_full(&mut self, service: ServiceId, id: SocketId) {
        self.awaited.insert((service, id));
    }

    pub(super) fn refused(&mut self, id: SocketId, error: &SendError) {
        let socket = &self.sockets[&id];
        match error {
            SendError::Stale(_) => {}
            SendError::IsListener(_) => assert!(socket.is_listener, "{id} is no listener"),
            // Own end, or a broken connection, or an owner that went.
            SendError::Closing(_) => assert!(!socket.is_listener),
            other => panic!("{id}: {other}"),
        }
    }

    /// The owner of a socket that may be running; `None` if it has never been started, or was
    /// paused and not started since, so that anybody may take it.
    pub(super) fn owner_unless_idle(&self, id: SocketId) -> Option<ServiceId> {
        let socket = &self.sockets[&id];
        let was_paused = socket.paused_told == socket.pauses.len();
        let is_idle = was_paused
            && socket.pauses.last().map_or(socket.is_unstarted, |pause| *pause > socket.last_start);
        (!is_idle).then_some(socket.owner)
    }

    pub(super) fn started(&mut self, id: SocketId, by: ServiceId) {
        self.asked += 1;
        let socket = self.sockets.get_mut(&id).expect("a known id");
        socket.last_start = self.asked;
        socket.is_unstarted = false;
        socket.owner = by;
        socket.owners.insert(by);
    }

    pub(super) fn paused(&mut self, id: SocketId) {
        self.asked += 1;
        self.sockets.get_mut(&id).expect("a known id").pauses.push(self.asked);
    }

    pub(super) fn ended(&mut self, id: SocketId) {
        self.sockets.get_mut(&id).expect("a known id").is_ended = true;
    }

    /// All that the service owned, or may still come to own, may end without being told.
    pub(super) fn released(&mut self, service: ServiceId) {
        self.released.insert(service);
        for socket in self.sockets.values_mut() {
            socket.is_orphan |= socket.owners.contains(&service);
        }
        self.awaited.retain(|(by, _)| *by != service);
    }

    pub(super) fn timer_set(&mut self, service: ServiceId, timer: TimerId, deadline: Instant) {
        let set = Timer { deadline, is_cancelled: false, is_told: false };
        let before = self.timers.insert((service, timer), set);
        assert!(before.is_none(), "{timer} was issued twice");
    }

    pub(super) fn timer_cancelled(&mut self, service: ServiceId, timer: TimerId, was_set: bool) {
        let timer = self.timers.get_mut(&(service, timer)).expect("the timer was set");
        let is_over = timer.is_told || timer.is_cancelled;
        assert_eq!(was_set, !is_over, "cancel_timer answered {was_set}");
        timer.is_cancelled |= was_set;
    }

    pub(super) fn peer_sends(&mut self, number: u8, size: usize) -> Option<(usize, Vec<u8>)> {
        let (peer, state) = self.pick_peer(number)?;
        if state.is_finished || state.is_broken {
            return None;
        }
        let from = state.sent.len();
        let bytes: Vec<u8> = (from..from + size.max(1))
            .map(|at| mix(peer as u64, at as u64).to_le_bytes()[0])
            .collect();
        state.sent.extend(&bytes);
        Some((peer, bytes))
    }

    pub(super) fn peer_finishes(&mut self, number: u8) -> Option<usize> {
        let (peer, state) = self.pick_peer(number)?;
        state.is_finished = true;
        Some(peer)
    }

    pub(super) fn peer_breaks(&mut self, peer: usize) {
        self.peers.get_mut(&peer).expect("a known peer").is_broken = true;
    }

    pub(super) fn peer_got(&mut self, peer: usize, bytes: &[u8]) {
        self.peers.get_mut(&peer).expect("a known peer").got.extend(bytes);
    }

    pub(super) fn peer_got_eof(&mut self, peer: usize) {
        self.peers.get_mut(&peer).expect("a known peer").got_eof = true;
    }

    fn pick_peer(&mut self, number: u8) -> Option<(usize, &mut Peer)> {
        let peer = super::pick(&self.peers(), number)?;
        Some((peer, self.peers.get_mut(&peer).expect("`peers` lists only known ones")))
    }

    /// Takes note of what drivers were told since the last time.
    pub(super) fn read(&mut self, log: &[Entry]) {
        for entry in &log[self.read..] {
            self.told(entry.service, &entry.message);
        }
        self.read = log.len();
        grammar::check(log, false);
    }

    fn told(&mut self, service: ServiceId, message: &Message) {
        assert!(!self.released.contains(&service), "{message} was told to a released service");
        match message {
            Message::Accept { socket, accepted, peer, .. } => {
                let Socket { owner, auto_start, .. } = self.sockets[socket];
                self.opened(*accepted, owner, false);
                let child = self.sockets.get_mut(accepted).expect("`opened` inserted it");
                child.is_unstarted = !auto_start;
                self.meet(*accepted, peer.port());
            }
            Message::Connect { socket, peer, .. } => self.meet(*socket, peer.port()),
            Message::Data { socket, bytes } => {
                let it = self.sockets.get_mut(socket).expect("a known id");
                it.received.extend(bytes);
                let peer = &self.peers[&it.peer.expect("it has a peer")];
                assert!(
                    peer.sent.starts_with(&it.received),
                    "{socket}: {} B received are not what the peer sent",
                    it.received.len()
                );
                if let Some(pause) = it.paused_told.checked_sub(1) {
                    let pause = it.pauses[pause];
                    assert!(it.last_start > pause, "{socket}: Data after Paused, before start");
                }
            }
            Message::Eof { socket } => {
                let it = self.sockets.get_mut(socket).expect("a known id");
                it.has_eof = true;
                let peer = &self.peers[&it.peer.expect("it has a peer")];
                assert!(peer.is_finished || peer.is_broken, "{socket}: Eof without FIN");
                assert!(
                    it.received.len() == peer.sent.len() || peer.is_broken,
                    "{socket}: Eof after {} of {} B",
                    it.received.len(),
                    peer.sent.len()
                );
            }
            Message::Paused { socket } => {
                let it = self.sockets.get_mut(socket).expect("a known id");
                it.paused_told += 1;
                assert!(it.paused_told <= it.pauses.len(), "{socket}: Paused without pause");
            }
            Message::SendReady { socket } => {
                let was_awaited = self.awaited.remove(&(service, *socket));
                assert!(was_awaited, "{socket}: SendReady for {service}, which does not wait");
            }
            Message::Close { socket, reason, unsent } => {
                let it = self.sockets.get_mut(socket).expect("a known id");
                assert_eq!(it.close.replace((*reason, *unsent)), None, "{socket}: Close twice");
                self.awaited.remove(&(service, *socket));
            }
            Message::Timer { timer } => {
                let timer = self.timers.get_mut(&(service, *timer)).expect("the timer was set");
                assert!(!timer.is_cancelled, "a cancelled timer came");
                assert!(!std::mem::replace(&mut timer.is_told, true), "a timer came twice");
            }
            _ => {}
        }
    }

    fn meet(&mut self, id: SocketId, port: Option<u16>) {
        let peer = usize::from(port.expect("scripted peers have ports") - PEER_PORT);
        self.peers.entry(peer).or_default();
        self.sockets.get_mut(&id).expect("a known id").peer = Some(peer);
    }

    /// When everything has come to rest: whoever reads has everything, whoever waited was told,
    /// and every open connection has delivered all that was sent on it.
    pub(super) fn check_quiet(&self, taken: &[(usize, u64)], now: Instant) {
        for (id, socket) in &self.sockets {
            let Some(peer) = socket.peer.map(|peer| &self.peers[&peer]) else { continue };
            let is_over = socket.close.is_some() || socket.is_orphan || socket.is_ended;
            // One that was accepted in the last moment is not read yet.
            if is_over || peer.is_broken || socket.is_unstarted {
                continue;
            }
            let all = peer.sent.len();
            assert_eq!(socket.received.len(), all, "{id}: the peer lacks bytes at rest");
            assert_eq!(socket.has_eof, peer.is_finished, "{id}: Eof is missing at rest");
            let taken = taken.iter().find(|(it, _)| Some(*it) == socket.peer).expect("a peer").1;
            assert_eq!(taken, socket.sent_bytes, "{id}: unwritten bytes at rest");
            assert_eq!(peer.got.len() as u64, taken, "{id}: unread bytes at rest");
        }
        for (service, id) in &self.awaited {
            let socket = &self.sockets[id];
            let is_over = socket.close.is_some() || socket.is_orphan || socket.is_ended;
            assert!(is_over, "{service} waits for SendReady of {id} at rest");
        }
        for ((service, timer), it) in &self.timers {
            let is_due = it.deadline <= now && !it.is_cancelled && !it.is_told;
            assert!(!is_due || self.released.contains(service), "{timer} of {service} never came");
        }
    }

    /// After the end of everything.
    pub(super) fn check_end(&self, mut taken_bytes: impl FnMut(usize) -> u64) {
        for (id, socket) in &self.sockets {
            let taken = socket.peer.map_or(0, &mut taken_bytes);
            match socket.close {
                Some((reason, unsent)) => {
                    assert_eq!(unsent, socket.sent_bytes - taken, "{id} closed {reason}: unsent");
                }
                None => assert!(socket.is_orphan, "{id} got no Close"),
            }
            if let Some(peer) = socket.peer {
                self.check_frames(*id, socket, &self.peers[&peer]);
            }
        }
    }

    /// Checks that the peer got whole frames, of each priority the ones that were sent, in order.
    fn check_frames(&self, id: SocketId, socket: &Socket, peer: &Peer) {
        let numbers = |low| -> VecDeque<u64> {
            let of_priority = socket.sent.iter().filter(|(_, frame)| frame.low == low);
            of_priority.map(|(number, _)| *number).collect()
        };
        let mut waiting = [numbers(false), numbers(true)];
        let mut rest = peer.got.as_slice();
        while rest.len() >= HEADER_BYTES {
            let number = u64::from(u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]));
            let frame = socket.sent.get(&number);
            let frame = frame.unwrap_or_else(|| panic!("{id}: the peer got a torn frame"));
            let expected = waiting[usize::from(frame.low)].pop_front();
            assert_eq!(expected, Some(number), "{id}: out of order");
            let count = rest.len().min(frame.bytes.len());
            assert_eq!(rest[..count], frame.bytes[..count], "{id}: frame {number} is torn");
            rest = &rest[count..];
        }
        let is_orderly = peer.got_eof && !peer.is_broken;
        let is_lossless = socket.close.is_some_and(|(_, unsent)| unsent == 0);
        if is_orderly && is_lossless {
            assert!(rest.is_empty(), "{id}: the last frame is torn");
            assert!(waiting.iter().all(VecDeque::is_empty), "{id}: frames are missing");
        }
    }
}

/// Number, size, priority, a mark.
const HEADER_BYTES: usize = 8;
const MAGIC: u8 = 0xA5;

impl Socket {
    fn new(owner: ServiceId, is_listener: bool) -> Self {
        Self {
            owner,
            owners: BTreeSet::from([owner]),
            is_listener,
            auto_start: false,
            sent: BTreeMap::new(),
            sent_bytes: 0,
            made: BTreeMap::new(),
            peer: None,
            received: Vec::new(),
            has_eof: false,
            close: None,
            is_ended: false,
            pauses: Vec::new(),
            last_start: 0,
            paused_told: 0,
            is_orphan: false,
            is_unstarted: false,
        }
    }
}
