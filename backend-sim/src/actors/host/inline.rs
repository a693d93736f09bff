//! Services that run between turns, on the thread of the Mux, as on real sockets without workers.

use std::collections::VecDeque;

use tidelock_core::{
    Bytes, Command, Delivery, Handled, Instant, Message, Mux, Outlet, ServiceId, SocketId,
};
use tidelock_net::chance::choices::Choices;

use super::{Host, note_asked, note_delivery};
use crate::actors::host::io::Io;
use crate::actors::shared::Shared;
use crate::judge::coverage::sometimes;

impl Host {
    /// Lets services handle what the Mux put out, in its order, and then what waits in mailboxes.
    /// Their commands wait for the next step, but for sends that the Mux takes at once.
    pub(super) fn serve_inline<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        self.handle_outputs(shared, now);
        self.run_mailboxes(shared, now);
        if !self.asked.is_empty() {
            self.commands.extend(self.asked.drain(..));
        }
    }

    fn handle_outputs<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        self.dispatcher.begin_round();
        self.mux.take_deliveries(&mut self.outputs);
        let Self { number, io, outcome, outputs, .. } = self;
        // All of them were charged to mailboxes before any is handled, so the judge is told of all
        // of them first.
        for delivery in &*outputs {
            note_delivery(io, outcome, shared, *number, delivery);
        }
        shared.oracle.step_told(*number);
        while !self.outputs.is_empty() {
            self.handle_in_front(shared, now);
        }
    }

    /// Lets the service in front handle its messages there, or puts what is in front where it
    /// belongs.
    fn handle_in_front<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        let history = match self.outputs.front() {
            Some(Delivery::Message(id, _)) if shared.kernel.choices.wants_histories() => {
                let messages = messages_of(*id, &self.outputs);
                Some(self.history(*id, messages, now, shared.digest.finish()))
            }
            _ => None,
        };
        let Self { number, mux, io, dispatcher, asked, outputs, .. } = self;
        let mut outlet = InlineOutlet { host: *number, mux, io, shared, now };
        match dispatcher.handle_in_front(outputs, now, asked, &mut outlet) {
            Some(handled) => {
                self.histories.extend(history.map(|history| (handled.service, history)));
                self.return_charge(handled, shared);
            }
            None => {
                let delivery = self.outputs.pop_front().expect("it was just seen");
                self.dispatcher.deliver(delivery);
            }
        }
    }

    /// Gives the charge of handled messages back, behind what services asked, if they did: a mailbox
    /// has no room for more while its commands wait, and the end of an exit overtakes nothing.
    fn return_charge<C: Choices>(&mut self, handled: Handled, shared: &mut Shared<C>) {
        let shard = self.mux.shard();
        if handled.exit || !self.asked.is_empty() {
            return self.asked.push(handled.into_command(shard));
        }
        let asked = || format!("{:?}", handled.into_command(shard));
        note_asked(&mut self.io, shared, self.number, None, asked);
        let Handled { service, charge_bytes, exit } = handled;
        shared.oracle.handled(self.number, service, charge_bytes, exit);
        self.mux.settle_handled(handled);
    }

    /// Runs each service once that has messages in its mailbox: a bounded number, so that the
    /// network gets its turn between them.
    fn run_mailboxes<C: Choices>(&mut self, shared: &mut Shared<C>, now: Instant) {
        for _ in 0..self.dispatcher.runnable() {
            let Some(mut batch) = self.dispatcher.take() else { break };
            if shared.kernel.choices.wants_histories() {
                let id = batch.service();
                let history = self.history(id, batch.messages(), now, shared.digest.finish());
                self.histories.insert(id, history);
            }
            let Self { number, mux, io, asked, .. } = self;
            let mut outlet = InlineOutlet { host: *number, mux, io, shared, now };
            batch.run(&self.directory, now, asked, &mut outlet);
            self.dispatcher.give_back(batch);
        }
    }
}

/// The messages in front that are for this service. It may handle fewer, if it asks for too much;
/// then the others are added again to what it was told, which tells no two histories less apart.
fn messages_of(id: ServiceId, outputs: &VecDeque<Delivery>) -> impl Iterator<Item = &Message> {
    outputs.iter().map_while(move |delivery| match delivery {
        Delivery::Message(to, message) if *to == id => Some(message),
        _ => None,
    })
}

/// The way out of a service on the Mux's own thread. A send is queued at once; what else it asks
/// waits for the end of the step, because nothing could act on it before.
struct InlineOutlet<'a, C> {
    host: u16,
    mux: &'a mut Mux,
    io: &'a mut Io,
    shared: &'a mut Shared<C>,
    now: Instant,
}

impl<C: Choices> Outlet for InlineOutlet<'_, C> {
    fn publish(&mut self, _commands: &mut Vec<Command>) {}

    fn clock(&self) -> Option<Instant> {
        // No time passes within a step.
        Some(self.now)
    }

    fn send_at_once(&mut self, id: SocketId, bytes: Bytes, low: bool) -> Result<usize, Bytes> {
        let sent = bytes.clone();
        let charged = self.mux.send_at_once(id, bytes, low);
        sometimes!(self.shared.coverage, charged.is_ok(), "sent-at-once");
        if charged.is_ok() {
            let asked = || format!("{:?}", Command::Send { id, low, bytes: sent.clone() });
            note_asked(self.io, self.shared, self.host, Some(id), asked);
            self.shared.oracle.send(self.host, id, sent, low);
        }
        charged
    }

    fn sometimes(&mut self, probe: &'static str, has_happened: bool) {
        self.shared.coverage.probes.pass(probe, has_happened);
    }
}
