//! Values of users, dropped where a panic must stop nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops a value that may be a user's, such as the owner of a payload's memory. If that panics, the
/// panic hook tells of it, and whoever drops goes on: its own state is not half changed by it.
#[inline]
pub(crate) fn drop_contained<T>(value: T) {
    // The hook has told it; nothing is left that could be done about it.
    let _panic = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// Drops values one by one: a second one that panics while the first one unwinds would end the
/// process.
pub(crate) fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    values.into_iter().for_each(drop_contained);
}
