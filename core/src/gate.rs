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
///
/// Who may write a stream stands in the same word; see [`Permit`](crate::permit::Permit).
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) word: AtomicU64,
    /// The charge of this socket: what is queued, what is announced, what is being written.
    charged_bytes: AtomicU64,
    /// The number of announced sends that are refusals, which are charged with nothing.
    refused: AtomicU64,
    /// The writes without the Mux of which it has not learnt yet; `None` where the
    /// configuration forbids that.
    pub(crate) written: Option<Box<Written>>,
}

/// The sends and reports on their way to the Mux for one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OnTheWay {
    /// Sends that the gate admitted.
    pub(crate) has_sends: bool,
    /// Somebody writes the stream, or what that one left is on its way: nobody else writes it,
    /// ends its output or closes it.
    pub(crate) has_direct: bool,
    /// Somebody wrote the stream, and says so.
    pub(crate) has_flush: bool,
}

/// The writes to one socket without the Mux.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) bytes: AtomicU64,
    pub(crate) messages: AtomicU64,
    /// When, last.
    pub(crate) last_nanos: AtomicU64,
}

/// The id is alive.
pub(crate) const ALIVE: u64 = 1;
/// Sends are admitted.
pub(crate) const OPEN: u64 = 2;
/// The socket listens.
const LISTENER: u64 = 4;
/// The socket carries datagrams.
const DATAGRAM: u64 = 8;
/// A datagram socket with a peer.
const HAS_PEER: u64 = 16;
/// A stream is being written without the Mux, or what is left of that is on its way to it.
pub(crate) const DIRECT: u64 = 32;
/// A stream's output goes through the Mux: it is not open yet, has something queued, or is waited
/// for. While it is set nobody else begins to write.
pub(crate) const QUEUED: u64 = 64;
/// The thread that wrote without the Mux is telling it that this is over.
pub(crate) const FLUSH: u64 = 128;
/// One announced send.
pub(crate) const ONE_ANNOUNCED: u64 = 1 << 8;
/// All bits of the number of announced sends.
pub(crate) const ANNOUNCED: u64 = 0x00FF_FFFF << 8;
/// All flags.
const FLAGS: u64 = 0xFF;
const _: () = assert!(FLAGS & ANNOUNCED == 0, "flags and the announced share bits");
const _: () = assert!(ONE_ANNOUNCED == FLAGS + 1, "a bit belongs to nothing");
const _: () = assert!((FLAGS | ANNOUNCED) == u32::MAX as u64, "the generation is above them");

pub(crate) fn generation_bits(id: SocketId) -> u64 {
    u64::from(id.generation().get()) << 32
}

/// Judges a word by the relations of its flags, at every look at a gate of a debug build. A release
/// build judges what the Mux itself changes; the models of loom and the simulator run with this.
#[inline]
pub(crate) fn check_word(word: u64) {
    if !cfg!(debug_assertions) {
        return;
    }
    let flags = word & FLAGS;
    let has_legal_flags = LEGAL_FLAGS[(flags / 64) as usize] >> (flags % 64) & 1 == 1;
    let is_somebody = word >> 32 != 0 || word & FLAGS == 0;
    let is_awaited = word & ANNOUNCED == 0 || word & ALIVE != 0;
    if !(has_legal_flags && is_somebody && is_awaited) {
        refuse_word(word);
    }
}

/// For each set of flags whether they can stand together.
const LEGAL_FLAGS: [u64; 4] = {
    let (mut legal, mut flags) = ([0; 4], 0);
    while flags <= FLAGS {
        let is_alive = flags & ALIVE != 0;
        let is_listener = flags & LISTENER != 0;
        let admits_dead = flags & (OPEN | HAS_PEER | DIRECT | FLUSH) != 0 && !is_alive;
        let admits_listener = is_listener && flags & (OPEN | DATAGRAM) != 0;
        let is_stream = flags & (LISTENER | DATAGRAM) == 0;
        let is_written = flags & (DIRECT | QUEUED | FLUSH) != 0;
        if !admits_dead && !admits_listener && (is_stream || !is_written) {
            legal[(flags / 64) as usize] |= 1 << (flags % 64);
        }
        flags += 1;
    }
    legal
};

/// Says what is wrong with a word.
#[cold]
fn refuse_word(word: u64) -> ! {
    assert!(word & OPEN == 0 || word & ALIVE != 0, "a dead id admits sends");
    assert!(word & OPEN == 0 || word & LISTENER == 0, "a listener admits sends");
    assert_ne!(word & (LISTENER | DATAGRAM), LISTENER | DATAGRAM, "an id of two kinds");
    assert!(word & HAS_PEER == 0 || word & ALIVE != 0, "a dead id has a peer");
    assert!(word & FLAGS == 0 || word >> 32 != 0, "flags of no generation");
    assert!(word & ANNOUNCED == 0 || word & ALIVE != 0, "a send is on its way to a dead id");
    assert!(word & DIRECT == 0 || word & ALIVE != 0, "a dead id is written");
    assert!(word & FLUSH == 0 || word & ALIVE != 0, "a dead id was written");
    let is_stream = word & (LISTENER | DATAGRAM) == 0;
    assert!(is_stream || word & (DIRECT | QUEUED | FLUSH) == 0, "no stream, and it is written");
    unreachable!("the table of flags refuses {word:#x} for nothing");
}

impl Gate {
    /// A gate that nothing went through; with `direct_write` others than the Mux may write.
    pub(crate) fn new(direct_write: bool) -> Self {
        let gate = Self { written: direct_write.then(Box::default), ..Self::default() };
        assert_eq!(gate.written.is_some(), direct_write, "who writes is nowhere counted");
        gate
    }

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
            // Before it is open nothing can be written.
            GateKind::Stream => ALIVE | OPEN | QUEUED,
            GateKind::Listener => ALIVE | LISTENER,
            GateKind::Datagram => ALIVE | OPEN | DATAGRAM,
        };
        let before = self.word.swap(generation_bits(id) | flags, Ordering::AcqRel);
        if let Some(written) = &self.written {
            written.bytes.store(0, Ordering::Release);
            written.messages.store(0, Ordering::Release);
            written.last_nanos.store(0, Ordering::Release);
        }
        let in_use = ALIVE | ANNOUNCED | DIRECT | FLUSH;
        assert_eq!(before & in_use, 0, "the place of {id} is still in use");
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
    /// that nothing is announced. A stream's output goes through the Mux from then on.
    ///
    /// `None`: it goes among the commands, because the gate refuses it, or because earlier sends
    /// are on their way that must not be overtaken. (Output may go through the Mux from then on all
    /// the same, until it settles the stream.)
    #[inline]
    pub(crate) fn charge_at_once(
        &self,
        id: SocketId,
        len: usize,
        limits: &ChargeLimits,
        total: &Total,
    ) -> Option<usize> {
        const ASKED: u64 = ALIVE | OPEN | LISTENER | DATAGRAM | ANNOUNCED;
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            check_word(word);
            let is_its = word >> 32 == generation_bits(id) >> 32;
            if !is_its
                || word & ASKED != ALIVE | OPEN
                || len + MESSAGE_OVERHEAD_BYTES > limits.socket
            {
                return None;
            }
            if word & QUEUED != 0 {
                break;
            }
            match self.replace(word, word | QUEUED) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        self.charge(len, limits, total).ok()
    }

    /// Reserves what a message of `len` bytes costs, of the socket's limit and of the total's.
    #[inline]
    fn charge(&self, len: usize, limits: &ChargeLimits, total: &Total) -> Result<usize, Refusal> {
        let charge = (len + MESSAGE_OVERHEAD_BYTES) as u64;
        let charged = reserve(&self.charged_bytes, charge, limits.socket as u64, 0);
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

    /// The Mux has received an announced send. A stream's output goes through the Mux from the same
    /// step on: between two of them a worker could write what was sent later.
    #[inline]
    pub(crate) fn receive_announced(&self, id: SocketId) {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            check_word(word);
            let is_its = word >> 32 == generation_bits(id) >> 32 && word & ALIVE != 0;
            assert!(is_its && word & ANNOUNCED != 0, "{id}: nobody announced this send: {word:#x}");
            let queued = if word & (LISTENER | DATAGRAM) == 0 { QUEUED } else { 0 };
            match self.replace(word, (word - ONE_ANNOUNCED) | queued) {
                Ok(()) => return,
                Err(seen) => word = seen,
            }
        }
    }

    /// Replaces the word, if it is still what was seen; else gives what it is.
    #[inline]
    pub(crate) fn replace(&self, seen: u64, by: u64) -> Result<(), u64> {
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

    /// Returns what is on its way to the Mux, with one look.
    #[inline]
    pub(crate) fn on_the_way(&self, id: SocketId) -> OnTheWay {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        let is_living = word >> 32 == generation_bits(id) >> 32 && word & ALIVE != 0;
        assert!(is_living, "{id} is asked about after its end");
        OnTheWay {
            has_sends: word & ANNOUNCED != 0,
            has_direct: word & DIRECT != 0,
            has_flush: word & FLUSH != 0,
        }
    }

    /// Returns `true` if a send is on its way to the Mux.
    pub(crate) fn has_announced(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        check_word(word);
        word & ANNOUNCED != 0
    }

    /// Payload bytes of sends that are on their way, given what the Mux holds of the charge. What
    /// is being written without the Mux counts as if it were on its way, with its overhead. Exact
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
        let is_known = announced > 0 || word & DIRECT != 0;
        assert!(is_known || bytes == 0, "bytes are on their way that nobody announced");
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
        assert!(!self.has_direct() && !self.has_flush(), "{id} dies while it is written");
        let was_alive = self.change(id, |word| word & !(ALIVE | OPEN | HAS_PEER | QUEUED));
        assert!(was_alive, "{id} died twice");
        assert!(!self.is_alive(id), "{id} survived its death");
    }

    pub(crate) fn change(&self, id: SocketId, change: impl Fn(u64) -> u64) -> bool {
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

    /// Gives `charge` back, here and in the total. Answers whether the Mux is to be told, because
    /// somebody waits for the total.
    #[inline]
    pub(crate) fn release(&self, charge: usize, total: &Total) -> bool {
        if charge == 0 {
            return false;
        }
        let before = self.charged_bytes.fetch_sub(charge as u64, Ordering::AcqRel);
        assert!(before >= charge as u64, "a socket gave back more than it was charged");
        total.release(charge as u64)
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
