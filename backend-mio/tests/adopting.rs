//! Adopted descriptors.

mod support;

use std::fs::File;
use std::io::{IoSlice, Read, Write, pipe};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
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
