//! A server that is out of descriptors. The test runs itself a second time as a child process with
//! a low limit. The parent, whose own limit is unchanged, has the clients and judges what they see.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use support::{BOUND, Strings, bounded, client, listen};
use tidelock_core::{FaultKind, ListenOptions, Message, Operation, SocketOption};
use tidelock_mio::Runtime;

const ROLE: &str = "TIDELOCK_TEST_CHILD_WORKERS";
const CLIENTS: usize = 8;
const FREE: usize = 3;

#[test]
fn clients_wait_in_the_backlog_until_descriptors_are_free() {
    if let Ok(workers) = std::env::var(ROLE) {
        return serve_with_few_descriptors(workers.parse().unwrap());
    }
    bounded("exhaustion", || {
        for workers in ["0", "2"] {
            judge(workers);
        }
    });
}

/// The parent: it has eight clients, for a server with three free descriptors.
fn judge(workers: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clients_wait_in_the_backlog_until_descriptors_are_free", "--nocapture"])
        .env(ROLE, workers)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line_after = move |prefix: &str| -> String {
        loop {
            let line = lines.next().expect("the child is still running").unwrap();
            // The test harness may have begun the line with the test's name.
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.to_owned();
            }
        }
    };
    let at: SocketAddr = line_after("listening on ").parse().unwrap();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| client(at)).collect();
    for client in &mut clients {
        client.write_all(b"?").unwrap();
    }
    let mut is_served = vec![false; CLIENTS];
    thread::sleep(Duration::from_millis(300));
    serve_round(&mut clients, &mut is_served, Duration::from_millis(50));
    assert_eq!(is_served.iter().filter(|served| **served).count(), FREE, "{is_served:?}");
    ask(&mut child, "measure");
    let busy_micros: u64 = line_after("busy ").parse().unwrap();
    // The listener retries with growing pauses; without them it would spin.
    assert!(busy_micros < 100_000, "{busy_micros} us of CPU in one second of waiting");
    ask(&mut child, "free");
    serve_round(&mut clients, &mut is_served, BOUND);
    // The edge of the waiting clients is gone, so only the retry makes the listener accept them.
    assert_eq!(is_served, [true; CLIENTS], "a client hangs although descriptors are free");
    ask(&mut child, "end");
    assert_eq!(line_after("errors "), "1", "errors reported for one period of failures");
    assert!(child.wait().unwrap().success());
}

fn ask(child: &mut Child, what: &str) {
    writeln!(child.stdin.as_mut().unwrap(), "{what}").unwrap();
}

fn serve_round(clients: &mut [TcpStream], is_served: &mut [bool], bound: Duration) {
    for (client, is_served) in clients.iter_mut().zip(is_served) {
        if !*is_served {
            client.set_read_timeout(Some(bound)).unwrap();
            *is_served = client.read_exact(&mut [0]).is_ok();
        }
    }
}

/// The child: it echoes under a limit of descriptors, all but three of which are taken.
fn serve_with_few_descriptors(workers: usize) {
    const LIMIT: u64 = 64;
    let runtime = Runtime::builder().workers(workers).build().unwrap();
    let strings = Strings::spawn_reacting(&runtime, |net, message| {
        if let Message::Data { socket, bytes } = message {
            net.send(*socket, bytes.clone()).unwrap();
        }
    });
    let options = ListenOptions::default().auto_start(true).accepted(SocketOption::Nodelay(true));
    let (listener, at) = listen(&runtime, strings.service, options);
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum: Some(LIMIT) }).unwrap();
    let mut takers = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        takers.push(file);
    }
    takers.truncate(takers.len() - FREE);
    println!("\nlistening on {at}");
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "measure" => {
                let before = cpu_micros();
                thread::sleep(Duration::from_secs(1));
                println!("\nbusy {}", cpu_micros() - before);
            }
            "free" => takers.clear(),
            "end" => break,
            other => panic!("{other}"),
        }
    }
    let errors = strings.messages.try_iter().filter(|message| match message {
        Message::Error { socket, fault, operation: Operation::Accept, fatal: false } => {
            assert_eq!((*socket, fault.kind), (listener, FaultKind::DescriptorsExhausted));
            true
        }
        Message::Error { .. } => panic!("{message}"),
        _ => false,
    });
    println!("\nerrors {}", errors.count());
}

fn cpu_micros() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}
