//! A hash of everything that what a host does next depends on.

use std::hash::{Hash, Hasher};

use tidelock_core::{Instant, Message, ServiceId};
use tidelock_net::base::fingerprint::Fingerprint;

use super::Host;
use crate::actors::host::told::told;

impl Host {
    /// Adds everything that what the host does from now on depends on, with silent noise.
    /// `is_paranoid`: everything is checked at every step, whenever that was done last. Answers
    /// whether it could: what waits in a queue is not seen into, nor what a worker has.
    pub(crate) fn fingerprint(&self, is_paranoid: bool, state: &mut Fingerprint) -> bool {
        // Named one by one, so that a new field is not forgotten.
        let Self {
            is_scheduled,
            number: _,
            // How long nothing came of it is for the judge alone.
            barren_turns: _,
            mux,
            // The Mux adds it.
            directory: _,
            dispatcher,
            io,
            resolving,
            polled,
            fetched,
            commands,
            asked,
            outputs,
            operator: _,
            notes,
            ids,
            workers,
            full_check_turn,
            // It only counts for noise.
            works: _,
            deadline_nanos,
            hand_over_max: _,
            is_inline: _,
            is_prompt: _,
            is_exiting,
            has_exited,
            // It tells of the past.
            outcome: _,
            histories,
        } = self;
        let has_notes = !notes.is_empty();
        let is_waiting = !commands.is_empty() || !fetched.is_empty() || !resolving.is_empty();
        if is_waiting || has_notes || !workers.is_empty() {
            return false;
        }
        let is_between = polled.is_empty() && asked.is_empty() && outputs.is_empty();
        assert!(is_between, "they are empty between steps");
        (is_scheduled, ids, deadline_nanos, is_exiting, has_exited).hash(state);
        (!is_paranoid).then(|| full_check_turn.wrapping_sub(io.turns)).hash(state);
        io.fingerprint(state);
        let history = |service| histories.get(&service).copied().unwrap_or(0);
        mux.fingerprint(state) && dispatcher.fingerprint(state, history)
    }

    /// A service that does not say what it is becomes, by what it is told, whatever these messages,
    /// at this time, with these answers of the directory, make of it. `story` stands for what cannot
    /// be seen into.
    pub(super) fn history<'a>(
        &self,
        service: ServiceId,
        messages: impl Iterator<Item = &'a Message>,
        now: Instant,
        story: u64,
    ) -> u64 {
        let before = self.histories.get(&service).copied().unwrap_or(0);
        let mut state = Fingerprint::default();
        (before, now).hash(&mut state);
        self.directory.fingerprint(&mut state);
        messages.fold(state.finish(), |before, message| told(before, message, story))
    }
}
