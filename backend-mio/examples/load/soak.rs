//! The soak: hours in small. Memory stays flat, nothing is left, every byte comes back.

use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::process::Served;
use crate::serve::Server;
use crate::{Failure, Load};

/// How much resident memory may move in the second half, in percent of the most.
const FLAT_PERCENT: u64 = 2;
/// How long the server may take to see that all clients have gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// A shorter one says nothing about memory.
const SAMPLES_MIN: usize = 60;

/// Runs the load against a server in a process of its own.
///
/// # Errors
/// If a connection ended as it should not, memory grew, or something is left.
pub(crate) fn soak(load: &Load, server: &Server) -> Result<(), Failure> {
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

/// The second half of the samples lies close together.
fn judge_memory(resident: &[u64]) -> Result<(), Failure> {
    if resident.len() < SAMPLES_MIN {
        println!("too short to judge the memory: {} of {SAMPLES_MIN} s", resident.len());
        return Ok(());
    }
    let half = &resident[resident.len() / 2..];
    let (least, most) = (half.iter().min(), half.iter().max());
    let (least, most) = (*least.expect("there are many"), *most.expect("there are many"));
    let moved = format!("{} to {} KiB resident in the second half", least >> 10, most >> 10);
    println!("{moved}");
    if (most - least) * 100 > most * FLAT_PERCENT {
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
        let grows: Vec<_> = (0..100).map(|index| 1000 + index).collect();
        assert!(judge_memory(&grows).unwrap_err().to_string().contains("not flat"));
    }
}
