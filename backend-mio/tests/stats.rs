//! The figures for operators.

mod support;

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use support::{BOUND, Strings, bounded, client, eventually, listen, runtimes};
use tidelock_core::{Config, ListenOptions, Message, SendError, SocketState, Timeout, UdpOptions};
use tidelock_mio::Runtime;

#[test]
fn traffic_is_counted_and_sockets_by_their_state() {
    bounded("counts", || {
        for runtime in runtimes() {
            let handle = runtime.handle().clone();
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let mut client = client(at);
            let id = strings.accepted();
            eventually("a listener and an accepted socket are counted", || {
                let mux = handle.stats().mux;
                mux.sockets_in(SocketState::Listening) == 1
                    && mux.sockets_in(SocketState::Accepted) == 1
            });
            strings.call(move |net| net.start(id).unwrap());
            client.write_all(&[1; 1000]).unwrap();
            strings.until(|message| matches!(message, Message::Data { .. }).then_some(()));
            strings.call(move |net| {
                for _ in 0..3 {
                    net.send(id, "seven B").unwrap();
                }
            });
            client.read_exact(&mut [0; 21]).unwrap();
            eventually("bytes and messages are counted", || {
                let mux = handle.stats().mux;
                mux.sockets_in(SocketState::Open) == 1
                    && (mux.bytes_in, mux.bytes_out, mux.messages_out) == (1000, 21, 3)
            });
            let udp = strings.call(move |net| net.udp(UdpOptions::default()).unwrap());
            eventually("a datagram socket is counted", || {
                handle.stats().mux.sockets_in(SocketState::Datagram) == 1
            });
            strings.call(move |net| net.close(udp).unwrap());
            let stats = handle.stats();
            assert!(stats.mux.messages_in >= 1);
            assert!(stats.calls.polls > 0 && stats.calls.accepts > 0);
            assert!(stats.calls.reads > 0 && stats.calls.writes > 0);
            assert!(stats.calls.wake_ups > 0, "no command of this thread woke the network thread");
            assert!(stats.turns.count() > 0 && stats.turns.quantile(500).is_some());
            assert_eq!(stats.services, 1);
            drop(client);
            let report = runtime.shutdown(Duration::from_secs(2));
            assert!(report.is_complete);
            let stats = handle.stats();
            assert_eq!(stats.mux.opened, 3, "a listener, a stream, a datagram socket");
            assert_eq!(stats.mux.closed, 3);
            assert_eq!(stats.mux.sockets().map(|(_, count)| count).sum::<u64>(), 0);
            assert_eq!(stats.charged_bytes, 0);
        }
    });
}

#[test]
fn batches_for_workers_are_counted_and_there_are_none_without() {
    bounded("batches", || {
        for workers in [0, 2] {
            let runtime = Runtime::builder().workers(workers).build().unwrap();
            let handle = runtime.handle().clone();
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default().auto_start(true);
            let (_, at) = listen(&runtime, strings.service, options);
            let mut client = client(at);
            client.write_all(b"x").unwrap();
            strings.until(|message| matches!(message, Message::Data { .. }).then_some(()));
            eventually("what came is counted", || handle.stats().mux.bytes_in == 1);
            assert_eq!(handle.stats().calls.hand_overs > 0, workers > 0, "{workers} workers");
        }
    });
}

#[test]
fn limits_that_are_reached_are_counted() {
    bounded("limits", || {
        for workers in [0, 2] {
            let config = Config {
                sockets_max: 3,
                warn_bytes: 50_000,
                outbox_bytes_max: 100_000,
                total_bytes_max: 1_000_000,
                mailbox_bytes_max: 70_000,
                start_timeout: Duration::from_millis(50),
                ..Config::default()
            };
            let runtime = Runtime::builder().config(config).workers(workers).build().unwrap();
            let handle = runtime.handle().clone();
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default();
            let (listener, at) = listen(&runtime, strings.service, options);
            let mut first = client(at);
            let id = strings.accepted();
            let refused = strings.call(move |net| {
                net.start(id).unwrap();
                (0..200)
                    .filter(|_| {
                        matches!(net.send(id, vec![0; 50_000]), Err(SendError::SocketFull(_)))
                    })
                    .count()
            });
            assert!(refused > 0, "the system accepted 10 MB at once");
            eventually("a refused send is counted, and not again until there is room", || {
                handle.stats().mux.sends_refused == 1
            });
            let (enter, entered) = channel::<()>();
            let (release, blocked) = channel::<()>();
            let order: support::Order = Box::new(move |_net| {
                enter.send(()).unwrap();
                blocked.recv_timeout(BOUND).unwrap();
            });
            handle.post(strings.service, order).unwrap();
            entered.recv_timeout(BOUND).unwrap();
            if workers > 0 {
                let stats = handle.stats();
                assert_eq!((stats.services, stats.services_running), (1, 1));
                first.write_all(&[1; 300_000]).unwrap();
                eventually("a full mailbox is counted", || {
                    handle.stats().mux.mailboxes_filled >= 1
                });
            }
            release.send(()).unwrap();
            // The listener has a place, the stream has one, and the third is kept for the next
            // connection.
            let _second = client(at);
            strings.accepted();
            let _third = client(at);
            eventually("a listener without a place is counted", || {
                handle.stats().mux.listeners_stalled >= 1
            });
            eventually("a socket that was not started is counted", || {
                handle.stats().mux.timed_out(Timeout::Start) >= 1
            });
            let timeouts: u64 = handle.stats().mux.timeouts().map(|(_, count)| count).sum();
            assert_eq!(timeouts, handle.stats().mux.timed_out(Timeout::Start));
            strings.call(move |net| net.close(listener).unwrap());
        }
    });
}

#[test]
fn a_service_may_look_at_the_counters_itself() {
    bounded("own counters", || {
        for runtime in runtimes() {
            let handle = runtime.handle().clone();
            let strings = Strings::spawn(&runtime);
            let stats = strings.call(move |_net| handle.stats());
            assert_eq!(stats.services_waiting, 0);
        }
    });
}
