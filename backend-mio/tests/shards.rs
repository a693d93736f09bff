//! Runtimes with several network threads.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use support::{BOUND, Strings, bounded, client, eventually, listen};
use tidelock_core::{
    CloseReason, Config, ConnectOptions, ListenOptions, Message, Net, OpenError, SendError,
    Service, SocketId, SocketKind,
};
use tidelock_mio::Runtime;

const SHARDS: u32 = 3;

fn runtime(workers: usize, config: Config) -> Runtime {
    let builder = Runtime::builder().workers(workers).shards(SHARDS);
    builder.config(config).build().unwrap()
}

/// Runtimes with services on the network threads, and on workers.
fn runtimes() -> [Runtime; 2] {
    [0, 2].map(|workers| runtime(workers, Config::default()))
}

/// Enough clients that each network thread gets some: that one of three gets none has a chance of
/// 1 in 10^10.
const CLIENTS: usize = 60;

fn clients(at: SocketAddr) -> Vec<TcpStream> {
    (0..CLIENTS).map(|_| client(at)).collect()
}

fn auto_start() -> ListenOptions {
    ListenOptions::default().auto_start(true)
}

#[test]
fn every_network_thread_has_sockets_and_every_service_all_of_them() {
    bounded("spread", || {
        for runtime in runtimes() {
            let strings = Strings::spawn_reacting(&runtime, |net, message| {
                if let Message::Data { socket, bytes } = message {
                    net.send(*socket, bytes.clone()).unwrap();
                }
            });
            let (listener, at) = listen(&runtime, strings.service, auto_start());
            let mut clients = clients(at);
            let ids: BTreeSet<SocketId> = clients.iter().map(|_| strings.accepted()).collect();
            assert_eq!(ids.len(), CLIENTS, "different ids");
            let shards: BTreeSet<u32> = ids.iter().map(|id| id.shard()).collect();
            assert_eq!(shards.len(), SHARDS as usize, "shards that have sockets: {shards:?}");
            for client in &mut clients {
                client.write_all(b"over there").unwrap();
                client.read_exact(&mut [0; 10]).expect("the service answers from any shard");
            }
            let infos = runtime.handle().info().unwrap();
            assert!(infos.is_sorted_by_key(|info| info.socket));
            let told: BTreeSet<SocketId> = infos.iter().map(|info| info.socket).collect();
            assert!(ids.is_subset(&told) && told.len() == CLIENTS + 1, "{} sockets", told.len());
            let info = infos.iter().find(|info| info.socket == listener).unwrap();
            assert_eq!((info.kind, info.accepted), (SocketKind::Listener, CLIENTS as u64));
            let stats = runtime.handle().stats();
            assert_eq!(stats.mux.opened, CLIENTS as u64 + 1);
            let handle = runtime.handle().clone();
            // The peers do not close, so the shutdown takes all of its time.
            let report = runtime.shutdown(Duration::from_millis(300));
            assert!(report.is_complete);
            assert_eq!(report.exit.closed, CLIENTS as u64 + 1);
            let mux = handle.stats().mux;
            assert_eq!((mux.opened, mux.closed), (CLIENTS as u64 + 1, CLIENTS as u64 + 1));
        }
    });
}

#[test]
fn a_paused_listener_accepts_nowhere_until_it_is_started() {
    bounded("pause", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (listener, at) = listen(&runtime, strings.service, auto_start());
            let first = clients(at);
            first.iter().for_each(|_| _ = strings.accepted());
            strings.call(move |net| net.pause(listener).unwrap());
            strings.until(|message| matches!(message, Message::Paused { .. }).then_some(()));
            let waiting = clients(at);
            strings.silence(Duration::from_millis(100));
            strings.call(move |net| net.start(listener).unwrap());
            waiting.iter().for_each(|_| _ = strings.accepted());
            drop(first);
        }
    });
}

#[test]
fn pausing_and_starting_again_and_again_loses_no_answer_and_no_client() {
    bounded("pause and start", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (listener, at) = listen(&runtime, strings.service, auto_start());
            let clients = thread::spawn(move || clients(at));
            for _ in 0..50 {
                strings.call(move |net| {
                    net.pause(listener).unwrap();
                    net.start(listener).unwrap();
                });
            }
            strings.call(move |net| net.pause(listener).unwrap());
            let mut accepted = 0;
            strings.until(|message| match message {
                Message::Accept { .. } => {
                    accepted += 1;
                    None
                }
                Message::Paused { .. } => Some(()),
                Message::Listening { .. } => None,
                other => panic!("{other}"),
            });
            strings.call(move |net| net.start(listener).unwrap());
            (accepted..CLIENTS).for_each(|_| _ = strings.accepted());
            drop(clients.join().unwrap());
        }
    });
}

#[test]
fn the_service_that_starts_a_listener_gets_every_accept() {
    bounded("hand over", || {
        for runtime in runtimes() {
            let [old, new] = [(); 2].map(|()| Strings::spawn(&runtime));
            let (listener, at) = listen(&runtime, old.service, auto_start().paused(true));
            let clients = clients(at);
            new.call(move |net| net.start(listener).unwrap());
            clients.iter().for_each(|_| _ = new.accepted());
            // The former owner ends, and the listener goes on.
            runtime.handle().release(old.service).unwrap();
            eventually("the former owner is gone", || runtime.handle().stats().services == 1);
            let _more = self::clients(at);
            clients.iter().for_each(|_| _ = new.accepted());
            runtime.handle().release(new.service).unwrap();
            eventually("nobody listens", || TcpStream::connect(at).is_err());
        }
    });
}

#[test]
fn a_listener_that_closes_in_a_storm_says_so_once_and_last() {
    bounded("storm", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (listener, at) = listen(&runtime, strings.service, auto_start());
            let storm = thread::spawn(move || {
                // It ends once connections are refused.
                while TcpStream::connect(at).is_ok() {}
            });
            (0..CLIENTS).for_each(|_| _ = strings.accepted());
            strings.call(move |net| net.close(listener).unwrap());
            strings.until(|message| match message {
                Message::Close { socket, reason, .. } if *socket == listener => {
                    assert_eq!(*reason, CloseReason::Closed);
                    Some(())
                }
                _ => None,
            });
            storm.join().unwrap();
            let rebound = TcpListener::bind(at).expect("the address is free again");
            while let Ok(message) = strings.messages.recv_timeout(Duration::from_millis(50)) {
                assert!(message.socket() != Some(listener), "{message} after its `Close`");
            }
            drop(rebound);
        }
    });
}

#[test]
fn an_address_is_taken_once() {
    bounded("address", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (listener, at) = listen(&runtime, strings.service, auto_start());
            let listen_again = |runtime: &Runtime, owner| {
                runtime.handle().listen(owner, at, ListenOptions::default()).unwrap_err().kind()
            };
            if cfg!(target_os = "linux") {
                assert_eq!(listen_again(&runtime, strings.service), ErrorKind::AddrInUse);
                let other = self::runtime(0, Config::default());
                let owner = Strings::spawn(&other).service;
                assert_eq!(listen_again(&other, owner), ErrorKind::AddrInUse);
            }
            strings.call(move |net| net.close(listener).unwrap());
            strings.close_of(listener);
            runtime.handle().listen(strings.service, at, ListenOptions::default()).unwrap();
        }
    });
}

#[test]
fn all_places_are_used_and_a_listener_needs_one_on_each_network_thread() {
    bounded("places", || {
        let config = Config { sockets_max: 2 * SHARDS, ..Config::default() };
        for workers in [0, 2] {
            let runtime = runtime(workers, config.clone());
            let strings = Strings::spawn(&runtime);
            let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let at = server.local_addr().unwrap();
            let open = move |net: &mut Net<'_>| net.connect(at, ConnectOptions::default());
            let ids: Vec<SocketId> =
                (0..2 * SHARDS).map(|_| strings.call(open).expect("a place is free")).collect();
            assert_eq!(strings.call(open), Err(OpenError::LimitReached));
            let mut by_shard: BTreeMap<u32, Vec<SocketId>> = BTreeMap::new();
            ids.iter().for_each(|id| by_shard.entry(id.shard()).or_default().push(*id));
            assert_eq!(by_shard.len(), SHARDS as usize);
            // Free a place on every network thread but the last.
            for shard in 0..SHARDS - 1 {
                let id = by_shard[&shard][0];
                strings.call(move |net| net.close(id).unwrap());
                strings.close_of(id);
            }
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let refused = runtime.handle().listen(strings.service, any, ListenOptions::default());
            assert!(refused.is_err(), "a listener without a place on the last network thread");
            let id = by_shard[&(SHARDS - 1)][0];
            strings.call(move |net| net.close(id).unwrap());
            strings.close_of(id);
            listen(&runtime, strings.service, ListenOptions::default());
        }
    });
}

/// A service that echoes, and panics when it is asked to.
struct Fragile;

impl Service for Fragile {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { bytes, .. } if &bytes[..] == b"fall" => panic!("as asked"),
            Message::Data { socket, bytes } => drop(net.send(socket, bytes)),
            _ => {}
        }
    }
}

#[test]
fn a_service_that_panics_loses_its_sockets_everywhere_and_no_others() {
    bounded("panic", || {
        for runtime in runtimes() {
            let others = Strings::spawn(&runtime);
            let (_, others_at) = listen(&runtime, others.service, auto_start());
            let mut kept = clients(others_at);
            let fragile = runtime.handle().spawn(Box::new(Fragile)).unwrap();
            let (_, at) = listen(&runtime, fragile, auto_start());
            let mut lost = clients(at);
            for client in &mut lost {
                client.write_all(b"hello").unwrap();
                client.read_exact(&mut [0; 5]).unwrap();
            }
            lost[0].write_all(b"fall").unwrap();
            for client in &mut lost {
                assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "bytes after the panic");
            }
            eventually("nobody listens", || TcpStream::connect(at).is_err());
            kept.iter_mut().for_each(|client| client.write_all(b".").unwrap());
            for _ in 0..CLIENTS {
                others.until(|message| matches!(message, Message::Data { .. }).then_some(()));
            }
        }
    });
}

/// A service that opens a listener, closes it, and ends.
struct Mayfly;

impl Service for Mayfly {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let at: SocketAddr = ([127, 0, 0, 1], 0).into();
        net.listen(at, ListenOptions::default()).unwrap();
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Listening { socket, .. } => net.close(socket).unwrap(),
            Message::Close { .. } => net.release(net.service()).unwrap(),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn services_come_and_go_and_their_places_are_used_again() {
    bounded("mayflies", || {
        for workers in [0, 2] {
            let config = Config { services_max: 8, ..Config::default() };
            let runtime = runtime(workers, config);
            for _ in 0..200 {
                eventually("a place is free", || runtime.handle().spawn(Box::new(Mayfly)).is_ok());
            }
            eventually("all are gone", || {
                let stats = runtime.handle().stats();
                stats.services == 0 && stats.mux.closed == 200
            });
            assert!(runtime.shutdown(BOUND).is_complete);
        }
    });
}

#[test]
fn a_service_that_waits_for_the_total_is_told_of_room_on_another_thread() {
    bounded("total", || {
        const LIMIT: usize = 256 << 10;
        let config = Config {
            warn_bytes: LIMIT / 2,
            outbox_bytes_max: LIMIT,
            total_bytes_max: LIMIT,
            ..Config::default()
        };
        for workers in [0, 2] {
            let runtime = runtime(workers, config.clone());
            let strings = Strings::spawn(&runtime);
            let (_, at) = listen(&runtime, strings.service, auto_start());
            let mut clients = clients(at);
            let ids: Vec<SocketId> = clients.iter().map(|_| strings.accepted()).collect();
            let full = ids[0];
            let other = *ids.iter().find(|id| id.shard() != full.shard()).unwrap();
            // The peer reads nothing, so the queue grows up to the total.
            eventually("the total is full", || {
                strings.call(move |net| match net.send(full, vec![7; 16 << 10]) {
                    Ok(_) => false,
                    Err(SendError::SocketFull(_) | SendError::TotalFull(_)) => true,
                    Err(error) => panic!("{error}"),
                })
            });
            let refused = strings.call(move |net| net.send(other, vec![7; 16 << 10]));
            assert!(matches!(refused, Err(SendError::TotalFull(_))), "{refused:?}");
            let reader = clients.iter_mut();
            reader.for_each(|client| client.set_nonblocking(true).unwrap());
            let mut buffer = vec![0; 64 << 10];
            eventually("the waiting service is told", || {
                // What the network thread of the full socket wrote is read here, and nothing else.
                for client in &mut clients {
                    if let Err(error) = client.read(&mut buffer) {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    }
                }
                let told = strings.messages.try_iter();
                let mut told = told.filter(|it| matches!(it, Message::SendReady { .. }));
                told.any(|message| message.socket() == Some(other))
            });
        }
    });
}
