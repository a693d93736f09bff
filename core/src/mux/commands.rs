//! What services ask.

use bytes::Bytes;

use super::deferred::Deferred;
use super::slot::{Closing, Kind, Listener, Opening};
use super::{Delivery, Mux};
use crate::datagrams::Datagram;
use crate::shard::TwinOrder;
use crate::{
    CloseReason, Command, Instant, Message, Operation, Priority, RefusedReason, ServiceId,
    SocketId, SocketOption, SocketState,
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
            Command::Listen { id, parts, owner, at, options } => {
                let is_reading = !options.paused;
                let opening = Opening::Listen { at, options };
                self.open(id, Kind::Listener, owner, is_reading, parts, opening);
            }
            Command::Adopt { id, owner, descriptor, paused } => {
                let opening = Opening::Adopt { descriptor };
                self.open(id, Kind::Stream, owner, !paused, Vec::new(), opening);
            }
            Command::Udp { id, owner, options } => {
                let is_reading = !options.paused;
                let opening = Opening::Udp { options };
                self.open(id, Kind::Datagram, owner, is_reading, Vec::new(), opening);
            }
            Command::Connect { id, owner, target, options } => {
                self.dial(id, owner, *target, options);
            }
            Command::Send { id, low, bytes } => self.send(id, low, bytes.len(), [bytes]),
            Command::SendVectored { id, low, parts } => {
                let len = parts.iter().map(Bytes::len).sum();
                self.send(id, low, len, parts);
            }
            Command::SendTo { id, to, bytes } => {
                let datagram = Datagram { to: Some(to), payload: bytes };
                self.send_datagram(id, datagram, Priority::High);
            }
            Command::AwaitSendReady { id, by, charge_bytes, total } => {
                self.await_send_ready(id, by, charge_bytes, total);
            }
            Command::Spawn { id, service } => {
                assert!(self.directory.is_service_alive(id), "{id} was not taken");
                assert!(self.is_home_of(id), "{id} is another's to spawn");
                self.services.insert(id);
                self.deliveries.push_back(Delivery::Spawn(id, service));
                if self.exit.is_some() {
                    self.tell(Some(id), Message::Exit);
                }
            }
            Command::Post { to, from, value } => {
                self.tell(Some(to), Message::Posted { from, value })
            }
            Command::Release { service, abrupt } => self.release_service(service, abrupt),
            Command::Handled { service, charge_bytes, exit, shard } => {
                assert_eq!(shard, self.shard, "{service} handled what another told");
                self.service_handled(service, charge_bytes, exit);
            }
            Command::SetTimer { timer, service, deadline } => {
                self.set_timer(timer, service, deadline);
            }
            Command::CancelTimer { timer, service } => self.cancel_timer(timer, service),
            Command::Info { by } => self.begin_info(by, None),
            Command::Exit { within } => self.begin_exit(within),
            Command::FinishWrite(unfinished) => self.finish_write(*unfinished),
            Command::Flush { id } => self.look_again(id),
            Command::Shard(command) => self.handle_shard_command(command),
            about_one_socket => self.handle_socket_command(about_one_socket),
        }
    }

    /// Commands about one socket that may be gone by now.
    fn handle_socket_command(&mut self, command: Command) {
        let id = command.socket().expect("the other commands were handled before");
        // What nobody was told of is nobody's, whoever guesses its id.
        if self.table.get(id).is_none_or(|slot| slot.is_helper) {
            self.stats.stale_commands += 1;
            if let Command::Start { by, .. } = command {
                self.refuse_start(id, by);
            }
            return;
        }
        match command {
            Command::Start { by, .. } => self.start(id, by),
            Command::Pause { .. } => self.pause(id),
            Command::Close { .. } => {
                self.table.slot_mut(id).add_cause(CloseReason::Closed);
                self.begin_close(id);
                let state = self.table.slot(id).state;
                assert_eq!(state, SocketState::Closing, "{id} outlives its close");
            }
            Command::Shutdown { .. } => self.shut_down(id, CloseReason::Shutdown, false),
            Command::Finish { .. } => self.shut_down(id, CloseReason::Shutdown, true),
            Command::KeepOpen { .. } => self.table.slot_mut(id).is_kept_open = true,
            Command::SetOption { option, .. } => self.set_option(id, option),
            Command::UdpConnect { peer, .. } => self.defer(id, Deferred::Peer(peer)),
            Command::FinishAfterEof { owner, .. } => {
                let slot = self.table.slot(id);
                let is_due = slot.state == SocketState::EofSeen
                    && slot.owner == Some(owner)
                    && !slot.is_kept_open;
                if is_due {
                    assert_eq!(slot.cause, Some(CloseReason::Peer), "{id}: the peer ended it");
                    self.shut_down(id, CloseReason::Peer, false);
                }
            }
            other => unreachable!("{other:?} is not about one living socket"),
        }
        self.settle(id);
    }

    fn open(
        &mut self,
        id: SocketId,
        kind: Kind,
        owner: ServiceId,
        is_reading: bool,
        parts: Vec<SocketId>,
        mut opening: Opening,
    ) {
        let mut slot = self.new_slot(id, kind, SocketState::Opening);
        match &mut opening {
            Opening::Listen { options, .. } => {
                assert_eq!(kind, Kind::Listener, "{id} listens");
                slot.take_timeouts(&mut options.options);
                slot.rare.listener = Some(Box::new(Listener::new(options, self.now, parts)));
            }
            Opening::Twin { .. } => unreachable!("{id}: nobody asks for a part of a listener"),
            Opening::Udp { options } => slot.take_timeouts(&mut options.options),
            Opening::Adopt { .. } => assert_eq!(kind, Kind::Stream, "{id} was adopted"),
        }
        slot.rare.opening = Some(Box::new(opening));
        slot.is_reading = is_reading;
        self.add_slot(slot);
        self.change_owner(id, owner);
        self.refuse_after_exit(id);
        self.settle(id);
    }

    /// What was asked before the exit was known, and arrives after: closed at once.
    pub(super) fn refuse_after_exit(&mut self, id: SocketId) {
        if self.exit.is_some() {
            assert!(self.directory.is_stopped(), "an exit stops the directory first");
            self.table.slot_mut(id).add_cause(CloseReason::Exit);
            self.begin_close(id);
        }
    }

    fn send(
        &mut self,
        id: SocketId,
        low: bool,
        len: usize,
        parts: impl IntoIterator<Item = Bytes>,
    ) {
        let priority = if low { Priority::Low } else { Priority::High };
        if self.table.get(id).is_some_and(|slot| slot.kind == Kind::Datagram) {
            let payload = join(parts, len);
            return self.send_datagram(id, Datagram { to: None, payload }, priority);
        }
        if !self.receive_announced(id, len) {
            return;
        }
        let slot = self.table.slot_mut(id);
        if len == 0 {
            // An empty stream message is nothing; only its charge goes back.
            self.release_charge(id, crate::MESSAGE_OVERHEAD_BYTES);
        } else {
            assert_eq!(slot.kind, Kind::Stream, "{id}: only streams have an outbox");
            let pending_before = slot.outbox.pending_bytes();
            slot.outbox.push_parts(parts, priority);
            let added = slot.outbox.pending_bytes() - pending_before;
            assert_eq!(added, len, "{id}: the parts' lengths were counted before");
            self.warn_if_due(id);
        }
        self.settle(id);
    }

    fn send_datagram(&mut self, id: SocketId, datagram: Datagram, priority: Priority) {
        if self.receive_announced(id, datagram.payload.len()) {
            assert_eq!(self.table.slot(id).kind, Kind::Datagram, "{id}: the gate knows the kind");
            self.table.slot_mut(id).rare.datagrams.push(datagram, priority);
            self.warn_if_due(id);
            self.settle(id);
        }
    }

    /// Takes note that an announced send has arrived. `false`: it came too late, and is counted.
    fn receive_announced(&mut self, id: SocketId, len: usize) -> bool {
        let gate = self.directory.gate(id).expect("a living id has a gate");
        assert!(gate.is_alive(id), "{id} was given back under an announced send");
        gate.receive_announced(id);
        let charge = len + crate::MESSAGE_OVERHEAD_BYTES;
        assert!(charge <= gate.charged_bytes(), "{id}: {len} B came and were not charged");
        let total = self.directory.total_charged_bytes();
        assert!(charge <= total, "{id}: {len} B came and are not in the total");
        let accepts = self.table.get(id).is_some_and(|slot| {
            let is_broken = slot.rare.write_fault.is_some();
            !is_broken && !matches!(slot.state, SocketState::Draining | SocketState::Closing)
        });
        if !accepts {
            self.stats.stale_commands += 1;
            self.release_charge(id, charge);
            if let Some(slot) = self.table.get_mut(id) {
                slot.rare.unsent_bytes += len as u64;
                self.settle(id);
            }
        }
        accepts
    }

    fn refuse_start(&mut self, socket: SocketId, by: ServiceId) {
        let is_over =
            self.table.get(socket).is_none_or(|slot| slot.is_helper || slot.cause.is_some());
        assert!(is_over, "{socket} goes on and cannot be started");
        let (operation, why) = (Operation::Start, RefusedReason::Gone);
        self.tell(Some(by), Message::Refused { socket, operation, why });
    }

    fn start(&mut self, id: SocketId, by: ServiceId) {
        let slot = self.table.slot_mut(id);
        let is_over = match slot.state {
            SocketState::Closing => true,
            SocketState::Flushing | SocketState::Draining => !slot.is_finishing,
            // It will flush as soon as it is open, and is not read any more.
            SocketState::Opening | SocketState::Connecting => {
                slot.is_shutdown_wanted && !slot.is_finishing
            }
            _ => false,
        };
        if is_over {
            return self.refuse_start(id, by);
        }
        if !slot.is_reading && slot.state == SocketState::Open {
            // While nobody read, it was not the peer who was silent.
            slot.progress_at = slot.progress_at.max(self.now);
            slot.rare.resumed_at = Some(self.now);
        }
        slot.is_reading = true;
        slot.is_pause_owed = false;
        assert!(slot.cause.is_none() || slot.state != SocketState::Open, "{id} is over");
        assert!(!slot.discards_input(), "{id} throws away what it was started to read");
        let is_new_owner = slot.owner != Some(by);
        if slot.state == SocketState::Accepted {
            slot.enter(SocketState::Open, self.now);
        }
        let has_eof = slot.state == SocketState::EofSeen;
        assert!(slot.is_reading && !slot.is_pause_owed, "{id} was started and owes `Paused`");
        assert!(!self.table.slot(id).is_twin(), "{id} is started by its listener alone");
        self.ask_twins(id, || TwinOrder::Start { by });
        if is_new_owner {
            self.change_owner(id, by);
            let slot = self.table.slot(id);
            let has_moved = slot.owner == Some(by) || slot.cause.is_some();
            assert!(has_moved, "{id} was started by {by} and belongs to another");
            let is_open = self.table.get(id).is_some_and(|slot| slot.state == SocketState::EofSeen);
            if has_eof && is_open {
                self.tell_owner(id, Message::Eof { socket: id });
            }
        }
    }

    fn pause(&mut self, id: SocketId) {
        let slot = self.table.slot_mut(id);
        assert!(slot.is_told || slot.closing != Closing::No, "{id}: nobody knows of it");
        match slot.state {
            SocketState::Closing => {}
            SocketState::Flushing | SocketState::Draining if !slot.is_finishing => {}
            SocketState::Opening | SocketState::Connecting => {
                slot.is_reading = false;
                slot.is_pause_owed = true;
            }
            _ => {
                slot.is_reading = false;
                if slot.is_fin_noticed {
                    slot.progress_at = self.now;
                }
                let write_fault = slot.rare.write_fault.as_deref().copied();
                if self.pause_twins(id) {
                    return;
                }
                self.tell_owner(id, Message::Paused { socket: id });
                if let Some(fault) = write_fault {
                    // It waited for what can still be read, and nothing is read any more.
                    self.fail(id, fault, Operation::Write);
                }
            }
        }
    }

    fn set_option(&mut self, id: SocketId, option: SocketOption) {
        let slot = self.table.slot_mut(id);
        if let SocketOption::Timeout(which, span) = option
            && slot.set_timeout(which, span)
        {
            // Nobody else need be asked; the timer follows when the socket is settled.
            return;
        }
        self.defer(id, Deferred::Option(option));
    }

    fn defer(&mut self, id: SocketId, deferred: Deferred) {
        let slot = self.table.slot_mut(id);
        assert!(slot.is_told || slot.state == SocketState::Closing, "{id}: nobody knows of it");
        if slot.state != SocketState::Closing {
            slot.rare.deferred.push_back(deferred);
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
    all.extend_from_slice(&first);
    parts.for_each(|part| all.extend_from_slice(&part));
    assert_eq!(all.len(), len, "the parts' lengths were counted before");
    Bytes::from(all)
}
