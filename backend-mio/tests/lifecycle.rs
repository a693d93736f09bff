//! The start, work and end of a runtime.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use support::{BOUND, Order, Strings, bounded, client, eventually, listen, pattern, runtimes};
use tidelock_core::{
    CloseReason, Config, Keepalive, ListenOptions, Message, Net, Service, ServiceId, SocketOption,
    SocketState, SpawnError,
};
use tidelock_mio::{BuildError, Runtime};

const PENDING: usize = 8 << 20;

/// Connects a client, with eight megabytes queued for it.
fn with_pending(runtime: &Runtime) -> (Strings, std::net::TcpStream) {
    let strings = Strings::spawn(runtime);
    let (_, at) = listen(runtime, strings.service, ListenOptions::default());
    let peer = client(at);
    let id = strings.accepted();
    strings.call(move |net| net.send(id, pattern(PENDING, 8)).unwrap());
    (strings, peer)
}

#[test]
fn output_pending_at_the_shutdown_is_delivered_to_a_peer_that_reads() {
    bounded("shutdown delivers", || {
        for runtime in runtimes() {
            let (_strings, mut peer) = with_pending(&runtime);
            let reader = thread::spawn(move || {
                let mut got = Vec::new();
                peer.read_to_end(&mut got).unwrap();
                got
            });
            let report = runtime.shutdown(BOUND);
            assert!(report.is_complete);
            assert_eq!((report.exit.unsent_bytes, report.exit.unsent), (0, Vec::new()));
            assert!(reader.join().unwrap() == pattern(PENDING, 8), "the peer got other bytes");
        }
    });
}

#[test]
fn output_pending_at_the_shutdown_is_counted_if_the_peer_does_not_read() {
    bounded("shutdown counts", || {
        for runtime in runtimes() {
            let (strings, mut peer) = with_pending(&runtime);
            let start = Instant::now();
            let report = runtime.shutdown(Duration::from_millis(400));
            assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
            let unsent = report.exit.unsent_bytes;
            assert!(report.is_complete && unsent > 0, "{report:?}");
            assert_eq!(report.exit.unsent.len(), 1);
            assert_eq!((report.exit.closed, report.exit.closed_at_deadline), (2, 1));
            let told = strings.until(|message| match message {
                Message::Close { reason: CloseReason::Exit, unsent, .. } if *unsent > 0 => {
                    Some(*unsent)
                }
                _ => None,
            });
            assert_eq!(told, unsent);
            let (mut got, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
            while let Ok(count @ 1..) = peer.read(&mut chunk) {
                got.extend_from_slice(&chunk[..count]);
            }
            let got_bytes = got.len() as u64;
            assert!(got_bytes + unsent <= PENDING as u64, "{got_bytes} B came, {unsent} B unsent");
            assert!(got == pattern(PENDING, 8)[..got.len()], "the peer got other bytes");
        }
    });
}

#[test]
fn a_service_that_is_a_little_late_at_the_deadline_still_hears_the_end() {
    bounded("late service", || {
        for runtime in runtimes() {
            let strings = Strings::spawn_reacting(&runtime, |_net, message| {
                if matches!(message, Message::Exit) {
                    thread::sleep(Duration::from_millis(150));
                }
            });
            let (listener, _) = listen(&runtime, strings.service, ListenOptions::default());
            let report = runtime.shutdown(Duration::from_millis(50));
            assert_eq!((report.is_complete, report.inside), (true, Vec::new()));
            assert_eq!(strings.close_of(listener), (CloseReason::Exit, 0));
        }
    });
}

#[test]
fn services_hear_exit_may_still_send_and_handle_what_is_left() {
    bounded("exit", || {
        for runtime in runtimes() {
            let (told, messages) = mpsc::channel();
            struct Last {
                told: mpsc::Sender<String>,
                open: Vec<tidelock_core::SocketId>,
            }
            impl Service for Last {
                fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
                    match message {
                        Message::Accept { accepted, .. } => self.open.push(accepted),
                        Message::Exit => {
                            assert!(net.is_stopped());
                            assert!(net.connect(([127, 0, 0, 1], 9), Default::default()).is_err());
                            for id in &self.open {
                                net.send(*id, "goodbye").unwrap();
                            }
                        }
                        _ => {}
                    }
                    self.told.send(format!("{:?}", message.kind())).unwrap();
                }
            }
            let service =
                runtime.handle().spawn(Box::new(Last { told, open: Vec::new() })).unwrap();
            let (_, at) = listen(&runtime, service, ListenOptions::default());
            let mut peer = client(at);
            assert_eq!(messages.recv_timeout(BOUND).unwrap(), "Listening");
            assert_eq!(messages.recv_timeout(BOUND).unwrap(), "Accept");
            let handle = runtime.handle().clone();
            let reader = thread::spawn(move || {
                let mut got = String::new();
                peer.read_to_string(&mut got).unwrap();
                got
            });
            let report = runtime.shutdown(BOUND);
            assert_eq!(reader.join().unwrap(), "goodbye");
            assert_eq!((report.exit.closed, report.exit.unsent_bytes), (2, 0));
            let rest: Vec<String> = messages.iter().collect();
            assert_eq!(rest.iter().filter(|kind| *kind == "Close").count(), 2, "{rest:?}");
            assert_eq!(rest.iter().filter(|kind| *kind == "Exit").count(), 1, "{rest:?}");
            assert!(handle.is_stopped());
            assert!(matches!(handle.post(service, 1), Err(_stale_or_stopped)));
            assert!(handle.info().is_err());
        }
    });
}

#[test]
fn a_service_that_panics_is_released_and_the_others_go_on() {
    bounded("panic", || {
        for runtime in runtimes() {
            let dropped = Arc::new(AtomicUsize::new(0));
            struct Fragile(Arc<AtomicUsize>);
            impl Service for Fragile {
                fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
                    if let Message::Data { socket, bytes } = message {
                        assert_ne!(bytes, "panic", "as asked");
                        net.send(socket, bytes).unwrap();
                    }
                }
            }
            impl Drop for Fragile {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::SeqCst);
                    panic!("even its drop panics");
                }
            }
            let options = || ListenOptions::default().auto_start(true);
            let spawn = || runtime.handle().spawn(Box::new(Fragile(dropped.clone()))).unwrap();
            let (first, second) = (spawn(), spawn());
            let (_, at) = listen(&runtime, first, options());
            let (_, other_at) = listen(&runtime, second, options());
            let (mut victim, mut other) = (client(at), client(other_at));
            victim.write_all(b"panic").unwrap();
            let mut buffer = [0; 8];
            let end = victim.read(&mut buffer).map_err(|error| error.kind());
            assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
            for _ in 0..3 {
                other.write_all(b"alive").unwrap();
                other.read_exact(&mut buffer[..5]).unwrap();
            }
            eventually("the panicked service is dropped", || dropped.load(Ordering::SeqCst) == 1);
            // Its id is freed once the last network thread has closed its sockets.
            eventually("it is no longer alive", || runtime.handle().post(first, 1).is_err());
            drop((victim, other));
            let report = runtime.shutdown(BOUND);
            assert!(report.is_complete);
            assert_eq!(dropped.load(Ordering::SeqCst), 2, "drops of two services");
        }
    });
}

#[test]
fn info_reports_every_socket() {
    bounded("info", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (listener, at) =
                listen(&runtime, strings.service, ListenOptions::default().auto_start(true));
            let mut peer = client(at);
            peer.write_all(b"12345").unwrap();
            let id = strings.until(|message| match message {
                Message::Data { socket, .. } => Some(*socket),
                _ => None,
            });
            let sockets = runtime.handle().info().unwrap();
            assert_eq!(sockets.len(), 2);
            let find = |id| sockets.iter().find(|info| info.socket == id).unwrap();
            let (of_listener, of_stream) = (find(listener), find(id));
            assert_eq!((of_listener.state, of_listener.accepted), (SocketState::Listening, 1));
            assert_eq!(of_listener.local, Some(at.into()));
            assert_eq!((of_stream.state, of_stream.bytes_in), (SocketState::Open, 5));
            assert_eq!(of_stream.owner, Some(strings.service));
            assert_eq!(of_stream.peer, Some(peer.local_addr().unwrap().into()));
            assert!(of_stream.reading && of_stream.last_read.is_some());
        }
    });
}

#[test]
fn a_listen_that_fails_names_the_reason() {
    bounded("listen fails", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, taken) = listen(&runtime, strings.service, ListenOptions::default());
            let listen = |owner: ServiceId, at: SocketAddr| {
                runtime.handle().listen(owner, at, ListenOptions::default()).unwrap_err()
            };
            assert_eq!(listen(strings.service, taken).kind(), ErrorKind::AddrInUse);
            let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
            assert_eq!(listen(strings.service, foreign).kind(), ErrorKind::AddrNotAvailable);
            // An option that no accepted socket could take fails at once, and not at each accept.
            let never = Keepalive { idle: Duration::ZERO, interval: Duration::ZERO, count: 0 };
            let options = ListenOptions::default().accepted(SocketOption::Keepalive(Some(never)));
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            let refused = runtime.handle().listen(strings.service, free, options).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            runtime.handle().release(strings.service).unwrap();
            eventually("the service is gone", || {
                runtime.handle().release(strings.service).is_err()
            });
            assert_eq!(listen(strings.service, free).kind(), ErrorKind::NotFound);
        }
    });
}

#[test]
fn waiting_for_the_runtime_inside_of_it_is_refused() {
    bounded("deadlock", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (handle, service) = (runtime.handle().clone(), strings.service);
            let kinds = strings.call(move |_net| {
                let at = SocketAddr::from(([127, 0, 0, 1], 0));
                [
                    handle.listen(service, at, ListenOptions::default()).unwrap_err().kind(),
                    handle.info().unwrap_err().kind(),
                    handle.shutdown(BOUND).unwrap_err().kind(),
                ]
            });
            assert_eq!(kinds, [ErrorKind::Deadlock; 3]);
            assert!(!runtime.handle().is_stopped());
        }
    });
}

#[test]
fn a_service_that_does_not_return_is_reported_and_not_waited_for() {
    bounded("stuck", || {
        for workers in [0, 2] {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            let strings = Strings::spawn(&runtime);
            let (release, stuck) = mpsc::channel::<()>();
            let (entered, inside) = mpsc::channel();
            let order: Order = Box::new(move |_net| {
                entered.send(()).unwrap();
                stuck.recv().unwrap_err();
            });
            runtime.handle().post(strings.service, order).unwrap();
            inside.recv_timeout(BOUND).unwrap();
            let start = Instant::now();
            let report = runtime.shutdown(Duration::from_millis(200));
            assert!(start.elapsed() < Duration::from_secs(4), "took {:?}", start.elapsed());
            assert_eq!(report.inside, [strings.service]);
            assert_eq!(report.is_complete, workers > 0);
            drop(release);
        }
    });
}

#[test]
fn the_time_of_services_passes_as_outside() {
    bounded("clock", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let outer = Instant::now();
            let first = strings.call(|net| net.now());
            let inner = Instant::now();
            thread::sleep(Duration::from_millis(50));
            let at_least = inner.elapsed();
            let second = strings.call(|net| net.now());
            let passed = second.saturating_since(first);
            assert!(at_least <= passed && passed <= outer.elapsed(), "{passed:?}");
        }
    });
}

#[test]
fn timers_and_posts_come_when_nothing_else_happens() {
    bounded("timers", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let start = Instant::now();
            let (kept, _cancelled) = strings.call(|net| {
                let kept = net.set_timer(Duration::from_millis(60));
                let cancelled = net.set_timer(Duration::from_millis(10));
                assert!(net.cancel_timer(cancelled));
                (kept, cancelled)
            });
            match strings.next() {
                Message::Timer { timer } => assert_eq!(timer, kept),
                other => panic!("{other}"),
            }
            let passed = start.elapsed();
            assert!(passed >= Duration::from_millis(60), "too early: {passed:?}");
            assert!(passed < Duration::from_secs(5), "too late: {passed:?}");
            strings.silence(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_service_runs_on_one_thread_at_a_time_and_its_posts_keep_their_order() {
    const POSTS: u64 = 5_000;
    const SENDERS: usize = 4;

    /// Checks the order of the posts of each sender, and posts a count of its own.
    struct Counter {
        next: [u64; SENDERS],
        passed_on: u64,
        inside: Arc<AtomicUsize>,
        to: ServiceId,
    }
    impl Service for Counter {
        fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
            assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "other calls at this time");
            let Message::Posted { from: None, value } = message else { panic!("{message}") };
            let (sender, number) = *value.downcast::<(usize, u64)>().unwrap();
            assert_eq!(self.next[sender], number, "the next post of sender {sender}");
            self.next[sender] += 1;
            net.post(self.to, self.passed_on).unwrap();
            self.passed_on += 1;
            self.inside.fetch_sub(1, Ordering::SeqCst);
        }
    }

    struct Last {
        next: u64,
        done: mpsc::Sender<()>,
    }
    impl Service for Last {
        fn on_message(&mut self, _net: &mut Net<'_>, message: Message) {
            let Message::Posted { from: Some(_), value } = message else { panic!("{message}") };
            assert_eq!(*value.downcast::<u64>().unwrap(), self.next, "the service's next post");
            self.next += 1;
            if self.next == POSTS * SENDERS as u64 {
                self.done.send(()).unwrap();
            }
        }
    }

    bounded("order", || {
        let config = Config { messages_per_batch: 1, ..Config::default() };
        let runtime = Runtime::builder().workers(4).config(config).build().unwrap();
        let (done, all_seen) = mpsc::channel();
        let to = runtime.handle().spawn(Box::new(Last { next: 0, done })).unwrap();
        let counter = Counter { next: [0; SENDERS], passed_on: 0, inside: Arc::default(), to };
        let service = runtime.handle().spawn(Box::new(counter)).unwrap();
        thread::scope(|scope| {
            for sender in 0..SENDERS {
                let handle = runtime.handle();
                scope.spawn(move || {
                    for number in 0..POSTS {
                        handle.post(service, (sender, number)).unwrap();
                    }
                });
            }
        });
        all_seen.recv_timeout(BOUND).expect("every post arrives");
    });
}

#[test]
fn a_contradicting_configuration_builds_nothing() {
    let config = Config { warn_bytes: usize::MAX / 4, ..Config::default() };
    match Runtime::builder().config(config).build() {
        Err(BuildError::Config(error)) => assert!(error.to_string().contains("warn_bytes")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn at_the_limit_of_services_none_is_spawned() {
    let config = Config { services_max: 1, ..Config::default() };
    let runtime = Runtime::builder().config(config).build().unwrap();
    let strings = Strings::spawn(&runtime);
    struct Idle;
    impl Service for Idle {
        fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {}
    }
    let error = runtime.handle().spawn(Box::new(Idle)).unwrap_err();
    assert_eq!(error, SpawnError::LimitReached);
    drop(strings);
}
