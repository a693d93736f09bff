//! The grammar of messages: what a socket may tell its owner in which state.

use super::head::{CloseStep, Head};
use super::kind::Kind;
use crate::{CloseReason, Fault, Message, Operation, SocketKind, SocketState, Timeout};

impl Head {
    /// Checks that the socket, as it is, may tell its owner this.
    ///
    /// # Panics
    /// If the message contradicts the state, or what was told before.
    pub(crate) fn check_told(&self, part: &impl Kind, message: &Message) {
        let (id, state, kind) = (self.id, part.state(), part.kind());
        assert!(self.is_told(), "{id} tells {message}, and its id was never told");
        match message {
            Message::Connect { local, peer, .. } => {
                assert_eq!(kind, SocketKind::Stream, "{id} is connected");
                assert_eq!(state, SocketState::Open, "{id} is connected and {state:?}");
                assert_eq!(self.rare.local.as_ref(), Some(local), "{id} is elsewhere");
                assert_eq!(self.rare.peer.as_ref(), Some(peer), "{id} has another far end");
                assert_eq!(self.counters.bytes_in, 0, "{id} connected after its first data");
            }
            Message::Listening { local, .. } => {
                let is_open = matches!(state, SocketState::Listening | SocketState::Datagram);
                assert!(is_open, "{id} listens and is {state:?}");
                assert_eq!(self.rare.local.as_ref(), Some(local), "{id} is elsewhere");
            }
            Message::Accept { .. } => {
                assert_eq!(state, SocketState::Listening, "{id} accepted and is {state:?}");
                assert!(self.is_reading, "{id} is paused and accepted");
            }
            Message::Data { .. } => self.check_told_data(part),
            Message::Udp { .. } => {
                assert_eq!(state, SocketState::Datagram, "{id} received and is {state:?}");
                assert!(self.is_reading, "{id} is paused and received");
            }
            Message::Eof { .. } => {
                assert_eq!(state, SocketState::EofSeen, "{id} ended and is {state:?}");
                assert!(!part.has_held_input(), "{id} ended before its last data");
            }
            Message::Paused { .. } => {
                assert!(!self.is_reading, "{id} tells that it is paused, and is read");
                assert!(!self.is_pause_owed, "{id} will tell twice that it is paused");
                assert!(part.is_open(), "{id} is paused before it is open");
            }
            Message::Warning { pending_bytes, .. } => self.check_told_warning(part, *pending_bytes),
            Message::Error { fault, operation, fatal, .. } => {
                self.check_told_error(part, *fault, *operation, *fatal);
            }
            Message::Close { reason, unsent, .. } => {
                let closing = part.closing().expect("a socket that ends is closing");
                assert_eq!(closing.step, CloseStep::Done, "{id} tells Close too early");
                assert!(closing.fatal.is_none(), "{id} tells Close before its Error");
                assert_eq!(self.cause, Some(*reason), "{id} tells another cause");
                assert!(*unsent >= self.rare.unsent_bytes, "{id} lost more than {unsent} B");
            }
            other => unreachable!("{id}: {other:?} is no message to an owner"),
        }
    }

    /// # Panics
    /// If no bytes may be told now.
    pub(crate) fn check_told_data(&self, part: &impl Kind) {
        let (id, state) = (self.id, part.state());
        assert_eq!(part.kind(), SocketKind::Stream, "{id} is no stream");
        assert!(self.is_reading, "{id} is paused and has data");
        assert!(!part.is_eof(), "{id} has data behind the end");
        assert!(!part.discards_input(self), "{id} tells what is to be thrown away");
        match part.closing() {
            // The last bytes of a socket that dies of a failed call; nothing else comes that late.
            Some(closing) => {
                assert!(closing.fatal.is_some(), "{id} was closed and has data");
                assert_ne!(closing.step, CloseStep::Done, "{id} has data after its close");
            }
            None => {
                let is_read = matches!(
                    state,
                    SocketState::Open | SocketState::Flushing | SocketState::Draining
                );
                assert!(is_read, "{id} has data and is {state:?}");
            }
        }
    }

    fn check_told_warning(&self, part: &impl Kind, pending_bytes: u64) {
        let (id, state) = (self.id, part.state());
        let goes_on = self.cause.is_none() || state == SocketState::EofSeen;
        assert!(goes_on, "{id} warns after its own end");
        if pending_bytes == 0 {
            assert!(!self.is_warned, "{id} withdraws a warning that stands");
            assert!(part.pending_bytes() < self.warn_next_bytes, "{id} withdraws it too early");
        } else {
            assert!(self.is_warned, "{id} warns and does not remember");
            assert_eq!(part.pending_bytes() as u64, pending_bytes, "{id} warns of other bytes");
        }
    }

    fn check_told_error(
        &self,
        part: &impl Kind,
        fault: Fault,
        operation: Operation,
        is_fatal: bool,
    ) {
        let (id, kind) = (self.id, part.kind());
        let is_own = match operation {
            Operation::Accept | Operation::Listen => kind == SocketKind::Listener,
            Operation::Bind | Operation::SendTo | Operation::ReceiveFrom => {
                kind == SocketKind::Datagram
            }
            Operation::Resolve
            | Operation::Connect
            | Operation::Adopt
            | Operation::Read
            | Operation::Write
            | Operation::ShutdownWrite => kind == SocketKind::Stream,
            Operation::ConnectDatagram | Operation::SetOption => !is_fatal,
            Operation::Start => false,
        };
        assert!(is_own, "{id} is a {kind:?} and cannot fail to {operation:?}");
        if let Some(closing) = part.closing() {
            assert!(closing.fatal.is_none(), "{id}: {fault} comes before the fatal error");
        }
        if is_fatal {
            let is_done = part.closing().is_some_and(|closing| closing.step == CloseStep::Done);
            assert!(is_done, "{id} tells its fatal {fault} before it is closed");
        }
    }

    /// Checks that the socket can have ended for this reason.
    ///
    /// # Panics
    /// If its kind, or what it did, contradicts the reason.
    pub(crate) fn check_reason(&self, part: &impl Kind, reason: CloseReason) {
        let (id, counters) = (self.id, &self.counters);
        let is_stream = part.kind() == SocketKind::Stream;
        match reason {
            CloseReason::Peer => {
                assert!(part.is_eof(), "{id} was ended by a peer whose FIN was not read");
            }
            CloseReason::ConnectFailed(_) => {
                assert!(self.rare.local.is_none(), "{id} never opened and has an address");
                assert_eq!(counters.bytes_out, 0, "{id} never opened and wrote");
                assert_eq!(counters.bytes_in, 0, "{id} never opened and was read");
            }
            CloseReason::Fault(fault) => {
                assert!(is_stream, "{id}: {fault} breaks no connection");
                assert!(self.rare.peer.is_some(), "{id} broke and was never open");
            }
            CloseReason::TimedOut(Timeout::Flush) => {
                assert_ne!(part.kind(), SocketKind::Listener, "{id}: a listener flushes nothing");
            }
            CloseReason::TimedOut(which) => {
                assert!(is_stream, "{id}: only streams have a bound of {which:?}");
                let is_unread = which != Timeout::Start || counters.messages_in == 0;
                assert!(is_unread, "{id} was never started and was read");
                let is_flushed = which != Timeout::Linger || !part.has_output();
                assert!(is_flushed, "{id} sent FIN before its output");
            }
            CloseReason::Closed
            | CloseReason::Shutdown
            | CloseReason::OwnerGone
            | CloseReason::Exit => {}
        }
    }
}
