//! Values of users whose drop panics, wherever the runtime drops them: nobody else notices.

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{BOUND, Strings, bounded, client, eventually, listen, narrow_client, runtimes};
use tidelock_core::{Bytes, CloseReason, ListenOptions, Message, SocketId, UdpOptions};
use tidelock_mio::Runtime;

/// Panics where it is dropped, and counts that it was.
struct Bomb {
    bytes: Vec<u8>,
    dropped: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
        panic!("a bomb of {} B", self.bytes.len());
    }
}

/// Makes bombs, and knows how many went off.
#[derive(Clone, Default)]
struct Arsenal(Arc<AtomicUsize>);

impl Arsenal {
    fn bomb(&self, len: usize) -> Bomb {
        Bomb { bytes: vec![7; len], dropped: Arc::clone(&self.0) }
    }

    fn payload(&self, len: usize) -> Bytes {
        Bytes::from_owner(self.bomb(len))
    }

    fn expect_dropped(&self, count: usize) {
        eventually("every bomb is dropped", || self.0.load(Ordering::SeqCst) >= count);
        assert_eq!(self.0.load(Ordering::SeqCst), count, "a bomb went off twice");
    }
}

/// The runtime still serves: a fresh connection is echoed to.
fn expect_service(runtime: &Runtime) {
    let strings = Strings::spawn(runtime);
    let (_, at) = listen(runtime, strings.service, ListenOptions::default());
    let mut peer = client(at);
    let id = strings.accepted();
    strings.call(move |net| net.send(id, "alive").unwrap());
    let mut got = [0; 5];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"alive");
}

fn accepted(runtime: &Runtime, strings: &Strings) -> (SocketId, std::net::TcpStream) {
    let (_, at) = listen(runtime, strings.service, ListenOptions::default());
    let peer = client(at);
    (strings.accepted(), peer)
}

#[test]
fn a_payload_that_was_written_is_dropped_in_peace() {
    bounded("written bombs", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (id, mut peer) = accepted(&runtime, &strings);
            let arsenal = Arsenal::default();
            let bombs = arsenal.clone();
            strings.call(move |net| {
                net.send(id, bombs.payload(3)).unwrap();
                net.send_low(id, bombs.payload(4)).unwrap();
                net.send_vectored(id, vec![bombs.payload(1), bombs.payload(2)]).unwrap();
            });
            let mut got = [0; 10];
            peer.read_exact(&mut got).unwrap();
            arsenal.expect_dropped(4);
            expect_service(&runtime);
        }
    });
}

#[test]
fn unsent_payloads_are_dropped_in_peace_and_counted() {
    bounded("unsent bombs", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let peer = narrow_client(at);
            let id = strings.accepted();
            let arsenal = Arsenal::default();
            let bombs = arsenal.clone();
            strings.call(move |net| {
                // More than both systems take.
                net.send(id, vec![0; 15 << 20]).unwrap();
                net.send(id, bombs.payload(100)).unwrap();
                net.send_low(id, bombs.payload(200)).unwrap();
            });
            std::thread::sleep(Duration::from_millis(50));
            strings.call(move |net| net.close(id).unwrap());
            let (reason, unsent) = strings.close_of(id);
            assert_eq!(reason, CloseReason::Closed);
            assert!(unsent >= 300, "{unsent} B were lost, but for the bombs");
            arsenal.expect_dropped(2);
            drop(peer);
            expect_service(&runtime);
        }
    });
}

#[test]
fn datagrams_are_dropped_in_peace() {
    bounded("datagram bombs", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let id = strings
                .call(|net| net.udp(UdpOptions::default().bind(([127, 0, 0, 1], 0))).unwrap());
            let at = strings.until(|message| match message {
                Message::Listening { local, .. } => Some(local.clone()),
                _ => None,
            });
            let arsenal = Arsenal::default();
            let bombs = arsenal.clone();
            strings.call(move |net| {
                net.send_to(id, at.clone(), bombs.payload(3)).unwrap();
                net.send_to(id, at, bombs.payload(0)).unwrap();
            });
            arsenal.expect_dropped(2);
            expect_service(&runtime);
        }
    });
}

#[test]
fn a_value_for_a_service_that_is_gone_is_dropped_in_peace() {
    bounded("posted bombs", || {
        for runtime in runtimes() {
            let (giver, taker) = (Strings::spawn(&runtime), Strings::spawn(&runtime));
            let arsenal = Arsenal::default();
            let (first, second) = (arsenal.bomb(1), arsenal.bomb(2));
            let to = taker.service;
            giver.call(move |net| {
                // It is alive still: the release stands in the same batch.
                net.release(to).unwrap();
                net.post(to, first).unwrap();
                net.post(to, second).unwrap();
            });
            arsenal.expect_dropped(2);
            expect_service(&runtime);
        }
    });
}

#[test]
fn a_shutdown_drops_what_is_left_in_peace() {
    bounded("bombs at the end", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
            let mut peer = narrow_client(at);
            let id = strings.accepted();
            let arsenal = Arsenal::default();
            let bombs = arsenal.clone();
            strings.call(move |net| {
                net.send(id, vec![0; 15 << 20]).unwrap();
                for _ in 0..3 {
                    net.send(id, bombs.payload(10)).unwrap();
                }
            });
            let report = runtime.shutdown(Duration::from_millis(100));
            assert!(report.is_complete, "{report:?}");
            arsenal.expect_dropped(3);
            peer.set_read_timeout(Some(BOUND)).unwrap();
            let _broken = peer.write(b"x");
        }
    });
}
