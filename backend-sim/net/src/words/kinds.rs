//! The kinds of decisions: what a fault or a choice of order is called, and how it is keyed.

/// A kind of decision, an index into [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(pub u8);

/// The number of kinds.
pub const KIND_COUNT: usize = KINDS.len();

/// The properties of a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// Which part of an entity decides, as `in` in `c2'/in@10 cut`.
    pub channel: &'static str,
    /// The thing decided, as `cut`.
    pub verb: &'static str,
    /// With which others it is switched on and off.
    pub family: Family,
    /// The key that finds a decision again.
    pub key: KeyStyle,
    /// Its value is a time in nanoseconds.
    pub is_time: bool,
}

/// The key that finds a decision again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStyle {
    /// A byte of a stream.
    Offset,
    /// The end of a stream.
    Eof,
    /// The how-manieth within entity and kind.
    Occurrence,
}

/// Kinds that a swarm switches on and off together, with one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Streams arrive and are taken in pieces.
    Cuts,
    /// Data under way is late.
    Delays,
    /// Connections break at any byte.
    Resets,
    /// Connections are refused, hang, come late.
    Connects,
    /// Accepting fails.
    Accepts,
    /// Events are late, merged, spurious, out of order.
    Events,
    /// The choice of who runs next, and for how long.
    Scheduling,
    /// Datagrams are lost, doubled, overtaken, refused.
    Datagrams,
    /// Names are resolved late, wrongly, not at all.
    Names,
    /// Completions are short or late.
    Completions,
    /// Links stop, slow down, hold back: drawn for the world as a whole.
    World,
    /// Calls answer with a row of the table of errors.
    Errnos,
    /// Hosts stop, crash, run out of descriptors, have clocks and resolvers that are wrong: drawn
    /// for the world as a whole.
    Machines,
}

impl Family {
    /// All of them, in order.
    pub const ALL: [Family; 13] = [
        Family::Cuts,
        Family::Delays,
        Family::Resets,
        Family::Connects,
        Family::Accepts,
        Family::Events,
        Family::Scheduling,
        Family::Datagrams,
        Family::Names,
        Family::Completions,
        Family::World,
        Family::Errnos,
        Family::Machines,
    ];

    /// Its name in reports and options.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Cuts => "cuts",
            Family::Delays => "delays",
            Family::Resets => "resets",
            Family::Connects => "connects",
            Family::Accepts => "accepts",
            Family::Events => "events",
            Family::Scheduling => "scheduling",
            Family::Datagrams => "datagrams",
            Family::Names => "names",
            Family::Completions => "completions",
            Family::World => "world",
            Family::Errnos => "errnos",
            Family::Machines => "machines",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal: $channel:literal $verb:literal, $family:ident, $key:ident, $is_time:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Kind = Kind($number);)*
        }

        /// The properties of each kind, by its number.
        pub const KINDS: [KindInfo; [$($number),*].len()] = [$(KindInfo {
            channel: $channel,
            verb: $verb,
            family: Family::$family,
            key: KeyStyle::$key,
            is_time: $is_time,
        }),*];
    };
}

kinds! {
    /// Delivery stops once at this byte.
    IN_CUT = 0: "in" "cut", Cuts, Offset, false;
    /// The segment that begins here is late.
    IN_DELAY = 1: "in" "delay", Delays, Offset, true;
    /// The connection breaks when this byte was delivered.
    IN_RESET = 2: "in" "reset", Resets, Offset, false;
    /// The system takes no byte beyond this one for a while.
    OUT_SHORT = 3: "out" "short", Cuts, Offset, false;
    /// FIN is late.
    IN_EOF_DELAY = 4: "in" "delay", Delays, Eof, true;
    /// The result of a connect: 1 refused, 2 nothing, 3 a late answer, 4 no route.
    CONNECT = 5: "connect" "fail", Connects, Occurrence, false;
    /// The error of an accept: a row of the table, as 1 an aborted connection, 2 no descriptor.
    ACCEPT = 6: "accept" "fail", Accepts, Occurrence, false;
    /// The writable edge is late.
    EDGE_DELAY = 7: "edge" "delay", Events, Occurrence, true;
    /// The host polls late.
    POLL_DELAY = 8: "poll" "delay", Scheduling, Occurrence, true;
    /// Another event comes first.
    POLL_ORDER = 9: "poll" "swap", Events, Occurrence, false;
    /// The batch ends early.
    POLL_LIMIT = 10: "poll" "limit", Events, Occurrence, false;
    /// An event comes that nothing caused.
    SPURIOUS = 11: "poll" "spurious", Events, Occurrence, false;
    /// Of two things at the same nanosecond, this one is second.
    TIE = 12: "tie" "yield", Scheduling, Occurrence, false;
    /// A turn takes long.
    TURN_DELAY = 13: "turn" "delay", Scheduling, Occurrence, true;
    /// A worker takes long to publish.
    WORK_DELAY = 14: "work" "delay", Scheduling, Occurrence, true;
    /// A datagram is lost.
    DATAGRAM_LOSS = 15: "datagram" "lose", Datagrams, Occurrence, false;
    /// A datagram arrives twice.
    DATAGRAM_TWICE = 16: "datagram" "double", Datagrams, Occurrence, false;
    /// A datagram is late, so that others overtake it.
    DATAGRAM_DELAY = 17: "datagram" "delay", Datagrams, Occurrence, true;
    /// A datagram is refused: a row of the table, as 1 no buffers, 2 no route.
    DATAGRAM_FAIL = 18: "datagram" "fail", Datagrams, Occurrence, false;
    /// A name is resolved late.
    RESOLVE_DELAY = 19: "resolve" "delay", Names, Occurrence, true;
    /// The result of resolving: 1 no such name, 2 a failure, 3 a wrong address first,
    /// 4 no address, 5 several, dead ones first.
    RESOLVE = 20: "resolve" "fail", Names, Occurrence, false;
    /// A completed write took less than it was offered.
    COMPLETION_SHORT = 21: "written" "short", Completions, Occurrence, false;
    /// A completion is late.
    COMPLETION_DELAY = 22: "completion" "delay", Completions, Occurrence, true;
    /// A scripted peer thinks for long.
    THINK_DELAY = 23: "think" "delay", Scheduling, Occurrence, true;
    /// A call that would complete later completes at once, or the other way round.
    COMPLETION_INLINE = 24: "completion" "flip", Completions, Occurrence, false;
    /// A batch of events is handed over in pieces, with turns between.
    HAND_OVER = 25: "hand" "split", Events, Occurrence, false;
    /// The error of a read: a row of the table.
    READ = 26: "read" "fail", Errnos, Occurrence, false;
    /// The error of a write: a row of the table.
    WRITE = 27: "write" "fail", Errnos, Occurrence, false;
    /// The error of sending FIN: a row of the table.
    SHUTDOWN = 28: "shutdown" "fail", Errnos, Occurrence, false;
    /// The error of making a socket to connect with: a row of the table.
    SOCKET = 29: "socket" "fail", Errnos, Occurrence, false;
    /// The answer to a connect, now or later: a row of the table.
    DIAL = 30: "dial" "fail", Errnos, Occurrence, false;
    /// The error of opening a listener or a datagram socket: a row of the table.
    BIND = 31: "bind" "fail", Errnos, Occurrence, false;
    /// The error of receiving a datagram: a row of the table.
    RECEIVE = 32: "receive" "fail", Errnos, Occurrence, false;
    /// The error of setting a datagram socket's peer: a row of the table.
    PEER = 33: "peer" "fail", Errnos, Occurrence, false;
    /// The error of setting an option: a row of the table.
    OPTION = 34: "option" "fail", Errnos, Occurrence, false;
    /// The error of a poll: a row of the table.
    POLL = 35: "poll" "fail", Errnos, Occurrence, false;
    /// A read stops at this byte, though more is there: an urgent mark.
    IN_URGENT = 36: "in" "urgent", Cuts, Offset, false;
    /// The error of giving a connection another name: a row of the table.
    RENAME = 37: "rename" "fail", Errnos, Occurrence, false;
    /// A read that left nothing does not say so.
    READ_SILENT = 38: "read" "silent", Events, Occurrence, false;
}

impl Kind {
    /// Returns its properties.
    pub const fn info(self) -> &'static KindInfo {
        &KINDS[self.0 as usize]
    }

    /// The values below `bound` that stand for all others in an exhaustive search, ascending: of a
    /// time the middle and the longest, of a tie that it yields, of small sets (what a connect
    /// meets) all, of everything else 1, 2, the middle and the last.
    pub fn representatives(self, bound: u32) -> Vec<u32> {
        let last = bound.saturating_sub(1);
        let mut values = match self {
            _ if self.info().is_time => vec![last.div_ceil(2), last],
            Kind::TIE => vec![1],
            _ if bound <= 5 => (1..bound).collect(),
            _ => vec![1, 2, last.div_ceil(2), last],
        };
        values.retain(|value| (1..bound).contains(value));
        values.dedup();
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_a_verb_name_one_kind() {
        for (at, one) in KINDS.iter().enumerate() {
            for other in &KINDS[at + 1..] {
                let same = one.channel == other.channel && one.verb == other.verb;
                assert!(!same || one.key != other.key, "{} {} twice", one.channel, one.verb);
            }
        }
        for bound in 0..40 {
            let values = Kind::IN_CUT.representatives(bound);
            assert!(values.is_sorted() && values.iter().all(|value| (1..bound).contains(value)));
            assert_eq!(values.is_empty(), bound < 2, "{bound}");
        }
        assert_eq!(Kind::READ_SILENT.0 as usize, KIND_COUNT - 1, "numbers count from 0");
    }
}
