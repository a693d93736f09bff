//! One socket in the hands of a transition.

use super::desk::Desk;
use super::sockets::AnyPart;
use super::sockets::check::assert_follows;
use super::sockets::datagram::DatagramSocket;
use super::sockets::head::Head;
use super::sockets::kind::{Kind, Phased, Way};
use super::sockets::listener::Listener;
use super::sockets::stream::Stream;
use crate::gate::Gate;
use crate::{Bytes, Config, Directory, Fault, Message, Operation, Situation, SocketId};

/// One socket in the hands of a transition: its record, found once, and the desk.
///
/// Transitions are methods of it, and see nothing else; what they want of another socket they leave
/// on the desk as an errand. The Mux makes one, runs one transition, and settles the socket once.
pub(crate) struct Focus<'a, P> {
    pub(crate) head: &'a mut Head,
    pub(crate) part: &'a mut P,
    /// Where its gate is found, by the steps that need it: to read, or to take an event in, does
    /// not.
    pub(crate) directory: &'a Directory,
    pub(crate) desk: &'a mut Desk,
}

/// A [`Focus`] whose socket's kind is known.
pub(crate) enum Typed<'a> {
    Stream(Focus<'a, Stream>),
    Listener(Focus<'a, Listener>),
    Datagram(Focus<'a, DatagramSocket>),
}

impl<'a> Focus<'a, AnyPart> {
    /// The same socket, if it is a stream.
    #[inline(always)]
    pub(crate) fn into_stream(self) -> Option<Focus<'a, Stream>> {
        let Self { head, part, directory, desk } = self;
        match part {
            AnyPart::Stream(part) => Some(Focus { head, part, directory, desk }),
            AnyPart::Listener(_) | AnyPart::Datagram(_) => None,
        }
    }

    /// The same socket, if it is a stream that only writes.
    #[inline(always)]
    pub(crate) fn into_writing_stream(self) -> Option<Focus<'a, Stream>> {
        self.into_stream()
            .filter(|focus| focus.part.writes() && focus.head.rare.deferred.is_empty())
    }
}

impl Focus<'_, AnyPart> {
    /// The same socket by its kind.
    #[inline]
    pub(crate) fn typed(&mut self) -> Typed<'_> {
        let Self { head, part, directory, desk } = self;
        match part {
            AnyPart::Stream(part) => Typed::Stream(Focus { head, part, directory, desk }),
            AnyPart::Listener(part) => Typed::Listener(Focus { head, part, directory, desk }),
            AnyPart::Datagram(part) => Typed::Datagram(Focus { head, part, directory, desk }),
        }
    }

    /// The same socket, which the caller knows to be a stream.
    pub(crate) fn stream(&mut self) -> Focus<'_, Stream> {
        match self.typed() {
            Typed::Stream(focus) => focus,
            Typed::Listener(focus) => panic!("{} is a listener, no stream", focus.head.id),
            Typed::Datagram(focus) => panic!("{} is a datagram socket, no stream", focus.head.id),
        }
    }
}

impl<'a, P: Kind> Focus<'a, P> {
    /// The socket's gate.
    #[inline]
    pub(crate) fn gate(&self) -> &'a Gate {
        self.directory.gate(self.head.id).expect("a living id has a gate")
    }

    #[inline]
    pub(crate) fn id(&self) -> SocketId {
        self.head.id
    }

    #[inline]
    pub(crate) fn config(&self) -> &Config {
        self.desk.config()
    }

    #[inline]
    pub(crate) fn situation(&self) -> Situation {
        self.part.situation(self.head)
    }

    #[inline]
    pub(crate) fn way(&self) -> Way<'_> {
        Way::new(self.directory, self.desk.is_forcing)
    }

    /// Returns `true` if sends of services are on their way and are waited for.
    pub(crate) fn has_sends_on_the_way(&self) -> bool {
        self.way().has_sends(self.head)
    }

    /// Gives a message to the owner.
    pub(crate) fn tell_owner(&mut self, message: Message) {
        self.head.check_told(self.part, &message);
        self.desk.tell(self.head.owner, message);
    }

    /// Gives bytes that came in to the owner.
    #[inline(always)]
    pub(crate) fn tell_data(&mut self, bytes: Bytes) {
        // In a release build the simulator's message grammar alone judges messages of payload.
        if cfg!(debug_assertions) {
            self.head.check_told_data(self.part);
        }
        self.desk.tell_data(self.head.owner, self.head.id, bytes);
    }

    pub(crate) fn tell_error(&mut self, fault: Fault, operation: Operation) {
        let socket = self.id();
        self.tell_owner(Message::Error { socket, fault, operation, fatal: false });
    }

    /// `pause` came before the socket was open: now it is answered.
    pub(crate) fn pay_owed_pause(&mut self) {
        if std::mem::take(&mut self.head.is_pause_owed) {
            let socket = self.id();
            self.tell_owner(Message::Paused { socket });
        }
    }

    /// Gives the charge of sent or lost messages back, and tells who waited for that.
    #[inline(always)]
    pub(crate) fn release_charge(&mut self, charge: usize) {
        let gate = self.gate();
        self.desk.release_charge(self.head.id, gate, charge);
    }

    /// Returns `true` if there is surely no deadline; a short look, for each message.
    #[inline]
    pub(crate) fn has_no_deadline(&self) -> bool {
        self.part.has_no_deadline(self.head, self.desk.may_be_silent)
    }

    /// Returns `true` if input that is ready may be served now.
    #[inline]
    pub(crate) fn can_serve_input(&self) -> bool {
        self.part.has_input_work(self.head) && !self.desk.holds_back(self.head, self.part)
    }
}

impl<P: Phased> Focus<'_, P> {
    /// Enters a phase; its time begins.
    pub(crate) fn enter(&mut self, phase: P::Phase) {
        let from = self.part.state();
        *self.part.phase_mut() = phase;
        assert_follows(self.head.id, from, self.part.state());
        self.head.since = self.desk.now;
        self.head.progress_at = self.desk.now;
    }
}
