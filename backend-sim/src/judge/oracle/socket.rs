//! One id as the judge knows it.

use bytes::{Buf, Bytes};
use tidelock_core::{Message, ServiceId, SocketId};
use tidelock_net::base::few::Few;
use tidelock_net::words::operation::Side;

use super::attempts::Race;
use super::bounds::OwnTimes;
use super::ending::Ending;
use super::grammar::{Kind, Phase};
use super::tokens::Tokens;
use super::warnings::WarningModel;
use super::{Limits, OutboxModel};

/// The step of what was not asked.
pub(super) const NEVER: u64 = u64::MAX;

/// One id as the judge knows it.
#[derive(Clone, Debug)]
pub struct SocketView {
    /// The id.
    pub id: SocketId,
    /// The kind.
    pub(super) kind: Kind,
    /// The name that an operation gave it.
    pub side: Option<Side>,
    /// The kernel's end, of a stream.
    pub end: Option<u32>,
    /// The phase.
    pub phase: Phase,
    /// The service that is told.
    pub(super) owner: Option<ServiceId>,
    /// Everybody who was to be told, ever.
    pub(super) owners: Few<ServiceId>,
    /// The services that asked to be the owner in the step `claims_step`, in order.
    pub(super) claims: Vec<ServiceId>,
    pub(super) claims_step: u64,
    /// The step in which a service that was to end asked to be the owner: it took the socket with
    /// it, or was refused without a word because that was ending already.
    pub(super) late_claim_step: u64,
    /// The bytes that it must write next.
    pub outbox: OutboxModel,
    /// Which warnings are due.
    pub(super) warnings: WarningModel,
    /// The facts that may explain its end.
    pub(super) ending: Ending,
    /// The bytes that were read and not told; empty ones are the end of the stream, but for
    /// datagrams.
    pub(super) input: Few<Bytes>,
    /// Own shutdown, finish or close reached the Mux.
    pub is_output_ended: bool,
    /// A call on the open stream failed: nothing is accepted any more.
    pub(super) is_broken: bool,
    /// It may have begun to end for a reason that shows only in the Mux.
    pub(super) is_maybe_ending: bool,
    /// Its owner wants to read.
    pub is_reading: bool,
    /// Of a listener: what it accepts is read without being asked for.
    pub(super) is_auto_start: bool,
    /// Of a listener: how long what it accepts waits.
    pub(super) accepted_times: OwnTimes,
    /// Of a listener with a rate: what it may accept.
    pub(super) tokens: Option<Box<Tokens>>,
    /// The step in which input was last wanted: own shutdown came, or own finish.
    pub(super) shutdown_step: u64,
    pub(super) finish_step: u64,
    pub(super) close_step: u64,
    /// `Paused` was told, and nobody asked to start since.
    pub(super) is_paused: bool,
    pub(super) pauses_asked: u32,
    pub(super) pauses_told: u32,
    /// `start` was asked after the last `pause`.
    pub(super) is_start_last: bool,
    /// The step of the last `start`, and how many pauses had been asked before it.
    pub(super) start_step: u64,
    pub(super) pauses_at_start: u32,
    /// Claims of other services since the first `Eof` that no further `Eof` answered.
    pub(super) new_owners: u32,
    /// The attempts of a connect to a name.
    pub(super) race: Option<Box<Race>>,
    /// It is such an attempt, of the connect that goes by this id.
    pub(super) races_for: Option<SocketId>,
    /// The operation that completes when it opens.
    pub opening: Option<u32>,
    /// The end of the stream was told.
    pub has_eof: bool,
    /// The class of the last event or command about it.
    pub(super) last: &'static str,
}

impl SocketView {
    /// A new one.
    pub(super) fn new(id: SocketId, kind: Kind, phase: Phase, limits: &Limits, now: u64) -> Self {
        Self {
            id,
            kind,
            side: None,
            end: None,
            phase,
            owner: None,
            owners: Few::default(),
            claims: Vec::new(),
            claims_step: 0,
            late_claim_step: NEVER,
            outbox: OutboxModel::default(),
            warnings: WarningModel::new(limits.warn_bytes),
            ending: Ending { born_at: now, ..Ending::default() },
            input: Few::default(),
            is_output_ended: false,
            is_broken: false,
            is_maybe_ending: false,
            is_reading: false,
            is_auto_start: false,
            accepted_times: OwnTimes::default(),
            tokens: None,
            shutdown_step: NEVER,
            finish_step: NEVER,
            close_step: NEVER,
            is_paused: false,
            pauses_asked: 0,
            pauses_told: 0,
            is_start_last: false,
            start_step: 0,
            pauses_at_start: 0,
            new_owners: 0,
            race: None,
            races_for: None,
            opening: None,
            has_eof: false,
            last: "open",
        }
    }

    /// Returns `true` if `Close` was told.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Returns `true` if somebody was told of it, and not of its `Close`.
    pub fn is_told_open(&self) -> bool {
        !matches!(self.phase, Phase::Unborn | Phase::Closed)
    }

    /// Returns `true` if no service ever heard of it, or if it may have gone with one that was to
    /// end.
    #[inline]
    pub(super) fn is_unborn_or_taken(&self) -> bool {
        self.phase == Phase::Unborn || self.late_claim_step != NEVER
    }

    /// Returns `true` if a send is accepted, as far as can be seen from outside.
    pub(super) fn can_send(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Open)
            && !self.is_output_ended
            && !self.is_broken
            && !self.is_maybe_ending
    }

    /// Returns the calls that the Mux must wish of an open stream: to read, to write.
    pub(super) fn must_wish(&self, is_maybe_ending: bool) -> [bool; 2] {
        let is_stream = self.phase == Phase::Open && self.end.is_some();
        let reads = self.is_reading && !self.has_eof && !self.is_output_ended && !is_maybe_ending;
        [is_stream && reads, is_stream && self.outbox.unsent_bytes() > 0]
    }

    /// It belongs to somebody.
    pub(super) fn set_owner(&mut self, owner: ServiceId) {
        self.owner = Some(owner);
        self.owners.push_back(owner);
    }

    /// A service asks to own it.
    pub(super) fn claim(&mut self, by: ServiceId, step: u64) {
        self.resolve_claims(step);
        if self.owner != Some(by) || !self.claims.is_empty() {
            self.claims.push(by);
            self.claims_step = step;
            self.new_owners += 1;
            self.owners.push_back(by);
        }
    }

    /// A service is told that it came too late.
    pub(super) fn refuse_claim(&mut self, by: ServiceId) {
        self.ending.starts = self.ending.starts.saturating_sub(1);
        if let Some(at) = self.claims.iter().position(|claim| *claim == by) {
            self.claims.remove(at);
            self.new_owners = self.new_owners.saturating_sub(1);
        }
    }

    /// Claims of earlier steps that were not refused hold.
    #[inline]
    pub(super) fn resolve_claims(&mut self, step: u64) {
        if self.claims_step < step
            && let Some(last) = self.claims.pop()
        {
            self.owner = Some(last);
            self.claims.clear();
        }
    }

    /// Returns the service that must be told next, if any must: claims that were not refused hold.
    pub(super) fn next_owner(&self) -> Option<ServiceId> {
        let owner = self.claims.last().copied().or(self.owner);
        owner.filter(|_| self.late_claim_step == NEVER)
    }

    /// A message about it goes to this service.
    ///
    /// # Errors
    /// If that is not its owner.
    pub(super) fn told_to(
        &mut self,
        service: ServiceId,
        message: &Message,
        step: u64,
    ) -> Result<(), String> {
        self.resolve_claims(step);
        // What one that is ending may still say.
        let is_of_end = || {
            matches!(
                message,
                Message::Connect { .. }
                    | Message::Listening { .. }
                    | Message::Paused { .. }
                    | Message::Data { .. }
                    | Message::Error { .. }
                    | Message::Close { .. }
            )
        };
        if self.late_claim_step < step && !is_of_end() {
            return Err(format!("told to {service}, and it goes with another"));
        }
        if self.owner == Some(service) {
            return Ok(());
        }
        match self.claims.iter().position(|claim| *claim == service) {
            Some(at) => {
                self.owner = Some(service);
                self.claims.drain(..=at);
                Ok(())
            }
            None => {
                Err(format!("told about {} to {service}, the owner is {:?}", self.id, self.owner))
            }
        }
    }

    /// These bytes are told: they must be the next that were read.
    pub(super) fn deliver(&mut self, bytes: &Bytes) -> Result<(), String> {
        let mut left = &bytes[..];
        if left.is_empty() {
            return Err("Data without a byte".to_owned());
        }
        while !left.is_empty() {
            let Some(front) = self.input.front_mut().filter(|front| !front.is_empty()) else {
                return Err(format!("Data with {} B that were not read", left.len()));
            };
            let count = front.len().min(left.len());
            if front[..count] != left[..count] {
                return Err("Data with other bytes than were read".to_owned());
            }
            left = &left[count..];
            if count == front.len() {
                self.input.pop_front();
            } else {
                front.advance(count);
            }
        }
        Ok(())
    }

    /// The end of the stream is told: everything before it must have been.
    pub(super) fn deliver_eof(&mut self) -> Result<(), String> {
        match self.input.front() {
            // A new owner is told again.
            Some(end) if end.is_empty() => Ok(()),
            Some(next) => Err(format!("Eof before {} B that were read", next.len())),
            None => Err("Eof, and the end of the stream was not read".to_owned()),
        }
    }

    /// A datagram is told: it must be the next that was received.
    pub(super) fn deliver_datagram(&mut self, payload: &Bytes) -> Result<(), String> {
        match self.input.pop_front() {
            Some(next) if next == payload => Ok(()),
            Some(next) => Err(format!("Udp with {} B, not the next {}", payload.len(), next.len())),
            None => Err(format!("Udp with {} B that were not received", payload.len())),
        }
    }
}
