//! Whether every socket that has work gets its turn, however busy the others are.

use std::collections::VecDeque;
use std::hash::Hash;

use tidelock_core::{SocketId, Wish};

use crate::fingerprint::Fingerprint;

/// What a host's Mux owes to its sockets: a call within a bounded number of turns.
#[derive(Debug, Default)]
pub struct Fairness {
    /// In order of asking; so, nearly, in order of their turns.
    due: VecDeque<Due>,
    /// By index of the id: the turn of the last call of each direction.
    called: Vec<[u64; 2]>,
    /// How many of the host's touched sockets were looked at since it was last idle.
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

/// A socket that was overtaken by others which were ready before it still has its turn within
/// this many more.
const TURNS_MORE: u64 = 3;

impl Fairness {
    /// The Mux called the backend about a socket: to read, accept or receive (0), or to write,
    /// send or connect (1).
    pub fn called(&mut self, id: SocketId, direction: usize, turn: u64) {
        let index = id.index() as usize;
        if self.called.len() <= index {
            self.called.resize(index + 1, [0; 2]);
        }
        self.called[index][direction] = turn;
    }

    /// After this turn nothing is read of a socket for a while: what was owed is not any more.
    pub fn withdrawn(&mut self, id: SocketId, turn: u64) {
        self.called(id, 0, turn + 1);
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
    ) -> Result<(), String> {
        while let Some(due) = self.due.front().copied().filter(|due| due.until_turn <= turn) {
            self.due.pop_front();
            let last =
                self.called.get(due.id.index() as usize).map_or(0, |last| last[due.direction]);
            let Some(wish) = wish(due.id).filter(|_| last <= due.since_turn) else { continue };
            let (still, name) = match due.direction {
                0 => (wish.input && !wish.input_pending, "in"),
                _ => (wish.output && !wish.output_pending, "out"),
            };
            if still {
                let turns = turn - due.since_turn;
                return Err(format!("{} wished {name} for {turns} turns and had none", due.id));
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
        fairness.called(id(0), 0, 12);
        fairness.called(id(2), 1, 12);
        let wish = |asked: SocketId| (asked != id(1)).then_some(READS);
        assert_eq!(fairness.check(14, wish), Ok(()), "there is time until turn 15");
        let starved = fairness.check(15, wish).expect_err("another direction is no service");
        assert!(starved.contains("wished in for 5 turns"), "{starved}");
    }

    #[test]
    fn a_pause_takes_back_what_was_owed() {
        let mut fairness = Fairness::default();
        fairness.left(id(0), READS, 10, 2);
        fairness.left(id(1), READS, 10, 2);
        fairness.withdrawn(id(0), 10);
        let starved = fairness.check(15, |_| Some(READS)).expect_err("nobody paused the other");
        assert!(starved.starts_with(&id(1).to_string()), "{starved}");
    }
}
