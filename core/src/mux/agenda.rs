//! Work of the Mux that is about no single socket.

use std::collections::VecDeque;

use crate::shard::InfoPart;
use crate::{Instant, ServiceId};

/// Work of the Mux that is about no single socket, done a bounded part in each turn.
#[derive(Default)]
pub(crate) struct Agenda {
    /// Services whose mailbox has room again, with sockets that wait for that.
    pub(crate) resuming: VecDeque<ServiceId>,
    /// Services that end and still have sockets to be told.
    pub(crate) ending: VecDeque<ServiceId>,
    pub(crate) info_jobs: VecDeque<InfoJob>,
    /// Answers of which other Muxes still owe their part.
    pub(crate) info_waiting: Vec<InfoJob>,
    /// Services that had handled `Exit` before this Mux heard of the exit.
    pub(crate) early_drains: Vec<ServiceId>,
    pub(crate) exit: Option<Exit>,
}

impl Agenda {
    /// Returns `true` if there is nothing that a turn would do.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.exit.is_none() && !self.has_work()
    }

    /// Returns `true` if there is something that a turn would do whatever the time is.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        !self.resuming.is_empty() || !self.ending.is_empty() || !self.info_jobs.is_empty()
    }
}

/// An answer to `info` that is being gathered.
pub(crate) struct InfoJob {
    pub(crate) by: ServiceId,
    pub(crate) next_place: u32,
    pub(crate) part: InfoPart,
    /// The Mux that gathers the whole, if that is another one.
    pub(crate) reply_to: Option<u32>,
    /// The Muxes that still owe their part, a bit for each.
    pub(crate) missing: u64,
}

/// An exit under way.
#[derive(Hash)]
pub(crate) struct Exit {
    /// From then on no service is waited for.
    pub(crate) half_at: Instant,
    pub(crate) deadline: Instant,
    /// Places of the table that are still to be swept, from here on, for listeners or, when
    /// forcing, for everything.
    pub(crate) swept: u32,
    pub(crate) is_half_over: bool,
    /// The deadline has passed: what is left is closed.
    pub(crate) is_forcing: bool,
}

impl Exit {
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match (self.is_half_over, self.is_forcing) {
            (false, _) => Some(self.half_at),
            (true, false) => Some(self.deadline),
            (true, true) => None,
        }
    }
}
