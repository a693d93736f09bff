//! A datagram socket.

use bytes::Bytes;

use super::head::{CloseStep, Closing, Due, Head, Latch};
use super::kind::{Kind, Phased, Way};
use crate::datagrams::Datagrams;
use crate::{Config, Endpoint, Fault, Instant, SocketKind, SocketState, UdpOptions};

/// A datagram socket.
#[derive(Hash)]
pub(crate) struct DatagramSocket {
    pub(crate) phase: Phase,
    pub(crate) datagrams: Datagrams,
    /// The one completed receive that is still to be told.
    pub(crate) held: Option<Box<Result<(Endpoint, Bytes), Fault>>>,
}

/// The phase of a datagram socket's life.
#[derive(Hash)]
pub(crate) enum Phase {
    /// The backend is to be asked; `None` while it is.
    Opening(Option<Box<UdpOptions>>),
    Open,
    /// The queue goes out, then the socket closes.
    Flushing,
    Closing(Closing),
}

impl DatagramSocket {
    pub(crate) fn new(options: Box<UdpOptions>) -> Self {
        let phase = Phase::Opening(Some(options));
        Self { phase, datagrams: Datagrams::default(), held: None }
    }

    /// Returns `true` if the socket sends what is queued.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Flushing)
    }
}

impl Kind for DatagramSocket {
    fn kind(&self) -> SocketKind {
        SocketKind::Datagram
    }

    fn state(&self) -> SocketState {
        match self.phase {
            Phase::Opening(_) => SocketState::Opening,
            Phase::Open => SocketState::Datagram,
            Phase::Flushing => SocketState::Flushing,
            Phase::Closing(_) => SocketState::Closing,
        }
    }

    fn closing(&self) -> Option<&Closing> {
        match &self.phase {
            Phase::Closing(closing) => Some(closing),
            Phase::Opening(_) | Phase::Open | Phase::Flushing => None,
        }
    }

    fn closing_mut(&mut self) -> Option<&mut Closing> {
        match &mut self.phase {
            Phase::Closing(closing) => Some(closing),
            Phase::Opening(_) | Phase::Open | Phase::Flushing => None,
        }
    }

    fn is_open(&self) -> bool {
        match &self.phase {
            Phase::Opening(_) => false,
            Phase::Open | Phase::Flushing => true,
            Phase::Closing(closing) => closing.step != CloseStep::Done,
        }
    }

    fn pending_bytes(&self) -> usize {
        self.datagrams.pending_bytes()
    }

    fn charge_bytes(&self) -> usize {
        self.datagrams.charge_bytes()
    }

    fn has_output(&self) -> bool {
        !self.datagrams.is_empty()
    }

    fn has_begun(&self) -> bool {
        false
    }

    fn clear_output(&mut self) -> usize {
        self.datagrams.clear()
    }

    fn wants_input(&self, head: &Head) -> bool {
        matches!(self.phase, Phase::Open) && head.is_reading
    }

    fn may_want_input(&self, head: &Head) -> bool {
        match self.phase {
            Phase::Opening(_) | Phase::Open => true,
            Phase::Flushing => head.is_finishing,
            Phase::Closing(_) => false,
        }
    }

    fn has_held_input(&self) -> bool {
        self.held.is_some()
    }

    fn has_output_work(&self, head: &Head, way: Way<'_>) -> bool {
        match &self.phase {
            Phase::Opening(_) => true,
            Phase::Closing(closing) => closing.has_work(head, way),
            Phase::Open | Phase::Flushing => {
                let can_send = self.has_output() && head.output == Latch::Ready;
                let is_flushed = matches!(self.phase, Phase::Flushing) && !self.has_output();
                can_send || is_flushed && !way.has_sends(head) || !head.rare.deferred.is_empty()
            }
        }
    }

    fn check(&self, head: &Head) {
        head.check(self);
    }

    fn deadline(&self, head: &Head, config: &Config) -> Option<(Instant, Due)> {
        match self.phase {
            Phase::Flushing => head.flush_deadline(config),
            Phase::Opening(_) | Phase::Open | Phase::Closing(_) => None,
        }
    }
}

impl Phased for DatagramSocket {
    type Phase = Phase;

    fn phase_mut(&mut self) -> &mut Phase {
        &mut self.phase
    }
}
