//! Transitions of a listener.

use super::Mux;
use super::desk::errand::{Birth, Errand};
use super::focus::{Focus, Typed};
use super::sockets::head::Latch;
use super::sockets::kind::Kind;
use super::sockets::listener::Listener;
use crate::shard::TwinReport;
use crate::{Accepted, Answer, Backend, Fault, FaultKind, Message, Operation, SocketId};

impl Focus<'_, Listener> {
    /// Accepts, a bounded number of times.
    pub(crate) fn serve_accept<B: Backend>(&mut self, backend: &mut B) {
        for _ in 0..self.config().accepts_per_turn {
            if !self.can_serve_input() {
                return;
            }
            // A backend of readiness is not asked: what it accepted would have events at once. A
            // completed accept is there already, and waits here.
            if backend.may_repeat() && self.must_wait() {
                return;
            }
            let Some(reserved) = self.reserve() else { return };
            backend.regard(self.id(), self.situation());
            let result = match self.part.held.take() {
                Some(held) => held,
                None => match backend.accept(self.id(), reserved) {
                    Answer::Ready(result) => result,
                    Answer::Later => return self.accept_later(backend.may_repeat()),
                },
            };
            match result {
                Ok(accepted) if self.must_wait() => {
                    self.part.held = Some(Ok(accepted));
                    return;
                }
                Ok(accepted) => {
                    let is_news = self.count_pace();
                    self.accepted(accepted);
                    if is_news {
                        // Behind the connection, which the mailbox had room for.
                        self.tell_passing_error(FaultKind::RateLimited.into(), Operation::Accept);
                    }
                }
                Err(fault) => self.accept_failed(fault),
            }
        }
    }

    fn accept_later(&mut self, may_repeat: bool) {
        self.head.input = Latch::Pending;
        if std::mem::take(&mut self.part.is_recovering) {
            // Everybody who waited is in: the next failure is a new one.
            self.part.failures = 0;
            self.part.is_reported = false;
        }
        if may_repeat {
            // The one that waited is in, and nobody else did.
            self.part.has_waited = false;
            self.part.is_pace_reported = false;
        }
    }

    /// Returns `true` if the listener's rate lets it accept nobody yet; then it waits from now on.
    fn must_wait(&mut self) -> bool {
        let now = self.desk.now;
        let listener = &mut *self.part;
        listener.paced_until = listener.pace.and_then(|pace| pace.wait(now));
        listener.has_waited |= listener.paced_until.is_some();
        listener.paced_until.is_some()
    }

    /// Counts one that is accepted in its time; answers whether the owner is to be told. It is told
    /// once of a stretch of connections that had to wait, which ends with one that did not.
    fn count_pace(&mut self) -> bool {
        let now = self.desk.now;
        let Some(pace) = &mut self.part.pace else { return false };
        pace.took(now);
        let has_waited = std::mem::take(&mut self.part.has_waited);
        let was_reported = std::mem::replace(&mut self.part.is_pace_reported, has_waited);
        self.desk.stats.accepts_paced += u64::from(has_waited);
        has_waited && !was_reported
    }

    /// The id for the next connection: the one that was reserved before, or a new one. A full
    /// table leaves the client in the backlog.
    fn reserve(&mut self) -> Option<SocketId> {
        let id = self.id();
        if self.part.reserved.is_none() {
            assert!(self.part.held.is_none(), "{id} accepted without an id");
            self.part.reserved = self.desk.directory.reserve_socket(self.desk.shard);
            if self.part.reserved.is_none() {
                self.part.is_stalled = true;
                self.desk.stalled_listeners.push_back(id);
                self.desk.stats.listeners_stalled += 1;
                self.report_accept_failure(FaultKind::LimitReached.into());
            }
        }
        self.part.reserved
    }

    fn accepted(&mut self, accepted: Accepted) {
        let id = self.id();
        let child = self.part.reserved.take().expect("accept was offered an id");
        let owner = self.head.owner.expect("a listener without owner is closing");
        self.part.accepted += 1;
        self.part.is_recovering = true;
        let (peer, local) = (accepted.peer.clone(), accepted.local.clone());
        // The message about the child's birth goes first: whatever follows is about the child.
        let socket = self.part.twin_of.unwrap_or(id);
        let message = Message::Accept { socket, accepted: child, peer, local };
        if self.part.is_twin() {
            self.desk.tell(Some(owner), message);
        } else {
            self.tell_owner(message);
        }
        let birth = Box::new(Birth { accepted, timeouts: self.part.timeouts.clone() });
        let auto_start = self.part.auto_start;
        self.desk.errands.push(Errand::OpenAccepted { child, birth, owner, auto_start });
    }

    fn accept_failed(&mut self, fault: Fault) {
        if fault.kind == FaultKind::ConnectionAborted {
            // That client has gone meanwhile; the next one may be there already.
            self.desk.stats.accepts_aborted += 1;
            return;
        }
        self.desk.stats.accepts_failed += 1;
        let (retry_min, retry_max) =
            (self.config().accept_retry_min, self.config().accept_retry_max);
        let factor = 1_u32 << self.part.failures.min(16);
        self.part.failures += 1;
        let pause = retry_min.saturating_mul(factor).min(retry_max);
        // With edge-triggered readiness no second edge comes for the clients that wait already.
        self.part.retry_at = Some(self.desk.now + pause);
        self.report_accept_failure(fault);
    }

    /// Tells the owner once for each stretch of failures.
    fn report_accept_failure(&mut self, fault: Fault) {
        self.part.is_recovering = false;
        if !std::mem::replace(&mut self.part.is_reported, true) {
            self.tell_passing_error(fault, Operation::Accept);
        }
    }

    pub(crate) fn tell_passing_error(&mut self, fault: Fault, operation: Operation) {
        if !self.part.is_twin() {
            return self.tell_error(fault, operation);
        }
        // Of an option every part says the same, and the listener says it.
        if operation == Operation::Accept {
            self.report_as_twin(TwinReport::AcceptFailed(fault));
        }
    }

    /// A completed accept.
    pub(crate) fn accept_completed(&mut self, child: SocketId, result: Result<Accepted, Fault>) {
        let id = self.id();
        self.complete_input();
        assert!(self.part.held.is_none(), "{id} completed two accepts");
        assert_eq!(self.part.reserved, Some(child), "{id} accepted under another id");
        match result {
            Ok(accepted) if self.part.is_closing() => self.refuse_accepted(accepted),
            Err(_cancelled) if self.part.is_closing() => {}
            result => self.part.held = Some(result),
        }
    }
}

impl Mux {
    /// An id was given back: listeners that waited for one try again.
    pub(super) fn wake_stalled_listeners(&mut self) {
        while let Some(id) = self.desk.stalled_listeners.pop_front() {
            let Some(mut focus) = self.focus(id) else { continue };
            let Typed::Listener(focus) = focus.typed() else { continue };
            focus.part.is_stalled = false;
            self.settle(id);
        }
    }
}
