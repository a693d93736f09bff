//! Sequences that span more than one cell of the tables.

use std::time::Duration;

use tidelock_core::{
    Bytes, CloseHow, Command, Config, ConnectOptions, Delivery, Dispatcher, Event, Fault,
    FaultKind, Instant, KeepCommands, ListenOptions, Message, Mux, Net, Progress, Readiness,
    SendError, Service, SocketId, SocketState, Target, UdpOptions,
};

use crate::cell::World;
use crate::puppet::{connected, endpoint};
use crate::rows::ROWS;

fn build(world: &mut World, name: &str) -> SocketId {
    let row = ROWS.iter().find(|row| row.name == name).expect("the tables have this row");
    let id = (row.build)(world);
    world.told.clear();
    id
}

#[test]
fn a_fin_that_waited_for_a_paused_owner_ends_a_socket_that_is_shut_down() {
    let mut world = World::new();
    let id = build(&mut world, "Connecting");
    world.event(Event::Connected { id, result: Ok(connected()) });
    world.ask(move |net| net.finish(id).unwrap());
    world.work();
    assert_eq!(std::mem::take(&mut world.told), ["Connect"]);
    world.ask(move |net| net.pause(id).unwrap());
    world.work();
    // A completion backend has had a read pending since before the pause; FIN completes it.
    world.event(Event::Received { id, result: Ok(Bytes::new()) });
    assert_eq!(world.told, ["Paused"]);
    world.ask(move |net| net.shutdown(id).unwrap());
    world.work();
    assert_eq!(world.told, ["Paused", "Close(Shutdown)"]);
}

#[test]
fn sockets_opened_by_a_released_service_end_by_themselves() {
    let mut world = World::new();
    let ids = world.ask(move |net| {
        let own = net.service();
        net.release(own).unwrap();
        net.info();
        net.set_timer(Duration::from_secs(60));
        let options = ConnectOptions::default;
        [
            net.connect(endpoint(7), options()).unwrap(),
            net.connect(Target::host("localhost", 7), options()).unwrap(),
            net.listen(endpoint(7), ListenOptions::default()).unwrap(),
            net.udp(UdpOptions::default()).unwrap(),
            net.adopt_descriptor(Box::new(()), false).unwrap(),
        ]
    });
    assert_eq!(world.mux.state(ids[0]), Some(SocketState::Connecting));
    world.work();
    while let Some(deadline) = world.mux.next_deadline() {
        world.now = world.now.max(deadline);
        world.work();
    }
    assert_eq!(world.mux.sockets(), 0, "sockets of a released service are left");
    let took = world.now.saturating_since(Instant::ZERO);
    assert!(took <= Duration::from_secs(30), "the last socket ended only after {took:?}");
    assert!(world.told.is_empty(), "a released service was told {:?}", world.told);
}

#[test]
fn a_peer_for_anything_but_a_datagram_socket_is_a_passing_error() {
    for name in ["Connecting", "Open", "Listening"] {
        let mut world = World::new();
        let id = build(&mut world, name);
        world.ask(move |net| net.udp_connect(id, endpoint(7)).unwrap());
        world.work();
        let mut expected = vec!["Error(ConnectDatagram, passing)"];
        if name == "Connecting" {
            assert!(world.told.is_empty(), "told before the socket is open: {:?}", world.told);
            world.event(Event::Connected { id, result: Ok(connected()) });
            world.work();
            expected.insert(0, "Connect");
        }
        assert_eq!(world.told, expected, "{name}");
        assert!(world.puppet.peers.is_empty(), "{name}: the backend was asked to set a peer");
    }
}

#[test]
fn a_start_after_a_shutdown_while_connecting_is_refused() {
    let mut world = World::new();
    let id = build(&mut world, "Connecting");
    world.ask(move |net| net.finish(id).unwrap());
    world.ask(move |net| net.start(id).unwrap());
    world.work();
    assert!(world.told.is_empty(), "`start` after `finish` was refused: {:?}", world.told);
    world.ask(move |net| net.shutdown(id).unwrap());
    world.ask(move |net| net.start(id).unwrap());
    world.work();
    assert_eq!(world.told, ["Refused"]);
}

#[test]
fn a_failed_write_is_reported_at_once_to_an_owner_that_stops_reading() {
    for name in ["Open, output pending", "Flushing, finish"] {
        let mut world = World::new();
        let id = build(&mut world, name);
        // More reads than one turn does: the failure waits until the rest is read.
        world.puppet.reads.extend((0..100).map(|_| Ok(Bytes::from_static(b"x"))));
        world.puppet.write_fault = Some(Fault::new(FaultKind::BrokenPipe));
        let readiness = Readiness { readable: true, ..Readiness::WRITABLE };
        world.mux.handle_event(Event::Ready { id, readiness }, world.now);
        assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::More, "{name}");
        world.ask(move |net| net.pause(id).unwrap());
        world.work();
        let told = world.told.iter().map(String::as_str).skip_while(|told| *told == "Data");
        let expected = ["Paused", "Error(Write)", "Close(Fault BrokenPipe, 7 B unsent)"];
        assert_eq!(told.collect::<Vec<_>>(), expected, "{name}");
        assert!(!world.puppet.reads.is_empty(), "{name}: a paused socket was read");
    }
}

#[test]
fn a_reset_whose_event_came_before_a_pause_is_reported_to_the_owner() {
    let failed = Readiness { readable: true, writable: true, peer_closed: true, failed: true };
    for name in ["Open", "Flushing, finish"] {
        // The pause comes before the first read after the event, or between two turns of reads.
        for unread in [0, 100] {
            let mut world = World::new();
            let id = build(&mut world, name);
            world.puppet.reads.extend((0..unread).map(|_| Ok(Bytes::from_static(b"x"))));
            world.puppet.error = Some(Fault::new(FaultKind::ConnectionReset));
            world.mux.handle_event(Event::Ready { id, readiness: failed }, world.now);
            if unread > 0 {
                assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::More, "{name}");
            }
            world.ask(move |net| net.pause(id).unwrap());
            world.work();
            let told = world.told.iter().filter(|told| *told != "Data").collect::<Vec<_>>();
            assert_eq!(told[0], "Paused", "{name}, {unread}: {told:?}");
            let last = told.last().unwrap();
            assert!(last.starts_with("Close(Fault ConnectionReset"), "{name}, {unread}: {told:?}");
            assert_eq!(!world.puppet.reads.is_empty(), unread > 0, "{name}: read while paused");
        }
    }
}

#[test]
fn a_failed_write_whose_reader_is_full_does_not_keep_the_network_thread_busy() {
    let mut world = World::with(Config { mailbox_bytes_max: 1, ..Config::default() });
    let id = build(&mut world, "Flushing, finish");
    world.puppet.reads.extend((0..3).map(|_| Ok(Bytes::from_static(b"x"))));
    world.puppet.write_fault = Some(Fault::new(FaultKind::BrokenPipe));
    let readiness = Readiness { readable: true, ..Readiness::WRITABLE };
    world.mux.handle_event(Event::Ready { id, readiness }, world.now);
    let _more = world.mux.turn(&mut world.puppet, world.now);
    assert_eq!(world.puppet.reads.len(), 2, "reads left after the one that fills the mailbox");
    assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::Idle);
    world.work();
    assert_eq!(world.told.last().unwrap(), "Close(Fault BrokenPipe, 7 B unsent)");
    assert!(world.puppet.reads.is_empty(), "bytes that came before the failure were not read");
}

/// A driver that gives charges back at once does so after the turn that was idle, and asks once more
/// before it waits.
#[test]
fn a_mailbox_that_has_room_again_is_work_when_its_input_waited() {
    let mut world = World::with(Config { mailbox_bytes_max: 1, ..Config::default() });
    let id = build(&mut world, "Open");
    world.puppet.reads.extend((0..2).map(|_| Ok(Bytes::from_static(b"x"))));
    world.mux.handle_event(Event::Ready { id, readiness: Readiness::READABLE }, world.now);
    assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::Idle);
    let Some(Delivery::Message(service, message)) = world.mux.poll_delivery() else {
        panic!("no message fills the mailbox");
    };
    assert_eq!(world.puppet.reads.len(), 1, "reads left after the one that fills the mailbox");
    assert!(!world.mux.is_ready(), "a full mailbox leaves nothing to do");
    let charge_bytes = message.charge_bytes(world.mux.config());
    let handled = Command::Handled { service, charge_bytes, exit: false, shard: 0 };
    world.mux.handle_command(handled, world.now);
    assert!(world.mux.is_ready(), "input waited for the mailbox, which has room again");
    let _more = world.mux.turn(&mut world.puppet, world.now);
    assert!(world.mux.poll_delivery().is_some(), "the second read is told");
}

#[test]
fn a_close_waits_for_announced_sends_and_resets_if_they_are_lost() {
    for (message, how) in [("seven B", CloseHow::Reset), ("", CloseHow::Plain)] {
        let mut world = World::with(Config { outbox_bytes_max: 100, ..test_config() });
        let id = build(&mut world, "Open");
        let unpublished = world.ask_and_keep(move |net| {
            net.send(id, message).map(drop).unwrap();
            // A refusal is announced to the Mux as well, as a command without bytes.
            let refused = net.send(id, "there is no room for this").unwrap_err();
            assert!(matches!(refused, SendError::SocketFull(_)), "{refused:?}");
        });
        world.mux.handle_command(Command::Close { id }, world.now);
        world.work();
        assert!(
            world.puppet.closes.is_empty(),
            "closed before it was known whether bytes are lost"
        );
        for command in unpublished {
            world.mux.handle_command(command, world.now);
        }
        world.work();
        assert_eq!(world.puppet.closes, [how], "{message:?}");
        let expected = match how {
            CloseHow::Plain => "Close(Closed)",
            CloseHow::Reset => "Close(Closed, 7 B unsent)",
        };
        assert_eq!(world.told, [expected]);
    }
}

#[test]
fn a_name_that_takes_too_long_ends_its_connect_and_an_address_has_its_own_time() {
    let config = Config { resolve_timeout: Duration::from_secs(2), ..Config::default() };
    let connect = |net: &mut Net<'_>| {
        let target = Target::host("a.name", 7);
        net.connect(target, ConnectOptions::default()).unwrap()
    };
    let mut world = World::with(config);
    let id = world.ask(connect);
    world.work();
    let begin = world.now;
    assert_eq!(world.mux.next_deadline(), Some(begin + Duration::from_secs(2)));
    world.now = begin + Duration::from_secs(2);
    world.work();
    assert_eq!(
        std::mem::take(&mut world.told),
        ["Error(Resolve)", "Close(ConnectFailed TimedOut)"]
    );
    // The answer comes after the socket has closed.
    world.event(Event::Resolved { id, result: Ok(vec![endpoint(7)]) });
    assert!(world.told.is_empty(), "{:?}", world.told);
    let id = world.ask(connect);
    world.work();
    let begin = world.now;
    world.now = begin + Duration::from_secs(1);
    world.event(Event::Resolved { id, result: Ok(vec![endpoint(7)]) });
    // The timer is still armed for the resolution's end. It fires, and is armed anew.
    world.now = world.mux.next_deadline().expect("an attempt has a deadline");
    world.work();
    assert!(world.told.is_empty(), "{:?}", world.told);
    assert_eq!(world.mux.next_deadline(), Some(begin + Duration::from_secs(10)));
}

#[test]
fn a_socket_that_was_paused_for_long_is_not_idle_when_it_is_started() {
    let idle = Duration::from_secs(300);
    let mut world = World::new();
    let id = build(&mut world, "Open");
    world.ask(move |net| net.pause(id).unwrap());
    world.work();
    world.now = world.now + 2 * idle;
    world.ask(move |net| net.start(id).unwrap());
    world.work();
    assert_eq!(std::mem::take(&mut world.told), ["Paused"]);
    let deadline = world.mux.next_deadline().expect("an idle socket ends");
    assert_eq!(deadline, world.now + idle);
    world.now = deadline;
    world.work();
    assert_eq!(world.told, ["Close(TimedOut Idle)"]);
}

#[test]
fn an_exit_that_waits_for_no_send_counts_none_for_a_refusal() {
    let mut world = World::with(Config { outbox_bytes_max: 100, ..test_config() });
    let id = build(&mut world, "Open");
    let unpublished = world.ask_and_keep(move |net| {
        net.send(id, "seven B").map(drop).unwrap();
        net.send(id, "there is no room for this").unwrap_err();
    });
    world.mux.handle_command(Command::Exit { within: Duration::ZERO }, world.now);
    world.work();
    world.work();
    assert_eq!(world.told, ["Exit", "Close(Exit, 7 B unsent)"]);
    assert_eq!(world.puppet.closes, [CloseHow::Reset]);
    assert!(!unpublished.is_empty());
    for command in unpublished {
        world.mux.handle_command(command, world.now);
    }
    assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::Exit);
}

fn test_config() -> Config {
    Config { warn_bytes: 32, ..Config::default() }
}

#[test]
fn an_exit_does_not_wait_for_a_send_of_a_service_that_stays_in_its_call() {
    let mut world = World::new();
    let id = build(&mut world, "Open");
    // The gate has admitted the send, but its command does not come: the call is still running.
    let unpublished = world.ask_and_keep(move |net| net.send(id, "seven B").map(drop).unwrap());
    let within = Duration::from_secs(2);
    world.mux.handle_command(Command::Exit { within }, world.now);
    world.work();
    world.now = world.now + within;
    world.work();
    assert_eq!(world.told, ["Exit", "Close(Exit, 7 B unsent)"]);
    assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::Exit);
    // When the call ends after all, its commands change nothing.
    assert!(unpublished.iter().any(|command| command.socket() == Some(id)));
    for command in unpublished {
        world.mux.handle_command(command, world.now);
    }
    assert_eq!(world.mux.turn(&mut world.puppet, world.now), Progress::Exit);
}

#[test]
fn a_service_that_asks_for_much_lets_others_between_its_messages() {
    let commands_max = Config::default().commands_per_service as usize;
    let mux = Mux::new(Config::default()).unwrap();
    let mut dispatcher = Dispatcher::new(mux.directory().clone(), 0);
    let id = mux.directory().take_service().unwrap();
    drop(dispatcher.deliver(Delivery::Spawn(id, Box::new(Flood(commands_max)))));
    for number in 0..3_u32 {
        let message = Message::Posted { from: None, value: Box::new(number) };
        drop(dispatcher.deliver(Delivery::Message(id, message)));
    }
    for expected in 0..3_u32 {
        let mut batch = dispatcher.take().expect("messages wait");
        let mut commands = Vec::new();
        batch.run(mux.directory(), Instant::ZERO, &mut commands, &mut KeepCommands);
        assert_eq!(commands.len(), commands_max + 1, "commands of one message, and one `Handled`");
        let left: Vec<u32> = batch.messages().map(number_of).collect();
        assert_eq!(left, (expected + 1..3).collect::<Vec<_>>());
        assert!(dispatcher.give_back(batch).is_none());
    }
    assert!(dispatcher.is_idle());
}

fn number_of(message: &Message) -> u32 {
    match message {
        Message::Posted { value, .. } => *value.downcast_ref().expect("only numbers are posted"),
        other => panic!("{other}"),
    }
}

/// A service that makes this number of commands for each message.
struct Flood(usize);

impl Service for Flood {
    fn on_message(&mut self, net: &mut Net<'_>, _message: Message) {
        (0..self.0).for_each(|_| net.info());
    }
}

#[test]
fn data_that_arrived_before_a_failed_write_is_read_without_its_event() {
    let mut world = World::new();
    let id = build(&mut world, "Open");
    world.puppet.reads.push_back(Ok("last words".into()));
    world.puppet.write_fault = Some(Fault::new(FaultKind::ConnectionReset));
    world.ask(move |net| net.send(id, "too late").map(drop).unwrap());
    world.work();
    let expected = ["Data", "Error(Write)", "Close(Fault ConnectionReset, 8 B unsent)"];
    assert_eq!(world.told, expected);
}

#[test]
fn a_close_that_comes_after_an_unhandled_deadline_closes() {
    let closed = "Close(Closed)";
    for (name, told) in [
        ("Listening", closed),
        ("Connecting", closed),
        ("Open", closed),
        ("Flushing", "Close(Shutdown, 7 B unsent)"),
        ("Draining", "Close(Shutdown)"),
    ] {
        let mut world = World::new();
        let id = build(&mut world, name);
        let exhausted = Fault::new(FaultKind::DescriptorsExhausted);
        if name == "Listening" {
            world.puppet.accepts.push_back(Err(exhausted));
            world.event(Event::Ready { id, readiness: Readiness::READABLE });
            assert_eq!(std::mem::take(&mut world.told), ["Error(Accept, passing)"]);
        }
        let deadline = world.mux.next_deadline().unwrap_or(world.now);
        world.now = deadline + Duration::from_secs(3600);
        world.ask(move |net| net.close(id).unwrap());
        world.mux.check_invariants();
        world.work();
        assert_eq!(world.told, [told], "{name}");
        assert_eq!(world.mux.sockets(), 0, "{name}");
    }
}
