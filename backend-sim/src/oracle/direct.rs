//! Writes that a worker makes itself.

use bytes::Bytes;
use tidelock_core::{Command, SocketId};

use super::{Law, Oracle, OutboxModel};
use crate::mark::Mark;

impl Oracle {
    /// A worker has the right to write these sends: they are accepted, and nothing may be before
    /// them.
    pub fn direct_begins(&mut self, host: u16, id: SocketId, sends: &[Command]) {
        let mut direct = OutboxModel::default();
        for send in sends {
            match send {
                Command::Send { low, bytes, .. } => direct.push(bytes.clone(), *low),
                Command::SendVectored { low, parts, .. } => {
                    direct.push(Bytes::from(parts.concat()), *low);
                }
                other => unreachable!("{other:?} is written"),
            }
        }
        let Some(view) = self.socket(host, id) else {
            return self.fail(Law::DirectWrite, format!("{id} is written, and was never opened"));
        };
        let queued = view.outbox.unsent_bytes();
        let result = match (view.direct.is_some(), view.is_told_open(), queued) {
            (true, ..) => Err(format!("{id} is written by two workers")),
            (_, false, _) => Err(format!("{id} is written, and it is not open")),
            (_, _, 0) => Ok(()),
            _ => Err(format!("{id} is written directly while {queued} B are queued")),
        };
        view.direct = Some(Box::new(direct));
        self.check(Law::DirectWrite, result);
    }

    /// The system took bytes of a write that a worker makes itself.
    pub fn took_directly(&mut self, host: u16, id: SocketId, bytes: &[u8]) {
        let (now, bounds) = (self.now, self.limits.bounds);
        let Some(view) = self.socket(host, id) else { return };
        if view.is_reading {
            view.ending.may_be_idle(now, &bounds);
        }
        view.ending.took_at = Mark::at(now);
        let direct = view.direct.as_mut().expect("a worker writes what it began");
        let result = direct.take(bytes).map_err(|detail| format!("{id}, directly: {detail}"));
        self.check(Law::OutputOrder, result);
    }

    /// A worker is about to give the right to write back; it keeps it for what it has not written.
    pub fn direct_ends(&mut self, host: u16, id: SocketId) {
        if let Some(view) = self.socket(host, id) {
            view.direct.take_if(|direct| direct.unsent_bytes() == 0);
        }
    }

    /// The Mux has received what a worker did not write.
    pub(super) fn direct_returns(&mut self, host: u16, id: SocketId) {
        let now = self.now;
        let Some(mut case) = self.hosts[host as usize].case(id) else { return };
        let is_optional = case.may_be_ending();
        let result = match case.view.direct.take() {
            Some(rest) => {
                case.view.ending.queued_at = Mark::at(now);
                case.view.outbox.put_back(*rest)
            }
            None => Err("what nobody wrote came back".to_owned()),
        };
        if !case.view.is_output_ended {
            let pending_bytes = case.view.outbox.pending_bytes();
            case.view.warnings.accepted(pending_bytes, is_optional);
            if case.view.warnings.is_due() {
                case.warned.push(id);
            }
        }
        self.check(Law::DirectWrite, result.map_err(|detail| format!("{id}: {detail}")));
    }

    /// The Mux does something with a stream that only one may do at a time.
    pub(super) fn check_sole_writer(&mut self, host: u16, id: SocketId, what: &str) {
        let Some(case) = self.hosts[host as usize].case(id) else { return };
        let result = case.sole_writer(what);
        self.check(Law::DirectWrite, result);
    }
}
