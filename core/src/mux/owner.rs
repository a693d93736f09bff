//! Who owns a socket, and what a full mailbox or the end of a service does to it.

use super::services::Ending;
use super::table::Chain;
use super::{Delivery, Mux};
use crate::{CloseReason, ServiceId, SocketId, SocketState};

/// Sockets that are moved on by one turn for each service that resumes or ends.
const SOCKETS_PER_STEP: usize = 64;

impl Mux {
    /// Makes a service the owner. If it is gone or about to go, the socket shares its fate.
    pub(super) fn change_owner(&mut self, id: SocketId, to: ServiceId) {
        self.disown(id);
        assert!(self.table.slot(id).owner.is_none(), "{id} would have two owners");
        let Some(entry) = self.services.get_mut(to) else {
            return self.orphan(id, false);
        };
        assert_eq!(entry.id, to, "another service stands in the place");
        match entry.ending {
            Ending::Released { abrupt } => self.orphan(id, abrupt),
            Ending::No | Ending::Draining { .. } => {
                let is_draining = entry.ending != Ending::No;
                self.table.push_back(&mut entry.owned, Chain::Owned, id);
                self.table.slot_mut(id).owner = Some(to);
                assert!(self.table.is_linked(Chain::Owned, id), "{id} is not in {to}'s list");
                if is_draining {
                    self.shut_down(id, CloseReason::Exit, false);
                }
            }
        }
    }

    /// Takes the socket away from its owner, if it has one. A place among those whose input is
    /// ready is the socket's own: who hands it on again and again must not starve it.
    pub(super) fn disown(&mut self, id: SocketId) {
        if self.table.slot(id).waits_for_mailbox {
            self.unlink_input(id);
        }
        let Some(owner) = self.table.slot_mut(id).owner.take() else { return };
        let entry = self.services.get_mut(owner).expect("an owner is there");
        assert!(entry.owned.len() >= entry.waiting_input.len(), "{owner} waits for others");
        self.table.unlink(&mut entry.owned, Chain::Owned, id);
        assert!(!self.table.is_linked(Chain::Owned, id), "{id} is owned by nobody");
        self.remove_if_ended(owner);
    }

    /// The owner is gone: the socket ends, gracefully if that was graceful.
    fn orphan(&mut self, id: SocketId, abrupt: bool) {
        assert!(self.table.slot(id).owner.is_none(), "{id} has an owner");
        assert!(!self.table.is_linked(Chain::Owned, id), "{id} is in an owner's list");
        if self.orphan_twin(id) {
            return;
        }
        if abrupt {
            self.table.slot_mut(id).add_cause(CloseReason::OwnerGone);
            self.begin_close(id);
        } else {
            self.shut_down(id, CloseReason::OwnerGone, false);
        }
        assert!(self.table.slot(id).cause.is_some(), "{id} belongs to nobody and goes on");
        self.settle(id);
    }

    /// A service handled messages of this charge; its mailbox may have room again.
    pub(super) fn service_handled(&mut self, id: ServiceId, charge_bytes: usize, exit: bool) {
        let mailbox_bytes_max = self.config().mailbox_bytes_max;
        let Some(entry) = self.services.get_mut(id) else {
            self.stats.stale_commands += 1;
            return;
        };
        assert!(charge_bytes <= entry.charge_bytes, "{id} handled more than it was told");
        entry.charge_bytes -= charge_bytes;
        let can_wait = entry.is_held_back
            || entry.waiting_input.is_empty()
            || matches!(entry.ending, Ending::Released { .. });
        assert!(can_wait || self.resuming.contains(&id), "{id} has room and is forgotten");
        if entry.is_held_back && entry.charge_bytes < mailbox_bytes_max.div_ceil(2) {
            entry.is_held_back = false;
            if !entry.waiting_input.is_empty() {
                self.resuming.push_back(id);
            }
        }
        let costs = entry.charge_bytes > 0;
        assert!(costs || !entry.is_held_back, "{id} handled everything and is held back");
        if exit {
            self.drain_everywhere(id);
        }
    }

    /// Begins to shut down every socket of a service, because the runtime stops.
    pub(super) fn drain_service(&mut self, id: ServiceId) {
        let Some(entry) = self.services.get_mut(id) else { return };
        assert!(self.exit.is_some(), "{id} drains and the runtime goes on");
        if entry.ending == Ending::No {
            debug_assert!(!self.ending.contains(&id), "{id} ends already");
            entry.ending = Ending::Draining { left: entry.owned.len() };
            self.ending.push_back(id);
        }
    }

    /// Ends a service: nothing is delivered to it any more, its timers end, its sockets follow.
    pub(super) fn release_service(&mut self, id: ServiceId, abrupt: bool) {
        if !self.services.is_alive(id) {
            self.stats.stale_commands += 1;
            return;
        }
        let entry = self.services.get_mut(id).expect("a living service has an entry");
        assert!(!matches!(entry.ending, Ending::Released { .. }), "{id} is released twice");
        entry.ending = Ending::Released { abrupt };
        entry.is_held_back = false;
        let timers = std::mem::take(&mut entry.timers);
        for (timer, deadline) in timers {
            self.disarm_service_timer(id, timer, deadline);
        }
        assert!(self.directory.is_service_alive(id), "{id} gave its id back before its sockets");
        self.waiters.forget_service(id);
        self.info_jobs.retain(|job| job.by != id);
        self.info_waiting.retain(|job| job.by != id);
        self.early_drains.retain(|service| *service != id);
        self.deliveries.push_back(Delivery::Release(id));
        self.ending.push_back(id);
        assert!(!self.services.is_alive(id), "{id} survived its release");
    }

    /// Moves services on that resume or end, a bounded number of sockets each.
    pub(super) fn work_services(&mut self) {
        if let Some(id) = self.resuming.pop_front()
            && self.resume_some(id)
        {
            self.resuming.push_back(id);
        }
        if let Some(id) = self.ending.pop_front()
            && self.end_some(id)
        {
            self.ending.push_back(id);
        }
    }

    /// Answers whether sockets are left.
    fn resume_some(&mut self, id: ServiceId) -> bool {
        for _ in 0..SOCKETS_PER_STEP {
            let Some(entry) = self.services.get_mut(id) else { return false };
            let (waiting, owned) = (entry.waiting_input.len(), entry.owned.len());
            assert!(waiting <= owned, "{id} waits for {waiting} sockets and owns {owned}");
            if entry.is_held_back {
                // It filled up again; the next time that it has room it resumes again.
                return false;
            }
            let Some(socket) = self.table.pop_front(&mut entry.waiting_input, Chain::Input) else {
                return false;
            };
            let slot = self.table.slot_mut(socket);
            assert!(slot.waits_for_mailbox, "{socket} waits for no mailbox");
            assert_eq!(slot.owner, Some(id), "{socket} waits for another's mailbox");
            slot.waits_for_mailbox = false;
            self.settle(socket);
        }
        true
    }

    /// Answers whether sockets are left.
    fn end_some(&mut self, id: ServiceId) -> bool {
        for _ in 0..SOCKETS_PER_STEP {
            let Some(entry) = self.services.get_mut(id) else { return false };
            match &mut entry.ending {
                Ending::No => unreachable!("{id} does not end"),
                Ending::Draining { left } => {
                    if *left == 0 || entry.owned.is_empty() {
                        return false;
                    }
                    *left -= 1;
                    let socket = self.first_owned(id).expect("it owns sockets, as was just seen");
                    self.shut_down(socket, CloseReason::Exit, false);
                    self.settle(socket);
                }
                Ending::Released { abrupt } => {
                    let abrupt = *abrupt;
                    let Some(socket) = self.first_owned(id) else {
                        self.remove_if_ended(id);
                        return false;
                    };
                    self.disown(socket);
                    self.orphan(socket, abrupt);
                }
            }
        }
        true
    }

    fn first_owned(&mut self, id: ServiceId) -> Option<SocketId> {
        let entry = self.services.get_mut(id)?;
        let socket = self.table.pop_front(&mut entry.owned, Chain::Owned)?;
        self.table.push_back(&mut entry.owned, Chain::Owned, socket);
        assert_eq!(self.table.slot(socket).owner, Some(id), "{socket} is in another's list");
        Some(socket)
    }

    /// A released service without sockets gives its id back.
    fn remove_if_ended(&mut self, id: ServiceId) {
        let Some(entry) = self.services.get(id) else { return };
        if matches!(entry.ending, Ending::Released { .. }) && entry.owned.is_empty() {
            assert!(entry.waiting_input.is_empty(), "{id} owns nothing and something waits");
            self.services.remove(id);
            self.directory.free_service(id);
        }
    }

    /// Ends the output of a socket, and then the socket: flush, FIN, wait for the peer's FIN.
    /// With `finishing` input is still wanted meanwhile.
    pub(super) fn shut_down(&mut self, id: SocketId, cause: CloseReason, finishing: bool) {
        let now = self.now;
        let gate = self.directory.gate(id).expect("a living id has a gate");
        assert!(gate.close_output(id), "{id} is in the table and not alive");
        assert_ne!(cause, CloseReason::Closed, "{id}: `close` does not flush");
        let slot = self.table.slot_mut(id);
        slot.add_cause(cause);
        match slot.state {
            SocketState::Closing => return,
            SocketState::Listening => return self.begin_close(id),
            SocketState::Opening if slot.kind == super::Kind::Listener => {
                return self.begin_close(id);
            }
            SocketState::Opening | SocketState::Connecting => {
                // As later: after a `shutdown`, no `finish` brings the input back.
                slot.is_finishing = finishing && (!slot.is_shutdown_wanted || slot.is_finishing);
                slot.is_shutdown_wanted = true;
            }
            SocketState::Flushing | SocketState::Draining => {
                if slot.is_finishing && !finishing {
                    slot.is_finishing = false;
                    slot.enter(slot.state, now);
                }
            }
            SocketState::Accepted
            | SocketState::Open
            | SocketState::EofSeen
            | SocketState::Datagram => {
                slot.is_finishing = finishing;
                slot.enter(SocketState::Flushing, now);
            }
        }
        let state = self.table.slot(id).state;
        let ends = matches!(
            state,
            SocketState::Opening
                | SocketState::Connecting
                | SocketState::Flushing
                | SocketState::Draining
        );
        assert!(ends, "{id} was shut down and is {state:?}");
        if self.table.slot(id).discards_input() {
            self.drop_held_input(id);
            let slot = self.table.slot(id);
            if slot.state == SocketState::Draining && slot.is_eof {
                // The peer's FIN waited for a paused owner; with own FIN out, that is the end.
                self.begin_close(id);
            }
        }
    }
}
