//! Putting a socket where its work is done.

use std::ops::BitOr;

use super::Mux;
use super::desk::timers::TimerKey;
use super::sockets::list::Chain;
use crate::SocketId;

/// The places of a socket's work that a transition may have changed.
///
/// A transition that says less than [`ALL`](Self::ALL) is looked at for less; a debug build looks
/// for all the same, and panics if something was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change(u8);

impl Change {
    /// Nothing.
    pub(crate) const NONE: Change = Change(0);
    /// There may be output work that there was not before.
    pub(crate) const OUTPUT: Change = Change(1);
    /// There may be input work that there was not before.
    pub(crate) const INPUT: Change = Change(2);
    /// The deadline may have come nearer.
    pub(crate) const TIMER: Change = Change(4);
    /// Anything, the state included.
    pub(crate) const ALL: Change = Change(15);

    #[inline]
    pub(crate) fn has(self, part: Change) -> bool {
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
pub(crate) enum Move {
    Join,
    Leave,
}

impl Mux {
    /// Puts a socket where its work is done, and arms its timer.
    pub(super) fn settle(&mut self, id: SocketId) {
        if let Some(mut seat) = self.seat(id)
            && let Some(step) = seat.settle(Change::ALL)
        {
            self.move_waiting(id, step);
        }
    }

    /// A transition of a stream is over, which changed this.
    #[inline(never)]
    pub(super) fn conclude_change(&mut self, id: SocketId, change: Change) {
        if change == Change::ALL {
            return self.conclude(id);
        }
        let mut seat = self.seat(id).expect("a socket that was served is alive");
        if let Some(step) = seat.settle(change) {
            self.move_waiting(id, step);
        }
    }

    /// Moves a socket into its owner's list of input that waits for the mailbox, or out of it.
    #[cold]
    pub(super) fn move_waiting(&mut self, id: SocketId, step: Move) {
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
