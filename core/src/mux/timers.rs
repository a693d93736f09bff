//! Timers that are due.

use super::Mux;
use super::desk::timers::TimerKey;
use super::focus::{Focus, Typed};
use super::sockets::head::Due;
use super::sockets::kind::Kind;
use super::sockets::stream::Stream;
use crate::{CloseReason, Instant, Message, Operation, ServiceId, SocketId, Timeout, TimerId};

/// Timers that one turn fires before others get their turn.
const TIMERS_PER_TURN: usize = 64;

impl Mux {
    /// When `turn` must be called even if nothing happens; `None`: never.
    #[inline]
    pub fn next_deadline(&self) -> Option<Instant> {
        let timer = self.desk.timers.first();
        match &self.agenda.exit {
            None => timer,
            // It has stopped; what services had set timers for will not happen any more.
            Some(_) if self.sockets.table.used() == 0 => None,
            Some(exit) => [timer, exit.next_deadline()].into_iter().flatten().min(),
        }
    }

    #[inline]
    pub(super) fn has_due_timer(&self) -> bool {
        self.desk.timers.first().is_some_and(|deadline| deadline <= self.desk.now)
    }

    pub(super) fn set_timer(&mut self, timer: TimerId, service: ServiceId, deadline: Instant) {
        let entry = self.desk.services.get_mut(service).filter(|entry| entry.is_alive());
        let Some(entry) = entry else {
            self.desk.stats.stale_commands += 1;
            return;
        };
        let before = entry.timers.insert(timer, deadline);
        assert_eq!(before, None, "{timer} of {service} is set twice");
        self.desk.arm(deadline, TimerKey::Service(service, timer));
    }

    pub(super) fn cancel_timer(&mut self, timer: TimerId, service: ServiceId) {
        let Some(entry) = self.desk.services.get_mut(service) else { return };
        // A timer that is due already is on its way to the service, which drops it there.
        if let Some(deadline) = entry.timers.remove(&timer) {
            self.desk.disarm(deadline, TimerKey::Service(service, timer));
        }
    }

    /// The runtime has stopped: what services had set timers for will not happen any more.
    pub(super) fn disarm_services(&mut self) {
        self.desk.services.forget_timers();
        self.desk.timers.clear();
        self.desk.waiters.look_at = None;
    }

    pub(super) fn fire_timers(&mut self) {
        for _ in 0..TIMERS_PER_TURN {
            let Some((deadline, key)) = self.desk.timers.pop_due(self.desk.now) else { return };
            match key {
                TimerKey::Socket(id) => self.fire_socket_timer(id),
                TimerKey::Service(service, timer) => {
                    let entry =
                        self.desk.services.get_mut(service).expect("timers end with services");
                    let set_to = entry.timers.remove(&timer);
                    assert_eq!(set_to, Some(deadline), "{timer} of {service} fires by mistake");
                    self.desk.tell(Some(service), Message::Timer { timer });
                }
                TimerKey::Total => self.desk.look_for_room(deadline),
            }
        }
    }

    fn fire_socket_timer(&mut self, id: SocketId) {
        self.with_living(id, |focus| {
            focus.head.armed_at = None;
            let (now, due) = (focus.desk.now, focus.part.deadline(focus.head, focus.config()));
            let Some((_, due)) = due.filter(|(deadline, _)| *deadline <= now) else { return };
            match (due, focus.typed()) {
                (Due::Dial, Typed::Stream(mut focus)) => focus.dial_timed_out(),
                (Due::AcceptRetry, Typed::Listener(focus)) => focus.part.retry_at = None,
                (Due::Paced, Typed::Listener(focus)) => focus.part.paced_until = None,
                (Due::Timeout(which), Typed::Stream(mut focus)) => focus.time_out(which),
                (Due::Timeout(which), Typed::Datagram(mut focus)) => {
                    focus.head.fail_cause(CloseReason::TimedOut(which));
                    focus.desk.stats.count_timeout(which);
                    focus.begin_close();
                }
                (due, _) => unreachable!("{id} waits for {due:?}, and its kind does not"),
            }
        });
    }
}

impl Focus<'_, Stream> {
    /// A bound of time is over.
    fn time_out(&mut self, which: Timeout) {
        match self.part.write_fault.as_deref().copied() {
            // It was dying of that anyway, and waited for its owner's mailbox.
            Some(fault) => self.fail(fault, Operation::Write),
            None => {
                self.head.fail_cause(CloseReason::TimedOut(which));
                self.desk.stats.count_timeout(which);
                self.begin_close();
            }
        }
    }
}
