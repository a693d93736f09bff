//! Services on threads of their own.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidelock_core::{Batch, Command, Delivery, Directory, Dispatcher, Instant, Outlet, ServiceId};

use crate::clock::Clock;
use crate::guarded::{AbortOnPanic, run_batch};
use crate::inboxes::Inboxes;
use crate::inside;

/// Services on threads of their own: one mailbox per service, and whoever is idle takes the next
/// service that has messages.
///
/// A service is in at most one batch, so it never runs on two threads at once. No lock is held
/// while it runs. Its commands are published before the batch is given back, so what another
/// thread makes of its next batch comes after them.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Idle workers wait here.
    work: Condvar,
    /// The place where threads wait for the pool to be quiet.
    quiet: Condvar,
}

struct State {
    /// `None` once the pool has stopped.
    dispatcher: Option<Dispatcher>,
    /// By worker: the service that it is inside of.
    inside: Vec<Option<ServiceId>>,
    idle_workers: usize,
    /// So many wait for the pool to be quiet; without one nobody is told, which would be a call of
    /// the system for every batch.
    quiet_waiters: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("inside", &self.inside).finish_non_exhaustive()
    }
}

/// The things that a worker needs besides the pool.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) directory: Arc<Directory>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) clock: Clock,
}

impl Pool {
    /// A pool for `workers` threads, which [`start`](Self::start) starts.
    pub(crate) fn new(dispatcher: Dispatcher, workers: usize) -> Self {
        assert!(workers > 0, "without workers services run on the network thread");
        let state = State {
            dispatcher: Some(dispatcher),
            inside: vec![None; workers],
            idle_workers: 0,
            quiet_waiters: 0,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), quiet: Condvar::new() }
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If the system gives no more threads; those that were started end.
    pub(crate) fn start(
        self: &Arc<Self>,
        context: &WorkerContext,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let workers = self.lock().inside.len();
        let mut threads = Vec::with_capacity(workers);
        for worker in 0..workers {
            let (pool, context) = (Arc::clone(self), context.clone());
            let thread = thread::Builder::new()
                .name(format!("tidelock-worker-{worker}"))
                .spawn(move || pool.work(worker, &context));
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    self.stop();
                    return Err(error);
                }
            }
        }
        Ok(threads)
    }

    /// Puts outputs of the Mux into the mailboxes and wakes as many workers as have something
    /// to do.
    pub(crate) fn deliver(&self, deliveries: &mut Vec<Delivery>) {
        let mut state = self.lock();
        let Some(dispatcher) = &mut state.dispatcher else {
            return;
        };
        let mut leftovers = Vec::new();
        for delivery in deliveries.drain(..) {
            leftovers.extend(dispatcher.deliver(delivery));
        }
        let wanted = dispatcher.runnable().min(state.idle_workers);
        drop(state);
        // Dropping a service runs its code: not under the lock, and with a pool at work.
        drop(leftovers);
        for _ in 0..wanted {
            self.work.notify_one();
        }
    }

    /// Waits until no mailbox holds a message and no service runs, at most `bound`; answers
    /// whether that is so.
    pub(crate) fn wait_until_quiet(&self, bound: Duration) -> bool {
        let is_busy = |state: &mut State| {
            let has_messages = state.dispatcher.as_ref().is_some_and(|all| !all.is_idle());
            has_messages || state.inside.iter().any(Option::is_some)
        };
        let mut state = self.lock();
        state.quiet_waiters += 1;
        let waited = self.quiet.wait_timeout_while(state, bound, is_busy);
        let (mut state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        state.quiet_waiters -= 1;
        !result.timed_out()
    }

    /// Ends: no further batch begins, services that are not running are dropped, workers end
    /// after their batch.
    pub(crate) fn stop(&self) {
        let dispatcher = self.lock().dispatcher.take();
        self.work.notify_all();
        drop(dispatcher);
    }

    /// The services that are inside a call.
    pub(crate) fn inside(&self) -> Vec<ServiceId> {
        self.lock().inside.iter().flatten().copied().collect()
    }

    /// Returns the numbers of services, of those with messages that do not run, and of those that
    /// run.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let state = self.lock();
        let (services, waiting) = state
            .dispatcher
            .as_ref()
            .map_or((0, 0), |all| (all.services() as u64, all.runnable() as u64));
        [services, waiting, state.inside.iter().flatten().count() as u64]
    }

    /// Returns `true` if `worker` is inside a call. After [`stop`](Self::stop) one that is not ends
    /// at once.
    pub(crate) fn is_inside(&self, worker: usize) -> bool {
        self.lock().inside[worker].is_some()
    }

    fn work(&self, worker: usize, context: &WorkerContext) {
        let _abort = AbortOnPanic("worker thread, outside of any service,");
        inside::enter();
        let mut commands = Vec::new();
        while let Some(batch) = self.take(worker) {
            let WorkerContext { inboxes, clock, .. } = context;
            let mut outlet = WorkerOutlet { inboxes, clock };
            let now = context.clock.now();
            let batch = run_batch(batch, &context.directory, now, &mut commands, &mut outlet);
            context.inboxes.push_batch(&mut commands);
            self.give_back(worker, batch);
        }
    }

    /// The next batch; waits for one. `None`: the pool has stopped.
    fn take(&self, worker: usize) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let batch = state.dispatcher.as_mut()?.take();
            if let Some(batch) = batch {
                assert!(state.inside[worker].is_none(), "worker {worker} runs two services");
                state.inside[worker] = Some(batch.service());
                return Some(batch);
            }
            state.idle_workers += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle_workers -= 1;
        }
    }

    /// The batch of `worker` ran; `None` if its service is gone.
    fn give_back(&self, worker: usize, batch: Option<Batch>) {
        let mut state = self.lock();
        state.inside[worker] = None;
        // What is over is dropped outside of the lock: that runs the service's code.
        let (mut unused, mut released) = (None, None);
        let mut has_more_than_one = false;
        match (&mut state.dispatcher, batch) {
            (Some(dispatcher), Some(batch)) => {
                released = dispatcher.give_back(batch);
                has_more_than_one = dispatcher.runnable() > 1;
            }
            (_, batch) => unused = batch,
        }
        let wanted = has_more_than_one && state.idle_workers > 0;
        let is_awaited = state.quiet_waiters > 0;
        drop(state);
        drop((unused, released));
        if wanted {
            self.work.notify_one();
        }
        if is_awaited {
            self.quiet.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is our own and ends the process; see AbortOnPanic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's way out: what a service asks goes to the network thread.
struct WorkerOutlet<'a> {
    inboxes: &'a Inboxes,
    clock: &'a Clock,
}

impl Outlet for WorkerOutlet<'_> {
    fn publish(&mut self, commands: &mut Vec<Command>) {
        self.inboxes.push_batch(commands);
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.now())
    }
}
