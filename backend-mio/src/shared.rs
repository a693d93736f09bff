//! The state that the threads of a runtime share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tidelock_core::{Directory, ExitReport, ServiceId, Stats};

use crate::clock::Clock;
use crate::inboxes::Inboxes;
use crate::stats::{Calls, Histogram};
use crate::workers::Pool;

/// The state that the network threads, the workers and every [`Handle`](crate::Handle) share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: Arc<Directory>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) clock: Clock,
    /// The bits of the id of the service that each network thread is running, or zero.
    pub(crate) inside: Box<[AtomicU64]>,
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) end: End,
    /// The counters of each network thread, as of the last time that it polled for events.
    pub(crate) counted: Box<[Mutex<Counted>]>,
}

/// The counters of a network thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) mux: Stats,
    pub(crate) calls: Calls,
    pub(crate) turns: Histogram,
    pub(crate) commands_queued: u64,
    /// The number of services, and of those that have messages, if services run on the network
    /// thread.
    pub(crate) services: Option<(u64, u64)>,
}

impl Counted {
    fn merge(&mut self, other: &Counted) {
        let Self { mux, calls, turns, commands_queued, services } = self;
        mux.merge(&other.mux);
        calls.merge(&other.calls);
        turns.merge(&other.turns);
        *commands_queued += other.commands_queued;
        *services = match (*services, other.services) {
            (Some((all, waiting)), Some(others)) => Some((all + others.0, waiting + others.1)),
            (one, other) => one.or(other),
        };
    }
}

/// The agreement of the network threads on the end, and their reports.
#[derive(Debug)]
pub(crate) struct End {
    /// `true` for each shard that has nothing left to do.
    is_done: Box<[AtomicBool]>,
    /// The number of network threads that have ended.
    ended: AtomicUsize,
    reports: Mutex<Vec<ExitReport>>,
    reported: Condvar,
}

impl End {
    fn new(shards: u32) -> Self {
        let is_done = (0..shards).map(|_| AtomicBool::new(false)).collect();
        let (ended, reports, reported) = Default::default();
        Self { is_done, ended, reports, reported }
    }

    /// Records whether a network thread is done, and returns `true` if all of them are. Until then
    /// one may still send a command to another.
    pub(crate) fn agree(&self, shard: u32, is_done: bool) -> bool {
        // Release and acquire do not order this store before the loads, so two threads that finish
        // at the same time may each miss the other. Both ask again a moment later.
        self.is_done[shard as usize].store(is_done, Ordering::Release);
        self.is_done.iter().all(|is_done| is_done.load(Ordering::Acquire))
    }

    /// Records the end of a network thread, and returns `true` if it is the last one.
    pub(crate) fn is_last(&self) -> bool {
        let before = self.ended.fetch_add(1, Ordering::AcqRel);
        assert!(before < self.is_done.len(), "{before} network threads had already ended");
        before + 1 == self.is_done.len()
    }

    pub(crate) fn report(&self, report: ExitReport) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        self.reported.notify_all();
    }

    /// Waits for the reports of all network threads, for at most `bound`, and returns their sum.
    pub(crate) fn wait(&self, bound: Duration) -> Option<ExitReport> {
        let shards = self.is_done.len();
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |reports: &mut Vec<ExitReport>| reports.len() < shards;
        let waited = self.reported.wait_timeout_while(reports, bound, is_open);
        let (reports, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && reports.len() < shards {
            return None;
        }
        let mut all = ExitReport::default();
        reports.iter().for_each(|report| all.merge(report.clone()));
        Some(all)
    }
}

impl Shared {
    pub(crate) fn new(
        directory: Arc<Directory>,
        inboxes: Arc<Inboxes>,
        clock: Clock,
        pool: Option<Arc<Pool>>,
    ) -> Self {
        let shards = directory.shards();
        Self {
            directory,
            inboxes,
            clock,
            inside: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            pool,
            end: End::new(shards),
            counted: (0..shards).map(|_| Mutex::default()).collect(),
        }
    }

    /// Returns the services that are inside a call.
    pub(crate) fn services_inside(&self) -> Vec<ServiceId> {
        match &self.pool {
            Some(pool) => pool.inside(),
            None => {
                let bits = self.inside.iter().map(|inside| inside.load(Ordering::Relaxed));
                bits.filter_map(ServiceId::from_bits).collect()
            }
        }
    }

    /// Returns the sum of the counters of all network threads.
    pub(crate) fn counted(&self) -> Counted {
        let mut all = Counted::default();
        for counted in &self.counted {
            all.merge(&counted.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }
}
