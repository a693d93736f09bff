//! Whether the current thread runs services.

use std::cell::Cell;

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The current thread runs services: it must not wait for the runtime, which may wait for it.
pub(crate) fn enter() {
    IS_INSIDE.set(true);
}

/// Whether waiting for the runtime here could be waiting for oneself.
pub(crate) fn is_inside() -> bool {
    IS_INSIDE.get()
}
