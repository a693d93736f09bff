//! Listeners with parts on several Muxes.
//!
//! A listener has one id, on the Mux of its owner's home. Each other Mux has a *twin* of it, under an
//! id that nobody is told. A twin tells its owner of who comes, and the listener of everything else.

use super::Mux;
use super::desk::Desk;
use super::focus::{Focus, Typed};
use super::sockets::deferred::Deferred;
use super::sockets::head::{CloseStep, Role};
use super::sockets::kind::Kind;
use super::sockets::listener::{Listener, Opening, Phase};
use super::sockets::pace::Pace;
use super::sockets::{AnyPart, Socket};
use crate::gate::GateKind;
use crate::shard::{ShardOrder, TwinOpening, TwinOrder, TwinReport};
use crate::{
    Backend, CloseHow, CloseReason, Descriptor, Endpoint, ListenOptions, Operation, SocketId,
    SocketOption,
};

// The Mux that has the listener's id.

impl Focus<'_, Listener> {
    /// Opens a listener, and another one for each Mux that is to have a part of it.
    pub(crate) fn open_with_twins<B: Backend>(
        &mut self,
        at: &Endpoint,
        options: &ListenOptions,
        backend: &mut B,
    ) {
        let id = self.id();
        let local = match backend.listen(id, at, options) {
            Ok(local) => local,
            Err(fault) => return self.fail(fault, Operation::Listen),
        };
        let parts = self.part.twins.as_ref().map_or(0, |twins| twins.places.len());
        let mut descriptors = Vec::with_capacity(parts);
        let mut failed = None;
        for _ in 0..parts {
            match backend.share_listener(id, &local, options) {
                Ok(descriptor) => descriptors.push(descriptor),
                Err(fault) => {
                    failed = Some(fault);
                    break;
                }
            }
        }
        if let Some(fault) = failed {
            self.fail(fault, Operation::Listen);
            // The first one is open, and closes with the others.
            return self.set_close_step(CloseStep::Asked(CloseHow::Plain));
        }
        self.opened(local, Phase::Listening);
        // Behind `Listening`, so that nothing is accepted before it.
        self.open_twins(descriptors, options);
    }

    fn open_twins(&mut self, descriptors: Vec<Descriptor>, options: &ListenOptions) {
        let (listener, is_reading) = (self.id(), self.head.is_reading);
        let Some(twins) = self.part.twins.as_deref_mut() else { return };
        assert_eq!(twins.places.len(), descriptors.len(), "a part of {listener} is missing");
        twins.are_shared = true;
        let owner = self.head.owner.expect("a listener without owner does not open");
        let twins = twins.places.clone();
        for (part, (twin, descriptor)) in (1..).zip(twins.into_iter().zip(descriptors)) {
            let opening = TwinOpening {
                listener,
                owner,
                descriptor,
                options: options.clone(),
                timeouts: self.part.timeouts.clone(),
                part,
                is_reading,
            };
            self.desk.ask_twin(twin, TwinOrder::Open(Box::new(opening)));
        }
    }

    /// Says the same to every twin; nothing to a listener that has none.
    pub(crate) fn ask_twins(&mut self, order: impl Fn() -> TwinOrder) {
        let Some(twins) = self.part.shared_twins() else { return };
        for twin in twins.places.clone() {
            self.desk.ask_twin(twin, order());
        }
    }

    /// The listener ends, and so do its twins. `Close` waits for them.
    pub(crate) fn close_twins(&mut self) {
        self.ask_twins(|| TwinOrder::Close);
        let Some(twins) = self.part.twins.as_deref_mut().filter(|twins| !twins.are_shared) else {
            return;
        };
        // They know nothing of it yet. Each gives its own id back, because somebody there may wait
        // for one.
        for twin in std::mem::take(&mut twins.places) {
            self.desk.ask_shard(twin.shard(), ShardOrder::GiveBack { id: twin });
        }
    }

    /// The owner paused a listener: `Paused` is told when no twin accepts any more. Answers whether
    /// that is waited for.
    pub(crate) fn pause_twins(&mut self) -> bool {
        self.ask_twins(|| TwinOrder::Pause);
        let Some(twins) = self.part.shared_twins() else { return false };
        twins.pauses_awaited += twins.places.len();
        self.head.is_pause_owed = twins.pauses_awaited > 0;
        self.head.is_pause_owed
    }

    /// An option of a listener holds for all of its twins; a fault is told once.
    pub(crate) fn set_option_of_twins(&mut self, option: &SocketOption) {
        self.ask_twins(|| TwinOrder::SetOption(option.clone()));
    }

    /// A twin reports.
    fn hear_of_twin(&mut self, twin: SocketId, report: TwinReport) {
        let id = self.id();
        let is_listening = matches!(self.part.phase, Phase::Listening);
        if let TwinReport::AcceptFailed(fault) = report {
            if is_listening {
                self.tell_passing_error(fault, Operation::Accept);
            }
            return;
        }
        let twins = self.part.twins.as_deref_mut().expect("a twin reports to its listener");
        match report {
            TwinReport::AcceptFailed(_) => unreachable!("it was handled above"),
            TwinReport::Paused => {
                assert!(twins.pauses_awaited > 0, "{twin} paused without being asked");
                twins.pauses_awaited -= 1;
                if twins.pauses_awaited == 0 && is_listening {
                    self.pay_owed_pause();
                }
            }
            TwinReport::Closed(fault) => {
                let before = twins.places.len();
                twins.places.retain(|place| *place != twin);
                assert_eq!(twins.places.len() + 1, before, "{twin} was no part of {id}");
                if let Some(fault) = fault.filter(|_| is_listening) {
                    self.tell_passing_error(fault, Operation::Listen);
                }
            }
        }
    }

    // The Mux that has a twin.

    /// Reports to the listener what a listener would tell its owner.
    pub(crate) fn report_as_twin(&mut self, report: TwinReport) {
        let listener = self.part.twin_of.expect("only a twin reports");
        self.desk.report_of_twin(listener, self.head.id, report);
    }

    /// Obeys the listener.
    fn obey(&mut self, order: TwinOrder) {
        let is_over = self.part.is_closing();
        match order {
            TwinOrder::Open(_) => unreachable!("{} is open", self.id()),
            TwinOrder::Pause => {
                self.head.is_reading = false;
                self.report_as_twin(TwinReport::Paused);
            }
            TwinOrder::Start { .. } if !is_over => self.head.is_reading = true,
            TwinOrder::SetOption(option) if !is_over => {
                self.head.rare.deferred.push_back(Deferred::Option(option));
            }
            TwinOrder::Close if !is_over => {
                self.head.add_cause(CloseReason::Closed);
                self.begin_close();
            }
            TwinOrder::Start { .. } | TwinOrder::SetOption(_) | TwinOrder::Close => {}
        }
    }
}

impl Desk {
    fn ask_twin(&mut self, id: SocketId, order: TwinOrder) {
        self.ask_shard(id.shard(), ShardOrder::Twin { id, order });
    }

    pub(crate) fn report_of_twin(
        &mut self,
        listener: SocketId,
        twin: SocketId,
        report: TwinReport,
    ) {
        self.ask_shard(listener.shard(), ShardOrder::TwinReport { listener, twin, report });
    }
}

impl Mux {
    pub(super) fn hear_of_twin(&mut self, id: SocketId, twin: SocketId, report: TwinReport) {
        let is_late = matches!(report, TwinReport::AcceptFailed(_));
        let heard = self.with(id, |focus| match focus.typed() {
            Typed::Listener(mut focus) => focus.hear_of_twin(twin, report),
            Typed::Stream(_) | Typed::Datagram(_) => panic!("{id} is no listener"),
        });
        // `Close` waits for every twin, but not for what they say of failures.
        assert!(heard.is_some() || is_late, "{id} did not wait for {twin}");
    }

    pub(super) fn obey_as_twin(&mut self, id: SocketId, order: TwinOrder) {
        let order = match order {
            TwinOrder::Open(opening) => return self.open_twin(id, *opening),
            order => order,
        };
        let new_owner = match &order {
            TwinOrder::Start { by } => Some(*by),
            _ => None,
        };
        let Some(mut focus) = self.focus(id) else {
            // The runtime stops, and so does the listener.
            return;
        };
        let Typed::Listener(mut focus) = focus.typed() else { panic!("{id} is no listener") };
        assert!(focus.part.is_twin(), "{id} is no part of a listener");
        focus.obey(order);
        let (owner, is_over) = (focus.head.owner, focus.part.is_closing());
        if let Some(by) = new_owner.filter(|by| !is_over && owner != Some(*by)) {
            self.change_owner(id, by);
        }
        self.conclude(id);
    }

    fn open_twin(&mut self, id: SocketId, opening: TwinOpening) {
        let TwinOpening { listener, owner, descriptor, options, timeouts, part, is_reading } =
            opening;
        self.directory.open_reserved(id, GateKind::Listener);
        let (now, parts) = (self.desk.now, self.directory.shards());
        let listener = Box::new(Listener {
            auto_start: options.auto_start,
            pace: options.accept_rate.map(|rate| Pace::of_part(rate, part, parts, now)),
            phase: Phase::Opening(Some(Opening::Twin { descriptor, options: Box::new(options) })),
            twin_of: Some(listener),
            timeouts,
            ..Listener::default()
        });
        let mut head = self.desk.new_head(id, &*listener);
        head.role = Role::Helper;
        head.is_reading = is_reading;
        self.open(Socket { head, part: AnyPart::Listener(listener) }, owner);
    }
}
