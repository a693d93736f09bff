//! Bytes on their way through streams.

use bytes::Bytes;

use super::{EndState, Errno, Kernel, Readiness, Shape, Socket};
use crate::chance::choices::{Choices, Site};
use crate::chance::noise::Amount;
use crate::system::schedule::What;
use crate::words::kinds::Kind;

/// The rest of a cut segment comes so much later that a reader is likely to meet the cut.
const REST_NANOS_MIN: u64 = 10_000;
/// Noise makes the rest of a cut segment, and the writable edge, later by less than this.
const REST_NANOS_MAX: u64 = 200_000;
const EDGE_NANOS_MAX: u64 = 20_000;
/// A clogged system takes bytes again after at most this.
const CLOG_NANOS_MAX: u64 = 2_000_000;

impl<C: Choices> Kernel<C> {
    /// Reads at most `size_max` bytes; empty bytes are the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock`, or the pending error, which is then taken.
    pub fn read(&mut self, socket: u32, size_max: usize) -> Result<Bytes, Errno> {
        let end = self.end_of(socket);
        if let Some(errno) = self.stream_meets(Kind::READ, socket, end) {
            return Err(errno);
        }
        let pipe = &mut self.pipes[(end ^ 1) as usize];
        let bytes = pipe.take(size_max);
        if !bytes.is_empty() {
            self.tell_window(end ^ 1);
            return Ok(bytes);
        }
        let is_ended = pipe.is_ended();
        let near = &mut self.ends[end as usize];
        if is_ended {
            return Ok(bytes);
        }
        if let Some(error) = near.error.take() {
            return Err(error);
        }
        if near.is_reset {
            return Ok(bytes);
        }
        if near.state == EndState::Connecting {
            return Err(Errno::NotConnected);
        }
        self.sockets[socket as usize].waits_in = true;
        Err(Errno::WouldBlock)
    }

    /// Returns `true` if a read that just gave bytes says that it left nothing: no byte, end or
    /// error, so that
    /// another one would answer `WouldBlock`; and an event is owed as if it had. `is_short`: it gave
    /// fewer than it was asked for.
    ///
    /// Saying so is never a duty. Each profile does as its real systems do: under
    /// [`Readiness::Linux`] a short read tells, under [`Readiness::Kqueue`] none does, nor where
    /// calls are completed. Under [`Readiness::Weakest`] a decision keeps silent.
    pub fn tells_drained(&mut self, socket: u32, is_short: bool) -> bool {
        if self.is_readable(socket) {
            return false;
        }
        let Socket { host, entity, .. } = self.sockets[socket as usize];
        let is_told = match self.readiness(host) {
            Readiness::Linux => is_short,
            Readiness::Weakest => self.draw(Kind::READ_SILENT, entity, 2) == 0,
            Readiness::Kqueue | Readiness::Completion => false,
        };
        self.sockets[socket as usize].waits_in |= is_told;
        is_told
    }

    /// Returns the number of `length` bytes that the system takes now; exactly those are then given
    /// to [`append`](Self::append).
    ///
    /// # Errors
    /// `WouldBlock`, or why nothing will ever be taken.
    pub fn grant(&mut self, socket: u32, length: usize) -> Result<usize, Errno> {
        let room = self.room(socket, length)?;
        Ok(self.cut_grant(socket, room))
    }

    /// Returns the number of `length` bytes that there is space for.
    ///
    /// # Errors
    /// Those of [`grant`](Self::grant).
    pub(super) fn room(&mut self, socket: u32, length: usize) -> Result<usize, Errno> {
        assert!(length > 0, "nothing is written");
        let end = self.end_of(socket);
        if let Some(errno) = self.stream_meets(Kind::WRITE, socket, end) {
            return Err(errno);
        }
        let (near, pipe) = (&mut self.ends[end as usize], &self.pipes[end as usize]);
        if let Some(error) = near.error.take() {
            return Err(error);
        }
        if near.is_reset || pipe.is_finishing() || pipe.is_cut_off() {
            return Err(Errno::BrokenPipe);
        }
        let free = self.settings.send_buffer_bytes.saturating_sub(pipe.unacknowledged());
        if near.state == EndState::Connecting || pipe.is_clogged || free == 0 {
            self.sockets[socket as usize].waits_out = true;
            return Err(Errno::WouldBlock);
        }
        Ok(free.min(length as u64) as usize)
    }

    /// Returns the number of `length` bytes, for which there is space, that the system takes. All of
    /// the answer
    /// must then be appended: a byte is asked about once, or a replay would find its cut too early.
    pub(super) fn cut_grant(&mut self, socket: u32, length: usize) -> usize {
        let end = self.end_of(socket);
        let (entity, position) =
            (self.ends[end as usize].entity, self.pipes[end as usize].written());
        let site = Site { kind: Kind::OUT_SHORT, entity };
        let granted = self.choices.cut(site, position, length);
        if granted < length {
            self.pipes[end as usize].is_clogged = true;
            let span = 1 + self.vary(entity, Amount::Rest, position, CLOG_NANOS_MAX);
            self.at(self.now + span, What::Unclog { pipe: end });
        }
        granted
    }

    /// Takes bytes that were granted.
    pub fn append(&mut self, socket: u32, bytes: Bytes) {
        let end = self.end_of(socket);
        self.pipes[end as usize].append(bytes);
    }

    /// Lets what was appended go out.
    pub fn push(&mut self, socket: u32) {
        let end = self.end_of(socket);
        self.pump(end);
    }

    /// Sends FIN behind what was written.
    ///
    /// # Errors
    /// On a stream that is not connected, or broke.
    pub fn shutdown_write(&mut self, socket: u32) -> Result<(), Errno> {
        let end = self.end_of(socket);
        if let Some(errno) = self.stream_meets(Kind::SHUTDOWN, socket, end) {
            return Err(errno);
        }
        let near = &self.ends[end as usize];
        if near.state != EndState::Established || near.is_reset {
            return Err(Errno::NotConnected);
        }
        self.pipes[end as usize].finish();
        self.pump(end);
        Ok(())
    }

    /// Bytes that the system would take into this end's buffer.
    pub(super) fn free(&self, end: u32) -> u64 {
        let held = self.pipes[end as usize].unacknowledged();
        self.settings.send_buffer_bytes.saturating_sub(held)
    }

    /// Returns `true` if the system would tell that an end is writable: with a third of its buffer
    /// free (K13), or because it broke.
    pub(super) fn has_space(&self, end: u32) -> bool {
        let (near, pipe) = (&self.ends[end as usize], &self.pipes[end as usize]);
        match near.state {
            EndState::Connecting | EndState::Closed => false,
            EndState::Failed => true,
            EndState::Established => {
                let space = self.free(end) * 3;
                near.is_reset || (!pipe.is_clogged && space >= self.settings.send_buffer_bytes)
            }
        }
    }

    /// Sends what the reader's window takes, and FIN behind the last byte.
    pub(super) fn pump(&mut self, pipe: u32) {
        let near = &self.ends[pipe as usize];
        let (from, to) = (near.local.host, near.peer.host);
        let reader = self.ends[(pipe ^ 1) as usize].entity;
        let out = &mut self.pipes[pipe as usize];
        let (position, count) = (out.sent(), out.send(self.settings.receive_buffer_bytes));
        let is_fin_due = out.send_fin();
        if count > 0 {
            let (mut arrival, noise_nanos) = self.transmit_noisily(from, to, count);
            let bound = self.settings.delay_nanos_max;
            let site = Site { kind: Kind::IN_DELAY, entity: reader };
            arrival += u64::from(self.choices.draw_at(site, position, count as usize, bound));
            self.choices.note_noise(site, position, noise_nanos);
            let arrival = self.behind_last(pipe, arrival);
            self.at(arrival, What::Segment { pipe, until: position + count });
        }
        if is_fin_due {
            let (arrival, noise_nanos) = self.transmit_noisily(from, to, 0);
            let arrival = arrival + self.draw_delay(Kind::IN_EOF_DELAY, reader);
            self.note_noise(Kind::IN_EOF_DELAY, reader, noise_nanos);
            let arrival = self.behind_last(pipe, arrival);
            self.at(arrival, What::Fin { pipe });
        }
    }

    fn behind_last(&mut self, pipe: u32, arrival: u64) -> u64 {
        let last = &mut self.pipes[pipe as usize].last_arrival_nanos;
        *last = arrival.max(*last);
        *last
    }

    pub(super) fn segment_arrives(&mut self, pipe: u32, until: u64) {
        let p = &self.pipes[pipe as usize];
        let position = p.delivered();
        if p.is_cut_off() || until <= position {
            return;
        }
        let (writer, reader) = (&self.ends[pipe as usize], &self.ends[(pipe ^ 1) as usize]);
        let (from, to) = (writer.local.host, reader.local.host);
        let (entity, socket, is_closed) = (reader.entity, reader.socket, reader.is_gone());
        if self.is_blocked(from, to, What::Segment { pipe, until }) {
            return;
        }
        if is_closed {
            // Data for a descriptor that is gone: the writer gets RST (K2).
            self.pipes[pipe as usize].cut_off();
            self.send_reset(pipe ^ 1);
            return;
        }
        let length = (until - position) as usize;
        let passed = self.choices.cut(Site { kind: Kind::IN_CUT, entity }, position, length);
        if passed < length {
            let rest = REST_NANOS_MIN + self.vary(entity, Amount::Rest, position, REST_NANOS_MAX);
            self.at(self.now + rest, What::Segment { pipe, until });
        }
        let p = &mut self.pipes[pipe as usize];
        let before_mark =
            self.choices.cut(Site { kind: Kind::IN_URGENT, entity }, position, passed);
        if before_mark < passed {
            p.urgent_at = Some(position + before_mark as u64);
        }
        let site = Site { kind: Kind::IN_RESET, entity };
        let broken_after = self.choices.cut(site, position, passed + 1);
        p.deliver(position + broken_after.min(passed) as u64);
        if broken_after <= passed {
            self.send_reset(pipe ^ 1);
            self.reset_end(pipe ^ 1);
        } else if let Some(socket) = socket {
            self.mark_in(socket);
        }
        self.schedule_edge(pipe);
    }

    pub(super) fn fin_arrives(&mut self, pipe: u32) {
        let (writer, reader) = (&self.ends[pipe as usize], &self.ends[(pipe ^ 1) as usize]);
        let (from, to, socket) = (writer.local.host, reader.local.host, reader.socket);
        if self.pipes[pipe as usize].is_cut_off() || self.is_blocked(from, to, What::Fin { pipe }) {
            return;
        }
        if self.ends[(pipe ^ 1) as usize].is_broken {
            self.pipes[pipe as usize].cut_off();
            return self.send_reset(pipe ^ 1);
        }
        self.pipes[pipe as usize].deliver_fin();
        // If bytes before it are still to come, the reader hears of it with the last of them.
        if let Some(socket) = socket {
            self.mark_in(socket);
        }
    }

    /// The reader has read: a writer that was held back learns it.
    fn tell_window(&mut self, pipe: u32) {
        let p = &mut self.pipes[pipe as usize];
        if !p.is_held_back() || p.is_window_on_its_way {
            return;
        }
        p.is_window_on_its_way = true;
        let reader = &self.ends[(pipe ^ 1) as usize];
        let (from, to) = (reader.local.host, reader.peer.host);
        let arrival = self.transmit(from, to, 0);
        self.at(arrival, What::Window { pipe });
    }

    pub(super) fn window_arrives(&mut self, pipe: u32) {
        let writer = &self.ends[pipe as usize];
        let (from, to) = (writer.peer.host, writer.local.host);
        if self.is_blocked(from, to, What::Window { pipe }) {
            return;
        }
        self.pipes[pipe as usize].is_window_on_its_way = false;
        self.pump(pipe);
    }

    pub(super) fn unclog(&mut self, pipe: u32) {
        self.pipes[pipe as usize].is_clogged = false;
        self.schedule_edge(pipe);
    }

    /// A writer that met a full buffer hears when there is space again, a little later.
    #[inline]
    pub(super) fn schedule_edge(&mut self, end: u32) {
        let Some(socket) = self.ends[end as usize].socket else {
            return;
        };
        let s = &self.sockets[socket as usize];
        if s.waits_out && !s.is_edge_coming && self.has_space(end) {
            self.schedule_edge_of(socket);
        }
    }

    fn schedule_edge_of(&mut self, socket: u32) {
        let s = &self.sockets[socket as usize];
        let (entity, edges) = (s.entity, s.edges);
        let noise_nanos = self.vary(entity, Amount::Edge, edges, EDGE_NANOS_MAX);
        let late = noise_nanos + self.draw_delay(Kind::EDGE_DELAY, entity);
        self.note_noise(Kind::EDGE_DELAY, entity, noise_nanos);
        let s = &mut self.sockets[socket as usize];
        s.is_edge_coming = true;
        s.edges += 1;
        self.at(self.now + late, What::Edge { socket });
    }

    pub(super) fn edge_comes(&mut self, socket: u32) {
        let s = &mut self.sockets[socket as usize];
        s.is_edge_coming = false;
        let (is_open, end) = match s.shape {
            Shape::Stream { end } => (s.is_open, end),
            Shape::Listener { .. } => return self.mark_in(socket),
            Shape::Datagram(_) => unreachable!("a datagram socket has space always"),
        };
        // A late edge may find the space gone; then the next space brings another.
        if is_open && self.has_space(end) {
            self.mark_out(socket);
        }
    }
}
