//! Panics of services, kept to the service.

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use crate::contained::drop_messages;
use tidelock_core::{Batch, Command, Directory, Instant, Outlet, Service};

/// Runs a batch; a service that panics is released, and its batch is gone. Answers the batch to
/// give back, if the service lives.
pub(crate) fn run_batch(
    mut batch: Batch,
    directory: &Directory,
    now: Instant,
    commands: &mut Vec<Command>,
    outlet: &mut dyn Outlet,
) -> Option<Batch> {
    let (service, name) = (batch.service(), batch.service_name());
    // What a panic leaves half done is the service, which is never called again.
    let run = AssertUnwindSafe(|| batch.run(directory, now, commands, outlet));
    match panic::catch_unwind(run) {
        Ok(()) => Some(batch),
        Err(_told_by_the_panic_hook) => {
            tracing::error!(%service, name, "a service panicked; it is released");
            commands.push(Command::Release { service, abrupt: true });
            // Messages that it did not get to may hold values whose drop panics as well.
            drop_messages(|| drop(batch));
            None
        }
    }
}

/// Drops a service, whose panic stops nobody else.
pub(crate) fn dispose(service: Box<dyn Service>) {
    if panic::catch_unwind(AssertUnwindSafe(|| drop(service))).is_err() {
        tracing::error!("a service panicked while it was dropped");
    }
}

/// Ends the process if its thread panics: without the network thread every socket would be
/// silent for ever, and a process that hangs is worse than one that is gone.
pub(crate) struct AbortOnPanic(pub(crate) &'static str);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("tidelock: the {} panicked; the process ends", self.0);
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const ROLE: &str = "TIDELOCK_TEST_CHILD_PANICS";

    /// The test runs itself a second time as the child that is to die.
    #[test]
    fn a_panic_of_a_guarded_thread_ends_the_process_loudly() {
        if std::env::var_os(ROLE).is_some() {
            let thread = thread::spawn(|| {
                let _abort = AbortOnPanic("network thread");
                panic!("a broken assumption");
            });
            drop(thread.join());
            return;
        }
        let name = "guarded::tests::a_panic_of_a_guarded_thread_ends_the_process_loudly";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, "1")
            .output()
            .unwrap();
        const SIGABRT: i32 = 6;
        assert_eq!(child.status.signal(), Some(SIGABRT), "{}", child.status);
        let told = String::from_utf8_lossy(&child.stderr);
        assert!(told.contains("a broken assumption"), "{told}");
        assert!(told.contains("the network thread panicked"), "{told}");
    }

    #[test]
    fn a_guarded_thread_that_ends_in_peace_ends_nothing_else() {
        let thread = thread::spawn(|| {
            let _abort = AbortOnPanic("network thread");
        });
        thread.join().unwrap();
    }
}
