//! A hash of everything that what the kernel does next depends on.

use std::hash::{Hash, Hasher};

use super::{Kernel, Pending, Socket};
use crate::base::fingerprint::Fingerprint;
use crate::chance::choices::Choices;
use crate::system::schedule::What;

impl<C: Choices> Kernel<C> {
    /// Adds everything that what the kernel does from now on depends on, and what is to happen.
    /// With silent noise only: else how much was drawn before would count.
    pub fn fingerprint(&self, state: &mut Fingerprint) {
        // Named one by one, so that a new field is not forgotten.
        let Self {
            choices: _,
            schedule,
            now,
            noise: _,
            woken,
            is_quiet,
            settings: _,
            hosts,
            links,
            sockets,
            ends,
            pipes,
            // Those that are still to arrive are found by what is to happen.
            datagrams,
            completions,
            met: _,
            // It only names.
            entities: _,
        } = self;
        assert!(woken.is_empty(), "whoever was woken stands in the schedule");
        (is_quiet, hosts, sockets, ends).hash(state);
        links.iter().for_each(|link| link.fingerprint(*now, state));
        pipes.iter().for_each(|pipe| pipe.fingerprint(*now, state));
        for (at_nanos, tie, what) in schedule.pending() {
            (at_nanos, tie).hash(state);
            match what {
                What::Datagram { slot } => (0_u8, &datagrams[slot as usize]).hash(state),
                What::Completion { slot } => (1_u8, &completions[slot as usize]).hash(state),
                what => (2_u8, what).hash(state),
            }
        }
    }
}

impl Hash for Socket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            host,
            token,
            entity,
            is_open,
            shape,
            is_queued,
            found,
            waits_in,
            waits_out,
            is_edge_coming,
            // It only counts for noise.
            edges: _,
            edges_owed,
            pending,
            completions_out,
            is_closing,
            is_dead,
        } = self;
        let (none, pending) = (Pending::default(), pending.as_deref());
        let pending = pending.unwrap_or(&none);
        (host, token, entity, is_open, shape, is_queued, found, waits_in, waits_out).hash(state);
        (is_edge_coming, edges_owed, pending, completions_out, is_closing, is_dead).hash(state);
    }
}
