//! One socket at its place, for one step of the Mux.

use super::desk::Desk;
use super::desk::timers::TimerKey;
use super::focus::Focus;
use super::settle::{Change, Move};
use super::sockets::kind::Kind;
use super::sockets::list::Chain;
use super::sockets::ready::{SIDES, Side, Ticket};
use super::sockets::table::Place;
use super::sockets::{AnyPart, Ready, Socket};
use crate::Directory;

/// One socket at its place, found once for one step: for a transition, which sees its
/// [`focus`](Self::focus) alone, and for settling what that changed.
pub(crate) struct Seat<'a> {
    pub(crate) socket: &'a mut Socket,
    tickets: &'a mut [Ticket; SIDES],
    /// It is in its owner's list of input that waits for the mailbox.
    is_waiting: bool,
    directory: &'a Directory,
    desk: &'a mut Desk,
    ready: &'a mut Ready,
}

impl<'a> Seat<'a> {
    /// # Panics
    /// If the place is free.
    #[inline]
    pub(crate) fn new(
        place: &'a mut Place,
        directory: &'a Directory,
        desk: &'a mut Desk,
        ready: &'a mut Ready,
    ) -> Self {
        let is_waiting = place.is_linked(Chain::Waiting);
        let Place { socket: Some(socket), tickets, .. } = place else {
            panic!("the place is free");
        };
        Self { socket, tickets, is_waiting, directory, desk, ready }
    }

    /// The socket in the hands of a transition.
    #[inline]
    pub(crate) fn focus(&mut self) -> Focus<'_, AnyPart> {
        let Socket { head, part } = &mut *self.socket;
        Focus { head, part, directory: self.directory, desk: self.desk }
    }

    /// Makes the socket the last of those with output work, if it is not among them.
    #[inline(always)]
    pub(crate) fn push_output(&mut self) {
        let ticket = &mut self.tickets[Side::Output as usize];
        if !ticket.is_queued() {
            self.ready.side(Side::Output).push(self.socket.head.id, ticket);
        }
    }

    /// Puts the socket where its work is done, and arms its timer; answers whether it has to join
    /// or leave the list of its owner's mailbox.
    #[inline(always)]
    pub(crate) fn settle(&mut self, change: Change) -> Option<Move> {
        let Self { socket: Socket { head, part }, directory, desk, .. } = self;
        let queues =
            Queues { tickets: self.tickets, is_waiting: self.is_waiting, ready: self.ready };
        match part {
            AnyPart::Stream(part) => Focus { head, part, directory, desk }.settle(queues, change),
            part => settle_seldom(Focus { head, part, directory, desk }, queues, change),
        }
    }
}

/// A listener or a datagram socket is settled in the same way, and much less often.
#[inline(never)]
fn settle_seldom(
    mut focus: Focus<'_, AnyPart>,
    queues: Queues<'_>,
    change: Change,
) -> Option<Move> {
    focus.settle(queues, change)
}

/// The queues that a socket is in, and those that it may join.
struct Queues<'a> {
    tickets: &'a mut [Ticket; SIDES],
    is_waiting: bool,
    ready: &'a mut Ready,
}

impl<P: Kind> Focus<'_, P> {
    #[inline(always)]
    fn settle(&mut self, mut queues: Queues<'_>, change: Change) -> Option<Move> {
        if change == Change::ALL {
            self.settle_state();
        }
        if change.has(Change::OUTPUT) {
            let Queues { tickets: [ticket, _], ready, .. } = &mut queues;
            if !ticket.is_queued() && self.part.has_output_work(self.head, self.way()) {
                ready.side(Side::Output).push(self.head.id, ticket);
            }
        }
        let step = if change.has(Change::INPUT) { self.settle_input(&mut queues) } else { None };
        if change.has(Change::TIMER) && !self.has_no_deadline() {
            self.settle_timer();
        }
        if cfg!(debug_assertions) && step.is_none() {
            self.check_settled(&queues);
        }
        step
    }

    #[inline(always)]
    fn settle_input(&mut self, queues: &mut Queues<'_>) -> Option<Move> {
        let Queues { tickets: [_, ticket], is_waiting, ready } = queues;
        if !self.part.has_input_work(self.head) {
            if !self.part.is_closing() {
                return None;
            }
            if ticket.is_queued() {
                ready.side(Side::Input).remove(ticket);
            }
            return is_waiting.then_some(Move::Leave);
        }
        let waits = self.desk.holds_back(self.head, self.part);
        match (waits, *is_waiting, ticket.is_queued()) {
            (true, true, _) | (false, false, true) => None,
            (false, true, _) => Some(Move::Leave),
            (false, false, false) => {
                ready.side(Side::Input).push(self.head.id, ticket);
                None
            }
            (true, false, is_queued) => {
                if is_queued {
                    ready.side(Side::Input).remove(ticket);
                }
                Some(Move::Join)
            }
        }
    }

    /// The statistics of states.
    fn settle_state(&mut self) {
        let state = self.part.state();
        if self.head.counted_state != state {
            if !self.head.is_helper() {
                self.desk.stats.count_state(Some(self.head.counted_state), Some(state));
            }
            self.head.counted_state = state;
        }
    }

    /// Sets the timer to the deadline, unless it is set early enough.
    fn settle_timer(&mut self) {
        let Some((deadline, _)) = self.part.deadline(self.head, self.config()) else { return };
        let key = TimerKey::Socket(self.head.id);
        match self.head.armed_at {
            Some(armed_at) if armed_at <= deadline => return,
            Some(armed_at) => self.desk.disarm(armed_at, key),
            None => {}
        }
        self.desk.arm(deadline, key);
        self.head.armed_at = Some(deadline);
    }

    /// # Panics
    /// If work or a deadline of the socket was forgotten.
    fn check_settled(&self, queues: &Queues<'_>) {
        let id = self.id();
        let [output_ticket, input_ticket] = *queues.tickets;
        let has_output_work = self.part.has_output_work(self.head, self.way());
        assert!(!has_output_work || output_ticket.is_queued(), "{id}: output work is forgotten");
        let is_listed = input_ticket.is_queued() || queues.is_waiting;
        let has_input_work = self.part.has_input_work(self.head);
        assert!(is_listed || !has_input_work, "{id}: input work is forgotten");
        let deadline = self.part.deadline(self.head, self.config()).map(|(deadline, _)| deadline);
        let is_armed = deadline.is_none_or(|at| self.head.armed_at.is_some_and(|set| set <= at));
        assert!(is_armed, "{id}: its deadline is forgotten");
        let has_none = self.has_no_deadline();
        assert!(!has_none || deadline.is_none(), "{id}: the short look misses a deadline");
        let state = self.part.state();
        assert_eq!(self.head.counted_state, state, "{id} is counted in another state");
        self.part.check(self.head);
    }
}
