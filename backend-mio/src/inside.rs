//! The mark of threads that run services.

use std::cell::Cell;

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks the current thread as one that runs services. It must not wait for the runtime, because
/// the runtime may be waiting for it.
pub(crate) fn enter() {
    IS_INSIDE.set(true);
}

/// Returns `true` if the current thread runs services.
pub(crate) fn is_inside() -> bool {
    IS_INSIDE.get()
}
