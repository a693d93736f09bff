//! The reference model: judges a run from what is asked, what is called and what is told.
//!
//! It knows of the core only the commands, messages, ids, faults and reasons; so it cannot share a
//! defect of the core. The world calls it at every step; the first violation ends the run.

mod attempts;
mod bounds;
mod calls;
mod commands;
mod ending;
mod fingerprint;
mod grammar;
mod idle;
mod law;
mod limits;
mod messages;
mod outbox;
mod race;
mod services;
mod socket;
mod stream;
mod subject;
mod tokens;
mod views;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};

use tidelock_core::{ServiceId, SocketId};

pub use bounds::Bounds;
pub use grammar::{Kind, Phase};
pub use idle::IdleSocket;
pub use law::{FailureClass, LAW_COUNT, Law};
pub use limits::Limits;
pub use outbox::OutboxModel;
pub use socket::SocketView;
pub use stream::{Progress, Sent, StreamCheck};
pub use subject::Subject;

use self::services::Services;
use self::subject::About;
use self::views::{Case, Views};
use tidelock_net::base::recycle::empty;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Label, Operation, Side};
use tidelock_net::words::payload::{frame_mark, mark};

/// A broken law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// The name: the law's own, or of an invariant the scenario's.
    pub name: &'static str,
    /// The observation, and the expectation.
    pub detail: String,
    /// Which socket it was about, if it was about one.
    pub subject: Subject,
}

/// Room for what grows in a judge; nothing is in it.
#[derive(Default)]
pub(crate) struct Room {
    /// Of each host.
    views: Vec<Vec<Option<SocketView>>>,
    labels: Vec<Option<u32>>,
}

/// Judges one run.
pub struct Oracle {
    /// The first broken law.
    pub violation: Option<Violation>,
    /// The number of checks of each law, by its number.
    pub checked: [u64; LAW_COUNT],
    hosts: Vec<HostView>,
    /// By the number of the label of the connect.
    connections: BTreeMap<u32, ConnectionView>,
    /// The label of each connection of the kernel, if an operation made it.
    labels: Vec<Option<u32>>,
    is_completed: Vec<bool>,
    /// The way in which servers answer marked messages; `None` if it is not known here.
    behaviour: Option<Behaviour>,
    limits: Limits,
    /// The time of the current step.
    now: u64,
    /// The subject of the check.
    about: About,
}

/// One host as the judge knows it.
#[derive(Default)]
struct HostView {
    sockets: Views,
    /// Sockets that operations opened, whose command was not seen yet, and which operations.
    sides: BTreeMap<SocketId, (Side, Option<u32>)>,
    /// Operations that complete when an id closes.
    endings: BTreeMap<SocketId, Vec<u32>>,
    services: Services,
    /// Services that were asked to end.
    released: BTreeSet<ServiceId>,
    /// It was asked to stop.
    is_exiting: bool,
    /// Rounds of its loop.
    step: u64,
    /// Sockets whose warnings are settled when the step's messages were told.
    warned: Vec<SocketId>,
}

impl HostView {
    /// The record of an id, with what else of the host a judgement of it needs.
    #[inline]
    fn case(&mut self, id: SocketId) -> Option<Case<'_>> {
        let Self { sockets, services, released, warned, is_exiting, step, .. } = self;
        let view = sockets.get_mut(id)?;
        let (is_exiting, step) = (*is_exiting, *step);
        Some(Case { view, services, released, warned, is_exiting, step })
    }
}

/// One connection that an operation made, as the judge knows it.
#[derive(Hash)]
struct ConnectionView {
    /// The bytes that the accepted side must read, and those that the connecting side must read.
    checks: [StreamCheck; 2],
}

impl Oracle {
    /// A judge for a world of so many hosts and operations, with a server that behaves so.
    pub fn new(
        hosts: usize,
        operations: usize,
        behaviour: Option<Behaviour>,
        limits: Limits,
    ) -> Self {
        Self::within(Room::default(), hosts, operations, behaviour, limits)
    }

    /// The same, in room that another one left.
    pub(crate) fn within(
        room: Room,
        hosts: usize,
        operations: usize,
        behaviour: Option<Behaviour>,
        limits: Limits,
    ) -> Self {
        let Room { views, labels } = room;
        let mut views = views.into_iter();
        let mut host = || {
            let sockets = Views::within(views.next().unwrap_or_default());
            HostView { sockets, ..HostView::default() }
        };
        Self {
            violation: None,
            checked: [0; LAW_COUNT],
            hosts: (0..hosts).map(|_| host()).collect(),
            connections: BTreeMap::new(),
            labels,
            is_completed: vec![false; operations],
            behaviour,
            limits,
            now: 0,
            about: About::default(),
        }
    }

    /// Gives room back for the next one.
    pub(crate) fn into_room(self) -> Room {
        let Self { hosts, mut labels, .. } = self;
        let views = hosts.into_iter().map(|view| view.sockets.into_room()).collect();
        empty(&mut labels);
        Room { views, labels }
    }

    /// A round of a host's loop begins.
    pub fn step_begins(&mut self, host: u16, now: u64) {
        self.now = now;
        self.hosts[host as usize].step += 1;
    }

    /// A host crashed: nobody is left whom its ids mean anything to.
    pub fn host_crashed(&mut self, host: u16) {
        self.hosts[host as usize] = HostView::default();
    }

    /// Notes that a law was checked, and, if it was broken, how.
    #[inline]
    pub fn check(&mut self, law: Law, result: Result<(), String>) {
        self.checked[law as usize] += 1;
        if let Err(detail) = result {
            self.fail(law, detail);
        }
    }

    /// A law is broken. Only the first counts.
    #[cold]
    pub fn fail(&mut self, law: Law, detail: String) {
        self.fail_as(law, law.name(), detail);
    }

    /// Notes that an invariant of the scenario was checked, and, if it was broken, how.
    pub fn check_invariant(&mut self, name: &'static str, result: Result<(), String>) {
        self.checked[Law::Invariant as usize] += 1;
        if let Err(detail) = result {
            self.fail_as(Law::Invariant, name, detail);
        }
    }

    fn fail_as(&mut self, law: Law, name: &'static str, detail: String) {
        if self.violation.is_none() {
            let subject = self.subject(law);
            self.violation = Some(Violation { law, name, detail, subject });
        }
    }

    /// Returns the number of operations that completed.
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

    /// An operation opened a socket of a host; its command is still to come. A script is not over
    /// when its connection opens.
    pub fn named(&mut self, host: u16, side: Side, id: SocketId, operation: u32) {
        let opening = (side.label.letter != Label::PLAY).then_some(operation);
        self.hosts[host as usize].sides.insert(id, (side, opening));
    }

    /// An operation was accepted by its host.
    pub fn asked(&mut self, index: u32, operation: &Operation, id: Option<SocketId>) {
        let action = operation.action;
        match action {
            Action::Send { on, .. } if on.label.letter != Label::CONNECT => self.complete(index),
            Action::Frame { on, message, bytes } => {
                let sent = Sent { mark: frame_mark(on, message, bytes), bytes, operation: index };
                let reader = usize::from(on.is_accepted);
                self.connection(on.label.number).checks[reader].expect(sent);
            }
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
            Action::Connect { .. } | Action::ConnectName { .. } if action.is_hopeless() => {
                self.complete(index);
            }
            Action::Connect { .. } | Action::ConnectName { .. } | Action::Udp { .. } => {}
            Action::Release { .. } => {
                self.complete(index);
                // Nobody is left to be told that it opened.
                let Some(id) = id else { return };
                let coming = self.hosts[operation.host as usize].sides.get(&id);
                let coming = coming.and_then(|(_, opening)| *opening);
                let view = self.socket(operation.host, id);
                let opening = view.and_then(|view| view.opening.take()).or(coming);
                opening.into_iter().for_each(|operation| self.complete(operation));
            }
            // It completes when its script is over.
            Action::Play { .. } => {}
            Action::Pause { .. }
            | Action::Start { .. }
            | Action::KeepOpen { .. }
            | Action::Nodelay { .. }
            | Action::HandOver { .. }
            | Action::Info
            | Action::UdpConnect { .. }
            | Action::SendTo { .. } => self.complete(index),
        }
    }

    /// A connection of the kernel began; an operation with this label made it. Only a plan's
    /// connections carry marked messages.
    pub fn connection_began(&mut self, connection: u32, label: Option<Label>) {
        assert_eq!(connection as usize, self.labels.len(), "connections begin in order");
        let is_known = self.behaviour.is_some();
        let planned = label.filter(|label| is_known && label.letter == Label::CONNECT);
        self.labels.push(planned.map(|label| label.number));
    }

    /// A program read bytes at an end of a connection.
    pub fn received(&mut self, end: u32, bytes: &[u8]) {
        let Some(label) = self.labels[(end / 2) as usize] else { return };
        self.begin_end(end);
        let is_echo = self.behaviour == Some(Behaviour::Echo);
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

    fn born(&mut self, host: u16, id: SocketId, kind: Kind, owner: ServiceId) -> &mut SocketView {
        let named = self.hosts[host as usize].sides.remove(&id);
        let (side, opening) = named.unzip();
        let opening = opening.flatten();
        let new = SocketView::new(id, kind, Phase::Opening, &self.limits, self.now);
        let mut view = SocketView { side, opening, ..new };
        view.set_owner(owner);
        self.insert(host, view);
        self.socket(host, id).expect("it was just inserted")
    }

    fn insert(&mut self, host: u16, view: SocketView) {
        self.hosts[host as usize].sockets.insert(view);
    }

    /// Returns the record of an id.
    #[inline]
    pub fn socket(&mut self, host: u16, id: SocketId) -> Option<&mut SocketView> {
        self.hosts[host as usize].sockets.get_mut(id)
    }

    fn connection(&mut self, label: u32) -> &mut ConnectionView {
        let is_echo = self.behaviour == Some(Behaviour::Echo);
        self.connections.entry(label).or_insert_with(|| {
            let back = if is_echo { StreamCheck::ordered() } else { StreamCheck::default() };
            ConnectionView { checks: [StreamCheck::default(), back] }
        })
    }
}
