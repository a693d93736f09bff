//! The state that a host's backend keeps between calls.

use std::collections::BTreeMap;
use std::hash::Hash;

use tidelock_core::SocketId;
use tidelock_net::base::fingerprint::Fingerprint;
use tidelock_net::words::operation::Side;

use crate::judge::coverage::Place;
use crate::judge::fairness::{Fairness, INPUT};

/// The state that a host's backend keeps between calls.
#[derive(Debug, Default)]
pub struct Io {
    /// By index of the id: which descriptor.
    sockets: Vec<Option<(SocketId, u32)>>,
    /// The names that operations give to the sockets that they open.
    pub sides: BTreeMap<SocketId, Side>,
    /// Sockets that a call, an event or a command touched since the last check.
    pub touched: Vec<SocketId>,
    /// The number of deeds so far: calls, events, commands and messages.
    pub(crate) deeds: u64,
    /// The judge of whether each of them gets its turn.
    pub fairness: Fairness,
    /// Turns of the host.
    pub turns: u64,
    /// Connects that no operation asked for.
    pub(crate) unnamed: u32,
    /// The number of addresses that each side tried.
    pub(crate) attempts: BTreeMap<Side, u32>,
    /// The number of times that each port was listened at.
    pub(crate) times_listened: BTreeMap<u16, u32>,
    /// Which socket the next call is about, and how it stands.
    pub(crate) regarded: Option<(SocketId, Place)>,
    /// The near end's entity of a connection that just failed and has no descriptor.
    pub(crate) unopened: Option<u32>,
    /// By index of the id: the bytes that the last write was offered that is to be completed.
    offered_bytes: Vec<u64>,
    /// The number of times that a datagram socket which no operation asked for was opened at each
    /// port.
    pub(crate) times_bound: BTreeMap<u16, u32>,
}

impl Io {
    /// The descriptor of an id.
    pub fn socket(&self, id: SocketId) -> Option<u32> {
        let (known, socket) = (*self.sockets.get(id.index() as usize)?)?;
        (known == id).then_some(socket)
    }

    /// Returns what the last write was offered that is to be completed.
    pub(crate) fn offered_bytes(&self, id: SocketId) -> u64 {
        self.offered_bytes.get(id.index() as usize).copied().unwrap_or(0)
    }

    pub(crate) fn offer(&mut self, id: SocketId, bytes: u64) {
        let index = id.index() as usize;
        if self.offered_bytes.len() <= index {
            self.offered_bytes.resize(index + 1, 0);
        }
        self.offered_bytes[index] = bytes;
    }

    /// Adds all but what a call leaves behind for itself.
    pub(crate) fn fingerprint(&self, state: &mut Fingerprint) {
        // Named one by one, so that a new field is not forgotten.
        let Self { sockets, sides, touched, fairness, turns, unnamed, attempts, .. } = self;
        let Self { times_listened, offered_bytes, times_bound, .. } = self;
        // How much was done, and what is being done, is for the judge alone.
        let Self { regarded: _, deeds: _, unopened: _, .. } = self;
        (sockets, sides, touched, unnamed, attempts).hash(state);
        (times_listened, offered_bytes, times_bound).hash(state);
        fairness.fingerprint(*turns, state);
    }

    /// Names count on after a crash, so that no two entities share one.
    pub(crate) fn follows(&mut self, before: &Io) {
        self.unnamed = before.unnamed;
        self.attempts.clone_from(&before.attempts);
        self.times_listened.clone_from(&before.times_listened);
        self.times_bound.clone_from(&before.times_bound);
    }

    pub(crate) fn insert(&mut self, id: SocketId, socket: u32) {
        let index = id.index() as usize;
        if self.sockets.len() <= index {
            self.sockets.resize(index + 1, None);
        }
        self.sockets[index] = Some((id, socket));
    }

    /// The socket is looked at when the host is idle. Most of a turn is about one socket, so the
    /// list stays short although it is sorted only then.
    #[inline]
    pub(crate) fn touch(&mut self, id: SocketId) {
        self.deeds += 1;
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// The owner wants no input from now on, and asks anew when it starts again.
    pub(crate) fn paused(&mut self, id: SocketId) {
        self.fairness.called(id, INPUT, self.turns + 1);
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> u32 {
        let socket = self.socket(id).expect("a socket that is open is closed");
        self.sockets[id.index() as usize] = None;
        socket
    }
}
