//! Datagrams: lost, doubled, overtaken, refused.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Address, Effect, Errno, Kernel, Shape};
use crate::chance::choices::Choices;
use crate::system::schedule::What;
use crate::words::kinds::Kind;

/// A datagram on its way.
#[derive(Clone, Debug, Hash)]
pub struct Datagram {
    from: Address,
    to: Address,
    payload: Bytes,
    /// The sending socket, if it hears of a dead port (it has a peer).
    sender: Option<u32>,
    /// Whose decisions judge it.
    entity: u32,
    /// It was decided that it is not lost, and not doubled once more.
    is_judged: bool,
}

/// A datagram socket's side of it.
#[derive(Debug, Default, Hash)]
pub(super) struct Inbox {
    pub(super) port: u16,
    pub(super) peer: Option<Address>,
    pub(super) queue: VecDeque<(Address, Bytes)>,
    pub(super) queued_bytes: u64,
    pub(super) error: Option<Errno>,
}

/// The most that IPv4 carries.
const PAYLOAD_BYTES_MAX: usize = 65_507;

impl<C: Choices> Kernel<C> {
    /// Opens a datagram socket at `port`, or at one that the system chooses if it is 0.
    ///
    /// # Errors
    /// Without a descriptor, or if the port is taken.
    pub fn open_datagram(
        &mut self,
        host: u16,
        token: u64,
        port: u16,
        name: &dyn Fn() -> String,
    ) -> Result<(u32, Address), Errno> {
        if !self.has_descriptor(host) {
            return Err(Errno::TooManyFiles);
        }
        let port = if port == 0 { self.next_port(host) } else { port };
        if self.hosts[host as usize].bound.contains_key(&port) {
            return Err(Errno::AddressInUse);
        }
        let entity = self.next_entity(name);
        let inbox = Inbox { port, ..Inbox::default() };
        let socket = self.open(host, token, entity, Shape::Datagram(Box::new(inbox)));
        self.hosts[host as usize].bound.insert(port, socket);
        Ok((socket, Address { host, port }))
    }

    fn inbox(&mut self, socket: u32) -> &mut Inbox {
        match &mut self.sockets[socket as usize].shape {
            Shape::Datagram(inbox) => inbox,
            other => panic!("socket {socket} carries no datagrams: {other:?}"),
        }
    }

    /// Sets the only peer.
    ///
    /// # Errors
    /// A row of the table; the peer is then as before.
    pub fn connect_datagram(&mut self, socket: u32, peer: Address) -> Result<(), Errno> {
        let s = &self.sockets[socket as usize];
        let (host, entity) = (s.host, s.entity);
        if let Some(row) = self.meets(Kind::PEER, host, entity) {
            return Err(row.errno);
        }
        self.inbox(socket).peer = Some(peer);
        Ok(())
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The pending error of an earlier one, or why this one does not leave.
    pub fn send_to(
        &mut self,
        socket: u32,
        to: Option<Address>,
        payload: Bytes,
    ) -> Result<(), Errno> {
        let s = &self.sockets[socket as usize];
        let (host, entity) = (s.host, s.entity);
        let inbox = self.inbox(socket);
        if let Some(error) = inbox.error.take() {
            return Err(error);
        }
        let (port, peer) = (inbox.port, inbox.peer);
        let to = to.or(peer).ok_or(Errno::NoDestination)?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Errno::MessageTooLarge);
        }
        if to.host as usize >= self.hosts.len() {
            return Err(Errno::NetworkUnreachable);
        }
        if let Some(row) = self.meets(Kind::DATAGRAM_FAIL, host, entity) {
            return Err(match row.effect {
                Effect::OwesEdge => self.owe_edge(socket, false),
                _ => row.errno,
            });
        }
        let from = Address { host, port };
        let sender = (peer == Some(to)).then_some(socket);
        let datagram = Datagram { from, to, payload, sender, entity, is_judged: false };
        let number = u32::from(host) << 16 | u32::from(to.host);
        let (now, noise, size_bytes) = (self.now, self.noise, datagram.payload.len() as u64);
        let passage = self.link_mut(host, to.host).transmit(number, now, size_bytes, noise);
        if passage.is_lost {
            return Ok(());
        }
        let arrival = passage.at_nanos + self.draw_delay(Kind::DATAGRAM_DELAY, entity);
        self.note_noise(Kind::DATAGRAM_DELAY, entity, passage.noise_nanos);
        if passage.is_doubled {
            self.put_under_way(datagram.clone(), arrival + 1);
        }
        self.put_under_way(datagram, arrival);
        Ok(())
    }

    fn put_under_way(&mut self, datagram: Datagram, arrival: u64) {
        let slot = self.datagrams.len() as u32;
        self.datagrams.push(Some(datagram));
        self.at(arrival, What::Datagram { slot });
    }

    pub(super) fn datagram_arrives(&mut self, slot: u32) {
        let datagram = self.datagrams[slot as usize].take().expect("a datagram arrives once");
        let now = self.now;
        let link = self.link_mut(datagram.from.host, datagram.to.host);
        if let Some(until) = link.blocked_until(now) {
            if link.is_held(now) {
                self.datagrams[slot as usize] = Some(datagram);
                self.at(until, What::Datagram { slot });
            }
            return;
        }
        if self.hosts[datagram.to.host as usize].down_until_nanos > now {
            return;
        }
        if !datagram.is_judged {
            // Only now, so that a fault hits what is under way.
            if self.draw(Kind::DATAGRAM_LOSS, datagram.entity, 2) == 1 {
                return;
            }
            if self.draw(Kind::DATAGRAM_TWICE, datagram.entity, 2) == 1 {
                let again = Datagram { is_judged: true, ..datagram.clone() };
                let arrival = self.transmit(again.from.host, again.to.host, 0);
                self.put_under_way(again, arrival);
            }
        }
        let Datagram { from, to, payload, sender, .. } = datagram;
        let Some(socket) = self.hosts[to.host as usize].bound.get(&to.port).copied() else {
            if let Some(socket) = sender {
                let arrival = self.transmit(to.host, from.host, 0);
                self.at(arrival, What::DatagramError { socket });
            }
            return;
        };
        let bytes_max = self.settings.receive_buffer_bytes.max(PAYLOAD_BYTES_MAX as u64);
        let inbox = self.inbox(socket);
        let is_foreign = inbox.peer.is_some_and(|peer| peer != from);
        let is_full = inbox.queued_bytes + payload.len() as u64 > bytes_max;
        if is_foreign || is_full {
            return;
        }
        inbox.queued_bytes += payload.len() as u64;
        inbox.queue.push_back((from, payload));
        self.mark_in(socket);
    }

    pub(super) fn datagram_error_arrives(&mut self, socket: u32) {
        if self.sockets[socket as usize].is_open {
            self.inbox(socket).error = Some(Errno::ConnectionRefused);
            self.mark_both(socket);
        }
    }

    /// Receives one datagram, cut to `size_max` bytes.
    ///
    /// # Errors
    /// `WouldBlock`, or the pending error of an earlier send.
    pub fn receive_from(
        &mut self,
        socket: u32,
        size_max: usize,
    ) -> Result<(Address, Bytes), Errno> {
        let s = &self.sockets[socket as usize];
        let (host, entity) = (s.host, s.entity);
        if let Some(row) = self.meets(Kind::RECEIVE, host, entity) {
            return Err(match row.effect {
                Effect::OwesEdge => self.owe_edge(socket, true),
                _ => row.errno,
            });
        }
        let inbox = self.inbox(socket);
        if let Some(error) = inbox.error.take() {
            return Err(error);
        }
        if let Some((from, mut payload)) = inbox.queue.pop_front() {
            inbox.queued_bytes -= payload.len() as u64;
            payload.truncate(size_max);
            return Ok((from, payload));
        }
        self.sockets[socket as usize].waits_in = true;
        Err(Errno::WouldBlock)
    }
}
