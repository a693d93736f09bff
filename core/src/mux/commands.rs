//! Commands of services.

use std::iter;

use bytes::Bytes;

use super::Mux;
use super::desk::waiters::Waiter;
use super::focus::{Focus, Typed};
use super::output::Delivery;
use super::settle::Change;
use super::sockets::AnyPart;
use super::sockets::deferred::Deferred;
use super::sockets::kind::Kind;
use super::sockets::listener::Listener;
use super::sockets::stream::{Phase, Stream};
use crate::contained::{drop_contained, drop_each};
use crate::datagrams::Datagram;
use crate::shard::TwinOrder;
use crate::{
    CloseReason, Command, Endpoint, Handled, Instant, MESSAGE_OVERHEAD_BYTES, Message, Operation,
    Priority, RefusedReason, ServiceId, SocketId, SocketOption, SocketState,
};

impl Mux {
    /// Takes a command in; no I/O, cannot fail. The driver hands over at most
    /// `commands_per_turn` of them between two turns.
    ///
    /// # Panics
    /// If `now` lies before the time of an earlier call.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        self.advance_clock(now);
        command.check();
        match command {
            Command::Send { id, low, bytes } => self.send_bytes(id, low, bytes),
            Command::Handled { service, charge_bytes, exit, shard } => {
                assert_eq!(shard, self.desk.shard, "{service} handled what another Mux told");
                self.settle_handled(Handled { service, charge_bytes, exit });
            }
            Command::SendVectored { id, low, parts } => {
                let len = parts.iter().map(Bytes::len).sum();
                self.send(id, low, len, parts);
            }
            Command::SendTo { id, to, bytes } => self.send_to(id, to, bytes),
            Command::AwaitSendReady { id, by, charge_bytes, total } => {
                self.await_send_ready(id, Waiter { service: by, charge_bytes }, total);
            }
            Command::Listen { id, parts, owner, at, options } => {
                self.open_listener(id, owner, at, options, parts);
            }
            Command::Adopt { id, owner, descriptor, paused } => {
                self.open_adopted(id, owner, descriptor, paused);
            }
            Command::Udp { id, owner, options } => self.open_datagram(id, owner, options),
            Command::Connect { id, owner, target, options } => {
                self.open_dial(id, owner, *target, options);
            }
            Command::Spawn { id, service } => {
                self.desk.services.insert(id);
                self.desk.deliveries.push_back(Delivery::Spawn(id, service));
                if self.desk.is_exiting {
                    self.desk.tell(Some(id), Message::Exit);
                }
            }
            Command::Post { to, from, value } => {
                self.desk.tell(Some(to), Message::Posted { from, value });
            }
            Command::Release { service, abrupt } => self.release_service(service, abrupt),
            Command::SetTimer { timer, service, deadline } => {
                self.set_timer(timer, service, deadline);
            }
            Command::CancelTimer { timer, service } => self.cancel_timer(timer, service),
            Command::Info { by } => self.begin_info(by, None),
            Command::Exit { within } => self.begin_exit(within),
            Command::Shard(command) => self.handle_shard_command(command),
            about_one_socket => self.handle_socket_command(about_one_socket),
        }
    }

    /// Commands about one socket that may be gone by now.
    fn handle_socket_command(&mut self, command: Command) {
        let id = command.socket().expect("the other commands were handled before");
        // An id that was told to nobody is nobody's, even if it is guessed.
        let Some(mut focus) = self.focus(id).filter(|focus| !focus.head.is_helper()) else {
            self.desk.stats.stale_commands += 1;
            if let Command::Start { by, .. } = command {
                self.refuse_start(id, by);
            }
            return;
        };
        match command {
            Command::Start { by, .. } => return self.start(id, by),
            Command::Pause { .. } => focus.pause(),
            Command::Close { .. } => {
                focus.head.add_cause(CloseReason::Closed);
                focus.begin_close();
            }
            Command::Shutdown { .. } => focus.shut_down(CloseReason::Shutdown, false),
            Command::Finish { .. } => focus.shut_down(CloseReason::Shutdown, true),
            Command::KeepOpen { .. } => focus.keep_open(),
            Command::SetOption { option, .. } => focus.set_option(option),
            Command::UdpConnect { peer, .. } => focus.defer(Deferred::Peer(peer)),
            Command::FinishAfterEof { owner, .. } => focus.finish_after_eof(owner),
            other => unreachable!("{other:?} is not about one living socket"),
        }
        self.conclude(id);
    }

    /// Charges and queues a message that a service sends on this Mux's own thread, and answers the
    /// charge of the socket: one step in the place of an announcement and a command.
    ///
    /// # Errors
    /// With the bytes, if the send must go by a command: the gate refuses it, the socket is not
    /// open for it here, or earlier sends are on their way.
    #[inline]
    pub fn send_at_once(&mut self, id: SocketId, bytes: Bytes, low: bool) -> Result<usize, Bytes> {
        self.queue_bytes(id, low, bytes, |focus, len| {
            let (limits, total) = (focus.directory.charge_limits(), focus.directory.total());
            focus.gate().charge_at_once(id, len, limits, total)
        })
    }

    /// Queues a message in one part that was announced at the gate.
    #[inline]
    fn send_bytes(&mut self, id: SocketId, low: bool, bytes: Bytes) {
        let announced = self.queue_bytes(id, low, bytes, |focus, _len| {
            focus.gate().receive_announced(id);
            Some(())
        });
        if let Err(bytes) = announced {
            self.send(id, low, bytes.len(), [bytes]);
        }
    }

    /// Queues bytes on a stream that accepts them, if `admit` does. Gives them back if there is
    /// none.
    #[inline(always)]
    fn queue_bytes<T>(
        &mut self,
        id: SocketId,
        low: bool,
        bytes: Bytes,
        admit: impl FnOnce(&Focus<'_, Stream>, usize) -> Option<T>,
    ) -> Result<T, Bytes> {
        let Some(mut seat) = self.seat(id) else { return Err(bytes) };
        let Some(focus) = seat.focus().into_stream() else { return Err(bytes) };
        let len = bytes.len();
        if len == 0 || !focus.part.accepts_sends() {
            return Err(bytes);
        }
        let Some(admitted) = admit(&focus, len) else { return Err(bytes) };
        focus.part.outbox.push(bytes, if low { Priority::Low } else { Priority::High });
        let is_warning_due = focus.is_warning_due();
        if focus.can_write() {
            seat.push_output();
        }
        debug_assert_eq!(seat.settle(Change::NONE), None, "{id}: a send changed its input");
        if is_warning_due {
            self.with_living(id, |focus| focus.warn_if_due());
        }
        Ok(admitted)
    }

    /// Queues a message of any shape that was announced at the gate.
    fn send(
        &mut self,
        id: SocketId,
        low: bool,
        len: usize,
        parts: impl IntoIterator<Item = Bytes>,
    ) {
        self.receive_announced(id);
        let priority = if low { Priority::Low } else { Priority::High };
        let Some(mut focus) = self.accepting(id, len) else { return drop_each(parts) };
        match focus.typed() {
            Typed::Datagram(mut focus) => {
                focus.queue(Datagram { to: None, payload: join(parts, len) }, priority);
            }
            // An empty stream message is nothing; only its charge goes back.
            Typed::Stream(mut focus) if len == 0 => {
                drop_each(parts);
                focus.release_charge(MESSAGE_OVERHEAD_BYTES);
            }
            Typed::Stream(mut focus) => focus.queue(priority, len, parts),
            Typed::Listener(_) => unreachable!("{id} listens, and its gate admitted a send"),
        }
        self.conclude(id);
    }

    fn send_to(&mut self, id: SocketId, to: Endpoint, payload: Bytes) {
        self.receive_announced(id);
        let Some(mut focus) = self.accepting(id, payload.len()) else {
            return drop_contained(payload);
        };
        let Typed::Datagram(mut focus) = focus.typed() else {
            unreachable!("{id} carries no datagrams, and its gate admitted one");
        };
        focus.queue(Datagram { to: Some(to), payload }, Priority::High);
        self.conclude(id);
    }

    /// Takes note that an announced send has arrived.
    fn receive_announced(&mut self, id: SocketId) {
        self.directory.gate(id).expect("a living id has a gate").receive_announced(id);
    }

    /// The socket of a send, if the send has not come too late: that is counted.
    fn accepting(&mut self, id: SocketId, len: usize) -> Option<Focus<'_, AnyPart>> {
        let charge = len + MESSAGE_OVERHEAD_BYTES;
        let accepts = self.focus(id).is_some_and(|focus| match focus.part {
            AnyPart::Stream(stream) => stream.accepts_sends(),
            AnyPart::Datagram(datagram) => !datagram.is_closing(),
            AnyPart::Listener(_) => false,
        });
        if accepts {
            return self.focus(id);
        }
        self.desk.stats.stale_commands += 1;
        let gate = self.directory.gate(id).expect("a living id has a gate");
        self.desk.release_charge(id, gate, charge);
        if let Some(focus) = self.focus(id) {
            focus.head.rare.unsent_bytes += len as u64;
            self.conclude(id);
        }
        None
    }

    fn await_send_ready(&mut self, id: SocketId, waiter: Waiter, total: bool) {
        self.desk.stats.sends_refused += 1;
        let gate = self.directory.gate(id).expect("a living id has a gate");
        gate.receive_refused(id);
        if gate.is_open(id) && self.sockets.table.get(id).is_some() {
            self.desk.add_waiter(id, gate, waiter, total);
        }
        self.settle(id);
    }

    fn refuse_start(&mut self, socket: SocketId, by: ServiceId) {
        let (operation, why) = (Operation::Start, RefusedReason::Gone);
        self.desk.tell(Some(by), Message::Refused { socket, operation, why });
    }

    fn start(&mut self, id: SocketId, by: ServiceId) {
        let mut focus = self.focus(id).expect("the caller holds a living id");
        if !focus.can_start() {
            self.refuse_start(id, by);
            return self.settle(id);
        }
        focus.start(by);
        let has_eof = focus.part.state() == SocketState::EofSeen;
        if focus.head.owner != Some(by) {
            self.change_owner(id, by);
            let mut focus = self.focus(id).expect("a change of owner ends no socket at once");
            if has_eof && focus.part.state() == SocketState::EofSeen {
                focus.tell_owner(Message::Eof { socket: id });
            }
        }
        self.conclude(id);
    }
}

impl Stream {
    /// Returns `true` if a send that arrives now is queued.
    #[inline]
    fn accepts_sends(&self) -> bool {
        self.write_fault.is_none() && !matches!(self.phase, Phase::Draining | Phase::Closing(_))
    }
}

impl Focus<'_, AnyPart> {
    /// Returns `true` if `start` does not come too late.
    fn can_start(&self) -> bool {
        match self.part.state() {
            SocketState::Closing => false,
            SocketState::Flushing | SocketState::Draining => self.head.is_finishing,
            // It will flush as soon as it is open, and is not read any more.
            SocketState::Opening | SocketState::Connecting => {
                !self.head.is_shutdown_wanted || self.head.is_finishing
            }
            _ => true,
        }
    }

    /// Begins or resumes reading.
    fn start(&mut self, by: ServiceId) {
        let now = self.desk.now;
        let was_reading = std::mem::replace(&mut self.head.is_reading, true);
        self.head.is_pause_owed = false;
        match self.typed() {
            Typed::Stream(mut focus) => match focus.part.phase {
                Phase::Open if !was_reading => {
                    // While nobody read, it was not the peer who was silent.
                    focus.head.progress_at = focus.head.progress_at.max(now);
                    focus.part.resumed_at = Some(now);
                }
                Phase::Accepted => focus.enter(Phase::Open),
                _ => {}
            },
            Typed::Listener(mut focus) => focus.ask_twins(|| TwinOrder::Start { by }),
            Typed::Datagram(_) => {}
        }
    }

    fn pause(&mut self) {
        match self.part.state() {
            SocketState::Closing => return,
            SocketState::Flushing | SocketState::Draining if !self.head.is_finishing => return,
            SocketState::Opening | SocketState::Connecting => {
                self.head.is_reading = false;
                self.head.is_pause_owed = true;
                return;
            }
            _ => self.head.is_reading = false,
        }
        let socket = self.id();
        match self.typed() {
            Typed::Stream(mut focus) => focus.paused(),
            Typed::Listener(mut focus) => focus.paused(),
            Typed::Datagram(mut focus) => focus.tell_owner(Message::Paused { socket }),
        }
    }

    fn keep_open(&mut self) {
        if let AnyPart::Stream(stream) = self.part {
            stream.is_kept_open = true;
        }
    }

    fn set_option(&mut self, option: SocketOption) {
        if let SocketOption::Timeout(which, span) = option
            && self.head.set_timeout(self.part, which, span)
        {
            // Nobody else need be asked; the timer follows when the socket is settled.
            return;
        }
        self.defer(Deferred::Option(option));
    }

    fn defer(&mut self, deferred: Deferred) {
        if !self.part.is_closing() {
            self.head.rare.deferred.push_back(deferred);
        }
    }

    /// The owner has handled `Eof`.
    fn finish_after_eof(&mut self, owner: ServiceId) {
        if let AnyPart::Stream(stream) = self.part
            && matches!(stream.phase, Phase::EofSeen)
            && !stream.is_kept_open
            && self.head.owner == Some(owner)
        {
            self.shut_down(CloseReason::Peer, false);
        }
    }
}

impl Focus<'_, Stream> {
    fn paused(&mut self) {
        let socket = self.id();
        if self.part.is_fin_noticed {
            self.head.progress_at = self.desk.now;
        }
        self.tell_owner(Message::Paused { socket });
        if let Some(&fault) = self.part.write_fault.as_deref() {
            // It waited for what can still be read, and nothing is read any more.
            self.fail(fault, Operation::Write);
        }
    }
}

impl Focus<'_, Listener> {
    fn paused(&mut self) {
        if !self.pause_twins() {
            let socket = self.id();
            self.tell_owner(Message::Paused { socket });
        }
    }
}

/// The parts as one buffer; a single part is not copied.
fn join(parts: impl IntoIterator<Item = Bytes>, len: usize) -> Bytes {
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_default();
    if first.len() == len {
        return first;
    }
    let mut all = Vec::with_capacity(len);
    for part in iter::once(first).chain(parts) {
        all.extend_from_slice(&part);
        drop_contained(part);
    }
    Bytes::from(all)
}
