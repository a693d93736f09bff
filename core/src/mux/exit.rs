//! The exit of the runtime.

use std::time::Duration;

use super::Mux;
use super::agenda::Exit;
use super::sockets::AnyPart;
use super::sockets::kind::Kind;
use crate::{CloseReason, Message, SocketId, SocketState};

/// Places that one turn sweeps.
const PLACES_PER_TURN: u32 = 256;

impl Mux {
    /// Begins to stop: nothing new is opened, listeners close, every service is told.
    pub(super) fn begin_exit(&mut self, within: Duration) {
        self.directory.stop();
        let deadline = self.desk.now + within;
        if let Some(exit) = &mut self.agenda.exit {
            // Asked again: an earlier deadline counts, a later one does not.
            exit.deadline = exit.deadline.min(deadline);
            exit.half_at = exit.half_at.min(exit.deadline);
            return;
        }
        let half_at = self.desk.now + within / 2;
        let (is_half_over, is_forcing) = (false, false);
        self.agenda.exit = Some(Exit { half_at, deadline, swept: 0, is_half_over, is_forcing });
        self.desk.is_exiting = true;
        self.tell_exit();
        for id in std::mem::take(&mut self.agenda.early_drains) {
            self.drain_service(id);
        }
    }

    /// Tells every service that the runtime stops: each is told at home.
    fn tell_exit(&mut self) {
        let services: Vec<_> = self.desk.services.iter().map(|entry| entry.id).collect();
        for id in services {
            if self.desk.is_home_of(id) {
                self.desk.tell(Some(id), Message::Exit);
            }
        }
    }

    pub(super) fn has_exit_work(&self) -> bool {
        self.agenda.exit.as_ref().is_some_and(|exit| {
            let is_due = exit.next_deadline().is_some_and(|deadline| deadline <= self.desk.now);
            is_due || exit.swept < self.sockets.table.places()
        })
    }

    /// Moves an exit on, a bounded number of sockets.
    pub(super) fn work_exit(&mut self) {
        let places = self.sockets.table.places();
        let Some(exit) = &mut self.agenda.exit else { return };
        if !exit.is_half_over && exit.half_at <= self.desk.now {
            exit.is_half_over = true;
            let services: Vec<_> = self.desk.services.iter().map(|entry| entry.id).collect();
            services.into_iter().for_each(|id| self.drain_service(id));
        }
        let Some(exit) = &mut self.agenda.exit else { return };
        if !exit.is_forcing && exit.deadline <= self.desk.now {
            exit.is_half_over = true;
            exit.is_forcing = true;
            exit.swept = 0;
            self.desk.is_forcing = true;
        }
        let (is_forcing, from) = (exit.is_forcing, exit.swept);
        exit.swept = places.min(from.saturating_add(PLACES_PER_TURN));
        for index in from..exit.swept {
            let Some(id) = self.sockets.table.at(index).map(|socket| socket.id()) else { continue };
            self.sweep(id, is_forcing);
        }
    }

    fn sweep(&mut self, id: SocketId, is_forcing: bool) {
        self.with_living(id, |focus| {
            let is_listener = matches!(focus.part, AnyPart::Listener(_));
            let is_racer = focus.head.is_helper() && focus.part.state() == SocketState::Connecting;
            if focus.part.is_closing() || is_racer || !is_forcing && !is_listener {
                // One that closes may have waited for a send of a service that is not waited for
                // any more: it is settled. A racer ends with the connect that it races for.
                return;
            }
            if is_forcing {
                focus.head.fail_cause(CloseReason::Exit);
            } else {
                focus.head.add_cause(CloseReason::Exit);
            }
            focus.begin_close();
        });
    }
}
