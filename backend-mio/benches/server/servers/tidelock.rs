//! Tidelock.

use std::net::SocketAddr;
use std::time::Duration;

use tidelock_core::{Bytes, ListenOptions, Message, Net, Service, SocketId};
use tidelock_mio::Runtime;

use super::{BROADCAST_BYTES, BROADCAST_ROUNDS, PLEASE_QUEUE, QUEUED_MESSAGES, TIMERS, Work};

/// The beginning of the names of its threads.
pub(super) const THREAD: &str = "tidelock";

/// A runtime with one service that listens.
pub(crate) struct Running {
    runtime: Runtime,
    address: SocketAddr,
}

impl Running {
    pub(super) fn start(workers: usize, work: Work) -> Self {
        let runtime = Runtime::builder().workers(workers).build().expect("a runtime starts");
        let service: Box<dyn Service> = match work {
            Work::Echo | Work::EchoBesideSlow => Box::new(Echo),
            Work::Sink => Box::new(Sink),
            Work::Broadcast => Box::new(Broadcast::default()),
            Work::EchoBesideTimers => Box::new(EchoBesideTimers { is_armed: false }),
        };
        let service = runtime.handle().spawn(service).expect("a service begins");
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ListenOptions::default().auto_start(true);
        let (_, local) = runtime.handle().listen(service, at, options).expect("a port is free");
        let address = local.socket_addr().expect("an address of the loopback");
        Self { runtime, address }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stop(self) {
        let report = self.runtime.shutdown(Duration::from_secs(5));
        assert!(report.is_complete, "{report:?}");
    }
}

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let Message::Data { socket, bytes } = message else { return };
        if bytes[0] == PLEASE_QUEUE {
            let message = Bytes::from_static(&[7; 64]);
            for _ in 0..QUEUED_MESSAGES {
                net.send(socket, message.clone()).expect("the limits are wide enough");
            }
            return;
        }
        // The load ends with connections that are closed under an echo.
        net.send(socket, bytes).ok();
    }
}

struct Sink;

impl Service for Sink {
    fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {}
}

#[derive(Default)]
struct Broadcast {
    sockets: Vec<SocketId>,
}

impl Service for Broadcast {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Accept { accepted, .. } => self.sockets.push(accepted),
            Message::Data { .. } => {
                let message = Bytes::from_static(&[7; BROADCAST_BYTES]);
                for _ in 0..BROADCAST_ROUNDS {
                    for socket in &self.sockets {
                        net.send(*socket, message.clone()).expect("all are connected");
                    }
                }
            }
            _ => {}
        }
    }
}

struct EchoBesideTimers {
    is_armed: bool,
}

impl Service for EchoBesideTimers {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if !std::mem::replace(&mut self.is_armed, true) {
            for index in 0..TIMERS {
                net.set_timer(Duration::from_secs(3600) + Duration::from_micros(index as u64));
            }
        }
        Echo.on_message(net, message);
    }
}
