//! What a world leaves to the next one: room, and nothing in it.

use crate::{kernel, oracle};

/// Room for what grows in a world. Whoever runs many of them, one after the other, hands it from
/// each to the next; what they do does not depend on it.
#[derive(Default)]
pub struct Memory {
    pub(crate) kernel: kernel::Room,
    pub(crate) oracle: oracle::Room,
}

/// Empties a list, and keeps its room, but for that of a world as few are.
pub(crate) fn empty<T>(list: &mut Vec<T>) {
    const KEPT_MAX: usize = 4_096;
    list.clear();
    list.shrink_to(KEPT_MAX);
}
