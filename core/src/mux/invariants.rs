//! Every law that the Mux can see.

use super::Mux;
use super::slot::{Closing, Kind, Latch, Slot};
use super::table::Chain;
use super::timers::TimerKey;
use crate::SocketState;

impl Mux {
    /// Checks every law that the Mux can see, in time proportional to its sockets.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        let mut told = 0;
        let mut charged_bytes = 0;
        let mut has_announced = false;
        for slot in self.table.iter() {
            self.check_slot(slot);
            self.check_lists(slot);
            self.check_timer(slot);
            told += u64::from(slot.is_told);
            has_announced |= self.has_announced(slot.id);
            charged_bytes += slot.charge_bytes();
        }
        let total = self.directory.total_charged_bytes();
        assert!(charged_bytes <= total, "queued {charged_bytes} B, charged {total}");
        assert!(total <= self.config().total_bytes_max, "the total exceeds its limit");
        let opened = self.stats.opened - self.stats.closed;
        assert_eq!(opened, self.table.used() as u64, "opened and closed do not add up");
        assert!(told <= opened, "more was told than is alive");
        self.check_services();
        let armed = self.table.iter().filter(|slot| slot.armed_at.is_some()).count();
        let set: usize = self.services.iter().map(|entry| entry.timers.len()).sum();
        assert_eq!(armed + set, self.timers.len(), "timers are armed for nobody");
        let may_wait = self.table.used() > 0 || self.waiters.len() == 0;
        assert!(may_wait || has_announced, "somebody waits for a socket that is gone");
    }

    fn check_slot(&self, slot: &Slot) {
        let id = slot.id;
        slot.outbox.check_invariants();
        slot.rare.datagrams.check_invariants();
        assert!(self.directory.is_alive(id), "{id} is in the table and not alive");
        let gate = self.directory.gate(id).expect("a living id has a gate");
        assert!(slot.charge_bytes() <= gate.charged_bytes(), "{id} holds more than is charged");
        if !gate.has_announced() {
            assert_eq!(slot.charge_bytes(), gate.charged_bytes(), "{id}'s charge is off");
        }
        assert!(gate.charged_bytes() <= self.config().outbox_bytes_max, "{id} is over its limit");
        let is_closing = slot.state == SocketState::Closing;
        assert_eq!(is_closing, slot.closing != Closing::No, "{id}: closing and state disagree");
        assert!(!is_closing || slot.cause.is_some(), "{id} closes without a cause");
        assert!(!is_closing || !gate.is_open(id), "{id} closes and admits sends");
        let is_listener = slot.rare.listener.is_some();
        assert_eq!(is_listener, slot.kind == Kind::Listener, "{id}: a part of another kind");
        assert!(!is_listener || !slot.has_output(), "{id} is a listener with output");
        if slot.state == SocketState::Connecting {
            assert!(slot.rare.dial.is_some(), "{id} connects to nothing");
        }
        if slot.state == SocketState::EofSeen {
            assert!(slot.is_eof, "{id} saw no end");
        }
        if slot.outbox.offered_bytes() > 0 {
            assert_eq!(slot.output, Latch::Pending, "{id} offers bytes to no write");
        }
        if slot.is_told && !is_closing {
            let has_owner = slot.owner.is_some();
            let is_ending = slot.cause.is_some();
            assert!(has_owner || is_ending, "{id} belongs to nobody and goes on");
        }
    }

    /// Whatever can be done is in a list: nothing is forgotten.
    fn check_lists(&self, slot: &Slot) {
        let id = slot.id;
        if slot.has_output_work(self.has_announced(id)) {
            assert!(self.table.is_linked(Chain::Output, id), "{id}: output work is forgotten");
        }
        if slot.has_input_work() {
            assert!(self.table.is_linked(Chain::Input, id), "{id}: input work is forgotten");
        }
        if slot.waits_for_mailbox {
            let owner = slot.owner.and_then(|owner| self.services.get(owner));
            let owner = owner.expect("somebody's mailbox is full");
            let goes_on = owner.is_held_back || self.resuming.contains(&owner.id);
            assert!(goes_on, "{id} waits for {} in vain", owner.id);
        }
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
        }
    }

    fn check_services(&self) {
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
