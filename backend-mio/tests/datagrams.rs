//! Datagrams on real sockets.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use support::{BOUND, Strings, bounded, ip, runtimes};
use tidelock_core::{Config, FaultKind, Message, Operation, SocketId, UdpOptions};
use tidelock_mio::Runtime;

fn plain() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket
}

fn open(strings: &Strings) -> (SocketId, std::net::SocketAddr) {
    let options = UdpOptions::default().bind(([127, 0, 0, 1], 0));
    let id = strings.call(move |net| net.udp(options).unwrap());
    let local = strings.until(|message| match message {
        Message::Listening { socket, local } if *socket == id => Some(ip(local)),
        _ => None,
    });
    assert_ne!(local.port(), 0);
    (id, local)
}

#[test]
fn datagrams_keep_their_bounds_and_tell_their_sender() {
    bounded("datagrams", || {
        for runtime in runtimes() {
            let strings = Strings::spawn_reacting(&runtime, |net, message| {
                if let Message::Udp { socket, from, payload } = message {
                    net.send_to(*socket, from.clone(), payload.clone()).unwrap();
                }
            });
            let (_, local) = open(&strings);
            let client = plain();
            let mut buffer = vec![0; 70_000];
            for len in [1, 0, 2_047, 2_048, 2_049, 65_507] {
                let sent = support::pattern(len, len as u64);
                client.send_to(&sent, local).unwrap();
                let (count, from) = client.recv_from(&mut buffer).unwrap();
                assert_eq!(from, local);
                assert!(buffer[..count] == sent, "{len} B went, {count} came back");
            }
        }
    });
}

#[test]
fn an_unreachable_port_costs_one_datagram_and_not_the_socket() {
    bounded("udp refused", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            // An address that no other test uses, so that the port stays free.
            let peer = UdpSocket::bind(("127.77.0.1", 0)).unwrap();
            let at = peer.local_addr().unwrap();
            drop(peer);
            let id = strings.call(move |net| net.udp_dial(at).unwrap());
            strings.until(|message| matches!(message, Message::Listening { .. }).then_some(()));
            strings.call(move |net| net.send(id, "into the void").unwrap());
            let (fault, operation) = strings.until(|message| match message {
                Message::Error { fault, operation, fatal, .. } => {
                    assert!(!fatal, "an ICMP error closed the socket");
                    Some((*fault, *operation))
                }
                _ => None,
            });
            assert_eq!(fault.kind, FaultKind::ConnectionRefused);
            assert!(matches!(operation, Operation::SendTo | Operation::ReceiveFrom));
            let peer = UdpSocket::bind(at).unwrap();
            peer.set_read_timeout(Some(BOUND)).unwrap();
            strings.call(move |net| net.send(id, "heard").unwrap());
            let mut buffer = [0; 16];
            let count = peer.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"heard");
        }
    });
}

#[test]
fn a_datagram_that_the_system_refuses_does_not_hold_up_the_next() {
    bounded("udp send errors", || {
        for workers in [0, 2] {
            let config = Config { datagram_bytes_max: 65_527, ..Config::default() };
            let runtime = Runtime::builder().workers(workers).config(config).build().unwrap();
            let strings = Strings::spawn(&runtime);
            let (id, _) = open(&strings);
            let peer = plain();
            let at = peer.local_addr().unwrap();
            strings.call(move |net| {
                // Too large for IPv4; port zero; broadcast without the option; the wrong family.
                net.send_to(id, at, vec![0; 65_520]).unwrap();
                net.send_to(id, ([127, 0, 0, 1], 0), "a").unwrap();
                net.send_to(id, ([255, 255, 255, 255], 9), "b").unwrap();
                net.send_to(id, ([0_u16, 0, 0, 0, 0, 0, 0, 1], 9), "c").unwrap();
                net.send_to(id, at, "through").unwrap();
            });
            let mut buffer = [0; 16];
            let count = peer.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"through");
            let kinds: Vec<FaultKind> = (0..4)
                .map(|_| match strings.next() {
                    Message::Error {
                        fault, operation: Operation::SendTo, fatal: false, ..
                    } => fault.kind,
                    other => panic!("{other}"),
                })
                .collect();
            let expected = [
                FaultKind::MessageTooLarge,
                FaultKind::InvalidInput,
                FaultKind::PermissionDenied,
                FaultKind::InvalidInput,
            ];
            assert_eq!(kinds, expected);
            strings.silence(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_peer_is_set_later_and_others_are_not_heard() {
    bounded("udp connect", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (id, local) = open(&strings);
            let (peer, stranger) = (plain(), plain());
            let at = peer.local_addr().unwrap();
            strings.call(move |net| {
                assert!(net.send(id, "no peer").is_err());
                net.udp_connect(id, at).unwrap();
                net.send(id, "hello").unwrap();
            });
            let mut buffer = [0; 16];
            let (count, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..count], from), (&b"hello"[..], local));
            stranger.send_to(b"psst", local).unwrap();
            peer.send_to(b"answer", local).unwrap();
            match strings.next() {
                Message::Udp { from, payload, .. } => {
                    assert_eq!((ip(&from), &payload[..]), (at, &b"answer"[..]));
                }
                other => panic!("{other}"),
            }
        }
    });
}
