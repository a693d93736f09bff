//! The machine: which processor runs what, and for how long it did.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The names of all threads of a server begin with one of these.
const SERVERS: [&str; 2] = [crate::server::RAW_THREAD, "tidelock"];

/// How long the threads of servers ran so far, in nanoseconds. Those that have ended do not count.
pub(crate) fn of_servers() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux tells about threads");
    let nanos = tasks.filter_map(|task| {
        let path = task.expect("a thread").path();
        // A thread may have ended since it was listed.
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let is_server = SERVERS.iter().any(|server| name.starts_with(server));
        let stat = is_server.then(|| fs::read_to_string(path.join("schedstat")).ok())??;
        let nanos = stat.split(' ').next().expect("the time on a processor comes first");
        Some(nanos.parse::<u64>().expect("a number of nanoseconds"))
    });
    nanos.sum()
}

/// From now on this thread, and those that it starts, run on one processor. Answers on which they
/// could before.
pub(crate) fn pin_to_one() -> CpuSet {
    let before = sched_getaffinity(None).expect("Linux tells where a thread may run");
    let last = (0..CpuSet::MAX_CPU).rev().find(|processor| before.is_set(*processor));
    let mut one = CpuSet::new();
    one.set(last.expect("a thread runs somewhere"));
    sched_setaffinity(None, &one).expect("a subset is allowed");
    before
}

/// From now on this thread, and those that it starts, run on all of `processors`.
pub(crate) fn unpin(processors: &CpuSet) {
    sched_setaffinity(None, processors).expect("it was allowed before");
}

/// Both ends of a thousand connections are ours.
pub(crate) fn allow_many_descriptors() {
    const WANTED: u64 = 4096;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < WANTED) {
        let current = Some(limit.maximum.map_or(WANTED, |most| most.min(WANTED)));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).expect("below the hard limit");
    }
}
