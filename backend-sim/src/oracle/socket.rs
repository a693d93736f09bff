//! What is known of one id.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use tidelock_core::{Message, SocketId};

use super::OutboxModel;
use crate::scenario::Side;

/// How far an id is, as its owner was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Accepted by the system; nobody was told.
    Unborn,
    /// Asked for.
    Opening,
    /// Open.
    Open,
    /// A fatal error was told: only `Close` follows.
    Dying,
    /// Closed: nothing follows.
    Closed,
}

/// What is known of one id.
#[derive(Clone, Debug)]
pub struct SocketView {
    /// The id.
    pub id: SocketId,
    /// What an operation calls it.
    pub side: Option<Side>,
    /// The kernel's end, of a stream.
    pub end: Option<u32>,
    /// How far it is.
    pub phase: Phase,
    /// What it must write next.
    pub outbox: OutboxModel,
    /// What was read and not told; empty bytes are the end of the stream.
    pub input: VecDeque<Bytes>,
    /// Own shutdown, finish or close reached the Mux.
    pub is_output_ended: bool,
    /// Its owner wants to read; only of streams.
    pub is_reading: bool,
    /// The operation that completes when it opens.
    pub opening: Option<u32>,
    /// The end of the stream was told.
    pub has_eof: bool,
}

impl SocketView {
    /// A new one.
    pub fn new(id: SocketId, phase: Phase) -> Self {
        Self {
            id,
            side: None,
            end: None,
            phase,
            outbox: OutboxModel::default(),
            input: VecDeque::new(),
            is_output_ended: false,
            is_reading: false,
            opening: None,
            has_eof: false,
        }
    }

    /// Whether `Close` was told.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether somebody was told of it, and not of its `Close`.
    pub fn is_told_open(&self) -> bool {
        !matches!(self.phase, Phase::Unborn | Phase::Closed)
    }

    /// What the Mux must wish of an open stream: to read, to write.
    pub(super) fn must_wish(&self) -> [bool; 2] {
        let is_stream = self.phase == Phase::Open && self.end.is_some();
        let reads = self.is_reading && !self.has_eof && !self.is_output_ended;
        [is_stream && reads, is_stream && self.outbox.unsent_bytes() > 0]
    }

    /// The grammar of the messages about one id.
    pub(super) fn message(&mut self, message: &Message) -> Result<(), String> {
        let next = match (self.phase, message) {
            (Phase::Opening | Phase::Open | Phase::Dying, Message::Close { .. }) => Phase::Closed,
            (Phase::Opening, Message::Connect { .. } | Message::Listening { .. }) => Phase::Open,
            (Phase::Opening | Phase::Open, Message::Error { fatal: true, .. }) => Phase::Dying,
            (Phase::Opening | Phase::Open, Message::Error { fatal: false, .. })
            | (Phase::Opening | Phase::Open, Message::Warning { .. })
            | (Phase::Opening | Phase::Open, Message::SendReady { .. })
            | (Phase::Opening | Phase::Open, Message::Paused { .. }) => self.phase,
            (Phase::Open, Message::Data { .. }) if !self.has_eof => Phase::Open,
            (Phase::Open, Message::Eof { .. }) => {
                self.has_eof = true;
                Phase::Open
            }
            (Phase::Open, Message::Accept { .. } | Message::Udp { .. }) => Phase::Open,
            (phase, message) => return Err(format!("{message}, when {phase:?}")),
        };
        self.phase = next;
        Ok(())
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
}
