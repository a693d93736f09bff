//! The judging of what services are told.

use bytes::Bytes;
use tidelock_core::{CloseReason, Message, ServiceId, SocketId};

use super::ending::Around;
use super::grammar::Phase;
use super::views::Case;
use super::{Law, Oracle};
use crate::judge::mark::Mark;

impl Oracle {
    /// A host's Mux tells a service something.
    pub fn message(&mut self, host: u16, service: ServiceId, message: &Message) {
        let socket = message.socket();
        match socket {
            Some(id) => self.begin(host, id),
            None => self.begin_host(host),
        }
        self.check_mailbox(host, service, message, socket);
        let Some(id) = socket else { return };
        if let Message::Data { bytes, .. } = message {
            return self.data(host, service, message, id, bytes);
        }
        if let Message::Accept { accepted, .. } = message {
            self.accept(host, id, *accepted, service);
        }
        if let Message::Refused { .. } = message {
            // It answers a command, and may come long after `Close`.
            if let Some(view) = self.socket(host, id) {
                view.refuse_claim(service);
            }
            return;
        }
        self.check_tried(host, message);
        let step = self.hosts[host as usize].step;
        let Some(view) = self.socket(host, id) else {
            return self.told_of_nobody(message, id);
        };
        let order = view.message(message, step);
        if let Message::SendReady { .. } = message {
            self.check(Law::MessageOrder, order);
            if self.hosts[host as usize].released.contains(&service) {
                // It was told before its release was known.
                return;
            }
            let result = self.hosts[host as usize].services.ready(id, service);
            return self.check(Law::SendReady, result);
        }
        let owner = view.told_to(service, message, step);
        let owner = owner.map_err(|detail| format!("{message}, {detail}"));
        let warnings = match message {
            Message::Warning { pending_bytes, .. } => Some(view.warnings.told(*pending_bytes)),
            Message::Close { .. } | Message::Error { fatal: true, .. } => None,
            _ => Some(view.warnings.goes_on()),
        };
        let input = match message {
            Message::Udp { payload, .. } => view.deliver_datagram(payload),
            _ => Ok(()),
        };
        let about = |detail| format!("{id}: {detail}");
        self.check(Law::MessageOrder, order);
        self.check(Law::MessageOwner, owner);
        if let Some(warnings) = warnings {
            self.check(Law::Warnings, warnings.map_err(about));
        }
        match message {
            Message::Eof { .. } => self.eof(host, id),
            Message::Udp { .. } => self.check(Law::InputOrder, input.map_err(about)),
            Message::Connect { .. } | Message::Listening { .. } => self.opening_is_over(host, id),
            Message::Close { reason, unsent, .. } => self.closed(host, id, *reason, *unsent),
            _ => {}
        }
    }

    /// Bytes are told.
    fn data(
        &mut self,
        host: u16,
        service: ServiceId,
        message: &Message,
        id: SocketId,
        bytes: &Bytes,
    ) {
        let now = self.now;
        let Some(Case { view, step, .. }) = self.hosts[host as usize].case(id) else {
            return self.told_of_nobody(message, id);
        };
        let order = view.data(message, step);
        let owner = view.told_to(service, message, step);
        let warnings = view.warnings.goes_on();
        view.ending.told_at = Mark::at(now);
        view.ending.is_busy();
        let input = view.deliver(bytes);
        let end = view.end;
        let about = |detail| format!("{id}: {detail}");
        self.check(Law::MessageOrder, order);
        self.check(Law::MessageOwner, owner.map_err(|detail| format!("{message}, {detail}")));
        self.check(Law::Warnings, warnings.map_err(about));
        self.check(Law::InputOrder, input.map_err(about));
        if let Some(end) = end {
            self.received(end, bytes);
        }
    }

    fn told_of_nobody(&mut self, message: &Message, id: SocketId) {
        self.fail(Law::MessageOrder, format!("{message}, but {id} was never opened"));
    }

    /// Everything that a step tells was told.
    #[inline]
    pub fn step_told(&mut self, host: u16) {
        self.hosts[host as usize].services.all_told();
        if self.hosts[host as usize].warned.is_empty() {
            return;
        }
        let mut warned = std::mem::take(&mut self.hosts[host as usize].warned);
        for id in warned.drain(..) {
            if let Some(view) = self.socket(host, id) {
                view.warnings.settle();
            }
        }
        self.hosts[host as usize].warned = warned;
    }

    /// A service has ended: everything that it was told before is dropped, nothing follows.
    pub fn service_ended(&mut self, host: u16, service: ServiceId) {
        let view = &mut self.hosts[host as usize];
        view.released.insert(service);
        view.services.end(service);
    }

    fn accept(&mut self, host: u16, id: SocketId, accepted: SocketId, owner: ServiceId) {
        let now = self.now;
        let mut listener = self.socket(host, id);
        let tokens = listener.as_mut().and_then(|view| view.tokens.as_deref_mut());
        let in_time = tokens.map(|tokens| tokens.take(now).map_err(|what| format!("{id} {what}")));
        let is_auto_start = listener.as_ref().is_some_and(|view| view.is_auto_start);
        let own_times = listener.map(|view| view.accepted_times.clone()).unwrap_or_default();
        let result = match self.socket(host, accepted) {
            Some(view) if view.phase == Phase::Unborn => {
                view.phase = Phase::Open;
                view.ending.born_at = now;
                view.ending.is_started = is_auto_start;
                view.ending.own_times = own_times;
                view.is_reading = is_auto_start;
                view.set_owner(owner);
                Ok(())
            }
            _ => Err(format!("{id} accepted {accepted}, which no accept opened")),
        };
        self.check(Law::MessageOrder, result);
        if let Some(in_time) = in_time {
            self.check(Law::Limits, in_time);
        }
    }

    /// Judges what is held back by a full mailbox, and what is told to nobody.
    fn check_mailbox(
        &mut self,
        host: u16,
        service: ServiceId,
        message: &Message,
        socket: Option<SocketId>,
    ) {
        let is_input =
            matches!(message, Message::Data { .. } | Message::Udp { .. } | Message::Accept { .. });
        let max = self.limits.mailbox_bytes_max;
        let charge_bytes = self.limits.mailbox_charge_bytes(message);
        let services = &mut self.hosts[host as usize].services;
        let told = services.tell(service, message, charge_bytes, max);
        if is_input {
            let was_full = told.as_ref().is_ok_and(|was_full| *was_full);
            // The last bytes of a stream that broke are told before its end whatever waits.
            let id = socket.expect("input is about a socket");
            let mut is_broken = || self.socket(host, id).is_some_and(|view| view.is_broken);
            let result = match was_full && !is_broken() {
                true => Err(format!("{message}, and the mailbox of {service} is full")),
                false => Ok(()),
            };
            self.check(Law::Mailbox, result);
        }
        self.check(Law::MessageOwner, told.map(|_was_full| ()));
    }

    fn eof(&mut self, host: u16, id: SocketId) {
        let now = self.now;
        let view = self.socket(host, id).expect("it was just there");
        if view.ending.eof_at.get().is_none() {
            view.ending.eof_at = Mark::at(now);
            // A message of the step that handled the command is of the turn, and later.
            view.ending.was_eof_first = view.ending.shutdown_at.get().is_none();
        }
        let result = view.deliver_eof().map_err(|detail| format!("{id}: {detail}"));
        self.check(Law::InputOrder, result);
    }

    fn closed(&mut self, host: u16, id: SocketId, reason: CloseReason, unsent: u64) {
        let (now, bounds) = (self.now, self.limits.bounds);
        let view = &mut self.hosts[host as usize];
        let is_exiting = view.is_exiting;
        view.services.forget_socket(id);
        let socket = self.socket(host, id).expect("it was just there");
        // Nobody asks for them after this.
        let owners = std::mem::take(&mut socket.owners);
        let view = &self.hosts[host as usize];
        let is_gone =
            |owner: &ServiceId| view.released.contains(owner) || !view.services.is_alive(*owner);
        let around = Around { now, is_owner_gone: owners.iter().any(is_gone), is_exiting };
        let view = self.socket(host, id).expect("it was just there");
        let result = view.ending.judge(reason, around, &bounds);
        let expected = view.outbox.unsent_bytes();
        self.check(Law::CloseReason, result.map_err(|detail| format!("{id}: {detail}")));
        let result = if unsent == expected {
            Ok(())
        } else {
            Err(format!("{id} closed with {unsent} B unsent, and it was {expected}"))
        };
        self.check(Law::UnsentCount, result);
        let view = &mut self.hosts[host as usize];
        let ending = view.endings.remove(&id);
        view.sockets.forget_closed();
        ending.into_iter().flatten().for_each(|operation| self.complete(operation));
        if matches!(reason, CloseReason::Closed | CloseReason::Shutdown) {
            // What ends before it opened was asked for in this order, so that its opening is over.
            self.opening_is_over(host, id);
        }
    }

    /// The operation that opened a socket has come to its end.
    fn opening_is_over(&mut self, host: u16, id: SocketId) {
        let opening = self.socket(host, id).and_then(|view| view.opening.take());
        opening.into_iter().for_each(|operation| self.complete(operation));
    }
}
