//! One word per socket that answers a sender at once, on every thread.

use crate::charge::{Total, reserve};
use crate::sync::{AtomicU64, Ordering};
use crate::{MESSAGE_OVERHEAD_BYTES, SocketId};

/// The kind of socket that an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateKind {
    /// A stream.
    Stream,
    /// A listener.
    Listener,
    /// A datagram socket.
    Datagram,
}

/// The kind of send that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendKind {
    /// To the other end of a stream, or to a datagram socket's peer.
    Peer,
    /// To an address.
    Address,
}

/// Why the gate refuses a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Stale,
    Closing,
    IsListener,
    NoPeer,
    TooLarge,
    SocketFull,
    TotalFull,
}

/// One socket as every thread sees it.
///
/// The word holds, from its low end: flags (8 bits), the number of announced sends, which are on
/// their way to the Mux (24 bits), and the generation (32 bits). A sender that finds the flags as
/// it wishes adds itself to the announced in the same compare-exchange; so the Mux, having
/// cleared `OPEN`, knows exactly how many sends it has yet to see before the id may be reused. A
/// service on the Mux's own thread announces nothing: its send is queued in the same step.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    word: AtomicU64,
    /// The charge of this socket: what is queued, and what is announced.
    charged_bytes: AtomicU64,
    /// The number of announced sends that are refusals, which are charged with nothing.
    refused: AtomicU64,
}

/// The id is alive.
const ALIVE: u64 = 1;
/// Sends are admitted.
const OPEN: u64 = 2;
/// The socket listens.
const LISTENER: u64 = 4;
/// The socket carries datagrams.
const DATAGRAM: u64 = 8;
/// A datagram socket with a peer.
const HAS_PEER: u64 = 16;
/// One announced send.
const ONE_ANNOUNCED: u64 = 1 << 8;
/// All bits of the number of announced sends.
const ANNOUNCED: u64 = 0x00FF_FFFF << 8;
/// The bits of flags, of which three are free.
const FLAGS: u64 = 0xFF;
const _: () = assert!(FLAGS & ANNOUNCED == 0, "flags and the announced share bits");
const _: () = assert!(ONE_ANNOUNCED == FLAGS + 1, "a bit belongs to nothing");
const _: () = assert!((FLAGS | ANNOUNCED) == u32::MAX as u64, "the generation is above them");

fn generation_bits(id: SocketId) -> u64 {
    u64::from(id.generation().get()) << 32
}

/// Judges a word by the relations of its flags, at every look at a gate of a debug build. A release
/// build judges what the Mux itself changes; the models of loom and the simulator run with this.
#[inline]
fn check_word(word: u64) {
    if !cfg!(debug_assertions) {
        return;
    }
    let is_alive = word & ALIVE != 0;
    assert!(is_alive || word & OPEN == 0, "a dead id admits sends");
    assert!(is_alive || word & HAS_PEER == 0, "a dead id has a peer");
    assert!(is_alive || word & ANNOUNCED == 0, "a send is on its way to a dead id");
    assert!(word & OPEN == 0 || word & LISTENER == 0, "a listener admits sends");
    assert_ne!(word & (LISTENER | DATAGRAM), LISTENER | DATAGRAM, "an id of two kinds");
    assert!(word & FLAGS == 0 || word >> 32 != 0, "flags of no generation");
}

impl Gate {
    /// All of it.
    pub(crate) fn words(&self) -> [u64; 3] {
        let words = [&self.word, &self.charged_bytes, &self.refused];
        let words = words.map(|word| word.load(Ordering::Acquire));
        check_word(words[0]);
        assert!(words[0] >> 32 != 0 || words[1] == 0, "nobody has a charge");
        words
    }

    /// The id is taken; its kind decides which sends are admitted.
    pub(crate) fn birth(&self, id: SocketId, kind: GateKind) {
        let flags = match kind {
            GateKind::Stream => ALIVE | OPEN,
            GateKind::Listener => ALIVE | LISTENER,
            GateKind::Datagram => ALIVE | OPEN | DATAGRAM,
        };
        let before = self.word.swap(generation_bits(id) | flags, Ordering::AcqRel);
        assert_eq!(before & (ALIVE | ANNOUNCED), 0, "the place of {id} is still in use");
        assert_ne!(before >> 32, generation_bits(id) >> 32, "{id} is issued twice");
        assert_eq!(self.charged_bytes.load(Ordering::Acquire), 0, "{id} is born with a charge");
        assert_eq!(self.refused.load(Ordering::Acquire), 0, "{id} is born with a refusal");
        assert!(self.is_alive(id), "{id} was just born");
    }

    /// Returns `true` if `id` is the living socket of this place.
    #[inline]
    pub(crate) fn is_alive(&self, id: SocketId) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        word >> 32 == generation_bits(id) >> 32 && word & ALIVE != 0
    }

    /// Returns `true` if `id` still admits sends.
    pub(crate) fn is_open(&self, id: SocketId) -> bool {
        // One load: between two of them the place could be taken by another socket.
        let word = self.word.load(Ordering::Acquire);
        word >> 32 == generation_bits(id) >> 32 && word & (ALIVE | OPEN) == ALIVE | OPEN
    }

    /// Announces a send of `len` payload bytes in one message and charges it, or refuses.
    ///
    /// A refusal with *full* stays announced: the caller tells the Mux that it waits
    /// (`Command::AwaitSendReady`), and the Mux counts that as the announced send.
    pub(crate) fn announce(
        &self,
        id: SocketId,
        kind: SendKind,
        len: usize,
        limits: &ChargeLimits,
        total: &Total,
    ) -> Result<usize, Refusal> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            admit(word, id, kind, len, limits)?;
            check_word(word);
            assert_ne!(word & ANNOUNCED, ANNOUNCED, "16 million sends on {id} are on their way");
            match self.replace(word, word + ONE_ANNOUNCED) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        self.charge(len, limits, total).inspect_err(|_full| {
            self.refused.fetch_add(1, Ordering::AcqRel);
        })
    }

    /// Charges a send of a service on the Mux's own thread, which queues it in the same step, so
    /// that nothing is announced.
    ///
    /// `None`: it goes among the commands, because the gate refuses it, or because earlier sends
    /// are on their way that must not be overtaken.
    #[inline]
    pub(crate) fn charge_at_once(
        &self,
        id: SocketId,
        len: usize,
        limits: &ChargeLimits,
        total: &Total,
    ) -> Option<usize> {
        const ASKED: u64 = ALIVE | OPEN | LISTENER | DATAGRAM | ANNOUNCED;
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        let is_its = word >> 32 == generation_bits(id) >> 32;
        if !is_its || word & ASKED != ALIVE | OPEN || len + MESSAGE_OVERHEAD_BYTES > limits.socket {
            return None;
        }
        self.charge(len, limits, total).ok()
    }

    /// Reserves what a message of `len` bytes costs, of the socket's limit and of the total's.
    #[inline]
    fn charge(&self, len: usize, limits: &ChargeLimits, total: &Total) -> Result<usize, Refusal> {
        let charge = (len + MESSAGE_OVERHEAD_BYTES) as u64;
        let charged = reserve(&self.charged_bytes, charge, limits.socket as u64);
        let charged = charged.ok_or(Refusal::SocketFull)?;
        if !total.reserve(charge, limits.total as u64) {
            self.charged_bytes.fetch_sub(charge, Ordering::AcqRel);
            return Err(Refusal::TotalFull);
        }
        Ok(charged as usize)
    }

    /// Returns the refusal that `announce` would answer, without announcing anything.
    pub(crate) fn refuses(
        &self,
        id: SocketId,
        kind: SendKind,
        len: usize,
        limits: &ChargeLimits,
        total: &Total,
    ) -> Option<Refusal> {
        if let Err(refusal) = admit(self.word.load(Ordering::Acquire), id, kind, len, limits) {
            return Some(refusal);
        }
        let charge = (len + MESSAGE_OVERHEAD_BYTES) as u64;
        assert!(charge <= limits.socket as u64, "{id} admitted a message that never fits");
        if self.charged_bytes.load(Ordering::Acquire) + charge > limits.socket as u64 {
            return Some(Refusal::SocketFull);
        }
        (total.bytes() as u64 + charge > limits.total as u64).then_some(Refusal::TotalFull)
    }

    /// The Mux has received an announced send.
    #[inline]
    pub(crate) fn receive_announced(&self, id: SocketId) {
        let word = self.word.fetch_sub(ONE_ANNOUNCED, Ordering::AcqRel);
        check_word(word);
        let is_its = word >> 32 == generation_bits(id) >> 32 && word & ALIVE != 0;
        assert!(is_its && word & ANNOUNCED != 0, "{id}: nobody announced this send: {word:#x}");
    }

    /// Replaces the word, if it is still what was seen; else gives what it is.
    #[inline]
    fn replace(&self, seen: u64, by: u64) -> Result<(), u64> {
        let replaced =
            self.word.compare_exchange_weak(seen, by, Ordering::AcqRel, Ordering::Acquire);
        replaced.map(|_seen| ())
    }

    /// The Mux has received that somebody waits for room, which was announced like a send.
    pub(crate) fn receive_refused(&self, id: SocketId) {
        let before = self.refused.fetch_sub(1, Ordering::AcqRel);
        assert!(before > 0, "{id}: somebody waits whom nobody refused");
        self.receive_announced(id);
    }

    /// Returns `true` if a send is on its way to the Mux, for the living `id`.
    #[inline]
    pub(crate) fn has_sends(&self, id: SocketId) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        let is_living = word >> 32 == generation_bits(id) >> 32 && word & ALIVE != 0;
        assert!(is_living, "{id} is asked about after its end");
        word & ANNOUNCED != 0
    }

    /// Returns `true` if a send is on its way to the Mux.
    pub(crate) fn has_announced(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        word & ANNOUNCED != 0
    }

    /// Payload bytes of sends that are on their way, given what the Mux holds of the charge. Exact
    /// if nobody is just now being admitted.
    pub(crate) fn announced_bytes(&self, held_charge_bytes: usize) -> usize {
        let word = self.word.load(Ordering::Acquire);
        let announced = (word & ANNOUNCED) / ONE_ANNOUNCED;
        let refused = self.refused.load(Ordering::Acquire);
        assert!(refused <= announced, "a refusal was not announced");
        let charged = self.charged_bytes();
        assert!(charged >= held_charge_bytes, "the Mux holds more than is charged");
        let overhead_bytes = (announced - refused) as usize * MESSAGE_OVERHEAD_BYTES;
        let bytes = (charged - held_charge_bytes).saturating_sub(overhead_bytes);
        assert!(bytes <= charged, "more is on its way than was charged");
        assert!(announced > 0 || bytes == 0, "bytes are on their way that nobody announced");
        bytes
    }

    /// No further send is admitted. Answers whether `id` was alive.
    pub(crate) fn close_output(&self, id: SocketId) -> bool {
        let was_alive = self.change(id, |word| word & !OPEN);
        assert!(!self.is_open(id), "{id} admits sends after its end");
        was_alive
    }

    /// A datagram socket got a peer. Answers whether `id` was alive.
    pub(crate) fn set_peer(&self, id: SocketId) -> bool {
        self.change(id, |word| word | HAS_PEER)
    }

    /// The id dies: every later command is stale.
    pub(crate) fn kill(&self, id: SocketId) {
        assert!(!self.has_announced(), "{id} dies under an announced send");
        let was_alive = self.change(id, |word| word & !(ALIVE | OPEN | HAS_PEER));
        assert!(was_alive, "{id} died twice");
        assert!(!self.is_alive(id), "{id} survived its death");
    }

    fn change(&self, id: SocketId, change: impl Fn(u64) -> u64) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        while word >> 32 == generation_bits(id) >> 32 && word & ALIVE != 0 {
            let changed = change(word);
            const KEPT: u64 = !FLAGS | LISTENER | DATAGRAM;
            assert_eq!(changed & KEPT, word & KEPT, "{id}: more than flags of its state changed");
            match self.replace(word, changed) {
                Ok(()) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// The socket's charge.
    pub(crate) fn charged_bytes(&self) -> usize {
        self.charged_bytes.load(Ordering::Acquire) as usize
    }

    /// Gives `charge` back, here and in the total.
    #[inline]
    pub(crate) fn release(&self, charge: usize, total: &Total) {
        if charge == 0 {
            return;
        }
        let before = self.charged_bytes.fetch_sub(charge as u64, Ordering::AcqRel);
        assert!(before >= charge as u64, "a socket gave back more than it was charged");
        total.release(charge as u64);
    }
}

/// The limits that a send is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChargeLimits {
    /// `outbox_bytes_max`.
    pub(crate) socket: usize,
    /// `total_bytes_max`.
    pub(crate) total: usize,
    /// `datagram_bytes_max`.
    pub(crate) datagram: usize,
}

fn admit(
    word: u64,
    id: SocketId,
    kind: SendKind,
    len: usize,
    limits: &ChargeLimits,
) -> Result<(), Refusal> {
    if word >> 32 != generation_bits(id) >> 32 || word & ALIVE == 0 {
        return Err(Refusal::Stale);
    }
    if word & LISTENER != 0 {
        return Err(Refusal::IsListener);
    }
    if word & OPEN == 0 {
        return Err(Refusal::Closing);
    }
    match (kind, word & DATAGRAM != 0) {
        (SendKind::Peer, true) if word & HAS_PEER == 0 => Err(Refusal::NoPeer),
        (SendKind::Address, false) => Err(Refusal::NoPeer),
        _ => {
            let len_max = if word & DATAGRAM != 0 { limits.datagram } else { limits.socket };
            let is_too_large =
                len > len_max || len.saturating_add(MESSAGE_OVERHEAD_BYTES) > limits.socket;
            if is_too_large { Err(Refusal::TooLarge) } else { Ok(()) }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    const LIMITS: ChargeLimits = ChargeLimits { socket: 1000, total: 1500, datagram: 500 };

    fn id(generation: u32) -> SocketId {
        SocketId::new(0, NonZeroU32::new(generation).unwrap())
    }

    #[test]
    fn a_socket_never_exceeds_its_limit_and_a_refusal_changes_no_charge() {
        let (gate, total) = (Gate::default(), Total::default());
        gate.birth(id(1), GateKind::Stream);
        assert_eq!(gate.announce(id(1), SendKind::Peer, 936, &LIMITS, &total), Ok(1000));
        assert_eq!(
            gate.announce(id(1), SendKind::Peer, 0, &LIMITS, &total),
            Err(Refusal::SocketFull)
        );
        assert_eq!(gate.charged_bytes(), 1000);
        assert_eq!(total.bytes(), 1000);
    }

    #[test]
    fn a_full_total_undoes_the_sockets_charge() {
        let (gate, total) = (Gate::default(), Total::default());
        assert!(total.reserve(1000, 1000));
        gate.birth(id(1), GateKind::Stream);
        assert_eq!(
            gate.announce(id(1), SendKind::Peer, 600, &LIMITS, &total),
            Err(Refusal::TotalFull)
        );
        assert_eq!((gate.charged_bytes(), total.bytes()), (0, 1000));
        assert!(gate.has_announced(), "the waiting command is announced in its place");
    }

    #[test]
    fn each_kind_admits_what_it_can_send() {
        let (gate, total) = (Gate::default(), Total::default());
        let announce = |kind| gate.announce(id(1), kind, 1, &LIMITS, &total).map(|_| ());
        gate.birth(id(1), GateKind::Datagram);
        assert_eq!(announce(SendKind::Peer), Err(Refusal::NoPeer));
        assert_eq!(announce(SendKind::Address), Ok(()));
        assert!(gate.set_peer(id(1)));
        assert_eq!(announce(SendKind::Peer), Ok(()));
        assert!(gate.close_output(id(1)));
        assert_eq!(announce(SendKind::Peer), Err(Refusal::Closing));
        assert!(!gate.close_output(id(2)), "another generation");
    }

    #[test]
    fn an_old_generation_is_stale() {
        let (gate, total) = (Gate::default(), Total::default());
        gate.birth(id(2), GateKind::Stream);
        assert_eq!(gate.announce(id(1), SendKind::Peer, 1, &LIMITS, &total), Err(Refusal::Stale));
        gate.kill(id(2));
        assert!(!gate.is_alive(id(2)));
        gate.birth(id(3), GateKind::Listener);
        assert_eq!(
            gate.announce(id(3), SendKind::Peer, 1, &LIMITS, &total),
            Err(Refusal::IsListener)
        );
    }

    #[test]
    #[should_panic(expected = "still in use")]
    fn a_place_with_an_announced_send_is_not_reused() {
        let (gate, total) = (Gate::default(), Total::default());
        gate.birth(id(1), GateKind::Stream);
        gate.announce(id(1), SendKind::Peer, 1, &LIMITS, &total).unwrap();
        gate.birth(id(2), GateKind::Stream);
    }
}
