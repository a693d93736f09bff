//! A hash of everything that what the judge says next depends on.

use std::hash::{Hash, Hasher};

use tidelock_net::base::fingerprint::Fingerprint;

use super::socket::NEVER;
use super::{HostView, Oracle, SocketView};

impl Oracle {
    /// Adds everything that what the judge says from now on depends on.
    pub(crate) fn fingerprint(&self, state: &mut Fingerprint) {
        // Named one by one, so that a new field is not forgotten.
        let Self {
            violation,
            checked: _,
            hosts,
            connections,
            labels,
            is_completed,
            behaviour: _,
            limits: _,
            // The next step brings its own.
            now: _,
            about: _,
        } = self;
        assert_eq!(*violation, None, "a run ends with the first violation");
        (hosts, connections, labels, is_completed).hash(state);
    }
}

impl Hash for HostView {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            sockets,
            sides,
            endings,
            services,
            released,
            is_exiting,
            // Only whether something was before the current step counts: between steps, it was.
            step: _,
            warned,
        } = self;
        (sockets, sides, endings, services, released, is_exiting, warned).hash(state);
    }
}

impl Hash for SocketView {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { id, kind, side, end, phase, owner, owners, claims, claims_step: _, .. } = self;
        let Self { outbox, warnings, ending, input, is_output_ended, is_broken, .. } = self;
        let Self { is_maybe_ending, is_reading, is_auto_start, is_paused, pauses_asked, .. } = self;
        (&self.accepted_times, &self.tokens).hash(state);
        let Self { pauses_told, is_start_last, new_owners, opening, has_eof, last, .. } = self;
        let Self { pauses_at_start, .. } = self;
        let steps = [self.shutdown_step, self.finish_step, self.close_step, self.late_claim_step];
        (id, kind, side, end, phase, owner, owners, claims).hash(state);
        (outbox, warnings, ending, input, is_output_ended, is_broken).hash(state);
        (is_maybe_ending, is_reading, is_auto_start, is_paused, pauses_asked).hash(state);
        (pauses_told, is_start_last, new_owners, opening, has_eof, last).hash(state);
        (pauses_at_start, &self.race, self.races_for).hash(state);
        steps.map(|step| step != NEVER).hash(state);
    }
}
