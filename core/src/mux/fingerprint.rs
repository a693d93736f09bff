//! A hash of everything that what the Mux does next depends on.

use std::hash::{Hash, Hasher};

use super::Mux;
use super::slot::Opening;

impl Mux {
    /// Adds to `state` everything that what the Mux does from now on depends on, its directory
    /// included; counters that nothing reads are left out. Two that add the same do the same from
    /// the same input. Answers whether it could: deliveries that were not taken, answers that are
    /// being gathered and descriptors that are to be adopted hold what nobody sees into.
    ///
    /// Times are absolute, but for the time of the last call: the next call brings its own.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) -> bool {
        // Named one by one, so that a new field is not forgotten.
        let Self {
            directory,
            shard: _,
            now: _,
            table,
            ready_output,
            ready_input,
            timers,
            services,
            resuming,
            ending,
            stalled_listeners,
            waiters,
            deliveries,
            info_jobs,
            info_waiting,
            early_drains,
            exit,
            // The next turn brings its backend's own.
            may_repeat: _,
            stats: _,
            exit_report: _,
        } = self;
        let has_adopted = (0..table.places()).filter_map(|index| table.at(index)).any(|slot| {
            let opening = slot.rare.opening.as_deref();
            opening.is_some_and(|opening| {
                matches!(opening, Opening::Adopt { .. } | Opening::Twin { .. })
            })
        });
        if !deliveries.is_empty()
            || !info_jobs.is_empty()
            || !info_waiting.is_empty()
            || has_adopted
        {
            return false;
        }
        let sockets_max = directory.config().sockets_max as usize;
        assert!(table.used() <= sockets_max, "more sockets than there may be");
        assert!(exit.is_none() || directory.is_stopped(), "it stops and services open sockets");
        assert!(ready_output.len() <= table.used(), "more sockets are ready than there are");
        assert!(ready_input.len() <= table.used(), "more sockets are ready than there are");
        assert!(stalled_listeners.len() <= table.used(), "more listeners wait than there are");
        (table, ready_output, ready_input, timers).hash(state);
        (services, resuming, ending, early_drains).hash(state);
        (stalled_listeners, waiters, exit).hash(state);
        directory.fingerprint(state);
        true
    }
}
