//! The reports to a host about its sockets: three profiles of readiness.

use bytes::Bytes;

use super::{Bits, Completion, EndState, Errno, Kernel, Pending, Polled, Readiness, Shape};
use crate::chance::choices::Choices;
use crate::system::schedule::What;
use crate::words::kinds::Kind;

impl<C: Choices> Kernel<C> {
    /// The host should look: it has an event or a completion.
    pub(super) fn wake(&mut self, host: u16) {
        if self.woken.last() != Some(&host) {
            self.woken.push(host);
        }
    }

    pub(super) fn mark_in(&mut self, socket: u32) {
        self.mark(socket, true, false);
    }

    pub(super) fn mark_out(&mut self, socket: u32) {
        self.mark(socket, false, true);
    }

    pub(super) fn mark_both(&mut self, socket: u32) {
        self.mark(socket, true, true);
    }

    /// A new descriptor is registered: what is ready already is reported, where readiness is.
    pub(super) fn mark_born(&mut self, socket: u32) {
        let host = self.sockets[socket as usize].host;
        if matches!(self.readiness(host), Readiness::Linux | Readiness::Kqueue) {
            self.mark(socket, true, true);
        }
    }

    /// From now on events of a stream carry `token`. It is registered anew, so what is ready is
    /// reported once more; what was reported before is about somebody who is gone.
    pub fn rename(&mut self, socket: u32, token: u64) {
        let s = &mut self.sockets[socket as usize];
        assert!(s.is_open, "what is renamed is open");
        assert_eq!(s.completions_out, 0, "a call that is pending keeps its name");
        let before = std::mem::replace(&mut s.token, token);
        self.hosts[s.host as usize].token_is_gone(before);
        self.mark_born(socket);
    }

    pub(super) fn mark(&mut self, socket: u32, is_in: bool, is_out: bool) {
        let s = &mut self.sockets[socket as usize];
        if !s.is_open {
            return;
        }
        let host = s.host;
        match self.hosts[host as usize].readiness {
            Readiness::Linux => {
                s.waits_in &= !is_in;
                s.waits_out &= !is_out;
            }
            Readiness::Kqueue => {
                s.waits_in &= !is_in;
                s.waits_out &= !is_out;
                s.found.readable |= is_in;
                s.found.writable |= is_out;
            }
            Readiness::Weakest => {
                let (found_in, found_out) = (is_in && s.waits_in, is_out && s.waits_out);
                if !found_in && !found_out {
                    return;
                }
                s.waits_in &= !found_in;
                s.waits_out &= !found_out;
                s.found.readable |= found_in;
                s.found.writable |= found_out;
            }
            Readiness::Completion => {
                s.waits_out &= !is_out;
                self.complete(socket);
                return;
            }
        }
        if !s.is_queued {
            s.is_queued = true;
            self.hosts[host as usize].ready.push_back(socket);
        }
        self.wake(host);
    }

    /// Returns the bits that an event for the socket would have now.
    pub fn bits(&self, socket: u32) -> Bits {
        let s = &self.sockets[socket as usize];
        match &s.shape {
            Shape::Listener { backlog, .. } => {
                Bits { readable: !backlog.is_empty(), ..Bits::default() }
            }
            Shape::Datagram(inbox) => Bits {
                readable: !inbox.queue.is_empty() || inbox.error.is_some(),
                writable: true,
                failed: inbox.error.is_some(),
                peer_closed: false,
            },
            Shape::Stream { end } => {
                let near = &self.ends[*end as usize];
                let incoming = &self.pipes[(*end ^ 1) as usize];
                if near.state == EndState::Connecting {
                    return Bits::default();
                }
                let is_over = near.error.is_some() || near.is_reset;
                let has_both_ended =
                    incoming.is_ended() && self.pipes[*end as usize].is_finishing();
                Bits {
                    readable: self.has_input(*end),
                    writable: self.has_space(*end),
                    peer_closed: incoming.is_ended() || near.is_reset,
                    failed: is_over || has_both_ended,
                }
            }
        }
    }

    /// Returns `true` if an event for the socket would say now that it is readable.
    #[inline]
    pub fn is_readable(&self, socket: u32) -> bool {
        match self.sockets[socket as usize].shape {
            Shape::Stream { end } => self.has_input(end),
            Shape::Listener { .. } | Shape::Datagram(_) => self.bits(socket).readable,
        }
    }

    /// Returns `true` if a read of this end's stream would not block.
    #[inline]
    fn has_input(&self, end: u32) -> bool {
        let near = &self.ends[end as usize];
        let incoming = &self.pipes[(end ^ 1) as usize];
        let is_over = near.error.is_some() || near.is_reset;
        near.state != EndState::Connecting
            && (incoming.readable() > 0 || incoming.is_ended() || is_over)
    }

    /// Returns `true` if a stream broke, nobody took its error, and its host is one that is told of
    /// errors.
    pub fn has_error_told(&self, socket: u32) -> bool {
        let s = &self.sockets[socket as usize];
        let is_told = match self.hosts[s.host as usize].readiness {
            Readiness::Linux | Readiness::Kqueue => true,
            Readiness::Weakest | Readiness::Completion => false,
        };
        let Shape::Stream { end } = s.shape else { return false };
        is_told && self.ends[end as usize].error.is_some()
    }

    /// Returns `true` if an event or a completion for the socket is queued, scheduled, or sure to
    /// come.
    pub fn is_owed(&self, socket: u32) -> bool {
        let s = &self.sockets[socket as usize];
        s.is_queued || s.is_edge_coming || s.edges_owed > 0 || s.completions_out > 0
    }

    /// Returns `true` if a poll of the host would give anything.
    pub fn has_events(&self, host: u16) -> bool {
        let table = &self.hosts[host as usize];
        !table.ready.is_empty() || !table.completed.is_empty()
    }

    /// Gives a host its events: a bounded batch, in drawn order.
    pub fn poll(&mut self, host: u16, out: &mut Vec<Polled>) {
        let entity = self.hosts[host as usize].entity;
        if self.meets(Kind::POLL, host, entity).is_some() {
            // The program sees that nothing came, and looks again.
            return;
        }
        let limit = self.draw(Kind::POLL_LIMIT, entity, 4) as usize;
        let batch_max = if limit > 0 { limit } else { self.settings.batch_max };
        let readiness = self.readiness(host);
        while out.len() < batch_max {
            let waiting = self.hosts[host as usize].ready.len();
            if waiting == 0 {
                break;
            }
            let at = self.draw_place(entity, waiting);
            let ready = &mut self.hosts[host as usize].ready;
            let socket = if at == 0 { ready.pop_front() } else { ready.remove(at) };
            let socket = socket.expect("the place is one of those that wait");
            self.poll_socket(readiness, socket, out);
        }
        while out.len() < batch_max {
            let waiting = self.hosts[host as usize].completed.len();
            if waiting == 0 {
                break;
            }
            let at = self.draw_place(entity, waiting);
            let completed = &mut self.hosts[host as usize].completed;
            let (socket, completion) =
                completed.remove(at).expect("the place is one of those that wait");
            out.push(Polled::Completion { socket, completion });
        }
        if readiness != Readiness::Completion {
            self.poll_spurious(host, entity, out);
        }
    }

    fn draw_place(&mut self, entity: u32, waiting: usize) -> usize {
        if waiting < 2 {
            return 0;
        }
        let bound = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.draw(Kind::POLL_ORDER, entity, bound) as usize
    }

    fn poll_socket(&mut self, readiness: Readiness, socket: u32, out: &mut Vec<Polled>) {
        let current = self.bits(socket);
        let s = &mut self.sockets[socket as usize];
        s.is_queued = false;
        if !s.is_open {
            return;
        }
        let bits = match readiness {
            Readiness::Kqueue if std::mem::take(&mut s.found.readable) => {
                if s.found.writable {
                    // The other direction has an entry of its own, in this batch or the next.
                    s.is_queued = true;
                    let host = s.host;
                    self.hosts[host as usize].ready.push_back(socket);
                }
                let is_true = current.readable || current.peer_closed;
                if is_true { Bits { writable: false, ..current } } else { Bits::default() }
            }
            Readiness::Kqueue => {
                s.found.writable = false;
                let is_true = current.writable || current.failed;
                if is_true { Bits { readable: false, ..current } } else { Bits::default() }
            }
            Readiness::Weakest => std::mem::take(&mut s.found),
            Readiness::Linux | Readiness::Completion => current,
        };
        if !bits.is_empty() {
            out.push(Polled::Ready { token: s.token, bits });
        }
    }

    /// Something that nothing caused: for a socket that is open, or for one that was closed and
    /// whose place somebody else may have taken.
    fn poll_spurious(&mut self, host: u16, entity: u32, out: &mut Vec<Polled>) {
        let table = &self.hosts[host as usize];
        let known = table.closed.len() + table.descriptors as usize;
        if known == 0 {
            return;
        }
        let bound = u32::try_from(3 * known + 1).unwrap_or(u32::MAX);
        let drawn = self.draw(Kind::SPURIOUS, entity, bound);
        if drawn == 0 {
            return;
        }
        let (which, how) = ((drawn - 1) as usize / 3, (drawn - 1) % 3);
        let table = &self.hosts[host as usize];
        let token = match table.closed.get(which) {
            Some(token) => *token,
            None => {
                let nth = which - table.closed.len();
                // In order of opening. It happens so seldom that no list is kept for it.
                let mut open = self.sockets.iter().filter(|s| s.host == host && s.is_open);
                open.nth(nth).expect("as many are open as are counted").token
            }
        };
        let bits = Bits { readable: how != 1, writable: how != 0, ..Bits::default() };
        out.push(Polled::Ready { token, bits });
    }

    /// A call of this socket goes on later; it is completed as soon as it can.
    pub fn submit_read(&mut self, socket: u32, size_max: usize) {
        let pending = self.sockets[socket as usize].pending.get_or_insert_default();
        assert!(pending.read.replace(size_max).is_none(), "one read at a time");
        self.complete(socket);
    }

    /// See [`submit_read`](Self::submit_read).
    pub fn submit_write(&mut self, socket: u32, shares: Vec<Bytes>) {
        let pending = self.sockets[socket as usize].pending.get_or_insert_default();
        assert!(pending.write.replace(shares).is_none(), "one write at a time");
        self.complete(socket);
    }

    /// See [`submit_read`](Self::submit_read).
    pub fn submit_accept(&mut self, listener: u32, child: u64) {
        let pending = self.sockets[listener as usize].pending.get_or_insert_default();
        assert!(pending.accept.replace(child).is_none(), "one accept at a time");
        self.complete(listener);
    }

    /// See [`submit_read`](Self::submit_read).
    pub fn submit_connect(&mut self, socket: u32) {
        let pending = self.sockets[socket as usize].pending.get_or_insert_default();
        assert!(!std::mem::replace(&mut pending.connect, true), "one connect at a time");
        self.complete(socket);
    }

    /// See [`submit_read`](Self::submit_read).
    pub fn submit_receive(&mut self, socket: u32, size_max: usize) {
        let pending = self.sockets[socket as usize].pending.get_or_insert_default();
        assert!(pending.receive.replace(size_max).is_none(), "one receive at a time");
        self.complete(socket);
    }

    /// Completes what can be completed.
    fn complete(&mut self, socket: u32) {
        let Some(pending) = self.sockets[socket as usize].take_pending() else { return };
        let mut left = Pending::default();
        let token = self.sockets[socket as usize].token;
        if pending.connect {
            match self.connected(socket) {
                Err(Errno::WouldBlock) => left.connect = true,
                result => self.tell(socket, Completion::Connected { token, result }),
            }
        }
        if let Some(size_max) = pending.read {
            match self.read(socket, size_max) {
                Err(Errno::WouldBlock) => left.read = Some(size_max),
                result => self.tell(socket, Completion::Received { token, result }),
            }
        }
        if let Some(shares) = pending.write {
            let length = shares.iter().map(Bytes::len).sum();
            match self.room(socket, length) {
                Err(Errno::WouldBlock) => left.write = Some(shares),
                Err(error) => self.tell(socket, Completion::Written { token, result: Err(error) }),
                Ok(room) => {
                    let taken = self.take_shares(socket, shares, room);
                    self.tell(socket, Completion::Written { token, result: Ok(taken) });
                }
            }
        }
        if let Some(child) = pending.accept {
            match self.accept(socket, child) {
                Err(Errno::WouldBlock) => left.accept = Some(child),
                result => self.tell(socket, Completion::Accepted { token, child, result }),
            }
        }
        if let Some(size_max) = pending.receive {
            match self.receive_from(socket, size_max) {
                Err(Errno::WouldBlock) => left.receive = Some(size_max),
                result => self.tell(socket, Completion::ReceivedFrom { token, result }),
            }
        }
        if let Some(pending) = &mut self.sockets[socket as usize].pending {
            **pending = left;
        }
    }

    fn take_shares(&mut self, socket: u32, shares: Vec<Bytes>, room: usize) -> usize {
        let entity = self.entity(socket);
        let bound = u32::try_from(room).unwrap_or(u32::MAX);
        let offered = match self.draw(Kind::COMPLETION_SHORT, entity, bound) as usize {
            0 => room,
            short => short,
        };
        let taken = self.cut_grant(socket, offered);
        let mut left = taken;
        for mut share in shares {
            share.truncate(left);
            left -= share.len();
            if !share.is_empty() {
                self.append(socket, share);
            }
        }
        assert_eq!(left, 0, "as much was granted as was offered at most");
        self.push(socket);
        taken
    }

    /// Queues a completion for its host, now or later.
    fn tell(&mut self, socket: u32, completion: Completion) {
        let s = &mut self.sockets[socket as usize];
        s.completions_out += 1;
        let (host, entity) = (s.host, s.entity);
        let delay = self.draw_delay(Kind::COMPLETION_DELAY, entity);
        if delay == 0 {
            self.hosts[host as usize].completed.push_back((socket, completion));
            self.wake(host);
        } else {
            let slot = self.completions.len() as u32;
            self.completions.push(Some((socket, completion)));
            self.at(self.now + delay, What::Completion { slot });
        }
    }

    pub(super) fn completion_comes(&mut self, slot: u32) {
        let (socket, completion) =
            self.completions[slot as usize].take().expect("a completion comes once");
        let s = &self.sockets[socket as usize];
        let host = s.host;
        if !s.is_dead {
            self.hosts[host as usize].completed.push_back((socket, completion));
            self.wake(host);
        }
    }

    /// The host's program has a completion; after the last one for a descriptor that closes comes
    /// `Closed`.
    pub fn handed_over(&mut self, socket: u32) {
        let s = &mut self.sockets[socket as usize];
        let host = s.host;
        assert!(s.completions_out > 0, "nothing was to be completed");
        s.completions_out -= 1;
        if s.completions_out == 0 && s.is_closing {
            s.is_closing = false;
            s.completions_out = 1;
            let closed = Completion::Closed { token: s.token };
            self.hosts[host as usize].completed.push_back((socket, closed));
        }
    }

    pub(super) fn cancel_pending(&mut self, socket: u32) -> bool {
        let pending = self.sockets[socket as usize].take_pending().unwrap_or_default();
        let s = &self.sockets[socket as usize];
        if self.readiness(s.host) != Readiness::Completion {
            return false;
        }
        let token = s.token;
        if pending.connect {
            let result = Err(Errno::Cancelled);
            self.tell(socket, Completion::Connected { token, result });
        }
        if pending.read.is_some() {
            let result = Err(Errno::Cancelled);
            self.tell(socket, Completion::Received { token, result });
        }
        if pending.write.is_some() {
            let result = Err(Errno::Cancelled);
            self.tell(socket, Completion::Written { token, result });
        }
        if let Some(child) = pending.accept {
            let result = Err(Errno::Cancelled);
            self.tell(socket, Completion::Accepted { token, child, result });
        }
        if pending.receive.is_some() {
            let result = Err(Errno::Cancelled);
            self.tell(socket, Completion::ReceivedFrom { token, result });
        }
        let s = &mut self.sockets[socket as usize];
        s.is_closing = s.completions_out > 0;
        s.is_closing
    }
}
