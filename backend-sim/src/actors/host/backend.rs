//! The simulated kernel as a host's Mux sees it: a thin adapter, with the judge beside it.

use tidelock_core::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Endpoint,
    Fault, FaultKind, ListenOptions, Outbox, Read, Situation, SocketId, SocketOption, UdpOptions,
};
use tidelock_net::chance::choices::Choices;
use tidelock_net::system::kernel::{self, Errno, Readiness, uninterrupted};
use tidelock_net::words::kinds::Kind;

use crate::actors::host::fault::fault;
use crate::actors::host::io::Io;
use crate::actors::shared::Shared;
use crate::judge::coverage::{Answered, Call, Met, Place, sometimes};
use crate::stage::address::{address, connected, endpoint};

/// One turn's backend.
pub struct SimBackend<'a, C> {
    /// Which host.
    pub host: u16,
    /// The network, the judge, the hash, the trace.
    pub shared: &'a mut Shared<C>,
    /// The state that the host keeps.
    pub io: &'a mut Io,
    /// Completions that come at once where they can.
    pub is_inline: bool,
    /// Names that take time.
    pub resolving: &'a mut Vec<Resolving>,
}

/// A name that is being resolved.
#[derive(Debug)]
pub struct Resolving {
    /// When the answer is there.
    pub at_nanos: u64,
    /// For whom.
    pub id: SocketId,
    /// The result.
    pub result: Result<Vec<Endpoint>, Fault>,
}

fn answer<T>(result: Result<T, Errno>) -> Answer<Result<T, Fault>> {
    match result {
        Err(Errno::WouldBlock) => Answer::Later,
        result => Answer::Ready(result.map_err(fault)),
    }
}

impl<C: Choices> SimBackend<'_, C> {
    fn is_completion(&self) -> bool {
        self.shared.kernel.readiness(self.host) == Readiness::Completion
    }

    /// Returns `true` if a call that can be completed now is: as the options say, or, by decision,
    /// not so.
    fn is_at_once(&mut self, socket: u32, is_possible: impl Fn(kernel::Bits) -> bool) -> bool {
        let entity = self.shared.kernel.entity(socket);
        let is_flipped = self.shared.kernel.draw(Kind::COMPLETION_INLINE, entity, 2) == 1;
        self.is_inline != is_flipped && is_possible(self.shared.kernel.bits(socket))
    }

    pub(crate) fn socket(&self, id: SocketId) -> u32 {
        self.io.socket(id).expect("the Mux calls what is open")
    }

    /// A call is over. `answer`: what it answered, as the digest and the trace number it.
    fn note(&mut self, call: Call, id: SocketId, answer: u64, met: Met) {
        self.io.touch(id);
        if let Some(direction) = call.direction() {
            self.io.fairness.called(id, direction, self.io.turns);
        }
        let (regarded, place) = self.io.regarded.expect("the Mux says how a socket stands");
        assert_eq!(regarded, id, "{call:?} is about the socket that was told of");
        let Shared { coverage, kernel, .. } = &mut *self.shared;
        match self.io.unopened.take() {
            Some(entity) => coverage.fails(kernel, self.host, entity, place, met),
            None => coverage.meets(kernel, self.host, place, met, || self.io.socket(id)),
        }
        let word = (call as u64) << 56 | u64::from(self.host) << 48 | answer & 0xFFFF_FFFF;
        self.shared.digest.pair(word, id.to_bits());
        let (host, now) = (self.shared.kernel.host_name(self.host), self.shared.kernel.now);
        self.shared.tracer.full(now, || match answer {
            LATER => format!("{host} {call:?} {id}: later"),
            FAULT.. => format!("{host} {call:?} {id}: error {}", answer - FAULT),
            count => format!("{host} {call:?} {id}: {count}"),
        });
    }

    /// A call that counts nothing is over, and did what it was asked for or did not.
    fn note_done(&mut self, call: Call, id: SocketId, is_done: bool) {
        let answered = if is_done { Answered::DONE } else { Answered::Fault };
        self.note(call, id, u64::from(is_done), Met::answer(call, answered));
    }

    /// A call that may meet an error is over, and met one or did not.
    fn note_met(&mut self, call: Call, id: SocketId, has_error: bool) {
        let answered = if has_error { Answered::Fault } else { Answered::DONE };
        self.note(call, id, u64::from(has_error), Met::answer(call, answered));
    }

    /// A call is answered later.
    fn note_later(&mut self, call: Call, id: SocketId) {
        self.note(call, id, LATER, Met::answer(call, Answered::Later));
    }

    /// The judge learns that a call failed.
    fn failed(&mut self, call: Call, id: SocketId, errno: Errno) {
        let oracle = &mut self.shared.oracle;
        match call {
            Call::Read | Call::Write | Call::Shutdown | Call::TakeError => {
                oracle.failed(self.host, id, fault(errno));
            }
            Call::Connect | Call::Listen | Call::OpenDatagram => {
                oracle.failed_to_open(self.host, id, fault(errno));
            }
            // These pass; the socket lives on.
            Call::Resolve
            | Call::Accept
            | Call::ConnectDatagram
            | Call::SendTo
            | Call::Receive
            | Call::SetOption
            | Call::Close
            | Call::Adopt => {}
        }
    }

    /// A call is over that was asked for so many bytes, or for nothing that is counted (0).
    #[inline(always)]
    fn noted<T>(
        &mut self,
        call: Call,
        id: SocketId,
        asked: u64,
        result: Result<T, Errno>,
        count: impl Fn(&T) -> u64,
    ) -> Answer<Result<T, Fault>> {
        let (word, answered) = match &result {
            Ok(value) => (count(value), Answered::Done { count: count(value), asked }),
            Err(Errno::WouldBlock) => (LATER, Answered::Later),
            Err(errno) => {
                self.failed(call, id, *errno);
                (FAULT + errno.number() as u64, Answered::Fault)
            }
        };
        self.note(call, id, word, Met::answer(call, answered));
        answer(result)
    }
}

/// Answers in the digest that are no counts.
const LATER: u64 = 0xFFFF_0000;
const FAULT: u64 = 0xFFFF_0001;

/// Bytes that the digest and the judge see, and then the kernel.
fn give<C: Choices>(backend: &mut SimBackend<'_, C>, id: SocketId, socket: u32, bytes: Bytes) {
    backend.shared.digest.bytes(&bytes);
    backend.shared.oracle.took(backend.host, id, &bytes);
    backend.shared.kernel.append(socket, bytes);
}

impl<C: Choices> Backend for SimBackend<'_, C> {
    fn may_repeat(&self) -> bool {
        !self.is_completion()
    }

    fn regard(&mut self, id: SocketId, situation: Situation) {
        self.io.regarded = Some((id, Place::of(Some(situation))));
    }

    fn resolve(
        &mut self,
        id: SocketId,
        host: &str,
        port: u16,
    ) -> Answer<Result<Vec<Endpoint>, Fault>> {
        self.note(Call::Resolve, id, u64::from(port), Met::RESOLVE_LATER);
        let (delay, result) = self.shared.kernel.resolve(self.host, host, port);
        let result = result
            .map(|addresses| addresses.into_iter().map(endpoint).collect())
            .map_err(|_no_such_name| Fault::new(FaultKind::NameNotFound));
        let at_nanos = self.shared.kernel.now + delay;
        self.resolving.push(Resolving { at_nanos, id, result });
        Answer::Later
    }

    fn listen(
        &mut self,
        id: SocketId,
        at: &Endpoint,
        options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        let at = address(at, self.host).filter(|at| at.host == self.host);
        let Some(at) = at else {
            self.failed(Call::Listen, id, Errno::AddressNotAvailable);
            return Err(fault(Errno::AddressNotAvailable));
        };
        let backlog = options.backlog as usize;
        let name = self.shared.kernel.host_name(self.host);
        let times = self.io.times_listened.entry(at.port).or_default();
        *times += 1;
        let naming = || match *times {
            1 => format!("{name}/listen:{}", at.port),
            again => format!("{name}/listen:{}+{}", at.port, again - 1),
        };
        let result = match self.shared.kernel.bind_meets(self.host) {
            Some(errno) => Err(errno),
            None => self.shared.kernel.listen(self.host, id.to_bits(), at.port, backlog, &naming),
        };
        match result {
            Ok((socket, _)) => self.io.insert(id, socket),
            Err(errno) => self.failed(Call::Listen, id, errno),
        }
        self.note_done(Call::Listen, id, result.is_ok());
        result.map(|(_, local)| endpoint(local)).map_err(fault)
    }

    fn connect(
        &mut self,
        id: SocketId,
        to: &Endpoint,
        _options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>> {
        let host = self.host;
        let socket = match self.io.socket(id) {
            Some(socket) => socket,
            None => {
                self.shared.oracle.attempts(host, id);
                let Some(to) = address(to, host) else {
                    self.failed(Call::Connect, id, Errno::NetworkUnreachable);
                    return Answer::Ready(Err(fault(Errno::NetworkUnreachable)));
                };
                let (side, unnamed) = (self.io.sides.get(&id).copied(), self.io.unnamed);
                self.io.unnamed += u32::from(side.is_none());
                let own = self.shared.kernel.host_name(host);
                let attempt = side.map_or(0, |side| {
                    let attempts = self.io.attempts.entry(side).or_default();
                    *attempts += 1;
                    *attempts - 1
                });
                let name = || match side {
                    // The next address is another connection of the same side.
                    Some(side) if attempt > 0 => format!("{side}+{attempt}"),
                    Some(side) => side.to_string(),
                    None => format!("{own}/connect#{unnamed}"),
                };
                let next = self.shared.kernel.entities();
                match self.shared.kernel.connect(host, id.to_bits(), to, &name) {
                    Ok(socket) => {
                        let end = self.shared.kernel.end_of(socket);
                        self.shared.oracle.connection_began(end / 2, side.map(|side| side.label));
                        self.shared.oracle.opened(host, id, end);
                        self.io.insert(id, socket);
                        if self.is_completion() {
                            self.shared.kernel.submit_connect(socket);
                        }
                        socket
                    }
                    Err(errno) => {
                        self.failed(Call::Connect, id, errno);
                        let was_born = self.shared.kernel.entities() > next;
                        self.io.unopened = was_born.then_some(next);
                        let word = FAULT + errno.number() as u64;
                        self.note(Call::Connect, id, word, Met::CONNECT_FAULT);
                        return Answer::Ready(Err(fault(errno)));
                    }
                }
            }
        };
        if self.is_completion() {
            self.note_later(Call::Connect, id);
            return Answer::Later;
        }
        let result = self.shared.kernel.connected(socket);
        let noted = self.noted(Call::Connect, id, 0, result, |_| 1);
        if matches!(noted, Answer::Ready(Err(_))) {
            // A call that failed to open leaves nothing behind.
            self.io.remove(id);
            self.shared.kernel.close(socket, false);
        }
        match noted {
            Answer::Ready(result) => Answer::Ready(result.map(connected)),
            Answer::Later => Answer::Later,
        }
    }

    fn beside(&mut self, id: SocketId, told: SocketId) {
        self.begin_beside(id, told);
    }

    fn rename(&mut self, from: SocketId, to: SocketId) -> Result<(), Fault> {
        self.give_name(from, to)
    }

    fn accept(&mut self, listener: SocketId, id: SocketId) -> Answer<Result<Accepted, Fault>> {
        let socket = self.socket(listener);
        if self.is_completion() {
            self.note_later(Call::Accept, listener);
            self.shared.kernel.submit_accept(socket, id.to_bits());
            return Answer::Later;
        }
        let result = uninterrupted(|| self.shared.kernel.accept(socket, id.to_bits()));
        if let Ok((child, ..)) = result {
            self.io.insert(id, child);
            self.shared.oracle.opened(self.host, id, self.shared.kernel.end_of(child));
        }
        match self.noted(Call::Accept, listener, 0, result, |_| u64::from(id.index())) {
            Answer::Ready(result) => {
                Answer::Ready(result.map(|(_, local, peer)| connected((local, peer))))
            }
            Answer::Later => Answer::Later,
        }
    }

    fn adopt(&mut self, id: SocketId, _descriptor: Descriptor) -> Result<Connected, Fault> {
        self.note(Call::Adopt, id, 0, Met::ADOPT_FAULT);
        Err(Fault::new(FaultKind::Unsupported))
    }

    fn read(&mut self, id: SocketId, size_hint: usize) -> Answer<Result<Read, Fault>> {
        let socket = self.socket(id);
        if self.is_completion() && !self.is_at_once(socket, |bits| bits.readable) {
            self.note_later(Call::Read, id);
            self.shared.kernel.submit_read(socket, size_hint);
            return Answer::Later;
        }
        let result = uninterrupted(|| self.shared.kernel.read(socket, size_hint));
        let mut is_drained = false;
        if let Ok(bytes) = &result {
            self.shared.oracle.read(self.host, id, bytes);
            let is_full = bytes.len() == size_hint;
            sometimes!(self.shared.coverage, is_full, "read-to-the-brim");
            is_drained = !bytes.is_empty() && self.shared.kernel.tells_drained(socket, !is_full);
            sometimes!(self.shared.coverage, is_drained, "read-told-that-nothing-is-left");
        }
        match self.noted(Call::Read, id, size_hint as u64, result, |bytes| bytes.len() as u64) {
            Answer::Ready(result) => Answer::Ready(result.map(|bytes| Read { bytes, is_drained })),
            Answer::Later => Answer::Later,
        }
    }

    fn write(
        &mut self,
        id: SocketId,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        let socket = self.socket(id);
        if self.is_completion() && !self.is_at_once(socket, |bits| bits.writable) {
            let offered_bytes = unsent.offer(size_max);
            self.io.offer(id, offered_bytes as u64);
            let shares: Vec<Bytes> = unsent.offered().collect();
            self.shared.oracle.offered(self.host, id, &shares);
            for share in &shares {
                self.shared.digest.bytes(share);
            }
            self.note_later(Call::Write, id);
            self.shared.kernel.submit_write(socket, shares);
            return Answer::Later;
        }
        let asked_bytes = unsent.pending_bytes().min(size_max);
        let result = uninterrupted(|| self.shared.kernel.grant(socket, asked_bytes));
        let is_refused = matches!(result, Err(Errno::WouldBlock));
        sometimes!(self.shared.coverage, is_refused, "write-refused");
        if let Ok(granted) = result {
            let mut left = granted;
            while left > 0 {
                let bytes = unsent.take_front(left).expect("as much is unsent as was granted");
                left -= bytes.len();
                give(self, id, socket, bytes);
            }
            self.shared.kernel.push(socket);
        }
        self.noted(Call::Write, id, asked_bytes as u64, result, |granted| *granted as u64)
    }

    fn shutdown_write(&mut self, id: SocketId) -> Result<(), Fault> {
        let socket = self.socket(id);
        let result = self.shared.kernel.shutdown_write(socket);
        match result {
            Ok(()) => self.shared.oracle.fin_sent(self.host, id),
            Err(errno) => self.failed(Call::Shutdown, id, errno),
        }
        self.note_done(Call::Shutdown, id, result.is_ok());
        result.map_err(fault)
    }

    fn take_error(&mut self, id: SocketId) -> Result<(), Fault> {
        let socket = self.socket(id);
        let error = self.shared.kernel.take_error(socket);
        if let Some(errno) = error {
            self.failed(Call::TakeError, id, errno);
        }
        self.note_met(Call::TakeError, id, error.is_some());
        error.map_or(Ok(()), |errno| Err(fault(errno)))
    }

    fn open_datagram(&mut self, id: SocketId, options: &UdpOptions) -> Result<Endpoint, Fault> {
        let port = options.bind.as_ref().and_then(Endpoint::port).unwrap_or(0);
        let (side, name) =
            (self.io.sides.get(&id).copied(), self.shared.kernel.host_name(self.host));
        let times = self.io.times_bound.entry(port).or_default();
        *times += u32::from(side.is_none());
        let naming = || match (side, *times) {
            (Some(side), _) => side.to_string(),
            (None, 1) => format!("{name}/udp:{port}"),
            (None, again) => format!("{name}/udp:{port}+{}", again - 1),
        };
        let result = match self.shared.kernel.bind_meets(self.host) {
            Some(errno) => Err(errno),
            None => self.shared.kernel.open_datagram(self.host, id.to_bits(), port, &naming),
        };
        if let Err(errno) = result {
            self.failed(Call::OpenDatagram, id, errno);
        }
        self.note_done(Call::OpenDatagram, id, result.is_ok());
        let (socket, local) = result.map_err(fault)?;
        if let Some(peer) = options.peer.as_ref().and_then(|peer| address(peer, self.host))
            && let Err(errno) = self.shared.kernel.connect_datagram(socket, peer)
        {
            // A call that failed to open leaves nothing behind.
            self.failed(Call::OpenDatagram, id, errno);
            let is_later = self.shared.kernel.close(socket, false);
            assert!(!is_later, "nothing is pending for it");
            return Err(fault(errno));
        }
        self.io.insert(id, socket);
        Ok(endpoint(local))
    }

    fn connect_datagram(&mut self, id: SocketId, peer: &Endpoint) -> Result<(), Fault> {
        let socket = self.socket(id);
        let peer = address(peer, self.host).ok_or(Errno::NetworkUnreachable);
        let result = peer.and_then(|peer| self.shared.kernel.connect_datagram(socket, peer));
        self.note_done(Call::ConnectDatagram, id, result.is_ok());
        result.map_err(fault)
    }

    fn send_to(
        &mut self,
        id: SocketId,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        let socket = self.socket(id);
        let to = match to.map(|to| address(to, self.host)) {
            Some(None) => {
                self.shared.oracle.sent_datagram(self.host, id, payload, false);
                return Answer::Ready(Err(fault(Errno::NetworkUnreachable)));
            }
            Some(to) => to,
            None => None,
        };
        self.shared.digest.bytes(payload);
        let result = uninterrupted(|| self.shared.kernel.send_to(socket, to, payload.clone()));
        match result {
            Err(Errno::WouldBlock) => self.shared.oracle.offered_datagram(self.host, id, payload),
            _ => self.shared.oracle.sent_datagram(self.host, id, payload, result.is_ok()),
        }
        self.noted(Call::SendTo, id, 0, result, |()| payload.len() as u64)
    }

    fn receive_from(
        &mut self,
        id: SocketId,
        size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        let socket = self.socket(id);
        if self.is_completion() {
            self.note_later(Call::Receive, id);
            self.shared.kernel.submit_receive(socket, size_max);
            return Answer::Later;
        }
        let result = uninterrupted(|| self.shared.kernel.receive_from(socket, size_max));
        if let Ok((_, payload)) = &result {
            self.shared.oracle.received_datagram(self.host, id, payload);
        }
        match self.noted(Call::Receive, id, 0, result, |(_, payload)| payload.len() as u64) {
            Answer::Ready(result) => {
                Answer::Ready(result.map(|(from, payload)| (endpoint(from), payload)))
            }
            Answer::Later => Answer::Later,
        }
    }

    fn set_option(&mut self, id: SocketId, _option: &SocketOption) -> Result<(), Fault> {
        // No option changes what the model does.
        let socket = self.socket(id);
        let met = self.shared.kernel.option_meets(socket);
        self.note_met(Call::SetOption, id, met.is_some());
        met.map_or(Ok(()), |errno| Err(fault(errno)))
    }

    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()> {
        self.shared.oracle.closes(self.host, id, how == CloseHow::Reset);
        let socket = self.socket(id);
        let is_readable = self.shared.kernel.is_readable(socket);
        sometimes!(self.shared.coverage, is_readable, "closed-while-readable");
        let is_later = self.shared.kernel.close(socket, how == CloseHow::Reset);
        let met = if is_later { Met::CLOSE_LATER } else { Met::CLOSE_OK };
        self.note(Call::Close, id, u64::from(is_later), met);
        self.io.remove(id);
        if is_later { Answer::Later } else { Answer::Ready(()) }
    }
}
