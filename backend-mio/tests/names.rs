//! Host names, looked up by a resolver of the program.

mod support;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use support::{Strings, bounded};
use tidelock_core::{ConnectOptions, FaultKind, Message, Operation, Target};
use tidelock_mio::{Resolve, Runtime};

/// A resolver with two names, which records how many lookups ran at the same time.
#[derive(Default)]
struct Names {
    inside: AtomicUsize,
    inside_max: Arc<AtomicUsize>,
}

impl Resolve for Names {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.inside_max.fetch_max(inside, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(50));
        self.inside.fetch_sub(1, Ordering::SeqCst);
        match host {
            "here" => Ok(vec![([127, 0, 0, 1], port).into()]),
            "broken" => panic!("a mistake of the program's own resolver"),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

#[test]
fn names_are_looked_up_as_the_program_says_and_by_as_many_threads() {
    bounded("own resolver", || {
        let names = Names::default();
        let inside_max = Arc::clone(&names.inside_max);
        let runtime = Runtime::builder().resolver(names).resolver_threads(3).build().unwrap();
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = server.local_addr().unwrap();
        let asks: Vec<_> = ["here", "nowhere", "broken", "here", "nowhere", "here"]
            .map(|name| {
                let strings = Strings::spawn(&runtime);
                let target = Target::host(name, at.port());
                strings.call(move |net| net.connect(target, ConnectOptions::default()).unwrap());
                (name, strings)
            })
            .into();
        for (name, strings) in asks {
            match (name, strings.next()) {
                ("here", Message::Connect { peer, .. }) => assert_eq!(peer, at.into()),
                ("nowhere", Message::Error { fault, operation: Operation::Resolve, .. }) => {
                    assert_eq!(fault.kind, FaultKind::NameNotFound);
                }
                ("broken", Message::Error { fault, operation: Operation::Resolve, .. }) => {
                    assert_eq!(fault.kind, FaultKind::NameResolution);
                }
                (name, other) => panic!("{name}: {other}"),
            }
        }
        assert_eq!(inside_max.load(Ordering::SeqCst), 3, "lookups at a time, of six");
    });
}
