//! Charges that are given back, the services that wait for them, and warnings.

use std::time::Duration;

use super::desk::Desk;
use super::desk::timers::TimerKey;
use super::desk::waiters::Waiter;
use super::focus::Focus;
use super::sockets::kind::Kind;
use crate::gate::Gate;
use crate::{Instant, Message, ServiceId, SocketId, SocketState};

/// The time after which room that other Muxes may have made is looked for.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

impl Desk {
    /// Gives the charge of sent or lost messages back, and tells who waited for that.
    #[inline(always)]
    pub(crate) fn release_charge(&mut self, id: SocketId, gate: &Gate, charge: usize) {
        gate.release(charge, self.directory.total());
        if !self.waiters.is_empty() {
            self.wake_waiters(id, gate);
        }
    }

    #[cold]
    pub(crate) fn wake_waiters(&mut self, id: SocketId, gate: &Gate) {
        self.wake_socket_waiters(id, gate);
        self.wake_total_waiters();
    }

    pub(crate) fn add_waiter(&mut self, id: SocketId, gate: &Gate, waiter: Waiter, total: bool) {
        if total {
            // The charge that this send took back may be what somebody waits for here.
            self.wake_socket_waiters(id, gate);
            self.waiters.total.push((id, waiter));
            self.wake_total_waiters();
        } else {
            self.waiters.sockets.entry(id).or_default().push(waiter);
            self.wake_socket_waiters(id, gate);
        }
    }

    /// A socket has room again below half of its limit, if the refused message fits.
    fn wake_socket_waiters(&mut self, id: SocketId, gate: &Gate) {
        let Some(waiters) = self.waiters.sockets.get_mut(&id) else { return };
        let charged = gate.charged_bytes();
        let outbox_bytes_max = self.directory.config().outbox_bytes_max;
        let has_room = |waiter: &Waiter| {
            charged < outbox_bytes_max.div_ceil(2)
                && charged + waiter.charge_bytes <= outbox_bytes_max
        };
        let (ready, waiting): (Vec<_>, Vec<_>) = waiters.drain(..).partition(has_room);
        assert!(charged > 0 || waiting.is_empty(), "{id} is empty, and somebody waits for room");
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
    pub(crate) fn wake_total_waiters(&mut self) {
        if self.waiters.total.is_empty() {
            return;
        }
        let charged = self.directory.total_charged_bytes();
        let total_bytes_max = self.config().total_bytes_max;
        let room_at = total_bytes_max - total_bytes_max / 8;
        if charged >= room_at {
            return self.look_again_later();
        }
        let fits =
            |(_, waiter): &(SocketId, Waiter)| charged + waiter.charge_bytes <= total_bytes_max;
        let (ready, waiting): (Vec<_>, Vec<_>) = self.waiters.total.drain(..).partition(fits);
        assert!(charged > 0 || waiting.is_empty(), "nothing is charged, and somebody waits");
        self.waiters.total = waiting;
        self.look_again_later();
        for (id, waiter) in ready {
            self.tell_send_ready(id, waiter.service);
        }
    }

    /// Somebody waits for the total, in which other Muxes have their part.
    fn look_again_later(&mut self) {
        let is_alone = self.directory.shards() == 1;
        if is_alone || self.waiters.total.is_empty() || self.waiters.look_at.is_some() {
            return;
        }
        let at = self.now + LOOK_AGAIN_AFTER;
        self.arm(at, TimerKey::Total);
        self.waiters.look_at = Some(at);
    }

    /// The timer for a look at the total is due.
    pub(crate) fn look_for_room(&mut self, at: Instant) {
        assert_eq!(self.waiters.look_at, Some(at), "no look was wanted at {at}");
        self.waiters.look_at = None;
        self.wake_total_waiters();
    }

    fn tell_send_ready(&mut self, socket: SocketId, to: ServiceId) {
        self.tell(Some(to), Message::SendReady { socket });
    }
}

impl<P: Kind> Focus<'_, P> {
    /// After an accepted send: one warning for each doubling of what is pending.
    pub(crate) fn warn_if_due(&mut self) {
        if self.is_warning_due() {
            self.warn();
        }
    }

    /// Returns `true` if so much is pending that a warning may be due.
    #[inline]
    pub(crate) fn is_warning_due(&self) -> bool {
        self.part.pending_bytes() >= self.head.warn_next_bytes
    }

    #[cold]
    fn warn(&mut self) {
        let pending_bytes = self.part.pending_bytes();
        if self.head.is_shutdown_wanted || self.part.state() == SocketState::Flushing {
            return;
        }
        self.head.is_warned = true;
        self.head.warn_next_bytes = self.config().warn_bytes;
        while self.head.warn_next_bytes <= pending_bytes {
            self.head.warn_next_bytes = self.head.warn_next_bytes.saturating_mul(2);
        }
        let pending_bytes = pending_bytes as u64;
        let socket = self.id();
        self.tell_owner(Message::Warning { socket, pending_bytes });
    }

    /// After a write: a warning is withdrawn when little enough is pending.
    #[inline]
    pub(crate) fn withdraw_warning_if_drained(&mut self) {
        if self.head.is_warned {
            self.withdraw_warning();
        }
    }

    #[cold]
    fn withdraw_warning(&mut self) {
        let warn_bytes = self.config().warn_bytes;
        if self.part.pending_bytes() >= warn_bytes.div_ceil(2) {
            return;
        }
        self.head.is_warned = false;
        self.head.warn_next_bytes = warn_bytes;
        let goes_on = self.head.cause.is_none() || self.part.state() == SocketState::EofSeen;
        if goes_on {
            let socket = self.id();
            self.tell_owner(Message::Warning { socket, pending_bytes: 0 });
        }
    }
}
