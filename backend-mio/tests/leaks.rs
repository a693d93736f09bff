//! A runtime leaves nothing behind. This test has a process of its own, because it counts the
//! descriptors and threads of the process, and the descriptors that a child inherits.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use support::{Strings, bounded, client, eventually, listen, runtimes};
use tidelock_core::{ConnectOptions, ListenOptions, Target, UdpOptions};
use tidelock_mio::NetExt;

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

/// Returns the number of descriptors of a child process, including the one that it lists them with.
fn inherited_descriptors() -> usize {
    let listed = Command::new("ls").arg("/proc/self/fd").output().unwrap();
    assert!(listed.status.success());
    listed.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
}

fn use_everything(inherited: usize) {
    for (runtime, ends_with_drop) in runtimes().into_iter().zip([true, false]) {
        let strings = Strings::spawn_reacting(&runtime, |net, message| {
            if let tidelock_core::Message::Data { socket, bytes } = message {
                net.send(*socket, bytes.clone()).unwrap();
            }
        });
        let options = ListenOptions::default().auto_start(true);
        let (_, at) = listen(&runtime, strings.service, options);
        let mut clients: Vec<_> = (0..8).map(|_| client(at)).collect();
        for client in &mut clients {
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        let (reader, _writer) = std::io::pipe().unwrap();
        strings.call(move |net| {
            net.adopt(reader.into(), false).unwrap();
            net.udp(UdpOptions::default()).unwrap();
            let target = Target::host("localhost", at.port());
            net.connect(target, ConnectOptions::default()).unwrap();
        });
        assert_eq!(inherited_descriptors(), inherited, "a child inherits a descriptor of ours");
        // A handle that outlives the runtime keeps no descriptor alive.
        let handle = runtime.handle().clone();
        if ends_with_drop {
            drop(runtime);
        } else {
            assert!(runtime.shutdown(Duration::from_millis(300)).is_complete);
        }
        assert!(handle.info().is_err());
        std::mem::forget(handle);
    }
}

#[test]
fn a_runtime_that_ended_leaves_no_descriptor_and_no_thread() {
    bounded("leaks", || {
        let inherited = inherited_descriptors();
        use_everything(inherited);
        let descriptors = entries("/proc/self/fd");
        for _ in 0..2 {
            use_everything(inherited);
        }
        assert_eq!(entries("/proc/self/fd"), descriptors, "descriptors of this process");
        // Resolver threads are not joined, and may take a moment to end.
        eventually("the threads end", || {
            let threads = fs::read_dir("/proc/self/task").unwrap();
            let names = threads
                .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
            !names.into_iter().any(|name| name.starts_with("tidelock"))
        });
    });
}
