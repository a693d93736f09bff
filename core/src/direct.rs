//! Writing a stream from a service's own thread.

use std::fmt;

use crate::net::Net;
use crate::outlet::Step;
use crate::permit::{Permit, PostedPermit, Went};
use crate::{Answer, Command, Fault, Outbox, Priority, SocketId};

/// What a write from a service's own thread left, with the right to write.
#[derive(Debug)]
pub struct Unfinished {
    pub(crate) permit: PostedPermit,
    /// What the system took.
    pub(crate) bytes: usize,
    /// The messages that this finished.
    pub(crate) messages: usize,
    /// What it did not take.
    pub(crate) rest: Outbox,
    /// Why not, if it failed.
    pub(crate) fault: Option<Fault>,
}

impl Unfinished {
    /// The socket.
    pub fn socket(&self) -> SocketId {
        self.permit.id()
    }
}

/// One line for a trace.
impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} B, {} B left", self.socket(), self.bytes, self.rest.pending_bytes())?;
        self.fault.map_or(Ok(()), |fault| write!(f, ", {fault}"))
    }
}

impl Net<'_> {
    /// Writes what was sent, where nothing is queued and nobody else's sends are on their way; the
    /// rest stays among the commands.
    pub(crate) fn write_directly(&mut self) {
        if !self.directory.config().direct_write || !self.outlet.writes_directly() {
            return;
        }
        let sends = sends_by_socket(self.commands);
        let mut of_sockets: Vec<_> = sends.chunk_by(|one, next| one.0 == next.0).collect();
        of_sockets.sort_unstable_by_key(|of_one| of_one[0].1);
        let mut commands: Vec<_> = self.commands.drain(..).map(Some).collect();
        let mut sends = Vec::new();
        for of_one in of_sockets {
            let (id, count) = (of_one[0].0, of_one.len());
            self.outlet.point(Step::StartSend { id });
            let gate = self.directory.gate(id).expect("an admitted send has a gate");
            let Some(permit) = gate.start_write(id, count as u64) else { continue };
            let taken = of_one.iter().map(|(_, at)| commands[*at].take());
            sends.extend(taken.map(|send| send.expect("each send is written once")));
            assert_eq!(sends.len(), count, "{id}: other sends than were counted");
            self.outlet.point(Step::Write { id, sends: &sends });
            self.write_sends(permit, &mut sends);
            assert!(sends.is_empty(), "{id}: what was sent is written or posted");
        }
        // Before what was posted meanwhile.
        self.commands.splice(0..0, commands.into_iter().flatten());
    }

    fn write_sends(&mut self, permit: Permit, sends: &mut Vec<Command>) {
        let id = permit.id();
        let mut outbox = outbox_of(sends);
        let (all_bytes, all_messages) = (outbox.pending_bytes(), outbox.messages());
        let charge = outbox.charge_bytes();
        assert!(!outbox.is_empty(), "{id}: only sends with bytes are written");
        let answer = self.outlet.write(id, &mut outbox);
        let bytes = all_bytes - outbox.pending_bytes();
        let messages = all_messages - outbox.messages();
        let fault = match answer {
            Answer::Ready(Ok(count)) => {
                assert!(count > 0, "{id}: a write that took nothing is `Later`");
                assert_eq!(count, bytes, "{id}: the outbox and the answer disagree");
                None
            }
            Answer::Ready(Err(fault)) => Some(fault),
            Answer::Later => None,
        };
        assert!(fault.is_none() || bytes == 0, "{id}: a failed write took bytes");
        self.outlet.point(Step::Finish { id });
        if outbox.is_empty() {
            let went = Went {
                bytes: bytes as u64,
                messages: messages as u64,
                at_nanos: self.now.as_nanos(),
            };
            let gate = self.directory.gate(id).expect("a stream that is written has a gate");
            let needs_flush = gate.finish_write(permit, went, charge, self.directory.total());
            if needs_flush {
                self.outlet.point(Step::Post { id });
                self.commands.push(Command::Flush { id });
            }
        } else {
            self.outlet.point(Step::Post { id });
            let permit = permit.post();
            let unfinished = Unfinished { permit, bytes, messages, rest: outbox, fault };
            self.commands.push(Command::FinishWrite(Box::new(unfinished)));
        }
    }
}

/// The socket of a send on a stream. (Whether it is a stream's, the gate knows.)
fn stream_send(command: &Command) -> Option<SocketId> {
    match command {
        Command::Send { id, bytes, .. } if !bytes.is_empty() => Some(*id),
        Command::SendVectored { id, parts, .. } if !parts.is_empty() => Some(*id),
        _ => None,
    }
}

/// The sends on streams, those of one together: whose, and where they stand among the commands.
fn sends_by_socket(commands: &[Command]) -> Vec<(SocketId, usize)> {
    let sends = (0..).zip(commands).filter_map(|(at, one)| Some((stream_send(one)?, at)));
    let mut sends: Vec<_> = sends.collect();
    sends.sort_unstable();
    assert!(sends.len() <= commands.len(), "a send was found twice");
    debug_assert!(sends.is_sorted(), "two sends of a stream would leave in another order");
    sends
}

/// The sends in the order in which they leave.
fn outbox_of(sends: &mut Vec<Command>) -> Outbox {
    let mut outbox = Outbox::new();
    let priority = |low| if low { Priority::Low } else { Priority::High };
    for send in sends.drain(..) {
        match send {
            Command::Send { low, bytes, .. } => outbox.push(bytes, priority(low)),
            Command::SendVectored { low, parts, .. } => {
                outbox.push_parts(parts, priority(low));
            }
            other => unreachable!("{other:?} is no send"),
        }
    }
    assert!(!outbox.is_empty(), "an empty message is never written");
    outbox
}
