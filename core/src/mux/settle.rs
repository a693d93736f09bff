//! Putting a socket where its work is done.

use std::ops::BitOr;

use super::Mux;
use super::desk::Desk;
use super::desk::timers::TimerKey;
use super::focus::Focus;
use super::sockets::head::Head;
use super::sockets::kind::{Kind, Way};
use super::sockets::list::Chain;
use super::sockets::ready::Side;
use super::sockets::stream::Phase;
use super::sockets::table::Place;
use super::sockets::{AnyPart, Ready, Socket};
use crate::gate::Gate;
use crate::{Config, SocketId};

/// What a transition may have changed of where a socket's work is done.
///
/// A transition that says less than [`ALL`](Self::ALL) is looked at for less; a debug build looks
/// for all the same, and panics if something was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change(u8);

impl Change {
    /// There may be output work that there was not before.
    pub(crate) const OUTPUT: Change = Change(1);
    /// There may be input work that there was not before.
    pub(crate) const INPUT: Change = Change(2);
    /// The deadline may have come nearer.
    pub(crate) const TIMER: Change = Change(4);
    /// Anything, the state and the right to write included.
    pub(crate) const ALL: Change = Change(15);

    #[inline]
    fn has(self, part: Change) -> bool {
        self.0 & part.0 != 0
    }
}

impl BitOr for Change {
    type Output = Change;

    #[inline]
    fn bitor(self, other: Change) -> Change {
        Change(self.0 | other.0)
    }
}

/// A list that a socket has to join or leave, which takes its neighbours too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Join,
    Leave,
}

impl Mux {
    /// Puts a socket where its work is done, and arms its timer.
    pub(super) fn settle(&mut self, id: SocketId) {
        let Self { directory, sockets, desk, .. } = self;
        let Some(place) = sockets.table.living(id) else { return };
        let gate = directory.gate(id).expect("a living id has a gate");
        let step = settle_place(place, gate, desk, &mut sockets.ready, Change::ALL);
        if let Some(step) = step {
            self.move_waiting(id, step);
        }
    }

    #[inline]
    pub(super) fn settle_index(&mut self, index: u32, change: Change) {
        let Self { directory, sockets, desk, .. } = self;
        let Some(place) = sockets.table.place_mut(index) else { return };
        let Some(socket) = &place.socket else { return };
        let id = socket.id();
        let gate = directory.gate(id).expect("a living id has a gate");
        let step = settle_place(place, gate, desk, &mut sockets.ready, change);
        if let Some(step) = step {
            self.move_waiting(id, step);
        }
    }

    /// Moves a socket into its owner's list of input that waits for the mailbox, or out of it.
    #[cold]
    fn move_waiting(&mut self, id: SocketId, step: Move) {
        let socket = self.sockets.table.get(id).expect("a settled socket is alive");
        let owner = socket.head.owner.expect("only an owned socket waits for a mailbox");
        let entry = self.desk.services.get_mut(owner).expect("an owner is there");
        match step {
            Move::Join => {
                assert!(entry.is_held_back, "{id} waits for {owner}, whose mailbox has room");
                self.sockets.table.push_back(&mut entry.waiting_input, Chain::Waiting, id);
            }
            Move::Leave => {
                self.sockets.table.unlink(&mut entry.waiting_input, Chain::Waiting, id);
                self.settle(id);
            }
        }
    }

    /// Takes a socket out of its owner's list of input that waits for the mailbox.
    pub(super) fn leave_waiting(&mut self, id: SocketId) {
        let place = self.sockets.table.place(id.place());
        if !place.is_some_and(|place| place.is_linked(Chain::Waiting)) {
            return;
        }
        let socket = self.sockets.table.get(id).expect("a socket that waits is alive");
        let owner = socket.head.owner.expect("only an owned socket waits for a mailbox");
        let entry = self.desk.services.get_mut(owner).expect("an owner is there");
        self.sockets.table.unlink(&mut entry.waiting_input, Chain::Waiting, id);
    }

    /// Takes a socket out of all queues, and disarms its timer.
    pub(super) fn leave_queues(&mut self, id: SocketId) {
        self.leave_waiting(id);
        let Self { sockets, desk, .. } = self;
        let place = sockets.table.living(id).expect("a socket ends once");
        for (queue, ticket) in sockets.ready.0.iter_mut().zip(&mut place.tickets) {
            if ticket.is_queued() {
                queue.remove(ticket);
            }
        }
        let socket = place.socket.as_mut().expect("a living id has a socket");
        if let Some(armed_at) = socket.head.armed_at.take() {
            desk.disarm(armed_at, TimerKey::Socket(id));
        }
    }
}

/// Settles one socket; answers whether it has to join or leave the list of its owner's mailbox.
#[inline]
fn settle_place(
    place: &mut Place,
    gate: &Gate,
    desk: &mut Desk,
    ready: &mut Ready,
    change: Change,
) -> Option<Move> {
    let is_waiting = place.is_linked(Chain::Waiting);
    let Place { socket: Some(Socket { head, part }), tickets, .. } = place else {
        unreachable!("only a living socket is settled");
    };
    let id = head.id;
    let [output_ticket, input_ticket] = tickets;
    if change == Change::ALL {
        settle_rest(head, part, gate, desk);
    }
    if change.has(Change::OUTPUT) && !output_ticket.is_queued() {
        let way = Way::new(gate, desk.direct_write, desk.is_forcing);
        if part.has_output_work(head, way) {
            ready.side(Side::Output).push(id, output_ticket);
        }
    }
    let mut step = None;
    if change.has(Change::INPUT) {
        if part.has_input_work(head) {
            let waits = part.needs_mailbox(head) && desk.services.is_held_back(head.owner);
            match (waits, is_waiting, input_ticket.is_queued()) {
                (true, true, _) | (false, false, true) => {}
                (false, true, _) => step = Some(Move::Leave),
                (false, false, false) => ready.side(Side::Input).push(id, input_ticket),
                (true, false, is_queued) => {
                    if is_queued {
                        ready.side(Side::Input).remove(input_ticket);
                    }
                    step = Some(Move::Join);
                }
            }
        } else if part.is_closing() {
            if input_ticket.is_queued() {
                ready.side(Side::Input).remove(input_ticket);
            }
            step = is_waiting.then_some(Move::Leave);
        }
    }
    if change.has(Change::TIMER) && !is_armed(head, part, desk) {
        arm_timer(head, part, desk);
    }
    if cfg!(debug_assertions) && step.is_none() {
        check_settled(place, gate, desk);
    }
    step
}

/// The right to write, and the statistics of states.
fn settle_rest(head: &mut Head, part: &mut AnyPart, gate: &Gate, desk: &mut Desk) {
    if desk.direct_write
        && let AnyPart::Stream(part) = &mut *part
    {
        Focus { head, part, gate, desk }.settle_permit();
    }
    let state = part.state();
    if head.counted_state != state {
        if !head.is_helper() {
            desk.stats.count_state(Some(head.counted_state), Some(state));
        }
        head.counted_state = state;
    }
}

/// Whether the timer is set early enough for the deadline, if there is one.
#[inline]
fn is_armed(head: &Head, part: &AnyPart, desk: &Desk) -> bool {
    // Asked for each message, and mostly an open stream has no deadline.
    if let AnyPart::Stream(stream) = part
        && matches!(stream.phase, Phase::Open)
        && !stream.is_fin_noticed
        && desk.may_be_silent
        && head.timeouts.is_none()
        && stream.write_fault.is_none()
    {
        return true;
    }
    is_armed_in_time(head, part, desk.config())
}

fn is_armed_in_time(head: &Head, part: &AnyPart, config: &Config) -> bool {
    let Some((deadline, _)) = part.deadline(head, config) else { return true };
    head.armed_at.is_some_and(|armed_at| armed_at <= deadline)
}

/// Sets the timer to the deadline.
fn arm_timer(head: &mut Head, part: &AnyPart, desk: &mut Desk) {
    let key = TimerKey::Socket(head.id);
    if let Some(armed_at) = head.armed_at {
        desk.disarm(armed_at, key);
    }
    let (deadline, _) = part.deadline(head, desk.config()).expect("it has a deadline");
    desk.arm(deadline, key);
    head.armed_at = Some(deadline);
}

/// # Panics
/// If work or a deadline of the socket was forgotten.
fn check_settled(place: &Place, gate: &Gate, desk: &Desk) {
    let socket = place.socket.as_ref().expect("only a living socket is settled");
    let (head, part) = (&socket.head, &socket.part);
    let id = head.id;
    let [output_ticket, input_ticket] = place.tickets;
    let way = Way::new(gate, desk.direct_write, desk.is_forcing);
    // A worker may end its direct write between two looks; its `Flush` makes the Mux look again.
    let is_forgotten =
        part.has_output_work(head, way) && !way.look(head).has_flush && !output_ticket.is_queued();
    assert!(!is_forgotten, "{id}: output work is forgotten");
    let is_listed = input_ticket.is_queued() || place.is_linked(Chain::Waiting);
    assert!(is_listed || !part.has_input_work(head), "{id}: input work is forgotten");
    assert!(is_armed_in_time(head, part, desk.config()), "{id}: its deadline is forgotten");
    assert_eq!(head.counted_state, part.state(), "{id} is counted in another state");
    socket.check();
}
