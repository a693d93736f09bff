//! The owner of a socket, and what a full mailbox or the end of a service does to it.

use super::Mux;
use super::desk::services::Ending;
use super::desk::timers::TimerKey;
use super::focus::{Focus, Typed};
use super::output::Delivery;
use super::sockets::AnyPart;
use super::sockets::datagram::{self, DatagramSocket};
use super::sockets::head::Head;
use super::sockets::kind::Kind;
use super::sockets::list::Chain;
use super::sockets::stream::{Phase, Stream};
use crate::{CloseReason, Handled, ServiceId, SocketId};

/// Sockets that are moved on by one turn for each service that resumes or ends.
const SOCKETS_PER_STEP: usize = 64;

impl Mux {
    /// Makes a service the owner. If it is gone or about to go, the socket shares its fate.
    pub(super) fn change_owner(&mut self, id: SocketId, to: ServiceId) {
        self.disown(id);
        let Some(entry) = self.desk.services.get_mut(to) else {
            return self.orphan(id, false);
        };
        match entry.ending {
            Ending::Released { abrupt } => self.orphan(id, abrupt),
            Ending::No | Ending::Draining { .. } => {
                let is_draining = entry.ending != Ending::No;
                self.sockets.table.push_back(&mut entry.owned, Chain::Owned, id);
                let mut focus = self.focus(id).expect("only a living socket has an owner");
                focus.head.owner = Some(to);
                if is_draining {
                    focus.shut_down(CloseReason::Exit, false);
                }
            }
        }
    }

    /// Takes the socket away from its owner, if it has one. A place among those whose input is
    /// ready is the socket's own: it must not starve by being handed on again and again.
    pub(super) fn disown(&mut self, id: SocketId) {
        self.leave_waiting(id);
        let focus = self.focus(id).expect("only a living socket has an owner");
        let Some(owner) = focus.head.owner.take() else { return };
        let entry = self.desk.services.get_mut(owner).expect("an owner is there");
        self.sockets.table.unlink(&mut entry.owned, Chain::Owned, id);
        self.remove_if_ended(owner);
    }

    /// The owner is gone: the socket ends, gracefully if that was graceful.
    fn orphan(&mut self, id: SocketId, abrupt: bool) {
        self.with_living(id, |focus| {
            if let AnyPart::Listener(listener) = focus.part
                && listener.is_twin()
            {
                // The listener decides what becomes of it, and has the same owner.
                focus.head.is_reading = false;
            } else if abrupt {
                focus.head.add_cause(CloseReason::OwnerGone);
                focus.begin_close();
            } else {
                focus.shut_down(CloseReason::OwnerGone, false);
            }
        });
    }

    /// As [`handle_command`](Self::handle_command) with
    /// [`Command::Handled`](crate::Command::Handled), for what
    /// [`Dispatcher::handle_in_front`](crate::Dispatcher::handle_in_front) answers: the service's
    /// mailbox may have room again.
    ///
    /// # Panics
    /// If the service handled more than it was told.
    #[inline]
    pub fn settle_handled(&mut self, handled: Handled) {
        let Handled { service: id, charge_bytes, exit } = handled;
        let mailbox_bytes_max = self.config().mailbox_bytes_max;
        let Some(entry) = self.desk.services.get_mut(id) else {
            self.desk.stats.stale_commands += 1;
            return;
        };
        assert!(charge_bytes <= entry.charge_bytes, "{id} handled more than it was told");
        entry.charge_bytes -= charge_bytes;
        if entry.is_held_back && entry.charge_bytes < mailbox_bytes_max.div_ceil(2) {
            entry.is_held_back = false;
            if !entry.waiting_input.is_empty() {
                self.agenda.resuming.push_back(id);
            }
        }
        if exit {
            self.drain_everywhere(id);
        }
    }

    /// Begins to shut down every socket of a service, because the runtime stops.
    pub(super) fn drain_service(&mut self, id: ServiceId) {
        let Some(entry) = self.desk.services.get_mut(id) else { return };
        if entry.ending == Ending::No {
            entry.ending = Ending::Draining { left: entry.owned.len() };
            self.agenda.ending.push_back(id);
        }
    }

    /// Ends a service: nothing is delivered to it any more, its timers end, its sockets follow.
    pub(super) fn release_service(&mut self, id: ServiceId, abrupt: bool) {
        let entry = self.desk.services.get_mut(id).filter(|entry| entry.is_alive());
        let Some(entry) = entry else {
            self.desk.stats.stale_commands += 1;
            return;
        };
        entry.ending = Ending::Released { abrupt };
        entry.is_held_back = false;
        let timers = std::mem::take(&mut entry.timers);
        for (timer, deadline) in timers {
            self.desk.disarm(deadline, TimerKey::Service(id, timer));
        }
        self.desk.waiters.forget_service(id);
        self.agenda.info_jobs.retain(|job| job.by != id);
        self.agenda.info_waiting.retain(|job| job.by != id);
        self.agenda.early_drains.retain(|service| *service != id);
        self.desk.deliveries.push_back(Delivery::Release(id));
        self.agenda.ending.push_back(id);
    }

    /// Moves services on that resume or end, a bounded number of sockets each.
    pub(super) fn work_services(&mut self) {
        if let Some(id) = self.agenda.resuming.pop_front()
            && self.resume_some(id)
        {
            self.agenda.resuming.push_back(id);
        }
        if let Some(id) = self.agenda.ending.pop_front()
            && self.end_some(id)
        {
            self.agenda.ending.push_back(id);
        }
    }

    /// Gives sockets their turn whose owner's mailbox has room; answers whether some are left.
    fn resume_some(&mut self, id: ServiceId) -> bool {
        for _ in 0..SOCKETS_PER_STEP {
            let Some(entry) = self.desk.services.get_mut(id) else { return false };
            if entry.is_held_back {
                // It filled up again; the next time that it has room it resumes again.
                return false;
            }
            let waiting = &mut entry.waiting_input;
            let Some(socket) = self.sockets.table.pop_front(waiting, Chain::Waiting) else {
                return false;
            };
            self.settle(socket);
        }
        true
    }

    /// Ends sockets of a service that ends; answers whether some are left.
    fn end_some(&mut self, id: ServiceId) -> bool {
        for _ in 0..SOCKETS_PER_STEP {
            let Some(entry) = self.desk.services.get_mut(id) else { return false };
            match &mut entry.ending {
                Ending::No => unreachable!("{id} goes on"),
                Ending::Draining { left } => {
                    if *left == 0 || entry.owned.is_empty() {
                        return false;
                    }
                    *left -= 1;
                    let socket = self.next_owned(id).expect("it owns sockets");
                    self.with_living(socket, |focus| focus.shut_down(CloseReason::Exit, false));
                }
                Ending::Released { abrupt } => {
                    let abrupt = *abrupt;
                    let Some(socket) = self.next_owned(id) else {
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

    /// The first socket of a service, which becomes its last.
    fn next_owned(&mut self, id: ServiceId) -> Option<SocketId> {
        let entry = self.desk.services.get_mut(id)?;
        let socket = self.sockets.table.pop_front(&mut entry.owned, Chain::Owned)?;
        self.sockets.table.push_back(&mut entry.owned, Chain::Owned, socket);
        Some(socket)
    }

    /// A released service without sockets gives its id back.
    fn remove_if_ended(&mut self, id: ServiceId) {
        let Some(entry) = self.desk.services.get(id) else { return };
        if !entry.is_alive() && entry.owned.is_empty() {
            self.desk.services.remove(id);
            self.directory.free_service(id);
        }
    }
}

impl Focus<'_, AnyPart> {
    /// Ends the output of a socket, and then the socket: flush, FIN, wait for the peer's FIN.
    /// With `finishing` input is still wanted meanwhile.
    pub(crate) fn shut_down(&mut self, cause: CloseReason, finishing: bool) {
        let was_alive = self.gate().close_output(self.id());
        assert!(was_alive, "{} is in the table and not alive", self.id());
        self.head.add_cause(cause);
        match self.typed() {
            Typed::Stream(mut focus) => focus.shut_down(finishing),
            Typed::Datagram(mut focus) => focus.shut_down(finishing),
            Typed::Listener(mut focus) => focus.begin_close(),
        }
    }
}

impl Head {
    /// `shutdown` or `finish` came before the socket was open. As later: after a `shutdown`, no
    /// `finish` brings the input back.
    fn want_shutdown(&mut self, finishing: bool) {
        self.is_finishing = finishing && (!self.is_shutdown_wanted || self.is_finishing);
        self.is_shutdown_wanted = true;
    }
}

impl Focus<'_, Stream> {
    fn shut_down(&mut self, finishing: bool) {
        match self.part.phase {
            Phase::Closing(_) => return,
            Phase::Adopting(_) | Phase::Dialling(_) => self.head.want_shutdown(finishing),
            Phase::Flushing => self.read_no_more(finishing, Phase::Flushing),
            Phase::Draining => self.read_no_more(finishing, Phase::Draining),
            Phase::Accepted | Phase::Open | Phase::EofSeen => {
                self.head.is_finishing = finishing;
                self.enter(Phase::Flushing);
            }
        }
        if self.part.discards_input(self.head) {
            self.part.drop_held(false);
            if matches!(self.part.phase, Phase::Draining) && self.part.is_eof {
                // The peer's FIN waited for a paused owner; with own FIN out, that is the end.
                self.begin_close();
            }
        }
    }

    /// `shutdown` after `finish`: the phase begins anew, and what comes is discarded.
    fn read_no_more(&mut self, finishing: bool, again: Phase) {
        if self.head.is_finishing && !finishing {
            self.head.is_finishing = false;
            self.enter(again);
        }
    }
}

impl Focus<'_, DatagramSocket> {
    fn shut_down(&mut self, finishing: bool) {
        match self.part.phase {
            datagram::Phase::Closing(_) => {}
            datagram::Phase::Opening(_) => self.head.want_shutdown(finishing),
            datagram::Phase::Flushing if self.head.is_finishing && !finishing => {
                self.head.is_finishing = false;
                self.enter(datagram::Phase::Flushing);
            }
            datagram::Phase::Flushing => {}
            datagram::Phase::Open => {
                self.head.is_finishing = finishing;
                self.enter(datagram::Phase::Flushing);
            }
        }
    }
}
