//! The judging of what the Mux asks of the system, and of the answers.

use bytes::Bytes;
use tidelock_core::{Fault, SocketId};

use super::grammar::{Kind, Phase};
use super::{Law, Oracle, SocketView};
use crate::judge::mark::Mark;

impl Oracle {
    /// The kernel opened a stream for an id: it is this end.
    pub fn opened(&mut self, host: u16, id: SocketId, end: u32) {
        match self.socket(host, id) {
            Some(view) => view.end = Some(end),
            None => {
                let new =
                    SocketView::new(id, Kind::Accepted, Phase::Unborn, &self.limits, self.now);
                self.insert(host, SocketView { end: Some(end), ..new });
            }
        }
    }

    /// A call that opens a socket failed.
    pub fn failed_to_open(&mut self, host: u16, id: SocketId, fault: Fault) {
        let id = self.attempt_failed(host, id);
        if let Some(view) = self.socket(host, id) {
            view.ending.opening_faults.push(fault);
        }
    }

    /// A call on an open stream failed.
    pub fn failed(&mut self, host: u16, id: SocketId, fault: Fault) {
        if let Some(view) = self.socket(host, id) {
            view.ending.faults.push(fault);
            view.is_broken = true;
        }
    }

    /// FIN was sent.
    pub fn fin_sent(&mut self, host: u16, id: SocketId) {
        let now = self.now;
        if let Some(view) = self.socket(host, id) {
            view.ending.fin_at = Mark::at(now);
        }
    }

    /// An event told of the peer's FIN.
    pub fn fin_noticed(&mut self, host: u16, id: SocketId) {
        if let Some(view) = self.socket(host, id) {
            view.ending.is_fin_noticed = true;
        }
    }

    /// The system took bytes of a socket's outbox.
    pub fn took(&mut self, host: u16, id: SocketId, bytes: &[u8]) {
        self.begin(host, id);
        let now = self.now;
        let Some(mut case) = self.hosts[host as usize].case(id) else { return };
        let taken = case.view.outbox.take(bytes);
        let warnings = case.taken(now, true);
        self.check(Law::OutputOrder, taken.map_err(|detail| format!("{id}: {detail}")));
        self.check(Law::Warnings, warnings);
    }

    /// Bytes of a socket's outbox were offered to a write that is pending.
    pub fn offered(&mut self, host: u16, id: SocketId, shares: &[Bytes]) {
        self.begin(host, id);
        if let Some(view) = self.socket(host, id) {
            let shares = shares.iter().map(|share| &share[..]);
            let result = view.outbox.offer(shares).map_err(|detail| format!("{id}: {detail}"));
            self.check(Law::OutputOrder, result);
        }
    }

    /// The write that was pending took so many of them. `is_late`: the socket was being closed
    /// already, so that nothing follows from it but the count of what was not sent.
    pub fn took_offered(&mut self, host: u16, id: SocketId, count: usize, is_late: bool) {
        self.begin(host, id);
        let now = self.now;
        let Some(mut case) = self.hosts[host as usize].case(id) else { return };
        let taken = case.view.outbox.take_offered(count);
        let warnings = (!is_late).then(|| case.taken(now, true));
        self.check(Law::OutputOrder, taken.map_err(|detail| format!("{id}: {detail}")));
        warnings.into_iter().for_each(|warnings| self.check(Law::Warnings, warnings));
    }

    /// The descriptor of a socket is closed, with a reset or without.
    pub fn closes(&mut self, host: u16, id: SocketId, is_reset: bool) {
        self.begin(host, id);
        self.races_no_more(host, id);
        let Some(view) = self.socket(host, id).filter(|view| view.end.is_some()) else { return };
        // The attempt at one address is given up: what is queued waits for the next.
        // One that was accepted for a listener which is gone is refused.
        if matches!(view.phase, Phase::Opening | Phase::Unborn) {
            return;
        }
        // A broken one tells nobody anything any more.
        let (unsent, is_broken) = (view.outbox.unsent_bytes(), view.is_broken);
        let is_loss = unsent > 0 && !is_broken;
        let result = match (is_loss, is_reset) {
            (true, false) => Err(format!("{id} closes cleanly with {unsent} B unsent")),
            (false, true) if !is_broken => Err(format!("{id} is reset with nothing unsent")),
            _ => Ok(()),
        };
        self.check(Law::LossIsTold, result);
    }

    /// The system was given a datagram, and takes it later.
    pub fn offered_datagram(&mut self, host: u16, id: SocketId, payload: &[u8]) {
        self.begin(host, id);
        let Some(view) = self.socket(host, id) else { return };
        let result = view.outbox.offer_datagram(payload);
        self.check(Law::OutputOrder, result.map_err(|detail| format!("{id}: {detail}")));
    }

    /// The system was given a datagram, and took it or did not.
    pub fn sent_datagram(&mut self, host: u16, id: SocketId, payload: &[u8], is_taken: bool) {
        self.begin(host, id);
        let now = self.now;
        let Some(mut case) = self.hosts[host as usize].case(id) else { return };
        let sent = case.view.outbox.take_datagram(payload, is_taken);
        // One that the system refused is gone, too, but no progress of a flush.
        let warnings = case.taken(now, is_taken);
        self.check(Law::OutputOrder, sent.map_err(|detail| format!("{id}: {detail}")));
        self.check(Law::Warnings, warnings);
    }

    /// A read answered bytes; empty ones are the end of the stream.
    pub fn read(&mut self, host: u16, id: SocketId, bytes: &Bytes) {
        if let Some(view) = self.socket(host, id) {
            view.input.push_back(bytes.clone());
            view.ending.is_fin_noticed |= bytes.is_empty();
        }
    }

    /// A datagram was received.
    pub fn received_datagram(&mut self, host: u16, id: SocketId, payload: &Bytes) {
        if let Some(view) = self.socket(host, id) {
            view.input.push_back(payload.clone());
        }
    }
}
