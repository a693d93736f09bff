//! message-io.

use message_io::network::{NetEvent, Transport};
use message_io::node::{self, NodeEvent};
use tidelock_mio_peers::{AT, Work, tell, wait_for_end};

fn main() {
    let work = Work::from_arguments();
    let (handler, listener) = node::split::<()>();
    let (_, address) = handler.network().listen(Transport::Tcp, AT).expect("a port is free");
    tell(address);
    let stopper = handler.clone();
    std::thread::spawn(move || {
        wait_for_end();
        stopper.stop();
    });
    let mut endpoints = Vec::new();
    listener.for_each(move |event| match event {
        NodeEvent::Network(NetEvent::Accepted(endpoint, _)) => endpoints.push(endpoint),
        NodeEvent::Network(NetEvent::Message(endpoint, received)) => match work {
            // The load ends with connections that are closed under an echo.
            Work::Echo => drop(handler.network().send(endpoint, received)),
            Work::Broadcast { rounds, bytes } => {
                let message = vec![7; bytes];
                for _ in 0..rounds {
                    for endpoint in &endpoints {
                        handler.network().send(*endpoint, &message);
                    }
                }
            }
        },
        NodeEvent::Network(_) | NodeEvent::Signal(()) => {}
    });
}
