//! Reports of the backend.

use super::Mux;
use super::focus::{Focus, Typed};
use super::settle::Change;
use super::sockets::AnyPart;
use super::sockets::head::{Head, Latch, Style};
use super::sockets::kind::Kind;
use super::sockets::stream::Stream;
use crate::{Event, Instant, Readiness, SocketId};

impl Mux {
    /// Takes an event in; no I/O, cannot fail. A stale one is counted and touches nothing.
    ///
    /// # Panics
    /// If `now` lies before the time of an earlier call, or a completion comes that nothing is
    /// pending for.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Ready { id, readiness } => self.handle_readiness(id, readiness, now),
            completion => self.handle_completion(completion, now),
        }
    }

    /// As [`handle_event`](Self::handle_event) with [`Event::Ready`]: what a driver of readiness
    /// has most of.
    ///
    /// # Panics
    /// If `now` lies before the time of an earlier call.
    #[inline]
    pub fn handle_readiness(&mut self, id: SocketId, readiness: Readiness, now: Instant) {
        self.advance_clock(now);
        let Some(mut seat) = self.seat(id) else {
            self.desk.stats.stale_events += 1;
            return;
        };
        seat.socket.head.note_style(Style::Readiness);
        let change = seat.focus().ready(readiness);
        if change == Change::ALL {
            return self.settle(id);
        }
        if let Some(step) = seat.settle(change) {
            self.move_waiting(id, step);
        }
    }

    #[cold]
    fn handle_completion(&mut self, event: Event, now: Instant) {
        self.advance_clock(now);
        event.check();
        let id = event.socket();
        let Some(mut focus) = self.focus(id) else {
            self.desk.stats.stale_events += 1;
            return;
        };
        // Both styles report these two.
        if !matches!(event, Event::Resolved { .. } | Event::Closed { .. }) {
            focus.head.note_style(Style::Completion);
        }
        match event {
            Event::Ready { .. } => unreachable!("readiness is no completion"),
            Event::Closed { .. } => focus.close_completed(),
            Event::Resolved { result, .. } => focus.stream().resolved(result),
            Event::Connected { result, .. } => focus.stream().connect_completed(result),
            Event::Received { result, .. } => focus.stream().read_completed(result),
            Event::Written { result, .. } => focus.stream().write_completed(result),
            Event::Accepted { id: child, result, .. } => match focus.typed() {
                Typed::Listener(mut focus) => focus.accept_completed(child, result),
                _ => panic!("{id} accepted and is no listener"),
            },
            Event::ReceivedFrom { result, .. } => match focus.typed() {
                Typed::Datagram(mut focus) => focus.receive_completed(result),
                _ => panic!("{id} received a datagram and is no datagram socket"),
            },
            Event::SentTo { result, .. } => match focus.typed() {
                Typed::Datagram(mut focus) => focus.send_completed(result),
                _ => panic!("{id} sent a datagram and is no datagram socket"),
            },
        }
        self.conclude(id);
    }
}

impl Focus<'_, AnyPart> {
    /// Marks that calls may be repeated.
    #[inline]
    fn ready(&mut self, readiness: Readiness) -> Change {
        if self.part.is_closing() {
            return Change::NONE;
        }
        if readiness.peer_closed || readiness.failed {
            return self.ended(readiness);
        }
        let mut change = Change::NONE;
        // A call that was ready already has its place in the queue.
        if readiness.readable && self.head.input == Latch::Pending {
            self.head.input = Latch::Ready;
            change = change | Change::INPUT;
        }
        if readiness.writable && self.head.output == Latch::Pending {
            self.head.output = Latch::Ready;
            change = change | Change::OUTPUT;
        }
        change
    }

    /// Marks that calls may be repeated on a connection that ended, in one direction or in both.
    #[cold]
    fn ended(&mut self, readiness: Readiness) -> Change {
        self.head.input = Latch::Ready;
        if readiness.writable || readiness.failed {
            self.head.output = Latch::Ready;
        }
        if let Typed::Stream(mut focus) = self.typed() {
            focus.notice(readiness);
        }
        Change::ALL
    }
}

impl Focus<'_, Stream> {
    /// Takes note of the end of a connection that is open.
    fn notice(&mut self, readiness: Readiness) {
        if !self.part.is_established() {
            return;
        }
        if readiness.peer_closed && !self.part.is_fin_noticed {
            self.part.is_fin_noticed = true;
            self.notice_unread();
        }
        // Also of what is read: a `pause` may come before the read that would have met it.
        self.part.is_failure_noticed |= readiness.failed;
    }
}

impl Head {
    /// A backend reports about one socket in one style: readiness, or completions.
    #[inline]
    fn note_style(&mut self, style: Style) {
        let noted = *self.style.get_or_insert(style);
        assert_eq!(noted, style, "{} is reported about in two styles", self.id);
    }
}
