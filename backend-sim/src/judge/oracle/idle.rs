//! The laws of a host that has nothing to do, and of the end.

use tidelock_core::SocketId;

use super::grammar::Phase;
use super::socket::NEVER;
use super::views::Case;
use super::{Law, Oracle, SocketView};

/// A socket's possibilities that are not used, as the world saw them when a host was idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleSocket {
    /// The Mux wishes this direction: in, out.
    pub wishes: [bool; 2],
    /// The Mux was told to wait for it.
    pub is_pending: [bool; 2],
    /// The kernel could do it, where it is wished.
    pub is_possible: [bool; 2],
    /// An event or a completion is on its way.
    pub is_owed: bool,
    /// It is established and broke, an event can tell of it, nobody took its error, and no read is
    /// wished that would.
    pub has_error: bool,
    /// No service runs or has anything to handle, and no command waits: nobody's mailbox is full.
    pub has_services_idle: bool,
}

/// The state in which a socket must be when its host is idle and so are its services.
struct Rest {
    /// The directions that the Mux must wish; they follow from what was asked and told.
    must: [bool; 2],
    /// Reads that were never told, and should have been.
    untold: usize,
    /// A full mailbox may have held them back.
    was_held_back: bool,
    warnings: Result<(), String>,
    close: Result<(), String>,
}

impl Case<'_> {
    /// The state in which the socket must be now that nothing is owed to it.
    fn at_rest(mut self, host: u16) -> Rest {
        let must = self.may_be_ending();
        let must = self.view.must_wish(must);
        let untold = if must[0] { self.view.input.len() } else { 0 };
        let id = self.view.id;
        let close = match self.view.is_told_open() && self.view.close_step != NEVER {
            true => Err(format!("host {host}, {id}: own close was asked, and it stays open")),
            false => Ok(()),
        };
        let warnings = self.view.warnings.goes_on().map_err(|detail| format!("{id}: {detail}"));
        let owner = self.view.owner;
        let was_held_back = owner.is_some_and(|owner| self.services.was_ever_full(owner));
        Rest { must, untold, was_held_back, warnings, close }
    }
}

impl Oracle {
    /// An event of this class was handed to a host's Mux, which took it for a stale one, or did
    /// not.
    pub fn event(&mut self, host: u16, id: SocketId, class: &'static str, was_stale: bool) {
        self.begin(host, id);
        let (mut is_gone, mut is_secret) = (true, false);
        if let Some(mut case) = self.hosts[host as usize].case(id) {
            case.view.last = class;
            // Of one that was accepted and refused, or whose owner has ended, no end is told.
            (is_gone, is_secret) = (case.view.is_closed(), case.is_secret());
        } else {
            self.begin_forgotten(host, id, class);
        }
        let result = match is_gone == was_stale || is_secret {
            true => Ok(()),
            false if was_stale => Err(format!("an event for {id}, which lives, went nowhere")),
            false => Err(format!("an event for {id}, which is gone, was taken in")),
        };
        self.check(Law::StaleEvent, result);
    }

    /// A host's turn was idle: what is true of one of its sockets, whose descriptor is open.
    #[inline]
    pub fn idle(&mut self, host: u16, id: SocketId, socket: IdleSocket) {
        self.begin(host, id);
        let (mut must, mut was_held_back) = ([false; 2], false);
        if let Some(case) = self.hosts[host as usize].case(id) {
            let race = case.view.check_race();
            let rest = (socket.has_services_idle && !socket.is_owed).then(|| case.at_rest(host));
            if let Err(detail) = race {
                self.fail(Law::Race, detail);
            }
            if let Some(rest) = rest {
                (must, was_held_back) = (rest.must, rest.was_held_back);
                self.check(Law::Warnings, rest.warnings);
                self.check(Law::CloseFollows, rest.close);
                if rest.untold > 0 {
                    let law = if was_held_back { Law::Mailbox } else { Law::InputOrder };
                    let untold = rest.untold;
                    self.fail(law, format!("host {host}, {id}: {untold} reads were never told"));
                }
            }
        }
        if socket.has_error && socket.has_services_idle {
            let result = match socket.is_owed {
                true => Ok(()),
                false => Err(format!("host {host}, {id}: it broke, and nobody asked why")),
            };
            self.check(Law::NoLostEdge, result);
        }
        for (direction, name) in ["in", "out"].into_iter().enumerate() {
            if !socket.wishes[direction] && !must[direction] {
                continue;
            }
            self.checked[Law::NoIdleWork as usize] += 1;
            self.checked[Law::NoLostEdge as usize] += 1;
            if !socket.wishes[direction] {
                let is_mailbox = direction == 0 && was_held_back;
                let law = if is_mailbox { Law::Mailbox } else { Law::NoLostEdge };
                self.fail(law, format!("host {host}, {id}: must wish {name}, and does not"));
            } else if !socket.is_pending[direction] {
                let detail = format!("host {host}, {id}: wished {name}, idle, and never asked");
                self.fail(Law::NoIdleWork, detail);
            } else if socket.is_possible[direction] && !socket.is_owed {
                let detail = format!("host {host}, {id}: {name} is possible and no event is owed");
                self.fail(Law::NoLostEdge, detail);
            }
        }
    }

    /// Returns `true` if a full mailbox ever held back what is read for a socket's owner: then
    /// input waits for its service, too, and not only for its turn.
    pub fn is_throttled(&mut self, host: u16, id: SocketId) -> bool {
        let owner = self.socket(host, id).and_then(|view| view.next_owner());
        owner.is_some_and(|owner| self.hosts[host as usize].services.was_ever_full(owner))
    }

    /// A host's turn was idle, and so are its services: nobody waits for room that is there.
    ///
    /// `is_closing`: whether the Mux has let go of a socket, whose end is not told yet.
    pub fn idle_host(&mut self, host: u16, is_closing: impl Fn(SocketId) -> bool) {
        if !self.hosts[host as usize].services.has_waiters() {
            return;
        }
        let (half, whole) =
            (self.limits.outbox_bytes_max.div_ceil(2), self.limits.outbox_bytes_max);
        let (total_max, view) = (self.limits.total_bytes_max, &self.hosts[host as usize]);
        // What a broken one still holds is not known here; it is no more than this.
        let charge_of = |view: &SocketView| match view.is_closed() {
            true => 0,
            false => view.outbox.charge_bytes(),
        };
        let total: u64 = view.sockets.iter().map(charge_of).sum();
        let waiters: Vec<_> = view.services.waiters().collect();
        for (id, by, waiter) in waiters {
            let charge = waiter.charge_bytes as u64;
            let case = self.hosts[host as usize].case(id);
            if case.is_none_or(|mut case| case.may_be_ending()) || is_closing(id) {
                continue;
            }
            let Some(socket) = self.socket(host, id).filter(|socket| socket.can_send()) else {
                continue;
            };
            let held = socket.outbox.charge_bytes();
            let has_room = if waiter.is_total {
                total < total_max - total_max / 8 && total + charge <= total_max
            } else {
                held < half && held + charge <= whole
            };
            let result = match has_room {
                true => Err(format!("{by} waits to send {charge} B to {id}, which holds {held} B")),
                false => Ok(()),
            };
            self.begin(host, id);
            self.check(Law::SendReady, result);
        }
    }

    /// Judges the number of ids that a host uses, and its charge.
    pub fn used(&mut self, host: u16, sockets: usize, charged_bytes: usize) {
        let (sockets_max, total_max) = (self.limits.sockets_max, self.limits.total_bytes_max);
        let is_within = sockets as u64 <= sockets_max && charged_bytes as u64 <= total_max;
        let result = match is_within {
            true => Ok(()),
            false => Err(format!("host {host} uses {sockets} ids, {charged_bytes} B")),
        };
        self.begin_host(host);
        self.check(Law::Limits, result);
    }

    /// Faults have stopped long ago: every socket whose end is bounded has ended.
    pub fn settled(&mut self, host: u16, now: u64) {
        let bounds = self.limits.bounds;
        let view = &self.hosts[host as usize];
        let is_owed = |socket: &&SocketView| {
            let is_alive = socket.next_owner().is_some_and(|owner| view.services.is_alive(owner));
            socket.is_told_open() && is_alive
        };
        let results: Vec<_> = view
            .sockets
            .iter()
            .filter(is_owed)
            .map(|socket| {
                let is_open = socket.phase != Phase::Opening;
                let result = socket.ending.check_bounds(now, is_open, &bounds);
                let told = |detail| format!("{} on host {host}: {detail}", socket.id);
                (socket.id, result.map_err(told))
            })
            .collect();
        for (id, result) in results {
            self.begin(host, id);
            self.check(Law::Liveness, result);
        }
    }

    /// The world has ended: what every host still has open.
    pub fn finish(&mut self) {
        let mut open = Vec::new();
        let mut first = None;
        self.forget_subject();
        for (host, view) in self.hosts.iter().enumerate() {
            let is_owed = |socket: &&SocketView| {
                let owner = socket.next_owner().filter(|owner| view.services.is_alive(*owner));
                socket.is_told_open() && owner.is_some()
            };
            for socket in view.sockets.iter().filter(is_owed) {
                open.push(format!("{} on host {host}", socket.id));
                first.get_or_insert((host as u16, socket.id));
            }
        }
        if let Some((host, id)) = first {
            self.begin(host, id);
        }
        let result =
            if open.is_empty() { Ok(()) } else { Err(format!("no Close for {}", open.join(", "))) };
        self.check(Law::NothingLeft, result);
    }
}
