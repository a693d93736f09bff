//! What `info` tells.

use super::Mux;
use super::slot::Slot;
use crate::{Message, ServiceId, SocketInfo};

/// An answer that is being gathered.
pub(super) struct InfoJob {
    pub(super) by: ServiceId,
    next_place: u32,
    sockets: Vec<SocketInfo>,
}

/// Places that one turn looks at.
const PLACES_PER_TURN: u32 = 256;

impl Mux {
    pub(super) fn begin_info(&mut self, by: ServiceId) {
        if !self.services.is_alive(by) {
            self.stats.stale_commands += 1;
            return;
        }
        self.info_jobs.push_back(InfoJob { by, next_place: 0, sockets: Vec::new() });
    }

    /// Gathers some of the oldest question's answer.
    pub(super) fn gather_info(&mut self) {
        let Some(mut job) = self.info_jobs.pop_front() else { return };
        let places = self.table.places();
        assert!(job.next_place <= places, "a table does not shrink");
        assert!(self.services.is_alive(job.by), "{} asked and is gone", job.by);
        let until = places.min(job.next_place.saturating_add(PLACES_PER_TURN));
        for index in job.next_place..until {
            if let Some(id) = self.table.at(index).map(|slot| slot.id) {
                self.learn_written(id);
            }
        }
        let slots = (job.next_place..until).filter_map(|index| self.table.at(index));
        job.sockets.extend(slots.filter(|slot| slot.is_told).map(|slot| self.info_of(slot)));
        job.next_place = until;
        assert!(job.sockets.len() <= until as usize, "a place was told of twice");
        if until == places {
            self.tell(Some(job.by), Message::Info(job.sockets));
        } else {
            self.info_jobs.push_front(job);
        }
    }

    fn info_of(&self, slot: &Slot) -> SocketInfo {
        let counters = &slot.rare.counters;
        assert!(slot.is_told, "{} is nobody's", slot.id);
        assert!(counters.last_read.max(counters.last_write) <= Some(self.now), "it is later");
        SocketInfo {
            socket: slot.id,
            kind: slot.kind,
            state: slot.state,
            owner: slot.owner,
            local: slot.rare.local.clone(),
            peer: slot.rare.peer.clone(),
            bytes_in: counters.bytes_in,
            bytes_out: counters.bytes_out,
            messages_in: counters.messages_in,
            messages_out: counters.messages_out,
            last_read: counters.last_read,
            last_write: counters.last_write,
            queued_bytes: slot.pending_bytes() as u64,
            reading: slot.wants_input(),
            writing: slot.has_output(),
            accepted: slot.rare.listener.as_ref().map_or(0, |listener| listener.accepted),
        }
    }
}
