//! The machine: which processor runs what, and for how long it did.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Returns the time that the threads of this process whose names begin so ran so far, in
/// nanoseconds. Those
/// that have ended do not count.
pub(crate) fn of_threads(names: &[&str]) -> u64 {
    sum_tasks("self", |name| names.iter().any(|begin| name.starts_with(begin)))
}

/// Returns the time that all threads of a process ran so far, in nanoseconds.
pub(crate) fn of_process(process: u32) -> u64 {
    sum_tasks(&process.to_string(), |_| true)
}

fn sum_tasks(process: &str, counts: impl Fn(&str) -> bool) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("Linux tells about threads");
    let nanos = tasks.filter_map(|task| {
        let path = task.expect("a thread").path();
        // A thread may have ended since it was listed.
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let stat = counts(&name).then(|| fs::read_to_string(path.join("schedstat")).ok())??;
        let nanos = stat.split(' ').next().expect("the time on a processor comes first");
        Some(nanos.parse::<u64>().expect("a number of nanoseconds"))
    });
    nanos.sum()
}

/// Runs `body` with this thread, and those that it starts, on one processor.
pub(crate) fn on_one<T>(body: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None).expect("Linux tells where a thread may run");
    let last = (0..CpuSet::MAX_CPU).rev().find(|processor| before.is_set(*processor));
    let mut one = CpuSet::new();
    one.set(last.expect("a thread runs somewhere"));
    sched_setaffinity(None, &one).expect("a subset is allowed");
    let result = body();
    sched_setaffinity(None, &before).expect("it was allowed before");
    result
}

/// The resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells about processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.and_then(|number| number.parse::<u64>().ok());
    kilobytes.expect("a number of kB") << 10
}

/// Both ends of thousands of connections are ours.
pub(crate) fn allow_many_descriptors() {
    const WANTED: u64 = 12_000;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < WANTED) {
        let current = Some(limit.maximum.map_or(WANTED, |most| most.min(WANTED)));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).expect("below the hard limit");
    }
}
