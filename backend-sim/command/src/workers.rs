//! The only threads: they make runs, and what they made is collected in the order of seeds.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tidelock_sim::internal::campaign::Attempt;

/// The runs that are to be made, the number of threads, and the end.
pub(crate) struct Work<'a> {
    /// The seeds.
    pub(crate) seeds: Range<u64>,
    /// The number of threads.
    pub(crate) jobs: usize,
    /// Makes one run.
    pub(crate) attempt: &'a (dyn Fn(u64) -> Attempt + Sync),
    /// Returns `true` if no further run is to begin.
    pub(crate) is_over: &'a (dyn Fn() -> bool + Sync),
}

/// Makes the runs and hands each to `collect` in ascending order of seeds, whichever thread was
/// first, until it says `Break`; runs that were made in vain after that are forgotten, and so are
/// those behind the first seed that was not run when the work was over: what is collected has no
/// gap. Calls `tick` with the number of runs made, several times a second.
pub(crate) fn work(
    work: &Work<'_>,
    mut collect: impl FnMut(Attempt) -> ControlFlow<()>,
    mut tick: impl FnMut(u64),
) {
    const TICK: Duration = Duration::from_millis(100);
    const UNITS_WAITING_MAX_PER_JOB: usize = 4;
    let shared = Shared::new(work);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(work.jobs * UNITS_WAITING_MAX_PER_JOB);
        for _ in 0..work.jobs {
            let sender = sender.clone();
            scope.spawn(|| make_units(work, &shared, sender));
        }
        drop(sender);
        // Units that were done before the ones in front of them.
        let mut early = BTreeMap::new();
        let mut expected = work.seeds.start;
        let mut flow = ControlFlow::Continue(());
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Unit { seeds, attempts }) => {
                    early.insert(seeds.start, (seeds.end, attempts));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            tick(shared.made.load(Relaxed));
            while let Some((end, attempts)) = early.remove(&expected) {
                let is_whole = attempts.len() as u64 == end - expected;
                expected = end;
                if flow.is_continue() {
                    flow = attempts.into_iter().try_for_each(&mut collect);
                }
                // What is behind a gap is left to whoever goes on from here.
                if !is_whole {
                    flow = ControlFlow::Break(());
                }
            }
            if flow.is_break() {
                shared.stop.store(true, Relaxed);
            }
        }
        assert!(early.is_empty(), "every unit that was taken is handed over");
    });
}

/// Neighbouring seeds that one thread takes at once.
struct Unit {
    seeds: Range<u64>,
    /// Of the first seeds; of all, unless the work was stopped.
    attempts: Vec<Attempt>,
}

/// The state that the threads share.
struct Shared {
    /// The first seed that nobody has taken.
    next: AtomicU64,
    /// No further run is to begin.
    stop: AtomicBool,
    /// Runs made.
    made: AtomicU64,
    /// The number of seeds that are taken at once: few enough for all jobs to end at about the same
    /// time.
    unit: u64,
}

impl Shared {
    fn new(work: &Work<'_>) -> Shared {
        const UNIT_MAX: u64 = 16;
        const UNITS_PER_JOB_MIN: u64 = 4;
        let count = work.seeds.end - work.seeds.start;
        Shared {
            next: AtomicU64::new(work.seeds.start),
            stop: AtomicBool::new(false),
            made: AtomicU64::new(0),
            unit: (count / (work.jobs as u64 * UNITS_PER_JOB_MIN)).clamp(1, UNIT_MAX),
        }
    }

    /// The next seeds that nobody has taken.
    fn take(&self, end: u64) -> Option<Range<u64>> {
        let after = |start: u64| start.saturating_add(self.unit).min(end);
        let taken =
            self.next.fetch_update(Relaxed, Relaxed, |start| (start < end).then(|| after(start)));
        taken.ok().map(|start| start..after(start))
    }
}

fn make_units(work: &Work<'_>, shared: &Shared, sender: SyncSender<Unit>) {
    while let Some(seeds) = shared.take(work.seeds.end) {
        let mut attempts = Vec::with_capacity((seeds.end - seeds.start) as usize);
        for seed in seeds.clone() {
            attempts.push((work.attempt)(seed));
            shared.made.fetch_add(1, Relaxed);
            // Asked after a run, so that even the shortest campaign makes one.
            if shared.stop.load(Relaxed) || (work.is_over)() {
                shared.stop.store(true, Relaxed);
                break;
            }
        }
        // The collector is gone only when it panicked, and that panic is told already.
        let is_received = sender.send(Unit { seeds, attempts }).is_ok();
        if !is_received || shared.stop.load(Relaxed) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::report;

    fn attempt(seed: u64) -> Attempt {
        // The first seeds take longest, so that later ones are ready before them.
        if seed.is_multiple_of(7) {
            thread::yield_now();
        }
        Attempt { report: report("echo", seed), repeated: false, deletion: None }
    }

    fn collected(jobs: usize, seeds: Range<u64>, stop_at: Option<u64>) -> Vec<u64> {
        let mut order = Vec::new();
        let mut ticks = 0;
        let plan = Work { seeds, jobs, attempt: &attempt, is_over: &|| false };
        work(
            &plan,
            |attempt| {
                order.push(attempt.report.seed);
                match stop_at {
                    Some(seed) if seed == attempt.report.seed => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
            |_| ticks += 1,
        );
        assert!(ticks > 0);
        order
    }

    #[test]
    fn runs_are_collected_in_the_order_of_seeds() {
        for jobs in [1, 2, 5] {
            let all: Vec<u64> = (100..1_337).collect();
            assert_eq!(collected(jobs, 100..1_337, None), all, "{jobs} jobs");
        }
        assert_eq!(collected(3, u64::MAX - 5..u64::MAX, None).len(), 5);
    }

    #[test]
    fn nothing_is_collected_after_a_break() {
        for jobs in [1, 2, 5] {
            let until: Vec<u64> = (0..=70).collect();
            assert_eq!(collected(jobs, 0..10_000, Some(70)), until, "{jobs} jobs");
        }
    }

    #[test]
    fn work_that_ends_early_leaves_no_gap() {
        for jobs in [2, 5] {
            let made = AtomicU64::new(0);
            let count = |seed| {
                made.fetch_add(1, Relaxed);
                attempt(seed)
            };
            let is_over = || made.load(Relaxed) > 200;
            let plan = Work { seeds: 0..100_000, jobs, attempt: &count, is_over: &is_over };
            let mut order = Vec::new();
            let collect = |attempt: Attempt| {
                order.push(attempt.report.seed);
                ControlFlow::Continue(())
            };
            work(&plan, collect, |_| {});
            let made = made.load(Relaxed);
            assert!(order.iter().copied().eq(0..order.len() as u64), "{jobs} jobs: {order:?}");
            // How many are in vain depends on who was held up, and not on this.
            let collected = order.len() as u64;
            assert!((1..=made).contains(&collected), "{collected} of {made}");
            assert!(made < 100_000, "it ended early");
        }
    }

    #[test]
    fn the_shortest_campaign_makes_a_run() {
        let mut made = 0;
        let plan = Work { seeds: 0..u64::MAX, jobs: 1, attempt: &attempt, is_over: &|| true };
        work(
            &plan,
            |_| {
                made += 1;
                ControlFlow::Continue(())
            },
            |_| {},
        );
        assert_eq!(made, 1);
    }
}
