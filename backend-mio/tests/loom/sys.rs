//! A model of the poller: a wake-up stays pending until the poller waits, as with an eventfd.

use std::io;
use std::sync::PoisonError;

use loom::sync::{Condvar, Mutex, MutexGuard};

/// The waker, and the poller that it wakes.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_pending: bool,
    wake_ups: usize,
}

impl Waker {
    /// Wakes the poller. It never fails, as a write to an open eventfd does not.
    pub(crate) fn wake(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.is_pending = true;
        state.wake_ups += 1;
        self.woken.notify_one();
        Ok(())
    }

    /// Waits for a wake-up, and takes it.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while !std::mem::take(&mut state.is_pending) {
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn wake_ups(&self) -> usize {
        self.lock().wake_ups
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
