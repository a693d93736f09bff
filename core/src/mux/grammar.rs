//! What a socket may say in which state.

use super::slot::{Closing, Kind, Slot};
use crate::{CloseReason, Fault, Message, Operation, SocketState, Timeout};

impl Slot {
    /// Checks that the socket, as it is, may tell its owner this.
    ///
    /// # Panics
    /// If the message contradicts the state, or what was told before.
    pub(super) fn check_told(&self, message: &Message) {
        let (id, state) = (self.id, self.state);
        assert_eq!(message.socket(), Some(id), "a message about another socket");
        assert!(self.is_told, "{id} says something, and nobody knows of it");
        match message {
            Message::Connect { local, peer, .. } => {
                assert_eq!(self.kind, Kind::Stream, "{id} is connected");
                assert_eq!(state, SocketState::Open, "{id} is connected and {state:?}");
                assert_eq!(self.rare.local.as_ref(), Some(local), "{id} is elsewhere");
                assert_eq!(self.rare.peer.as_ref(), Some(peer), "{id} has another far end");
                assert_eq!(self.rare.counters.bytes_in, 0, "{id} connected after its first data");
            }
            Message::Listening { local, .. } => {
                let is_open = matches!(state, SocketState::Listening | SocketState::Datagram);
                assert!(is_open, "{id} listens and is {state:?}");
                assert_eq!(self.rare.local.as_ref(), Some(local), "{id} is elsewhere");
                assert_eq!(self.rare.counters.messages_in, 0, "{id} received before it was open");
            }
            Message::Accept { .. } => {
                assert_eq!(state, SocketState::Listening, "{id} accepted and is {state:?}");
                assert!(self.is_reading, "{id} is paused and accepted");
            }
            Message::Data { .. } => self.check_told_data(),
            Message::Udp { .. } => {
                assert_eq!(state, SocketState::Datagram, "{id} received and is {state:?}");
                assert!(self.is_reading, "{id} is paused and received");
            }
            Message::Eof { .. } => {
                assert_eq!(state, SocketState::EofSeen, "{id} ended and is {state:?}");
                assert!(self.rare.held.is_none(), "{id} ended before its last data");
            }
            Message::Paused { .. } => {
                assert!(!self.is_reading, "{id} says that it is paused, and is read");
                assert!(!self.is_pause_owed, "{id} will say twice that it is paused");
                assert!(self.is_open, "{id} is paused before it is open");
            }
            Message::Warning { pending_bytes, .. } => self.check_told_warning(*pending_bytes),
            Message::Error { fault, operation, fatal, .. } => {
                self.check_told_error(*fault, *operation, *fatal);
            }
            Message::Close { reason, unsent, .. } => {
                assert_eq!(self.closing, Closing::Done, "{id} says Close too early");
                assert_eq!(self.cause, Some(*reason), "{id} says another cause");
                assert!(self.rare.fatal.is_none(), "{id} says Close before its Error");
                assert!(*unsent >= self.rare.unsent_bytes, "{id} lost more than it says");
            }
            other => unreachable!("{id}: {other:?} is no message to an owner"),
        }
    }

    fn check_told_data(&self) {
        let (id, state) = (self.id, self.state);
        assert_eq!(self.kind, Kind::Stream, "{id} is no stream");
        assert!(self.is_reading, "{id} is paused and has data");
        assert!(!self.is_eof, "{id} has data behind the end");
        assert!(!self.discards_input(), "{id} tells what is to be thrown away");
        let is_read = matches!(
            state,
            SocketState::Open
                | SocketState::Flushing
                | SocketState::Draining
                | SocketState::Closing
        );
        assert!(is_read, "{id} has data and is {state:?}");
        // The last bytes of a socket that dies of a failed call; nothing else comes that late.
        let is_late = state == SocketState::Closing;
        assert!(!is_late || self.rare.fatal.is_some(), "{id} was closed and has data");
        assert_ne!(self.closing, Closing::Done, "{id} has data after the backend let go");
    }

    fn check_told_warning(&self, pending_bytes: u64) {
        let (id, state) = (self.id, self.state);
        assert_ne!(self.kind, Kind::Listener, "{id}: a listener queues nothing");
        let goes_on = self.cause.is_none() || state == SocketState::EofSeen;
        assert!(goes_on, "{id} warns after its own end");
        if pending_bytes == 0 {
            assert!(!self.is_warned, "{id} takes a warning back that stands");
            assert!(self.pending_bytes() < self.warn_next_bytes, "{id} takes it back too early");
        } else {
            assert!(self.is_warned, "{id} warns and does not remember");
            assert_eq!(self.pending_bytes() as u64, pending_bytes, "{id} warns of other bytes");
        }
    }

    fn check_told_error(&self, fault: Fault, operation: Operation, is_fatal: bool) {
        let (id, state) = (self.id, self.state);
        assert!(self.rare.fatal.is_none(), "{id}: {fault} comes before what killed it");
        let is_own = match operation {
            Operation::Accept | Operation::Listen => self.kind == Kind::Listener,
            Operation::Bind | Operation::SendTo | Operation::ReceiveFrom => {
                self.kind == Kind::Datagram
            }
            Operation::Resolve
            | Operation::Connect
            | Operation::Adopt
            | Operation::Read
            | Operation::Write
            | Operation::ShutdownWrite => self.kind == Kind::Stream,
            Operation::ConnectDatagram | Operation::SetOption => !is_fatal,
            Operation::Start => false,
        };
        assert!(is_own, "{id} is a {:?} and cannot fail to {operation:?}", self.kind);
        if is_fatal {
            assert_eq!(state, SocketState::Closing, "{id} dies of {fault} and is {state:?}");
            assert_eq!(self.closing, Closing::Done, "{id}: only Close follows, and must wait");
        }
    }

    /// Checks that the socket can have ended for this reason.
    ///
    /// # Panics
    /// If its kind, or what it did, contradicts the reason.
    pub(super) fn check_reason(&self, reason: CloseReason) {
        let (id, counters) = (self.id, &self.rare.counters);
        let is_stream = self.kind == Kind::Stream;
        match reason {
            CloseReason::Peer => {
                assert!(is_stream, "{id} has no peer that could end it");
                assert!(self.is_eof, "{id} was ended by a peer whose FIN was not read");
            }
            CloseReason::ConnectFailed(_) => {
                assert!(self.rare.local.is_none(), "{id} never opened and is somewhere");
                assert_eq!(counters.bytes_out, 0, "{id} never opened and wrote");
                assert_eq!(counters.bytes_in, 0, "{id} never opened and was read");
            }
            CloseReason::Fault(fault) => {
                assert!(is_stream, "{id}: {fault} breaks no connection");
                assert!(self.rare.peer.is_some(), "{id} broke and was never open");
            }
            CloseReason::TimedOut(Timeout::Flush) => {
                assert_ne!(self.kind, Kind::Listener, "{id}: a listener flushes nothing");
            }
            CloseReason::TimedOut(which) => {
                assert!(is_stream, "{id}: only streams have a bound of {which:?}");
                let is_unread = which != Timeout::Start || counters.messages_in == 0;
                assert!(is_unread, "{id} was never started and was read");
                let is_flushed = which != Timeout::Linger || !self.has_output();
                assert!(is_flushed, "{id} sent FIN before its output");
            }
            CloseReason::Closed
            | CloseReason::Shutdown
            | CloseReason::OwnerGone
            | CloseReason::Exit => {}
        }
    }

    /// Checks that a timeout belongs to the state in which it is over.
    pub(super) fn check_timeout(&self, which: Timeout) {
        let (id, state) = (self.id, self.state);
        assert_ne!(self.kind, Kind::Listener, "{id}: no timeout ends a listener");
        match which {
            Timeout::Start => assert_eq!(state, SocketState::Accepted, "{id} was started"),
            Timeout::Idle | Timeout::ReadIdle => {
                assert_eq!(state, SocketState::Open, "{id} is {state:?}, not idle");
                assert!(self.is_reading, "{id} is paused, not idle");
            }
            Timeout::WriteStall => {
                assert_eq!(state, SocketState::Open, "{id} is {state:?}, not stuck");
                assert!(self.has_output(), "{id} has nothing to write");
            }
            Timeout::HalfOpen => {
                let is_half_open = match state {
                    SocketState::EofSeen => self.is_eof,
                    SocketState::Open => self.is_fin_noticed,
                    SocketState::Draining => self.is_finishing,
                    _ => false,
                };
                assert!(is_half_open, "{id} is {state:?}, not half open");
            }
            Timeout::Flush => {
                let is_broken = self.rare.write_fault.is_some();
                let flushes = state == SocketState::Flushing || is_broken;
                assert!(flushes, "{id} is {state:?} and does not flush");
            }
            Timeout::Linger => {
                assert_eq!(state, SocketState::Draining, "{id} does not wait for FIN");
                assert!(!self.has_output(), "{id} sent FIN before its output");
            }
        }
    }
}
