//! Services on workers, and the sockets that they share.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::{BOUND, Strings, bounded, client, eventually, listen, pattern, reset};
use tidelock_core::{
    CloseReason, Config, ListenOptions, Message, Net, SendError, Service, SocketId,
};
use tidelock_mio::Runtime;

fn runtime(config: Config) -> Runtime {
    Runtime::builder().workers(2).config(config).build().unwrap()
}

#[test]
fn a_batch_leaves_in_one_call_the_high_before_the_low() {
    bounded("one call", || {
        let runtime = runtime(Config::default());
        let strings = Strings::spawn(&runtime);
        let (_, at) = listen(&runtime, strings.service, ListenOptions::default());
        let mut client = client(at);
        let id = strings.accepted();
        strings.call(move |net| {
            net.send_low(id, "l1").unwrap();
            net.send(id, "h1").unwrap();
            net.send_low(id, "l2").unwrap();
            net.send_vectored(id, vec!["h".into(), "2".into()]).unwrap();
        });
        let mut got = [0; 8];
        client.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"h1h2l1l2");
        // The client has the bytes before the network thread has counted them.
        eventually("one call is counted", || {
            let stats = runtime.handle().stats();
            assert!(stats.calls.writes <= 1, "{stats:?}");
            (stats.calls.writes, stats.mux.bytes_out) == (1, 8)
        });
        eventually("the socket's own counters have it, too", || {
            let sockets = runtime.handle().info().unwrap();
            let info = sockets.iter().find(|info| info.socket == id).expect("it is open");
            (info.bytes_out, info.messages_out, info.queued_bytes) == (8, 4, 0)
        });
        drop(client);
    });
}

/// Returns a frame with its sender, number and length in front, so that a torn, lost or reordered
/// one shows.
fn frame(sender: u8, number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![sender];
    frame.extend(number.to_le_bytes());
    frame.extend((len as u32).to_le_bytes());
    frame.extend(pattern(len, u64::from(number) << 8 | u64::from(sender)));
    frame
}

/// Reads frames to the end of the stream, checks their order, and returns the number that came from
/// each sender.
fn read_frames(client: &mut TcpStream, pause: Duration) -> [u32; 4] {
    let mut next = [0; 4];
    let mut head = [0; 9];
    loop {
        match client.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return next,
            Err(error) => panic!("{error}"),
        }
        let (sender, number) = (head[0], u32::from_le_bytes(head[1..5].try_into().unwrap()));
        let len = u32::from_le_bytes(head[5..].try_into().unwrap()) as usize;
        let expected = &mut next[sender as usize];
        assert_eq!(number, *expected, "the number of the next frame of sender {sender}");
        *expected += 1;
        let mut body = vec![0; len];
        client.read_exact(&mut body).unwrap();
        assert!(body == pattern(len, u64::from(number) << 8 | u64::from(sender)), "{sender}");
        thread::sleep(pause);
    }
}

#[test]
fn several_services_fill_a_slow_reader_and_nothing_is_torn_lost_or_overtaken() {
    bounded("slow reader", || {
        let runtime = runtime(Config::default());
        let owner = Strings::spawn(&runtime);
        let others = [Strings::spawn(&runtime), Strings::spawn(&runtime)];
        let (_, at) = listen(&runtime, owner.service, ListenOptions::default());
        let mut client = client(at);
        let id = owner.accepted();
        let reader = thread::spawn(move || read_frames(&mut client, Duration::from_micros(100)));
        const ROUNDS: u32 = 300;
        // More than the system accepts at once.
        others[0].call(move |net| net.send(id, frame(0, 0, 8_000_000)).unwrap());
        thread::scope(|scope| {
            for (index, strings) in others.into_iter().enumerate() {
                scope.spawn(move || {
                    for number in 0..ROUNDS {
                        let len = if number % 10 == 0 { 200_000 } else { 50 };
                        let sender = 2 * index as u8;
                        strings.call(move |net| {
                            if (sender, number) != (0, 0) {
                                net.send(id, frame(sender, number, len)).unwrap();
                            }
                            net.send_low(id, frame(sender + 1, number, 500)).unwrap();
                        });
                    }
                });
            }
        });
        owner.call(move |net| net.shutdown(id).unwrap());
        assert_eq!(reader.join().unwrap(), [ROUNDS; 4]);
        assert_eq!(owner.close_of(id), (CloseReason::Shutdown, 0));
    });
}

#[test]
fn a_reset_under_the_sends_of_a_worker_is_one_error_and_one_close() {
    bounded("reset", || {
        let runtime = runtime(Config::default());
        let owner = Strings::spawn(&runtime);
        let writer = Strings::spawn(&runtime);
        let (_, at) = listen(&runtime, owner.service, ListenOptions::default());
        for round in 0..28 {
            let client = client(at);
            let id = owner.accepted();
            let resetter = thread::spawn(move || {
                thread::sleep(Duration::from_micros(round % 7 * 100));
                reset(client);
            });
            while writer.call(move |net| net.send(id, "some bytes").is_ok()) {}
            resetter.join().unwrap();
            let mut errors = 0;
            let reason = owner.until(|message| match message {
                Message::Error { socket, fatal: true, .. } if *socket == id => {
                    errors += 1;
                    None
                }
                Message::Close { socket, reason, .. } if *socket == id => Some(*reason),
                _ => None,
            });
            assert!(matches!(reason, CloseReason::Fault(_)), "{reason:?}");
            assert_eq!(errors, 1, "fatal errors of {id}");
        }
        assert!(runtime.handle().info().unwrap().iter().all(|info| info.peer.is_none()));
    });
}

/// The number of copies of a name in one message.
const NAMES: usize = 1 << 18;

/// A socket to send its name to, and the number of refusals so far.
struct Named(SocketId, u32);

/// Sends each posted socket its own name, and goes on for a while after that is gone.
struct Namer {
    refused: Arc<AtomicU64>,
}

impl Service for Namer {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        const REFUSED_MAX: u32 = 500;
        let Message::Posted { value, .. } = message else { return };
        let Ok(named) = value.downcast::<Named>() else { panic!("only names are posted") };
        let Named(id, mut refused) = *named;
        // So many bytes that a write takes a while.
        match net.send(id, id.to_bits().to_le_bytes().repeat(NAMES)) {
            Ok(_) | Err(SendError::SocketFull(_)) => {}
            Err(SendError::Stale(_) | SendError::Closing(_)) => {
                refused += 1;
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error}"),
        }
        if refused < REFUSED_MAX {
            net.post(net.service(), Named(id, refused)).unwrap();
        }
    }
}

/// Few places are used again and again while workers still send to their former sockets: each
/// client gets its own id and no other.
#[test]
fn a_place_that_is_closed_under_sends_gets_nothing_of_the_old_socket() {
    bounded("recycling", || {
        const ROUNDS: usize = 100;
        let runtime = runtime(Config { sockets_max: 4, ..Config::default() });
        let refused = Arc::new(AtomicU64::new(0));
        let handle = runtime.handle().clone();
        let namers = [(); 2]
            .map(|()| handle.spawn(Box::new(Namer { refused: Arc::clone(&refused) })).unwrap());
        let closes = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&closes);
        let owner = Strings::spawn_reacting(&runtime, move |net, message| match message {
            Message::Accept { accepted, .. } => {
                namers.iter().for_each(|namer| net.post(*namer, Named(*accepted, 0)).unwrap());
                net.start(*accepted).unwrap();
            }
            // The client has read enough. Close at once, although a worker may be sending.
            Message::Data { socket, .. } => net.close(*socket).unwrap(),
            Message::Close { socket, .. } => told.lock().unwrap().push(*socket),
            _ => {}
        });
        let (_, at) = listen(&runtime, owner.service, ListenOptions::default());
        for round in 0..ROUNDS {
            let mut client = client(at);
            let mut own = [0; 8];
            client.read_exact(&mut own).unwrap();
            let mut more = vec![0; round % 4 * 8 * NAMES];
            client.read_exact(&mut more).unwrap();
            assert!(more.chunks_exact(8).all(|name| name == own), "round {round}");
            client.write_all(b"enough").unwrap();
            let mut rest = Vec::new();
            // The close is a reset if bytes were lost.
            if let Err(error) = client.read_to_end(&mut rest) {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            }
            for name in rest.chunks_exact(8) {
                assert_eq!(name, own, "round {round}: bytes of another socket");
            }
        }
        eventually("each connection ends once", || closes.lock().unwrap().len() == ROUNDS);
        let mut ids = closes.lock().unwrap().clone();
        ids.sort_by_key(|id| id.to_bits());
        ids.dedup();
        assert_eq!(ids.len(), ROUNDS, "different ids that ended");
        let last = ids.iter().map(|id| id.index()).max().expect("there were some");
        assert!(last < 4, "index {last} was used with a limit of 4 sockets");
        assert!(refused.load(Ordering::Relaxed) > 0, "no send went to a socket that was gone");
    });
}

/// Sends back what it gets.
struct Echo;

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Data { socket, bytes } = message {
            net.send(socket, bytes).unwrap();
        }
    }
}

fn ping_pong(at: SocketAddr, number: u64) -> u64 {
    const ROUNDS: u64 = 60;
    let mut client = client(at);
    let mut sent = 0;
    for round in 0..ROUNDS {
        let len = if round % 20 == 19 { 300_000 } else { 1 + (number * 31 + round * 7) % 900 };
        let bytes = pattern(len as usize, number << 32 | round);
        thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            let bytes = &bytes;
            scope.spawn(move || writer.write_all(bytes).unwrap());
            let mut got = vec![0; bytes.len()];
            client.read_exact(&mut got).unwrap();
            assert!(&got == bytes, "connection {number}, round {round}");
        });
        sent += len;
    }
    sent
}

#[test]
fn sixty_four_connections_get_their_own_bytes_back() {
    bounded("load", || {
        let runtime = runtime(Config::default());
        let handle = runtime.handle().clone();
        let options = ListenOptions::default().auto_start(true);
        let places = [(); 4].map(|()| {
            let echo = runtime.handle().spawn(Box::new(Echo)).unwrap();
            listen(&runtime, echo, options.clone()).1
        });
        let sent: u64 = thread::scope(|scope| {
            let clients: Vec<_> = (0..64)
                .map(|number| {
                    let at = places[number as usize % places.len()];
                    scope.spawn(move || ping_pong(at, number))
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        let report = runtime.shutdown(BOUND);
        assert!(report.is_complete && report.exit.unsent_bytes == 0, "{report:?}");
        assert_eq!(handle.stats().mux.bytes_out, sent, "each byte came back once");
    });
}
