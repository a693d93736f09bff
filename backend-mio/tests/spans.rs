//! The span of each socket, and the events inside it.

mod support;

use std::collections::HashMap;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidelock_core::{ConnectOptions, ListenOptions, Message, Net, Service, Target};
use tidelock_mio::Runtime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One span: its fields, the events inside it, and `true` once it has ended.
#[derive(Clone, Debug, Default)]
struct Life {
    fields: HashMap<&'static str, String>,
    said: Vec<String>,
    is_over: bool,
}

impl Visit for Life {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// A subscriber that keeps the span of every socket.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<HashMap<u64, Life>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _context: Context<'_, S>) {
        if attributes.metadata().name() == "socket" {
            assert!(attributes.is_root(), "the span of a socket is inside that of a turn");
            let mut life = Life::default();
            attributes.record(&mut life);
            self.0.lock().unwrap().insert(id.into_u64(), life);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _context: Context<'_, S>) {
        if let Some(life) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(life);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.lookup_current() else { return };
        let mut said = Life::default();
        event.record(&mut said);
        if let Some(life) = self.0.lock().unwrap().get_mut(&span.id().into_u64()) {
            life.said.push(said.fields["message"].clone());
        }
    }

    fn on_close(&self, id: Id, _context: Context<'_, S>) {
        if let Some(life) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            // The registry may use the number again, for another span.
            assert!(!std::mem::replace(&mut life.is_over, true), "a span ended twice");
        }
    }
}

/// A service that echoes, and begins a connect to a port where nobody listens.
struct Echo {
    nobody: SocketAddr,
}

impl Service for Echo {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Listening { .. } => {
                net.connect(Target::from(self.nobody), ConnectOptions::default()).unwrap();
            }
            Message::Data { socket, bytes } => drop(net.send(socket, bytes).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_socket_is_a_span_from_its_opening_to_its_close() {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let runtime = Runtime::builder().workers(0).build().unwrap();
    // The listener is dropped at once, so its port refuses connections.
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let echo = runtime.handle().spawn(Box::new(Echo { nobody })).unwrap();
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ListenOptions::default().auto_start(true);
    let (_, local) = runtime.handle().listen(echo, at, options).unwrap();
    let local = local.socket_addr().unwrap();
    let mut client = TcpStream::connect(local).unwrap();
    let own = client.local_addr().unwrap();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop(client);
    let said = |text: &str| {
        let lives = recorder.0.lock().unwrap();
        lives.values().any(|life| life.said.iter().any(|said| said == text))
    };
    support::eventually("the connect fails", || said("connect failed"));
    assert!(runtime.shutdown(Duration::from_secs(5)).is_complete);

    let lives = recorder.0.lock().unwrap();
    let life_of = |field: &str, value: SocketAddr| {
        let mut found = lives.values().filter(|life| {
            life.fields.get(field).is_some_and(|text| *text == value.to_string())
                && (field == "peer" || life.fields["kind"] == "\"listener\"")
        });
        let life = found.next().unwrap_or_else(|| panic!("no span has {field} {value}: {lives:?}"));
        assert!(found.next().is_none(), "two spans have {field} {value}: {lives:?}");
        life
    };
    for life in lives.values() {
        assert!(life.is_over, "a span has not ended: {life:?}");
        assert!(life.fields["id"].starts_with('#'), "a span has no id: {life:?}");
    }
    let listener = life_of("local", local);
    assert_eq!(listener.said.first().unwrap(), "listening");
    assert_eq!(listener.said.last().unwrap(), "closed");
    let accepted = life_of("peer", own);
    assert_eq!(accepted.fields["kind"], "\"stream\"");
    assert_eq!(accepted.fields["listener"], listener.fields["id"]);
    assert_eq!(accepted.fields["local"], local.to_string());
    let of_interest = |text: &&str| *text != "event";
    let said: Vec<_> = accepted.said.iter().map(String::as_str).filter(of_interest).collect();
    assert_eq!(said[..3], ["accepted", "read", "written"]);
    assert_eq!(said.last(), Some(&"closed"));
    let refused = life_of("peer", nobody);
    assert_eq!(refused.said.last().unwrap(), "connect failed");
}
