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

/// Answers each question by asking the part, whichever it is.
macro_rules! asks_the_part {
    ($(fn $question:ident(&$me:ident $(, $about:ident: $type:ty)*) $(-> $answer:ty)?;)*) => {
        $(
            #[inline]
            fn $question(&$me $(, $about: $type)*) $(-> $answer)? {
                each!($me, one => one.$question($($about),*))
            }
        )*
    };
}

impl Kind for AnyPart {
    asks_the_part! {
        fn kind(&self) -> SocketKind;
        fn state(&self) -> SocketState;
        fn closing(&self) -> Option<&Closing>;
        fn is_open(&self) -> bool;
        fn pending_bytes(&self) -> usize;
        fn charge_bytes(&self) -> usize;
        fn has_output(&self) -> bool;
        fn has_begun(&self) -> bool;
        fn wants_input(&self, head: &Head) -> bool;
        fn has_input_work(&self, head: &Head) -> bool;
        fn may_want_input(&self, head: &Head) -> bool;
        fn has_held_input(&self) -> bool;
        fn has_held_fault(&self) -> bool;
        fn discards_input(&self, head: &Head) -> bool;
        fn is_eof(&self) -> bool;
        fn has_output_work(&self, head: &Head, way: Way<'_>) -> bool;
        fn is_being_closed(&self) -> bool;
        fn holds_close(&self) -> bool;
        fn awaits_pause(&self) -> bool;
        fn check(&self, head: &Head);
        fn has_no_deadline(&self, head: &Head, may_be_silent: bool) -> bool;
        fn deadline(&self, head: &Head, config: &Config) -> Option<(Instant, Due)>;
    }

    fn closing_mut(&mut self) -> Option<&mut Closing> {
        each!(self, one => one.closing_mut())
    }

    fn clear_output(&mut self) -> usize {
        each!(self, one => one.clear_output())
    }
}
