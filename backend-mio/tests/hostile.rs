//! Hostile or careless peers and services: what they hold is bounded, others are still served, and
//! a counter shows it.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use support::{
    BOUND, INLINE, Strings, bounded, client, eventually, listen, narrow_client, pattern, reset,
    runtimes_with,
};
use tidelock_core::{
    AcceptRate, CloseReason, Config, ListenOptions, Message, SendError, SocketId, SocketOption,
    Timeout,
};
use tidelock_mio::Runtime;

const OUTBOX_BYTES_MAX: usize = 1 << 20;
const MAILBOX_BYTES_MAX: usize = 256 << 10;

/// Limits that a single peer reaches soon.
fn narrow() -> Config {
    Config {
        warn_bytes: OUTBOX_BYTES_MAX / 4,
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        total_bytes_max: 8 * OUTBOX_BYTES_MAX,
        mailbox_bytes_max: MAILBOX_BYTES_MAX,
        ..Config::default()
    }
}

/// A client of another service, which must still be served.
struct Other {
    stream: TcpStream,
    _strings: Strings,
}

impl Other {
    fn connect(runtime: &Runtime) -> Self {
        let (strings, at) = echo(runtime);
        let mut other = Self { stream: client(at), _strings: strings };
        other.answers();
        other
    }

    fn answers(&mut self) {
        self.stream.write_all(b"still there?").unwrap();
        let mut answer = [0; 12];
        self.stream.read_exact(&mut answer).expect("other clients are still served");
        assert_eq!(&answer, b"still there?");
    }
}

fn echo(runtime: &Runtime) -> (Strings, SocketAddr) {
    let strings = Strings::spawn_reacting(runtime, |net, message| {
        if let Message::Data { socket, bytes } = message {
            net.send(*socket, bytes.clone()).unwrap();
        }
    });
    let (_, at) = listen(runtime, strings.service, ListenOptions::default().auto_start(true));
    (strings, at)
}

/// Sends low-priority messages until the outbox is full.
fn flood(strings: &Strings, id: SocketId) {
    eventually("the outbox is full", || {
        strings.call(move |net| {
            for _ in 0..64 {
                match net.send_low(id, vec![7; 16 << 10]) {
                    Ok(_) => {}
                    Err(SendError::SocketFull(_)) => return true,
                    Err(error) => panic!("{error}"),
                }
            }
            false
        })
    });
}

#[test]
fn a_peer_that_never_reads_holds_one_outbox_until_the_flush_stalls() {
    bounded("never reads", || {
        let config = Config { flush_stall_timeout: Duration::from_millis(300), ..narrow() };
        for runtime in runtimes_with(&config) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default().auto_start(true);
            let (_, at) = listen(&runtime, strings.service, options);
            let _silent = narrow_client(at);
            let id = strings.accepted();
            flood(&strings, id);
            for _ in 0..10 {
                flood(&strings, id);
                let charged_bytes = runtime.handle().stats().charged_bytes;
                // An echo for the other client may be part of it.
                assert!(charged_bytes <= OUTBOX_BYTES_MAX as u64 + 1024, "{charged_bytes} B");
                other.answers();
            }
            eventually("the refusal is counted", || runtime.handle().stats().mux.sends_refused > 0);
            strings.call(move |net| net.shutdown(id).unwrap());
            let (reason, unsent) = strings.close_of(id);
            assert_eq!(reason, CloseReason::TimedOut(Timeout::Flush));
            assert!(unsent > 0, "nothing was left unsent");
            other.answers();
            eventually("it is counted, and its memory free", || {
                let stats = runtime.handle().stats();
                stats.mux.timed_out(Timeout::Flush) == 1 && stats.charged_bytes == 0
            });
        }
    });
}

#[test]
fn a_peer_that_talks_and_takes_nothing_is_given_the_time_of_its_own_socket() {
    bounded("takes nothing", || {
        for runtime in runtimes_with(&narrow()) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn(&runtime);
            let stall = SocketOption::Timeout(Timeout::WriteStall, Duration::from_millis(300));
            // Keeps the system from accepting everything at once.
            let narrow = SocketOption::SendBuffer(4096);
            let options =
                ListenOptions::default().auto_start(true).accepted(narrow).accepted(stall);
            let (_, at) = listen(&runtime, strings.service, options);
            let mut greedy = narrow_client(at);
            let id = strings.accepted();
            flood(&strings, id);
            eventually("it is given up and counted, and its memory free", || {
                // Keeps every other timeout from ending it. The write fails once it is closed.
                let _may_be_over = greedy.write(b".");
                other.answers();
                let stats = runtime.handle().stats();
                assert!(stats.charged_bytes <= OUTBOX_BYTES_MAX as u64 + 1024);
                stats.mux.timed_out(Timeout::WriteStall) == 1 && stats.charged_bytes == 0
            });
            let (reason, unsent) = strings.close_of(id);
            assert_eq!(reason, CloseReason::TimedOut(Timeout::WriteStall));
            assert!(unsent > 0, "nothing was left unsent");
            other.answers();
        }
    });
}

#[test]
fn a_peer_that_reads_a_byte_now_and_then_is_given_a_bounded_time() {
    bounded("reads bytes", || {
        let config = Config {
            flush_stall_timeout: BOUND,
            flush_timeout: Some(Duration::from_millis(300)),
            ..narrow()
        };
        for runtime in runtimes_with(&config) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn(&runtime);
            // Keeps the system from accepting everything at once.
            let narrow = SocketOption::SendBuffer(4096);
            let options = ListenOptions::default().auto_start(true).accepted(narrow);
            let (_, at) = listen(&runtime, strings.service, options);
            let mut slow = narrow_client(at);
            let id = strings.accepted();
            flood(&strings, id);
            strings.call(move |net| net.shutdown(id).unwrap());
            eventually("the time for the flush is over", || {
                // The reset may come between any two bytes.
                let has_byte = slow.read_exact(&mut [0]).is_ok();
                other.answers();
                let stats = runtime.handle().stats();
                assert!(stats.charged_bytes <= OUTBOX_BYTES_MAX as u64 + 1024);
                let is_over = stats.mux.timed_out(Timeout::Flush) == 1;
                assert!(has_byte || is_over || strings.close_of(id).1 > 0);
                is_over
            });
            other.answers();
            eventually("its memory is free", || runtime.handle().stats().charged_bytes == 0);
        }
    });
}

#[test]
fn connections_that_say_nothing_wait_in_the_backlog_and_make_way() {
    const SOCKETS_MAX: u32 = 130;
    const SILENT: usize = 400;
    bounded("silent", || {
        let idle_timeout = Some(Duration::from_millis(200));
        let config = Config { sockets_max: SOCKETS_MAX, idle_timeout, ..narrow() };
        for runtime in runtimes_with(&config) {
            let (_strings, at) = echo(&runtime);
            let silent: Vec<_> = (0..SILENT).map(|_| client(at)).collect();
            eventually("a full table is counted", || {
                let mux = runtime.handle().stats().mux;
                let alive: u64 = mux.sockets().map(|(_, count)| count).sum();
                assert!(alive <= u64::from(SOCKETS_MAX), "{alive} sockets");
                mux.listeners_stalled > 0
            });
            // It comes after all of them in the backlog.
            let mut polite = client(at);
            polite.write_all(b"hello").unwrap();
            polite.read_exact(&mut [0; 5]).expect("its turn comes");
            eventually("each silent one is closed and counted", || {
                runtime.handle().stats().mux.timed_out(Timeout::Idle) >= SILENT as u64
            });
            for mut stream in silent {
                assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "bytes for a silent client");
            }
        }
    });
}

#[test]
fn a_flood_of_connections_is_accepted_no_faster_than_the_listener_says() {
    const FLOOD: usize = 12;
    bounded("flood", || {
        for runtime in runtimes_with(&narrow()) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn(&runtime);
            let [per_second, burst] = [10, 4].map(|count| NonZeroU32::new(count).unwrap());
            let options = ListenOptions::default().accept_rate(AcceptRate { per_second, burst });
            let begin = Instant::now();
            let (_, at) = listen(&runtime, strings.service, options);
            let _flood: Vec<_> = (0..FLOOD).map(|_| client(at)).collect();
            other.answers();
            for _ in 0..FLOOD {
                strings.accepted();
            }
            // A slow machine may be late, but never early.
            assert!(begin.elapsed() >= Duration::from_millis(100 * (FLOOD as u64 - 4)));
            eventually("it is counted", || {
                let paced = runtime.handle().stats().mux.accepts_paced;
                // Several network threads share the burst, so few may get through at once.
                let at_once = if runtime.handle().shards() == 1 { 4 } else { 1 };
                assert!(paced <= FLOOD as u64 - at_once, "{paced} had to wait");
                paced > 0
            });
            other.answers();
        }
    });
}

#[test]
fn garbage_for_a_service_that_blocks_fills_one_mailbox_and_no_more() {
    bounded("garbage", || {
        for runtime in runtimes_with(&narrow()).into_iter().skip(INLINE) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default().auto_start(true);
            let (_, at) = listen(&runtime, strings.service, options);
            let mut loud = client(at);
            let id = strings.accepted();
            let (release, blocked) = channel::<()>();
            let order: support::Order = Box::new(move |_net| {
                blocked.recv_timeout(BOUND).unwrap();
            });
            runtime.handle().post(strings.service, order).unwrap();
            loud.set_nonblocking(true).unwrap();
            let garbage = pattern(16 << 20, 1);
            let mut sent = 0;
            eventually("the mailbox is full and reading has stopped", || {
                match loud.write(&garbage[sent..]) {
                    Ok(count) => sent += count,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                assert!(sent < garbage.len(), "16 MiB were read for a service that blocks");
                other.answers();
                runtime.handle().stats().mux.mailboxes_filled >= 1
            });
            let bytes_in = runtime.handle().stats().mux.bytes_in;
            // The last read may exceed the limit.
            assert!(bytes_in < MAILBOX_BYTES_MAX as u64 + (2 << 20), "{bytes_in} B");
            release.send(()).unwrap();
            drop(loud);
            let mut got = Vec::new();
            strings.until(|message| match message {
                Message::Data { socket, bytes } if *socket == id => {
                    got.extend_from_slice(bytes);
                    None
                }
                Message::Close { socket, .. } if *socket == id => Some(()),
                _ => None,
            });
            assert!(got == garbage[..sent], "{} of {sent} B came, or other bytes", got.len());
            other.answers();
        }
    });
}

#[test]
fn sends_to_a_socket_that_is_gone_are_counted_and_cost_nothing() {
    bounded("stale", || {
        for runtime in runtimes_with(&narrow()) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default().auto_start(true);
            let (_, at) = listen(&runtime, strings.service, options);
            drop(client(at));
            let id = strings.accepted();
            strings.close_of(id);
            let (begin, count) = (runtime.handle().stats().stale_sends, 10_000);
            strings.call(move |net| {
                for _ in 0..count {
                    assert!(matches!(net.send(id, "who?"), Err(SendError::Stale(_))));
                }
            });
            let stats = runtime.handle().stats();
            assert_eq!(stats.stale_sends - begin, count);
            assert_eq!(stats.charged_bytes, 0, "bytes charged for refused sends");
            other.answers();
        }
    });
}

#[test]
fn a_service_that_blocks_the_network_thread_is_seen_and_nothing_is_lost() {
    const BLOCKED: Duration = Duration::from_millis(700);
    bounded("blocks", || {
        let runtime = Runtime::builder().workers(0).config(narrow()).build().unwrap();
        let mut other = Other::connect(&runtime);
        let strings = Strings::spawn(&runtime);
        let order: support::Order = Box::new(|_net| std::thread::sleep(BLOCKED));
        runtime.handle().post(strings.service, order).unwrap();
        // Other clients may have to wait for it, and are served afterwards.
        other.answers();
        eventually("the longest turn shows", || {
            let longest = runtime.handle().stats().turns.quantile(1000);
            longest.is_none_or(|longest| longest >= BLOCKED)
        });
        other.answers();
    });
}

#[test]
fn a_reset_in_any_state_is_one_close() {
    const STATES: usize = 6;
    bounded("resets", || {
        for runtime in runtimes_with(&narrow()) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn_reacting(&runtime, |net, message| {
                if let Message::Eof { socket } = message {
                    net.keep_open(*socket).unwrap();
                }
            });
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let mut broken = 0;
            for state in 0..STATES {
                let stream = narrow_client(at);
                let id = strings.accepted();
                if state > 0 {
                    strings.call(move |net| net.start(id).unwrap());
                }
                match state {
                    0 | 1 => {}
                    2 => strings.call(move |net| net.pause(id).unwrap()),
                    3 => {
                        flood(&strings, id);
                        strings.call(move |net| net.shutdown(id).unwrap());
                    }
                    4 => {
                        stream.shutdown(Shutdown::Write).unwrap();
                        strings
                            .until(|message| matches!(message, Message::Eof { .. }).then_some(()));
                    }
                    _ => strings.call(move |net| net.finish(id).unwrap()),
                }
                reset(stream);
                let (reason, _) = strings.close_of(id);
                assert!(!matches!(reason, CloseReason::TimedOut(_)), "{state}: {reason}");
                broken += u64::from(matches!(reason, CloseReason::Fault(_)));
                other.answers();
            }
            eventually("each is closed once and holds nothing", || {
                let stats = runtime.handle().stats();
                assert!(stats.mux.closed <= STATES as u64, "a close was counted twice");
                assert!(stats.mux.broken <= broken, "a reset was counted twice");
                stats.mux.closed == STATES as u64
                    && stats.mux.broken == broken
                    && stats.charged_bytes == 0
            });
            let more: Vec<_> = strings.messages.try_iter().map(|it| it.to_string()).collect();
            assert!(more.is_empty(), "messages after the last `Close`: {more:?}");
        }
    });
}

#[test]
fn an_ignored_end_and_sends_to_a_socket_that_is_gone_hold_nothing() {
    bounded("neglect", || {
        let config = Config { half_open_timeout: Duration::from_millis(200), ..narrow() };
        for runtime in runtimes_with(&config) {
            let mut other = Other::connect(&runtime);
            let strings = Strings::spawn_reacting(&runtime, |net, message| {
                if let Message::Eof { socket } = message {
                    net.keep_open(*socket).unwrap();
                }
            });
            let options = ListenOptions::default().auto_start(true);
            let (_, at) = listen(&runtime, strings.service, options);
            let stream = client(at);
            let id = strings.accepted();
            stream.shutdown(Shutdown::Write).unwrap();
            let (reason, _) = strings.close_of(id);
            assert_eq!(reason, CloseReason::TimedOut(Timeout::HalfOpen));
            eventually("it is counted", || {
                runtime.handle().stats().mux.timed_out(Timeout::HalfOpen) == 1
            });
            strings.call(move |net| {
                for _ in 0..100_000 {
                    let answer = net.send(id, "nobody");
                    assert!(matches!(answer, Err(SendError::Stale(_))), "{answer:?}");
                }
            });
            other.answers();
            eventually("nothing is held", || runtime.handle().stats().charged_bytes == 0);
        }
    });
}
