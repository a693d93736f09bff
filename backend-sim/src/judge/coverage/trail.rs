//! The fate of faults: which were seen, and which met on one connection.

use tidelock_net::chance::choices::{Choices, Site};
use tidelock_net::words::kinds::Family;

use super::set::Set;

/// The number of families.
pub const FAMILIES: usize = Family::ALL.len();
/// The number of pairs of families.
pub const PAIRS: usize = FAMILIES * FAMILIES;
/// Two faults make a pair if so many events and answers of the connection lie between them, or
/// fewer.
pub const PAIR_EVENTS_MAX: u32 = 10;
/// More than so many decisions between two events, and their order is not known.
const TAKEN_MAX: u64 = 1 << 10;

/// Follows each fault to the first event or answer that the code under test meets afterwards, on
/// the socket that the fault concerns: that is when it was *seen*.
///
/// A fault of a host concerns every socket of it, and one of the world every socket; it is seen by
/// the first of them that meets anything.
#[derive(Clone, Debug)]
pub struct Trail {
    /// For each entity and family, faults that nothing was met after yet.
    waiting: Vec<[Waiting; FAMILIES]>,
    /// Faults that began so far, with gaps: which of two was first.
    begun: u64,
    /// The number of faults that wait.
    waiting_count: u32,
    /// For each connection that saw a fault, by the entity of its near end.
    histories: Vec<History>,
    /// For each family, faults that were seen.
    seen: [u64; FAMILIES],
    pairs: Set,
}

/// Faults of one family that nothing was met after yet.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    count: u16,
    /// When the first of them began.
    since: u64,
}

/// The faults that one connection saw.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// Events and answers since the first fault.
    events: u32,
    /// When each family was seen last, counted from 1; 0 is never.
    last: [u32; FAMILIES],
}

/// Whom an event or an answer concerns.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The entity of the socket; of a connection, of its near end.
    pub entity: u32,
    /// It is a connection, whose far end has the next entity.
    pub is_connection: bool,
    /// The entity of the host.
    pub host: u32,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            begun: 0,
            waiting_count: 0,
            histories: Vec::new(),
            seen: [0; FAMILIES],
            pairs: Set::below(PAIRS),
        }
    }
}

impl Trail {
    /// For each family, how many faults were seen.
    pub const fn seen(&self) -> &[u64; FAMILIES] {
        &self.seen
    }

    /// The pairs that met, by [`pair`].
    pub const fn pairs(&self) -> &Set {
        &self.pairs
    }

    /// A fault begins that concerns this entity.
    pub fn begins(&mut self, entity: u32, family: Family) {
        self.begun += 1;
        self.waits(entity, family, self.begun);
    }

    fn waits(&mut self, entity: u32, family: Family, since: u64) {
        let at = entity as usize;
        if self.waiting.len() <= at {
            self.waiting.resize(at + 1, [Waiting::default(); FAMILIES]);
        }
        let waiting = &mut self.waiting[at][family as usize];
        waiting.since = if waiting.count == 0 { since } else { waiting.since.min(since) };
        waiting.count = waiting.count.saturating_add(1);
        self.waiting_count += 1;
    }

    /// Takes note of the faults that were decided since the last time.
    #[inline]
    pub fn take_faults<C: Choices>(&mut self, choices: &mut C) {
        if let Some(newest) = choices.take_fault() {
            self.take_rest(choices, newest);
        }
    }

    /// Returns `true` if there was no fault yet that anybody could meet.
    #[inline]
    pub fn is_blank(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The code under test meets something: an event, or the answer of a call.
    #[inline]
    pub fn meets(&mut self, subject: Subject) {
        if let Some(history) = self.histories.get_mut(subject.entity as usize) {
            history.events += 1;
        }
        if self.waiting_count > 0 {
            self.sees(subject);
        }
    }

    /// Decisions are taken with the last of them first.
    #[cold]
    fn take_rest<C: Choices>(&mut self, choices: &mut C, newest: Site) {
        self.begun += TAKEN_MAX;
        let mut since = self.begun;
        let rest = std::iter::from_fn(|| choices.take_fault());
        for Site { kind, entity } in std::iter::once(newest).chain(rest) {
            self.waits(entity, kind.info().family, since);
            since = since.saturating_sub(1);
        }
    }

    #[cold]
    fn sees(&mut self, subject: Subject) {
        const WORLD: u32 = 0;
        let far = if subject.is_connection { subject.entity + 1 } else { subject.entity };
        let mut first = [u64::MAX; FAMILIES];
        for entity in [WORLD, subject.host, subject.entity, far] {
            let Some(waiting) = self.waiting.get_mut(entity as usize) else { continue };
            for (family, Waiting { count, since }) in waiting.iter_mut().enumerate() {
                if *count > 0 {
                    first[family] = first[family].min(*since);
                    self.seen[family] += u64::from(*count);
                    self.waiting_count -= u32::from(*count);
                    *count = 0;
                }
            }
        }
        // Of those that are seen at once, the one that began first comes first.
        let mut seen: [usize; FAMILIES] = std::array::from_fn(|family| family);
        seen.sort_unstable_by_key(|family| first[*family]);
        for family in seen.into_iter().filter(|family| first[*family] < u64::MAX) {
            self.pair_up(subject.entity, family);
        }
    }

    /// The connection sees a fault of a family now.
    fn pair_up(&mut self, entity: u32, second: usize) {
        let at = entity as usize;
        if self.histories.len() <= at {
            self.histories.resize(at + 1, History::default());
        }
        let history = &mut self.histories[at];
        history.events = history.events.max(1);
        let now = history.events;
        for (first, last) in history.last.iter().enumerate() {
            if *last > 0 && now - *last <= PAIR_EVENTS_MAX {
                self.pairs.insert(first * FAMILIES + second);
            }
        }
        history.last[second] = now;
    }
}

/// The number of the pair in which `first` came first.
pub const fn pair(first: Family, second: Family) -> usize {
    first as usize * FAMILIES + second as usize
}

/// The families of a pair.
pub fn families(pair: usize) -> (Family, Family) {
    (Family::ALL[pair / FAMILIES], Family::ALL[pair % FAMILIES])
}

/// A pair as it is printed: `cuts>resets`, the first one in front.
pub fn pair_name(pair: usize) -> String {
    let (first, second) = families(pair);
    format!("{}>{}", first.name(), second.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: Subject = Subject { entity: 5, is_connection: true, host: 1 };
    const OTHER: Subject = Subject { entity: 7, is_connection: true, host: 1 };
    const LISTENER: Subject = Subject { entity: 6, is_connection: false, host: 2 };

    fn meets(trail: &mut Trail, subject: Subject) {
        trail.meets(subject);
    }

    fn pairs(trail: &Trail) -> Vec<String> {
        trail.pairs().iter().map(pair_name).collect()
    }

    #[test]
    fn a_family_has_its_place() {
        for (at, family) in Family::ALL.into_iter().enumerate() {
            assert_eq!(family as usize, at, "{}", family.name());
            assert_eq!(families(pair(family, Family::Cuts)), (family, Family::Cuts));
        }
    }

    #[test]
    fn a_fault_is_seen_by_what_it_concerns() {
        let mut trail = Trail::default();
        trail.begins(6, Family::Resets);
        meets(&mut trail, OTHER);
        assert_eq!(trail.seen()[Family::Resets as usize], 0, "another connection's");
        meets(&mut trail, CONNECTION);
        assert_eq!(trail.seen()[Family::Resets as usize], 1, "the far end's");
        trail.begins(2, Family::Events);
        meets(&mut trail, CONNECTION);
        assert_eq!(trail.seen()[Family::Events as usize], 0, "another host's");
        meets(&mut trail, LISTENER);
        assert_eq!(trail.seen()[Family::Events as usize], 1);
        trail.begins(0, Family::World);
        trail.begins(0, Family::World);
        meets(&mut trail, OTHER);
        assert_eq!(trail.seen()[Family::World as usize], 2);
        meets(&mut trail, OTHER);
        assert_eq!(trail.seen()[Family::World as usize], 2, "once");
    }

    #[test]
    fn of_two_faults_that_are_seen_at_once_the_one_that_began_first_comes_first() {
        for (first, second, name) in [
            (Family::Machines, Family::Cuts, "machines>cuts"),
            (Family::Cuts, Family::Machines, "cuts>machines"),
        ] {
            let mut trail = Trail::default();
            let entity = |family| if family == Family::Machines { CONNECTION.host } else { 5 };
            trail.begins(entity(first), first);
            trail.begins(entity(second), second);
            meets(&mut trail, CONNECTION);
            assert_eq!(pairs(&trail), [name]);
        }
    }

    #[test]
    fn two_faults_are_a_pair_if_they_are_near() {
        let mut trail = Trail::default();
        trail.begins(5, Family::Cuts);
        meets(&mut trail, CONNECTION);
        for _ in 1..PAIR_EVENTS_MAX {
            meets(&mut trail, CONNECTION);
        }
        trail.begins(5, Family::Resets);
        meets(&mut trail, OTHER);
        assert!(trail.pairs().is_empty());
        meets(&mut trail, CONNECTION);
        assert_eq!(pairs(&trail), ["cuts>resets"]);
        // Now the cut is too long ago.
        trail.begins(5, Family::Delays);
        meets(&mut trail, CONNECTION);
        assert_eq!(pairs(&trail), ["cuts>resets", "resets>delays"].map(str::to_owned).to_vec());
    }
}
