//! Clients against good and bad servers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use clap::Parser;
use tidelock_core::ListenOptions;
use tidelock_mio::Runtime;

use crate::crowd::Crowd;
use crate::serve::Echo;
use crate::{Command, Load, Options};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn load_of(arguments: &str) -> Load {
    let line = "load run 127.0.0.1:1 --connections 20".split(' ');
    match Options::try_parse_from(line.chain(arguments.split_whitespace())).unwrap().command {
        Command::Run { load, .. } => load,
        Command::Serve(_) | Command::Soak { .. } => unreachable!("it says run"),
    }
}

/// Returns the totals of a load on the server at `to`, or the verdict against it.
fn judge(to: SocketAddr, arguments: &str) -> Result<String, String> {
    let mut crowd = Crowd::new(to, &load_of(arguments)).unwrap();
    crowd.run(Duration::from_millis(500), |_, _| {}).map_err(|error| error.to_string())?;
    crowd.judge().map_err(|error| error.to_string())?;
    Ok(crowd.totals().to_string())
}

/// Starts a server that passes each connection to `serve`, and returns its address.
fn bad_server(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

#[test]
fn every_role_gets_its_own_bytes_back_from_tidelock() {
    for (workers, shards) in [(0, 1), (2, 1), (2, 2)] {
        let runtime = Runtime::builder().workers(workers).shards(shards).build().unwrap();
        let echo = runtime.handle().spawn(Box::new(Echo)).unwrap();
        let options = ListenOptions::default().auto_start(true);
        let at = SocketAddr::from(ANY_PORT);
        let (_, local) = runtime.handle().listen(echo, at, options).unwrap();
        for mix in ["steady=1", "churn=1", "slow=1", "reset=1", "steady=1,churn=1,slow=1,reset=1"] {
            let totals = judge(local.socket_addr().unwrap(), &format!("--mix {mix}")).unwrap();
            assert!(totals.contains(" 0 broken"), "{mix}: {totals}");
            let ends = mix != "steady=1" && mix != "slow=1";
            assert_eq!(ends, !totals.starts_with("0 ended"), "{mix}: {totals}");
        }
        assert!(runtime.shutdown(Duration::from_secs(5)).is_complete);
    }
}

#[test]
fn errors_of_a_server_are_reported() {
    let wrong = bad_server(|mut stream| {
        // The client may be gone already.
        if let Ok(count @ 1..) = stream.read(&mut [0; 64]) {
            stream.write_all(&vec![0xff; count]).ok();
        }
    });
    let told = judge(wrong, "--mix steady=1").unwrap_err();
    assert!(told.contains("Steady: wrong bytes behind 0 B"), "{told}");

    let short = bad_server(|mut stream| {
        let mut buffer = [0; 10];
        if let Ok(count @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..count]).ok();
            // A close with unread input would reset the connection.
            stream.read_exact(&mut [0; 54]).ok();
        }
    });
    let told = judge(short, "--mix steady=1").unwrap_err();
    assert!(told.contains("Steady: ended after 10 B"), "{told}");

    let silent = bad_server(std::mem::forget);
    assert_eq!(judge(silent, "--mix steady=1").unwrap_err(), "nothing came back");

    let nobody = TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap();
    let told = judge(nobody, "--mix steady=1").unwrap_err();
    assert!(told.contains("refused"), "{told}");
}

#[test]
fn bad_arguments_are_reported() {
    for (arguments, part) in [
        ("--time 0s", "a time above 0"),
        ("--time 10", "as 30s or 10m"),
        ("--connections 0", "1..=15000"),
        ("--message-bytes 70000", "1..=65536"),
        ("--mix fast=1", "the roles are steady"),
    ] {
        let line = "load run 127.0.0.1:1".split(' ').chain(arguments.split(' '));
        let error = Options::try_parse_from(line).err().expect(arguments).to_string();
        assert!(error.contains(part), "{arguments}: {error}");
    }
}
