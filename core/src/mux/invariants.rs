//! Every law that the Mux can see.

use super::Mux;
use super::desk::services::Ending;
use super::desk::timers::TimerKey;
use super::sockets::head::Role;
use super::sockets::kind::{Kind, Way};
use super::sockets::list::Chain;
use super::sockets::ready::Side;
use super::sockets::table::Place;
use super::sockets::{AnyPart, Socket};
use crate::SocketState;
use crate::gate::Gate;

impl Mux {
    /// Checks every law that the Mux can see, in time proportional to its sockets.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        assert!(self.desk.errands.is_empty(), "an errand waits between two calls");
        self.sockets.table.check_invariants();
        let mut charged_bytes = 0;
        for place in self.sockets.table.reached_places() {
            let Some(socket) = &place.socket else { continue };
            self.check_socket(socket);
            self.check_lists(place, socket);
            self.check_timer(socket);
            charged_bytes += socket.part.charge_bytes();
        }
        self.directory.check_invariants(self.desk.shard);
        self.check_timers();
        let total = self.directory.total_charged_bytes();
        assert!(charged_bytes <= total, "queued {charged_bytes} B, charged {total}");
        self.check_counted();
        let used = self.sockets.table.used();
        let taken = self.directory.sockets_used();
        assert!(used <= taken, "a socket lives under an id that is not taken");
        assert!(used <= self.config().sockets_max as usize, "{used} sockets exceed their limit");
        let is_stopped = self.directory.is_stopped();
        assert!(!self.desk.is_exiting || is_stopped, "an exit stops the directory");
        let may_differ = self.directory.shards() > 1;
        assert!(may_differ || self.desk.is_exiting == is_stopped, "stopped, and goes on");
        assert_eq!(self.desk.is_exiting, self.agenda.exit.is_some(), "the desk missed the exit");
        self.check_services();
        self.check_queues();
        self.check_waiters();
    }

    /// The statistics of sockets agree with the sockets.
    fn check_counted(&self) {
        self.desk.stats.check();
        let sockets = || self.sockets.table.iter();
        for (state, count) in self.desk.stats.sockets() {
            let counted = sockets().filter(|it| !it.head.is_helper() && it.state() == state);
            assert_eq!(counted.count() as u64, count, "{state:?} is counted wrong");
        }
        let helpers = sockets().filter(|socket| socket.head.is_helper()).count() as u64;
        let opened = self.desk.stats.opened - self.desk.stats.closed;
        let used = self.sockets.table.used() as u64;
        assert_eq!(opened + helpers, used, "opened and closed do not add up");
    }

    fn gate_of(&self, socket: &Socket) -> &Gate {
        self.directory.gate(socket.id()).expect("a living id has a gate")
    }

    fn check_socket(&self, socket: &Socket) {
        let Socket { head, part } = socket;
        part.check(head);
        let (id, state, gate) = (head.id, part.state(), self.gate_of(socket));
        match part {
            AnyPart::Stream(stream) => stream.outbox.check_invariants(),
            AnyPart::Datagram(datagram) => datagram.datagrams.check_invariants(),
            AnyPart::Listener(listener) => {
                if let Some(reserved) = listener.reserved {
                    assert!(!self.directory.is_alive(reserved), "{reserved} lives unaccepted");
                    assert!(self.directory.is_taken(reserved), "{reserved} may be another's");
                }
                let is_queued = self.desk.stalled_listeners.contains(&id);
                assert!(!listener.is_stalled || is_queued, "{id} waits for an id in vain");
            }
        }
        assert!(self.directory.is_alive(id), "{id} is in the table and not alive");
        let (charge, charged) = (part.charge_bytes(), gate.charged_bytes());
        assert!(charge <= charged, "{id} holds {charge} B, charged {charged}");
        if !gate.has_announced() {
            assert_eq!(charge, charged, "{id} holds other bytes than are charged");
        }
        let has_ended_output =
            matches!(state, SocketState::Flushing | SocketState::Draining | SocketState::Closing);
        assert!(!has_ended_output || !gate.is_open(id), "{id} ends and admits sends");
        let is_draining = state == SocketState::Draining;
        assert!(!is_draining || !gate.has_announced(), "{id}: FIN overtook a send");
        assert!(head.progress_at <= self.desk.now, "{id} made progress in the future");
        self.check_warning(socket);
        let is_orphan = head.role == Role::Told && head.owner.is_none();
        assert!(!is_orphan || head.cause.is_some(), "{id} has no owner and goes on");
    }

    fn check_warning(&self, socket: &Socket) {
        let Socket { head, part } = socket;
        let (id, pending) = (head.id, part.pending_bytes());
        let warn_bytes = self.config().warn_bytes;
        let next = head.warn_next_bytes;
        assert_eq!(head.is_warned, next > warn_bytes, "{id} warns next at {next} B");
        let is_broken = matches!(part, AnyPart::Stream(stream) if stream.write_fault.is_some());
        let is_ending = matches!(
            part.state(),
            SocketState::Flushing | SocketState::Draining | SocketState::Closing
        );
        if !is_ending && !is_broken && !head.is_shutdown_wanted {
            assert!(pending < next, "{id} has {pending} B pending and did not warn");
            let is_drained = pending < warn_bytes.div_ceil(2);
            assert!(!is_drained || !head.is_warned, "{id} did not withdraw its warning");
        }
    }

    /// Whatever can be done is in a list: nothing is forgotten.
    fn check_lists(&self, place: &Place, socket: &Socket) {
        let Socket { head, part } = socket;
        let id = head.id;
        let way = Way::new(&self.directory, self.desk.is_forcing);
        if part.has_output_work(head, way) {
            let is_queued = place.tickets[Side::Output as usize].is_queued();
            assert!(is_queued, "{id}: output work is forgotten");
        }
        let is_queued = place.tickets[Side::Input as usize].is_queued();
        let is_waiting = place.is_linked(Chain::Waiting);
        assert!(!(is_queued && is_waiting), "{id} is ready and waits for its owner's mailbox");
        let has_work = part.has_input_work(head);
        assert!(!has_work || is_queued || is_waiting, "{id}: input work is forgotten");
        let is_read = is_queued || is_waiting;
        assert!(!part.is_closing() || !is_read, "{id} closes and is to be read");
        if is_waiting {
            let owner = head.owner.and_then(|owner| self.desk.services.get(owner));
            let owner = owner.expect("a full mailbox is somebody's");
            let goes_on = owner.is_held_back
                || self.agenda.resuming.contains(&owner.id)
                || self.agenda.ending.contains(&owner.id);
            assert!(goes_on, "{id} waits for {} in vain", owner.id);
        }
        let owner = head.owner.map(|owner| self.desk.services.get(owner).is_some());
        assert_ne!(owner, Some(false), "{id} belongs to a service that is gone");
        let is_owned = place.is_linked(Chain::Owned);
        assert_eq!(is_owned, head.owner.is_some(), "{id} is not in its owner's list");
    }

    fn check_timer(&self, socket: &Socket) {
        let Socket { head, part } = socket;
        let id = head.id;
        if let Some(armed_at) = head.armed_at {
            let is_set = self.desk.timers.contains(armed_at, TimerKey::Socket(id));
            assert!(is_set, "{id}: the timer is not set");
        }
        if let Some((deadline, due)) = part.deadline(head, self.config()) {
            let armed_at = head.armed_at.expect("a deadline has a timer");
            assert!(armed_at <= deadline, "{id}: {due:?} would come late");
        }
    }

    /// Every timer that is set belongs to somebody, who knows it.
    fn check_timers(&self) {
        for (deadline, key) in self.desk.timers.iter() {
            let set_to = match key {
                TimerKey::Socket(id) => self.sockets.table.get(*id).and_then(|it| it.head.armed_at),
                TimerKey::Service(service, timer) => {
                    let entry = self.desk.services.get(*service);
                    entry.and_then(|entry| entry.timers.get(timer).copied())
                }
                TimerKey::Total => self.desk.waiters.look_at,
            };
            assert_eq!(set_to, Some(*deadline), "{key:?} does not know its timer");
        }
        if let Some(exit) = &self.agenda.exit {
            let is_due = exit.next_deadline().is_some_and(|deadline| deadline <= self.desk.now);
            assert!(!is_due || self.has_exit_work(), "an exit is due and stands still");
        }
    }

    /// Entries of the Mux's queues exist, and wait for something.
    fn check_queues(&self) {
        let agenda = &self.agenda;
        for id in &agenda.ending {
            let ending = self.desk.services.get(*id).map(|entry| entry.ending);
            assert_ne!(ending, Some(Ending::No), "{id} goes on and is in the list of the ending");
        }
        for entry in self.desk.services.iter() {
            let ends = !entry.is_alive();
            assert!(!ends || agenda.ending.contains(&entry.id), "{} ends in vain", entry.id);
            let drains = matches!(entry.ending, Ending::Draining { .. });
            assert!(!drains || self.desk.is_exiting, "{} drains without an exit", entry.id);
        }
        for job in agenda.info_jobs.iter().chain(&agenda.info_waiting) {
            assert!(self.desk.services.is_alive(job.by), "{} asked and is gone", job.by);
        }
        for job in &agenda.info_waiting {
            assert!(job.missing != 0, "the answer for {} is whole and not told", job.by);
        }
        let is_early = agenda.early_drains.is_empty() || !self.desk.is_exiting;
        assert!(is_early, "a service was to be drained and is forgotten");
        for (side, queue) in [Side::Output, Side::Input].into_iter().zip(&self.sockets.ready.0) {
            let members = queue.members(&self.sockets.table, side).len();
            let places = self.sockets.table.reached_places();
            let queued = places.filter(|place| place.tickets[side as usize].is_queued()).count();
            assert_eq!(members, queued, "a ready socket is in no queue of {side:?}");
        }
        self.exit_report.check();
        let has_report = self.exit_report.closed > 0;
        assert!(!has_report || self.desk.is_exiting, "an exit is reported that never began");
    }

    fn check_services(&self) {
        self.desk.services.check(self.config().mailbox_bytes_max);
        self.desk.waiters.check(self.config().outbox_bytes_max);
        let (mut owned, mut waiting) = (0, 0);
        for entry in self.desk.services.iter() {
            let lists = [(&entry.owned, Chain::Owned), (&entry.waiting_input, Chain::Waiting)];
            for (list, chain) in lists {
                for id in self.sockets.table.members(list, chain) {
                    let socket = self.sockets.table.get(id).expect("a listed socket is alive");
                    assert_eq!(socket.head.owner, Some(entry.id), "{id} is in another's list");
                }
            }
            owned += entry.owned.len();
            waiting += entry.waiting_input.len();
        }
        let linked = |chain| {
            let places = self.sockets.table.reached_places();
            places.filter(|place| place.is_linked(chain)).count()
        };
        assert_eq!(owned, linked(Chain::Owned), "owned sockets do not add up");
        assert_eq!(waiting, linked(Chain::Waiting), "waiting sockets do not add up");
    }

    /// Nobody waits for a socket that is gone, nor for room that is there.
    fn check_waiters(&self) {
        let (config, waiters) = (self.config(), &self.desk.waiters);
        for (id, waiting) in &waiters.sockets {
            let socket = self.sockets.table.get(*id).expect("somebody waits for a socket");
            assert!(!socket.part.is_closing(), "somebody waits for room in {id}, which closes");
            let charged = self.gate_of(socket).charged_bytes();
            let is_low = charged < config.outbox_bytes_max.div_ceil(2);
            for waiter in waiting {
                let fits = charged + waiter.charge_bytes <= config.outbox_bytes_max;
                assert!(!(is_low && fits), "{} waits for {id} in vain", waiter.service);
            }
        }
        let (total, total_max) = (self.directory.total_charged_bytes(), config.total_bytes_max);
        let is_low = total < total_max - total_max / 8 && waiters.look_at.is_none();
        for (id, waiter) in &waiters.total {
            assert!(
                self.sockets.table.get(*id).is_some(),
                "somebody waits for {id}, which is gone"
            );
            let fits = total + waiter.charge_bytes <= total_max;
            assert!(!(is_low && fits), "{} waits for the total in vain", waiter.service);
        }
    }
}
