//! What is due when.

use super::Mux;
use super::deadline::Due;
use super::services::Ending;
use crate::{CloseReason, Instant, Message, ServiceId, SocketId, SocketState, TimerId};

/// Whose timer it is. Ordered after the deadline, so that timers which are due at one time fire
/// in an order that depends on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    Socket(SocketId),
    Service(ServiceId, TimerId),
    /// Another Mux may have made room in what all outboxes hold together.
    Total,
}

/// Timers that one turn fires before others get their turn.
const TIMERS_PER_TURN: usize = 64;

impl Mux {
    /// When `turn` must be called even if nothing happens; `None`: never.
    #[inline]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.exit.is_some() && self.table.used() == 0 {
            // It has stopped; what services had set timers for will not happen any more.
            return None;
        }
        let timer = self.timers.first().map(|(deadline, _)| *deadline);
        let exit = self.exit.as_ref().and_then(|exit| exit.next_deadline());
        [timer, exit].into_iter().flatten().min()
    }

    pub(super) fn has_due_timer(&self) -> bool {
        let is_due = self.timers.first().is_some_and(|(deadline, _)| *deadline <= self.now);
        debug_assert!(!is_due || !self.timers.is_empty(), "no timer is due");
        debug_assert!(is_due || self.timers.iter().all(|(at, _)| *at > self.now), "one is due");
        is_due
    }

    pub(super) fn set_timer(&mut self, timer: TimerId, service: ServiceId, deadline: Instant) {
        if !self.services.is_alive(service) {
            self.stats.stale_commands += 1;
            return;
        }
        let entry = self.services.get_mut(service).expect("a living service has an entry");
        let before = entry.timers.insert(timer, deadline);
        assert_eq!(before, None, "{timer} of {service} is set twice");
        let is_new = self.timers.insert((deadline, TimerKey::Service(service, timer)));
        assert!(is_new, "{timer} of {service} outlived its name");
    }

    pub(super) fn cancel_timer(&mut self, timer: TimerId, service: ServiceId) {
        let Some(entry) = self.services.get_mut(service) else { return };
        // A timer that is due already is on its way to the service, which drops it there.
        if let Some(deadline) = entry.timers.remove(&timer) {
            assert!(!matches!(entry.ending, Ending::Released { .. }), "{service} has timers");
            self.disarm_service_timer(service, timer, deadline);
        }
    }

    /// The runtime has stopped: what services had set timers for will not happen any more.
    pub(super) fn disarm_services(&mut self) {
        assert_eq!(self.table.used(), 0, "a socket's timer is disarmed with the socket");
        self.services.forget_timers();
        self.timers.clear();
        self.waiters.look_at = None;
        assert_eq!(self.next_deadline(), None, "something is due after the end");
    }

    pub(super) fn disarm_service_timer(
        &mut self,
        service: ServiceId,
        timer: TimerId,
        deadline: Instant,
    ) {
        let was_armed = self.timers.remove(&(deadline, TimerKey::Service(service, timer)));
        assert!(was_armed, "{timer} of {service} was lost");
    }

    /// Sets the socket's timer to its deadline, or leaves it earlier: it then looks again.
    pub(super) fn arm_timer(&mut self, id: SocketId) {
        let slot = self.table.slot(id);
        let Some((deadline, _)) = slot.deadline(self.directory.config()) else { return };
        let armed_at = slot.armed_at;
        match armed_at {
            Some(armed_at) if armed_at <= deadline => return,
            Some(armed_at) => {
                let was_armed = self.timers.remove(&(armed_at, TimerKey::Socket(id)));
                assert!(was_armed, "the timer of {id} was lost");
            }
            None => {}
        }
        let is_new = self.timers.insert((deadline, TimerKey::Socket(id)));
        assert!(is_new, "{id} has a timer that it does not know");
        let slot = self.table.slot_mut(id);
        slot.armed_at = Some(deadline);
        assert!(deadline >= slot.since, "{id}: a deadline lies before its state");
    }

    pub(super) fn fire_timers(&mut self) {
        for _ in 0..TIMERS_PER_TURN {
            match self.timers.first() {
                Some((deadline, _)) if *deadline <= self.now => {}
                _ => return,
            }
            let (deadline, key) = self.timers.pop_first().expect("a timer is due");
            assert!(deadline <= self.now, "{key:?} fires before its time");
            match key {
                TimerKey::Socket(id) => self.fire_socket_timer(id),
                TimerKey::Service(service, timer) => {
                    let entry = self.services.get_mut(service).expect("timers end with services");
                    assert_eq!(entry.id, service, "another service has the place");
                    let set_to = entry.timers.remove(&timer);
                    assert_eq!(set_to, Some(deadline), "{timer} of {service} fires by mistake");
                    self.tell(Some(service), Message::Timer { timer });
                }
                TimerKey::Total => self.look_for_room(deadline),
            }
        }
    }

    fn fire_socket_timer(&mut self, id: SocketId) {
        let now = self.now;
        // Asked before what went is learnt: a write that ends in between is seen here or there.
        let is_being_written = self.is_being_written(id);
        self.learn_written(id);
        let slot = self.table.slot_mut(id);
        assert!(slot.armed_at.is_some_and(|at| at <= now), "{id} set no such timer");
        slot.armed_at = None;
        if is_being_written {
            slot.progress_at = now;
        }
        let due = slot.deadline(self.directory.config()).filter(|(deadline, _)| *deadline <= now);
        match due {
            None => {}
            Some((_, Due::Dial)) => {
                assert_eq!(self.table.slot(id).state, SocketState::Connecting, "{id} is dialled");
                self.dial_timed_out(id);
            }
            Some((_, Due::AcceptRetry)) => {
                let slot = self.table.slot_mut(id);
                assert_eq!(slot.state, SocketState::Listening, "{id} accepts again");
                let listener = slot.rare.listener.as_mut().expect("a listener's part");
                assert!(listener.failures > 0, "{id} tries again what did not fail");
                listener.retry_at = None;
            }
            Some((_, Due::Paced)) => {
                let slot = self.table.slot_mut(id);
                let listener = slot.rare.listener.as_mut().expect("a listener's part");
                assert!(listener.has_waited, "{id} may accept and had not to wait");
                listener.paced_until = None;
            }
            Some((_, Due::Timeout(which))) => {
                let slot = self.table.slot_mut(id);
                slot.check_timeout(which);
                match slot.rare.write_fault.as_deref().copied() {
                    // It was dying of that anyway, and waited for its owner's mailbox.
                    Some(fault) => self.fail(id, fault, crate::Operation::Write),
                    None => {
                        slot.fail_cause(CloseReason::TimedOut(which));
                        self.stats.count_timeout(which);
                        self.begin_close(id);
                    }
                }
            }
        }
        self.settle(id);
    }
}
