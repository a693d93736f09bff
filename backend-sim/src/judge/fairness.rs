//! The law that every socket that has work gets its turn, however busy the others are.

use std::collections::VecDeque;
use std::hash::Hash;

use tidelock_core::{SocketId, Wish};
use tidelock_net::base::fingerprint::Fingerprint;

/// The debt of a host's Mux to its sockets: a call within a bounded number of turns.
#[derive(Debug, Default)]
pub struct Fairness {
    /// In order of asking; so, nearly, in order of their turns.
    due: VecDeque<Due>,
    /// By index of the id: the turn in which each direction last had a call, or gave its turn up.
    called: Vec<[u64; 2]>,
    /// The number of the host's touched sockets that were looked at since it was last idle.
    pub seen: usize,
}

/// Work that is wished, possible as far as the Mux knows, and not done yet.
#[derive(Clone, Copy, Debug)]
struct Due {
    id: SocketId,
    direction: usize,
    since_turn: u64,
    until_turn: u64,
}

/// To read, accept or receive.
pub const INPUT: usize = 0;
/// To write, send or connect.
pub const OUTPUT: usize = 1;

/// A socket that was overtaken by others which were ready before it still has its turn within
/// this many more.
const TURNS_MORE: u64 = 3;

impl Fairness {
    /// The Mux called the backend about a socket: to read, accept or receive ([`INPUT`]), or to
    /// write, send or connect ([`OUTPUT`]). Or the owner took the wish back with a `Pause`: who is
    /// started again asks anew, behind those who kept asking.
    pub fn called(&mut self, id: SocketId, direction: usize, turn: u64) {
        let index = id.index() as usize;
        if self.called.len() <= index {
            self.called.resize(index + 1, [0; 2]);
        }
        self.called[index][direction] = turn;
    }

    /// A turn is over and left this socket with work. Each turn serves at least one of the
    /// `sockets` that live, in each direction, and lets at least one go that waited for room in its
    /// owner's mailbox; and they take turns. So it is bounded when this one is served.
    pub fn left(&mut self, id: SocketId, wish: Wish, turn: u64, sockets: u64) {
        let has_work = [wish.input && !wish.input_pending, wish.output && !wish.output_pending];
        for (direction, has_work) in has_work.into_iter().enumerate() {
            if has_work {
                let until_turn = turn + sockets + TURNS_MORE;
                self.due.push_back(Due { id, direction, since_turn: turn, until_turn });
            }
        }
    }

    /// Looks at what was due by now.
    ///
    /// # Errors
    /// Which socket was wished something, could have had it for all anybody knows, and was not
    /// served.
    pub fn check(
        &mut self,
        turn: u64,
        mut wish: impl FnMut(SocketId) -> Option<Wish>,
    ) -> Result<(), (SocketId, String)> {
        while let Some(due) = self.due.front().copied().filter(|due| due.until_turn <= turn) {
            self.due.pop_front();
            let last =
                self.called.get(due.id.index() as usize).map_or(0, |last| last[due.direction]);
            let Some(wish) = wish(due.id).filter(|_| last <= due.since_turn) else { continue };
            let (still, name) = match due.direction {
                INPUT => (wish.input && !wish.input_pending, "in"),
                _ => (wish.output && !wish.output_pending, "out"),
            };
            if still {
                let turns = turn - due.since_turn;
                let what = format!("{} wished {name} for {turns} turns and had none", due.id);
                return Err((due.id, what));
            }
        }
        Ok(())
    }

    /// Adds what is due, seen from this turn; who was called since has been served.
    pub(crate) fn fingerprint(&self, turn: u64, state: &mut Fingerprint) {
        for due in &self.due {
            let last = self.called.get(due.id.index() as usize).map_or(0, |one| one[due.direction]);
            (due.id, due.direction, turn - due.since_turn, last > due.since_turn).hash(state);
            due.until_turn.wrapping_sub(turn).hash(state);
        }
        (self.due.len(), self.seen).hash(state);
    }

    /// The host is idle: nothing has work.
    pub fn forget(&mut self) {
        self.due.clear();
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const READS: Wish =
        Wish { input: true, output: false, input_pending: false, output_pending: false };

    fn id(index: u64) -> SocketId {
        SocketId::from_bits(u64::from(NonZeroU32::MIN.get()) << 32 | index).expect("no zero")
    }

    #[test]
    fn who_is_passed_over_is_seen_and_who_is_served_or_wishes_nothing_is_not() {
        let mut fairness = Fairness::default();
        for index in 0..3 {
            fairness.left(id(index), READS, 10, 2);
        }
        fairness.called(id(0), INPUT, 12);
        fairness.called(id(2), OUTPUT, 12);
        let wish = |asked: SocketId| (asked != id(1)).then_some(READS);
        assert_eq!(fairness.check(14, wish), Ok(()), "there is time until turn 15");
        let starved = fairness.check(15, wish).expect_err("another direction is no service");
        assert_eq!(starved.0, id(2));
        let starved = starved.1;
        assert!(starved.contains("wished in for 5 turns"), "{starved}");
    }

    #[test]
    fn who_takes_the_wish_back_and_asks_again_waits_from_then() {
        let mut fairness = Fairness::default();
        fairness.left(id(1), READS, 10, 2);
        // Paused before turn 15, and started again before the same turn.
        fairness.called(id(1), INPUT, 15);
        fairness.left(id(1), READS, 15, 2);
        assert_eq!(fairness.check(19, |_| Some(READS)), Ok(()), "there is time until turn 20");
        let (of, starved) = fairness.check(20, |_| Some(READS)).expect_err("it asked again");
        assert_eq!(of, id(1));
        assert!(starved.contains("wished in for 5 turns"), "{starved}");
    }
}
