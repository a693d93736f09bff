//! Waits that a signal interrupts. The test runs itself a second time as a child process, which is
//! stopped and continued: on Linux that ends a wait of the poller with EINTR.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{Strings, bounded, client, listen};
use tidelock_core::{ListenOptions, Message};
use tidelock_mio::Runtime;

const ROLE: &str = "TIDELOCK_TEST_CHILD";

#[test]
fn a_signal_ends_a_wait_and_nothing_else() {
    if std::env::var_os(ROLE).is_some() {
        return serve();
    }
    bounded("signals", || {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_signal_ends_a_wait_and_nothing_else", "--nocapture"])
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Kept until the end, because the child's test harness still writes its result.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let at: SocketAddr = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.split_once("listening on ")?.1.parse().ok())
            .expect("the child listens");
        let mut client = client(at);
        let pid = Pid::from_child(&child);
        for _ in 0..10 {
            kill_process(pid, Signal::STOP).unwrap();
            thread::sleep(Duration::from_millis(10));
            kill_process(pid, Signal::CONT).unwrap();
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    });
}

/// The child: it echoes until its input ends.
fn serve() {
    let runtime = Runtime::builder().build().unwrap();
    let strings = Strings::spawn_reacting(&runtime, |net, message| {
        if let Message::Data { socket, bytes } = message {
            net.send(*socket, bytes.clone()).unwrap();
        }
    });
    let (_, at) = listen(&runtime, strings.service, ListenOptions::default().auto_start(true));
    println!("\nlistening on {at}");
    assert_eq!(std::io::stdin().lines().count(), 0);
}
