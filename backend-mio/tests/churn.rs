//! Many connections that end in every way, on each kind of runtime: the service gets exactly one
//! `Close` for each, and nothing is left.

mod support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc;
use std::thread;

use support::{BOUND, Strings, bounded, client, eventually, listen, pattern, reset, runtimes};
use tidelock_core::{ListenOptions, Message, Net, SocketId};

const CLIENTS: usize = 4;
const CONNECTIONS: u64 = 250;

/// Echoes the data of a client, and closes or shuts down if its first byte asks for that.
fn serve(net: &mut Net<'_>, message: &Message) {
    let Message::Data { socket, bytes } = message else { return };
    match bytes[0] {
        b'c' => net.close(*socket).expect("data comes from a live socket"),
        b's' => {
            net.send(*socket, bytes.clone()).unwrap();
            net.shutdown(*socket).unwrap();
        }
        // The socket may be closing, because more may follow a `c` or an `s`.
        _ => drop(net.send(*socket, bytes.clone())),
    }
}

/// Makes one connection, whose number decides how it goes.
///
/// # Errors
/// If the whole echo had to come back, and did not.
fn connect_once(at: SocketAddr, number: u64) -> Result<(), String> {
    let mut stream = client(at);
    let say = |mut stream: &std::net::TcpStream, what: &[u8]| match stream.write_all(what) {
        Err(error) if error.kind() == ErrorKind::TimedOut => panic!("a write hangs: {error}"),
        // The server may already have closed the connection, as asked.
        other => drop(other),
    };
    match number % 6 {
        0 => {}
        1 => say(&stream, b"echo and gone"),
        2 => {
            say(&stream, b"reset");
            reset(stream);
        }
        3 => say(&stream, b"close"),
        4 => {
            say(&stream, b"shut down");
            let mut got = Vec::new();
            stream.read_to_end(&mut got).map_err(|error| error.to_string())?;
            if got != b"shut down" {
                return Err(format!("{number}: {} B came back", got.len()));
            }
        }
        _ => {
            let mut sent = pattern(40_000, number);
            sent[0] = b'e';
            // Any byte may be the first of a later read, so none may be a command.
            sent.iter_mut().filter(|byte| matches!(byte, b'c' | b's')).for_each(|byte| *byte = 0);
            say(&stream, &sent);
            stream.shutdown(Shutdown::Write).unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).map_err(|error| error.to_string())?;
            if got != sent {
                return Err(format!("{number}: {} of {} B came back", got.len(), sent.len()));
            }
        }
    }
    Ok(())
}

#[test]
fn every_connection_ends_with_one_close_and_leaves_nothing() {
    bounded("churn", || {
        for runtime in runtimes() {
            let strings = Strings::spawn_reacting(&runtime, serve);
            let options = ListenOptions::default().auto_start(true);
            let (listener, at) = listen(&runtime, strings.service, options);
            let (failed, failures) = mpsc::channel();
            thread::scope(|scope| {
                for client in 0..CLIENTS as u64 {
                    let failed = failed.clone();
                    scope.spawn(move || {
                        for number in 0..CONNECTIONS {
                            if let Err(text) = connect_once(at, client + number) {
                                failed.send(text).unwrap();
                            }
                        }
                    });
                }
            });
            drop(failed);
            assert_eq!(failures.iter().collect::<Vec<_>>(), Vec::<String>::new());
            let mut ends: BTreeMap<SocketId, u32> = BTreeMap::new();
            let mut closed = 0;
            while closed < CLIENTS * CONNECTIONS as usize {
                match strings.messages.recv_timeout(BOUND).expect("every end is reported") {
                    Message::Accept { accepted, .. } => {
                        assert!(
                            ends.insert(accepted, 0).is_none(),
                            "{accepted} was accepted twice"
                        );
                    }
                    Message::Close { socket, .. } => {
                        *ends.get_mut(&socket).expect("it was accepted") += 1;
                        closed += 1;
                    }
                    Message::Listening { socket, .. } => assert_eq!(socket, listener),
                    other => {
                        let socket = other.socket().expect("it is about a socket");
                        assert_eq!(ends.get(&socket), Some(&0), "{other} after its end");
                    }
                }
            }
            assert!(ends.values().all(|count| *count == 1), "ends by socket: {ends:?}");
            eventually("only the listener is left", || runtime.handle().info().unwrap().len() == 1);
        }
    });
}
