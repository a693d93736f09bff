//! Cells of coverage: how a socket stood × what it met × how its host is told.

use std::fmt;
use std::str::FromStr;

use tidelock_core::{
    Event, Fault, FaultKind, OutputState, Readiness as Bits, Situation, SocketState,
};
use tidelock_net::system::kernel::Readiness;

/// One cell: a socket in this situation met this, on a host that is told so.
///
/// It is printed as `open·paused×readable+fin×linux`, or `flushing·begun×write:short×weakest`, and
/// read back from that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(u16);

/// The place of a socket: a state, or that its id is stale, and three properties. Dense numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u8);

/// The thing that a socket met: an event, or a call and the class of its answer. An index into
/// `MET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met(u8);

/// The states by name, in the order of their numbers; the last is an id that is not alive.
const STATES: [&str; 11] = [
    "opening",
    "connecting",
    "listening",
    "accepted",
    "open",
    "eof-seen",
    "flushing",
    "draining",
    "datagram",
    "closing",
    "stale",
];
const OUTPUTS: [&str; 3] = ["", "·whole", "·begun"];
const PROFILES: [&str; 4] = ["linux", "weakest", "kqueue", "completion"];
const BITS: [&str; 4] = ["readable", "writable", "fin", "failed"];

/// The number of sets of readiness bits.
const BIT_SETS: usize = 1 << BITS.len();
const PLACES: usize = STATES.len() * 2 * 2 * OUTPUTS.len();

macro_rules! met {
    ($($name:ident = $text:literal,)*) => {
        /// The things that can be met besides readiness, by name.
        const ANSWERS: [&str; [$($text),*].len()] = [$($text),*];

        #[expect(non_camel_case_types, reason = "numbers of constants")]
        enum Number { $($name),* }

        #[expect(missing_docs, reason = "the name says it")]
        impl Met {
            $(pub const $name: Met = Met((BIT_SETS + Number::$name as usize) as u8);)*
        }
    };
}

met! {
    RESOLVE_LATER = "resolve:later",
    LISTEN_OK = "listen:ok",
    LISTEN_FAULT = "listen:fault",
    CONNECT_OK = "connect:ok",
    CONNECT_LATER = "connect:later",
    CONNECT_FAULT = "connect:fault",
    ACCEPT_OK = "accept:ok",
    ACCEPT_LATER = "accept:later",
    ACCEPT_FAULT = "accept:fault",
    READ_FULL = "read:full",
    READ_SHORT = "read:short",
    READ_EOF = "read:eof",
    READ_LATER = "read:later",
    READ_FAULT = "read:fault",
    WRITE_FULL = "write:full",
    WRITE_SHORT = "write:short",
    WRITE_LATER = "write:later",
    WRITE_FAULT = "write:fault",
    SHUTDOWN_OK = "shutdown:ok",
    SHUTDOWN_FAULT = "shutdown:fault",
    TAKE_ERROR_NONE = "take-error:none",
    TAKE_ERROR_FAULT = "take-error:fault",
    OPEN_DATAGRAM_OK = "open-datagram:ok",
    OPEN_DATAGRAM_FAULT = "open-datagram:fault",
    CONNECT_DATAGRAM_OK = "connect-datagram:ok",
    CONNECT_DATAGRAM_FAULT = "connect-datagram:fault",
    SEND_TO_OK = "send-to:ok",
    SEND_TO_LATER = "send-to:later",
    SEND_TO_FAULT = "send-to:fault",
    RECEIVE_OK = "receive:ok",
    RECEIVE_LATER = "receive:later",
    RECEIVE_FAULT = "receive:fault",
    SET_OPTION_OK = "set-option:ok",
    SET_OPTION_FAULT = "set-option:fault",
    CLOSE_OK = "close:ok",
    CLOSE_LATER = "close:later",
    ADOPT_FAULT = "adopt:fault",
    RESOLVED_OK = "resolved:ok",
    RESOLVED_FAULT = "resolved:fault",
    CONNECTED_OK = "connected:ok",
    CONNECTED_FAULT = "connected:fault",
    CONNECTED_CANCELLED = "connected:cancelled",
    ACCEPTED_OK = "accepted:ok",
    ACCEPTED_FAULT = "accepted:fault",
    ACCEPTED_CANCELLED = "accepted:cancelled",
    RECEIVED_DATA = "received:data",
    RECEIVED_EOF = "received:eof",
    RECEIVED_FAULT = "received:fault",
    RECEIVED_CANCELLED = "received:cancelled",
    RECEIVED_FROM_OK = "received-from:ok",
    RECEIVED_FROM_FAULT = "received-from:fault",
    RECEIVED_FROM_CANCELLED = "received-from:cancelled",
    WRITTEN_FULL = "written:full",
    WRITTEN_SHORT = "written:short",
    WRITTEN_FAULT = "written:fault",
    WRITTEN_CANCELLED = "written:cancelled",
    CLOSED_OK = "closed:ok",
}

/// The number of things that can be met.
const METS: usize = BIT_SETS + ANSWERS.len();

/// The number of cells, those that cannot be reached included.
pub const CELLS: usize = PLACES * METS * PROFILES.len();

impl Place {
    /// Of an id that is not alive.
    pub const STALE: Place = Place::new(STATES.len() - 1, false, false, 0);

    const fn new(state: usize, is_paused: bool, is_eof: bool, output: usize) -> Place {
        let flags = (state * 2 + is_paused as usize) * 2 + is_eof as usize;
        Place((flags * OUTPUTS.len() + output) as u8)
    }

    /// Of a socket, or of an id that is not alive.
    pub fn of(situation: Option<Situation>) -> Place {
        let Some(Situation { state, is_paused, is_eof, output }) = situation else {
            return Place::STALE;
        };
        let state = match state {
            SocketState::Opening => 0,
            SocketState::Connecting => 1,
            SocketState::Listening => 2,
            SocketState::Accepted => 3,
            SocketState::Open => 4,
            SocketState::EofSeen => 5,
            SocketState::Flushing => 6,
            SocketState::Draining => 7,
            SocketState::Datagram => 8,
            SocketState::Closing => 9,
            other => unreachable!("{other:?} is no state that this simulator knows"),
        };
        let output = match output {
            OutputState::Empty => 0,
            OutputState::Whole => 1,
            OutputState::Begun => 2,
        };
        Place::new(state, is_paused, is_eof, output)
    }
}

impl Met {
    /// An event. `offered_bytes`: what the pending write was offered.
    pub fn event(event: &Event, offered_bytes: usize) -> Met {
        let of_fault = |fault: &Fault, failed, cancelled| match fault.kind {
            FaultKind::Cancelled => cancelled,
            _ => failed,
        };
        match event {
            Event::Ready { readiness, .. } => Met::readiness(*readiness),
            Event::Resolved { result: Ok(_), .. } => Met::RESOLVED_OK,
            Event::Resolved { result: Err(_), .. } => Met::RESOLVED_FAULT,
            Event::Connected { result: Ok(_), .. } => Met::CONNECTED_OK,
            Event::Connected { result: Err(fault), .. } => {
                of_fault(fault, Met::CONNECTED_FAULT, Met::CONNECTED_CANCELLED)
            }
            Event::Accepted { result: Ok(_), .. } => Met::ACCEPTED_OK,
            Event::Accepted { result: Err(fault), .. } => {
                of_fault(fault, Met::ACCEPTED_FAULT, Met::ACCEPTED_CANCELLED)
            }
            Event::Received { result: Ok(bytes), .. } if bytes.is_empty() => Met::RECEIVED_EOF,
            Event::Received { result: Ok(_), .. } => Met::RECEIVED_DATA,
            Event::Received { result: Err(fault), .. } => {
                of_fault(fault, Met::RECEIVED_FAULT, Met::RECEIVED_CANCELLED)
            }
            Event::ReceivedFrom { result: Ok(_), .. } => Met::RECEIVED_FROM_OK,
            Event::ReceivedFrom { result: Err(fault), .. } => {
                of_fault(fault, Met::RECEIVED_FROM_FAULT, Met::RECEIVED_FROM_CANCELLED)
            }
            Event::Written { result: Ok(count), .. } if *count >= offered_bytes => {
                Met::WRITTEN_FULL
            }
            Event::Written { result: Ok(_), .. } => Met::WRITTEN_SHORT,
            Event::Written { result: Err(fault), .. } => {
                of_fault(fault, Met::WRITTEN_FAULT, Met::WRITTEN_CANCELLED)
            }
            Event::Closed { .. } => Met::CLOSED_OK,
            other => unreachable!("{other:?} comes from no simulated kernel"),
        }
    }

    const fn readiness(bits: Bits) -> Met {
        let Bits { readable, writable, peer_closed, failed } = bits;
        let low = readable as u8 | (writable as u8) << 1;
        Met(low | (peer_closed as u8) << 2 | (failed as u8) << 3)
    }

    /// Its name.
    pub fn name(self) -> String {
        let Met(number) = self;
        let number = usize::from(number);
        if number >= BIT_SETS {
            return ANSWERS[number - BIT_SETS].to_owned();
        }
        let set = (0..BITS.len()).filter(|bit| number >> bit & 1 == 1);
        let names: Vec<&str> = set.map(|bit| BITS[bit]).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join("+") }
    }

    fn parse(text: &str) -> Option<Met> {
        (0..METS as u8).map(Met).find(|met| met.name() == text)
    }
}

/// The number of a profile.
const fn profile(readiness: Readiness) -> usize {
    match readiness {
        Readiness::Linux => 0,
        Readiness::Weakest => 1,
        Readiness::Kqueue => 2,
        Readiness::Completion => 3,
    }
}

impl Cell {
    /// The cell of a socket in this place that met this on a host that is told so.
    #[inline]
    pub const fn new(place: Place, met: Met, readiness: Readiness) -> Cell {
        Cell::numbered(place, met, profile(readiness))
    }

    const fn numbered(place: Place, met: Met, profile: usize) -> Cell {
        Cell(((place.0 as usize * METS + met.0 as usize) * PROFILES.len() + profile) as u16)
    }

    /// The cell with this number, if there is one.
    pub fn from_index(index: usize) -> Option<Cell> {
        (index < CELLS).then_some(Cell(index as u16))
    }

    /// Its number, below [`CELLS`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The state, or `stale`.
    pub fn state(self) -> &'static str {
        STATES[self.place() / OUTPUTS.len() / 4]
    }

    /// Returns `true` if the owner does not want input.
    pub fn is_paused(self) -> bool {
        (self.place() / OUTPUTS.len()) & 2 != 0
    }

    /// Returns `true` if the end of the stream was read.
    pub fn is_eof(self) -> bool {
        (self.place() / OUTPUTS.len()) & 1 != 0
    }

    /// Returns the state of the output: `empty`, `whole` or `begun`.
    pub fn output(self) -> &'static str {
        ["empty", "whole", "begun"][self.place() % OUTPUTS.len()]
    }

    /// Returns the thing met.
    pub fn met(self) -> Met {
        Met((self.index() / PROFILES.len() % METS) as u8)
    }

    /// Returns the way in which the host is told.
    pub fn profile(self) -> &'static str {
        PROFILES[self.index() % PROFILES.len()]
    }

    fn place(self) -> usize {
        self.index() / PROFILES.len() / METS
    }

    /// The situation as it is printed, as `open·paused`.
    pub fn situation(self) -> String {
        let paused = if self.is_paused() { "·paused" } else { "" };
        let eof = if self.is_eof() { "·eof" } else { "" };
        format!("{}{paused}{eof}{}", self.state(), OUTPUTS[self.place() % OUTPUTS.len()])
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.situation(), self.met().name(), self.profile())
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Cell, String> {
        let expected = || {
            format!(
                "'{text}' is no cell; allowed: STATE[·paused][·eof][·whole|·begun]×MET×PROFILE, as \
                 open·paused×readable+fin×linux or flushing·begun×write:short×weakest"
            )
        };
        let mut parts = text.split('×');
        let (Some(place), Some(met), Some(profile), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(expected());
        };
        let met = Met::parse(met).ok_or_else(expected)?;
        let profile = PROFILES.iter().position(|name| *name == profile).ok_or_else(expected)?;
        let places = (0..PLACES as u8).map(|place| Cell::numbered(Place(place), met, profile));
        let mut places = places.filter(|cell| cell.situation() == place);
        places.next().ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tide::Script;

    #[test]
    fn every_cell_is_read_back_from_what_it_is_printed_as() {
        assert!(CELLS <= usize::from(u16::MAX), "{CELLS} cells have small numbers");
        let cells = (0..CELLS).step_by(7).map(|index| Cell::from_index(index).expect("a number"));
        for cell in cells {
            let text = cell.to_string();
            assert_eq!(text.parse(), Ok(cell), "{text}");
            assert!(!text.contains(char::is_whitespace) && !text.starts_with('#'), "{text}");
        }
        assert_eq!(Cell::from_index(CELLS), None);
    }

    #[test]
    fn a_script_can_need_a_cell() {
        let cell: Cell = "open·paused×readable+fin×linux".parse().unwrap();
        let text = format!("tide 1\nscenario echo\nneeds {cell}\n");
        let script: Script = text.parse().unwrap();
        assert_eq!(script.needs, [cell.to_string()]);
    }

    #[test]
    fn what_names_no_cell_is_refused() {
        for wrong in [
            "",
            "open",
            "open×readable",
            "open×readable×linux×x",
            "opened×readable×linux",
            "open·begun·paused×readable×linux",
            "open×fin+readable×linux",
            "open×read×linux",
            "open×readable×windows",
        ] {
            let error = wrong.parse::<Cell>().expect_err(wrong);
            assert!(error.contains("allowed"), "{error}");
        }
    }

    #[test]
    fn a_cell_is_made_of_what_was_seen() {
        let situation = Situation {
            state: SocketState::Flushing,
            is_paused: true,
            is_eof: true,
            output: OutputState::Begun,
        };
        let bits = Bits { peer_closed: true, ..Bits::READABLE };
        let id = tidelock_core::SocketId::from_bits(1 << 32).expect("an id");
        let met = Met::event(&Event::Ready { id, readiness: bits }, 0);
        let cell = Cell::new(Place::of(Some(situation)), met, Readiness::Weakest);
        assert_eq!(cell.to_string(), "flushing·paused·eof·begun×readable+fin×weakest");
        assert_eq!((cell.state(), cell.output(), cell.profile()), ("flushing", "begun", "weakest"));
        assert!(cell.is_paused() && cell.is_eof());
        for (count, class) in [(5, "short"), (6, "full")] {
            let met = Met::event(&Event::Written { id, result: Ok(count) }, 6);
            let stale = Cell::new(Place::of(None), met, Readiness::Completion);
            assert_eq!(stale.to_string(), format!("stale×written:{class}×completion"));
        }
    }
}
