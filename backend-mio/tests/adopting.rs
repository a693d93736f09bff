//! Adopted descriptors.

mod support;

use std::fs::File;
use std::io::{IoSlice, Read, Write, pipe};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use socket2::SockRef;
use support::{BOUND, Strings, bounded, runtimes};
use tidelock_core::{CloseReason, Endpoint, FaultKind, Message, Operation, SocketId};
use tidelock_mio::NetExt;

fn adopt(strings: &Strings, descriptor: impl Into<OwnedFd>) -> SocketId {
    let descriptor = descriptor.into();
    strings.call(move |net| net.adopt(descriptor, false).unwrap())
}

/// Adopts a paused socket, lets `feed` write, and starts reading only after all events of those
/// writes have come: no further event tells of the bytes that a read then leaves behind.
fn adopt_and_start_late(
    strings: &Strings,
    descriptor: impl Into<OwnedFd>,
    feed: impl FnOnce(),
) -> SocketId {
    let descriptor = descriptor.into();
    let id = strings.call(move |net| net.adopt(descriptor, true).unwrap());
    expect_connect(strings, id);
    std::thread::sleep(Duration::from_millis(50));
    feed();
    std::thread::sleep(Duration::from_millis(50));
    strings.call(move |net| net.start(id).unwrap());
    id
}

fn expect_connect(strings: &Strings, id: SocketId) {
    match strings.next() {
        Message::Connect { socket, local: Endpoint::Unnamed, peer: Endpoint::Unnamed } => {
            assert_eq!(socket, id);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_socket_pair_carries_both_ways_and_half_closes() {
    bounded("adopt socketpair", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.set_read_timeout(Some(BOUND)).unwrap();
            theirs.write_all(b"in").unwrap();
            let id = adopt(&strings, ours);
            expect_connect(&strings, id);
            match strings.next() {
                Message::Data { bytes, .. } => assert_eq!(bytes, "in"),
                other => panic!("{other}"),
            }
            strings.call(move |net| {
                net.send(id, "out").unwrap();
                net.shutdown(id).unwrap();
            });
            let mut got = String::new();
            theirs.read_to_string(&mut got).unwrap();
            assert_eq!(got, "out");
            drop(theirs);
            assert_eq!(strings.close_of(id), (CloseReason::Shutdown, 0));
        }
    });
}

#[test]
fn bytes_after_a_passed_descriptor_are_read() {
    bounded("adopt with ancillary data", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            // A read stops after the bytes that carry the descriptor, and no event follows.
            let feed = || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                let passed = [theirs.as_fd()];
                assert!(ancillary.push(SendAncillaryMessage::ScmRights(&passed)));
                let first = [IoSlice::new(b"first")];
                sendmsg(&theirs, &first, &mut ancillary, SendFlags::empty()).unwrap();
                theirs.write_all(b"second").unwrap();
            };
            adopt_and_start_late(&strings, ours, feed);
            let mut got = Vec::new();
            while got.len() < 11 {
                match strings.next() {
                    Message::Data { bytes, .. } => got.extend_from_slice(&bytes),
                    other => panic!("{other}"),
                }
            }
            assert_eq!(got, b"firstsecond");
        }
    });
}

#[test]
fn the_reading_end_of_a_pipe_is_read_to_its_end() {
    bounded("adopt pipe reader", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (reader, mut writer) = pipe().unwrap();
            let id = adopt(&strings, reader);
            expect_connect(&strings, id);
            let sent = support::pattern(200_000, 1);
            let copy = sent.clone();
            let writer = std::thread::spawn(move || writer.write_all(&copy).unwrap());
            let mut got = Vec::new();
            let reason = strings.until(|message| match message {
                Message::Data { bytes, .. } => {
                    got.extend_from_slice(bytes);
                    None
                }
                Message::Close { reason, .. } => Some(*reason),
                _ => None,
            });
            assert!(got == sent, "{} B came", got.len());
            assert_eq!(reason, CloseReason::Peer, "of {id}");
            writer.join().unwrap();
        }
    });
}

#[test]
fn the_writing_end_of_a_pipe_flushes_and_closes() {
    bounded("adopt pipe writer", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (mut reader, writer) = pipe().unwrap();
            let id = adopt(&strings, writer);
            expect_connect(&strings, id);
            let sent = support::pattern(500_000, 2);
            let copy = sent.clone();
            strings.call(move |net| {
                net.send(id, copy).unwrap();
                net.shutdown(id).unwrap();
            });
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert!(got == sent, "{} B came", got.len());
            assert_eq!(strings.close_of(id), (CloseReason::Shutdown, 0));
        }
    });
}

#[test]
fn a_pipe_whose_reader_is_gone_ends() {
    bounded("adopt closed pipe", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (reader, writer) = pipe().unwrap();
            let id = adopt(&strings, writer);
            expect_connect(&strings, id);
            strings.silence(Duration::from_millis(50));
            drop(reader);
            let (reason, _) = strings.close_of(id);
            assert_eq!(reason, CloseReason::Peer);
        }
    });
}

#[test]
fn a_descriptor_that_cannot_be_polled_is_refused() {
    bounded("adopt file", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let id = adopt(&strings, File::open(std::env::current_exe().unwrap()).unwrap());
            match strings.next() {
                Message::Error { fault, operation: Operation::Adopt, fatal: true, .. } => {
                    assert_eq!(fault.kind, FaultKind::NotPollable);
                }
                other => panic!("{other}"),
            }
            let (reason, _) = strings.close_of(id);
            assert!(matches!(reason, CloseReason::ConnectFailed(_)), "{reason}");
        }
    });
}

/// Opens a pseudoterminal and returns its master and its slave.
fn terminal() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (master, slave)
}

#[test]
fn a_terminal_gives_line_after_line_and_its_hang_up_is_the_end() {
    bounded("adopt terminal", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (master, slave) = terminal();
            let mut master = File::from(master);
            // Both lines wait. A read returns one of them, and no event comes for the other.
            let feed = || master.write_all(b"one\ntwo\n").unwrap();
            let id = adopt_and_start_late(&strings, slave, feed);
            let mut got = Vec::new();
            while got.len() < 8 {
                match strings.next() {
                    Message::Data { bytes, .. } => got.extend_from_slice(&bytes),
                    other => panic!("{other}"),
                }
            }
            assert_eq!(got, b"one\ntwo\n");
            drop(master);
            let (reason, _) = strings.close_of(id);
            assert_eq!(reason, CloseReason::Peer);
        }
    });
}

#[test]
fn a_terminals_master_ends_when_its_last_slave_is_closed() {
    bounded("adopt terminal master", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let (master, slave) = terminal();
            let id = adopt(&strings, master);
            expect_connect(&strings, id);
            let mut slave = File::from(slave);
            slave.write_all(b"prompt").unwrap();
            match strings.next() {
                Message::Data { bytes, .. } => assert_eq!(bytes, "prompt"),
                other => panic!("{other}"),
            }
            // From now on a read of the master fails with EIO.
            drop(slave);
            let (reason, _) = strings.close_of(id);
            assert_eq!(reason, CloseReason::Peer);
        }
    });
}

/// Returns `true` if calls on the open file do not block.
fn is_nonblocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

fn clear_nonblocking(fd: impl AsFd) {
    let flags = fcntl_getfl(&fd).unwrap() - OFlags::NONBLOCK;
    fcntl_setfl(&fd, flags).unwrap();
}

fn expect_data(strings: &Strings, id: SocketId, expected: &str) {
    match strings.next() {
        Message::Data { socket, bytes } => {
            // A terminal ends a line with two bytes.
            let line = String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n");
            assert_eq!((socket, &line[..]), (id, expected));
        }
        other => panic!("{other}"),
    }
}

/// Two descriptors of one open file, and where its other side is written.
fn twins() -> Vec<(&'static str, [OwnedFd; 2], File, bool)> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (reader, writer) = pipe().unwrap();
    let (of_slave, slave) = terminal();
    let (master, of_master) = terminal();
    let all: [(_, OwnedFd, OwnedFd, _); 4] = [
        ("a socket", ours.into(), theirs.into(), false),
        ("a pipe", reader.into(), writer.into(), false),
        ("a terminal", slave, of_slave, false),
        ("the master of a terminal", master, of_master, true),
    ];
    let twice = |fd: OwnedFd| [fd.try_clone().unwrap(), fd];
    all.into_iter()
        .map(|(name, fd, other, is_changed)| (name, twice(fd), File::from(other), is_changed))
        .collect()
}

#[test]
fn a_descriptor_of_a_shared_open_file_never_blocks() {
    bounded("adopt twins", || {
        for runtime in runtimes() {
            for (name, [first, second], mut feed, is_changed) in twins() {
                let strings = Strings::spawn(&runtime);
                let outside = second.try_clone().unwrap();
                let first = adopt(&strings, first);
                expect_connect(&strings, first);
                let second = adopt(&strings, second);
                expect_connect(&strings, second);
                assert_eq!(is_nonblocking(&outside), is_changed, "{name}: others block as before");
                strings.call(move |net| net.close(first).unwrap());
                assert_eq!(strings.close_of(first).0, CloseReason::Closed, "{name}");
                for round in 0..3 {
                    clear_nonblocking(&outside);
                    // Read to the end: without its mode, the read after the last byte would wait.
                    feed.write_all(b"line\n").unwrap();
                    expect_data(&strings, second, "line\n");
                    let (asked, answered) = std::sync::mpsc::channel();
                    strings.call(move |_net| asked.send(round).unwrap());
                    let answer = answered.recv_timeout(BOUND);
                    assert_eq!(answer, Ok(round), "{name}: the network thread waits");
                }
                strings.call(move |net| net.close(second).unwrap());
                strings.close_of(second);
                assert!(!is_nonblocking(&outside), "{name} is left in another mode");
            }
        }
    });
}

#[test]
fn the_reading_end_of_a_fifo_waits_for_its_first_writer() {
    bounded("adopt a FIFO", || {
        let path =
            std::env::temp_dir().join(format!("tidelock-adopted-{}.fifo", std::process::id()));
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let reader = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
            let id = adopt(&strings, reader);
            expect_connect(&strings, id);
            strings.silence(Duration::from_millis(100));
            let mut writer = File::options().write(true).open(&path).unwrap();
            writer.write_all(b"late").unwrap();
            expect_data(&strings, id, "late");
            drop(writer);
            assert_eq!(strings.close_of(id).0, CloseReason::Peer);
            std::fs::remove_file(&path).unwrap();
        }
    });
}

#[test]
fn nobody_waits_for_the_close_of_a_socket_that_lingers() {
    bounded("adopt a lingering socket", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let _unread = listener.accept().unwrap();
            SockRef::from(&ours).set_linger(Some(BOUND)).unwrap();
            ours.set_nonblocking(true).unwrap();
            // What the peer does not read fills both systems' buffers.
            while ours.write(&[0; 1 << 16]).is_ok() {}
            let id = adopt(&strings, ours);
            assert!(matches!(strings.next(), Message::Connect { .. }));
            let began = std::time::Instant::now();
            strings.call(move |net| net.close(id).unwrap());
            strings.close_of(id);
            strings.call(|_net| ());
            assert!(began.elapsed() < BOUND / 2, "the close waited: {:?}", began.elapsed());
        }
    });
}
