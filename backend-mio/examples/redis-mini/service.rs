//! The server: one service that owns the listener, the clients and the store.
//!
//! It takes time, timers and I/O from [`Net`] alone, so the same file runs on real sockets and in
//! the simulated network.

use std::collections::BTreeMap;
use std::time::Duration;

use tidelock_core::{
    Bytes, CloseReason, Endpoint, ListenOptions, Message, Net, Service, SocketId, SocketOption,
    TimerId,
};

use crate::client::Client;
use crate::commands::{After, Context, Settings, execute};
use crate::reply::Reply;
use crate::resp::ProtocolError;
use crate::store::Store;

/// The result of the start: the address with the real port, or the reason why there is none.
pub(crate) type Startup = Result<Endpoint, String>;

/// The server.
pub(crate) struct RedisMini {
    at: Endpoint,
    settings: Settings,
    /// Called once, with the result of the start.
    announce: Option<Box<dyn FnOnce(Startup) + Send>>,
    listener: Option<SocketId>,
    store: Store,
    clients: BTreeMap<SocketId, Client>,
    /// Invariant: the sum of all clients' `counted_bytes`.
    clients_bytes: usize,
    /// Armed while a key will expire.
    expiry_timer: Option<TimerId>,
}

/// The shortest time between two rounds that remove expired keys which no client asks for.
const EXPIRY_PERIOD_MIN: Duration = Duration::from_millis(100);
/// The longest time between two rounds, while any key will expire.
const EXPIRY_PERIOD_MAX: Duration = Duration::from_secs(1);
/// The pause before the next round, if a round left expired keys.
const EXPIRY_HURRY: Duration = Duration::from_millis(1);
/// The most keys that one round removes, so that clients do not wait for it.
const EXPIRED_PER_ROUND_MAX: usize = 1000;

impl RedisMini {
    /// Creates a server that will listen at `at`, and pass the result to `announce`.
    pub(crate) fn new(
        at: Endpoint,
        settings: Settings,
        announce: impl FnOnce(Startup) + Send + 'static,
    ) -> Self {
        Self {
            at,
            settings,
            announce: Some(Box::new(announce)),
            listener: None,
            store: Store::default(),
            clients: BTreeMap::new(),
            clients_bytes: 0,
            expiry_timer: None,
        }
    }

    fn announce(&mut self, startup: Startup) {
        if let Some(announce) = self.announce.take() {
            announce(startup);
        }
    }

    fn handle_accept(&mut self, net: &mut Net<'_>, socket: SocketId, peer: &Endpoint) {
        tracing::debug!(%socket, %peer, "accepted");
        if self.clients.len() < self.settings.clients_max {
            let client = Client::new(socket, &self.settings);
            let before = self.clients.insert(socket, client);
            assert!(before.is_none(), "{socket} was accepted twice");
            return;
        }
        let refusal = Bytes::from_static(b"-ERR max number of clients reached\r\n");
        // Errors mean that the socket is gone; its `Close` is on the way.
        let _is_gone = net.send(socket, refusal);
        let _is_stale = net.shutdown(socket);
    }

    fn handle_data(&mut self, net: &mut Net<'_>, socket: SocketId, bytes: &[u8]) {
        let Some(client) = self.clients.get_mut(&socket) else {
            return; // The client was refused; its input is ignored.
        };
        if client.is_ending {
            return;
        }
        if client.is_held() {
            client.put_by(bytes, false);
        } else {
            self.serve(net, socket, bytes, false);
        }
        self.settle(net, socket);
    }

    /// Goes on with a client that may have read its replies.
    fn resume(&mut self, net: &mut Net<'_>, socket: SocketId) {
        while let Some(client) = self.clients.get_mut(&socket)
            && let Some(input) = client.next_input()
        {
            self.serve(net, socket, &input, true);
        }
        self.settle(net, socket);
    }

    /// Executes the requests in `input`. Their replies are sent together at the end, or before that
    /// whenever they fill a message.
    fn serve(&mut self, net: &mut Net<'_>, socket: SocketId, input: &[u8], was_put_by: bool) {
        let Some(client) = self.clients.get_mut(&socket) else {
            return;
        };
        assert!(!client.is_held() && !client.is_ending, "{socket} is held, or ending");
        let (store, settings, now) = (&mut self.store, &self.settings, net.now());
        let mut reply = Reply::new(settings.message_bytes_max);
        let mut rest = input;
        while !client.is_held() && !client.is_ending {
            match client.parser.feed(&mut rest) {
                Ok(None) => break,
                Ok(Some(request)) => {
                    let mut context = Context { store, settings, now, reply: &mut reply };
                    match execute(&mut context, request) {
                        After::Continue => {}
                        After::Quit => client.is_ending = true,
                        After::ReplyTooLarge => {
                            tracing::debug!(%socket, "closing: its reply is above the limit");
                            client.is_ending = true;
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(%socket, ?error, "closing: protocol error");
                    tell_off(error, &mut reply);
                    client.is_ending = true;
                }
            }
            if reply.has_full() {
                client.send(net, reply.take());
            }
        }
        client.send(net, reply.take());
        if !rest.is_empty() && !client.is_ending {
            client.put_by(rest, was_put_by);
        }
        self.arm_expiry(net);
    }

    /// Counts the bytes kept for the client, and closes it if all clients together keep too many.
    fn settle(&mut self, net: &mut Net<'_>, socket: SocketId) {
        let Some(client) = self.clients.get_mut(&socket) else {
            return;
        };
        client.settle(net);
        let charge_bytes = client.charge_bytes();
        self.clients_bytes = self.clients_bytes - client.counted_bytes + charge_bytes;
        client.counted_bytes = charge_bytes;
        if self.clients_bytes > self.settings.clients_bytes_max {
            tracing::warn!(%socket, charge_bytes, "closing: all clients together keep too much");
            self.forget(socket);
            let _is_stale = net.close(socket); // An error means that its `Close` is on the way.
        }
    }

    fn forget(&mut self, socket: SocketId) {
        if let Some(client) = self.clients.remove(&socket) {
            let (counted, all) = (client.counted_bytes, self.clients_bytes);
            assert!(counted <= all, "{socket} counts {counted} B of {all} B in all");
            self.clients_bytes -= counted;
        }
    }

    fn handle_close(&mut self, socket: SocketId, reason: CloseReason, unsent: u64) {
        if self.listener == Some(socket) {
            self.listener = None;
            self.announce(Err(format!("the listener closed: {reason}")));
        }
        tracing::debug!(%socket, %reason, unsent, "closed");
        self.forget(socket);
    }

    fn handle_exit(&mut self, net: &mut Net<'_>) {
        for client in self.clients.values_mut() {
            client.send_last(net);
            if client.unsent_bytes() > 0 {
                let (socket, unsent_bytes) = (client.socket, client.unsent_bytes());
                tracing::warn!(%socket, unsent_bytes, "replies that the outbox did not take");
            }
        }
    }

    fn handle_timer(&mut self, net: &mut Net<'_>, timer: TimerId) {
        assert_eq!(self.expiry_timer, Some(timer), "the only timer is that of the expiry");
        self.expiry_timer = None;
        let removed = self.store.expire(net.now(), EXPIRED_PER_ROUND_MAX);
        tracing::trace!(removed, keys = self.store.len(), "expired");
        if removed == EXPIRED_PER_ROUND_MAX {
            self.expiry_timer = Some(net.set_timer(EXPIRY_HURRY));
        }
        self.arm_expiry(net);
    }

    fn arm_expiry(&mut self, net: &mut Net<'_>) {
        if self.expiry_timer.is_none()
            && let Some(next) = self.store.next_expiry()
            && !net.is_stopped()
        {
            let period = next.saturating_since(net.now());
            let period = period.clamp(EXPIRY_PERIOD_MIN, EXPIRY_PERIOD_MAX);
            self.expiry_timer = Some(net.set_timer(period));
        }
    }
}

impl Service for RedisMini {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let options = ListenOptions::default().auto_start(true);
        match net.listen(self.at.clone(), options.accepted(SocketOption::Nodelay(true))) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => self.announce(Err(error.to_string())),
        }
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { socket, bytes } => self.handle_data(net, socket, &bytes),
            Message::Accept { accepted, peer, .. } => self.handle_accept(net, accepted, &peer),
            Message::Listening { local, .. } => self.announce(Ok(local)),
            Message::Close { socket, reason, unsent } => self.handle_close(socket, reason, unsent),
            Message::Error { socket, fault, operation, fatal } => {
                if self.listener != Some(socket) {
                    // At debug, because clients must not be able to fill the log.
                    tracing::debug!(%socket, ?operation, %fault, fatal, "a client's error");
                } else if fatal {
                    self.announce(Err(format!("cannot listen at {}: {fault}", self.at)));
                } else {
                    tracing::warn!(?operation, %fault, "the listener's error");
                }
            }
            Message::Eof { socket } => {
                if let Some(client) = self.clients.get_mut(&socket) {
                    client.handle_eof(net);
                }
            }
            Message::SendReady { socket } => {
                if let Some(client) = self.clients.get_mut(&socket) {
                    client.handle_ready(net);
                    self.resume(net, socket);
                }
            }
            Message::Warning { socket, pending_bytes } => {
                if let Some(client) = self.clients.get_mut(&socket) {
                    client.handle_warning(net, pending_bytes);
                    self.resume(net, socket);
                }
            }
            Message::Timer { timer } => self.handle_timer(net, timer),
            Message::Exit => self.handle_exit(net),
            // `Paused` answers our own `pause`, and `Refused` a `start` on a client that is gone.
            // The other kinds answer requests that this service never makes.
            other => tracing::trace!(%other, "ignored"),
        }
    }

    fn name(&self) -> &'static str {
        "redis-mini"
    }
}

pub(crate) fn tell_off(error: ProtocolError, reply: &mut Reply) {
    if error.is_answered() {
        reply.error(&[b"ERR ", error.text().as_slice()].concat());
    }
}
