//! The checks of a host: after a turn, when it is idle, and at the end.

use tidelock_core::{Progress, SocketId, SocketState, Wish};
use tidelock_net::chance::choices::Choices;

use super::Host;
use crate::actors::shared::Shared;
use crate::judge::coverage::{Coverage, sometimes};
use crate::judge::fairness::INPUT;
use crate::judge::oracle::{IdleSocket, Law};

/// The number of turns until every socket is checked: so many, and as many more for each socket,
/// so that what a turn costs does not grow with the sockets that it does not touch.
pub(super) const FULL_CHECK_TURNS: u64 = 64;
const FULL_CHECK_TURNS_PER_SOCKET: u64 = 32;
/// So many turns may do nothing but look for what there is to do, and as many more as there are
/// sockets and were services.
const BARREN_TURNS_MAX: u64 = 1_000;

impl Host {
    /// A turn that leaves work says by when it will be done.
    pub(super) fn check_fairness<C: Choices>(
        &mut self,
        shared: &mut Shared<C>,
        progress: Progress,
    ) {
        if progress != Progress::More {
            return self.io.fairness.forget();
        }
        let (turn, sockets) = (self.io.turns, self.mux.sockets() as u64);
        if self.directory.sockets_used() == self.mux.config().sockets_max as usize {
            // A listener that finds the table full had its turn, without a call.
            let given_up = self.mux.wishes().filter(|(_, wish)| !wish.input);
            let is_listener = |id: &SocketId| self.mux.state(*id) == Some(SocketState::Listening);
            for id in given_up.map(|(id, _)| id).filter(is_listener) {
                self.io.fairness.called(id, INPUT, turn);
            }
        }
        // What was looked at before is owed already, or was called since and so touched again.
        for id in &self.io.touched[self.io.fairness.seen..] {
            if let Some(wish) = self.mux.wish(*id) {
                self.io.fairness.left(*id, wish, turn, sockets);
            }
        }
        // The last one may be touched again without a further entry.
        self.io.fairness.seen = self.io.touched.len().saturating_sub(1);
        let oracle = &mut shared.oracle;
        let result = self.io.fairness.check(turn, |id| {
            let wish = self.mux.wish(id)?;
            let input = wish.input && !oracle.is_throttled(self.number, id);
            Some(Wish { input, ..wish })
        });
        let number = self.number;
        let result = result.map_err(|(id, what)| {
            shared.oracle.begin(number, id);
            format!("host {number}: {what}")
        });
        shared.oracle.check(Law::Fairness, result);
    }

    /// Turns that say there is more, and do nothing: a loop that never ends.
    pub(super) fn check_barren<C: Choices>(&mut self, shared: &mut Shared<C>, is_barren: bool) {
        self.barren_turns = if is_barren { self.barren_turns + 1 } else { 0 };
        let turns = self.barren_turns;
        let all = || (self.mux.sockets() + self.mux.services_peak()) as u64;
        if turns > BARREN_TURNS_MAX && turns > BARREN_TURNS_MAX + all() {
            // The first that has work and does not get its turn.
            let has_work = |wish: &Wish| {
                wish.input && !wish.input_pending || wish.output && !wish.output_pending
            };
            let mut waiting = self.mux.wishes().filter(|(_, wish)| has_work(wish));
            let id = waiting.next().map(|(id, _)| id);
            let detail =
                format!("host {}: {turns} turns did nothing, and there is more to do", self.number);
            shared.oracle.turn_to(self.number, id, "busy");
            shared.oracle.fail(Law::Liveness, detail);
        }
    }

    /// Looks for what is possible, wished, and will never be told.
    pub(super) fn check_idle<C: Choices>(
        &mut self,
        shared: &mut Shared<C>,
        has_services_idle: bool,
    ) {
        if shared.is_paranoid || self.io.turns >= self.full_check_turn {
            let sockets = self.mux.sockets() as u64;
            let wait_turns = FULL_CHECK_TURNS + FULL_CHECK_TURNS_PER_SOCKET * sockets;
            self.full_check_turn = self.io.turns + wait_turns;
            self.mux.check_invariants();
            self.io.touched.clear();
            self.io.touched.extend(self.mux.wishes().map(|(id, _)| id));
        }
        let mut touched = std::mem::take(&mut self.io.touched);
        if touched.len() > 1 {
            touched.sort_unstable();
            touched.dedup();
        }
        for id in &touched {
            let Some(wish) = self.mux.wish(*id) else { continue };
            let mut socket = IdleSocket {
                wishes: [wish.input, wish.output],
                is_pending: [wish.input_pending, wish.output_pending],
                ..IdleSocket::default()
            };
            if let Some(descriptor) = self.io.socket(*id) {
                let is_readable = shared.kernel.is_readable(descriptor);
                let is_held_back = is_readable && !wish.input && !wish.input_pending;
                sometimes!(shared.coverage, is_held_back, "readable-and-not-wanted");
                let is_writable = wish.output && shared.kernel.bits(descriptor).writable;
                socket.is_possible = [is_readable, is_writable];
                socket.is_owed = shared.kernel.is_owed(descriptor);
                // Few have one: so the Mux is asked last. Where input is wished, a read meets it.
                socket.has_error = !wish.input
                    && shared.kernel.has_error_told(descriptor)
                    && self.mux.state(*id).is_some_and(SocketState::is_established);
                // A socket that the Mux has let go of wishes nothing while its end is told.
                socket.has_services_idle = has_services_idle;
            } else if self.resolving.iter().any(|one| one.id == *id) {
                // A name that is being resolved is asked for in its own way.
                continue;
            }
            shared.oracle.idle(self.number, *id, socket);
        }
        touched.clear();
        self.io.touched = touched;
    }

    /// Judges what is left at the end.
    ///
    /// # Errors
    /// If anything is.
    pub fn finish(&mut self, coverage: &mut Coverage) -> Result<(), String> {
        let stats = self.mux.stats();
        sometimes!(coverage, stats.stale_commands > 0, "command-for-a-stale-id");
        sometimes!(coverage, stats.undelivered > 0, "message-for-nobody");
        sometimes!(coverage, stats.accepts_aborted > 0, "accept-aborted");
        sometimes!(coverage, stats.accepts_failed > 0, "accept-failed");
        let has_forced = self.mux.exit_report().closed_at_deadline > 0;
        sometimes!(coverage, has_forced, "exit-by-force");
        sometimes!(coverage, self.mux.exit_report().unsent_bytes > 0, "exit-with-bytes-unsent");
        self.mux.check_invariants();
        let (sockets, timers) = (self.mux.sockets(), self.mux.timers_armed());
        let (used, charged) = (self.directory.sockets_used(), self.directory.total_charged_bytes());
        if !self.has_exited {
            return Err(format!("host {} has not stopped, {sockets} sockets", self.number));
        }
        if (sockets, timers, used, charged) != (0, 0, 0, 0) {
            return Err(format!(
                "host {} stopped with {sockets} sockets, {used} ids, {timers} timers, {charged} B",
                self.number
            ));
        }
        Ok(())
    }
}
