//! The judging of what services ask.

use std::time::Duration;

use bytes::Bytes;
use tidelock_core::{Command, ServiceId, SocketId, SocketOption, Target};

use super::bounds::OwnTimes;
use super::grammar::Kind;
use super::services::Waiter;
use super::subject::command_class;
use super::tokens::Tokens;
use super::{Law, Oracle};
use crate::judge::mark::Mark;

impl Oracle {
    /// A command goes into a host's Mux.
    pub fn command(&mut self, host: u16, command: &Command) {
        if let Some(id) = command.socket() {
            self.begin(host, id);
            if let Some(view) = self.socket(host, id) {
                view.last = command_class(command);
            }
        }
        match command {
            Command::Send { id, low, bytes } => self.send(host, *id, bytes.clone(), *low),
            Command::Listen { .. }
            | Command::Udp { .. }
            | Command::Adopt { .. }
            | Command::Connect { .. } => self.opens(host, command),
            Command::SendVectored { id, low, parts } => {
                self.send(host, *id, Bytes::from(parts.concat()), *low);
            }
            Command::SendTo { id, bytes, .. } => self.send(host, *id, bytes.clone(), false),
            Command::Spawn { id, .. } => self.hosts[host as usize].services.spawn(*id),
            Command::Release { service, .. } => {
                let view = &mut self.hosts[host as usize];
                view.released.insert(*service);
                view.services.release(*service);
            }
            Command::Handled { service, charge_bytes, exit, .. } => {
                self.handled(host, *service, *charge_bytes, *exit);
            }
            Command::AwaitSendReady { id, by, charge_bytes, total } => {
                let waiter = Waiter { charge_bytes: *charge_bytes, is_total: *total };
                let is_open = self.socket(host, *id).is_some_and(|view| view.is_told_open());
                // A service that is to end is told nothing, whatever it still asks.
                let is_released = self.hosts[host as usize].released.contains(by);
                if is_open && !is_released {
                    self.hosts[host as usize].services.wait(*id, *by, waiter);
                }
            }
            Command::Exit { .. } => self.hosts[host as usize].is_exiting = true,
            about_one_socket => self.socket_command(host, about_one_socket),
        }
    }

    /// A service asks for a new socket.
    fn opens(&mut self, host: u16, command: &Command) {
        let (now, bounds) = (self.now, self.limits.bounds);
        match command {
            Command::Listen { id, owner, options, .. } => {
                let view = self.born(host, *id, Kind::Listener, *owner);
                (view.is_reading, view.is_auto_start) = (!options.paused, options.auto_start);
                view.accepted_times = own_times(&options.accepted);
                view.tokens = options.accept_rate.map(|rate| {
                    Box::new(Tokens::new(rate.per_second.get(), rate.burst.get(), now))
                });
                view.ending.is_started = true;
            }
            Command::Udp { id, owner, options } => {
                let view = self.born(host, *id, Kind::Datagram, *owner);
                view.is_reading = !options.paused;
                view.ending.is_started = true;
                view.ending.own_times = own_times(&options.options);
            }
            Command::Adopt { id, owner, paused, .. } => {
                let view = self.born(host, *id, Kind::Outgoing, *owner);
                view.is_reading = !paused;
                view.ending.is_started = true;
            }
            Command::Connect { id, owner, target, options } => {
                let view = self.born(host, *id, Kind::Outgoing, *owner);
                view.is_reading = !options.paused;
                view.ending.is_started = true;
                view.ending.set_connect_timeout(options.timeout, &bounds);
                view.ending.own_times = own_times(&options.options);
                if matches!(**target, Target::Host { .. }) {
                    view.ending.resolve_nanos = bounds.resolve_nanos;
                }
            }
            other => unreachable!("{other:?} opens nothing"),
        }
    }

    fn socket_command(&mut self, host: u16, command: &Command) {
        let (now, step) = (self.now, self.hosts[host as usize].step);
        let bounds = self.limits.bounds;
        let is_released = |view: &Self, by| view.hosts[host as usize].released.contains(by);
        let is_late_claim = matches!(command, Command::Start { by, .. } if is_released(self, by));
        let Some(view) = command.socket().and_then(|id| self.socket(host, id)) else { return };
        match command {
            // A service that is to end takes a socket with it, unless that ends already: then it is
            // refused, and nobody can tell it so.
            Command::Start { .. } if is_late_claim => {
                view.late_claim_step = view.late_claim_step.min(step);
                view.is_maybe_ending = true;
            }
            Command::Start { by, .. } => {
                view.claim(*by, step);
                view.ending.starts += 1;
                if !view.is_reading {
                    view.ending.resumed_at = Mark::at(now);
                }
                view.is_reading = true;
                view.is_paused = false;
                view.is_start_last = true;
                view.start_step = step;
                view.pauses_at_start = view.pauses_asked;
            }
            Command::Pause { .. } => {
                if view.is_reading {
                    view.ending.may_be_idle(now, &bounds);
                }
                view.is_reading = false;
                view.pauses_asked += 1;
                view.is_start_last = false;
            }
            Command::Close { .. } => {
                view.ending.close_at.set_first(now);
                view.close_step = view.close_step.min(step);
                view.is_output_ended = true;
            }
            Command::Shutdown { .. } | Command::Finish { .. } => {
                let is_finish = matches!(command, Command::Finish { .. });
                if !is_finish {
                    view.ending.finishes_no_more(now, &bounds);
                    view.shutdown_step = view.shutdown_step.min(step);
                } else if view.ending.shutdown_at.get().is_none() {
                    view.ending.is_finishing = true;
                    view.finish_step = view.finish_step.min(step);
                }
                view.ending.shutdown_at.set_first(now);
                view.ending.last_shutdown_at = Mark::at(now);
                view.ending.flush_at.set_first(now);
                view.is_output_ended = true;
            }
            Command::SetOption { option: SocketOption::Timeout(which, span), .. } => {
                view.ending.own_times.is_asked(*which, nanos_of(*span), &bounds);
            }
            Command::FinishAfterEof { .. } => {
                view.ending.flush_at.set_first(now);
                view.is_maybe_ending = true;
            }
            _ => {}
        }
    }

    /// A service sends, and the Mux has accepted it.
    pub fn send(&mut self, host: u16, id: SocketId, bytes: Bytes, is_low: bool) {
        self.begin(host, id);
        let now = self.now;
        let outbox_bytes_max = self.limits.outbox_bytes_max;
        let Some(mut case) = self.hosts[host as usize].case(id) else { return };
        case.view.last = "send";
        case.view.resolve_claims(case.step);
        let is_empty = bytes.is_empty();
        if case.view.outbox.unsent_bytes() == 0 {
            case.view.ending.queued_at = Mark::at(now);
        }
        match case.view.kind {
            Kind::Datagram => case.view.outbox.push_datagram(bytes, is_low),
            _ => case.view.outbox.push(bytes, is_low),
        }
        let (charge, pending) = (case.view.outbox.charge_bytes(), case.view.outbox.pending_bytes());
        if !case.view.is_output_ended && !is_empty && case.view.warnings.is_above(pending) {
            let is_optional = case.may_be_ending();
            case.view.warnings.accepted(pending, is_optional);
            if case.view.warnings.is_due() {
                case.warned.push(id);
            }
        }
        // A broken stream has given back what it held.
        let result = if charge <= outbox_bytes_max || case.view.is_broken {
            Ok(())
        } else {
            Err(format!("{id} holds {charge} B, the limit is {outbox_bytes_max}"))
        };
        self.check(Law::Limits, result);
    }

    /// A service has handled messages of this charge.
    pub fn handled(&mut self, host: u16, service: ServiceId, charge_bytes: usize, exit: bool) {
        let max = self.limits.mailbox_bytes_max;
        let services = &mut self.hosts[host as usize].services;
        services.handled(service, charge_bytes, exit, max);
    }
}

/// The times that a socket is born with.
fn own_times(options: &[SocketOption]) -> OwnTimes {
    let mut times = OwnTimes::default();
    for option in options {
        if let SocketOption::Timeout(which, span) = option {
            times.is_born_with(*which, nanos_of(*span));
        }
    }
    times
}

fn nanos_of(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
