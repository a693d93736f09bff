//! Datagram sockets.

use super::Mux;
use super::slot::{Kind, Latch};
use crate::{
    Answer, Backend, Bytes, Endpoint, Fault, FaultKind, Message, Operation, SocketId, SocketState,
};

/// Datagrams that one socket sends before others are served.
const SENDS_PER_TURN: usize = 64;

impl Mux {
    pub(super) fn serve_datagram_output<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let size_max = self.config().datagram_bytes_max;
        for _ in 0..SENDS_PER_TURN {
            let slot = self.table.slot_mut(id);
            if !slot.writes() || slot.output == Latch::Pending {
                break;
            }
            assert_eq!(slot.kind, Kind::Datagram, "{id} sends datagrams");
            assert!(slot.outbox.is_empty(), "{id}: a datagram socket has no stream");
            backend.regard(id, slot.situation());
            let Some(datagram) = slot.rare.datagrams.begin() else { break };
            let len = datagram.payload.len();
            assert!(len <= size_max, "{id}: {len} B passed a gate of {size_max}");
            match backend.send_to(id, datagram.to.as_ref(), &datagram.payload) {
                Answer::Ready(result) => self.datagram_went(id, result),
                Answer::Later => slot.output = Latch::Pending,
            }
        }
        let has_announced = self.on_the_way(id).has_sends;
        let slot = self.table.slot(id);
        if slot.state == SocketState::Flushing && !slot.has_output() && !has_announced {
            self.begin_close(id);
        }
    }

    /// The datagram in front was sent, or could not be: in both cases the next one follows.
    pub(super) fn datagram_went(&mut self, id: SocketId, result: Result<(), Fault>) {
        let slot = self.table.slot_mut(id);
        let charge_before = slot.charge_bytes();
        let datagram = slot.rare.datagrams.pop_begun();
        let len = datagram.payload.len();
        let cost = len + crate::MESSAGE_OVERHEAD_BYTES;
        assert_eq!(slot.charge_bytes() + cost, charge_before, "{id}: one datagram was one");
        match result {
            Ok(()) => self.output_went(id, len, 1, charge_before),
            Err(fault) => {
                slot.rare.unsent_bytes += len as u64;
                let charge = charge_before - slot.charge_bytes();
                self.release_charge(id, charge);
                self.withdraw_warning_if_drained(id);
                if fault.kind != FaultKind::Cancelled {
                    self.tell_passing_error(id, fault, Operation::SendTo);
                }
            }
        }
    }

    pub(super) fn serve_datagram_input<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let size_max = self.config().datagram_bytes_max;
        for _ in 0..self.config().accepts_per_turn {
            let slot = self.table.slot_mut(id);
            if !slot.has_input_work() || self.services.is_held_back(slot.owner) {
                break;
            }
            backend.regard(id, slot.situation());
            let result = match slot.rare.held_datagram.take() {
                Some(held) => *held,
                None => match backend.receive_from(id, size_max) {
                    Answer::Ready(result) => result,
                    Answer::Later => {
                        slot.input = Latch::Pending;
                        break;
                    }
                },
            };
            if let Ok((_, payload)) = &result {
                assert!(payload.len() <= size_max, "{id}: {} B of {size_max}", payload.len());
            }
            self.datagram_came(id, result);
        }
    }

    fn datagram_came(&mut self, id: SocketId, result: Result<(Endpoint, Bytes), Fault>) {
        let now = self.now;
        let slot = self.table.slot(id);
        assert_eq!(slot.state, SocketState::Datagram, "{id} received a datagram");
        assert!(slot.is_reading, "{id} was paused, and was asked");
        match result {
            Ok((from, payload)) => {
                let counters = &mut self.table.slot_mut(id).rare.counters;
                counters.came(&mut self.stats, payload.len(), true, now);
                self.tell_owner(id, Message::Udp { socket: id, from, payload });
            }
            // An ICMP answer belongs to one datagram that was sent; the socket lives on.
            Err(fault) => self.tell_passing_error(id, fault, Operation::ReceiveFrom),
        }
    }
}
