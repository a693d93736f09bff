//! The class of a call's answer.

use super::cell::Met;
use crate::judge::fairness::{INPUT, OUTPUT};

/// A call of the Mux, as the digest and the trace number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A name is looked up.
    Resolve = 1,
    /// A listener is opened.
    Listen,
    /// A connection begins, or is asked about again.
    Connect,
    /// A connection is taken.
    Accept,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// FIN is sent.
    Shutdown,
    /// A pending error is asked for.
    TakeError,
    /// A datagram socket is opened.
    OpenDatagram,
    /// A datagram socket gets its peer.
    ConnectDatagram,
    /// A datagram is sent.
    SendTo,
    /// A datagram is received.
    Receive,
    /// An option is set.
    SetOption,
    /// A descriptor is given back.
    Close,
    /// A descriptor is taken over.
    Adopt,
}

impl Call {
    /// The direction that a call serves.
    pub(crate) fn direction(self) -> Option<usize> {
        match self {
            Call::Accept | Call::Read | Call::Receive => Some(INPUT),
            Call::Connect | Call::Write | Call::SendTo => Some(OUTPUT),
            _ => None,
        }
    }
}

/// The answer of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// So much of what was asked for: bytes, or one for a call that counts nothing.
    Done {
        /// The count.
        count: u64,
        /// Of how much.
        asked: u64,
    },
    /// Not now.
    Later,
    /// An error.
    Fault,
}

impl Answered {
    /// The answer of a call that counts nothing and did what it was asked for.
    pub const DONE: Answered = Answered::Done { count: 1, asked: 0 };
}

impl Met {
    /// A call and its answer.
    ///
    /// # Panics
    /// If that call cannot answer so.
    #[inline]
    pub fn answer(call: Call, answered: Answered) -> Met {
        use Answered::{Done, Fault, Later};
        match (call, answered) {
            (Call::Resolve, Later) => Met::RESOLVE_LATER,
            (Call::Listen, Done { .. }) => Met::LISTEN_OK,
            (Call::Listen, Fault) => Met::LISTEN_FAULT,
            (Call::Connect, Done { .. }) => Met::CONNECT_OK,
            (Call::Connect, Later) => Met::CONNECT_LATER,
            (Call::Connect, Fault) => Met::CONNECT_FAULT,
            (Call::Accept, Done { .. }) => Met::ACCEPT_OK,
            (Call::Accept, Later) => Met::ACCEPT_LATER,
            (Call::Accept, Fault) => Met::ACCEPT_FAULT,
            (Call::Read, Done { count: 0, .. }) => Met::READ_EOF,
            (Call::Read, Done { count, asked }) if count >= asked => Met::READ_FULL,
            (Call::Read, Done { .. }) => Met::READ_SHORT,
            (Call::Read, Later) => Met::READ_LATER,
            (Call::Read, Fault) => Met::READ_FAULT,
            (Call::Write, Done { count, asked }) if count >= asked => Met::WRITE_FULL,
            (Call::Write, Done { .. }) => Met::WRITE_SHORT,
            (Call::Write, Later) => Met::WRITE_LATER,
            (Call::Write, Fault) => Met::WRITE_FAULT,
            (Call::Shutdown, Done { .. }) => Met::SHUTDOWN_OK,
            (Call::Shutdown, Fault) => Met::SHUTDOWN_FAULT,
            (Call::TakeError, Done { .. }) => Met::TAKE_ERROR_NONE,
            (Call::TakeError, Fault) => Met::TAKE_ERROR_FAULT,
            (Call::OpenDatagram, Done { .. }) => Met::OPEN_DATAGRAM_OK,
            (Call::OpenDatagram, Fault) => Met::OPEN_DATAGRAM_FAULT,
            (Call::ConnectDatagram, Done { .. }) => Met::CONNECT_DATAGRAM_OK,
            (Call::ConnectDatagram, Fault) => Met::CONNECT_DATAGRAM_FAULT,
            (Call::SendTo, Done { .. }) => Met::SEND_TO_OK,
            (Call::SendTo, Later) => Met::SEND_TO_LATER,
            (Call::SendTo, Fault) => Met::SEND_TO_FAULT,
            (Call::Receive, Done { .. }) => Met::RECEIVE_OK,
            (Call::Receive, Later) => Met::RECEIVE_LATER,
            (Call::Receive, Fault) => Met::RECEIVE_FAULT,
            (Call::SetOption, Done { .. }) => Met::SET_OPTION_OK,
            (Call::SetOption, Fault) => Met::SET_OPTION_FAULT,
            (Call::Close, Done { .. }) => Met::CLOSE_OK,
            (Call::Close, Later) => Met::CLOSE_LATER,
            (Call::Adopt, Fault) => Met::ADOPT_FAULT,
            (call, answered) => panic!("{call:?} does not answer {answered:?}"),
        }
    }
}
