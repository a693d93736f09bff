//! The simulated kernel: sockets of several hosts, and the links between them.
//!
//! A fault is a change of this state, never an overridden result: what a call answers and which
//! events come is computed from the offsets of each stream. It knows nothing of the core.

mod address;
mod connection;
mod crash;
mod datagram;
mod end;
mod errno;
mod errnos;
#[cfg(test)]
mod fault_tests;
mod fingerprint;
mod flow;
mod listener;
mod poll;
mod readiness;
mod resolve;
mod room;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

pub use address::Address;
pub use datagram::Datagram;
pub use end::{End, EndState};
pub use errno::Errno;
pub use errno::uninterrupted;
pub use errnos::{Effect, ROWS, Row, RowCounts, Scope};
pub use readiness::{Bits, Completion, Polled, Readiness};
pub use room::Room;
pub use stream::Pipe;

use crate::chance::choices::{Choices, Site};
use crate::chance::noise::{Amount, Noise};
use crate::system::clock::Clock;
use crate::system::link::{Link, Passage};
use crate::system::schedule::{Schedule, What};
use crate::words::kinds::Kind;
use crate::words::names::Resolver;

/// The settings that the kernel is built with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes that the system holds for a writer.
    pub send_buffer_bytes: u64,
    /// Bytes that the system holds for a reader.
    pub receive_buffer_bytes: u64,
    /// Events that one poll gives at most.
    pub batch_max: usize,
    /// The longest delay that a decision makes.
    pub delay_nanos_max: u32,
    /// Whose details of behaviour hosts show.
    pub os: Os,
}

/// Whose details of behaviour hosts show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Os {
    /// Measured.
    #[default]
    Linux,
    /// From documentation and sources; not measured.
    Macos,
    /// From documentation; not measured. RST discards what was received and not read.
    Windows,
}

impl Os {
    /// Its name, with a word about those that nobody measured.
    pub const fn name(self) -> &'static str {
        match self {
            Os::Linux => "linux",
            Os::Macos => "macos(unverified)",
            Os::Windows => "windows(unverified)",
        }
    }

    /// The one with this number in a world's options; the last for every greater number.
    pub const fn of_number(number: u64) -> Self {
        match number {
            0 => Os::Linux,
            1 => Os::Macos,
            _ => Os::Windows,
        }
    }
}

/// Sockets of several hosts, and the links between them.
///
/// Everything has a dense number that is never used again within a world: hosts, sockets, ends,
/// pipes (the pipe that an end writes has the end's number; the far end's is `end ^ 1`).
pub struct Kernel<C> {
    /// The source of decisions.
    pub choices: C,
    /// The events to come.
    pub schedule: Schedule,
    /// The time.
    pub now: u64,
    /// Latencies.
    pub noise: Noise,
    /// Hosts that were woken since the world last looked.
    pub woken: Vec<u16>,
    /// No decision is drawn any more.
    pub is_quiet: bool,
    settings: Settings,
    hosts: Vec<Host>,
    links: Vec<Link>,
    sockets: Vec<Socket>,
    ends: Vec<End>,
    pipes: Vec<Pipe>,
    datagrams: Vec<Option<Datagram>>,
    completions: Vec<Option<(u32, Completion)>>,
    met: RowCounts,
    /// The entity of everything that belongs to no host.
    entities: u32,
}

/// The kernel's record of one host.
#[derive(Debug, Hash)]
struct Host {
    readiness: Readiness,
    /// For decisions about its polls and turns.
    entity: u32,
    name: &'static str,
    /// Sockets with an event that was not polled yet; each at most once.
    ready: VecDeque<u32>,
    completed: VecDeque<(u32, Completion)>,
    /// The number that are open.
    descriptors: u32,
    descriptors_max: u32,
    paused_until_nanos: u64,
    /// It crashed, and nobody answers before this.
    down_until_nanos: u64,
    clock: Clock,
    resolver: Resolver,
    next_port: u16,
    /// Streams' listeners and datagram sockets by port.
    listening: BTreeMap<u16, u32>,
    bound: BTreeMap<u16, u32>,
    /// The tokens of the last few that were closed.
    closed: VecDeque<u64>,
}

impl Host {
    /// Nothing goes by this name any more.
    fn token_is_gone(&mut self, token: u64) {
        if self.closed.len() == CLOSED_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back(token);
    }
}

/// Sends again a packet of a stream that was sent at `sent_at` and lost, each time after twice as
/// long. Returns when it arrives, and how much of that is noise.
#[cold]
fn retransmit(
    link: &mut Link,
    mut passage: Passage,
    transmit: impl Fn(&mut Link, u64) -> Passage,
    mut sent_at: u64,
) -> (u64, u64) {
    let mut after = link.retransmission_nanos();
    let mut lost_nanos = 0;
    for _ in 0..RETRANSMISSIONS_MAX {
        if !passage.is_lost {
            break;
        }
        sent_at += after;
        lost_nanos += if passage.is_overflow { 0 } else { after };
        after *= 2;
        passage = transmit(link, sent_at);
    }
    (passage.at_nanos, lost_nanos + passage.noise_nanos)
}

/// Of so many that are sent again, the last arrives: no link loses everything.
const RETRANSMISSIONS_MAX: u32 = 6;
/// The number of closed descriptors that a host remembers for spurious events.
const CLOSED_MAX: usize = 4;

/// A descriptor of one host.
#[derive(Debug)]
pub struct Socket {
    host: u16,
    /// The token that its owner gave it.
    token: u64,
    entity: u32,
    is_open: bool,
    shape: Shape,
    /// It stands in its host's ready list.
    is_queued: bool,
    /// Event bits found but not polled; only under [`Readiness::Weakest`].
    found: Bits,
    /// The last call in this direction answered that it would block.
    waits_in: bool,
    waits_out: bool,
    /// A writable edge is scheduled.
    is_edge_coming: bool,
    edges: u64,
    /// Edges that calls are owed which would block though they could go on.
    edges_owed: u32,
    /// `None` until there was any.
    pending: Option<Box<Pending>>,
    /// Completions scheduled or queued.
    completions_out: u32,
    is_closing: bool,
    /// Its host crashed: nothing is told of it any more.
    is_dead: bool,
}

impl Socket {
    /// Takes the call that is to be completed; `None` if there never was any.
    fn take_pending(&mut self) -> Option<Pending> {
        self.pending.as_deref_mut().map(std::mem::take)
    }
}

/// Calls that will be completed; only under [`Readiness::Completion`].
#[derive(Debug, Default, Hash)]
struct Pending {
    read: Option<usize>,
    write: Option<Vec<Bytes>>,
    accept: Option<u64>,
    connect: bool,
    receive: Option<usize>,
}

#[derive(Debug, Hash)]
#[expect(clippy::box_collection, reason = "of very many sockets, few listen")]
enum Shape {
    Stream { end: u32 },
    Listener { port: u16, backlog: Box<VecDeque<u32>>, backlog_max: usize },
    Datagram(Box<datagram::Inbox>),
}

impl<C: Choices> Kernel<C> {
    /// A kernel without hosts. The first entity is the world, for ties.
    pub fn new(choices: C, noise: Noise, settings: Settings) -> Self {
        Self::within(Room::default(), choices, noise, settings)
    }

    /// The same, in room that another one left.
    pub fn within(room: Room, mut choices: C, noise: Noise, settings: Settings) -> Self {
        choices.birth(0, &|| "world".to_owned());
        let Room { schedule, sockets, ends, pipes, datagrams, completions } = room;
        Self {
            choices,
            schedule,
            now: 0,
            noise,
            woken: Vec::new(),
            is_quiet: false,
            settings,
            hosts: Vec::new(),
            links: Vec::new(),
            sockets,
            ends,
            pipes,
            datagrams,
            completions,
            met: [0; ROWS.len()],
            entities: 1,
        }
    }

    /// Adds a host; numbers count from 0. All hosts are added before links are set.
    pub fn add_host(&mut self, name: &'static str, readiness: Readiness) -> u16 {
        let entity = self.next_entity(&|| name.to_owned());
        self.hosts.push(Host {
            readiness,
            entity,
            name,
            ready: VecDeque::new(),
            completed: VecDeque::new(),
            descriptors: 0,
            descriptors_max: u32::MAX,
            paused_until_nanos: 0,
            down_until_nanos: 0,
            clock: Clock::default(),
            resolver: Resolver::Right,
            next_port: 32_768,
            listening: BTreeMap::new(),
            bound: BTreeMap::new(),
            closed: VecDeque::new(),
        });
        let count = self.hosts.len();
        self.links = vec![Link::new(1, 0, 0); count * count];
        (count - 1) as u16
    }

    /// Sets every link between two hosts, in both directions.
    pub fn set_links(&mut self, link: Link) {
        self.links.fill(link);
    }

    /// The link from one host to another.
    pub fn link_mut(&mut self, from: u16, to: u16) -> &mut Link {
        &mut self.links[from as usize * self.hosts.len() + to as usize]
    }

    /// Sets the number of descriptors that a host may have open.
    pub fn set_descriptors_max(&mut self, host: u16, max: u32) {
        self.hosts[host as usize].descriptors_max = max;
    }

    /// Lets a host's program stand still until then; its kernel goes on.
    pub fn pause_host(&mut self, host: u16, until_nanos: u64) {
        let table = &mut self.hosts[host as usize];
        table.paused_until_nanos = table.paused_until_nanos.max(until_nanos);
    }

    /// Until when a host's program stands still, if it does.
    pub fn paused_until(&self, host: u16) -> Option<u64> {
        let until = self.hosts[host as usize].paused_until_nanos;
        (until > self.now).then_some(until)
    }

    /// Returns the number of descriptors that a host has open.
    pub fn descriptors(&self, host: u16) -> u32 {
        self.hosts[host as usize].descriptors
    }

    /// Returns the way in which a host is told.
    pub fn readiness(&self, host: u16) -> Readiness {
        self.hosts[host as usize].readiness
    }

    /// The entity of a host.
    pub fn host_entity(&self, host: u16) -> u32 {
        self.hosts[host as usize].entity
    }

    /// The name of a host.
    pub fn host_name(&self, host: u16) -> &'static str {
        self.hosts[host as usize].name
    }

    /// The entity of a socket: decisions about it and its end are keyed with it.
    pub fn entity(&self, socket: u32) -> u32 {
        self.sockets[socket as usize].entity
    }

    /// From now on no decision is drawn.
    pub fn quiet(&mut self) {
        self.is_quiet = true;
        self.choices.quiet();
        for host in &mut self.hosts {
            host.descriptors_max = u32::MAX;
        }
        self.links.iter_mut().for_each(Link::heal);
    }

    /// Schedules something; ties are drawn.
    #[inline]
    pub fn at(&mut self, at_nanos: u64, what: What) {
        let tie = self.choices.draw(Site { kind: Kind::TIE, entity: 0 }, 4);
        self.schedule.push(at_nanos.max(self.now), tie, what);
    }

    /// A decision about `entity`.
    #[inline]
    pub fn draw(&mut self, kind: Kind, entity: u32, bound: u32) -> u32 {
        self.choices.draw(Site { kind, entity }, bound)
    }

    /// A delay that a decision makes, in nanoseconds.
    #[inline]
    pub fn draw_delay(&mut self, kind: Kind, entity: u32) -> u64 {
        u64::from(self.draw(kind, entity, self.settings.delay_nanos_max))
    }

    /// Returns the number of entities; the next one has this number.
    pub fn entities(&self) -> u32 {
        self.entities
    }

    fn next_entity(&mut self, name: &dyn Fn() -> String) -> u32 {
        let entity = self.entities;
        self.entities += 1;
        self.choices.birth(entity, name);
        entity
    }

    /// When a packet that leaves one host now reaches another.
    fn transmit(&mut self, from: u16, to: u16, size_bytes: u64) -> u64 {
        self.transmit_noisily(from, to, size_bytes).0
    }

    /// The same, and how much of that is noise.
    fn transmit_noisily(&mut self, from: u16, to: u16, size_bytes: u64) -> (u64, u64) {
        let number = u32::from(from) << 16 | u32::from(to);
        let (now, noise) = (self.now, self.noise);
        let link = self.link_mut(from, to);
        let passage = link.transmit(number, now, size_bytes, noise);
        match passage.is_lost {
            false => (passage.at_nanos, passage.noise_nanos),
            true => retransmit(
                link,
                passage,
                |link, at| link.transmit(number, at, size_bytes, noise),
                now,
            ),
        }
    }

    /// Noise made later what was asked last about this, which may be written down.
    #[inline]
    pub fn note_noise(&mut self, kind: Kind, entity: u32, nanos: u64) {
        self.choices.note_noise(Site { kind, entity }, 0, nanos);
    }

    /// Returns `true` if what arrives now must wait for the link; then it comes again.
    fn is_blocked(&mut self, from: u16, to: u16, what: What) -> bool {
        let now = self.now;
        let down_until = self.hosts[to as usize].down_until_nanos;
        let down = (down_until > now).then_some(down_until);
        match self.link_mut(from, to).blocked_until(now).max(down) {
            Some(until) => {
                self.at(until, what);
                true
            }
            None => false,
        }
    }

    fn open(&mut self, host: u16, token: u64, entity: u32, shape: Shape) -> u32 {
        let number = self.sockets.len() as u32;
        self.sockets.push(Socket {
            host,
            token,
            entity,
            is_open: true,
            shape,
            is_queued: false,
            found: Bits::default(),
            waits_in: false,
            waits_out: false,
            is_edge_coming: false,
            edges: 0,
            edges_owed: 0,
            pending: None,
            completions_out: 0,
            is_closing: false,
            is_dead: false,
        });
        let table = &mut self.hosts[host as usize];
        table.descriptors += 1;
        number
    }

    fn has_descriptor(&self, host: u16) -> bool {
        let table = &self.hosts[host as usize];
        table.descriptors < table.descriptors_max
    }

    fn next_port(&mut self, host: u16) -> u16 {
        let table = &mut self.hosts[host as usize];
        loop {
            let port = table.next_port;
            table.next_port = if port == u16::MAX { 32_768 } else { port + 1 };
            if !table.listening.contains_key(&port) && !table.bound.contains_key(&port) {
                return port;
            }
        }
    }

    /// Closes a descriptor; with `is_reset` the peer learns that something was lost. Answers
    /// whether completions are still to come before it is over.
    pub fn close(&mut self, socket: u32, is_reset: bool) -> bool {
        let s = &mut self.sockets[socket as usize];
        assert!(s.is_open, "a descriptor is closed once");
        s.is_open = false;
        s.found = Bits::default();
        let host = s.host as usize;
        self.hosts[host].descriptors -= 1;
        self.hosts[host].token_is_gone(s.token);
        match &mut s.shape {
            Shape::Stream { end } => {
                let end = *end;
                self.close_end(end, is_reset);
            }
            Shape::Listener { port, backlog, .. } => {
                let (port, backlog) = (*port, std::mem::take(backlog));
                self.hosts[host].listening.remove(&port);
                for end in *backlog {
                    self.close_end(end, true);
                }
            }
            Shape::Datagram(inbox) => {
                let port = inbox.port;
                self.hosts[host].bound.remove(&port);
            }
        }
        self.cancel_pending(socket)
    }

    /// Does what happens now, if it is the kernel's; answers whether it was.
    pub fn handle(&mut self, what: What) -> bool {
        match what {
            What::Segment { pipe, until } => self.segment_arrives(pipe, until),
            What::Fin { pipe } => self.fin_arrives(pipe),
            What::Reset { end } => self.reset_arrives(end),
            What::Window { pipe } => self.window_arrives(pipe),
            What::Unclog { pipe } => self.unclog(pipe),
            What::Edge { socket } => self.edge_comes(socket),
            What::OwedEdge { socket, is_in } => self.owed_edge_comes(socket, is_in),
            What::ConnectFails { end, row } => self.connect_meets(end, row),
            What::Syn { end, attempt } => self.syn_arrives(end, attempt),
            What::SynAnswer { end, is_accepted } => self.syn_answer_arrives(end, is_accepted),
            What::Datagram { slot } => self.datagram_arrives(slot),
            What::DatagramError { socket } => self.datagram_error_arrives(socket),
            What::Completion { slot } => self.completion_comes(slot),
            _ => return false,
        }
        true
    }

    /// A span that only noise varies.
    pub fn vary(&self, entity: u32, amount: Amount, count: u64, bound: u64) -> u64 {
        self.noise.below(entity, amount, count, bound)
    }
}
