//! Sockets: their records, and the tables and queues that hold them.
//!
//! A socket is a [`Head`], which all have, and a part that depends on its kind. A part's phase is
//! the socket's state, and holds what only that phase needs; so most of what may not be together
//! cannot be. [`check`] says the rest.

pub(crate) mod check;
pub(crate) mod counters;
pub(crate) mod datagram;
pub(crate) mod deferred;
pub(crate) mod dial;
pub(crate) mod head;
pub(crate) mod kind;
pub(crate) mod list;
pub(crate) mod listener;
pub(crate) mod pace;
pub(crate) mod ready;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod told;

use self::datagram::DatagramSocket;
use self::head::{Closing, Due, Head};
use self::kind::{Kind, Way};
use self::listener::Listener;
use self::ready::{ReadyQueue, SIDES, Side};
use self::stream::Stream;
use self::table::Table;
use crate::{Config, Instant, Situation, SocketId, SocketKind, SocketState};

/// All sockets, and those of them that have something to do.
#[derive(Default)]
pub(crate) struct Sockets {
    pub(crate) table: Table,
    pub(crate) ready: Ready,
}

/// Sockets that have something to do, by side: output work of all kinds, and input whose owner's
/// mailbox has room. Invariant: every socket with such work is in it.
#[derive(Default)]
pub(crate) struct Ready(pub(crate) [ReadyQueue; SIDES]);

impl Ready {
    #[inline]
    pub(crate) fn side(&mut self, side: Side) -> &mut ReadyQueue {
        &mut self.0[side as usize]
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(ReadyQueue::is_empty)
    }
}

/// One socket.
#[derive(Hash)]
pub(crate) struct Socket {
    pub(crate) head: Head,
    pub(crate) part: AnyPart,
}

/// The part of a socket that depends on its kind.
#[derive(Hash)]
pub(crate) enum AnyPart {
    Stream(Stream),
    /// Few, and larger than a stream: boxed, so that every place is as large as a stream's.
    Listener(Box<Listener>),
    Datagram(Box<DatagramSocket>),
}

impl Socket {
    #[inline]
    pub(crate) fn id(&self) -> SocketId {
        self.head.id
    }

    #[inline]
    pub(crate) fn state(&self) -> SocketState {
        self.part.state()
    }

    #[inline]
    pub(crate) fn situation(&self) -> Situation {
        self.part.situation(&self.head)
    }
}

/// Asks the part, whichever it is.
macro_rules! each {
    ($part:expr, $one:ident => $ask:expr) => {
        match $part {
            AnyPart::Stream($one) => $ask,
            AnyPart::Listener($one) => $ask,
            AnyPart::Datagram($one) => $ask,
        }
    };
}

impl Kind for AnyPart {
    #[inline]
    fn kind(&self) -> SocketKind {
        each!(self, one => one.kind())
    }

    #[inline]
    fn state(&self) -> SocketState {
        each!(self, one => one.state())
    }

    #[inline]
    fn closing(&self) -> Option<&Closing> {
        each!(self, one => one.closing())
    }

    fn closing_mut(&mut self) -> Option<&mut Closing> {
        each!(self, one => one.closing_mut())
    }

    fn is_open(&self) -> bool {
        each!(self, one => one.is_open())
    }

    #[inline]
    fn pending_bytes(&self) -> usize {
        each!(self, one => one.pending_bytes())
    }

    #[inline]
    fn charge_bytes(&self) -> usize {
        each!(self, one => one.charge_bytes())
    }

    #[inline]
    fn has_output(&self) -> bool {
        each!(self, one => one.has_output())
    }

    #[inline]
    fn has_begun(&self) -> bool {
        each!(self, one => one.has_begun())
    }

    fn clear_output(&mut self) -> usize {
        each!(self, one => one.clear_output())
    }

    #[inline]
    fn wants_input(&self, head: &Head) -> bool {
        each!(self, one => one.wants_input(head))
    }

    #[inline]
    fn has_input_work(&self, head: &Head) -> bool {
        each!(self, one => one.has_input_work(head))
    }

    #[inline]
    fn may_want_input(&self, head: &Head) -> bool {
        each!(self, one => one.may_want_input(head))
    }

    #[inline]
    fn has_held_input(&self) -> bool {
        each!(self, one => one.has_held_input())
    }

    #[inline]
    fn has_held_fault(&self) -> bool {
        each!(self, one => one.has_held_fault())
    }

    #[inline]
    fn discards_input(&self, head: &Head) -> bool {
        each!(self, one => one.discards_input(head))
    }

    #[inline]
    fn is_eof(&self) -> bool {
        each!(self, one => one.is_eof())
    }

    #[inline]
    fn has_output_work(&self, head: &Head, way: Way<'_>) -> bool {
        each!(self, one => one.has_output_work(head, way))
    }

    fn is_being_closed(&self) -> bool {
        each!(self, one => one.is_being_closed())
    }

    fn is_free_to_write(&self) -> bool {
        each!(self, one => one.is_free_to_write())
    }

    fn holds_close(&self) -> bool {
        each!(self, one => one.holds_close())
    }

    fn awaits_pause(&self) -> bool {
        each!(self, one => one.awaits_pause())
    }

    fn check(&self, head: &Head) {
        each!(self, one => one.check(head))
    }

    #[inline]
    fn has_no_deadline(&self, head: &Head, may_be_silent: bool) -> bool {
        each!(self, one => one.has_no_deadline(head, may_be_silent))
    }

    #[inline]
    fn deadline(&self, head: &Head, config: &Config) -> Option<(Instant, Due)> {
        each!(self, one => one.deadline(head, config))
    }
}
