//! The work of one turn.

use super::deferred::Deferred;
use super::slot::{Kind, Opening};
use super::table::Chain;
use super::{Mux, Progress};
use crate::shard::TwinReport;
use crate::{
    Backend, Fault, FaultKind, Instant, Message, Operation, SocketId, SocketOption, SocketState,
};

impl Mux {
    /// Does a bounded amount of work, and all of the I/O: fires timers, moves ending services on,
    /// serves some sockets that have output work and some that have input work.
    /// (`skynet_socket_poll`: its 0 is `Exit`, 1 is `Idle`, -1 is `More`)
    ///
    /// # Panics
    /// If `now` lies before the time of an earlier call, or the backend breaks its contract.
    pub fn turn<B: Backend>(&mut self, backend: &mut B, now: Instant) -> Progress {
        self.advance_clock(now);
        self.may_repeat = backend.may_repeat();
        self.fire_timers();
        self.work_services();
        self.work_exit();
        let sockets_per_turn = self.config().sockets_per_turn;
        for _ in 0..sockets_per_turn {
            let Some(id) = self.table.pop_front(&mut self.ready_output, Chain::Output) else {
                break;
            };
            self.serve_output(id, backend);
            self.settle(id);
        }
        for _ in 0..sockets_per_turn {
            let Some(id) = self.table.pop_front(&mut self.ready_input, Chain::Input) else {
                break;
            };
            self.serve_input(id, backend);
            self.settle(id);
        }
        self.gather_info();
        let next = self.next_deadline();
        let progress = self.progress(next);
        let is_idle = progress == Progress::Idle;
        assert!(!is_idle || next.is_none_or(|next| next > now), "idle, and a deadline has passed");
        let is_over = progress == Progress::Exit;
        if is_over {
            self.disarm_services();
        }
        assert!(!is_over || next.is_none(), "the runtime has stopped, and something is due");
        progress
    }

    fn progress(&self, next: Option<Instant>) -> Progress {
        let is_stopped = self.directory.is_stopped();
        assert!(self.exit.is_none() || is_stopped, "the runtime stops and opens sockets");
        // While it stops, timers of services are left when nothing else is due any more.
        let may_be_due = self.exit.is_some() || next.is_some_and(|next| next <= self.now);
        let has_due_timer = may_be_due && self.has_due_timer();
        if !self.ready_output.is_empty()
            || !self.ready_input.is_empty()
            || has_due_timer
            || !self.resuming.is_empty()
            || !self.ending.is_empty()
            || self.has_exit_work()
            || !self.info_jobs.is_empty()
        {
            Progress::More
        } else if self.exit.is_some() && self.table.used() == 0 {
            assert_eq!(self.stats.opened, self.stats.closed, "a socket is not accounted for");
            let is_forced = self.is_forcing();
            let charged_bytes = self.directory.total_charged_bytes();
            let is_alone = self.directory.shards() == 1;
            let is_accounted = is_forced || !is_alone || charged_bytes == 0;
            assert!(is_accounted, "{charged_bytes} B outlive all sockets");
            Progress::Exit
        } else {
            Progress::Idle
        }
    }

    fn serve_output<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        match self.table.slot(id).state {
            SocketState::Opening => self.serve_opening(id, backend),
            SocketState::Connecting => self.serve_dial(id, backend),
            SocketState::Closing => self.serve_closing(id, backend),
            SocketState::Listening => self.serve_deferred(id, backend),
            SocketState::Accepted
            | SocketState::Open
            | SocketState::EofSeen
            | SocketState::Flushing
            | SocketState::Draining
            | SocketState::Datagram => {
                self.serve_deferred(id, backend);
                match self.table.slot(id).kind {
                    Kind::Stream => self.serve_stream_output(id, backend),
                    Kind::Datagram => self.serve_datagram_output(id, backend),
                    Kind::Listener => unreachable!("a listener is Listening"),
                }
            }
        }
    }

    fn serve_input<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let slot = self.table.slot(id);
        assert!(!slot.waits_for_mailbox, "{id} waits for a mailbox and is served");
        let must_wait = slot.needs_mailbox() && self.services.is_held_back(slot.owner);
        if !slot.has_input_work() || must_wait {
            return;
        }
        match slot.kind {
            Kind::Stream => self.serve_stream_input(id, backend),
            Kind::Listener => self.serve_accept(id, backend),
            Kind::Datagram => self.serve_datagram_input(id, backend),
        }
    }

    fn serve_opening<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let slot = self.table.slot_mut(id);
        assert!(!slot.is_open, "{id} is opened twice");
        assert!(slot.rare.local.is_none(), "{id} is somewhere before it is open");
        backend.regard(id, slot.situation());
        let opening = slot.rare.opening.take();
        match *opening.expect("an opening socket knows what it opens") {
            Opening::Listen { at, options } => {
                self.serve_listen(id, &at, &options, backend);
            }
            Opening::Twin { descriptor, options } => {
                let result = backend.listen_shared(id, descriptor, &options);
                self.twin_opened(id, result);
            }
            Opening::Udp { options } => {
                self.table.slot_mut(id).rare.peer.clone_from(&options.peer);
                let result = backend.open_datagram(id, &options);
                self.opened(id, SocketState::Datagram, Operation::Bind, result);
            }
            Opening::Adopt { descriptor } => match backend.adopt(id, descriptor) {
                Ok(connected) => self.connected(id, connected),
                Err(fault) => self.fail(id, fault, Operation::Adopt),
            },
        }
    }

    pub(super) fn opened(
        &mut self,
        id: SocketId,
        state: SocketState,
        operation: Operation,
        result: Result<crate::Endpoint, Fault>,
    ) {
        let local = match result {
            Ok(local) => local,
            Err(fault) => return self.fail(id, fault, operation),
        };
        let now = self.now;
        let slot = self.table.slot_mut(id);
        assert_ne!(slot.kind, Kind::Stream, "{id}: a stream has a far end");
        assert_eq!(slot.kind == Kind::Listener, state == SocketState::Listening, "{id} opened");
        slot.is_open = true;
        slot.rare.local = Some(local.clone());
        slot.enter(state, now);
        self.tell_owner(id, Message::Listening { socket: id, local });
        self.pay_owed_pause(id);
        let slot = self.table.slot_mut(id);
        if slot.is_shutdown_wanted {
            assert_eq!(slot.kind, Kind::Datagram, "{id}: a listener closes at once");
            slot.enter(SocketState::Flushing, now);
        }
    }

    /// `pause` came before the socket was open: now it is answered.
    pub(super) fn pay_owed_pause(&mut self, id: SocketId) {
        let slot = self.table.slot_mut(id);
        assert!(slot.is_open, "{id} answers a pause before it is open");
        if std::mem::take(&mut slot.is_pause_owed) {
            assert!(!slot.is_reading, "{id} was started meanwhile, and says that it is paused");
            self.tell_owner(id, Message::Paused { socket: id });
        }
    }

    /// Does what waited for a backend: options, a datagram socket's peer. Mostly nothing.
    #[inline]
    fn serve_deferred<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let slot = self.table.slot(id);
        debug_assert!(slot.is_open, "{id}: its output is served");
        debug_assert_ne!(slot.state, SocketState::Closing, "{id} ends and is asked for more");
        if !slot.rare.deferred.is_empty() {
            self.serve_all_deferred(id, backend);
        }
    }

    fn serve_all_deferred<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        assert!(self.table.slot(id).is_open, "{id}: what is to have the option?");
        while let Some(deferred) = self.table.slot_mut(id).rare.deferred.pop_front() {
            backend.regard(id, self.table.slot(id).situation());
            let (result, operation) = match deferred {
                // The Mux's own, which a socket of this kind does not have.
                Deferred::Option(SocketOption::Timeout(..)) => {
                    (Err(FaultKind::Unsupported.into()), Operation::SetOption)
                }
                Deferred::Option(option) => {
                    self.set_option_of_twins(id, &option);
                    (backend.set_option(id, &option), Operation::SetOption)
                }
                // Told only now: nothing but `Warning` comes before a socket is said to be open.
                Deferred::Peer(_) if self.table.slot(id).kind != Kind::Datagram => {
                    (Err(FaultKind::InvalidInput.into()), Operation::ConnectDatagram)
                }
                Deferred::Peer(peer) => {
                    let result = backend.connect_datagram(id, &peer);
                    if result.is_ok() {
                        self.table.slot_mut(id).rare.peer = Some(peer);
                    }
                    (result, Operation::ConnectDatagram)
                }
            };
            if let Err(fault) = result {
                self.tell_passing_error(id, fault, operation);
            }
        }
    }

    pub(super) fn tell_passing_error(&mut self, id: SocketId, fault: Fault, operation: Operation) {
        if self.table.slot(id).is_twin() {
            // Of an option every part says the same, and the listener says it.
            if operation == Operation::Accept {
                self.report_as_twin(id, TwinReport::AcceptFailed(fault));
            }
            return;
        }
        assert!(self.table.slot(id).is_told, "{id} fails and nobody knows of it");
        self.tell_owner(id, Message::Error { socket: id, fault, operation, fatal: false });
    }

    /// An event said that the socket failed, and nothing will be read: asks for the error.
    pub(super) fn serve_noticed_failure<B: Backend>(&mut self, id: SocketId, backend: &mut B) {
        let slot = self.table.slot_mut(id);
        if !slot.asks_for_error() {
            return;
        }
        slot.is_failure_noticed = false;
        assert_eq!(slot.kind, Kind::Stream, "{id}: one datagram breaks nothing");
        assert!(slot.is_open, "{id} failed before it was open");
        assert_ne!(slot.state, SocketState::Closing, "{id} ends and asks for an error");
        backend.regard(id, slot.situation());
        if let Err(fault) = backend.take_error(id) {
            self.fail(id, fault, Operation::Read);
        }
    }
}
