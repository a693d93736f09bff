//! The rows of what the real kernel does, and what each profile of readiness promises.

use bytes::Bytes;

use super::*;
use crate::chance::choices::Replay;
use crate::words::decision::{Decision, Position, Value};

pub(super) const CLIENT: u16 = 0;
pub(super) const SERVER: u16 = 1;
pub(super) const PORT: u16 = 9000;
/// The tokens of the listener, of the connecting and of the accepted side.
const LISTENER: u64 = 1;
const NEAR: u64 = 2;
const FAR: u64 = 3;

/// Two hosts, a listener, and a connection whose ends are both open.
pub(super) struct Net {
    pub(super) kernel: Kernel<Replay>,
    pub(super) near: u32,
    pub(super) far: u32,
}

pub(super) fn net(readiness: Readiness, buffer_bytes: u64, decisions: Vec<Decision>) -> Net {
    net_of(Os::Linux, readiness, buffer_bytes, decisions)
}

pub(super) fn net_of(
    os: Os,
    readiness: Readiness,
    buffer_bytes: u64,
    decisions: Vec<Decision>,
) -> Net {
    let settings = Settings {
        send_buffer_bytes: buffer_bytes,
        receive_buffer_bytes: buffer_bytes,
        batch_max: 64,
        delay_nanos_max: 1_000_000,
        os,
    };
    let mut kernel = Kernel::new(Replay::new(decisions), Noise::new(0), settings);
    kernel.add_host("client", readiness);
    kernel.add_host("server", readiness);
    kernel.set_links(Link::new(1_000, 0, 0));
    kernel.listen(SERVER, LISTENER, PORT, 4, &|| "server/listen".to_owned()).unwrap();
    let to = Address { host: SERVER, port: PORT };
    let near = kernel.connect(CLIENT, NEAR, to, &|| "c1".to_owned()).unwrap();
    assert_eq!(kernel.connected(near), Err(Errno::WouldBlock));
    let mut net = Net { kernel, near, far: 0 };
    net.settle();
    let listener = 0;
    net.far = net.kernel.accept(listener, FAR).expect("it came").0;
    assert!(net.kernel.connected(near).is_ok());
    net.events(CLIENT);
    net.events(SERVER);
    net
}

impl Net {
    /// Lets everything happen that is under way.
    pub(super) fn settle(&mut self) {
        while let Some((now, what)) = self.kernel.schedule.pop() {
            self.kernel.now = now;
            assert!(self.kernel.handle(what), "{what:?} is the kernel's");
        }
    }

    pub(super) fn write(&mut self, socket: u32, bytes: &'static [u8]) -> Result<usize, Errno> {
        let granted = self.kernel.grant(socket, bytes.len())?;
        self.kernel.append(socket, Bytes::from_static(&bytes[..granted]));
        self.kernel.push(socket);
        Ok(granted)
    }

    /// Returns the event bits that a poll gives of each stream: `in out rdhup hup`.
    pub(super) fn events(&mut self, host: u16) -> Vec<String> {
        let mut polled = Vec::new();
        self.kernel.poll(host, &mut polled);
        for polled in &polled {
            if let Polled::Completion { socket, .. } = polled {
                self.kernel.handed_over(*socket);
            }
        }
        let text = |polled| match polled {
            Polled::Ready { token: LISTENER, .. } => None,
            Polled::Ready { bits, .. } => {
                let Bits { readable, writable, peer_closed, failed } = bits;
                let names = [(readable, "in"), (writable, "out"), (peer_closed, "rdhup")];
                let names = names.into_iter().chain([(failed, "hup")]);
                let names = names.filter(|(is_set, _)| *is_set).map(|(_, name)| name);
                Some(names.collect::<Vec<_>>().join(" "))
            }
            Polled::Completion { completion, .. } => Some(format!("{completion:?}")),
        };
        polled.into_iter().filter_map(text).collect()
    }

    pub(super) fn read(&mut self, socket: u32) -> Result<Bytes, Errno> {
        self.kernel.read(socket, 1 << 20)
    }
}

pub(super) const EOF: Result<Bytes, Errno> = Ok(Bytes::new());

#[test]
fn k1_data_then_a_reset() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    assert_eq!(net.write(net.near, b"0123456789"), Ok(10));
    net.kernel.close(net.near, true);
    net.settle();
    assert_eq!(net.events(SERVER), ["in out rdhup hup"]);
    assert_eq!(net.read(net.far), Ok(Bytes::from_static(b"0123456789")));
    assert_eq!(net.read(net.far), Err(Errno::ConnectionReset));
    assert_eq!(net.read(net.far), EOF);
    assert_eq!(net.write(net.far, b"x"), Err(Errno::BrokenPipe));
}

#[test]
fn k2_a_clean_close_and_a_write_into_it() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.kernel.close(net.near, false);
    net.settle();
    assert_eq!(net.events(SERVER), ["in out rdhup"]);
    assert_eq!(net.write(net.far, b"x"), Ok(1));
    net.settle();
    assert_eq!(net.events(SERVER), ["in out rdhup hup"]);
    assert_eq!(net.read(net.far), EOF);
    assert_eq!(net.write(net.far, b"x"), Err(Errno::BrokenPipe));
}

#[test]
fn k3_a_half_close_lets_the_other_direction_live() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.kernel.shutdown_write(net.near).unwrap();
    net.settle();
    assert_eq!(net.events(SERVER), ["in out rdhup"]);
    assert_eq!(net.read(net.far), EOF);
    assert_eq!(net.write(net.far, b"reply"), Ok(5));
    net.settle();
    assert_eq!(net.read(net.near), Ok(Bytes::from_static(b"reply")));
}

#[test]
fn k4_data_and_fin_are_one_event_and_a_short_read_gets_no_other() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.write(net.near, b"0123456789").unwrap();
    net.kernel.shutdown_write(net.near).unwrap();
    net.settle();
    assert_eq!(net.events(SERVER), ["in out rdhup"]);
    assert_eq!(net.read(net.far).unwrap().len(), 10);
    assert_eq!(net.events(SERVER), Vec::<String>::new());
    assert_eq!(net.read(net.far), EOF);
}

#[test]
fn k5_a_partial_read_gets_no_event_until_more_comes() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.write(net.near, b"0123456789").unwrap();
    net.settle();
    assert_eq!(net.events(SERVER), ["in out"]);
    assert_eq!(net.kernel.read(net.far, 4).unwrap(), "0123");
    assert_eq!(net.events(SERVER), Vec::<String>::new());
    net.write(net.near, b"ab").unwrap();
    net.settle();
    assert_eq!(net.events(SERVER), ["in out"]);
    assert_eq!(net.read(net.far).unwrap(), "456789ab");
}

#[test]
fn k6_and_k13_the_writable_edge_comes_with_a_third_of_the_space() {
    let mut net = net(Readiness::Linux, 9, Vec::new());
    assert_eq!(net.write(net.near, b"012345678"), Ok(9));
    net.settle();
    assert_eq!(net.write(net.near, b"012345678"), Ok(9), "the reader's system holds nine");
    assert_eq!(net.write(net.near, b"x"), Err(Errno::WouldBlock));
    net.settle();
    assert_eq!(net.events(CLIENT), Vec::<String>::new());
    net.kernel.read(net.far, 2).unwrap();
    net.settle();
    assert_eq!(net.events(CLIENT), Vec::<String>::new(), "no edge yet");
    assert_eq!(net.write(net.near, b"x"), Ok(1), "though a byte would be taken");
    assert_eq!(net.write(net.near, b"y"), Ok(1));
    assert_eq!(net.write(net.near, b"z"), Err(Errno::WouldBlock));
    net.kernel.read(net.far, 7).unwrap();
    net.settle();
    assert_eq!(net.events(CLIENT), ["out"]);
}

#[test]
fn k7_both_directions_ended() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.kernel.shutdown_write(net.near).unwrap();
    net.kernel.shutdown_write(net.far).unwrap();
    net.settle();
    assert_eq!(net.events(CLIENT), ["in out rdhup hup"]);
    assert_eq!(net.read(net.near), EOF);
    assert_eq!(net.write(net.near, b"x"), Err(Errno::BrokenPipe));
}

#[test]
fn closing_with_unread_bytes_resets_the_peer() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.write(net.near, b"unread").unwrap();
    net.settle();
    net.kernel.close(net.far, false);
    net.settle();
    assert_eq!(net.read(net.near), Err(Errno::ConnectionReset));
}

#[test]
fn a_refused_connect_says_so_once() {
    let mut net = net(Readiness::Weakest, 4096, Vec::new());
    let nowhere = Address { host: SERVER, port: 1 };
    let socket = net.kernel.connect(CLIENT, 9, nowhere, &|| "c2".to_owned()).unwrap();
    assert_eq!(net.kernel.connected(socket), Err(Errno::WouldBlock));
    net.settle();
    assert_eq!(net.events(CLIENT), ["out"]);
    assert_eq!(net.kernel.connected(socket), Err(Errno::ConnectionRefused));
}

#[test]
fn the_weakest_profile_says_nothing_before_a_call_would_block() {
    let mut net = net(Readiness::Weakest, 4096, Vec::new());
    net.write(net.near, b"first").unwrap();
    net.settle();
    assert_eq!(net.events(SERVER), Vec::<String>::new(), "nobody waits");
    assert_eq!(net.read(net.far).unwrap(), "first");
    assert_eq!(net.read(net.far), Err(Errno::WouldBlock));
    net.kernel.close(net.near, false);
    net.settle();
    assert_eq!(net.events(SERVER), ["in"], "no word of FIN");
    assert_eq!(net.events(SERVER), Vec::<String>::new());
}

#[test]
fn completions_bring_the_result_and_close_waits_for_them() {
    let mut net = net(Readiness::Completion, 4096, Vec::new());
    net.kernel.submit_read(net.far, 100);
    assert!(net.events(SERVER).is_empty());
    net.write(net.near, b"data").unwrap();
    net.settle();
    let told = net.events(SERVER);
    assert!(
        told.len() == 1 && told[0].contains("Received") && told[0].contains("data"),
        "{told:?}"
    );
    net.kernel.submit_read(net.far, 100);
    assert!(net.kernel.close(net.far, false), "a read is pending");
    let told = [net.events(SERVER), net.events(SERVER)].concat();
    assert!(told[0].contains("Cancelled"), "{told:?}");
    assert!(told.len() == 2 && told[1].contains("Closed"), "{told:?}");
}

#[test]
fn a_short_completion_leaves_a_later_cut_to_the_write_that_meets_it() {
    let number = |entity: &str, position, value| {
        Decision::new(entity, position, "short", Value::Number(value))
    };
    let decisions = vec![
        number("c1/written", Position::Occurrence(0), 3),
        number("c1/out", Position::Offset(6), 1),
    ];
    let mut net = net(Readiness::Completion, 4096, decisions);
    let mut write = |bytes: &'static [u8]| {
        net.kernel.submit_write(net.near, vec![Bytes::from_static(bytes)]);
        net.events(CLIENT).concat()
    };
    let told = write(b"0123456789");
    assert!(told.contains("Ok(3)"), "the completion is short, before the cut: {told}");
    let told = write(b"3456789");
    assert!(told.contains("Ok(3)"), "the cut stands at its byte still: {told}");
    assert_eq!(net.kernel.choices.unused().count(), 0);
}

#[test]
fn a_cut_a_reset_and_a_short_write_stand_at_their_byte() {
    let at = |entity: &str, offset, verb: &str| {
        Decision::new(entity, Position::Offset(offset), verb, Value::Number(1))
    };
    let decisions =
        vec![at("c1'/in", 4, "cut"), at("c1/out", 6, "short"), at("c1'/in", 9, "reset")];
    let mut net = net(Readiness::Linux, 4096, decisions);
    assert_eq!(net.write(net.near, b"0123456789"), Ok(6), "short");
    assert_eq!(net.write(net.near, b"6789"), Err(Errno::WouldBlock), "for a while");
    let (_, segment) = net.kernel.schedule.pop().expect("it is under way");
    if let What::Unclog { .. } = segment {
        net.kernel.handle(segment);
    }
    net.settle();
    assert_eq!(net.kernel.read(net.far, 4).unwrap(), "0123");
    assert_eq!(net.write(net.near, b"6789"), Ok(4));
    net.settle();
    assert_eq!(net.read(net.far).unwrap(), "45678", "nine bytes came");
    assert_eq!(net.read(net.far), Err(Errno::ConnectionReset));
    assert_eq!(net.read(net.near), Err(Errno::ConnectionReset));
}

#[test]
fn without_a_descriptor_the_connection_stays_in_the_backlog() {
    let mut net = net(Readiness::Weakest, 4096, Vec::new());
    net.kernel.set_descriptors_max(SERVER, 2);
    let to = Address { host: SERVER, port: PORT };
    net.kernel.connect(CLIENT, 9, to, &|| "c2".to_owned()).unwrap();
    net.settle();
    assert_eq!(net.kernel.accept(0, 10).map(|_| ()), Err(Errno::TooManyFiles));
    assert_eq!(net.kernel.backlog(0), 1);
    net.kernel.set_descriptors_max(SERVER, 3);
    assert!(net.kernel.accept(0, 10).is_ok());
}

#[test]
fn a_datagram_to_a_dead_port_is_told_to_the_next_call() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    let (socket, _) = net.kernel.open_datagram(CLIENT, 9, 0, &|| "u1".to_owned()).unwrap();
    net.kernel.connect_datagram(socket, Address { host: SERVER, port: 7 }).unwrap();
    let send = |net: &mut Net| net.kernel.send_to(socket, None, Bytes::from_static(b"x"));
    assert_eq!(send(&mut net), Ok(()));
    net.settle();
    assert_eq!(net.events(CLIENT), ["in out hup"]);
    assert_eq!(send(&mut net), Err(Errno::ConnectionRefused));
    assert_eq!(send(&mut net), Ok(()));
}

/// A short read says that it left nothing only where that is true, and then an event is owed.
#[test]
fn a_read_tells_that_it_left_nothing() {
    for readiness in [Readiness::Linux, Readiness::Weakest] {
        let mut net = net(readiness, 4096, Vec::new());
        // Once a read was in vain, the weakest profile owes an event.
        assert_eq!(net.read(net.far), Err(Errno::WouldBlock));
        for bytes in ["first", "second"] {
            assert_eq!(net.write(net.near, bytes.as_bytes()), Ok(bytes.len()));
            net.settle();
            assert_eq!(net.events(SERVER).len(), 1, "{readiness:?}");
            assert_eq!(net.kernel.read(net.far, 3).map(|read| read.len()), Ok(3));
            assert!(!net.kernel.tells_drained(net.far, true), "{readiness:?}: bytes are left");
            assert_eq!(net.read(net.far), Ok(Bytes::from_static(&bytes.as_bytes()[3..])));
            assert!(net.kernel.tells_drained(net.far, true), "{readiness:?}");
        }
        assert_eq!(net.write(net.near, b"last"), Ok(4));
        net.kernel.shutdown_write(net.near).unwrap();
        net.settle();
        assert_eq!(net.events(SERVER).len(), 1, "{readiness:?}");
        assert_eq!(net.read(net.far), Ok(Bytes::from_static(b"last")));
        assert!(!net.kernel.tells_drained(net.far, true), "{readiness:?}: the end is left");
        assert_eq!(net.read(net.far), EOF);
    }
}

#[test]
fn each_profile_tells_that_nothing_is_left_as_its_systems_do() {
    let silent = Decision::new("c1'/read", Position::Occurrence(0), "silent", Value::Number(1));
    let full_read = [
        (Readiness::Linux, Vec::new(), false),
        (Readiness::Kqueue, Vec::new(), false),
        (Readiness::Completion, Vec::new(), false),
        (Readiness::Weakest, Vec::new(), true),
        (Readiness::Weakest, vec![silent], false),
    ];
    for (readiness, decisions, is_told) in full_read {
        let mut net = net(readiness, 4096, decisions);
        assert_eq!(net.kernel.tells_drained(net.far, false), is_told, "{readiness:?}");
        let is_short_told = is_told || readiness == Readiness::Linux;
        let is_again_told = net.kernel.tells_drained(net.far, true);
        assert_eq!(
            is_again_told,
            is_short_told || readiness == Readiness::Weakest,
            "{readiness:?}"
        );
    }
}
