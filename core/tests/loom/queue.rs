//! The queue to the network thread.

use std::mem;
use std::sync::PoisonError;

use loom::sync::{Condvar, Mutex, MutexGuard};

use crate::{Command, Event};

/// Commands and events on their way to the network thread, and the number of workers that may
/// still add some.
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    events: Vec<Event>,
    workers: usize,
}

impl Queue {
    pub fn new(workers: usize) -> Self {
        let state = State { workers, ..State::default() };
        Self { state: Mutex::new(state), filled: Condvar::new() }
    }

    pub fn push(&self, commands: &mut Vec<Command>) {
        if !commands.is_empty() {
            self.lock().commands.append(commands);
            self.filled.notify_one();
        }
    }

    pub fn push_event(&self, event: Event) {
        self.lock().events.push(event);
        self.filled.notify_one();
    }

    /// Adds the last commands of a worker, which ends.
    pub fn leave(&self, commands: &mut Vec<Command>) {
        let mut state = self.lock();
        state.commands.append(commands);
        state.workers -= 1;
        self.filled.notify_one();
    }

    /// Waits until the queue has something and takes all of it. Returns `None` once it is empty and
    /// the last worker has ended.
    pub fn take(&self) -> Option<(Vec<Command>, Vec<Event>)> {
        let mut state = self.lock();
        while state.commands.is_empty() && state.events.is_empty() {
            if state.workers == 0 {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Some((mem::take(&mut state.commands), mem::take(&mut state.events)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
