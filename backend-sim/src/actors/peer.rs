//! A scripted peer: a host without a Mux, that sees what the wire shows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tidelock_net::chance::choices::Choices;
use tidelock_net::chance::noise::Amount;
use tidelock_net::system::kernel::{Address, Errno, Polled, uninterrupted};
use tidelock_net::system::schedule::What;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::cast::Cast;
use tidelock_net::words::client::{Next, Part};
use tidelock_net::words::kinds::Kind;
use tidelock_net::words::operation::{Action, Operation, Side};
use tidelock_net::words::payload::{frame_mark, mark};
use tidelock_net::words::ports::{SERVER, SERVER_PORT};

use crate::actors::shared::Shared;
use crate::judge::oracle::Law;
use crate::stage::options::Options;

/// A scripted peer.
pub struct Peer {
    /// Its next step stands in the schedule.
    pub is_scheduled: bool,
    number: u16,
    cast: Arc<Cast>,
    behaviour: Option<Behaviour>,
    listener: Option<u32>,
    streams: Vec<Stream>,
    sides: BTreeMap<Side, usize>,
    /// Streams that may have something to do; each at most once.
    active: VecDeque<usize>,
    polled: Vec<Polled>,
    read_bytes: usize,
    think_nanos: u64,
    steps: u64,
    /// The number of its crashes.
    lives: u32,
}

/// One stream of it.
struct Stream {
    socket: u32,
    side: Option<Side>,
    behaviour: Option<Behaviour>,
    /// The operation that completes when it is connected, or when its script was played.
    operation: Option<u32>,
    /// The script that it plays.
    part: Option<Part>,
    /// It takes no step of its script before this.
    waits_until_nanos: u64,
    unsent: VecDeque<Bytes>,
    is_active: bool,
    is_connected: bool,
    is_open: bool,
    is_paused: bool,
    wants_fin: bool,
    has_sent_fin: bool,
    has_eof: bool,
}

/// The token of a peer's listener.
const LISTENER: u64 = u64::MAX;

impl Peer {
    /// A peer that listens if it has a behaviour for what it accepts.
    pub fn new<C: Choices>(
        number: u16,
        cast: Arc<Cast>,
        behaviour: Option<Behaviour>,
        options: &Options,
        shared: &mut Shared<C>,
    ) -> Self {
        let listener = behaviour.map(|_| {
            let name = shared.kernel.host_name(number);
            let naming = || format!("{name}/listen");
            let backlog = 128;
            let listened = shared.kernel.listen(number, LISTENER, SERVER_PORT, backlog, &naming);
            listened.expect("the port is free in a new world").0
        });
        Self {
            is_scheduled: false,
            number,
            cast,
            behaviour,
            listener,
            streams: Vec::new(),
            sides: BTreeMap::new(),
            active: VecDeque::new(),
            polled: Vec::new(),
            read_bytes: options.peer_read_bytes as usize,
            think_nanos: options.peer_think_nanos,
            steps: 0,
            lives: 0,
        }
    }

    /// The same peer after a crash: it knows of no stream, and listens anew.
    pub fn reborn<C: Choices>(&self, shared: &mut Shared<C>) -> Self {
        let (number, lives) = (self.number, self.lives + 1);
        let listener = self.behaviour.map(|_| {
            let name = shared.kernel.host_name(number);
            let naming = || format!("{name}/listen+{lives}");
            let listened = shared.kernel.listen(number, LISTENER, SERVER_PORT, 128, &naming);
            listened.expect("a crash frees the port").0
        });
        Self {
            is_scheduled: false,
            number,
            cast: Arc::clone(&self.cast),
            behaviour: self.behaviour,
            listener,
            streams: Vec::new(),
            sides: BTreeMap::new(),
            active: VecDeque::new(),
            polled: Vec::new(),
            read_bytes: self.read_bytes,
            think_nanos: self.think_nanos,
            steps: self.steps,
            lives,
        }
    }

    /// Does what is asked from outside.
    pub fn ask<C: Choices>(&mut self, index: u32, operation: Operation, shared: &mut Shared<C>) {
        if operation.action.is_hopeless() || operation.action == Action::Info {
            // A peer that needs nobody's answer learns nothing from it.
            return shared.oracle.complete(index);
        }
        match operation.action {
            Action::Connect { to, port, .. } => {
                return self.connect(index, operation, Address { host: to, port }, shared);
            }
            Action::ConnectName { port, .. } => {
                return self.connect(index, operation, Address { host: SERVER, port }, shared);
            }
            Action::Play { client } => return self.play(index, operation, client, shared),
            _ => {}
        }
        let at = operation.action.side().and_then(|side| self.sides.get(&side).copied());
        let Some(at) = at.filter(|at| self.streams[*at].is_open) else { return };
        let stream = &mut self.streams[at];
        match operation.action {
            Action::Send { on, message, bytes, is_low } => {
                if stream.wants_fin {
                    return;
                }
                if bytes > 0 {
                    stream.unsent.push_back(mark(on, message, is_low).payload(bytes));
                }
            }
            Action::Frame { on, message, bytes } => {
                if stream.wants_fin {
                    return;
                }
                stream.unsent.push_back(frame_mark(on, message, bytes).payload(bytes));
            }
            Action::Shutdown { .. } | Action::Finish { .. } | Action::Release { .. } => {
                stream.wants_fin = true;
            }
            Action::Close { .. } => {
                let is_reset = !stream.unsent.is_empty();
                self.close(at, is_reset, shared);
            }
            Action::Pause { .. } => stream.is_paused = true,
            Action::Start { .. } => stream.is_paused = false,
            Action::KeepOpen { .. } | Action::Nodelay { .. } | Action::HandOver { .. } => {}
            Action::Connect { .. }
            | Action::ConnectName { .. }
            | Action::Play { .. }
            | Action::Info
            | Action::Udp { .. }
            | Action::UdpConnect { .. }
            | Action::SendTo { .. } => return,
        }
        shared.oracle.asked(index, &operation, None);
        self.activate(at);
    }

    fn connect<C: Choices>(
        &mut self,
        index: u32,
        operation: Operation,
        to: Address,
        shared: &mut Shared<C>,
    ) {
        let side = Side { label: operation.label, is_accepted: false };
        let token = self.streams.len() as u64;
        let connected = shared.kernel.connect(self.number, token, to, &|| side.to_string());
        if let Ok(socket) = connected {
            let end = shared.kernel.end_of(socket);
            shared.oracle.connection_began(end / 2, Some(side.label));
            self.sides.insert(side, self.streams.len());
            self.add(socket, Some(side), None);
            let stream = self.streams.last_mut().expect("it was just added");
            stream.operation = Some(index);
            stream.is_connected = false;
        }
    }

    fn play<C: Choices>(
        &mut self,
        index: u32,
        operation: Operation,
        client: u16,
        shared: &mut Shared<C>,
    ) {
        let (script, heard) = self.cast.clients[client as usize].clone();
        let (name, port) = script.to;
        // Nobody is there to resolve a name that is no host's.
        let Some(host) = self.cast.find_host(name) else { return };
        let before = self.streams.len();
        self.connect(index, operation, Address { host, port }, shared);
        if let Some(stream) = self.streams.get_mut(before) {
            stream.part = Some(Part::new(&script, heard));
        }
    }

    /// Time has come for streams that wait to take the next step of their scripts.
    pub fn is_due(&mut self, now: u64) -> bool {
        let due = |stream: &Stream| (1..=now).contains(&stream.waits_until_nanos);
        let due: Vec<usize> =
            (0..self.streams.len()).filter(|at| due(&self.streams[*at])).collect();
        for at in &due {
            self.streams[*at].waits_until_nanos = 0;
            self.activate(*at);
        }
        !due.is_empty()
    }

    /// Takes every step of a stream's script that can be taken now; answers whether the stream
    /// still is.
    fn act<C: Choices>(&mut self, at: usize, shared: &mut Shared<C>) -> bool {
        let stream = &mut self.streams[at];
        let Some(part) = &mut stream.part else { return true };
        while stream.waits_until_nanos == 0 && !stream.wants_fin {
            match part.take_step() {
                Next::Write(bytes) if bytes.is_empty() => {}
                Next::Write(bytes) => stream.unsent.push_back(bytes),
                Next::Hear => break,
                Next::Wait(span) => {
                    let span = u64::try_from(span.as_nanos()).expect("a world is short");
                    stream.waits_until_nanos = shared.kernel.now + span.max(1);
                    let deadline = What::Deadline { host: self.number };
                    shared.kernel.at(stream.waits_until_nanos, deadline);
                }
                Next::Read(is_reading) => stream.is_paused = !is_reading,
                Next::Reset => {
                    if let Some(operation) = stream.operation.take() {
                        shared.oracle.complete(operation);
                    }
                    self.close(at, true, shared);
                    return false;
                }
                Next::Finish => stream.wants_fin = true,
            }
        }
        if part.is_over()
            && let Some(operation) = stream.operation.take()
        {
            shared.oracle.complete(operation);
        }
        true
    }

    fn add(&mut self, socket: u32, side: Option<Side>, behaviour: Option<Behaviour>) {
        self.streams.push(Stream {
            socket,
            side,
            behaviour,
            operation: None,
            part: None,
            waits_until_nanos: 0,
            unsent: VecDeque::new(),
            is_active: false,
            is_connected: true,
            is_open: true,
            is_paused: false,
            wants_fin: false,
            has_sent_fin: false,
            has_eof: false,
        });
    }

    fn activate(&mut self, at: usize) {
        if !std::mem::replace(&mut self.streams[at].is_active, true) {
            self.active.push_back(at);
        }
    }

    /// One round. Answers whether there is more to do, and how long the peer thinks before that.
    pub fn step<C: Choices>(&mut self, shared: &mut Shared<C>) -> (bool, u64) {
        self.is_scheduled = false;
        self.steps += 1;
        shared.kernel.poll(self.number, &mut self.polled);
        for polled in std::mem::take(&mut self.polled) {
            match polled {
                Polled::Ready { token: LISTENER, .. } => self.accept(shared),
                Polled::Ready { token, .. } => {
                    if self.streams[token as usize].is_open {
                        self.activate(token as usize);
                    }
                }
                Polled::Completion { .. } => unreachable!("a peer asks for no completion"),
            }
        }
        for _ in 0..self.active.len() {
            let at = self.active.pop_front().expect("as many as there were");
            self.streams[at].is_active = false;
            if self.streams[at].is_open && self.serve(at, shared) {
                self.activate(at);
            }
        }
        if self.active.is_empty() && !shared.kernel.has_events(self.number) {
            return (false, 0);
        }
        self.is_scheduled = true;
        let entity = shared.kernel.host_entity(self.number);
        let noise_nanos = shared.kernel.vary(entity, Amount::Think, self.steps, self.think_nanos);
        let think = 1 + noise_nanos + shared.kernel.draw_delay(Kind::THINK_DELAY, entity);
        shared.kernel.note_noise(Kind::THINK_DELAY, entity, noise_nanos);
        (true, think)
    }

    fn accept<C: Choices>(&mut self, shared: &mut Shared<C>) {
        let Some(listener) = self.listener else { return };
        loop {
            let token = self.streams.len() as u64;
            match uninterrupted(|| shared.kernel.accept(listener, token)) {
                Ok((socket, ..)) => {
                    self.add(socket, None, self.behaviour);
                    self.activate(self.streams.len() - 1);
                }
                // What has gone meanwhile is passed over; without a descriptor it tries again.
                Err(Errno::ConnectionAborted) => {}
                Err(Errno::WouldBlock) => return,
                Err(_passes) => return shared.kernel.retry_later(listener),
            }
        }
    }

    /// Reads once, writes what it can. Answers whether there is more to do at once.
    fn serve<C: Choices>(&mut self, at: usize, shared: &mut Shared<C>) -> bool {
        let stream = &mut self.streams[at];
        if !stream.is_connected {
            match shared.kernel.connected(stream.socket) {
                Ok(_) => {
                    stream.is_connected = true;
                    if stream.part.is_none()
                        && let Some(operation) = stream.operation.take()
                    {
                        shared.oracle.complete(operation);
                    }
                }
                Err(Errno::WouldBlock) => return false,
                Err(_failed) => {
                    self.close(at, false, shared);
                    return false;
                }
            }
        }
        let Some(has_read) = self.read(at, shared) else { return false };
        if !self.act(at, shared) || !self.write(at, shared) {
            return false;
        }
        let stream = &mut self.streams[at];
        if stream.has_eof && stream.unsent.is_empty() {
            stream.wants_fin = true;
        }
        if stream.wants_fin && stream.unsent.is_empty() && !stream.has_sent_fin {
            if shared.kernel.shutdown_write(stream.socket).is_err() {
                self.close(at, false, shared);
                return false;
            }
            stream.has_sent_fin = true;
        }
        let stream = &self.streams[at];
        if stream.has_sent_fin && stream.has_eof {
            self.close(at, false, shared);
            return false;
        }
        has_read
    }

    /// Reads once; `None` if the stream is gone, else whether anything came.
    fn read<C: Choices>(&mut self, at: usize, shared: &mut Shared<C>) -> Option<bool> {
        let stream = &mut self.streams[at];
        if stream.has_eof || stream.is_paused {
            return Some(false);
        }
        match uninterrupted(|| shared.kernel.read(stream.socket, self.read_bytes)) {
            Ok(bytes) if bytes.is_empty() => {
                stream.has_eof = true;
                Some(true)
            }
            Ok(bytes) => {
                let end = shared.kernel.end_of(stream.socket);
                shared.digest.bytes(&bytes);
                shared.oracle.received(end, &bytes);
                if let (Some(part), Some(side)) = (&mut stream.part, stream.side) {
                    let result = part.receive(&bytes).map_err(|detail| format!("{side}: {detail}"));
                    shared.oracle.turn_to_wire(self.number, side.is_accepted, "play");
                    shared.oracle.check(Law::Expectation, result);
                }
                if stream.behaviour == Some(Behaviour::Echo) {
                    stream.unsent.push_back(bytes);
                }
                Some(true)
            }
            Err(Errno::WouldBlock) => Some(false),
            Err(_broken) => {
                self.close(at, false, shared);
                None
            }
        }
    }

    /// Writes what the system takes; answers whether the stream still is.
    fn write<C: Choices>(&mut self, at: usize, shared: &mut Shared<C>) -> bool {
        let stream = &mut self.streams[at];
        while let Some(front) = stream.unsent.front_mut() {
            match uninterrupted(|| shared.kernel.grant(stream.socket, front.len())) {
                Ok(granted) => {
                    let bytes = front.split_to(granted);
                    if !front.has_remaining() {
                        stream.unsent.pop_front();
                    }
                    shared.digest.bytes(&bytes);
                    shared.kernel.append(stream.socket, bytes);
                    shared.kernel.push(stream.socket);
                }
                Err(Errno::WouldBlock) => return true,
                Err(_broken) => {
                    self.close(at, false, shared);
                    return false;
                }
            }
        }
        true
    }

    fn close<C: Choices>(&mut self, at: usize, is_reset: bool, shared: &mut Shared<C>) {
        let stream = &mut self.streams[at];
        if !std::mem::replace(&mut stream.is_open, false) {
            return;
        }
        let (side, socket) = (stream.side, stream.socket);
        let end_is_accepted = !shared.kernel.end_of(socket).is_multiple_of(2);
        let is_later = shared.kernel.close(socket, is_reset);
        let result = if is_later { Err(format!("{side:?} closes later")) } else { Ok(()) };
        shared.oracle.turn_to_wire(self.number, end_is_accepted, "close");
        shared.oracle.check(Law::NothingLeft, result);
    }

    /// Closes everything.
    pub fn stop<C: Choices>(&mut self, shared: &mut Shared<C>) {
        for at in 0..self.streams.len() {
            self.close(at, false, shared);
        }
        if let Some(listener) = self.listener.take() {
            let is_later = shared.kernel.close(listener, false);
            assert!(!is_later, "a peer asks for no completion");
        }
    }
}
