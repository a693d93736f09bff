//! The work of one turn.

use super::Mux;
use super::focus::{Focus, Typed};
use super::output::Progress;
use super::seat::Seat;
use super::settle::Change;
use super::sockets::AnyPart;
use super::sockets::kind::Kind;
use super::sockets::ready::Side;
use crate::{Backend, Instant, SocketState};

/// What a socket whose output was served needs next.
enum Served {
    Settle(Change),
    /// Everybody has let go of it: `Close` is told, and the id given back.
    Finish,
}

impl Mux {
    /// Does a bounded amount of work, and all of the I/O: fires timers, moves ending services on,
    /// serves some sockets that have output work and some that have input work.
    /// (`skynet_socket_poll`: its 0 is `Exit`, 1 is `Idle`, -1 is `More`)
    ///
    /// # Panics
    /// If `now` lies before the time of an earlier call, or the backend breaks its contract.
    pub fn turn<B: Backend>(&mut self, backend: &mut B, now: Instant) -> Progress {
        self.advance_clock(now);
        self.desk.may_repeat = backend.may_repeat();
        if self.has_due_timer() {
            self.fire_timers();
        }
        if !self.agenda.is_empty() {
            self.work_services();
            self.work_exit();
        }
        let sockets_per_turn = self.config().sockets_per_turn;
        for _ in 0..sockets_per_turn {
            if !self.serve_next_output(backend) {
                break;
            }
        }
        for _ in 0..sockets_per_turn {
            if !self.serve_next_input(backend) {
                break;
            }
        }
        if !self.agenda.info_jobs.is_empty() {
            self.gather_info();
        }
        let progress = self.progress();
        if progress == Progress::Exit {
            self.disarm_services();
        }
        progress
    }

    #[inline]
    fn progress(&mut self) -> Progress {
        // While the runtime stops, timers of services that are due already still fire.
        if !self.sockets.ready.is_empty() || self.has_due_timer() {
            return Progress::More;
        }
        if self.agenda.is_empty() { Progress::Idle } else { self.agenda_progress() }
    }

    /// Whether an exit has closed every socket.
    fn is_over(&self) -> bool {
        self.agenda.exit.is_some() && self.sockets.table.used() == 0
    }

    fn agenda_progress(&self) -> Progress {
        if self.agenda.has_work() || self.has_exit_work() {
            return Progress::More;
        }
        if !self.is_over() {
            return Progress::Idle;
        }
        let stats = &self.desk.stats;
        assert_eq!(stats.opened, stats.closed, "a socket is not accounted for");
        let charged_bytes = self.directory.total_charged_bytes();
        let is_alone = self.directory.shards() == 1;
        let is_accounted = self.desk.is_forcing || !is_alone || charged_bytes == 0;
        assert!(is_accounted, "{charged_bytes} B outlive all sockets");
        Progress::Exit
    }

    /// Serves the next socket that has output work; answers whether there was one.
    #[inline]
    fn serve_next_output<B: Backend>(&mut self, backend: &mut B) -> bool {
        let Self { directory, sockets, desk, .. } = self;
        let Some(index) = sockets.ready.side(Side::Output).pop(&mut sockets.table, Side::Output)
        else {
            return false;
        };
        let place = sockets.table.place_mut(index).expect("a ready socket has a place");
        let mut seat = Seat::new(place, directory, desk, &mut sockets.ready);
        let id = seat.socket.id();
        match seat.focus().serve_output(backend) {
            Served::Settle(Change::ALL) => self.conclude(id),
            Served::Settle(change) => {
                let step = seat.settle(change);
                debug_assert_eq!(step, None, "{id}: output changed its input");
            }
            Served::Finish => self.finish_close(id),
        }
        true
    }

    /// Serves the next socket that has input work; answers whether there was one.
    #[inline]
    fn serve_next_input<B: Backend>(&mut self, backend: &mut B) -> bool {
        let Self { directory, sockets, desk, .. } = self;
        let Some(index) = sockets.ready.side(Side::Input).pop(&mut sockets.table, Side::Input)
        else {
            return false;
        };
        let place = sockets.table.place_mut(index).expect("a ready socket has a place");
        let mut seat = Seat::new(place, directory, desk, &mut sockets.ready);
        let id = seat.socket.id();
        let change = match seat.focus().typed() {
            Typed::Stream(mut focus) => focus.serve_input(backend),
            Typed::Listener(mut focus) => focus.serve_accept(backend),
            Typed::Datagram(mut focus) => focus.serve_input(backend),
        };
        if change == Change::ALL {
            self.conclude(id);
        } else if let Some(step) = seat.settle(change) {
            self.move_waiting(id, step);
        }
        true
    }
}

impl Focus<'_, AnyPart> {
    #[inline]
    fn serve_output<B: Backend>(&mut self, backend: &mut B) -> Served {
        match self.part {
            AnyPart::Stream(stream) if stream.writes() && self.head.rare.deferred.is_empty() => {
                Served::Settle(self.stream().serve_output(backend))
            }
            _ => self.serve_seldom_output(backend),
        }
    }

    fn serve_seldom_output<B: Backend>(&mut self, backend: &mut B) -> Served {
        match self.part.state() {
            SocketState::Opening => self.serve_opening(backend),
            SocketState::Connecting => self.stream().serve_dial(backend),
            SocketState::Closing if self.serve_closing(backend) => return Served::Finish,
            SocketState::Closing => {}
            _ => {
                self.serve_deferred(backend);
                match self.typed() {
                    Typed::Stream(mut focus) => {
                        focus.serve_output(backend);
                    }
                    Typed::Datagram(mut focus) => focus.serve_output(backend),
                    Typed::Listener(_) => {}
                }
            }
        }
        Served::Settle(Change::ALL)
    }
}
