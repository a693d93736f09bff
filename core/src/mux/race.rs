//! Addresses that race (RFC 8305, *Happy Eyeballs*).
//!
//! A name with several addresses is dialled at one after the other, each beginning a *connection
//! attempt delay* after the last or when that has failed, and the first to connect wins. One goes
//! under the id that the owner knows; the others, *racers*, have sockets and ids of their own that
//! nobody is told of. A racer that wins is renamed.

use std::collections::VecDeque;
use std::time::Duration;

use super::Mux;
use super::slot::{Attempt, Dial, Kind, Latch};
use crate::gate::GateKind;
use crate::{Backend, CloseReason, Connected, Endpoint, Fault, Operation, SocketId, SocketState};

/// The addresses in the order in which to try them: the families take turns, that of the first one
/// goes first, and each keeps its order (RFC 8305, section 4, with a First Address Family Count of
/// one).
pub(super) fn interleaved(addresses: Vec<Endpoint>) -> VecDeque<Endpoint> {
    let count = addresses.len();
    let is_v6 = |address: &Endpoint| matches!(address, Endpoint::Ip(ip) if ip.is_ipv6());
    let is_first_v6 = addresses.first().is_some_and(is_v6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| is_v6(address) == is_first_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = VecDeque::with_capacity(count);
    assert_eq!(first.len() + second.len(), count, "an address has no family");
    loop {
        let before = all.len();
        all.extend(first.next());
        all.extend(second.next());
        if all.len() == before {
            assert_eq!(all.len(), count, "an address is lost");
            return all;
        }
    }
}

impl Mux {
    /// Tries the next address, if there is one; ends the connect if nothing is left to wait for.
    pub(super) fn begin_attempt(&mut self, id: SocketId) {
        let next_at = self.now + self.attempt_delay(id);
        let dial = self.dial_mut(id);
        assert!(dial.winner.is_none(), "{id} has won and tries another address");
        assert!(dial.target.is_none(), "{id} tries addresses before it is resolved");
        if dial.untried.is_empty() {
            let is_over = dial.address.is_none() && dial.racers.is_empty();
            let fault = dial.last_fault;
            if is_over {
                let fault = fault.expect("the last address failed of something");
                self.fail(id, fault, Operation::Connect);
            }
            return;
        }
        dial.next_at = next_at;
        if dial.address.is_none() {
            assert_eq!(dial.attempt, Attempt::None, "{id} connects to no address");
            dial.address = dial.untried.pop_front();
            return;
        }
        // At the limit of sockets it is looked again a delay later; the first attempt goes on.
        if let Some(racer) = self.directory.reserve_socket(self.shard) {
            self.begin_racer(racer, id);
        }
    }

    fn begin_racer(&mut self, id: SocketId, id_told: SocketId) {
        let dial = self.dial_mut(id_told);
        let address = dial.untried.pop_front();
        assert!(address.is_some(), "{id_told} has no address left");
        assert!(dial.address.is_some(), "{id_told} has nothing to race");
        let (options, deadline) = (dial.options.clone(), dial.deadline);
        dial.racers.push(id);
        self.directory.open_reserved(id, GateKind::Stream);
        let gate = self.directory.gate(id).expect("a taken id has a gate");
        assert!(gate.close_output(id), "{id} was just born");
        let mut slot = self.new_slot(id, Kind::Stream, SocketState::Connecting);
        slot.is_told = false;
        slot.is_helper = true;
        let dial = Dial { races_for: Some(id_told), ..Dial::new(address, options, deadline) };
        slot.rare.dial = Some(Box::new(dial));
        self.stats.attempts_beside += 1;
        self.add_slot(slot);
        self.settle(id);
    }

    /// How long an attempt has before the next one begins beside it.
    fn attempt_delay(&self, id: SocketId) -> Duration {
        let dial = self.table.slot(id).rare.dial.as_ref().expect("a connecting socket dials");
        let local_port = dial.options.bind.as_ref().and_then(Endpoint::port);
        if local_port.is_some_and(|port| port != 0) {
            // Two attempts cannot have one port.
            return Duration::MAX;
        }
        let delay = dial.options.attempt_delay.unwrap_or(self.config().connection_attempt_delay);
        let delay = delay.max(crate::config::CONNECTION_ATTEMPT_DELAY_MIN);
        assert!(!delay.is_zero(), "{id} would try all addresses at once");
        delay
    }

    fn dial_mut(&mut self, id: SocketId) -> &mut Dial {
        let slot = self.table.slot_mut(id);
        assert_eq!(slot.state, SocketState::Connecting, "{id} is connected, or ends");
        let dial = slot.rare.dial.as_mut().expect("a connecting socket dials");
        assert!(dial.races_for.is_none(), "{id} races, and has no racers");
        dial
    }

    /// A racer is the first to connect. What else is under way is given up, and when the backend
    /// holds nothing any more for the id that was told, that becomes the racer's.
    pub(super) fn racer_connected(
        &mut self,
        id: SocketId,
        id_told: SocketId,
        connected: Connected,
    ) {
        let slot = self.table.slot_mut(id);
        slot.is_open = true;
        slot.input = Latch::Ready;
        slot.output = Latch::Ready;
        slot.rare.dial.as_mut().expect("a racer dials").attempt = Attempt::Won;
        let dial = self.dial_mut(id_told);
        assert_ne!(id, id_told, "{id} races for itself");
        assert!(dial.racers.contains(&id), "{id} is no racer of {id_told}");
        assert!(dial.winner.is_none(), "{id_told}: two win");
        dial.winner = Some((id, connected));
        if dial.attempt == Attempt::UnderWay {
            dial.attempt = Attempt::GivenUp;
        } else {
            // It had not begun.
            assert_eq!(dial.attempt, Attempt::None, "{id_told} was given up without a winner");
            dial.address = None;
        }
        let losers: Vec<SocketId> =
            dial.racers.iter().copied().filter(|racer| *racer != id).collect();
        dial.racers.retain(|racer| *racer == id);
        losers.into_iter().for_each(|loser| self.abandon_racer(loser));
        self.settle(id_told);
    }

    /// Nothing is open under the id that was told: the winner gets it.
    pub(super) fn take_winner<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let dial = self.dial_mut(id);
        let (racer, connected) = dial.winner.take().expect("a racer has won");
        assert_eq!(dial.racers, [racer], "{id}: a loser goes on");
        dial.racers.clear();
        assert!(!self.table.slot(id).is_open, "{id} is open under its own name");
        match backend.rename(racer, id) {
            Ok(()) => {
                self.forget_racer(racer);
                self.stats.connects_by_racer += 1;
                self.connected(id, connected);
            }
            Err(fault) => {
                self.abandon_racer(racer);
                self.dial_mut(id).last_fault = Some(fault);
                self.begin_attempt(id);
            }
        }
    }

    /// The backend knows the racer by another id.
    fn forget_racer(&mut self, id: SocketId) {
        self.unlink_all(id);
        let slot = self.table.remove(id);
        assert!(slot.is_helper && slot.is_open, "{id} has won nothing");
        assert!(slot.owner.is_none(), "{id} belongs to who never heard of it");
        assert_eq!(slot.charge_bytes(), 0, "{id}: somebody sent to who was never told of");
        self.directory.free_socket(id);
        self.wake_stalled_listeners();
    }

    pub(super) fn racer_failed(&mut self, id: SocketId, id_told: SocketId, fault: Fault) {
        let slot = self.table.slot_mut(id);
        assert!(slot.is_helper && !slot.is_open, "{id} is no racer, or left something behind");
        slot.rare.dial.as_mut().expect("a racer dials").attempt = Attempt::None;
        self.abandon_racer(id);
        let dial = self.dial_mut(id_told);
        let before = dial.racers.len();
        assert!(
            dial.winner.as_ref().is_none_or(|(winner, _)| *winner != id),
            "{id} won and failed"
        );
        dial.racers.retain(|racer| *racer != id);
        assert_eq!(dial.racers.len() + 1, before, "{id} was no racer of {id_told}");
        dial.last_fault = Some(fault);
        self.begin_attempt(id_told);
        self.settle(id_told);
    }

    /// Nobody needs a racer any more, and nobody is told.
    fn abandon_racer(&mut self, id: SocketId) {
        let slot = self.table.slot_mut(id);
        assert!(slot.is_helper && !slot.is_told, "{id} is no racer");
        slot.add_cause(CloseReason::Closed);
        self.begin_close(id);
        let slot = self.table.slot(id);
        assert_eq!(slot.state, SocketState::Closing, "{id} races on");
        assert!(slot.rare.dial.is_none(), "{id} ends and races");
    }

    /// The connect is over, one way or the other: nobody races for it any more.
    pub(super) fn end_race(&mut self, id: SocketId) {
        let Some(dial) = self.table.slot_mut(id).rare.dial.as_mut() else { return };
        dial.winner = None;
        let racers = std::mem::take(&mut dial.racers);
        assert!(racers.is_empty() || dial.races_for.is_none(), "{id} races, and has no racers");
        racers.into_iter().for_each(|racer| self.abandon_racer(racer));
        let dial = self.table.slot(id).rare.dial.as_ref().expect("it was just there");
        assert!(dial.racers.is_empty() && dial.winner.is_none(), "{id} is raced for still");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(port: u16) -> Endpoint {
        Endpoint::from((Ipv4Addr::LOCALHOST, port))
    }

    fn v6(port: u16) -> Endpoint {
        Endpoint::from((Ipv6Addr::LOCALHOST, port))
    }

    #[test]
    fn families_take_turns_and_the_first_one_goes_first() {
        let all = interleaved(vec![v6(1), v6(2), v6(3), v4(4), v4(5)]);
        assert_eq!(all, [v6(1), v4(4), v6(2), v4(5), v6(3)]);
        let all = interleaved(vec![v4(1), v6(2), v6(3), v6(4)]);
        assert_eq!(all, [v4(1), v6(2), v6(3), v6(4)]);
    }

    #[test]
    fn addresses_of_one_family_keep_their_order() {
        let all = vec![v4(3), v4(1), v4(2)];
        assert_eq!(interleaved(all.clone()), all);
        assert!(interleaved(Vec::new()).is_empty());
    }
}
