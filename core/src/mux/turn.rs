//! The work of one turn.

use super::Mux;
use super::focus::{Focus, Typed};
use super::output::Progress;
use super::seat::Seat;
use super::settle::Change;
use super::sockets::AnyPart;
use super::sockets::kind::Kind;
use super::sockets::ready::Side;
use crate::{Backend, Instant, SocketId, SocketState};

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

    /// Returns `true` if an exit has closed every socket.
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

    /// Takes the next socket out of a queue.
    #[inline(always)]
    fn next_seat(&mut self, side: Side) -> Option<Seat<'_>> {
        let Self { directory, sockets, desk, .. } = self;
        let index = sockets.ready.side(side).pop(&mut sockets.table, side)?;
        let place = sockets.table.place_mut(index).expect("a ready socket has a place");
        Some(Seat::new(place, directory, desk, &mut sockets.ready))
    }

    /// Serves the next socket that has output work; answers whether there was one.
    #[inline(always)]
    fn serve_next_output<B: Backend>(&mut self, backend: &mut B) -> bool {
        let Some(mut seat) = self.next_seat(Side::Output) else { return false };
        let id = seat.socket.id();
        let Some(mut focus) = seat.focus().into_writing_stream() else {
            self.serve_seldom_output(id, backend);
            return true;
        };
        let change = focus.serve_output(backend);
        if change != Change::NONE {
            self.conclude_change(id, change);
        }
        true
    }

    /// Serves output work of a socket that is being opened, connected or closed, that has something
    /// to ask besides writing, or that is no stream.
    #[inline(never)]
    fn serve_seldom_output<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let mut focus = self.focus(id).expect("a ready socket is alive");
        match focus.part.state() {
            SocketState::Opening => focus.serve_opening(backend),
            SocketState::Connecting => focus.stream().serve_dial(backend),
            SocketState::Closing if focus.serve_closing(backend) => return self.finish_close(id),
            SocketState::Closing => {}
            _ => focus.serve_open_output(backend),
        }
        self.conclude(id);
    }

    /// Serves the next socket that has input work; answers whether there was one.
    #[inline(always)]
    fn serve_next_input<B: Backend>(&mut self, backend: &mut B) -> bool {
        let Some(mut seat) = self.next_seat(Side::Input) else { return false };
        let id = seat.socket.id();
        let Some(mut focus) = seat.focus().into_stream() else {
            self.serve_seldom_input(id, backend);
            return true;
        };
        let change = focus.serve_input(backend);
        let is_armed = focus.has_no_deadline() || focus.is_armed_for_silence();
        if change != Change::TIMER || !is_armed {
            self.conclude_change(id, change);
        }
        true
    }

    /// Serves a listener, or a datagram socket.
    #[inline(never)]
    fn serve_seldom_input<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        match self.focus(id).expect("a ready socket is alive").typed() {
            Typed::Listener(mut focus) => focus.serve_accept(backend),
            Typed::Datagram(mut focus) => focus.serve_input(backend),
            Typed::Stream(_) => unreachable!("{id} is a stream"),
        }
        self.conclude(id);
    }
}

impl Focus<'_, AnyPart> {
    fn serve_open_output<B: Backend>(&mut self, backend: &mut B) {
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
