//! A runtime that waits does not spin. This test has a process of its own, because it measures the
//! CPU time of the process.

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use support::{Strings, bounded, client, listen, runtimes};
use tidelock_core::{ListenOptions, UdpOptions};
use tidelock_mio::NetExt;

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn waiting_for_anything_costs_no_time() {
    bounded("idle", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let accept = || {
                let peer = client(at);
                let id = strings.accepted();
                (peer, id)
            };
            // Input that is not read, with an end after it; output that the peer does not read;
            // silence.
            let (mut unread, _) = accept();
            unread.write_all(b"unread").unwrap();
            unread.shutdown(Shutdown::Write).unwrap();
            let (_full, full_id) = accept();
            let (_silent, silent_id) = accept();
            // The writing end of a full pipe has nothing to read, and nothing can be written.
            let (_reader, writer) = std::io::pipe().unwrap();
            strings.call(move |net| {
                net.send(full_id, vec![0; 16 << 20]).unwrap();
                net.start(silent_id).unwrap();
                let pipe = net.adopt(writer.into(), false).unwrap();
                net.send(pipe, vec![0; 1 << 20]).unwrap();
                net.udp(UdpOptions::default()).unwrap();
                net.set_timer(Duration::from_secs(600));
            });
            thread::sleep(Duration::from_millis(300));
            let before = cpu();
            thread::sleep(Duration::from_secs(1));
            let used = cpu() - before;
            assert!(used < Duration::from_millis(20), "{used:?} of CPU in a second of waiting");
        }
    });
}
