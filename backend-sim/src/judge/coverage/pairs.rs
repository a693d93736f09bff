//! Which pairs of faults can meet: data, written by hand, with a reason for each that cannot.

use tidelock_net::words::kinds::Family;

use super::legal::Excluded;
use super::set::Set;
use super::trail::{PAIRS, families};

/// Why this pair cannot be reached; `None` if it can.
pub fn why_not_pair(pair: usize) -> Option<Excluded> {
    let (first, second) = families(pair);
    let is = |row: &&PairRow| {
        let PairRow { one, others, is_ordered, .. } = row;
        let follows = *one == second && others.contains(&first);
        follows || !is_ordered && *one == first && others.contains(&second)
    };
    PAIR_ROWS.iter().find(is).map(|row| row.why)
}

/// Pairs that cannot meet.
struct PairRow {
    one: Family,
    others: &'static [Family],
    /// Only where `one` comes second.
    is_ordered: bool,
    why: Excluded,
}

/// In either order.
const fn never(one: Family, others: &'static [Family], why: Excluded) -> PairRow {
    PairRow { one, others, is_ordered: false, why }
}

/// Where `second` comes after one of the others.
const fn never_after(second: Family, others: &'static [Family], why: Excluded) -> PairRow {
    PairRow { one: second, others, is_ordered: true, why }
}

/// Troubles of a whole host or of the world, by names, machines, polls, turns and links, are seen
/// by whatever socket meets something next, so that they can meet every other family in both
/// orders. So can completions and errnos, of which every kind of socket has some.
const PAIR_ROWS: &[PairRow] = {
    use Family::{Accepts, Completions, Connects, Cuts, Datagrams, Delays, Resets};
    &[
        never(
            Datagrams,
            &[Cuts, Delays, Resets, Connects, Accepts],
            "a datagram socket is no stream, and no listener",
        ),
        never(Accepts, &[Cuts, Delays, Resets, Connects], "a listener is no connection"),
        never(Resets, &[Resets], "a connection breaks once"),
        never(Connects, &[Connects], "a connection is made once"),
        never_after(
            Connects,
            &[Cuts, Delays, Resets, Completions],
            "what a connect meets is decided before anything flows or is completed",
        ),
        never_after(Cuts, &[Resets], "of a connection that broke nothing more arrives or is taken"),
        never_after(Delays, &[Resets], "of a connection that broke nothing more is sent"),
    ]
};

/// Every pair that can be reached.
pub fn legal_pairs() -> Set {
    let mut legal = Set::below(PAIRS);
    (0..PAIRS).filter(|pair| why_not_pair(*pair).is_none()).for_each(|pair| legal.insert(pair));
    legal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::coverage::pair;

    #[test]
    fn pairs_are_excluded_in_both_orders_or_in_one() {
        let why = |first, second| why_not_pair(pair(first, second));
        for (one, other) in [(Family::Cuts, Family::Datagrams), (Family::Accepts, Family::Resets)] {
            assert!(why(one, other).is_some() && why(other, one).is_some());
        }
        assert_eq!(why(Family::Cuts, Family::Resets), None);
        assert!(why(Family::Resets, Family::Cuts).is_some());
        assert_eq!(why(Family::Connects, Family::Completions), None);
        assert!(why(Family::Completions, Family::Connects).is_some());
        for family in Family::ALL {
            assert_eq!(why(Family::Machines, family), None, "machines>{}", family.name());
            assert_eq!(why(family, Family::World), None, "{}>world", family.name());
        }
    }
}
