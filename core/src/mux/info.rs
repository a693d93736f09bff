//! Answers to `info`.

use super::Mux;
use super::agenda::InfoJob;
use super::sockets::kind::Kind;
use super::sockets::{AnyPart, Socket};
use crate::shard::{InfoPart, ShardOrder};
use crate::{Message, ServiceId, SocketInfo};

/// Places that one turn looks at.
const PLACES_PER_TURN: u32 = 256;

impl Mux {
    pub(super) fn begin_info(&mut self, by: ServiceId, reply_to: Option<u32>) {
        if !self.desk.services.is_alive(by) {
            self.desk.stats.stale_commands += 1;
            return;
        }
        let mut missing = 0;
        if reply_to.is_none() {
            for shard in self.others() {
                missing |= 1 << shard;
                let reply_to = self.desk.shard;
                self.desk.ask_shard(shard, ShardOrder::Info { by, reply_to });
            }
        }
        let (next_place, part) = Default::default();
        self.agenda.info_jobs.push_back(InfoJob { by, next_place, part, reply_to, missing });
    }

    /// Takes the part of an answer that another Mux gathered.
    pub(super) fn add_info_part(&mut self, by: ServiceId, from: u32, part: InfoPart) {
        let bit = 1 << from;
        let mut jobs = self.agenda.info_waiting.iter_mut().chain(&mut self.agenda.info_jobs);
        // Each Mux answers in the order in which it was asked.
        let Some(job) = jobs.find(|job| job.by == by && job.missing & bit != 0) else {
            let is_alive = self.desk.services.is_alive(by);
            assert!(!is_alive, "shard {from} answers {by}, which did not ask");
            return;
        };
        job.missing &= !bit;
        job.part.sockets.extend(part.sockets);
        job.part.accepted.extend(part.accepted);
        let whole = self.agenda.info_waiting.iter().position(|job| job.missing == 0);
        if let Some(whole) = whole {
            let job = self.agenda.info_waiting.remove(whole);
            self.tell_info(job);
        }
    }

    fn tell_info(&mut self, job: InfoJob) {
        let InfoPart { mut sockets, accepted } = job.part;
        sockets.sort_by_key(|info| info.socket);
        for (listener, count) in accepted {
            let found = sockets.binary_search_by_key(&listener, |info| info.socket);
            // It may have closed between two parts of the answer.
            if let Ok(found) = found {
                sockets[found].accepted += count;
            }
        }
        self.desk.tell(Some(job.by), Message::Info(sockets));
    }

    /// Gathers some of the oldest question's answer.
    pub(super) fn gather_info(&mut self) {
        let Some(mut job) = self.agenda.info_jobs.pop_front() else { return };
        let places = self.sockets.table.places();
        let until = places.min(job.next_place.saturating_add(PLACES_PER_TURN));
        for index in job.next_place..until {
            self.add_info_of(index, &mut job.part);
        }
        job.next_place = until;
        if until < places {
            return self.agenda.info_jobs.push_front(job);
        }
        match job.reply_to {
            Some(shard) => {
                let (by, from, part) = (job.by, self.desk.shard, Box::new(job.part));
                self.desk.ask_shard(shard, ShardOrder::InfoPart { by, from, part });
            }
            None if job.missing != 0 => self.agenda.info_waiting.push(job),
            None => self.tell_info(job),
        }
    }

    fn add_info_of(&self, index: u32, answer: &mut InfoPart) {
        let Some(socket) = self.sockets.table.at(index) else { return };
        let listener = match &socket.part {
            AnyPart::Listener(listener) => Some(listener),
            AnyPart::Stream(_) | AnyPart::Datagram(_) => None,
        };
        let accepted = listener.map_or(0, |listener| listener.accepted);
        if socket.head.is_told() {
            answer.sockets.push(info_of(socket, accepted));
        } else if let Some(twin_of) = listener.and_then(|listener| listener.twin_of) {
            answer.accepted.push((twin_of, accepted));
        }
    }
}

fn info_of(socket: &Socket, accepted: u64) -> SocketInfo {
    let Socket { head, part } = socket;
    let counters = &head.counters;
    SocketInfo {
        socket: head.id,
        kind: part.kind(),
        state: part.state(),
        owner: head.owner,
        local: head.rare.local.clone(),
        peer: head.rare.peer.clone(),
        bytes_in: counters.bytes_in,
        bytes_out: counters.bytes_out,
        messages_in: counters.messages_in,
        messages_out: counters.messages_out,
        last_read: counters.last_read,
        last_write: counters.last_write,
        queued_bytes: part.pending_bytes() as u64,
        reading: part.wants_input(head),
        writing: part.has_output(),
        accepted,
    }
}
