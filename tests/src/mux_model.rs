//! The Mux against a reference model of what it promises, under arbitrary commands and legal
//! behaviour of its backend.

mod judge;

use std::time::Duration;

use tidelock_core::{
    Bytes, Config, ConnectOptions, Endpoint, FaultKind, Instant, ListenOptions, SendError,
    ServiceId, SocketId, TimerId, mix,
};

use crate::arm::ArmKind;
use crate::scripted::{ConnectMode, PeerRead, Style};
use crate::world::World;

use judge::Judge;

/// One step of a world. Numbers choose among what is there, so that every list is legal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command or the act of a peer with the same name")]
pub enum MuxOperation {
    Listen { service: u8, auto_start: bool, paused: bool },
    Connect { service: u8, paused: bool, half_open: bool, hangs: bool },
    PeerConnect { listener: u8 },
    Send { service: u8, socket: u8, size: u16, low: bool, count: u8 },
    Start { service: u8, socket: u8 },
    Pause { socket: u8 },
    Shutdown { socket: u8 },
    Finish { socket: u8 },
    Close { socket: u8 },
    KeepOpen { socket: u8 },
    PeerSend { peer: u8, size: u16 },
    PeerRead { peer: u8, size: u16 },
    PeerFinish { peer: u8 },
    PeerReset { peer: u8 },
    Answer { connect: u8, fails: bool },
    FailWrite { peer: u8 },
    FailRead { peer: u8 },
    FailAccept { listener: u8 },
    Descriptors { exhausted: bool },
    SetTimer { service: u8, milliseconds: u16 },
    CancelTimer { timer: u8 },
    Release { service: u8 },
    Info { service: u8 },
    Steps { count: u8 },
    PassTime { milliseconds: u16 },
}

/// Reads one operation from four arbitrary bytes.
pub fn decode_one([tag, who, low, high]: [u8; 4]) -> MuxOperation {
    let value = u16::from_le_bytes([low, high]);
    let size = value % 700;
    let (service, flags) = (who >> 6, high);
    let (socket, peer, listener) = (who & 0x3F, who, who);
    match tag % 48 {
        0 | 1 => {
            MuxOperation::Listen { service, auto_start: flags & 1 != 0, paused: flags & 14 == 0 }
        }
        2..=4 => MuxOperation::Connect {
            service,
            paused: flags & 3 == 0,
            half_open: flags & 4 != 0,
            hangs: flags & 24 == 0,
        },
        5..=7 => MuxOperation::PeerConnect { listener },
        8..=15 => {
            let count = if high & 3 == 0 { high >> 4 } else { 0 } + 1;
            MuxOperation::Send { service, socket, size, low: tag & 1 == 0, count }
        }
        16..=19 => MuxOperation::Start { service, socket },
        20 | 21 => MuxOperation::Pause { socket },
        22 | 23 => MuxOperation::Shutdown { socket },
        24 => MuxOperation::Finish { socket },
        25 => MuxOperation::Close { socket },
        26 => MuxOperation::KeepOpen { socket },
        27..=31 => MuxOperation::PeerSend { peer, size },
        32..=35 => MuxOperation::PeerRead { peer, size },
        36 => MuxOperation::PeerFinish { peer },
        37 => MuxOperation::PeerReset { peer },
        38 => MuxOperation::Answer { connect: who, fails: flags & 1 == 0 },
        39 if flags & 1 == 0 => MuxOperation::FailWrite { peer },
        39 => MuxOperation::FailRead { peer },
        40 if flags & 1 == 0 => MuxOperation::FailAccept { listener },
        40 => MuxOperation::Descriptors { exhausted: flags & 2 == 0 },
        41 => MuxOperation::SetTimer { service, milliseconds: value % 500 },
        42 => MuxOperation::CancelTimer { timer: who },
        43 if flags & 3 == 0 => MuxOperation::Release { service },
        43 => MuxOperation::Info { service },
        44 | 45 => MuxOperation::Steps { count: who & 7 },
        46 => MuxOperation::PassTime { milliseconds: value % 400 },
        _ => MuxOperation::PassTime { milliseconds: value % 16_000 },
    }
}

/// Reads a style, a seed, and operations from arbitrary bytes.
pub fn decode(bytes: &[u8]) -> (Style, u64, Vec<MuxOperation>) {
    let (head, rest) = bytes.split_at(bytes.len().min(2));
    let style = match head.first().copied().unwrap_or(0) % 3 {
        0 => Style::Weakest,
        1 => Style::Chatty,
        _ => Style::Completion,
    };
    let seed = u64::from(head.get(1).copied().unwrap_or(0));
    let (records, _torn) = rest.as_chunks::<4>();
    (style, seed, records.iter().copied().map(decode_one).collect())
}

/// Runs the operations; what the kernel does in between is drawn from `seed`, 0 being a kernel
/// that answers wholly and in order. Ends with a quiet phase in which everything must complete.
///
/// # Panics
/// If the Mux breaks a law.
pub fn run(style: Style, seed: u64, operations: &[MuxOperation]) {
    run_on(ArmKind::Scripted(style), seed, operations);
}

/// The same on one Mux or on several.
///
/// # Panics
/// If a Mux breaks a law.
pub fn run_on(kind: ArmKind, seed: u64, operations: &[MuxOperation]) {
    let mut case = Case::new(kind, seed);
    for operation in operations {
        case.apply(operation);
        case.world.look(|log| case.judge.read(log));
    }
    case.become_quiet();
}

/// Small limits, so that short runs reach them.
fn config() -> Config {
    Config {
        sockets_max: 14,
        read_buffer_bytes_min: 16,
        read_buffer_bytes_max: 256,
        write_bytes_per_turn: 300,
        warn_bytes: 600,
        outbox_bytes_max: 4_000,
        total_bytes_max: 9_000,
        mailbox_bytes_max: 1_500,
        messages_per_batch: 3,
        commands_per_turn: 5,
        sockets_per_turn: 2,
        reads_per_turn: 2,
        ..Config::default()
    }
}

struct Case {
    world: World,
    /// The first lives as long as the world.
    services: Vec<ServiceId>,
    listeners: Vec<Endpoint>,
    /// Where connects went.
    connects: Vec<Endpoint>,
    timers: Vec<(ServiceId, TimerId)>,
    judge: Judge,
}

impl Case {
    fn new(kind: ArmKind, seed: u64) -> Self {
        let mut world = World::with_config(kind, config());
        world.kernel().stream_bytes_max = 300;
        if seed != 0 {
            world.kernel().draw_from(mix(seed, 0));
        }
        let services = vec![world.main(), world.spawn(), world.spawn()];
        let judge = Judge::new();
        let (listeners, connects, timers) = (Vec::new(), Vec::new(), Vec::new());
        Self { world, services, listeners, connects, timers, judge }
    }

    fn service(&self, number: u8) -> ServiceId {
        self.services[usize::from(number) % self.services.len()]
    }

    /// Any id that was ever told, dead ones included.
    fn socket(&self, number: u8) -> Option<SocketId> {
        pick(&self.judge.ids(), number)
    }

    fn apply(&mut self, operation: &MuxOperation) {
        match *operation {
            MuxOperation::Listen { service, auto_start, paused } => {
                self.listen(service, auto_start, paused);
            }
            MuxOperation::Connect { service, paused, half_open, hangs } => {
                self.connect(service, paused, half_open, hangs);
            }
            MuxOperation::Send { service, socket, size, low, count } => {
                self.send(service, socket, size, low, count);
            }
            MuxOperation::Start { service, socket } => self.start(service, socket),
            MuxOperation::Pause { socket }
            | MuxOperation::Shutdown { socket }
            | MuxOperation::Finish { socket }
            | MuxOperation::Close { socket }
            | MuxOperation::KeepOpen { socket } => self.command(operation, socket),
            MuxOperation::SetTimer { service, milliseconds } => {
                let service = self.service(service);
                let after = Duration::from_millis(milliseconds.into());
                let (timer, now) =
                    self.world.ask_as(service, move |net| (net.set_timer(after), net.now()));
                self.timers.push((service, timer));
                self.judge.timer_set(service, timer, now + after);
            }
            MuxOperation::CancelTimer { timer } => {
                if let Some((service, timer)) = pick(&self.timers, timer)
                    && self.services.contains(&service)
                {
                    let was_set = self.world.ask_as(service, move |net| net.cancel_timer(timer));
                    self.world.look(|log| self.judge.read(log));
                    self.judge.timer_cancelled(service, timer, was_set);
                }
            }
            MuxOperation::Release { service } => self.release(service),
            MuxOperation::Info { service } => {
                let service = self.service(service);
                self.world.ask_as(service, |net| net.info());
            }
            MuxOperation::Steps { count } => {
                let limit = self.world.arm().time();
                for _ in 0..count {
                    self.world.arm().advance(limit);
                }
            }
            MuxOperation::PassTime { milliseconds } => {
                self.world.pass(Duration::from_millis(milliseconds.into()));
            }
            _ => self.apply_outside(operation),
        }
    }

    /// Applies an operation of peers or of the kernel.
    fn apply_outside(&mut self, operation: &MuxOperation) {
        match *operation {
            MuxOperation::PeerConnect { listener } => {
                if let Some(at) = pick(&self.listeners, listener)
                    && let Some(peer) = self.world.kernel().peer_connect(&at)
                {
                    self.judge.peer_born(peer);
                }
            }
            MuxOperation::PeerSend { peer, size } => {
                if let Some((peer, bytes)) = self.judge.peer_sends(peer, size.into()) {
                    self.world.arm().peer_send(peer, &bytes);
                }
            }
            MuxOperation::PeerRead { peer, size } => {
                if let Some(peer) = pick(&self.judge.peers(), peer) {
                    self.peer_read(peer, usize::from(size) + 1);
                }
            }
            MuxOperation::PeerFinish { peer } => {
                if let Some(peer) = self.judge.peer_finishes(peer) {
                    self.world.arm().peer_finish(peer);
                }
            }
            MuxOperation::PeerReset { peer } => {
                if let Some(peer) = pick(&self.judge.peers(), peer) {
                    self.judge.peer_breaks(peer);
                    self.world.arm().peer_reset(peer);
                }
            }
            MuxOperation::Answer { connect, fails } => {
                if let Some(at) = pick(&self.connects, connect) {
                    let fault = FaultKind::ConnectionRefused;
                    let mode = if fails { ConnectMode::Fail(fault) } else { ConnectMode::Accept };
                    self.world.kernel().set_connect_mode(&at, mode);
                    self.meet_connected_peers();
                }
            }
            MuxOperation::FailWrite { peer } | MuxOperation::FailRead { peer } => {
                if let Some(peer) = pick(&self.judge.peers(), peer) {
                    self.judge.peer_breaks(peer);
                    let is_write = matches!(operation, MuxOperation::FailWrite { .. });
                    self.world.kernel().with_stream(peer, |stream| {
                        let fault = Some(FaultKind::TimedOut);
                        *(if is_write {
                            &mut stream.write_fault
                        } else {
                            &mut stream.read_fault
                        }) = fault;
                    });
                }
            }
            MuxOperation::FailAccept { listener } => {
                if let Some(at) = pick(&self.listeners, listener) {
                    self.world.kernel().fail_accept(&at, FaultKind::ConnectionAborted);
                }
            }
            MuxOperation::Descriptors { exhausted } => {
                self.world.kernel().descriptors_left = exhausted.then_some(0);
            }
            _ => unreachable!("{operation:?} is no act from outside"),
        }
    }

    fn listen(&mut self, service: u8, auto_start: bool, paused: bool) {
        let service = self.service(service);
        let options = ListenOptions::default().auto_start(auto_start).paused(paused);
        let port = 10_000 + self.listeners.len() as u16;
        let at = Endpoint::from(([127, 0, 0, 1], port));
        let to = at.clone();
        let Ok(id) = self.world.ask_as(service, move |net| net.listen(to, options)) else { return };
        self.listeners.push(at);
        self.judge.opened(id, service, true);
        if auto_start {
            self.judge.starts_what_it_accepts(id);
        }
    }

    fn connect(&mut self, service: u8, paused: bool, half_open: bool, hangs: bool) {
        let service = self.service(service);
        let at = self.world.arm().peer_listen();
        if hangs {
            self.world.kernel().set_connect_mode(&at, ConnectMode::Hang);
        }
        let options = ConnectOptions::default().paused(paused).half_open(half_open);
        let to = at.clone();
        let Ok(id) = self.world.ask_as(service, move |net| net.connect(to, options)) else {
            return;
        };
        self.connects.push(at);
        self.judge.opened(id, service, false);
        let limit = self.world.arm().time();
        self.world.arm().advance(limit);
        self.meet_connected_peers();
    }

    /// Peers that were connected to are there as soon as their system has accepted.
    fn meet_connected_peers(&mut self) {
        for at in &self.connects {
            while let Some(peer) = self.world.arm().peer_accept(at) {
                self.judge.peer_born(peer);
            }
        }
    }

    fn send(&mut self, service: u8, socket: u8, size: u16, low: bool, count: u8) {
        let (service, Some(id)) = (self.service(service), self.socket(socket)) else { return };
        let frames: Vec<(u64, Bytes)> =
            (0..count).map(|_| self.judge.frame(id, size.into(), low)).collect();
        let results = self.world.ask_as(service, move |net| {
            let send = |(number, bytes)| {
                let sent = if low { net.send_low(id, bytes) } else { net.send(id, bytes) };
                (number, sent)
            };
            frames.into_iter().map(send).collect::<Vec<_>>()
        });
        for (number, result) in results {
            match result {
                Ok(queued) => {
                    assert!(queued.charged_bytes <= config().outbox_bytes_max, "above the limit");
                    self.judge.sent(id, number);
                }
                Err(SendError::SocketFull(_) | SendError::TotalFull(_)) => {
                    self.judge.refused_full(service, id);
                }
                Err(error) => self.judge.refused(id, &error),
            }
        }
    }

    fn start(&mut self, service: u8, socket: u8) {
        let Some(id) = self.socket(socket) else { return };
        // Who takes a running socket gets its messages while the old owner still handles earlier
        // ones: then there is no one order to judge.
        let service = match self.judge.owner_unless_idle(id) {
            Some(owner) if self.services.contains(&owner) => owner,
            Some(_released) => return,
            None => self.service(service),
        };
        if self.world.ask_as(service, move |net| net.start(id)).is_ok() {
            self.judge.started(id, service);
        }
    }

    fn command(&mut self, operation: &MuxOperation, socket: u8) {
        let Some(id) = self.socket(socket) else { return };
        let asked = operation.clone();
        let result = self.world.ask(move |net| match asked {
            MuxOperation::Pause { .. } => net.pause(id),
            MuxOperation::Shutdown { .. } => net.shutdown(id),
            MuxOperation::Finish { .. } => net.finish(id),
            MuxOperation::Close { .. } => net.close(id),
            _ => net.keep_open(id),
        });
        if result.is_ok() {
            match operation {
                MuxOperation::Pause { .. } => self.judge.paused(id),
                MuxOperation::KeepOpen { .. } => {}
                _ => self.judge.ended(id),
            }
        }
    }

    fn release(&mut self, service: u8) {
        let place = usize::from(service) % self.services.len();
        if place == 0 {
            return;
        }
        let released = std::mem::replace(&mut self.services[place], self.world.main());
        self.world.release(released);
        self.world.look(|log| self.judge.read(log));
        self.judge.released(released);
        self.services[place] = self.world.spawn();
    }

    fn peer_read(&mut self, peer: usize, size_max: usize) -> bool {
        let read = self.world.arm().peer_read(peer, size_max);
        match &read {
            PeerRead::Bytes(bytes) => self.judge.peer_got(peer, bytes),
            PeerRead::Eof => self.judge.peer_got_eof(peer),
            PeerRead::Reset | PeerRead::Nothing => {}
        }
        matches!(read, PeerRead::Bytes(_))
    }

    /// Faults stop, everybody reads, time passes: everything must complete.
    fn become_quiet(mut self) {
        self.world.kernel().draw_no_more();
        self.world.kernel().descriptors_left = None;
        for at in std::mem::take(&mut self.connects) {
            self.world.kernel().set_connect_mode(&at, ConnectMode::Accept);
            self.connects.push(at);
        }
        for _round in 0..4 {
            self.world.settle();
            self.world.look(|log| self.judge.read(log));
            self.meet_connected_peers();
            for (id, owner) in self.judge.living() {
                // The id may be stale or closing by now; then there is nothing to start.
                if self.world.ask_as(owner, move |net| net.start(id)).is_ok() {
                    self.judge.started(id, owner);
                }
            }
            self.world.settle();
            self.drain_peers();
            self.world.pass(Duration::from_millis(1_100));
        }
        self.world.look(|log| self.judge.read(log));
        let taken: Vec<(usize, u64)> = (self.judge.peers().into_iter())
            .map(|peer| (peer, self.world.kernel().with_stream(peer, |stream| stream.taken_bytes)))
            .collect();
        let now = Instant::ZERO + self.world.arm().time();
        self.judge.check_quiet(&taken, now);
        self.world.arm().begin_exit(Duration::from_millis(100));
        self.world.wait_exit();
        self.world.look(|log| self.judge.read(log));
        self.drain_peers_once();
        self.judge
            .check_end(|peer| self.world.kernel().with_stream(peer, |stream| stream.taken_bytes));
    }

    fn drain_peers(&mut self) {
        while self.drain_peers_once() {
            self.world.settle();
        }
    }

    fn drain_peers_once(&mut self) -> bool {
        let mut any = false;
        for peer in self.judge.peers() {
            while self.peer_read(peer, 1000) {
                any = true;
            }
        }
        any
    }
}

fn pick<T: Clone>(from: &[T], number: u8) -> Option<T> {
    if from.is_empty() { None } else { Some(from[usize::from(number) % from.len()].clone()) }
}
