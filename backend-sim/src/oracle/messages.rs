//! What services are told.

use tidelock_core::{CloseReason, Message, ServiceId, SocketId};

use super::ending::Around;
use super::grammar::Phase;
use super::{Law, Oracle, SocketView};

impl Oracle {
    /// A host's Mux tells a service something.
    pub fn message(&mut self, host: u16, service: ServiceId, message: &Message) {
        match message.socket() {
            Some(id) => self.begin(host, id),
            None => self.begin_host(host),
        }
        self.check_mailbox(host, service, message);
        let Some(id) = message.socket() else { return };
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
        let step = self.hosts[host as usize].step;
        let Some(view) = self.socket(host, id) else {
            return self.fail(Law::MessageOrder, format!("{message}, but {id} was never opened"));
        };
        let end = view.end;
        let result = view.message(message, step);
        self.check(Law::MessageOrder, result);
        if let Message::SendReady { .. } = message {
            if self.hosts[host as usize].released.contains(&service) {
                // It was told before its release was known.
                return;
            }
            let result = self.hosts[host as usize].services.ready(id, service);
            return self.check(Law::SendReady, result);
        }
        let view = self.socket(host, id).expect("it was just there");
        let result = view.told_to(service, message, step);
        let result = result.map_err(|detail| format!("{message}, {detail}"));
        self.check(Law::MessageOwner, result);
        self.check_warnings(host, id, message);
        match message {
            Message::Data { bytes, .. } => {
                let now = self.now;
                let view = self.socket(host, id).expect("it was just there");
                view.ending.told_at = Some(now);
                let result = view.deliver(bytes).map_err(|detail| format!("{id}: {detail}"));
                self.check(Law::InputOrder, result);
                if let Some(end) = end {
                    self.received(end, bytes);
                }
            }
            Message::Eof { .. } => self.eof(host, id),
            Message::Udp { payload, .. } => {
                let view = self.socket(host, id).expect("it was just there");
                let result = view.deliver_datagram(payload);
                self.check(Law::InputOrder, result.map_err(|detail| format!("{id}: {detail}")));
            }
            Message::Connect { .. } | Message::Listening { .. } => {
                let opening = self.socket(host, id).and_then(|view| view.opening.take());
                opening.into_iter().for_each(|operation| self.complete(operation));
            }
            Message::Close { reason, unsent, .. } => self.closed(host, id, *reason, *unsent),
            _ => {}
        }
    }

    /// Everything that a step tells was told.
    pub fn step_told(&mut self, host: u16) {
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
        let is_auto_start = self.socket(host, id).is_some_and(|view| view.is_auto_start);
        let now = self.now;
        let result = match self.socket(host, accepted) {
            Some(view) if view.phase == Phase::Unborn => {
                view.phase = Phase::Open;
                view.ending.born_at = now;
                view.ending.is_started = is_auto_start;
                view.is_reading = is_auto_start;
                view.set_owner(owner);
                Ok(())
            }
            _ => Err(format!("{id} accepted {accepted}, which no accept opened")),
        };
        self.check(Law::MessageOrder, result);
    }

    /// What is held back by a full mailbox, and what is told to nobody.
    fn check_mailbox(&mut self, host: u16, service: ServiceId, message: &Message) {
        let is_input =
            matches!(message, Message::Data { .. } | Message::Udp { .. } | Message::Accept { .. });
        let max = self.limits.mailbox_bytes_max;
        let is_full = self.hosts[host as usize].services.is_full(service);
        if is_input {
            // The last bytes of a stream that broke are told before its end whatever waits.
            let id = message.socket().expect("input is about a socket");
            let is_broken = self.socket(host, id).is_some_and(|view| view.is_broken);
            let result = match is_full && !is_broken {
                true => Err(format!("{message}, and the mailbox of {service} is full")),
                false => Ok(()),
            };
            self.check(Law::Mailbox, result);
        }
        let charge_bytes = self.limits.mailbox_charge_bytes(message);
        let services = &mut self.hosts[host as usize].services;
        let result = services.tell(service, message, charge_bytes, max);
        self.check(Law::MessageOwner, result);
    }

    fn check_warnings(&mut self, host: u16, id: SocketId, message: &Message) {
        let view = self.socket(host, id).expect("it was just there");
        let result = match message {
            Message::Warning { pending_bytes, .. } => view.warnings.told(*pending_bytes),
            Message::Close { .. } | Message::Error { fatal: true, .. } => return,
            _ => view.warnings.goes_on(),
        };
        self.check(Law::Warnings, result.map_err(|detail| format!("{id}: {detail}")));
    }

    fn eof(&mut self, host: u16, id: SocketId) {
        let now = self.now;
        let view = self.socket(host, id).expect("it was just there");
        if view.ending.eof_at.is_none() {
            view.ending.eof_at = Some(now);
            // A message of the step that handled the command is of the turn, and later.
            view.ending.was_eof_first = view.ending.shutdown_at.is_none();
        }
        let result = view.deliver_eof().map_err(|detail| format!("{id}: {detail}"));
        self.check(Law::InputOrder, result);
    }

    fn closed(&mut self, host: u16, id: SocketId, reason: CloseReason, unsent: u64) {
        let (now, bounds) = (self.now, self.limits.bounds);
        let view = &mut self.hosts[host as usize];
        let is_exiting = view.is_exiting;
        view.services.forget_socket(id);
        let owners = self.socket(host, id).expect("it was just there").owners.clone();
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
        view.leaving.retain(SocketView::is_told_open);
        ending.into_iter().flatten().for_each(|operation| self.complete(operation));
    }
}
