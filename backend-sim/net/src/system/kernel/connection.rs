//! Connections: how they begin and how they break.

use super::resolve::SILENT_HOST;
use super::{Address, Effect, End, EndState, Errno, Kernel, Os, Pipe, ROWS, Row, Shape};
use crate::chance::choices::Choices;
use crate::system::schedule::What;
use crate::words::kinds::Kind;

/// The number of repetitions of a first packet, and the time to the first; each takes twice as
/// long.
const SYN_RETRIES: u8 = 6;
const SYN_RETRY_NANOS: u64 = 1_000_000_000;

impl<C: Choices> Kernel<C> {
    /// Begins to connect. `name` is what keys call the end; its accepted end gets a tick.
    ///
    /// # Errors
    /// Without a descriptor, or a way.
    pub fn connect(
        &mut self,
        host: u16,
        token: u64,
        to: Address,
        name: &dyn Fn() -> String,
    ) -> Result<u32, Errno> {
        if !self.has_descriptor(host) {
            return Err(Errno::TooManyFiles);
        }
        let is_silent = to.host == SILENT_HOST;
        if to.host as usize >= self.hosts.len() && !is_silent {
            return Err(Errno::NetworkUnreachable);
        }
        let entity = self.next_entity(name);
        self.next_entity(&|| name() + "'");
        let answer = self.draw(Kind::CONNECT, entity, 5);
        if answer == 4 {
            return Err(Errno::HostUnreachable);
        }
        if let Some(row) = self.meets(Kind::SOCKET, host, entity) {
            return Err(row.errno);
        }
        let dial = self.meets(Kind::DIAL, host, entity);
        if let Some(row) = dial
            && row.effect == Effect::Passes
        {
            return Err(row.errno);
        }
        let local = Address { host, port: self.next_port(host) };
        let end = self.ends.len() as u32;
        let socket = self.open(host, token, entity, Shape::Stream { end });
        let state = EndState::Connecting;
        let near = End {
            local,
            peer: to,
            state,
            entity,
            socket: Some(socket),
            error: None,
            is_reset: false,
            is_broken: false,
        };
        let far = End { local: to, peer: local, entity: entity + 1, socket: None, ..near.clone() };
        self.ends.extend([near, far]);
        self.pipes.extend([Pipe::default(), Pipe::default()]);
        if is_silent {
            return Ok(socket);
        }
        let arrival = self.transmit(host, to.host, 0);
        if let Some(row) = dial {
            let row = ROWS.iter().position(|known| known.name == row.name);
            let row = row.expect("it is one of them") as u16;
            self.at(arrival, What::ConnectFails { end, row });
            return Ok(socket);
        }
        match answer {
            1 => self.at(arrival, What::SynAnswer { end, is_accepted: false }),
            2 => self.at(self.now + SYN_RETRY_NANOS, What::Syn { end, attempt: 1 }),
            3 => {
                let late = u64::from(self.settings.delay_nanos_max);
                self.at(arrival + late, What::Syn { end, attempt: 0 });
            }
            _ => self.at(arrival, What::Syn { end, attempt: 0 }),
        }
        Ok(socket)
    }

    pub(super) fn syn_arrives(&mut self, end: u32, attempt: u8) {
        let near = &self.ends[end as usize];
        let (from, to) = (near.local.host, near.peer);
        if near.state != EndState::Connecting {
            return;
        }
        if self.is_blocked(from, to.host, What::Syn { end, attempt }) {
            return;
        }
        match self.offer_to_backlog(to, end ^ 1) {
            Some(true) => {
                let far = &mut self.ends[(end ^ 1) as usize];
                far.state = EndState::Established;
                let arrival = self.transmit(to.host, from, 0);
                self.pipes[(end ^ 1) as usize].last_arrival_nanos = arrival;
                self.at(arrival, What::SynAnswer { end, is_accepted: true });
            }
            Some(false) if attempt < SYN_RETRIES => {
                // A full backlog drops the packet; it is sent again.
                let again = self.now + (SYN_RETRY_NANOS << attempt);
                self.at(again, What::Syn { end, attempt: attempt + 1 });
            }
            Some(false) => self.connect_fails(end, Errno::TimedOut),
            None => {
                let arrival = self.transmit(to.host, from, 0);
                self.at(arrival, What::SynAnswer { end, is_accepted: false });
            }
        }
    }

    pub(super) fn syn_answer_arrives(&mut self, end: u32, is_accepted: bool) {
        let near = &self.ends[end as usize];
        let (host, peer) = (near.local.host, near.peer.host);
        if self.is_blocked(peer, host, What::SynAnswer { end, is_accepted }) {
            return;
        }
        let near = &mut self.ends[end as usize];
        match (near.state, is_accepted) {
            (EndState::Connecting, true) => {
                near.state = EndState::Established;
                let socket = near.socket.expect("a connecting end has a descriptor");
                self.mark_out(socket);
            }
            (EndState::Connecting, false) => self.connect_fails(end, Errno::ConnectionRefused),
            // It was given up meanwhile.
            (_, true) => self.send_reset(end),
            (_, false) => {}
        }
    }

    fn connect_fails(&mut self, end: u32, why: Errno) {
        let near = &mut self.ends[end as usize];
        near.state = EndState::Failed;
        near.error = Some(why);
        let socket = near.socket.expect("a connecting end has a descriptor");
        self.mark_both(socket);
    }

    /// A connect fails with what a row of the table says, unless it was given up.
    pub(super) fn connect_meets(&mut self, end: u32, row: u16) {
        if self.ends[end as usize].state == EndState::Connecting {
            self.connect_fails(end, ROWS[row as usize].errno);
        }
    }

    /// Lets a call on a stream meet what is drawn for it, if anything is.
    #[inline]
    pub(super) fn stream_meets(&mut self, kind: Kind, socket: u32, end: u32) -> Option<Errno> {
        let near = &self.ends[end as usize];
        if near.state != EndState::Established || near.is_reset || near.error.is_some() {
            return None;
        }
        let (host, entity) = (near.local.host, near.entity);
        let row = self.meets(kind, host, entity)?;
        self.stream_met(row, kind, socket, end)
    }

    /// Lets a call on a stream meet a row of the table. A fatal one changes the stream, and the call
    /// computes its answer from that.
    #[cold]
    fn stream_met(&mut self, row: &Row, kind: Kind, socket: u32, end: u32) -> Option<Errno> {
        match row.effect {
            Effect::OwesEdge => return Some(self.owe_edge(socket, kind == Kind::READ)),
            Effect::Repeats | Effect::Passes => return Some(row.errno),
            Effect::Breaks => self.break_end(end, row.errno),
            Effect::Resets => {
                self.send_reset(end);
                self.reset_end(end);
                let near = &mut self.ends[end as usize];
                // A reader that has its end of stream hears nothing; only a writer does.
                if near.error == Some(Errno::ConnectionReset) {
                    near.error = Some(row.errno);
                }
            }
            Effect::Aborts | Effect::FailsLater => unreachable!("{} is of no stream", row.name),
        }
        None
    }

    /// An end gives its connection up, and can tell nobody: what it sent and did not arrive is
    /// lost, and what comes is answered with RST.
    fn break_end(&mut self, end: u32, why: Errno) {
        self.pipes[end as usize].cut_off();
        let near = &mut self.ends[end as usize];
        assert_eq!(near.state, EndState::Established, "it breaks once");
        (near.is_reset, near.is_broken, near.error) = (true, true, Some(why));
        if let Some(socket) = near.socket {
            self.mark_both(socket);
        }
    }

    /// Returns the result of a connect: its own and the peer's address.
    ///
    /// # Errors
    /// `WouldBlock` while it is under way, else why it failed.
    pub fn connected(&mut self, socket: u32) -> Result<(Address, Address), Errno> {
        let end = self.end_of(socket);
        let near = &mut self.ends[end as usize];
        match near.state {
            EndState::Connecting => {
                self.sockets[socket as usize].waits_out = true;
                Err(Errno::WouldBlock)
            }
            EndState::Established if near.error.is_none() => Ok((near.local, near.peer)),
            EndState::Established | EndState::Failed => {
                Err(near.error.take().unwrap_or(Errno::ConnectionAborted))
            }
            EndState::Closed => unreachable!("no call follows close"),
        }
    }

    /// Takes the pending error of a stream.
    pub fn take_error(&mut self, socket: u32) -> Option<Errno> {
        let end = self.end_of(socket);
        self.ends[end as usize].error.take()
    }

    pub(super) fn close_end(&mut self, end: u32, is_reset: bool) {
        let near = &mut self.ends[end as usize];
        let was = near.state;
        near.state = EndState::Closed;
        near.socket = None;
        if was != EndState::Established || near.is_reset {
            return;
        }
        let incoming = &self.pipes[(end ^ 1) as usize];
        if is_reset || incoming.readable() > 0 {
            // What a closing program has not read is lost, and the peer must learn it.
            self.pipes[(end ^ 1) as usize].cut_off();
            self.send_reset(end);
        } else {
            self.pipes[end as usize].finish();
            self.pump(end);
        }
    }

    /// Sends RST from an end, behind what it sent; what it did not send is lost.
    pub(super) fn send_reset(&mut self, end: u32) {
        let near = &self.ends[end as usize];
        let (from, to) = (near.local.host, near.peer.host);
        let arrival = self.transmit(from, to, 0);
        let pipe = &mut self.pipes[end as usize];
        let arrival = arrival.max(pipe.last_arrival_nanos);
        pipe.last_arrival_nanos = arrival;
        self.at(arrival, What::Reset { end: end ^ 1 });
    }

    pub(super) fn reset_arrives(&mut self, end: u32) {
        let near = &self.ends[end as usize];
        let (from, to) = (near.peer.host, near.local.host);
        if !self.is_blocked(from, to, What::Reset { end }) {
            self.reset_end(end);
        }
    }

    /// RST reaches an end: nothing more is delivered to it or sent by it.
    pub(super) fn reset_end(&mut self, end: u32) {
        let has_eof = self.pipes[(end ^ 1) as usize].is_ended();
        self.pipes[end as usize].cut_off();
        self.pipes[(end ^ 1) as usize].cut_off();
        let near = &mut self.ends[end as usize];
        if near.is_reset || near.state == EndState::Closed {
            return;
        }
        near.is_reset = true;
        if self.settings.os == Os::Windows && !has_eof {
            self.pipes[(end ^ 1) as usize].discard();
        }
        near.error = Some(match (near.state, has_eof) {
            (EndState::Connecting, _) => Errno::ConnectionRefused,
            // The reader has its end of stream already; only a writer learns of it (K2).
            (_, true) => Errno::BrokenPipe,
            (_, false) => Errno::ConnectionReset,
        });
        if near.state == EndState::Connecting {
            near.state = EndState::Failed;
        }
        if let Some(socket) = near.socket {
            self.mark_both(socket);
        }
    }

    /// The end behind a stream's descriptor.
    pub fn end_of(&self, socket: u32) -> u32 {
        match &self.sockets[socket as usize].shape {
            Shape::Stream { end } => *end,
            other => panic!("socket {socket} is no stream: {other:?}"),
        }
    }

    /// The entity of a socket; of a stream that of the connection's near end, and that it is one.
    pub fn near_entity(&self, socket: u32) -> (u32, bool) {
        let s = &self.sockets[socket as usize];
        match &s.shape {
            Shape::Stream { end } => (s.entity - (end & 1), true),
            Shape::Listener { .. } | Shape::Datagram(_) => (s.entity, false),
        }
    }

    /// An end.
    pub fn end(&self, end: u32) -> &End {
        &self.ends[end as usize]
    }

    /// The pipe that an end writes.
    pub fn pipe(&self, end: u32) -> &Pipe {
        &self.pipes[end as usize]
    }

    /// Returns the number of ends; two for each connection.
    pub fn ends(&self) -> u32 {
        self.ends.len() as u32
    }
}
