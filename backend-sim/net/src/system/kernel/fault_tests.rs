//! Tests of faults in the kernel's state: rows of the table of errors, crashes, other systems.

use bytes::Bytes;

use super::tests::{CLIENT, EOF, Net, PORT, SERVER, net, net_of};
use super::*;
use crate::words::decision::{Decision, Position, Value};

const NONE: Vec<String> = Vec::new();

fn fail(entity: &str, count: u64, row: u64) -> Decision {
    Decision::new(entity, Position::Occurrence(count), "fail", Value::Number(row))
}

fn unused(net: &Net) -> usize {
    net.kernel.choices.unused().count()
}

#[test]
fn a_call_that_would_block_by_decision_is_owed_its_edge() {
    for readiness in [Readiness::Linux, Readiness::Kqueue, Readiness::Weakest] {
        let mut net = net(readiness, 4096, vec![fail("c1'/read", 0, 1), fail("c1/write", 1, 1)]);
        net.write(net.near, b"data").unwrap();
        let (_, segment) = net.kernel.schedule.pop().expect("it is under way");
        net.kernel.handle(segment);
        net.events(SERVER);
        assert_eq!(net.read(net.far), Err(Errno::WouldBlock), "{readiness:?}");
        let socket = net.far;
        assert!(net.kernel.is_owed(socket), "{readiness:?}");
        net.settle();
        let told = net.events(SERVER).join(" ");
        assert!(told.contains("in"), "{readiness:?}: {told}");
        assert_eq!(net.read(net.far).unwrap(), "data");
        assert_eq!(net.write(net.near, b"x"), Err(Errno::WouldBlock));
        net.settle();
        let told = net.events(CLIENT).join(" ");
        assert!(told.contains("out"), "{readiness:?}: {told}");
        assert_eq!(unused(&net), 0);
    }
}

#[test]
fn an_interrupted_call_changes_nothing_and_is_repeated() {
    let mut net = net(Readiness::Linux, 4096, vec![fail("c1'/read", 0, 2), fail("c1'/read", 1, 2)]);
    net.write(net.near, b"data").unwrap();
    net.settle();
    let (kernel, socket) = (&mut net.kernel, net.far);
    assert_eq!(kernel.read(socket, 10), Err(Errno::Interrupted));
    assert_eq!(uninterrupted(|| kernel.read(socket, 10)).unwrap(), "data");
    assert_eq!(unused(&net), 0);
}

#[test]
fn an_end_that_breaks_stays_broken_and_its_peer_learns_it_when_it_sends() {
    let mut net = net(Readiness::Linux, 4096, vec![fail("c1'/read", 0, 4)]);
    assert_eq!(net.read(net.far), Err(Errno::TimedOut));
    assert_eq!(net.read(net.far), EOF, "the error is told once");
    assert_eq!(net.write(net.far, b"x"), Err(Errno::BrokenPipe));
    net.settle();
    assert_eq!(net.events(CLIENT), NONE, "the peer hears nothing");
    assert_eq!(net.write(net.near, b"x"), Ok(1));
    net.settle();
    assert_eq!(net.read(net.near), Err(Errno::ConnectionReset));
}

#[test]
fn a_reset_that_a_call_meets_reaches_the_peer() {
    let mut net = net(Readiness::Linux, 4096, vec![fail("c1/write", 0, 3)]);
    assert_eq!(net.write(net.near, b"x"), Err(Errno::BrokenPipe));
    assert_eq!(net.write(net.near, b"x"), Err(Errno::BrokenPipe), "and so for ever");
    net.settle();
    assert_eq!(net.read(net.far), Err(Errno::ConnectionReset));
}

#[test]
fn a_row_of_another_system_is_not_met() {
    // The last row of writes is macOS's own.
    let mut net = net(Readiness::Linux, 4096, vec![fail("c1/write", 0, 8)]);
    assert_eq!(net.write(net.near, b"x"), Ok(1));
    assert!(net.kernel.met().iter().all(|count| *count == 0));
    let mut net = net_of(Os::Macos, Readiness::Linux, 4096, vec![fail("c1/write", 0, 8)]);
    assert_eq!(net.write(net.near, b"x"), Err(Errno::ProtocolType));
    assert_eq!(net.kernel.met().iter().sum::<u64>(), 1);
}

#[test]
fn kqueue_tells_each_direction_in_an_entry_of_its_own() {
    let mut net = net(Readiness::Kqueue, 4096, Vec::new());
    net.write(net.near, b"0123456789").unwrap();
    net.kernel.close(net.near, true);
    net.settle();
    assert_eq!(net.events(SERVER), ["in rdhup hup", "out rdhup hup"], "in one batch");
    assert_eq!(net.events(SERVER), NONE);
    assert_eq!(net.read(net.far).unwrap(), "0123456789");
    assert_eq!(net.read(net.far), Err(Errno::ConnectionReset));
}

#[test]
fn windows_discards_what_was_not_read_when_a_reset_comes() {
    let read = |os| {
        let mut net = net_of(os, Readiness::Linux, 4096, Vec::new());
        net.write(net.near, b"unread").unwrap();
        net.settle();
        net.kernel.close(net.near, true);
        net.settle();
        net.kernel.pipe(net.kernel.end_of(net.far) ^ 1).check_invariants();
        net.read(net.far)
    };
    assert_eq!(read(Os::Linux).unwrap(), "unread");
    assert_eq!(read(Os::Macos).unwrap(), "unread");
    assert_eq!(read(Os::Windows), Err(Errno::ConnectionReset));
}

#[test]
fn k9_a_read_stops_at_the_urgent_mark_and_no_event_follows() {
    let mark = Decision::new("c1'/in", Position::Offset(10), "urgent", Value::Number(1));
    let mut net = net(Readiness::Linux, 4096, vec![mark]);
    net.write(net.near, b"01234567890123456789").unwrap();
    net.settle();
    assert_eq!(net.events(SERVER), ["in out"]);
    assert_eq!(net.read(net.far).unwrap(), "0123456789");
    assert_eq!(net.events(SERVER), NONE);
    assert_eq!(net.read(net.far).unwrap(), "0123456789");
    assert_eq!(unused(&net), 0);
}

#[test]
fn k14_an_event_for_a_socket_that_was_closed_meanwhile_can_come() {
    let spurious =
        Decision::new("server/poll", Position::Occurrence(2), "spurious", Value::Number(1));
    let mut net = net(Readiness::Linux, 4096, vec![spurious]);
    net.kernel.close(net.far, false);
    net.settle();
    let told = [net.events(SERVER), net.events(SERVER)].concat();
    assert_eq!((told.as_slice(), unused(&net)), (&["in".to_owned()][..], 0), "stale");
}

#[test]
fn a_host_that_crashed_is_silent_and_then_answers_with_a_reset() {
    let mut net = net(Readiness::Linux, 4096, Vec::new());
    net.write(net.far, b"lost").unwrap();
    net.kernel.crash_host(SERVER, net.kernel.now + 5_000_000);
    assert_eq!(net.kernel.descriptors(SERVER), 0);
    assert_eq!(net.write(net.near, b"x"), Ok(1));
    let back = net.kernel.now + 5_000_000;
    while let Some((now, what)) = net.kernel.schedule.pop() {
        net.kernel.now = now;
        assert!(net.kernel.handle(what));
        assert!(now >= back || net.events(CLIENT).is_empty(), "told at {now}, it is down");
    }
    assert_eq!(net.events(CLIENT), ["in out rdhup hup"]);
    assert_eq!(net.read(net.near), Err(Errno::ConnectionReset), "what was under way is lost");
    let again = net.kernel.listen(SERVER, 8, PORT, 4, &|| "server/listen+1".to_owned());
    assert!(again.is_ok(), "its ports are free");
}

#[test]
fn what_is_held_comes_at_once_at_the_end_and_what_is_cut_off_is_lost_if_it_is_a_datagram() {
    let received = |is_held: bool| {
        let mut net = net(Readiness::Linux, 4096, Vec::new());
        let from = net.kernel.open_datagram(CLIENT, 9, 0, &|| "u1".to_owned()).unwrap().0;
        let (to, at) = net.kernel.open_datagram(SERVER, 10, 7, &|| "u2".to_owned()).unwrap();
        for _ in 0..3 {
            net.kernel.send_to(from, Some(at), Bytes::from_static(b"x")).unwrap();
        }
        // They are under way when the fault begins.
        let (link, until) = (net.kernel.link_mut(CLIENT, SERVER), 9_000_000);
        if is_held {
            link.hold(until)
        } else {
            link.block(until)
        };
        net.settle();
        assert!(!is_held || net.kernel.now == until, "all at the end");
        std::iter::from_fn(|| net.kernel.receive_from(to, 10).ok()).count()
    };
    assert_eq!((received(true), received(false)), (3, 0));
}
