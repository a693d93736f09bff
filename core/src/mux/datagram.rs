//! Transitions of a datagram socket.

use super::focus::Focus;
use super::sockets::datagram::{DatagramSocket, Phase};
use super::sockets::head::Latch;
use super::sockets::kind::Kind;
use crate::contained::drop_contained;
use crate::datagrams::Datagram;
use crate::{
    Answer, Backend, Bytes, Endpoint, Fault, FaultKind, MESSAGE_OVERHEAD_BYTES, Message, Operation,
    Priority,
};

/// Datagrams that one socket sends before others are served.
const SENDS_PER_TURN: usize = 64;

impl Focus<'_, DatagramSocket> {
    /// Queues one datagram, which was charged.
    pub(crate) fn queue(&mut self, datagram: Datagram, priority: Priority) {
        self.part.datagrams.push(datagram, priority);
        self.warn_if_due();
    }

    pub(crate) fn serve_output<B: Backend>(&mut self, backend: &mut B) {
        for _ in 0..SENDS_PER_TURN {
            if !self.part.writes() || self.head.output == Latch::Pending {
                break;
            }
            let (id, situation) = (self.id(), self.situation());
            backend.regard(id, situation);
            let Some(datagram) = self.part.datagrams.begin() else { break };
            match backend.send_to(id, datagram.to.as_ref(), &datagram.payload) {
                Answer::Ready(result) => self.datagram_went(result),
                Answer::Later => self.head.output = Latch::Pending,
            }
        }
        let is_flushed = matches!(self.part.phase, Phase::Flushing) && !self.part.has_output();
        if is_flushed && !self.has_sends_on_the_way() {
            self.begin_close();
        }
    }

    /// The datagram in front was sent, or could not be: in both cases the next one follows.
    fn datagram_went(&mut self, result: Result<(), Fault>) {
        let datagram = self.part.datagrams.pop_begun();
        let len = datagram.payload.len();
        drop_contained(datagram);
        match result {
            Ok(()) => {
                let now = self.desk.now;
                self.head.counters.add_output(&mut self.desk.stats, len as u64, 1, now);
                self.head.progress_at = now;
                self.release_charge(len + MESSAGE_OVERHEAD_BYTES);
                self.withdraw_warning_if_drained();
            }
            Err(fault) => {
                self.head.rare.unsent_bytes += len as u64;
                self.release_charge(len + MESSAGE_OVERHEAD_BYTES);
                self.withdraw_warning_if_drained();
                if fault.kind != FaultKind::Cancelled {
                    self.tell_error(fault, Operation::SendTo);
                }
            }
        }
    }

    pub(crate) fn serve_input<B: Backend>(&mut self, backend: &mut B) {
        let size_max = self.config().datagram_bytes_max;
        for _ in 0..self.config().accepts_per_turn {
            if !self.can_serve_input() {
                break;
            }
            backend.regard(self.id(), self.situation());
            let result = match self.part.held.take() {
                Some(held) => *held,
                None => match backend.receive_from(self.id(), size_max) {
                    Answer::Ready(result) => result,
                    Answer::Later => {
                        self.head.input = Latch::Pending;
                        break;
                    }
                },
            };
            self.datagram_came(result);
        }
    }

    fn datagram_came(&mut self, result: Result<(Endpoint, Bytes), Fault>) {
        let (socket, now) = (self.id(), self.desk.now);
        match result {
            Ok((from, payload)) => {
                let all = &mut self.desk.stats;
                self.head.counters.add_input(all, payload.len(), true, now);
                self.tell_owner(Message::Udp { socket, from, payload });
            }
            // An ICMP answer belongs to one datagram that was sent; the socket lives on.
            Err(fault) => self.tell_error(fault, Operation::ReceiveFrom),
        }
    }

    /// A completed receive.
    pub(crate) fn receive_completed(&mut self, result: Result<(Endpoint, Bytes), Fault>) {
        self.complete_input();
        assert!(self.part.held.is_none(), "{} completed two receives", self.id());
        if !self.part.is_closing() {
            self.part.held = Some(Box::new(result));
        }
    }

    /// A completed send.
    pub(crate) fn send_completed(&mut self, result: Result<(), Fault>) {
        self.complete_output();
        self.datagram_went(result);
    }
}
