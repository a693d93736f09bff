//! The one source of choice: faults and scheduling, with 0 as the benign answer.

mod enumerate;
mod record;
mod replay;
mod seed;
mod visited;

pub use enumerate::{ChoicePoint, Chosen, Enumerate};
pub use record::Record;
pub use replay::Replay;
pub use seed::Seed;
pub use visited::{Trunk, Visited};

use crate::words::kinds::{KIND_COUNT, Kind};

/// Where a decision is made: which kind, for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The kind of the decision.
    pub kind: Kind,
    /// For whom: a number given at [`Choices::birth`].
    pub entity: u32,
}

/// A source of decisions. 0, and an uncut length, are benign.
///
/// A byte range of a stream is asked about once per kind, in order; so a decision that is keyed by
/// its offset is found again whatever the sizes of the calls.
pub trait Choices {
    /// An entity begins; numbers count from 0. `name` is what keys call it.
    fn birth(&mut self, entity: u32, name: &dyn Fn() -> String);

    /// A decision found again by how often this site decided before; below `bound`.
    fn draw(&mut self, site: Site, bound: u32) -> u32;

    /// A decision about the bytes from `position`, `length` of them; below `bound`.
    fn draw_at(&mut self, site: Site, position: u64, length: usize, bound: u32) -> u32;

    /// Decides the number of the `length` bytes from `position` that pass: from 1 to `length`,
    /// `length` if uncut.
    fn cut(&mut self, site: Site, position: u64, length: usize) -> usize;

    /// From now on everything is benign.
    fn quiet(&mut self);

    /// Noise made what this site was asked about last later by so much; of a stream, from
    /// `position` on. A source that nobody writes down need not know.
    #[inline]
    fn note_noise(&mut self, _site: Site, _position: u64, _nanos: u64) {}

    /// Returns the number of decisions of each kind that were not benign.
    fn injected(&self) -> &[u64; KIND_COUNT];

    /// Returns `true` if the messages that services are told are to be remembered, for
    /// fingerprints.
    fn wants_histories(&self) -> bool {
        false
    }

    /// It wants to know what the world has come to.
    fn wants_fingerprint(&self) -> bool {
        false
    }

    /// The world has come to this. Answers whether what follows from it is known: then the run
    /// ends here.
    fn is_known(&mut self, _fingerprint: u128) -> bool {
        false
    }

    /// One of the decisions that were not benign and were not taken from here yet, for those who
    /// follow what becomes of them. A source that nobody follows need not keep them.
    fn take_fault(&mut self) -> Option<Site> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::decision::{Decision, Position, Value};
    use crate::words::kinds::Family;

    const STREAM: u32 = 0;
    const HOST: u32 = 1;

    /// A made-up world that asks for decisions whose keys do not depend on earlier answers alone.
    fn ask(choices: &mut dyn Choices) -> Vec<u64> {
        let mut answers = Vec::new();
        choices.birth(STREAM, &|| "c1'".to_owned());
        choices.birth(HOST, &|| "server".to_owned());
        let (mut position, mut reset) = (0, false);
        for round in 0..400_u64 {
            let mut left = 1 + (round as usize * 37) % 90;
            while left > 0 {
                let site = Site { kind: Kind::IN_CUT, entity: STREAM };
                let passed = choices.cut(site, position, left);
                assert!((1..=left).contains(&passed), "{passed} of {left}");
                let site = Site { kind: Kind::IN_RESET, entity: STREAM };
                reset |= choices.cut(site, position, passed + 1) <= passed;
                answers.extend([position, passed as u64, u64::from(reset)]);
                position += passed as u64;
                left -= passed;
            }
            let site = Site { kind: Kind::POLL_DELAY, entity: HOST };
            answers.push(u64::from(choices.draw(site, 1000)));
            let site = Site { kind: Kind::IN_DELAY, entity: STREAM };
            answers.push(u64::from(choices.draw_at(site, round * 10, 10, 1000)));
            if round == 350 {
                choices.quiet();
            }
        }
        answers
    }

    fn rates() -> [(Family, u8); 4] {
        [(Family::Cuts, 3), (Family::Resets, 5), (Family::Scheduling, 4), (Family::Delays, 3)]
    }

    #[test]
    fn a_recording_replays_to_the_same_answers() {
        for seed in 0..20 {
            let drawn = ask(&mut Seed::new(seed, "test", &rates()));
            let mut record = Record::new(Seed::new(seed, "test", &rates()));
            assert_eq!(drawn, ask(&mut record), "recording changes nothing");
            assert!(record.decisions().len() > 50, "{}", record.decisions().len());
            let mut replay = Replay::new(record.decisions().to_vec());
            assert_eq!(drawn, ask(&mut replay));
            assert_eq!(replay.unused().count(), 0);
            assert_eq!(replay.injected(), record.injected());
        }
    }

    #[test]
    fn without_families_everything_is_benign() {
        let mut seed = Seed::new(1, "test", &[]);
        ask(&mut seed);
        assert_eq!(seed.injected(), &[0; KIND_COUNT]);
    }

    #[test]
    fn a_cut_is_found_whatever_the_sizes_of_the_calls() {
        let cut = Decision::new("c1'/in", Position::Offset(10), "cut", Value::Number(1));
        for size in [11, 16, 100] {
            let mut replay = Replay::new(vec![cut.clone()]);
            replay.birth(0, &|| "c1'".to_owned());
            let site = Site { kind: Kind::IN_CUT, entity: 0 };
            assert_eq!(replay.cut(site, 0, size), 10);
            assert_eq!(replay.cut(site, 10, size), size, "once only");
            assert_eq!(replay.unused().count(), 0);
        }
    }

    #[test]
    fn what_is_out_of_range_or_never_asked_is_unused() {
        let decisions = vec![
            Decision::new("server/poll", Position::Occurrence(0), "limit", Value::Number(9)),
            Decision::new("nobody/poll", Position::Occurrence(0), "limit", Value::Number(1)),
        ];
        let mut replay = Replay::new(decisions);
        replay.birth(0, &|| "server".to_owned());
        assert_eq!(replay.draw(Site { kind: Kind::POLL_LIMIT, entity: 0 }, 9), 0);
        assert_eq!(replay.unused().count(), 2);
    }
}
