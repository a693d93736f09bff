//! A hash of everything that the Mux's future depends on.

use std::hash::{Hash, Hasher};

use super::Mux;
use super::agenda::Agenda;
use super::desk::Desk;
use super::sockets::ready::Side;
use super::sockets::{AnyPart, listener, stream};

impl Mux {
    /// Adds to `state` everything that the Mux's future depends on, its directory included;
    /// counters that nothing reads are left out. Two that add the same do the same from the same
    /// input. Answers whether it could: deliveries that were not taken, answers that are being
    /// gathered and descriptors that are to be adopted hold what nobody sees into.
    ///
    /// Times are absolute, but for the time of the last call: the next call brings its own.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) -> bool {
        // Named one by one, so that a new field is not forgotten.
        let Self { directory, sockets, desk, agenda, exit_report: _ } = self;
        let Desk {
            directory: _,
            shard: _,
            now: _,
            // The next turn brings its backend's own.
            may_repeat: _,
            // The exit has both.
            is_exiting: _,
            is_forcing: _,
            // The configuration has all of them.
            may_be_silent: _,
            silence_min: _,
            services,
            waiters,
            timers,
            deliveries,
            errands,
            stalled_listeners,
            stats: _,
        } = desk;
        let Agenda { resuming, ending, info_jobs, info_waiting, early_drains, exit } = agenda;
        assert!(errands.is_empty(), "an errand waits between two calls");
        let is_opaque = !deliveries.is_empty() || !info_jobs.is_empty() || !info_waiting.is_empty();
        if is_opaque || self.has_descriptor() {
            return false;
        }
        sockets.table.hash(state);
        for (side, queue) in [Side::Output, Side::Input].into_iter().zip(&sockets.ready.0) {
            queue.members(&sockets.table, side).hash(state);
        }
        (timers, services, resuming, ending, early_drains).hash(state);
        (stalled_listeners, waiters, exit).hash(state);
        directory.fingerprint(state);
        true
    }

    /// Returns `true` if a descriptor waits to be adopted.
    fn has_descriptor(&self) -> bool {
        self.sockets.table.iter().any(|socket| match &socket.part {
            AnyPart::Stream(stream) => matches!(stream.phase, stream::Phase::Adopting(_)),
            AnyPart::Listener(listener) => matches!(
                listener.phase,
                listener::Phase::Opening(Some(listener::Opening::Twin { .. }))
            ),
            AnyPart::Datagram(_) => false,
        })
    }
}
