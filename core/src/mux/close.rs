//! The end of a socket.

use super::Mux;
use super::desk::errand::{Birth, Errand};
use super::focus::{Focus, Typed};
use super::sockets::AnyPart;
use super::sockets::datagram::{self, DatagramSocket};
use super::sockets::head::{CloseStep, Closing};
use super::sockets::kind::{Kind, Phased};
use super::sockets::listener::{self, Listener};
use super::sockets::stream::{self, Stream};
use crate::shard::TwinReport;
use crate::{
    Answer, Backend, Bytes, CloseHow, CloseReason, Fault, Message, Operation, SocketId, SocketKind,
    SocketState,
};

/// A part that can end.
pub(crate) trait Closes: Phased + Sized {
    fn closing_phase(closing: Closing) -> Self::Phase;

    /// Lets go of what the phase holds, before it is left.
    fn leave(focus: &mut Focus<'_, Self>);
}

impl Closes for Stream {
    fn closing_phase(closing: Closing) -> stream::Phase {
        stream::Phase::Closing(closing)
    }

    fn leave(focus: &mut Focus<'_, Self>) {
        // The connect is over, one way or the other: nobody races for it any more.
        if let stream::Phase::Dialling(dial) = &mut focus.part.phase {
            let racers = dial.racers.drain(..);
            focus.desk.errands.extend(racers.map(|racer| Errand::AbandonRacer { racer }));
        }
        focus.part.is_failure_noticed = false;
        focus.part.drop_held(true);
    }
}

impl Closes for Listener {
    fn closing_phase(closing: Closing) -> listener::Phase {
        listener::Phase::Closing(closing)
    }

    fn leave(focus: &mut Focus<'_, Self>) {
        focus.close_twins();
        if let Some(Ok(accepted)) = focus.part.held.take() {
            focus.refuse_accepted(accepted);
        }
    }
}

impl Closes for DatagramSocket {
    fn closing_phase(closing: Closing) -> datagram::Phase {
        datagram::Phase::Closing(closing)
    }

    fn leave(focus: &mut Focus<'_, Self>) {
        focus.part.held = None;
    }
}

impl<P: Closes> Focus<'_, P> {
    /// Begins to close the socket: nothing more is read or sent, the backend is asked to let go,
    /// and `Close` follows when it has and when no announced send is on its way. The cause must
    /// have been named.
    pub(crate) fn begin_close(&mut self) {
        self.close_with(None);
    }

    fn close_with(&mut self, fatal: Option<(Fault, Operation)>) {
        let id = self.id();
        let was_alive = self.gate().close_output(id);
        assert!(was_alive, "{id} is in the table and not alive");
        assert!(self.head.cause.is_some(), "{id} ends without a cause");
        if self.part.is_closing() {
            return;
        }
        let step = self.first_close_step();
        P::leave(self);
        let fatal = fatal.map(Box::new);
        self.enter(P::closing_phase(Closing { step, fatal }));
        self.head.rare.deferred.clear();
        // Nobody is told of room in a socket that ends.
        self.desk.waiters.forget_socket(id);
    }

    fn first_close_step(&self) -> CloseStep {
        // What is on its way is waited for, and may be lost, too.
        let is_lossy = self.part.has_output() && self.part.kind() == SocketKind::Stream;
        let how = if is_lossy { CloseHow::Reset } else { CloseHow::Plain };
        match self.part.is_open() {
            // An attempt to connect that was given up is being closed already.
            true if self.part.is_being_closed() => CloseStep::Waiting,
            true => CloseStep::Asked(how),
            false => CloseStep::Done,
        }
    }

    /// Begins to close the socket because a call failed. `Error` is told right before `Close`, so
    /// that data which still arrives comes before both.
    pub(crate) fn fail(&mut self, fault: Fault, operation: Operation) {
        if self.part.is_closing() {
            return;
        }
        let (id, state) = (self.id(), self.part.state());
        let is_draining = state == SocketState::Draining && !self.head.is_finishing;
        let is_opening = matches!(state, SocketState::Opening | SocketState::Connecting);
        assert!(operation.can_be_fatal(), "{id} dies of {operation:?}");
        let is_use =
            matches!(operation, Operation::Read | Operation::Write | Operation::ShutdownWrite);
        assert_eq!(is_opening, !is_use, "{id} is {state:?} and fails to {operation:?}");
        // A read that completes late is the owner's only if the owner was still reading.
        self.head.is_reading &= !self.part.discards_input(self.head);
        self.head.fail_cause(if is_opening {
            CloseReason::ConnectFailed(fault)
        } else {
            CloseReason::Fault(fault)
        });
        self.close_with((!is_draining).then_some((fault, operation)));
    }

    /// Asks the backend to let go; answers whether everything has, so that `Close` can be told.
    pub(crate) fn serve_closing<B: Backend>(&mut self, backend: &mut B) -> bool {
        let has_sends_on_the_way = self.has_sends_on_the_way();
        let step = self.part.closing().expect("only a closing socket is closed").step;
        if let CloseStep::Asked(how) = step
            && !has_sends_on_the_way
        {
            // Since the end began a write may have taken the rest, and sends may have come too
            // late; at the exit's deadline they are not waited for.
            let is_lossy = self.part.has_output()
                || self.head.rare.unsent_bytes > 0
                || self.gate().announced_bytes(self.part.charge_bytes()) > 0;
            let how = match self.part.kind() {
                SocketKind::Stream if is_lossy => CloseHow::Reset,
                _ if self.head.is_told() => CloseHow::Plain,
                _ => how,
            };
            backend.regard(self.id(), self.situation());
            let step = match backend.close(self.id(), how) {
                Answer::Ready(()) => CloseStep::Done,
                Answer::Later => CloseStep::Waiting,
            };
            self.set_close_step(step);
        }
        let is_done = self.part.closing().is_some_and(|closing| closing.step == CloseStep::Done);
        is_done && !has_sends_on_the_way && !self.part.holds_close()
    }

    pub(crate) fn set_close_step(&mut self, step: CloseStep) {
        self.part.closing_mut().expect("only a closing socket is closed").step = step;
    }

    /// Tells `Error`, if it died of one, and `Close`; answers what was not sent.
    fn tell_close(&mut self) -> Farewell {
        let id = self.id();
        assert!(!self.gate().is_open(id), "{id} admits sends to the end");
        let charge = self.part.charge_bytes();
        // Only at the exit's deadline is a send not waited for: its service is still in a call.
        let is_abandoned = self.gate().has_announced();
        let is_exact = is_abandoned || charge == self.gate().charged_bytes();
        assert!(is_exact, "{id} holds {charge} B of {} charged", self.gate().charged_bytes());
        let late = self.gate().announced_bytes(charge);
        let unsent = self.head.rare.unsent_bytes + (self.part.clear_output() + late) as u64;
        let reason = self.head.cause.expect("a closing socket has a cause");
        self.head.check_reason(self.part, reason);
        let by_exit = reason == CloseReason::Exit;
        assert!(!by_exit || self.desk.is_exiting, "{id} ends with a runtime that goes on");
        let closing = self.part.closing_mut().expect("only a closing socket is closed");
        let fatal = closing.fatal.take().map(|fatal| *fatal);
        self.release_charge(charge);
        if self.head.is_told() {
            if let Some((fault, operation)) = fatal {
                let error = Message::Error { socket: id, fault, operation, fatal: true };
                self.tell_owner(error);
            }
            self.tell_owner(Message::Close { socket: id, reason, unsent });
        }
        Farewell { unsent, reason, fault: fatal.map(|(fault, _)| fault), is_abandoned }
    }
}

/// The outcome of a socket's end.
struct Farewell {
    unsent: u64,
    reason: CloseReason,
    /// The fault that it died of.
    fault: Option<Fault>,
    /// A send of a service that is not waited for may still come.
    is_abandoned: bool,
}

impl Focus<'_, AnyPart> {
    pub(crate) fn begin_close(&mut self) {
        match self.typed() {
            Typed::Stream(mut focus) => focus.begin_close(),
            Typed::Listener(mut focus) => focus.begin_close(),
            Typed::Datagram(mut focus) => focus.begin_close(),
        }
    }

    pub(crate) fn serve_closing<B: Backend>(&mut self, backend: &mut B) -> bool {
        match self.typed() {
            Typed::Stream(mut focus) => focus.serve_closing(backend),
            Typed::Listener(mut focus) => focus.serve_closing(backend),
            Typed::Datagram(mut focus) => focus.serve_closing(backend),
        }
    }

    fn tell_close(&mut self) -> Farewell {
        match self.typed() {
            Typed::Stream(mut focus) => focus.tell_close(),
            Typed::Listener(mut focus) => focus.tell_close(),
            Typed::Datagram(mut focus) => focus.tell_close(),
        }
    }

    /// The backend has let go.
    pub(crate) fn close_completed(&mut self) {
        match self.typed() {
            Typed::Stream(mut focus) => focus.stream_close_completed(),
            Typed::Listener(mut focus) => focus.set_close_step(CloseStep::Done),
            Typed::Datagram(mut focus) => focus.set_close_step(CloseStep::Done),
        }
    }
}

impl Stream {
    /// Drops completed input that was not wanted yet.
    pub(crate) fn drop_held(&mut self, is_closing: bool) {
        match self.held.take().map(|held| *held) {
            Some(Ok(bytes)) => self.is_eof |= bytes.is_empty(),
            Some(Err(fault)) if !is_closing => self.held = Some(Box::new(Err::<Bytes, _>(fault))),
            Some(Err(_)) | None => {}
        }
    }
}

impl Focus<'_, Stream> {
    fn stream_close_completed(&mut self) {
        if self.part.is_being_closed() {
            return self.attempt_ended(crate::FaultKind::Cancelled.into());
        }
        let id = self.id();
        let closing = self.part.closing().expect("only what was asked to close is closed");
        assert_eq!(closing.step, CloseStep::Waiting, "{id} closed without being asked");
        self.check_nothing_pending();
        self.part.outbox.withdraw_offer();
        self.set_close_step(CloseStep::Done);
    }

    fn check_nothing_pending(&self) {
        use super::sockets::head::{Latch, Style};
        let is_over = self.head.input == Latch::Ready && self.head.output == Latch::Ready;
        let is_owed = self.head.style == Some(Style::Completion) && !is_over;
        assert!(!is_owed, "{} closed before the completion of what was pending", self.id());
    }
}

impl Focus<'_, Listener> {
    /// A connection arrived for a listener that is closing: nobody was told of it, and nobody will
    /// be.
    pub(crate) fn refuse_accepted(&mut self, accepted: crate::Accepted) {
        let child = self.part.reserved.take().expect("accept was offered an id");
        let birth = Box::new(Birth { accepted, timeouts: self.part.timeouts.clone() });
        self.desk.errands.push(Errand::RefuseAccepted { child, birth });
    }
}

impl Mux {
    /// A closing socket is let go of by everybody: tells `Close`, and gives the id back.
    pub(super) fn finish_close(&mut self, id: SocketId) {
        self.leave_queues(id);
        let mut focus = self.focus(id).expect("a socket ends once");
        let farewell = focus.tell_close();
        let (mut reserved, mut twin_of) = (None, None);
        if let AnyPart::Listener(listener) = focus.part {
            (reserved, twin_of) = (listener.reserved.take(), listener.twin_of);
        }
        let is_helper = focus.head.is_helper();
        if !is_helper {
            self.report_close(id, farewell.unsent);
        }
        self.disown(id);
        let socket = self.sockets.table.remove(id);
        if !is_helper {
            self.desk.stats.count_state(Some(socket.head.counted_state), None);
            self.desk.stats.count_close(farewell.reason);
        }
        if !farewell.is_abandoned {
            self.directory.free_socket(id);
        }
        if let Some(listener) = twin_of {
            self.desk.report_of_twin(listener, id, TwinReport::Closed(farewell.fault));
        }
        if let Some(reserved) = reserved {
            self.directory.free_reserved(reserved);
        }
        self.wake_stalled_listeners();
    }

    fn report_close(&mut self, id: SocketId, unsent: u64) {
        if let Some(exit) = &self.agenda.exit {
            self.exit_report.add(id, unsent, exit.is_forcing);
        }
    }
}
