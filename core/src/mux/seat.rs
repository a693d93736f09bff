//! One socket at its place, for one step of the Mux.

use super::desk::Desk;
use super::desk::timers::TimerKey;
use super::focus::Focus;
use super::settle::{Change, Move};
use super::sockets::head::Head;
use super::sockets::kind::{Kind, Way};
use super::sockets::list::Chain;
use super::sockets::ready::{SIDES, Side, Ticket};
use super::sockets::stream::Phase;
use super::sockets::table::Place;
use super::sockets::{AnyPart, Ready, Socket};
use crate::gate::Gate;
use crate::{Config, Directory};

/// One socket at its place, found once for one step: for a transition, which sees its
/// [`focus`](Self::focus) alone, and for settling what that changed.
pub(crate) struct Seat<'a> {
    pub(crate) socket: &'a mut Socket,
    tickets: &'a mut [Ticket; SIDES],
    /// It is in its owner's list of input that waits for the mailbox.
    is_waiting: bool,
    gate: &'a Gate,
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
        let gate = directory.gate(socket.head.id).expect("a living id has a gate");
        Self { socket, tickets, is_waiting, gate, desk, ready }
    }

    /// The socket in the hands of a transition.
    #[inline]
    pub(crate) fn focus(&mut self) -> Focus<'_, AnyPart> {
        let Socket { head, part } = &mut *self.socket;
        Focus { head, part, gate: self.gate, desk: self.desk }
    }

    /// Puts the socket where its work is done, and arms its timer; answers whether it has to join or
    /// leave the list of its owner's mailbox.
    #[inline]
    pub(crate) fn settle(&mut self, change: Change) -> Option<Move> {
        if change == Change::ALL {
            self.settle_rest();
        }
        if change.has(Change::OUTPUT) {
            self.settle_output();
        }
        let step = if change.has(Change::INPUT) { self.settle_input() } else { None };
        if change.has(Change::TIMER) && !self.is_armed() {
            self.arm_timer();
        }
        if cfg!(debug_assertions) && step.is_none() {
            self.check_settled();
        }
        step
    }

    #[inline]
    fn settle_output(&mut self) {
        let Socket { head, part } = &*self.socket;
        let ticket = &mut self.tickets[Side::Output as usize];
        let way = Way::new(self.gate, self.desk.direct_write, self.desk.is_forcing);
        if !ticket.is_queued() && part.has_output_work(head, way) {
            self.ready.side(Side::Output).push(head.id, ticket);
        }
    }

    #[inline]
    fn settle_input(&mut self) -> Option<Move> {
        let Socket { head, part } = &*self.socket;
        let ticket = &mut self.tickets[Side::Input as usize];
        if !part.has_input_work(head) {
            if !part.is_closing() {
                return None;
            }
            if ticket.is_queued() {
                self.ready.side(Side::Input).remove(ticket);
            }
            return self.is_waiting.then_some(Move::Leave);
        }
        let waits = part.needs_mailbox(head) && self.desk.services.is_held_back(head.owner);
        match (waits, self.is_waiting, ticket.is_queued()) {
            (true, true, _) | (false, false, true) => None,
            (false, true, _) => Some(Move::Leave),
            (false, false, false) => {
                self.ready.side(Side::Input).push(head.id, ticket);
                None
            }
            (true, false, is_queued) => {
                if is_queued {
                    self.ready.side(Side::Input).remove(ticket);
                }
                Some(Move::Join)
            }
        }
    }

    /// The right to write, and the statistics of states.
    fn settle_rest(&mut self) {
        let Socket { head, part } = &mut *self.socket;
        let (gate, desk) = (self.gate, &mut *self.desk);
        if desk.direct_write
            && let AnyPart::Stream(part) = part
        {
            Focus { head, part, gate, desk }.settle_permit();
        }
        let Socket { head, part } = &mut *self.socket;
        let state = part.state();
        if head.counted_state != state {
            if !head.is_helper() {
                self.desk.stats.count_state(Some(head.counted_state), Some(state));
            }
            head.counted_state = state;
        }
    }

    /// Whether the timer is set early enough for the deadline, if there is one.
    #[inline]
    fn is_armed(&self) -> bool {
        let Socket { head, part } = &*self.socket;
        // Asked for each message, and mostly an open stream has no deadline.
        if let AnyPart::Stream(stream) = part
            && matches!(stream.phase, Phase::Open)
            && self.desk.may_be_silent
            && head.timeouts.is_none()
            && !stream.is_fin_noticed
            && stream.write_fault.is_none()
        {
            return true;
        }
        is_armed_in_time(head, part, self.desk.config())
    }

    /// Sets the timer to the deadline.
    fn arm_timer(&mut self) {
        let Socket { head, part } = &mut *self.socket;
        let key = TimerKey::Socket(head.id);
        if let Some(armed_at) = head.armed_at {
            self.desk.disarm(armed_at, key);
        }
        let (deadline, _) = part.deadline(head, self.desk.config()).expect("it has a deadline");
        self.desk.arm(deadline, key);
        head.armed_at = Some(deadline);
    }

    /// # Panics
    /// If work or a deadline of the socket was forgotten.
    fn check_settled(&self) {
        let Socket { head, part } = &*self.socket;
        let id = head.id;
        let [output_ticket, input_ticket] = *self.tickets;
        let way = Way::new(self.gate, self.desk.direct_write, self.desk.is_forcing);
        // A worker may end its direct write between two looks; its `Flush` makes the Mux look again.
        let is_forgotten = part.has_output_work(head, way)
            && !way.look(head).has_flush
            && !output_ticket.is_queued();
        assert!(!is_forgotten, "{id}: output work is forgotten");
        let is_listed = input_ticket.is_queued() || self.is_waiting;
        assert!(is_listed || !part.has_input_work(head), "{id}: input work is forgotten");
        let is_armed = is_armed_in_time(head, part, self.desk.config());
        assert!(is_armed, "{id}: its deadline is forgotten");
        assert_eq!(head.counted_state, part.state(), "{id} is counted in another state");
        self.socket.check();
    }
}

fn is_armed_in_time(head: &Head, part: &AnyPart, config: &Config) -> bool {
    let Some((deadline, _)) = part.deadline(head, config) else { return true };
    head.armed_at.is_some_and(|armed_at| armed_at <= deadline)
}
