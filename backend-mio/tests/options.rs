//! The effects of socket options.

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use support::{Strings, bounded, ip, runtimes};
use tidelock_core::{
    CloseReason, ConnectOptions, Endpoint, ListenOptions, Message, Multicast, OpenError, Operation,
    OptionError, OptionName, SocketId, SocketOption, UdpOptions,
};
use tidelock_mio::Runtime;

/// Opens a datagram socket and returns its id and address.
fn open_datagram(strings: &Strings, options: UdpOptions) -> (SocketId, SocketAddr) {
    let id = strings.call(move |net| net.udp(options).unwrap());
    match strings.next() {
        Message::Listening { socket, local } if socket == id => (id, ip(&local)),
        other => panic!("{other}"),
    }
}

fn next_payload(strings: &Strings) -> Vec<u8> {
    strings.until(|message| match message {
        Message::Udp { payload, .. } => Some(payload.to_vec()),
        _ => None,
    })
}

/// Sends to a group over the loopback interface: a socket that has joined gets it until it leaves.
fn speak_to_a_group(runtime: &Runtime, group: Ipv4Addr, interface: Ipv4Addr) {
    let joined = Multicast::V4 { group, interface };
    let any = Ipv4Addr::UNSPECIFIED;
    let member = Strings::spawn(runtime);
    let speaker = Strings::spawn(runtime);
    let options = UdpOptions::default().bind((any, 0)).option(SocketOption::JoinMulticast(joined));
    let (member_id, at) = open_datagram(&member, options);
    let options = UdpOptions::default()
        .bind((any, 0))
        .option(SocketOption::MulticastInterfaceV4(interface))
        .option(SocketOption::MulticastHops(0));
    let (speaker_id, _) = open_datagram(&speaker, options);
    let to = Endpoint::from((group, at.port()));
    let say = |text: &'static str| {
        let to = to.clone();
        speaker.call(move |net| net.send_to(speaker_id, to, text).unwrap());
    };
    say("joined");
    assert_eq!(next_payload(&member), b"joined");
    member
        .call(move |net| net.set_option(member_id, SocketOption::LeaveMulticast(joined)).unwrap());
    // Commands keep their order, so the option is set before `info` is answered.
    member.call(|net| net.info());
    member.until(|message| matches!(message, Message::Info(_)).then_some(()));
    say("left");
    member.silence(Duration::from_millis(100));
}

#[test]
fn a_group_is_heard_from_joining_to_leaving() {
    bounded("multicast", || {
        for runtime in runtimes() {
            speak_to_a_group(&runtime, Ipv4Addr::new(239, 77, 1, 9), Ipv4Addr::LOCALHOST);
        }
    });
}

#[test]
fn a_wrong_option_at_run_time_is_an_error_and_the_socket_lives() {
    bounded("wrong option", || {
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let local = UdpOptions::default().bind((Ipv4Addr::LOCALHOST, 0));
            let (id, at) = open_datagram(&strings, local);
            strings.call(move |net| net.set_option(id, SocketOption::OnlyV6(true)).unwrap());
            match strings.next() {
                Message::Error { socket, operation, fatal, fault, .. } => {
                    assert_eq!((socket, operation, fatal), (id, Operation::SetOption, false));
                    assert_eq!(fault.option, Some(OptionName::OnlyV6), "{fault}");
                    assert!(fault.os.is_some(), "{fault} lost its cause");
                }
                other => panic!("{other}"),
            }
            strings.call(move |net| net.send_to(id, at, "to myself").unwrap());
            assert_eq!(next_payload(&strings), b"to myself");
        }
    });
}

#[test]
fn a_socket_that_cannot_have_its_options_says_which_one() {
    bounded("wrong option at opening", || {
        // It fits no socket of IPv4.
        let wrong = || SocketOption::OnlyV6(true);
        let local = (Ipv4Addr::LOCALHOST, 0);
        for runtime in runtimes() {
            let strings = Strings::spawn(&runtime);
            let listened = std::net::TcpListener::bind(local).unwrap();
            let to = listened.local_addr().unwrap();
            let ids = strings.call(move |net| {
                let connect = ConnectOptions::default().option(wrong());
                let listen = ListenOptions::default().option(wrong());
                let udp = UdpOptions::default().bind(local).option(wrong());
                [net.connect(to, connect), net.listen(local, listen), net.udp(udp)]
                    .map(Result::unwrap)
            });
            for _ in ids {
                let fault = strings.until(|message| match message {
                    Message::Close { reason: CloseReason::ConnectFailed(fault), .. }
                    | Message::Close { reason: CloseReason::Fault(fault), .. } => Some(*fault),
                    _ => None,
                });
                assert_eq!(fault.option, Some(OptionName::OnlyV6), "{fault}");
                assert!(fault.os.is_some(), "{fault} lost its cause");
                assert!(fault.to_string().starts_with("option OnlyV6: "), "{fault}");
            }
            let options = ListenOptions::default().option(wrong());
            let error = runtime.handle().listen(strings.service, local, options).unwrap_err();
            assert!(error.to_string().contains("OnlyV6"), "{error}");
        }
    });
}

#[test]
fn a_value_that_no_system_holds_is_refused_at_each_call() {
    bounded("value out of range", || {
        let wrong = || SocketOption::UserTimeout(Some(Duration::from_secs(30 * 24 * 3600)));
        let expected = wrong().check().unwrap_err();
        let local = (Ipv4Addr::LOCALHOST, 0);
        let runtime = Runtime::builder().build().unwrap();
        let strings = Strings::spawn(&runtime);
        let (id, _) = open_datagram(&strings, UdpOptions::default().bind(local));
        let answers = strings.call(move |net| {
            let to = SocketAddr::from(local);
            let set = net.set_option(id, wrong());
            assert_eq!(set, Err(OptionError::Invalid(expected)));
            [
                net.connect(to, ConnectOptions::default().option(wrong())),
                net.listen(local, ListenOptions::default().option(wrong())),
                net.listen(local, ListenOptions::default().accepted(wrong())),
                net.udp(UdpOptions::default().option(wrong())),
            ]
        });
        assert_eq!(answers, [Err(OpenError::InvalidOption(expected)); 4]);
        let options = ListenOptions::default().accepted(wrong());
        let error = runtime.handle().listen(strings.service, local, options).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("UserTimeout: "), "{error}");
    });
}

#[test]
fn an_ipv6_listener_is_for_both_families_or_for_one() {
    bounded("only IPv6", || {
        let any_port = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        for runtime in runtimes() {
            for only_v6 in [true, false] {
                let strings = Strings::spawn(&runtime);
                let options = ListenOptions::default().option(SocketOption::OnlyV6(only_v6));
                let listened = runtime.handle().listen(strings.service, any_port, options);
                let port = listened.unwrap().1.port().unwrap();
                assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
                let reached = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
                assert_eq!(reached, !only_v6, "an IPv4 client with OnlyV6({only_v6}) connected");
            }
        }
    });
}

#[test]
fn listeners_share_a_port_if_each_asked_for_it() {
    bounded("shared port", || {
        let [first, second, ..] = runtimes();
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let shared = || ListenOptions::default().option(SocketOption::ReusePort(true));
        let (one, two) = (Strings::spawn(&first), Strings::spawn(&second));
        let (_, at) = first.handle().listen(one.service, any_port, shared()).unwrap();
        let alone = second.handle().listen(two.service, at.clone(), ListenOptions::default());
        assert_eq!(alone.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        second.handle().listen(two.service, at.clone(), shared()).unwrap();
        // The system picks a listener by a hash of both ends. That one of them gets none of 200 is
        // less likely than a failure of the machine.
        let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(ip(&at)).unwrap()).collect();
        for strings in [&one, &two] {
            strings.until(|message| matches!(message, Message::Accept { .. }).then_some(()));
        }
        drop(clients);
    });
}
