//! Echo over real sockets.

mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use support::{bounded, client, listen, pattern, runtimes};
use tidelock_core::{ListenOptions, Message, Net, Service};

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        if let Message::Data { socket, bytes } = message {
            net.send(socket, bytes).unwrap();
        }
    }
}

#[test]
fn every_byte_comes_back_to_each_of_many_clients() {
    bounded("echo", || {
        for runtime in runtimes() {
            let echo = runtime.handle().spawn(Box::new(Echo)).unwrap();
            let (_, at) = listen(&runtime, echo, ListenOptions::default().auto_start(true));
            thread::scope(|scope| {
                for number in 0..20 {
                    scope.spawn(move || {
                        let mut client = client(at);
                        let sent = pattern(300_000, number);
                        let mut writer = client.try_clone().unwrap();
                        let copy = sent.clone();
                        let writer = scope.spawn(move || {
                            writer.write_all(&copy).unwrap();
                            writer.shutdown(Shutdown::Write).unwrap();
                        });
                        let mut got = Vec::new();
                        client.read_to_end(&mut got).unwrap();
                        assert!(got == sent, "client {number}: {} of {} B", got.len(), sent.len());
                        writer.join().unwrap();
                    });
                }
            });
        }
    });
}
