//! Charges, warnings, and who waits for room.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Mux;
use super::timers::TimerKey;
use crate::{Instant, MESSAGE_OVERHEAD_BYTES, Message, ServiceId, SocketId, SocketState};

/// Services that were told *full*.
#[derive(Default, Hash)]
pub(super) struct Waiters {
    /// For each socket: who waits, and for how much.
    sockets: BTreeMap<SocketId, Vec<Waiter>>,
    /// Who waits for the total, for which socket, in order of arrival.
    total: Vec<(SocketId, Waiter)>,
    /// When it is looked again whether others have made room in the total. They would not say so:
    /// each Mux gives back for itself.
    pub(super) look_at: Option<Instant>,
}

/// After so long it is looked again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Waiter {
    service: ServiceId,
    /// The charge that was refused.
    charge_bytes: usize,
}

impl Waiters {
    pub(super) fn forget_socket(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.total.retain(|(socket, _)| *socket != id);
        assert!(!self.sockets.contains_key(&id), "somebody waits for {id}");
    }

    pub(super) fn forget_service(&mut self, service: ServiceId) {
        self.sockets.retain(|_, waiters| {
            waiters.retain(|waiter| waiter.service != service);
            !waiters.is_empty()
        });
        self.total.retain(|(_, waiter)| waiter.service != service);
        debug_assert!(self.services().all(|id| id != service), "{service} is gone and waits");
    }

    fn services(&self) -> impl Iterator<Item = ServiceId> {
        let of_sockets = self.sockets.values().flatten().map(|waiter| waiter.service);
        of_sockets.chain(self.total.iter().map(|(_, waiter)| waiter.service))
    }

    /// # Panics
    /// If somebody waits for nothing, or for what can never be.
    pub(super) fn check(&self, outbox_bytes_max: usize) {
        for (id, waiters) in &self.sockets {
            assert!(!waiters.is_empty(), "nobody waits for {id}, and it is kept");
        }
        let of_sockets = self.sockets.values().flatten();
        for waiter in of_sockets.chain(self.total.iter().map(|(_, waiter)| waiter)) {
            let (service, charge) = (waiter.service, waiter.charge_bytes);
            assert!(charge >= MESSAGE_OVERHEAD_BYTES, "{service} waits for nothing");
            assert!(charge <= outbox_bytes_max, "{service} waits for what never fits");
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.sockets.values().map(Vec::len).sum::<usize>() + self.total.len()
    }
}

impl Mux {
    /// Whether somebody waits for room in the socket's outbox.
    pub(super) fn is_waited_for(&self, id: SocketId) -> bool {
        let is_waited_for = self.waiters.sockets.contains_key(&id);
        debug_assert!(!is_waited_for || self.directory.is_alive(id), "somebody waits for {id}");
        is_waited_for
    }

    pub(super) fn await_send_ready(
        &mut self,
        id: SocketId,
        by: ServiceId,
        charge_bytes: usize,
        total: bool,
    ) {
        assert!(self.directory.is_alive(id), "{id} was given back under a waiting send");
        self.stats.sends_refused += 1;
        let outbox_bytes_max = self.config().outbox_bytes_max;
        assert!(charge_bytes <= outbox_bytes_max, "{id}: what never fits is refused as too large");
        self.directory.gate(id).expect("a living id has a gate").receive_refused(id);
        let can_send = self.directory.gate(id).is_some_and(|gate| gate.is_open(id));
        if can_send && self.table.get(id).is_some() {
            // Before it is looked for room: who gives some back from now on tells the Mux.
            self.queue_output(id);
            let waiter = Waiter { service: by, charge_bytes };
            if total {
                // The charge that this send took back may be what somebody waits for here.
                self.wake_socket_waiters(id);
                self.waiters.total.push((id, waiter));
                self.wake_total_waiters();
            } else {
                self.waiters.sockets.entry(id).or_default().push(waiter);
                self.wake_socket_waiters(id);
            }
        }
        self.settle(id);
    }

    /// Gives the charge of sent or lost messages back, and tells who waited for that.
    pub(super) fn release_charge(&mut self, id: SocketId, charge: usize) {
        let total = self.directory.total();
        let gate = self.directory.gate(id).expect("a living id has a gate");
        let is_awaited = gate.release(charge, total);
        debug_assert!(!is_awaited || self.directory.config().direct_write, "nobody was told");
        if self.waiters.sockets.is_empty() && self.waiters.total.is_empty() {
            return;
        }
        self.wake_socket_waiters(id);
        self.wake_total_waiters();
    }

    /// A socket has room again below half of its limit, if the refused message fits.
    fn wake_socket_waiters(&mut self, id: SocketId) {
        let Some(waiters) = self.waiters.sockets.get_mut(&id) else { return };
        let charged = self.directory.gate(id).expect("a living id has a gate").charged_bytes();
        let outbox_bytes_max = self.directory.config().outbox_bytes_max;
        let has_room = |waiter: &Waiter| {
            charged < outbox_bytes_max.div_ceil(2)
                && charged + waiter.charge_bytes <= outbox_bytes_max
        };
        assert!(charged <= outbox_bytes_max, "{id} is over its limit");
        let asked = waiters.len();
        let (ready, waiting): (Vec<_>, Vec<_>) = waiters.drain(..).partition(has_room);
        assert_eq!(ready.len() + waiting.len(), asked, "somebody who waits for {id} is lost");
        assert!(charged > 0 || waiting.is_empty(), "{id} is empty, and somebody waits");
        if waiting.is_empty() {
            self.waiters.sockets.remove(&id);
        } else {
            *waiters = waiting;
        }
        for waiter in ready {
            self.tell_send_ready(id, waiter.service);
        }
    }

    /// All sockets together have room again below 7/8, if the refused message fits.
    fn wake_total_waiters(&mut self) {
        if self.waiters.total.is_empty() {
            return;
        }
        let asked = self.waiters.total.len();
        // Before it is looked for room: who gives some back from now on tells the Mux.
        if self.config().direct_write {
            self.directory.total().set_awaited(true);
        }
        let charged = self.directory.total_charged_bytes();
        let room_at = self.config().total_bytes_max - self.config().total_bytes_max / 8;
        if charged >= room_at {
            return self.look_again_later();
        }
        let total_bytes_max = self.directory.config().total_bytes_max;
        let has_room = |(_, waiter): &(SocketId, Waiter)| {
            charged < total_bytes_max - total_bytes_max / 8
                && charged + waiter.charge_bytes <= total_bytes_max
        };
        let (ready, waiting): (Vec<_>, Vec<_>) = self.waiters.total.drain(..).partition(has_room);
        assert_eq!(ready.len() + waiting.len(), asked, "somebody who waits is lost");
        assert!(self.waiters.total.is_empty(), "somebody began to wait meanwhile");
        assert!(room_at > charged, "somebody is told of room that there is not");
        assert!(charged > 0 || waiting.is_empty(), "nothing is charged, and somebody waits");
        self.waiters.total = waiting;
        self.look_again_later();
        if self.waiters.total.is_empty() && self.config().direct_write {
            self.directory.total().set_awaited(false);
        }
        for (id, waiter) in ready {
            self.tell_send_ready(id, waiter.service);
        }
    }

    /// Somebody waits for the total, and other Muxes have their part in it.
    fn look_again_later(&mut self) {
        let is_alone = self.directory.shards() == 1;
        if is_alone || self.waiters.total.is_empty() || self.waiters.look_at.is_some() {
            return;
        }
        let at = self.now + LOOK_AGAIN_AFTER;
        let is_new = self.timers.insert((at, TimerKey::Total));
        assert!(is_new, "it is looked for room twice at {at}");
        assert!(at > self.now, "it is looked for room for ever");
        self.waiters.look_at = Some(at);
    }

    pub(super) fn look_for_room(&mut self, at: Instant) {
        assert_eq!(self.waiters.look_at, Some(at), "nobody wanted to look at {at}");
        assert!(at <= self.now, "it is looked too early");
        self.waiters.look_at = None;
        assert!(self.directory.shards() > 1, "nobody else makes room");
        self.wake_total_waiters();
        let goes_on = self.waiters.total.is_empty() || self.waiters.look_at.is_some();
        assert!(goes_on, "somebody waits for the total, and nobody looks");
    }

    /// Nobody waits for a socket that is gone, nor for room that is there.
    pub(super) fn check_waiters(&self) {
        let config = self.config();
        for (id, waiters) in &self.waiters.sockets {
            assert!(self.table.get(*id).is_some(), "somebody waits for {id}, which is gone");
            let gate = self.directory.gate(*id).expect("a living id has a gate");
            if gate.has_direct() || gate.has_flush() {
                // The Mux is going to be told, and looks again then.
                continue;
            }
            let charged = gate.charged_bytes();
            let is_low = charged < config.outbox_bytes_max.div_ceil(2);
            for waiter in waiters {
                let fits = charged + waiter.charge_bytes <= config.outbox_bytes_max;
                assert!(!(is_low && fits), "{} waits for {id} in vain", waiter.service);
            }
        }
        let (total, total_max) = (self.directory.total_charged_bytes(), config.total_bytes_max);
        let is_told = self.config().direct_write && !self.directory.total().is_awaited();
        let is_late = self.waiters.look_at.is_none() && !is_told;
        let is_low = total < total_max - total_max / 8 && is_late;
        for (id, waiter) in &self.waiters.total {
            assert!(self.table.get(*id).is_some(), "somebody waits for {id}, which is gone");
            let fits = total + waiter.charge_bytes <= total_max;
            assert!(!(is_low && fits), "{} waits for the total in vain", waiter.service);
        }
    }

    fn tell_send_ready(&mut self, id: SocketId, to: ServiceId) {
        let is_alive = self.table.get(id).is_some_and(|slot| slot.state != SocketState::Closing);
        if is_alive {
            self.tell(Some(to), Message::SendReady { socket: id });
        }
    }

    /// After an accepted send: one warning for each doubling of what is pending.
    pub(super) fn warn_if_due(&mut self, id: SocketId) {
        let warn_bytes = self.config().warn_bytes;
        let slot = self.table.slot_mut(id);
        let pending_bytes = slot.pending_bytes();
        let is_ending = slot.is_shutdown_wanted || slot.state == SocketState::Flushing;
        if is_ending || pending_bytes < slot.warn_next_bytes {
            return;
        }
        slot.is_warned = true;
        slot.warn_next_bytes = warn_bytes;
        while slot.warn_next_bytes <= pending_bytes {
            slot.warn_next_bytes = slot.warn_next_bytes.saturating_mul(2);
        }
        assert!(slot.warn_next_bytes > pending_bytes, "{id} would warn again at once");
        assert!(pending_bytes >= warn_bytes, "{id} warns too early");
        let pending_bytes = pending_bytes as u64;
        self.tell_owner(id, Message::Warning { socket: id, pending_bytes });
    }

    /// After a write: a warning is taken back when little enough is pending.
    pub(super) fn withdraw_warning_if_drained(&mut self, id: SocketId) {
        let warn_bytes = self.config().warn_bytes;
        let slot = self.table.slot_mut(id);
        if !slot.is_warned || slot.pending_bytes() >= warn_bytes.div_ceil(2) {
            return;
        }
        assert!(slot.warn_next_bytes > warn_bytes, "{id} was warned and would warn again");
        slot.is_warned = false;
        slot.warn_next_bytes = warn_bytes;
        let is_ending = slot.cause.is_some() && slot.state != SocketState::EofSeen;
        if !is_ending {
            self.tell_owner(id, Message::Warning { socket: id, pending_bytes: 0 });
        }
    }
}
