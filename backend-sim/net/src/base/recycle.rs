//! Lists that are used again.

/// Empties a list, and keeps its room, but for that of a world as few are.
pub fn empty<T>(list: &mut Vec<T>) {
    const KEPT_MAX: usize = 4_096;
    list.clear();
    list.shrink_to(KEPT_MAX);
}
