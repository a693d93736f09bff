//! How the runtime stops.

use std::time::Duration;

use super::Mux;
use super::services::Ending;
use super::slot::Kind;
use crate::{CloseReason, Instant, ServiceId, SocketId, SocketState};

/// An exit under way.
#[derive(Hash)]
pub(super) struct Exit {
    /// From then on no service is waited for.
    half_at: Instant,
    deadline: Instant,
    /// Places of the table that are still to be swept, from here on, for listeners or, when
    /// forcing, for everything.
    swept: u32,
    is_half_over: bool,
    /// The deadline has passed: what is left is closed.
    pub(super) is_forcing: bool,
}

/// Places that one turn sweeps.
const PLACES_PER_TURN: u32 = 256;

impl Exit {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        assert!(self.half_at <= self.deadline, "half of the time is longer than all of it");
        assert!(self.is_half_over || !self.is_forcing, "the whole is over before the half");
        match (self.is_half_over, self.is_forcing) {
            (false, _) => Some(self.half_at),
            (true, false) => Some(self.deadline),
            (true, true) => None,
        }
    }
}

impl Mux {
    /// Begins to stop: nothing new is opened, listeners close, every service is told.
    pub(super) fn begin_exit(&mut self, within: Duration) {
        self.directory.stop();
        assert!(self.directory.is_stopped(), "nothing is opened from now on");
        let deadline = self.now + within;
        assert!(deadline >= self.now, "an exit ends before it begins");
        if let Some(exit) = &mut self.exit {
            // Asked again: an earlier deadline counts, a later one does not.
            exit.deadline = exit.deadline.min(deadline);
            exit.half_at = exit.half_at.min(exit.deadline);
            assert!(exit.deadline <= deadline, "an exit does not take longer when asked again");
            return;
        }
        let half_at = self.now + within / 2;
        assert!(half_at <= deadline, "half of the time is longer than all of it");
        let (is_half_over, is_forcing) = (false, false);
        self.exit = Some(Exit { half_at, deadline, swept: 0, is_half_over, is_forcing });
        self.tell_exit();
        for id in std::mem::take(&mut self.early_drains) {
            self.drain_service(id);
        }
    }

    /// Whether the exit's deadline has passed, so that nobody is waited for.
    pub(super) fn is_forcing(&self) -> bool {
        assert!(self.exit.is_none() || self.directory.is_stopped(), "stopping, and still open");
        self.exit.as_ref().is_some_and(|exit| exit.is_forcing && exit.is_half_over)
    }

    pub(super) fn has_exit_work(&self) -> bool {
        self.exit.as_ref().is_some_and(|exit| {
            let is_due = exit.next_deadline().is_some_and(|deadline| deadline <= self.now);
            is_due || exit.swept < self.table.places()
        })
    }

    /// Moves an exit on, a bounded number of sockets.
    pub(super) fn work_exit(&mut self) {
        let places = self.table.places();
        let Some(exit) = &mut self.exit else { return };
        if !exit.is_half_over && exit.half_at <= self.now {
            exit.is_half_over = true;
            let services: Vec<ServiceId> = self.services.iter().map(|entry| entry.id).collect();
            services.into_iter().for_each(|id| self.drain_service(id));
            let all_end = self.services.iter().all(|entry| entry.ending != Ending::No);
            assert!(all_end, "half of the time is over and a service goes on");
        }
        let Some(exit) = &mut self.exit else { return };
        if !exit.is_forcing && exit.deadline <= self.now {
            exit.is_half_over = true;
            exit.is_forcing = true;
            exit.swept = 0;
        }
        let is_forcing = exit.is_forcing;
        let from = exit.swept;
        assert!(from <= places, "a table does not shrink");
        assert!(!is_forcing || exit.is_half_over, "the whole is over before the half");
        exit.swept = places.min(from.saturating_add(PLACES_PER_TURN));
        assert!(exit.swept > from || from == places, "a sweep stands still");
        for index in from..exit.swept {
            let Some(id) = self.table.at(index).map(|slot| slot.id) else { continue };
            self.sweep(id, is_forcing);
        }
    }

    fn sweep(&mut self, id: SocketId, is_forcing: bool) {
        let slot = self.table.slot_mut(id);
        if slot.state == SocketState::Closing {
            // It may have waited for a send of a service that is not waited for any more.
            return self.settle(id);
        }
        let is_racer = slot.is_helper && slot.state == SocketState::Connecting;
        if is_racer || !is_forcing && slot.kind != Kind::Listener {
            // Who races ends with the connect that it races for.
            return;
        }
        if is_forcing {
            slot.fail_cause(CloseReason::Exit);
        } else {
            slot.add_cause(CloseReason::Exit);
        }
        self.begin_close(id);
        let is_closing = self.table.get(id).is_some_and(|slot| slot.state == SocketState::Closing);
        assert!(is_closing, "{id} survived the exit's sweep");
    }
}
