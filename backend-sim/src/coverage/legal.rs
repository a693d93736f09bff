//! Which cells can be reached.

use super::cell::{CELLS, Cell};
use super::set::Set;
use super::trail::PAIRS;

/// Why a class of cells cannot be reached.
pub type Excluded = &'static str;

/// Why this cell cannot be reached; `None` if it can.
pub fn why_not(_cell: Cell) -> Option<Excluded> {
    None
}

/// Why this pair cannot be reached; `None` if it can.
pub fn why_not_pair(_pair: usize) -> Option<Excluded> {
    None
}

/// Every cell that can be reached.
pub fn legal_cells() -> Set {
    let mut legal = Set::below(CELLS);
    let cells = (0..CELLS).filter_map(Cell::from_index);
    cells.filter(|cell| why_not(*cell).is_none()).for_each(|cell| legal.insert(cell.index()));
    legal
}

/// Every pair that can be reached.
pub fn legal_pairs() -> Set {
    let mut legal = Set::below(PAIRS);
    (0..PAIRS).filter(|pair| why_not_pair(*pair).is_none()).for_each(|pair| legal.insert(pair));
    legal
}
