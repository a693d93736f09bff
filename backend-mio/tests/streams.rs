//! Streams on real sockets, in situations that simple clients rarely cause.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use support::{
    Strings, bounded, client, eventually, listen, narrow_client, pattern, reset, runtimes,
};
use tidelock_core::{
    CloseReason, Config, ConnectOptions, FaultKind, ListenOptions, Message, Operation,
    SocketOption, Target, Timeout,
};
use tidelock_mio::Runtime;

fn bytes_out(runtime: &Runtime, id: tidelock_core::SocketId) -> u64 {
    let sockets = runtime.handle().info().unwrap();
    sockets.iter().find(|info| info.socket == id).expect("the socket is open").bytes_out
}

#[test]
fn tiny_buffers_tear_no_message_and_keep_the_order_of_priorities() {
    bounded("tiny buffers", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default().accepted(SocketOption::SendBuffer(1));
            let (_, at) = listen(&runtime, strings.service, options);
            let mut client = narrow_client(at);
            let id = strings.accepted();
            let begun = pattern(300_000, 1);
            let first = begun.clone();
            strings.call(move |net| net.send_low(id, first).unwrap());
            eventually("the low message has begun and is stuck", || bytes_out(&runtime, id) > 0);
            let before = bytes_out(&runtime, id);
            assert!(before < 300_000, "the system accepted all {before} B at once");
            let (low, high, parts) = (pattern(100_000, 2), pattern(1_000, 3), pattern(3_000, 4));
            let (low_copy, high_copy) = (low.clone(), high.clone());
            let split = parts.chunks(1_000).map(|part| part.to_vec().into()).collect();
            strings.call(move |net| {
                net.send_low(id, low_copy).unwrap();
                net.send(id, high_copy).unwrap();
                net.send_vectored(id, split).unwrap();
                net.shutdown(id).unwrap();
            });
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            let is_in_order = got == [begun, high, parts, low].concat();
            assert!(is_in_order, "{} B came, or out of order", got.len());
            drop(client);
            assert_eq!(strings.close_of(id), (CloseReason::Shutdown, 0));
        }
    });
}

#[test]
fn a_reply_to_a_half_closed_client_is_whole() {
    bounded("half-close", || {
        for runtime in runtimes() {
            let strings = Strings::spawn_reacting(&runtime, |net, message| {
                if let Message::Data { socket, .. } = message {
                    net.send(*socket, pattern(2_000_000, 5)).unwrap();
                }
            });
            let options = ListenOptions::default().auto_start(true);
            let (_, at) = listen(&runtime, strings.service, options);
            let mut client = client(at);
            client.write_all(b"request").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let id = strings.accepted();
            thread::sleep(Duration::from_millis(50));
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            assert!(got == pattern(2_000_000, 5), "{} B of the reply came", got.len());
            assert_eq!(strings.close_of(id), (CloseReason::Peer, 0));
        }
    });
}

#[test]
fn own_half_close_sends_fin_and_reads_the_answer() {
    bounded("finish", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let at = server.local_addr().unwrap();
            let server = thread::spawn(move || {
                let (mut peer, _) = server.accept().unwrap();
                let mut request = Vec::new();
                peer.read_to_end(&mut request).unwrap();
                peer.write_all(&request).unwrap();
            });
            let id = strings.call(move |net| {
                let id = net.connect(at, ConnectOptions::default()).unwrap();
                net.send(id, "question").unwrap();
                net.finish(id).unwrap();
                id
            });
            let mut got = Vec::new();
            let reason = strings.until(|message| match message {
                Message::Data { bytes, .. } => {
                    got.extend_from_slice(bytes);
                    None
                }
                Message::Close { reason, .. } => Some(*reason),
                _ => None,
            });
            assert_eq!(got, b"question");
            assert_eq!(reason, CloseReason::Shutdown, "of {id}");
            server.join().unwrap();
        }
    });
}

#[test]
fn a_reset_is_reported_after_the_data_before_it() {
    bounded("reset", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, at) =
                listen(&runtime, strings.service, ListenOptions::default().auto_start(true));
            let mut peer = client(at);
            peer.write_all(b"last words").unwrap();
            let id = strings.accepted();
            thread::sleep(Duration::from_millis(30));
            reset(peer);
            let words = strings.until(|message| match message {
                Message::Data { bytes, .. } => Some(bytes.clone()),
                Message::Close { .. } => panic!("`Close` came before the data"),
                _ => None,
            });
            assert_eq!(words, "last words");
            let (kind, operation) = strings.until(|message| match message {
                Message::Error { fault, operation, fatal: true, .. } => {
                    Some((fault.kind, *operation))
                }
                _ => None,
            });
            assert_eq!((kind, operation), (FaultKind::ConnectionReset, Operation::Read));
            let (reason, unsent) = strings.close_of(id);
            let is_reset = |fault: tidelock_core::Fault| fault.kind == FaultKind::ConnectionReset;
            assert!(matches!(reason, CloseReason::Fault(fault) if is_reset(fault)), "{reason}");
            assert_eq!(unsent, 0);
        }
    });
}

#[test]
fn a_reset_is_noticed_while_reading_is_paused() {
    bounded("reset while paused", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let peer = client(at);
            let id = strings.accepted();
            reset(peer);
            let (reason, _) = strings.close_of(id);
            assert!(matches!(reason, CloseReason::Fault(_)), "{reason}");
        }
    });
}

#[test]
fn an_end_that_comes_while_reading_is_paused_bounds_the_pause() {
    bounded("fin while paused", || {
        for workers in [0, 2] {
            let half_open_timeout = Duration::from_millis(150);
            let config = Config { half_open_timeout, ..Config::default() };
            let runtime = Runtime::builder().workers(workers).config(config).build().unwrap();
            let strings = Strings::spawn(&runtime);
            let (_, at) =
                listen(&runtime, strings.service, ListenOptions::default().auto_start(true));
            let peer = client(at);
            let id = strings.accepted();
            strings.call(move |net| net.pause(id).unwrap());
            strings.until(|message| matches!(message, Message::Paused { .. }).then_some(()));
            strings.silence(Duration::from_millis(300));
            peer.shutdown(Shutdown::Write).unwrap();
            assert_eq!(strings.close_of(id), (CloseReason::TimedOut(Timeout::HalfOpen), 0));
        }
    });
}

#[test]
fn closing_with_unsent_bytes_counts_them_and_resets() {
    bounded("close with unsent bytes", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let mut peer = client(at);
            let id = strings.accepted();
            strings.call(move |net| net.send(id, vec![1; 20_000_000]).unwrap());
            eventually("the peer's buffer is full", || {
                let before = bytes_out(&runtime, id);
                thread::sleep(Duration::from_millis(50));
                before > 0 && bytes_out(&runtime, id) == before
            });
            let taken = bytes_out(&runtime, id);
            strings.call(move |net| net.close(id).unwrap());
            let (reason, unsent) = strings.close_of(id);
            assert_eq!((reason, unsent + taken), (CloseReason::Closed, 20_000_000));
            let mut sink = vec![0; 1 << 16];
            let end = loop {
                match peer.read(&mut sink) {
                    Ok(0) => break None,
                    Ok(_) => {}
                    Err(error) => break Some(error.kind()),
                }
            };
            assert_eq!(
                end,
                Some(ErrorKind::ConnectionReset),
                "the end of a stream that lost bytes"
            );
        }
    });
}

#[test]
fn a_refused_connect_says_so() {
    bounded("refused", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            // Bound, so that no other socket gets the port, but not listening.
            let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
            let at = bound.local_addr().unwrap().as_socket().unwrap();
            let id = strings.call(move |net| {
                let id = net.connect(at, ConnectOptions::default()).unwrap();
                net.send(id, "lost").unwrap();
                id
            });
            match strings.next() {
                Message::Error { socket, fault, operation: Operation::Connect, fatal: true } => {
                    assert_eq!((socket, fault.kind), (id, FaultKind::ConnectionRefused));
                    assert!(fault.os.is_some(), "the fault lost the system's number");
                }
                other => panic!("{other}"),
            }
            match strings.next() {
                Message::Close { socket, reason: CloseReason::ConnectFailed(fault), unsent } => {
                    assert_eq!((socket, unsent), (id, 4));
                    assert_eq!(fault.kind, FaultKind::ConnectionRefused);
                }
                other => panic!("{other}"),
            }
            strings.silence(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_name_is_tried_at_each_of_its_addresses() {
    bounded("localhost", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            // The server listens on IPv4 only; if the name has an IPv6 address too, that refuses.
            let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = server.local_addr().unwrap().port();
            let id = strings.call(move |net| {
                let target = Target::host("localhost", port);
                let id = net.connect(target, ConnectOptions::default()).unwrap();
                net.send(id, "hello").unwrap();
                id
            });
            let peer = strings.until(|message| match message {
                Message::Connect { socket, peer, .. } if *socket == id => Some(peer.clone()),
                Message::Close { reason, .. } => panic!("{reason}"),
                _ => None,
            });
            assert_eq!(peer, server.local_addr().unwrap().into());
            let mut hello = [0; 5];
            server.accept().unwrap().0.read_exact(&mut hello).unwrap();
            assert_eq!(&hello, b"hello");
        }
    });
}

#[test]
fn a_name_that_does_not_exist_fails_without_stopping_others() {
    bounded("no such name", || {
        let runtime = Runtime::builder().build().unwrap();
        let strings = Strings::spawn(&runtime);
        let id = strings.call(|net| {
            // RFC 6761 reserves `invalid`: no name in it has an address.
            let target = Target::host("nothing.invalid", 1);
            net.connect(target, ConnectOptions::default()).unwrap()
        });
        // The network thread is not blocked by the lookup, so it answers this.
        assert!(runtime.handle().info().unwrap().iter().any(|info| info.socket == id));
        let (reason, _) = strings.close_of(id);
        match reason {
            CloseReason::ConnectFailed(fault) => assert!(
                matches!(fault.kind, FaultKind::NameNotFound | FaultKind::NameResolution),
                "{fault}"
            ),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn a_connect_to_a_full_backlog_times_out() {
    bounded("connect timeout", || {
        let runtime = Runtime::builder().build().unwrap();
        let strings = Strings::spawn(&runtime);
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let at = full.local_addr().unwrap().as_socket().unwrap();
        let _fills_the_backlog = client(at);
        let id = strings.call(move |net| {
            let options = ConnectOptions::default().timeout(Duration::from_millis(200));
            net.connect(at, options).unwrap()
        });
        let (reason, _) = strings.close_of(id);
        let is_timeout = |fault: tidelock_core::Fault| fault.kind == FaultKind::TimedOut;
        assert!(
            matches!(reason, CloseReason::ConnectFailed(fault) if is_timeout(fault)),
            "{reason}"
        );
    });
}

#[test]
fn a_connect_starts_where_it_is_bound() {
    bounded("bind", || {
        let runtime = Runtime::builder().build().unwrap();
        let strings = Strings::spawn(&runtime);
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = server.local_addr().unwrap();
        strings.call(move |net| {
            let options = ConnectOptions::default()
                .bind(([127, 0, 0, 2], 0))
                .option(SocketOption::Nodelay(true));
            net.connect(at, options).unwrap()
        });
        let (_, from) = server.accept().unwrap();
        assert_eq!(from.ip(), std::net::IpAddr::from([127, 0, 0, 2]));
    });
}
