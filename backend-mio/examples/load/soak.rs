//! The soak test: memory stays flat, nothing is left, and every byte comes back.

use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::process::{Served, allow_descriptors};
use crate::serve::Server;
use crate::{Failure, Load};

/// The most by which the mean resident memory of the third and the fourth quarter may differ, in
/// percent. Single samples move with the bytes queued for slow readers, so the means are compared:
/// a leak moves those.
const FLAT_PERCENT: u64 = 2;
/// The time in which the server must see that all clients have gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// The fewest samples of memory to judge by.
const SAMPLES_MIN: usize = 60;

/// Runs the load against a server in a process of its own.
///
/// # Errors
/// If a connection failed, memory grew, or something is left.
pub(crate) fn soak(load: &Load, server: &Server) -> Result<(), Failure> {
    // The server process inherits the limit.
    allow_descriptors(load.connections)?;
    let served = Served::start(server)?;
    let descriptors_before = served.descriptors()?;
    let mut crowd = Crowd::new(served.address(), load)?;
    let mut resident = Vec::new();
    let mut failed = None;
    crowd.run(load.time, |second, crowd| {
        let report = crowd.take_report();
        let told = served.resident_bytes().and_then(|bytes| Ok((bytes, served.descriptors()?)));
        match told {
            Ok((bytes, descriptors)) => {
                resident.push(bytes);
                let kilobytes = bytes >> 10;
                if second % 10 == 0 {
                    println!("{second:>6} s  {report}; {kilobytes} KiB, {descriptors} descriptors");
                }
            }
            Err(error) => failed = Some(error),
        }
    })?;
    if let Some(error) = failed {
        return Err(format!("the server is gone: {error}").into());
    }
    println!("{}", crowd.totals());
    crowd.leave();
    wait_until_gone(&served, descriptors_before)?;
    println!("{}", served.stop()?.trim_end());
    crowd.judge()?;
    judge_memory(&resident)
}

fn wait_until_gone(served: &Served, descriptors_before: usize) -> Result<(), Failure> {
    let begin = Instant::now();
    loop {
        let descriptors = served.descriptors()?;
        if descriptors == descriptors_before {
            println!("{descriptors} descriptors as before");
            return Ok(());
        }
        if begin.elapsed() > GONE_WITHIN {
            return Err(format!("{descriptors} descriptors, {descriptors_before} before").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Checks that memory does not grow in the second half.
fn judge_memory(resident: &[u64]) -> Result<(), Failure> {
    if resident.len() < SAMPLES_MIN {
        println!("too short to judge the memory: {} of {SAMPLES_MIN} s", resident.len());
        return Ok(());
    }
    let half = &resident[resident.len() / 2..];
    let (third, fourth) = half.split_at(half.len() / 2);
    let [third, fourth] = [third, fourth].map(|part| part.iter().sum::<u64>() / part.len() as u64);
    let (least, most) = (half.iter().min(), half.iter().max());
    let (least, most) = (least.expect("there are many"), most.expect("there are many"));
    let moved = format!(
        "{} to {} KiB resident in the second half, {} KiB on average in the third quarter and {} in \
         the fourth",
        least >> 10,
        most >> 10,
        third >> 10,
        fourth >> 10
    );
    println!("{moved}");
    if fourth.abs_diff(third) * 100 > third * FLAT_PERCENT {
        return Err(format!("memory is not flat: {moved}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_may_grow_at_first_and_not_later() {
        let flat = |index: u64| 1000 + index.min(30) * 10;
        judge_memory(&(0..100).map(flat).collect::<Vec<_>>()).unwrap();
        let uneven = |index: u64| 1000 + index % 5 * 100;
        judge_memory(&(0..100).map(uneven).collect::<Vec<_>>()).unwrap();
        for growing in [|index: u64| 1000 + index, |index: u64| 1000 + (index / 75) * 30] {
            let told = judge_memory(&(0..100).map(growing).collect::<Vec<_>>()).unwrap_err();
            assert!(told.to_string().contains("not flat"), "{told}");
        }
    }
}
