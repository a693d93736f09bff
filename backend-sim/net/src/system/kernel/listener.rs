//! Listeners and their backlogs.

use super::{Address, Effect, Errno, Kernel, Shape};
use crate::chance::choices::Choices;
use crate::system::schedule::What;
use crate::words::kinds::Kind;

/// When an owner without a timer tries again.
const RETRY_NANOS: u64 = 10_000_000;

impl<C: Choices> Kernel<C> {
    /// Opens a listener at `port`, or at one that the system chooses if it is 0.
    ///
    /// # Errors
    /// Without a descriptor, or if the port is taken.
    pub fn listen(
        &mut self,
        host: u16,
        token: u64,
        port: u16,
        backlog_max: usize,
        name: &dyn Fn() -> String,
    ) -> Result<(u32, Address), Errno> {
        if !self.has_descriptor(host) {
            return Err(Errno::TooManyFiles);
        }
        let port = if port == 0 { self.next_port(host) } else { port };
        if self.hosts[host as usize].listening.contains_key(&port) {
            return Err(Errno::AddressInUse);
        }
        let entity = self.next_entity(name);
        let backlog_max = backlog_max.max(1);
        let shape = Shape::Listener { port, backlog: Box::default(), backlog_max };
        let socket = self.open(host, token, entity, shape);
        self.hosts[host as usize].listening.insert(port, socket);
        Ok((socket, Address { host, port }))
    }

    /// Puts a connection's far end into the backlog of whoever listens at `to`: `None` if nobody
    /// does, `Some(false)` if it is full.
    pub(super) fn offer_to_backlog(&mut self, to: Address, end: u32) -> Option<bool> {
        let socket = *self.hosts[to.host as usize].listening.get(&to.port)?;
        let Shape::Listener { backlog, backlog_max, .. } = &mut self.sockets[socket as usize].shape
        else {
            unreachable!("only listeners listen");
        };
        if backlog.len() >= *backlog_max {
            return Some(false);
        }
        backlog.push_back(end);
        self.mark_in(socket);
        Some(true)
    }

    /// Takes the first connection of a backlog.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; what accepting met otherwise.
    pub fn accept(&mut self, listener: u32, token: u64) -> Result<(u32, Address, Address), Errno> {
        let s = &self.sockets[listener as usize];
        let (host, entity) = (s.host, s.entity);
        let Shape::Listener { backlog, .. } = &s.shape else {
            panic!("socket {listener} is no listener");
        };
        if backlog.is_empty() {
            self.sockets[listener as usize].waits_in = true;
            return Err(Errno::WouldBlock);
        }
        // The system takes the descriptor first: without one the connection stays (LESSONS 29).
        let met = self.meets(Kind::ACCEPT, host, entity);
        if !self.has_descriptor(host) {
            return Err(Errno::TooManyFiles);
        }
        match met.map(|row| row.effect) {
            None | Some(Effect::Aborts) => {}
            Some(Effect::OwesEdge) => return Err(self.owe_edge(listener, true)),
            Some(_) => return Err(met.expect("it was just seen").errno),
        }
        let Shape::Listener { backlog, .. } = &mut self.sockets[listener as usize].shape else {
            unreachable!("it was just seen");
        };
        let end = backlog.pop_front().expect("it was just seen");
        if let Some(row) = met {
            self.reset_end(end);
            self.close_end(end, true);
            self.send_reset(end);
            return Err(row.errno);
        }
        let entity = self.ends[end as usize].entity;
        let socket = self.open(host, token, entity, Shape::Stream { end });
        let near = &mut self.ends[end as usize];
        near.socket = Some(socket);
        let (local, peer) = (near.local, near.peer);
        self.mark_born(socket);
        Ok((socket, local, peer))
    }

    /// The listener's owner met an error that passes: it hears of the backlog again.
    pub fn retry_later(&mut self, listener: u32) {
        self.at(self.now + RETRY_NANOS, What::Edge { socket: listener });
    }

    /// Returns the number of connections that wait at a listener.
    pub fn backlog(&self, listener: u32) -> usize {
        match &self.sockets[listener as usize].shape {
            Shape::Listener { backlog, .. } => backlog.len(),
            _ => 0,
        }
    }
}
