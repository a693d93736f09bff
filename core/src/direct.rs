//! Writing a stream from a service's own thread.

use std::iter;

use crate::net::Net;
use crate::outlet::Step;
use crate::permit::{Permit, Went};
use crate::{Answer, Command, Outbox, Priority, SocketId, Unfinished};

/// A batch that sends on more sockets than this leaves the writing to the Mux. Each written stream
/// brings its peer's next bytes while the batch still runs, so that batches get small, and threads
/// are woken for each: measured, 64 echoes cost an eighth more so. Of few, it saves waking the
/// network thread.
const SOCKETS_MAX: usize = 4;

impl Net<'_> {
    /// Writes what was sent on few sockets, where nothing is queued and nobody else's sends are on
    /// their way; the rest stays among the commands.
    pub(crate) fn write_directly(&mut self) {
        let may_write = self.directory.config().direct_write && !self.has_left_early;
        if !may_write || !self.outlet.writes_directly() {
            return;
        }
        match Sends::among(self.commands) {
            Sends::One(id, at) => self.write_one(id, at),
            Sends::OnFewSockets => self.write_each(),
            Sends::None | Sends::OnManySockets => {}
        }
    }

    /// Writes the only send: of one connection, mostly so, without sorting anything.
    fn write_one(&mut self, id: SocketId, at: usize) {
        self.outlet.point(Step::StartSend { id });
        let gate = self.directory.gate(id).expect("an admitted send has a gate");
        let Some(permit) = gate.start_write(id, 1) else { return };
        let send = self.commands.remove(at);
        self.outlet.point(Step::Write { id, sends: std::slice::from_ref(&send) });
        self.write_outbox(permit, outbox_of([send]));
    }

    fn write_each(&mut self) {
        let places = sends_by_socket(self.commands);
        let mut of_sockets: Vec<_> = places.chunk_by(|one, next| one.0 == next.0).collect();
        of_sockets.sort_unstable_by_key(|of_one| of_one[0].1);
        let waiting = self.commands.drain(..).map(Some).collect();
        let mut writing = Writing { net: self, waiting };
        let mut sends = Vec::new();
        for of_one in of_sockets {
            let (id, count) = (of_one[0].0, of_one.len());
            writing.net.outlet.point(Step::StartSend { id });
            let gate = writing.net.directory.gate(id).expect("an admitted send has a gate");
            let Some(permit) = gate.start_write(id, count as u64) else { continue };
            let taken = of_one.iter().map(|(_, at)| writing.waiting[*at].take());
            sends.extend(taken.map(|send| send.expect("each send is written once")));
            assert_eq!(sends.len(), count, "{id}: other sends than were counted");
            writing.net.outlet.point(Step::Write { id, sends: &sends });
            writing.net.write_outbox(permit, outbox_of(sends.drain(..)));
        }
    }

    fn write_outbox(&mut self, permit: Permit, mut outbox: Outbox) {
        let id = permit.id();
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
        assert!(messages <= bytes, "{id}: each message has a byte at least");
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

/// A batch whose sends are being written.
struct Writing<'a, 'n> {
    net: &'a mut Net<'n>,
    /// The commands of the batch, in their order; `None` where a send was taken out.
    waiting: Vec<Option<Command>>,
}

impl Drop for Writing<'_, '_> {
    /// Puts back what was not written, before what was posted meanwhile; also if a user's value
    /// panics while it is dropped, because others count on what the batch asked besides.
    fn drop(&mut self) {
        let waiting = self.waiting.drain(..).flatten();
        self.net.commands.splice(0..0, waiting);
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

/// The sends on streams among a batch's commands.
#[derive(Debug, PartialEq, Eq)]
enum Sends {
    None,
    /// Whose it is, and where it stands.
    One(SocketId, usize),
    OnFewSockets,
    /// On more than [`SOCKETS_MAX`].
    OnManySockets,
}

impl Sends {
    fn among(commands: &[Command]) -> Self {
        let mut sends = (0..).zip(commands).filter_map(|(at, one)| Some((stream_send(one)?, at)));
        let Some((first, at)) = sends.next() else { return Sends::None };
        let Some((second, _)) = sends.next() else { return Sends::One(first, at) };
        let (mut seen, mut count) = ([first; SOCKETS_MAX], 1);
        for id in iter::once(second).chain(sends.map(|(id, _)| id)) {
            if seen[..count].contains(&id) {
                continue;
            }
            if count == SOCKETS_MAX {
                return Sends::OnManySockets;
            }
            seen[count] = id;
            count += 1;
        }
        Sends::OnFewSockets
    }
}

/// The sends on streams, those of one together: whose, and where they stand among the commands.
fn sends_by_socket(commands: &[Command]) -> Vec<(SocketId, usize)> {
    let sends = (0..).zip(commands).filter_map(|(at, one)| Some((stream_send(one)?, at)));
    let mut sends: Vec<_> = sends.collect();
    sends.sort_unstable();
    let is_its = |(id, at): &(SocketId, usize)| stream_send(&commands[*at]) == Some(*id);
    debug_assert!(sends.iter().all(is_its), "a send is found where it is not");
    sends
}

/// The sends in the order in which they leave.
fn outbox_of(sends: impl IntoIterator<Item = Command>) -> Outbox {
    let mut outbox = Outbox::new();
    let priority = |low| if low { Priority::Low } else { Priority::High };
    for send in sends {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use bytes::Bytes;

    use crate::gate::GateKind;
    use crate::outlet::Outlet;
    use crate::{
        Answer, Command, Config, Delivery, Directory, Dispatcher, Fault, Instant, Message, Net,
        Outbox, Service, SocketId,
    };

    /// Takes what is written and keeps it; of the sockets in `full` nothing.
    #[derive(Default)]
    struct Wire {
        full: BTreeSet<SocketId>,
        written: Vec<(SocketId, Vec<u8>)>,
        published: Vec<Command>,
    }

    impl Outlet for Wire {
        fn publish(&mut self, commands: &mut Vec<Command>) {
            self.published.append(commands);
        }

        fn writes_directly(&self) -> bool {
            true
        }

        fn write(&mut self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
            if self.full.contains(&id) {
                return Answer::Later;
            }
            let bytes: Vec<u8> = unsent.parts().flat_map(|part| part.to_vec()).collect();
            unsent.advance(bytes.len());
            let count = bytes.len();
            self.written.push((id, bytes));
            Answer::Ready(Ok(count))
        }
    }

    struct Asks<F>(F);

    impl<F: FnMut(&mut Net<'_>) + Send> Service for Asks<F> {
        fn on_start(&mut self, net: &mut Net<'_>) {
            (self.0)(net);
        }

        fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {}
    }

    /// A directory with open streams; others than the Mux may write those of `free`.
    fn streams<const COUNT: usize>(free: [bool; COUNT]) -> (Arc<Directory>, [SocketId; COUNT]) {
        let config = Config { direct_write: true, ..Config::default() };
        let directory = Arc::new(Directory::new(config).unwrap());
        let opener = directory.take_service().unwrap();
        let ids = free.map(|is_free| {
            let id = directory.take_socket(GateKind::Stream, opener, None).unwrap();
            directory.gate(id).unwrap().set_queued(id, !is_free);
            id
        });
        (directory, ids)
    }

    /// Returns what a batch that asks this leaves among its commands.
    fn run(
        directory: &Arc<Directory>,
        wire: &mut Wire,
        ask: impl FnMut(&mut Net<'_>) + Send + 'static,
    ) -> Vec<String> {
        let mut dispatcher = Dispatcher::new(Arc::clone(directory), 0);
        let service = directory.take_service().unwrap();
        drop(dispatcher.deliver(Delivery::Spawn(service, Box::new(Asks(ask)))));
        let mut commands = Vec::new();
        let mut batch = dispatcher.take().unwrap();
        let run = std::panic::AssertUnwindSafe(|| {
            batch.run(directory, Instant::ZERO, &mut commands, wire);
        });
        drop(std::panic::catch_unwind(run));
        let all = std::mem::take(&mut wire.published).into_iter().chain(commands);
        all.filter(|one| !matches!(one, Command::Handled { .. })).map(|one| name(&one)).collect()
    }

    fn name(command: &Command) -> String {
        match command {
            Command::Send { id, bytes, .. } => format!("send {} {bytes:?}", id.index()),
            Command::Pause { id, .. } => format!("pause {}", id.index()),
            Command::FinishWrite(unfinished) => format!("rest of {}", unfinished.socket().index()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn sends_are_written_socket_by_socket_and_the_rest_keeps_its_order() {
        let (directory, [a, b, c]) = streams([true, false, true]);
        let mut wire = Wire { full: [c].into(), ..Wire::default() };
        let left = run(&directory, &mut wire, move |net| {
            net.send(c, "c1").unwrap();
            net.send(a, "a1").unwrap();
            net.pause(a).unwrap();
            net.send(b, "b1").unwrap();
            net.send(a, "a2").unwrap();
            net.send(b, "b2").unwrap();
        });
        assert_eq!(wire.written, [(a, b"a1a2".to_vec())]);
        assert_eq!(left, ["pause 0", "send 1 b\"b1\"", "send 1 b\"b2\"", "rest of 2"]);
    }

    #[test]
    fn whoever_sends_too_much_at_once_leaves_the_writing_to_the_mux() {
        for (sends, is_written) in [(64, true), (65, false)] {
            let (directory, [a]) = streams([true]);
            let mut wire = Wire::default();
            let left = run(&directory, &mut wire, move |net| {
                for _ in 0..sends {
                    net.send(a, "x").unwrap();
                }
            });
            assert_eq!(wire.written.len(), usize::from(is_written));
            assert_eq!(left.len(), if is_written { 0 } else { sends });
        }
    }

    #[test]
    fn the_rest_of_a_batch_that_left_early_is_left_to_the_mux_until_a_flush() {
        for is_flushed in [false, true] {
            let (directory, [a, b]) = streams([true, true]);
            let mut wire = Wire::default();
            let left = run(&directory, &mut wire, move |net| {
                for _ in 0..2 {
                    net.send(a, vec![0; 64 << 10]).unwrap();
                }
                if is_flushed {
                    net.flush(a);
                }
                net.send(b, "x").unwrap();
            });
            assert_eq!((wire.written.len(), left.len()), if is_flushed { (1, 2) } else { (0, 3) });
        }
    }

    #[test]
    fn a_batch_of_many_sockets_is_left_to_the_mux() {
        for (sockets, is_written) in [(4, true), (5, false)] {
            let (directory, ids) = streams([true; 5]);
            let mut wire = Wire::default();
            let left = run(&directory, &mut wire, move |net| {
                for id in &ids[..sockets] {
                    net.send(*id, "x").unwrap();
                }
            });
            assert_eq!(wire.written.len(), if is_written { 4 } else { 0 });
            assert_eq!(left.len(), if is_written { 0 } else { 5 });
        }
    }

    #[test]
    fn what_a_batch_asked_besides_outlives_a_panic_in_a_write() {
        struct Bomb;
        impl AsRef<[u8]> for Bomb {
            fn as_ref(&self) -> &[u8] {
                b"bomb"
            }
        }
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("a user's value");
            }
        }
        let (directory, [a, b]) = streams([true, false]);
        let left = run(&directory, &mut Wire::default(), move |net| {
            net.send(a, Bytes::from_owner(Bomb)).unwrap();
            net.send(b, "b1").unwrap();
            net.pause(b).unwrap();
        });
        assert_eq!(left, ["send 1 b\"b1\"", "pause 1"]);
    }
}
