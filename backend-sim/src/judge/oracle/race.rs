//! Addresses of one name that race.

use tidelock_core::{Fault, Message, SocketId};

use super::attempts::Race;
use super::grammar::{Kind, Phase};
use super::{Law, Oracle, SocketView};

impl SocketView {
    /// A connect that is over has no attempt left.
    ///
    /// # Errors
    /// If one is.
    pub(super) fn check_race(&self) -> Result<(), String> {
        match &self.race {
            Some(race) if self.phase != Phase::Opening && !race.racers.is_empty() => {
                let (id, left) = (self.id, race.racers.len());
                Err(format!("{id} is connected, and {left} attempts are left open"))
            }
            _ => Ok(()),
        }
    }
}

impl Oracle {
    /// A host's Mux gets the addresses of a name.
    pub fn resolved(&mut self, host: u16, id: SocketId, addresses: u32) {
        let now = self.now;
        if let Some(view) = self.socket(host, id).filter(|view| view.phase == Phase::Opening) {
            view.race = Some(Box::new(Race { known_at: now, addresses, ..Race::default() }));
        }
    }

    /// The connect of `id`, which is the next call, races for that of `told`.
    pub fn races(&mut self, host: u16, id: SocketId, told: SocketId) {
        let new = SocketView::new(id, Kind::Accepted, Phase::Unborn, &self.limits, self.now);
        self.insert(host, SocketView { races_for: Some(told), ..new });
        let view = self.socket(host, told).filter(|view| view.phase == Phase::Opening);
        let result = match view.and_then(|view| view.race.as_mut()) {
            Some(race) => {
                race.racers.push(id);
                Ok(())
            }
            None => Err(format!("{id} races for {told}, which connects to no name")),
        };
        self.check(Law::Race, result);
    }

    /// A connect begins.
    pub fn attempts(&mut self, host: u16, id: SocketId) {
        let (now, delay_nanos) = (self.now, self.limits.bounds.attempt_delay_nanos);
        let told = self.told_of(host, id);
        let Some(race) = self.socket(host, told).and_then(|view| view.race.as_mut()) else {
            return;
        };
        let result = race.begins(now, delay_nanos).map_err(|detail| format!("{told}: {detail}"));
        self.check(Law::Race, result);
    }

    /// An attempt under `id` failed: what is told of it is told of the connect that it is of.
    pub(super) fn attempt_failed(&mut self, host: u16, id: SocketId) -> SocketId {
        let told = self.told_of(host, id);
        if let Some(race) = self.socket(host, told).and_then(|view| view.race.as_mut()) {
            race.failed += 1;
        }
        self.races_no_more(host, id);
        told
    }

    /// The descriptor of a racer goes, or gets another name.
    pub(super) fn races_no_more(&mut self, host: u16, id: SocketId) {
        let told = self.told_of(host, id);
        if told == id {
            return;
        }
        if let Some(view) = self.socket(host, id) {
            view.races_for = None;
        }
        if let Some(race) = self.socket(host, told).and_then(|view| view.race.as_mut()) {
            race.racers.retain(|racer| *racer != id);
        }
    }

    /// The winner gets the name that was told, or keeps its own.
    pub fn renames(&mut self, host: u16, from: SocketId, to: SocketId, met: Option<Fault>) {
        let end = self.socket(host, from).and_then(|view| view.end);
        let (told, phase) =
            (self.told_of(host, from), self.socket(host, to).map(|view| view.phase));
        let result = match phase {
            _ if told != to => Err(format!("{from} raced for {told} and becomes {to}")),
            Some(Phase::Opening) => Ok(()),
            _ => Err(format!("{to} is {phase:?} and gets the connection of {from}")),
        };
        self.check(Law::Race, result);
        if let Some(fault) = met {
            // As an attempt that failed; it is closed under its own name.
            let Some(view) = self.socket(host, to) else { return };
            view.ending.opening_faults.push(fault);
            // All others were given up for it.
            view.race.iter_mut().for_each(|race| race.failed = race.begun);
            return;
        }
        self.races_no_more(host, from);
        if let Some(view) = self.socket(host, to) {
            view.end = end;
        }
    }

    /// A connect failed of what its last attempt met: no address is left to try.
    pub(super) fn check_tried(&mut self, host: u16, message: &Message) {
        let Message::Error { socket: id, fault, fatal: true, .. } = message else { return };
        let Some(view) = self.socket(host, *id) else { return };
        let Some(race) = view.race.as_deref().filter(|_| view.phase == Phase::Opening) else {
            return;
        };
        let was_met = view.ending.opening_faults.contains(*fault);
        let is_over = race.begun == race.addresses && race.failed >= race.begun;
        let result = match was_met && !is_over {
            true => Err(format!("{id} fails of `{fault}` before all have failed: {race:?}")),
            false => Ok(()),
        };
        self.check(Law::Race, result);
    }

    /// The id that a service knows of the connect that an attempt is of.
    fn told_of(&mut self, host: u16, id: SocketId) -> SocketId {
        self.socket(host, id).and_then(|view| view.races_for).unwrap_or(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_begins_when_one_failed_or_a_delay_has_passed() {
        let known = Race { known_at: 1000, addresses: 4, ..Race::default() };
        let mut race = known.clone();
        assert!(race.begins(1000, 100).is_ok(), "the first");
        assert!(race.begins(1099, 100).is_err(), "a moment too early");
        let mut race = Race { begun: 1, ..known.clone() };
        assert!(race.begins(1100, 100).is_ok(), "a delay later");
        let mut race = Race { begun: 2, failed: 1, ..known.clone() };
        assert!(race.begins(1099, 100).is_err() && race.begins(1200, 100).is_ok());
        let mut race = Race { begun: 4, failed: 4, ..known };
        assert!(race.begins(9000, 100).is_err(), "there is no fifth address");
    }
}
