//! Errands: what the transition of one socket wants of another.
//!
//! Most are about addresses that race (RFC 8305, *Happy Eyeballs*). A name with several addresses is
//! dialled at one after the other, each beginning a *connection attempt delay* after the last or
//! when that has failed, and the first to connect wins. One goes under the id that the owner knows;
//! the others, *racers*, have sockets and ids of their own that nobody is told of. A racer that wins
//! is renamed.

use super::Mux;
use super::desk::errand::{Birth, Errand, RacerStart};
use super::focus::Focus;
use super::sockets::dial::Dial;
use super::sockets::head::{CloseStep, Closing, Role};
use super::sockets::stream::{Phase, Stream};
use super::sockets::{AnyPart, Socket};
use crate::gate::GateKind;
use crate::{CloseHow, CloseReason, ServiceId, SocketId};

impl Mux {
    /// Does what transitions wanted of other sockets, and what that wants of others again.
    #[cold]
    pub(super) fn run_errands(&mut self) {
        for errand in std::mem::take(&mut self.desk.errands) {
            self.run_errand(errand);
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        match errand {
            Errand::OpenAccepted { child, birth, owner, auto_start } => {
                self.open_accepted(child, *birth, owner, auto_start);
            }
            Errand::RefuseAccepted { child, birth } => self.refuse_accepted(child, *birth),
            Errand::BeginRacer { racer, told, start } => self.begin_racer(racer, told, *start),
            Errand::RacerConnected { racer, told, connected } => {
                self.with_dial(told, |focus| focus.racer_connected(racer, connected));
            }
            Errand::RacerFailed { racer, told, fault } => {
                self.with_dial(told, |focus| focus.racer_failed(racer, fault));
            }
            Errand::AbandonRacer { racer } => self.abandon_racer(racer),
            Errand::ForgetRacer { racer } => self.forget_racer(racer),
        }
    }

    fn with_dial(&mut self, told: SocketId, transition: impl FnOnce(&mut Focus<'_, Stream>)) {
        self.with_living(told, |focus| transition(&mut focus.stream()));
    }

    fn begin_racer(&mut self, racer: SocketId, told: SocketId, start: RacerStart) {
        let RacerStart { address, options, deadline } = start;
        self.directory.open_reserved(racer, GateKind::Stream);
        // Nobody knows the id; whoever guesses it sends nothing.
        self.directory.gate(racer).expect("a taken id has a gate").close_output(racer);
        let dial = Dial { races_for: Some(told), ..Dial::new(address, options, deadline) };
        let stream = Stream::new(Phase::Dialling(Box::new(dial)));
        let mut head = self.desk.new_head(racer, &stream);
        head.role = Role::Helper;
        self.desk.stats.attempts_beside += 1;
        self.add_socket(Socket { head, part: AnyPart::Stream(stream) });
        self.settle(racer);
    }

    /// Closes a racer that nobody needs any more.
    fn abandon_racer(&mut self, racer: SocketId) {
        self.with_living(racer, |focus| {
            assert!(focus.head.is_helper(), "{racer} is no racer");
            focus.head.add_cause(CloseReason::Closed);
            focus.begin_close();
        });
    }

    /// The backend knows the racer by another id.
    fn forget_racer(&mut self, racer: SocketId) {
        self.leave_queues(racer);
        let socket = self.sockets.table.remove(racer);
        assert!(socket.head.is_helper(), "{racer} is no racer");
        self.directory.free_socket(racer);
        self.wake_stalled_listeners();
    }

    /// Makes a socket of a connection that was accepted.
    fn open_accepted(&mut self, child: SocketId, birth: Birth, owner: ServiceId, auto_start: bool) {
        self.add_accepted(child, birth, Role::Told, Phase::Accepted);
        self.change_owner(child, owner);
        let mut focus = self.focus(child).expect("it was just opened");
        let mut focus = focus.stream();
        if auto_start && matches!(focus.part.phase, Phase::Accepted) {
            focus.enter(Phase::Open);
            focus.head.is_reading = true;
        }
        self.settle(child);
    }

    /// Resets a connection that arrived too late.
    fn refuse_accepted(&mut self, child: SocketId, birth: Birth) {
        let step = CloseStep::Asked(CloseHow::Reset);
        let phase = Phase::Closing(Closing { step, fatal: None });
        self.add_accepted(child, birth, Role::Refused, phase);
        self.directory.gate(child).expect("a taken id has a gate").close_output(child);
        self.settle(child);
    }

    fn add_accepted(&mut self, child: SocketId, birth: Birth, role: Role, phase: Phase) {
        let Birth { accepted, timeouts } = birth;
        self.directory.open_reserved(child, GateKind::Stream);
        let stream = Stream::new(phase);
        let mut head = self.desk.new_head(child, &stream);
        head.role = role;
        head.cause = (role == Role::Refused).then_some(CloseReason::Closed);
        head.timeouts = timeouts;
        head.rare.local = Some(accepted.local);
        head.rare.peer = Some(accepted.peer);
        self.add_socket(Socket { head, part: AnyPart::Stream(stream) });
    }
}
