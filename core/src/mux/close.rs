//! How a socket ends.

use super::Mux;
use super::slot::{Attempt, Closing, Kind};
use super::table::Chain;
use super::timers::TimerKey;
use crate::{
    Answer, Backend, CloseHow, CloseReason, Fault, Message, Operation, SocketId, SocketState,
};

/// The most sockets that an exit report names.
pub(super) const REPORTED_SOCKETS_MAX: usize = 1024;

impl Mux {
    /// The socket ends now: nothing more is read or sent, the backend is asked to let go, and
    /// `Close` follows when it has and when no announced send is on its way. The cause must have
    /// been named.
    pub(super) fn begin_close(&mut self, id: SocketId) {
        let now = self.now;
        let gate = self.directory.gate(id).expect("a living id has a gate");
        assert!(gate.close_output(id), "{id} is in the table and not alive");
        let slot = self.table.slot_mut(id);
        assert!(slot.cause.is_some(), "{id} ends without a cause");
        if slot.state == SocketState::Closing {
            return;
        }
        // What is on its way is waited for, and may be lost, too.
        let is_lossy = slot.has_output();
        let how =
            if is_lossy && slot.kind == Kind::Stream { CloseHow::Reset } else { CloseHow::Plain };
        let was_given_up =
            slot.rare.dial.as_ref().is_some_and(|dial| dial.attempt == Attempt::Closing);
        slot.closing = match (slot.is_open, was_given_up) {
            (_, true) => Closing::Waiting,
            (true, false) => Closing::Asked(how),
            (false, false) => Closing::Done,
        };
        assert_eq!(slot.closing == Closing::Done, !slot.is_open, "{id}: what holds the backend?");
        slot.enter(SocketState::Closing, now);
        self.close_twins(id);
        self.end_race(id);
        let slot = self.table.slot_mut(id);
        slot.rare.opening = None;
        slot.rare.dial = None;
        slot.rare.deferred.clear();
        slot.is_failure_noticed = false;
        self.unlink_input(id);
        self.drop_held_input(id);
        assert!(!self.table.slot(id).has_held_input(), "{id} ends and keeps input");
        self.settle(id);
    }

    /// The socket ends because a call failed; `Error` is told right before `Close`, so that data
    /// which still arrives comes before both.
    pub(super) fn fail(&mut self, id: SocketId, fault: Fault, operation: Operation) {
        let slot = self.table.slot_mut(id);
        if slot.state == SocketState::Closing {
            return;
        }
        let is_draining = slot.state == SocketState::Draining && !slot.is_finishing;
        let is_opening = matches!(slot.state, SocketState::Opening | SocketState::Connecting);
        assert!(operation.can_be_fatal(), "{id} dies of {operation:?}");
        let is_use =
            matches!(operation, Operation::Read | Operation::Write | Operation::ShutdownWrite);
        assert_eq!(is_opening, !is_use, "{id} is {:?} and fails to {operation:?}", slot.state);
        assert!(slot.rare.fatal.is_none(), "{id} fails twice");
        // A read that completes late is the owner's only if the owner was still reading.
        slot.is_reading &= !slot.discards_input();
        slot.fail_cause(if is_opening {
            CloseReason::ConnectFailed(fault)
        } else {
            CloseReason::Fault(fault)
        });
        if !is_draining {
            slot.rare.fatal = Some(Box::new((fault, operation)));
        }
        self.begin_close(id);
        assert_eq!(self.table.slot(id).state, SocketState::Closing, "{id} outlives its failure");
    }

    /// Throws away what came in and was not wanted yet.
    pub(super) fn drop_held_input(&mut self, id: SocketId) {
        let slot = self.table.slot_mut(id);
        match slot.rare.held.take().map(|held| *held) {
            Some(Ok(bytes)) if bytes.is_empty() => slot.is_eof = true,
            Some(Err(fault)) if slot.state != SocketState::Closing => {
                slot.rare.held = Some(Box::new(Err(fault)));
            }
            Some(Ok(_) | Err(_)) | None => {}
        }
        slot.rare.held_datagram = None;
        let keeps_fault = slot.rare.held.is_none() || slot.has_held_fault();
        assert!(keeps_fault, "{id} keeps bytes that nobody wants");
        let Some(listener) = slot.rare.listener.as_mut() else { return };
        if let Some(Ok(accepted)) = listener.held.take() {
            assert!(listener.reserved.is_some(), "{id} accepted without an id");
            self.refuse_accepted(id, accepted);
        }
    }

    /// Asks the backend to let go, and tells `Close` when everything has.
    pub(super) fn serve_closing<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let on_the_way = self.on_the_way(id);
        let slot = self.table.slot_mut(id);
        assert_ne!(slot.closing, Closing::No, "{id} is closed and does not end");
        if let Closing::Asked(how) = slot.closing
            && !on_the_way.has_direct
            && !on_the_way.has_sends
        {
            assert!(slot.is_open, "{id}: the backend holds nothing");
            let gate = self.directory.gate(id).expect("a living id has a gate");
            // Since the end began a write may have taken the rest, and sends may have come too
            // late; at the exit's deadline they are not waited for.
            let is_lossy = slot.has_output()
                || slot.rare.unsent_bytes > 0
                || gate.announced_bytes(slot.charge_bytes()) > 0;
            let how = match slot.kind {
                Kind::Stream if is_lossy => CloseHow::Reset,
                _ if slot.is_told => CloseHow::Plain,
                _ => how,
            };
            backend.regard(id, slot.situation());
            slot.closing = match backend.close(id, how) {
                Answer::Ready(()) => Closing::Done,
                Answer::Later => Closing::Waiting,
            };
        }
        assert_ne!(slot.closing, Closing::No, "{id}: a close was forgotten");
        let is_done = slot.closing == Closing::Done;
        assert!(!is_done || !on_the_way.has_direct, "{id} was closed under a direct write");
        let waits_for_twins = self.table.slot(id).waits_for_twins();
        if is_done && !on_the_way.has_sends && !on_the_way.has_flush && !waits_for_twins {
            self.finish_close(id);
        }
    }

    fn finish_close(&mut self, id: SocketId) {
        self.unlink_all(id);
        let gate = self.directory.gate(id).expect("a living id has a gate");
        assert!(!gate.is_open(id), "{id} admits sends to the end");
        let slot = self.table.slot_mut(id);
        assert_eq!(slot.closing, Closing::Done, "{id} is closed while the backend holds it");
        let charge = slot.charge_bytes();
        // Only at the exit's deadline is a send not waited for: its service is still in a call.
        let is_abandoned = gate.has_announced();
        assert!(is_abandoned || charge == gate.charged_bytes(), "{id} is charged for nothing");
        let late = gate.announced_bytes(charge);
        let left = slot.outbox.clear() + slot.rare.datagrams.clear() + late;
        let unsent = slot.rare.unsent_bytes + left as u64;
        let reason = slot.cause.expect("a closing socket has a cause");
        slot.check_reason(reason);
        let by_exit = reason == CloseReason::Exit;
        assert!(!by_exit || self.exit.is_some(), "{id} ends with a runtime that goes on");
        assert!(slot.is_told || unsent == 0, "{id} lost bytes that nobody sent");
        let (is_told, is_helper) = (slot.is_told, slot.is_helper);
        let fatal = slot.rare.fatal.take().map(|fatal| *fatal);
        let reserved = slot.rare.listener.as_mut().and_then(|listener| listener.reserved.take());
        let twin_of = slot.rare.listener.as_ref().and_then(|listener| listener.twin_of);
        self.release_charge(id, charge);
        if is_told {
            if let Some((fault, operation)) = fatal {
                let error = Message::Error { socket: id, fault, operation, fatal: true };
                self.tell_owner(id, error);
            }
            self.tell_owner(id, Message::Close { socket: id, reason, unsent });
        }
        if !is_helper {
            self.report_close(id, unsent);
        }
        self.disown(id);
        self.waiters.forget_socket(id);
        let slot = self.table.remove(id);
        if !slot.is_helper {
            self.stats.count_state(Some(slot.counted_state), None);
            self.stats.count_close(reason);
        }
        if !is_abandoned {
            self.directory.free_socket(id);
        }
        if let Some(listener) = twin_of {
            self.twin_closed(listener, id, fatal.map(|(fault, _)| fault));
        }
        if let Some(reserved) = reserved {
            self.directory.free_reserved(reserved);
        }
        self.wake_stalled_listeners();
    }

    pub(super) fn unlink_all(&mut self, id: SocketId) {
        self.unlink_input(id);
        if self.table.is_linked(Chain::Output, id) {
            self.table.unlink(&mut self.ready_output, Chain::Output, id);
        }
        if let Some(armed_at) = self.table.slot_mut(id).armed_at.take() {
            let was_armed = self.timers.remove(&(armed_at, TimerKey::Socket(id)));
            assert!(was_armed, "the timer of {id} was lost");
        }
        let is_linked = self.table.is_linked(Chain::Input, id);
        assert!(!is_linked, "{id} ends and waits to be read");
    }

    fn report_close(&mut self, id: SocketId, unsent: u64) {
        let Some(exit) = &self.exit else { return };
        self.exit_report.closed += 1;
        self.exit_report.unsent_bytes += unsent;
        if exit.is_forcing {
            self.exit_report.closed_at_deadline += 1;
        }
        if unsent > 0 && self.exit_report.unsent.len() < REPORTED_SOCKETS_MAX {
            self.exit_report.unsent.push((id, unsent));
        }
        let report = &self.exit_report;
        assert!(report.closed_at_deadline <= report.closed, "more were forced than closed");
        assert!(report.unsent.len() as u64 <= report.closed, "more lost bytes than closed");
    }
}
