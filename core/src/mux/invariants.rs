//! Every law that the Mux can see.

use super::Mux;
use super::services::Ending;
use super::slot::Slot;
use super::table::Chain;
use super::timers::TimerKey;
use crate::SocketState;

impl Mux {
    /// Checks every law that the Mux can see, in time proportional to its sockets.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        let (mut told, mut helpers) = (0, 0);
        let mut charged_bytes = 0;
        let mut is_asked = false;
        for slot in self.table.iter() {
            self.check_slot(slot);
            self.check_lists(slot);
            self.check_timer(slot);
            told += u64::from(slot.is_told);
            helpers += u64::from(slot.is_helper);
            let on_the_way = self.on_the_way(slot.id);
            is_asked |= on_the_way.has_sends;
            charged_bytes += slot.charge_bytes();
        }
        self.table.check_invariants();
        self.directory.check_invariants(self.shard);
        self.check_timers();
        let total = self.directory.total_charged_bytes();
        assert!(charged_bytes <= total, "queued {charged_bytes} B, charged {total}");
        assert!(total <= self.config().total_bytes_max, "the total exceeds its limit");
        self.stats.check();
        let opened = self.stats.opened - self.stats.closed;
        self.check_counted();
        let taken = self.directory.sockets_used();
        assert!(self.table.used() <= taken, "a socket lives under an id that is not taken");
        let used = self.table.used() as u64;
        assert_eq!(opened + helpers, used, "opened and closed do not add up");
        assert!(told <= opened, "more was told than is alive");
        let is_stopped = self.directory.is_stopped();
        assert!(self.exit.is_none() || is_stopped, "an exit stops the directory");
        let may_differ = self.directory.shards() > 1;
        assert!(may_differ || self.exit.is_some() == is_stopped, "stopped, and goes on");
        self.check_services();
        self.check_queues();
        self.check_waiters();
        let armed = self.table.iter().filter(|slot| slot.armed_at.is_some()).count();
        let set: usize = self.services.iter().map(|entry| entry.timers.len()).sum();
        let looks = usize::from(self.waiters.look_at.is_some());
        assert_eq!(armed + set + looks, self.timers.len(), "timers are armed for nobody");
        let may_wait = self.table.used() > 0 || self.waiters.len() == 0;
        assert!(may_wait || is_asked, "somebody waits for a socket that is gone");
    }

    /// What the counters say of sockets is what there is.
    fn check_counted(&self) {
        for (state, count) in self.stats.sockets() {
            let counted = self.table.iter().filter(|slot| !slot.is_helper);
            let slots = counted.filter(|slot| slot.state == state);
            assert_eq!(slots.count() as u64, count, "{state:?} is counted wrong");
        }
    }

    fn check_slot(&self, slot: &Slot) {
        let id = slot.id;
        slot.check();
        slot.outbox.check_invariants();
        slot.rare.datagrams.check_invariants();
        assert!(self.directory.is_alive(id), "{id} is in the table and not alive");
        let gate = self.directory.gate(id).expect("a living id has a gate");
        assert!(slot.charge_bytes() <= gate.charged_bytes(), "{id} holds more than is charged");
        if !gate.has_announced() && !gate.has_direct() {
            assert_eq!(slot.charge_bytes(), gate.charged_bytes(), "{id}'s charge is off");
        }
        assert!(gate.charged_bytes() <= self.config().outbox_bytes_max, "{id} is over its limit");
        let is_closing = slot.state == SocketState::Closing;
        let has_ended_output = slot.rare.write_fault.is_some()
            || matches!(
                slot.state,
                SocketState::Flushing | SocketState::Draining | SocketState::Closing
            );
        assert!(!has_ended_output || !gate.is_open(id), "{id} ends and admits sends");
        let is_draining = slot.state == SocketState::Draining;
        assert!(!is_draining || !gate.has_announced(), "{id}: FIN overtook a send");
        assert!(!is_draining || !gate.has_direct(), "{id}: FIN overtook a direct write");
        let is_free = self.is_free_to_write(slot);
        assert!(is_free || !Self::is_stream(slot) || gate.is_queued(), "{id}: anybody may write");
        assert!(slot.since <= self.now && slot.progress_at <= self.now, "{id} is ahead of time");
        let last = slot.rare.counters.last_read.max(slot.rare.counters.last_write);
        assert!(last <= Some(self.now), "{id} was read or written ahead of time");
        self.check_warning(slot);
        if let Some(listener) = &slot.rare.listener {
            if let Some(reserved) = listener.reserved {
                assert!(!self.directory.is_alive(reserved), "{reserved} lives unaccepted");
                assert!(self.directory.is_taken(reserved), "{reserved} may be another's");
            }
            let is_queued = self.stalled_listeners.contains(&id);
            assert!(!listener.is_stalled || is_queued, "{id} waits for an id in vain");
        }
        if slot.is_told && !is_closing {
            let has_owner = slot.owner.is_some();
            let is_ending = slot.cause.is_some();
            assert!(has_owner || is_ending, "{id} belongs to nobody and goes on");
        }
    }

    fn check_warning(&self, slot: &Slot) {
        let (id, pending) = (slot.id, slot.pending_bytes());
        let warn_bytes = self.config().warn_bytes;
        let next = slot.warn_next_bytes;
        assert_eq!(slot.is_warned, next > warn_bytes, "{id} warns next at {next} B");
        let is_ending = slot.is_shutdown_wanted
            || slot.rare.write_fault.is_some()
            || matches!(
                slot.state,
                SocketState::Flushing | SocketState::Draining | SocketState::Closing
            );
        if !is_ending {
            assert!(pending < next, "{id} has {pending} B pending and did not warn");
            let is_drained = pending < warn_bytes.div_ceil(2);
            assert!(!is_drained || !slot.is_warned, "{id} did not take its warning back");
        }
    }

    /// Whatever can be done is in a list: nothing is forgotten.
    fn check_lists(&self, slot: &Slot) {
        let id = slot.id;
        let on_the_way = self.on_the_way(id);
        let is_written = on_the_way.has_direct || on_the_way.has_flush;
        assert!(!is_written || Self::is_stream(slot), "{id} is no stream and is written directly");
        if slot.must_be_in_output(on_the_way) {
            assert!(self.table.is_linked(Chain::Output, id), "{id}: output work is forgotten");
        }
        if slot.has_input_work() {
            assert!(self.table.is_linked(Chain::Input, id), "{id}: input work is forgotten");
        }
        if slot.waits_for_mailbox {
            let owner = slot.owner.and_then(|owner| self.services.get(owner));
            let owner = owner.expect("somebody's mailbox is full");
            let goes_on = owner.is_held_back
                || self.resuming.contains(&owner.id)
                || self.ending.contains(&owner.id);
            assert!(self.table.is_linked(Chain::Input, id), "{id} waits in no list");
            assert!(goes_on, "{id} waits for {} in vain", owner.id);
        }
        let owner = slot.owner.map(|owner| self.services.get(owner));
        assert!(owner.is_none_or(|entry| entry.is_some()), "{id} belongs to who is gone");
        let is_owned = self.table.is_linked(Chain::Owned, id);
        assert_eq!(is_owned, slot.owner.is_some(), "{id}: the owner does not know it");
    }

    fn check_timer(&self, slot: &Slot) {
        let id = slot.id;
        if let Some(armed_at) = slot.armed_at {
            let is_set = self.timers.contains(&(armed_at, TimerKey::Socket(id)));
            assert!(is_set, "{id}: the timer is not set");
        }
        if let Some((deadline, due)) = slot.deadline(self.config()) {
            let armed_at = slot.armed_at.expect("a deadline without a timer");
            assert!(armed_at <= deadline, "{id}: {due:?} would come late");
            assert!(deadline >= slot.since, "{id}: {due:?} came before its state");
        }
    }

    /// Every timer that is set belongs to somebody, who knows it.
    fn check_timers(&self) {
        for (deadline, key) in &self.timers {
            match key {
                TimerKey::Socket(id) => {
                    let slot = self.table.get(*id).expect("timers end with sockets");
                    assert_eq!(slot.armed_at, Some(*deadline), "{id} does not know its timer");
                }
                TimerKey::Service(service, timer) => {
                    let entry = self.services.get(*service).expect("timers end with services");
                    let set_to = entry.timers.get(timer);
                    assert_eq!(set_to, Some(deadline), "{service} does not know {timer}");
                }
                TimerKey::Total => {
                    let look_at = self.waiters.look_at.as_ref();
                    assert_eq!(look_at, Some(deadline), "nobody wants to look for room");
                }
            }
        }
        if let Some(exit) = &self.exit {
            let is_due = exit.next_deadline().is_some_and(|deadline| deadline <= self.now);
            assert!(!is_due || self.has_exit_work(), "an exit is due and stands still");
        }
        let is_over = self.exit.is_some() && self.table.used() == 0;
        assert!(!is_over || self.next_deadline().is_none(), "a deadline outlives the runtime");
    }

    /// What waits in queues of the Mux is there, and waits for something.
    fn check_queues(&self) {
        for id in &self.resuming {
            // A service that was released meanwhile, or filled up again, is passed over.
            if let Some(entry) = self.services.get(*id) {
                assert!(!entry.owned.is_empty() || entry.waiting_input.is_empty(), "{id} resumes");
            }
        }
        for id in &self.ending {
            let entry = self.services.get(*id).map(|entry| entry.ending);
            assert_ne!(entry, Some(Ending::No), "{id} is in the list of those that end");
        }
        for entry in self.services.iter() {
            let ends = matches!(entry.ending, Ending::Released { .. });
            assert!(!ends || self.ending.contains(&entry.id), "{} ends in vain", entry.id);
            let drains = matches!(entry.ending, Ending::Draining { .. });
            assert!(!drains || self.exit.is_some(), "{} drains without an exit", entry.id);
        }
        for job in self.info_jobs.iter().chain(&self.info_waiting) {
            assert!(self.services.is_alive(job.by), "{} asked and is gone", job.by);
        }
        for job in &self.info_waiting {
            assert!(job.is_missing_some(), "the answer for {} is whole and not told", job.by);
        }
        let is_early = self.early_drains.is_empty() || self.exit.is_none();
        assert!(is_early, "a service was to be drained and is forgotten");
        for id in self.table.members(&self.ready_output, Chain::Output) {
            assert!(self.table.is_linked(Chain::Output, id), "{id} is in a list by mistake");
        }
        for id in self.table.members(&self.ready_input, Chain::Input) {
            let slot = self.table.slot(id);
            assert!(!slot.waits_for_mailbox, "{id} is in two lists");
            assert_ne!(slot.state, SocketState::Closing, "{id} ends and is to be read");
        }
        let report = &self.exit_report;
        assert!(report.closed <= self.stats.closed, "more closed in the exit than ever");
        assert!(report.closed_at_deadline <= report.closed, "more were forced than closed");
        let is_loss = report.unsent.iter().all(|(_, bytes)| *bytes > 0);
        assert!(is_loss, "a socket is named that lost nothing");
        let named: u64 = report.unsent.iter().map(|(_, bytes)| bytes).sum();
        assert!(named <= report.unsent_bytes, "more bytes are named than were lost");
        assert!(report.closed == 0 || self.exit.is_some(), "an exit is reported that never began");
    }

    fn check_services(&self) {
        self.services.check(self.config().mailbox_bytes_max);
        self.waiters.check(self.config().outbox_bytes_max);
        let mut owned = 0;
        for entry in self.services.iter() {
            for id in self.table.members(&entry.owned, Chain::Owned) {
                assert_eq!(self.table.slot(id).owner, Some(entry.id), "{id} has two owners");
                owned += 1;
            }
            for id in self.table.members(&entry.waiting_input, Chain::Input) {
                assert!(self.table.slot(id).waits_for_mailbox, "{id} is in a list by mistake");
                assert_eq!(self.table.slot(id).owner, Some(entry.id), "{id} waits for another");
            }
        }
        let with_owner = self.table.iter().filter(|slot| slot.owner.is_some()).count();
        assert_eq!(owned, with_owner, "owned sockets do not add up");
        let linked = self.table.members(&self.ready_input, Chain::Input).len()
            + self.services.iter().map(|entry| entry.waiting_input.len()).sum::<usize>();
        let waiting =
            self.table.iter().filter(|slot| self.table.is_linked(Chain::Input, slot.id)).count();
        assert_eq!(linked, waiting, "lists of input do not add up");
    }
}
