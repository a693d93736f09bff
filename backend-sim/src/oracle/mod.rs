//! The reference model: judges a run from what is asked, what is called and what is told.
//!
//! It knows of the core only the commands, messages, ids and faults; so it cannot share a defect
//! of the core. The world calls it at every step; the first violation ends the run.

#[cfg(test)]
mod independence;
mod law;
mod outbox;
mod socket;
mod stream;

use std::collections::BTreeMap;

use bytes::Bytes;
use tidelock_core::{Command, Message, ServiceId, SocketId};

pub use law::{LAW_COUNT, Law};
pub use outbox::OutboxModel;
pub use socket::{Phase, SocketView};
pub use stream::{Progress, Sent, StreamCheck};

use crate::operator::mark;
use crate::scenario::{Action, Behaviour, Operation, Side};

/// A broken law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// What was seen, and what was expected.
    pub detail: String,
}

/// What a socket could do and does not, as the world saw it when a host was idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleSocket {
    /// The Mux wishes this direction: in, out.
    pub wishes: [bool; 2],
    /// The Mux was told to wait for it.
    pub is_pending: [bool; 2],
    /// The kernel could do it.
    pub is_possible: [bool; 2],
    /// An event or a completion is on its way.
    pub is_owed: bool,
    /// No service runs or has anything to handle, and no command waits: nobody's mailbox is full.
    pub has_services_idle: bool,
}

/// Judges one run.
pub struct Oracle {
    /// The first broken law.
    pub violation: Option<Violation>,
    /// How often each law was checked, by its number.
    pub checked: [u64; LAW_COUNT],
    hosts: Vec<HostView>,
    /// By the number of the label of the connect.
    connections: BTreeMap<u32, ConnectionView>,
    /// The label of each connection of the kernel, if an operation made it.
    labels: Vec<Option<u32>>,
    is_completed: Vec<bool>,
    behaviour: Behaviour,
}

/// What is known of one host.
#[derive(Default)]
struct HostView {
    /// By index of the id; a closed one stays until the index is taken again.
    sockets: Vec<Option<SocketView>>,
    /// Those whose index was taken again by the system while their `Close` was on its way.
    leaving: Vec<SocketView>,
    /// Sockets that operations opened, whose command was not seen yet, and which operations.
    sides: BTreeMap<SocketId, (Side, u32)>,
    /// Operations that complete when an id closes.
    endings: BTreeMap<SocketId, Vec<u32>>,
}

/// What is known of one connection that an operation made.
struct ConnectionView {
    /// What the accepted side must read; what the connecting side must read.
    checks: [StreamCheck; 2],
}

impl Oracle {
    /// A judge for a world of so many hosts and operations, with a server that behaves so.
    pub fn new(hosts: usize, operations: usize, behaviour: Behaviour) -> Self {
        Self {
            violation: None,
            checked: [0; LAW_COUNT],
            hosts: (0..hosts).map(|_| HostView::default()).collect(),
            connections: BTreeMap::new(),
            labels: Vec::new(),
            is_completed: vec![false; operations],
            behaviour,
        }
    }

    /// Notes that a law was checked, and, if it was broken, how.
    pub fn check(&mut self, law: Law, result: Result<(), String>) {
        self.checked[law as usize] += 1;
        if let Err(detail) = result {
            self.fail(law, detail);
        }
    }

    /// A law is broken. Only the first counts.
    pub fn fail(&mut self, law: Law, detail: String) {
        self.violation.get_or_insert(Violation { law, detail });
    }

    /// How many operations completed.
    pub fn completed(&self) -> u64 {
        self.is_completed.iter().filter(|is_completed| **is_completed).count() as u64
    }

    /// Which operations did not complete.
    pub fn incomplete(&self) -> impl Iterator<Item = usize> {
        let all = self.is_completed.iter().enumerate();
        all.filter(|(_, is_completed)| !**is_completed).map(|(index, _)| index)
    }

    /// An operation completed.
    pub fn complete(&mut self, operation: u32) {
        self.is_completed[operation as usize] = true;
    }

    /// An operation opened a socket of a host; its command is still to come.
    pub fn named(&mut self, host: u16, side: Side, id: SocketId, operation: u32) {
        self.hosts[host as usize].sides.insert(id, (side, operation));
    }

    /// An operation was accepted by its host.
    pub fn asked(&mut self, index: u32, operation: &Operation, id: Option<SocketId>) {
        match operation.action {
            Action::Send { on, message, bytes, is_low } => {
                let mark = mark(on, message, is_low);
                let sent = Sent { mark, bytes, operation: index };
                let reader = usize::from(on.is_accepted);
                self.connection(on.label.number).checks[reader].expect(sent);
                if bytes == 0 {
                    self.complete(index);
                }
            }
            Action::Shutdown { .. } | Action::Finish { .. } | Action::Close { .. } => {
                let is_over = |view: &mut SocketView| view.is_closed();
                match id {
                    Some(id) if !self.socket(operation.host, id).is_some_and(is_over) => {
                        let endings = &mut self.hosts[operation.host as usize].endings;
                        endings.entry(id).or_default().push(index);
                    }
                    _ => self.complete(index),
                }
            }
            Action::Connect { .. } | Action::Udp { .. } => {}
            Action::Pause { .. } | Action::Start { .. } | Action::SendTo { .. } => {
                self.complete(index);
            }
        }
    }

    /// A connection of the kernel began; an operation with this label's number made it.
    pub fn connection_began(&mut self, connection: u32, label: Option<u32>) {
        assert_eq!(connection as usize, self.labels.len(), "connections begin in order");
        self.labels.push(label);
    }

    /// A program read bytes at an end of a connection.
    pub fn received(&mut self, end: u32, bytes: &[u8]) {
        let Some(label) = self.labels[(end / 2) as usize] else { return };
        let is_echo = self.behaviour == Behaviour::Echo;
        let view = self.connection(label);
        // The accepted side has the odd end, and reads what the first check expects.
        let reader = usize::from(end.is_multiple_of(2));
        let [forward, back] = &mut view.checks;
        let mut completed = Vec::new();
        let result = if reader == 0 {
            forward.receive(bytes, |sent, progress| match progress {
                Progress::Begun if is_echo => back.expect(sent),
                Progress::Begun => {}
                Progress::Complete => completed.push(sent.operation),
            })
        } else {
            back.receive(bytes, |sent, progress| {
                if progress == Progress::Complete {
                    completed.push(sent.operation);
                }
            })
        };
        let result = result.map_err(|detail| format!("c{label}, read at end {end}: {detail}"));
        self.check(Law::StreamBytes, result);
        completed.into_iter().for_each(|operation| self.complete(operation));
    }

    /// A command goes into a host's Mux.
    pub fn command(&mut self, host: u16, command: &Command) {
        match command {
            Command::Listen { id, .. } | Command::Udp { id, .. } | Command::Adopt { id, .. } => {
                self.born(host, *id, false);
            }
            Command::Connect { id, options, .. } => self.born(host, *id, !options.paused),
            Command::Start { id, .. } | Command::Pause { id } => {
                let is_start = matches!(command, Command::Start { .. });
                if let Some(view) = self.socket(host, *id) {
                    view.is_reading = is_start;
                }
            }
            Command::Send { id, low, bytes } => {
                if let Some(view) = self.socket(host, *id) {
                    view.outbox.push(bytes.clone(), *low);
                }
            }
            Command::SendVectored { id, low, parts } => {
                if let Some(view) = self.socket(host, *id) {
                    view.outbox.push(Bytes::from(parts.concat()), *low);
                }
            }
            Command::Shutdown { id } | Command::Finish { id } | Command::Close { id } => {
                if let Some(view) = self.socket(host, *id) {
                    view.is_output_ended = true;
                }
            }
            _ => {}
        }
    }

    /// The kernel opened a stream for an id: it is this end.
    pub fn opened(&mut self, host: u16, id: SocketId, end: u32) {
        match self.socket(host, id) {
            Some(view) => view.end = Some(end),
            None => {
                let view = SocketView { end: Some(end), ..SocketView::new(id, Phase::Unborn) };
                self.insert(host, view);
            }
        }
    }

    /// The system took bytes of a socket's outbox.
    pub fn took(&mut self, host: u16, id: SocketId, bytes: &[u8]) {
        if let Some(view) = self.socket(host, id) {
            let result = view.outbox.take(bytes).map_err(|detail| format!("{id}: {detail}"));
            self.check(Law::OutputOrder, result);
        }
    }

    /// Bytes of a socket's outbox were offered to a write that is pending.
    pub fn offered(&mut self, host: u16, id: SocketId, shares: &[Bytes]) {
        if let Some(view) = self.socket(host, id) {
            let shares = shares.iter().map(|share| &share[..]);
            let result = view.outbox.offer(shares).map_err(|detail| format!("{id}: {detail}"));
            self.check(Law::OutputOrder, result);
        }
    }

    /// The write that was pending took so many of them.
    pub fn took_offered(&mut self, host: u16, id: SocketId, count: usize) {
        if let Some(view) = self.socket(host, id) {
            let result =
                view.outbox.take_offered(count).map_err(|detail| format!("{id}: {detail}"));
            self.check(Law::OutputOrder, result);
        }
    }

    /// A read answered bytes; empty ones are the end of the stream.
    pub fn read(&mut self, host: u16, id: SocketId, bytes: &Bytes) {
        if let Some(view) = self.socket(host, id) {
            view.input.push_back(bytes.clone());
        }
    }

    /// A host's Mux tells a service something.
    pub fn message(&mut self, host: u16, _service: ServiceId, message: &Message) {
        let Some(id) = message.socket() else { return };
        if let Message::Accept { accepted, .. } = message {
            let result = match self.socket(host, *accepted) {
                Some(view) if view.phase == Phase::Unborn => {
                    view.phase = Phase::Open;
                    Ok(())
                }
                _ => Err(format!("{id} accepted {accepted}, which no accept opened")),
            };
            self.check(Law::MessageOrder, result);
        }
        if let Message::Refused { .. } = message {
            // It answers a command, and may come long after `Close`.
            return;
        }
        let Some(view) = self.socket(host, id) else {
            return self.fail(Law::MessageOrder, format!("{message}, but {id} was never opened"));
        };
        let result = view.message(message);
        let end = view.end;
        self.check(Law::MessageOrder, result);
        match message {
            Message::Data { socket, bytes } => {
                let view = self.socket(host, *socket).expect("it was just there");
                let result = view.deliver(bytes).map_err(|detail| format!("{id}: {detail}"));
                self.check(Law::InputOrder, result);
                if let Some(end) = end {
                    self.received(end, bytes);
                }
            }
            Message::Eof { socket } => {
                let view = self.socket(host, *socket).expect("it was just there");
                let result = view.deliver_eof().map_err(|detail| format!("{id}: {detail}"));
                self.check(Law::InputOrder, result);
            }
            Message::Connect { .. } | Message::Listening { .. } => {
                let opening = self.socket(host, id).and_then(|view| view.opening.take());
                opening.into_iter().for_each(|operation| self.complete(operation));
            }
            Message::Close { unsent, .. } => self.closed(host, id, *unsent),
            _ => {}
        }
    }

    /// An event was handed to a host's Mux, which took it for a stale one, or did not.
    pub fn event(&mut self, host: u16, id: SocketId, was_stale: bool) {
        let is_gone = self.socket(host, id).is_none_or(|view| view.is_closed());
        // One that was accepted and refused was never told, nor is its end.
        let is_secret = self.socket(host, id).is_some_and(|view| view.phase == Phase::Unborn);
        let result = match is_gone == was_stale || is_secret {
            true => Ok(()),
            false if was_stale => Err(format!("an event for {id}, which lives, went nowhere")),
            false => Err(format!("an event for {id}, which is gone, was taken in")),
        };
        self.check(Law::StaleEvent, result);
    }

    /// A host's turn was idle: what is true of one of its sockets.
    pub fn idle(&mut self, host: u16, id: SocketId, mut socket: IdleSocket) {
        if socket.has_services_idle
            && let Some(view) = self.socket(host, id)
        {
            // What must be wished follows from what was asked and told, whatever the Mux wishes.
            let must = view.must_wish();
            for (wish, must) in socket.wishes.iter_mut().zip(must) {
                *wish |= must && !socket.is_owed;
            }
        }
        for (direction, name) in ["in", "out"].into_iter().enumerate() {
            if !socket.wishes[direction] {
                continue;
            }
            self.checked[Law::NoIdleWork as usize] += 1;
            self.checked[Law::NoLostEdge as usize] += 1;
            if !socket.is_pending[direction] {
                let detail = format!("host {host}, {id}: wished {name}, idle, and never asked");
                self.fail(Law::NoIdleWork, detail);
            } else if socket.is_possible[direction] && !socket.is_owed {
                let detail = format!("host {host}, {id}: {name} is possible and no event is owed");
                self.fail(Law::NoLostEdge, detail);
            }
        }
    }

    /// The world has ended: what every host still has open.
    pub fn finish(&mut self) {
        let mut open = Vec::new();
        for (host, view) in self.hosts.iter().enumerate() {
            let all = view.sockets.iter().flatten().chain(&view.leaving);
            for socket in all.filter(|socket| socket.is_told_open()) {
                open.push(format!("{} on host {host}", socket.id));
            }
        }
        let result =
            if open.is_empty() { Ok(()) } else { Err(format!("no Close for {}", open.join(", "))) };
        self.check(Law::NothingLeft, result);
    }

    fn closed(&mut self, host: u16, id: SocketId, unsent: u64) {
        let view = self.socket(host, id).expect("it was just there");
        let expected = view.outbox.unsent_bytes();
        let result = if unsent == expected {
            Ok(())
        } else {
            Err(format!("{id} closed with {unsent} B unsent, and it was {expected}"))
        };
        // Datagrams are counted by the kernel alone.
        if view.end.is_some() || expected > 0 {
            self.check(Law::UnsentCount, result);
        }
        let view = &mut self.hosts[host as usize];
        let ending = view.endings.remove(&id);
        view.leaving.retain(SocketView::is_told_open);
        ending.into_iter().flatten().for_each(|operation| self.complete(operation));
    }

    fn born(&mut self, host: u16, id: SocketId, is_reading: bool) {
        let named = self.hosts[host as usize].sides.remove(&id);
        let (side, opening) = named.unzip();
        let new = SocketView::new(id, Phase::Opening);
        let view = SocketView { side, opening, is_reading, ..new };
        self.insert(host, view);
    }

    fn insert(&mut self, host: u16, view: SocketView) {
        let sockets = &mut self.hosts[host as usize].sockets;
        let index = view.id.index() as usize;
        if sockets.len() <= index {
            sockets.resize_with(index + 1, || None);
        }
        let before = sockets[index].replace(view);
        self.hosts[host as usize].leaving.extend(before.filter(SocketView::is_told_open));
    }

    /// What is known of an id.
    pub fn socket(&mut self, host: u16, id: SocketId) -> Option<&mut SocketView> {
        let HostView { sockets, leaving, .. } = &mut self.hosts[host as usize];
        match sockets.get_mut(id.index() as usize)?.as_mut() {
            Some(view) if view.id == id => Some(view),
            _ => leaving.iter_mut().find(|view| view.id == id),
        }
    }

    fn connection(&mut self, label: u32) -> &mut ConnectionView {
        let is_echo = self.behaviour == Behaviour::Echo;
        self.connections.entry(label).or_insert_with(|| {
            let back = if is_echo { StreamCheck::ordered() } else { StreamCheck::default() };
            ConnectionView { checks: [StreamCheck::default(), back] }
        })
    }
}
