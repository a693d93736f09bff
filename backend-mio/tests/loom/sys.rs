//! A model of the poller: a wake-up that nobody waits for yet is pending.

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
    /// An eventfd that exists takes it.
    pub(crate) fn wake(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.is_pending = true;
        state.wake_ups += 1;
        self.woken.notify_one();
        Ok(())
    }

    /// The poller waits.
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
