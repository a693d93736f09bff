//! Unix-domain streams.

mod support;

use std::fs;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use support::{BOUND, Strings, bounded, pattern, runtimes};
use tidelock_core::{
    CloseReason, ConnectOptions, Endpoint, FaultKind, ListenOptions, Message, Operation, SocketId,
    SocketOption, UnixName,
};
use tidelock_mio::Runtime;

/// A directory of one test, which is removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidelock-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self, name: &str) -> (PathBuf, Endpoint) {
        let path = self.0.join(name);
        let endpoint = UnixName::path(&path).unwrap().into();
        (path, endpoint)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Streams carry all bytes in both directions, in order, to the end.
fn converse(runtime: &Runtime, at: Endpoint) {
    let server = Strings::spawn_reacting(runtime, |net, message| {
        if let Message::Data { socket, bytes } = message {
            net.send(*socket, bytes.clone()).unwrap();
        }
    });
    let client = Strings::spawn(runtime);
    let options = ListenOptions::default().auto_start(true);
    let (listener, local) = runtime.handle().listen(server.service, at.clone(), options).unwrap();
    assert_eq!(local, at, "the address of the listener");
    let sent = pattern(1_000_000, 7);
    let (to, copy) = (at.clone(), sent.clone());
    let id = client.call(move |net| {
        let id = net.connect(to, ConnectOptions::default()).unwrap();
        net.send(id, copy).unwrap();
        net.finish(id).unwrap();
        id
    });
    match client.next() {
        Message::Connect { socket, local, peer } => {
            assert_eq!((socket, local, peer), (id, Endpoint::Unnamed, at.clone()));
        }
        other => panic!("{other}"),
    }
    server.until(|message| match message {
        Message::Accept { local, peer, .. } => {
            assert_eq!((local, peer), (&at, &Endpoint::Unnamed));
            Some(())
        }
        _ => None,
    });
    let mut got = Vec::new();
    let reason = client.until(|message| match message {
        Message::Data { bytes, .. } => {
            got.extend_from_slice(bytes);
            None
        }
        Message::Close { reason, .. } => Some(*reason),
        _ => None,
    });
    assert!(got == sent, "{} B came back", got.len());
    assert_eq!(reason, CloseReason::Shutdown);
    server.call(move |net| net.close(listener).unwrap());
    assert_eq!(server.close_of(listener).0, CloseReason::Closed);
}

#[test]
fn a_path_carries_both_ways_and_its_file_goes_with_the_listener() {
    bounded("path", || {
        let folder = Folder::new("path");
        let (path, at) = folder.socket("echo");
        for runtime in runtimes() {
            converse(&runtime, at.clone());
            assert!(!path.exists(), "the file of a closed listener is left");
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_carries_both_ways_and_leaves_no_file() {
    bounded("abstract name", || {
        let name = format!("tidelock-{}\0-echo", std::process::id());
        let at = Endpoint::from(UnixName::abstract_name(name.as_bytes()).unwrap());
        for runtime in runtimes() {
            converse(&runtime, at.clone());
        }
    });
}

fn listen_at(runtime: &Runtime, at: &Endpoint, options: ListenOptions) -> Result<SocketId, i32> {
    let owner = Strings::spawn(runtime).service;
    match runtime.handle().listen(owner, at.clone(), options) {
        Ok((id, _local)) => Ok(id),
        Err(error) => Err(error.raw_os_error().expect("the system's own error")),
    }
}

const ADDRESS_IN_USE: i32 = rustix::io::Errno::ADDRINUSE.raw_os_error();

#[test]
fn the_file_of_a_listener_that_is_gone_makes_way_and_nothing_else_does() {
    bounded("stale file", || {
        let folder = Folder::new("stale");
        let [runtime, ..] = runtimes();
        let options = ListenOptions::default;
        let (abandoned, at) = folder.socket("abandoned");
        drop(UnixListener::bind(&abandoned).unwrap());
        assert!(abandoned.exists(), "the standard library's listener removed its file");
        let kept = listen_at(&runtime, &at, options().reuse_address(false));
        assert_eq!(kept, Err(ADDRESS_IN_USE));
        listen_at(&runtime, &at, options()).unwrap();
        UnixStream::connect(&abandoned).unwrap();
        assert_eq!(listen_at(&runtime, &at, options()), Err(ADDRESS_IN_USE), "it is in use");
        UnixStream::connect(&abandoned).unwrap();
        let (file, at) = folder.socket("file");
        fs::write(&file, "precious").unwrap();
        assert_eq!(listen_at(&runtime, &at, options()), Err(ADDRESS_IN_USE));
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let (_, nowhere) = folder.socket("no/where");
        let missing = rustix::io::Errno::NOENT.raw_os_error();
        assert_eq!(listen_at(&runtime, &nowhere, options()), Err(missing));
    });
}

#[test]
fn the_file_of_another_listener_stays() {
    bounded("replaced file", || {
        let folder = Folder::new("replaced");
        let (path, at) = folder.socket("twice");
        let [first, second, ..] = runtimes();
        listen_at(&first, &at, ListenOptions::default()).unwrap();
        fs::rename(&path, folder.0.join("elsewhere")).unwrap();
        listen_at(&second, &at, ListenOptions::default()).unwrap();
        drop(first);
        UnixStream::connect(&path).expect("the second listener still has its file");
        drop(second);
        assert!(!path.exists());
    });
}

fn connect_fails(runtime: &Runtime, to: Endpoint, options: ConnectOptions) -> FaultKind {
    let strings = Strings::spawn(runtime);
    let id = strings.call(move |net| net.connect(to, options).unwrap());
    match strings.next() {
        Message::Error { socket, fault, operation: Operation::Connect, fatal: true } => {
            assert_eq!(socket, id);
            assert_eq!(strings.close_of(id), (CloseReason::ConnectFailed(fault), 0));
            fault.kind
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_connect_that_fails_says_why() {
    bounded("failed connects", || {
        let folder = Folder::new("failed");
        let [runtime, ..] = runtimes();
        let plain = ConnectOptions::default;
        let (_, nowhere) = folder.socket("nowhere");
        let kind = connect_fails(&runtime, nowhere, plain());
        assert_eq!(kind, FaultKind::AddressNotAvailable);
        let (path, at) = folder.socket("gone");
        drop(UnixListener::bind(path).unwrap());
        assert_eq!(connect_fails(&runtime, at, plain()), FaultKind::ConnectionRefused);
        let (path, at) = folder.socket("full");
        let full = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let full = full.unwrap();
        full.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        full.listen(0).unwrap();
        let _fills_the_backlog = UnixStream::connect(&path).unwrap();
        assert_eq!(connect_fails(&runtime, at.clone(), plain()), FaultKind::BacklogFull);
        let unfit = plain().option(SocketOption::Nodelay(true));
        assert_eq!(connect_fails(&runtime, at.clone(), unfit), FaultKind::Unsupported);
        let families = plain().bind(([127, 0, 0, 1], 0));
        assert_eq!(connect_fails(&runtime, at, families), FaultKind::InvalidInput);
    });
}

#[test]
fn a_client_can_have_a_name() {
    bounded("named client", || {
        let folder = Folder::new("named");
        let [runtime, ..] = runtimes();
        let (path, at) = folder.socket("server");
        let (client_path, client_at) = folder.socket("client");
        let server = UnixListener::bind(path).unwrap();
        let strings = Strings::spawn(&runtime);
        let named = ConnectOptions::default().bind(client_at.clone());
        let id = strings.call(move |net| net.connect(at, named).unwrap());
        let (_peer, address) = server.accept().unwrap();
        assert_eq!(address.as_pathname(), Some(client_path.as_path()));
        match strings.next() {
            Message::Connect { local, .. } => assert_eq!(local, client_at),
            other => panic!("{other}"),
        }
        strings.call(move |net| net.close(id).unwrap());
    });
}

/// Sends ten bytes that carry a descriptor. A read stops after them, whatever follows.
fn send_with_descriptor(peer: &UnixStream, bytes: &[u8]) {
    let passed = [peer.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&passed)));
    let sent = sendmsg(peer, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::empty());
    assert_eq!(sent, Ok(bytes.len()));
}

fn plain_client(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    stream
}

#[test]
fn a_short_read_at_a_passed_descriptor_loses_nothing() {
    bounded("ancillary data", || {
        let folder = Folder::new("ancillary");
        let (path, at) = folder.socket("server");
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default();
            runtime.handle().listen(strings.service, at.clone(), options).unwrap();
            let mut client = plain_client(&path);
            let id = strings.accepted();
            send_with_descriptor(&client, &[1; 10]);
            client.write_all(&[2; 10]).unwrap();
            strings.call(move |net| net.start(id).unwrap());
            let mut got = Vec::new();
            strings.until(|message| match message {
                Message::Data { bytes, .. } => {
                    got.extend_from_slice(bytes);
                    (got.len() == 20).then_some(())
                }
                _ => None,
            });
            assert_eq!(got, [[1; 10], [2; 10]].concat());
        }
    });
}

#[test]
fn a_slow_reader_gets_every_byte_and_then_the_end() {
    bounded("slow reader", || {
        let folder = Folder::new("slow");
        let (path, at) = folder.socket("server");
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let options = ListenOptions::default().accepted(SocketOption::SendBuffer(1));
            runtime.handle().listen(strings.service, at.clone(), options).unwrap();
            let mut client = plain_client(&path);
            let id = strings.accepted();
            strings.call(move |net| {
                net.send(id, pattern(500_000, 3)).unwrap();
                net.shutdown(id).unwrap();
            });
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            assert!(got == pattern(500_000, 3), "{} B came", got.len());
            drop(client);
            assert_eq!(strings.close_of(id), (CloseReason::Shutdown, 0));
        }
    });
}
