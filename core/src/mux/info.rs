//! What `info` tells.

use super::Mux;
use super::slot::Slot;
use crate::shard::{InfoPart, ShardOrder};
use crate::{Message, ServiceId, SocketInfo};

/// An answer that is being gathered.
pub(super) struct InfoJob {
    pub(super) by: ServiceId,
    next_place: u32,
    part: InfoPart,
    /// The Mux that gathers the whole, if that is another one.
    reply_to: Option<u32>,
    /// The Muxes that still owe their part, a bit for each.
    missing: u64,
}

/// Places that one turn looks at.
const PLACES_PER_TURN: u32 = 256;

impl InfoJob {
    /// Whether another Mux still owes its part.
    pub(super) fn is_missing_some(&self) -> bool {
        assert!(self.reply_to.is_none() || self.missing == 0, "a part is a part of others'");
        self.missing != 0
    }
}

impl Mux {
    pub(super) fn begin_info(&mut self, by: ServiceId, reply_to: Option<u32>) {
        if !self.services.is_alive(by) {
            self.stats.stale_commands += 1;
            return;
        }
        let mut missing = 0;
        assert_ne!(reply_to, Some(self.shard), "a Mux answers itself");
        assert!(reply_to.is_some() || self.is_home_of(by), "{by} is told at home");
        if reply_to.is_none() {
            for shard in self.others() {
                missing |= 1 << shard;
                self.ask_shard(shard, ShardOrder::Info { by, reply_to: self.shard });
            }
        }
        let (next_place, part) = Default::default();
        self.info_jobs.push_back(InfoJob { by, next_place, part, reply_to, missing });
    }

    /// Another Mux says what it knows.
    pub(super) fn add_info_part(&mut self, by: ServiceId, from: u32, part: InfoPart) {
        assert!(from != self.shard && from < self.directory.shards(), "shard {from} answers");
        assert!(part.sockets.iter().all(|info| info.socket.shard() == from), "others' sockets");
        let bit = 1 << from;
        let mut jobs = self.info_waiting.iter_mut().chain(&mut self.info_jobs);
        // Each Mux answers in the order in which it was asked.
        let Some(job) = jobs.find(|job| job.by == by && job.missing & bit != 0) else {
            // Who asked was released meanwhile.
            assert!(!self.services.is_alive(by), "shard {from} answers what {by} did not ask");
            return;
        };
        job.missing &= !bit;
        job.part.sockets.extend(part.sockets);
        job.part.accepted.extend(part.accepted);
        let whole = self.info_waiting.iter().position(|job| job.missing == 0);
        if let Some(whole) = whole {
            let job = self.info_waiting.remove(whole);
            self.tell_info(job);
        }
    }

    fn tell_info(&mut self, job: InfoJob) {
        assert_eq!(job.missing, 0, "{} is told a part", job.by);
        assert!(job.reply_to.is_none(), "another Mux tells {}", job.by);
        let InfoPart { mut sockets, accepted } = job.part;
        sockets.sort_by_key(|info| info.socket);
        let is_once = sockets.windows(2).all(|pair| pair[0].socket != pair[1].socket);
        assert!(is_once, "a socket is told of twice");
        for (listener, count) in accepted {
            let found = sockets.binary_search_by_key(&listener, |info| info.socket);
            // It may have closed between two parts of the answer.
            if let Ok(found) = found {
                sockets[found].accepted += count;
            }
        }
        self.tell(Some(job.by), Message::Info(sockets));
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
        for slot in (job.next_place..until).filter_map(|index| self.table.at(index)) {
            if slot.is_told {
                job.part.sockets.push(self.info_of(slot));
            } else if let Some(listener) = &slot.rare.listener
                && let Some(twin_of) = listener.twin_of
            {
                job.part.accepted.push((twin_of, listener.accepted));
            }
        }
        job.next_place = until;
        if until < places {
            return self.info_jobs.push_front(job);
        }
        assert!(job.reply_to.is_none() || job.missing == 0, "a part is a part of others'");
        match job.reply_to {
            Some(shard) => {
                let (by, from, part) = (job.by, self.shard, Box::new(job.part));
                self.ask_shard(shard, ShardOrder::InfoPart { by, from, part });
            }
            None if job.is_missing_some() => self.info_waiting.push(job),
            None => self.tell_info(job),
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
