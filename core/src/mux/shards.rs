//! What a Mux that shares its runtime with others does for them, and they for it.

use super::pace::Pace;
use super::slot::{Kind, Latch, Listener, Opening};
use super::{Delivery, Mux};
use crate::gate::GateKind;
use crate::shard::{ShardCommand, ShardOrder, TwinOpening, TwinOrder, TwinReport};
use crate::{
    Backend, CloseReason, Descriptor, Endpoint, Fault, ListenOptions, Message, Operation,
    ServiceId, SocketId, SocketOption, SocketState,
};

impl Mux {
    /// The other Muxes of the runtime.
    pub(super) fn others(&self) -> impl Iterator<Item = u32> + use<> {
        let (own, shards) = (self.shard, self.directory.shards());
        assert!(own < shards, "shard {own} of {shards}");
        (0..shards).filter(move |shard| *shard != own)
    }

    /// Whether the service is told here what is about no socket.
    pub(super) fn is_home_of(&self, service: ServiceId) -> bool {
        let home = self.directory.home_of(service);
        assert!(home < self.directory.shards(), "{service} is at home nowhere");
        home == self.shard
    }

    pub(super) fn ask_shard(&mut self, shard: u32, order: ShardOrder) {
        assert_ne!(shard, self.shard, "a Mux asks itself");
        assert!(shard < self.directory.shards(), "shard {shard} is not there");
        self.deliveries.push_back(Delivery::Command { shard, command: order.into() });
    }

    pub(super) fn handle_shard_command(&mut self, command: ShardCommand) {
        assert!(self.directory.shards() > 1, "{command:?}, and nobody else is there");
        match command.0 {
            ShardOrder::Know { service } => {
                assert!(!self.is_home_of(service), "{service} is spawned here");
                self.services.insert(service);
            }
            ShardOrder::Drain { service } => {
                assert!(!self.is_home_of(service), "{service} tells another Mux first");
                if self.exit.is_some() {
                    self.drain_service(service);
                } else if self.services.is_alive(service) {
                    self.early_drains.push(service);
                }
            }
            ShardOrder::Info { by, reply_to } => self.begin_info(by, Some(reply_to)),
            ShardOrder::InfoPart { by, from, part } => self.add_info_part(by, from, *part),
            ShardOrder::GiveBack { id } => {
                assert_eq!(id.shard(), self.shard, "{id} is of another shard");
                self.directory.free_reserved(id);
                self.wake_stalled_listeners();
            }
            ShardOrder::Twin { id, order } => self.obey_as_twin(id, order),
            ShardOrder::TwinReport { listener, twin, report } => {
                self.hear_of_twin(listener, twin, report);
            }
        }
    }

    // The Mux that has the listener's id.

    /// Opens a listener, and another one for each Mux that is to have a part of it.
    pub(super) fn serve_listen<B: Backend>(
        &mut self,
        id: SocketId,
        at: &Endpoint,
        options: &ListenOptions,
        backend: &mut B,
    ) {
        let result = backend.listen(id, at, options);
        let listener = self.table.slot(id).rare.listener.as_ref().expect("a listener's part");
        let parts = listener.twins.as_ref().map_or(0, |twins| twins.places.len());
        assert!(parts == 0 || parts + 1 == self.directory.shards() as usize, "{id}: {parts} parts");
        assert!(listener.twin_of.is_none(), "{id} is a part, and opened as such");
        let mut descriptors = Vec::with_capacity(parts);
        if let Ok(local) = &result {
            for _ in 0..parts {
                match backend.share_listener(id, local, options) {
                    Ok(descriptor) => descriptors.push(descriptor),
                    Err(fault) => {
                        // The first one is open, and closes with the others.
                        self.table.slot_mut(id).is_open = true;
                        return self.fail(id, fault, Operation::Listen);
                    }
                }
            }
        }
        assert!(result.is_err() || descriptors.len() == parts, "{id}: a part is missing");
        self.opened(id, SocketState::Listening, Operation::Listen, result);
        // Behind `Listening`, so that nothing is accepted before it.
        self.open_twins(id, descriptors, options);
    }

    fn open_twins(&mut self, id: SocketId, descriptors: Vec<Descriptor>, options: &ListenOptions) {
        if descriptors.is_empty() {
            return;
        }
        let slot = self.table.slot(id);
        assert_eq!(slot.state, SocketState::Listening, "{id} lets others accept before it does");
        let (is_reading, owner) = (slot.is_reading, slot.owner);
        let owner = owner.expect("a listener without owner does not open");
        let twins = self.twins_mut(id);
        assert!(!twins.are_shared, "{id} is shared twice");
        assert_eq!(twins.places.len(), descriptors.len(), "a part of {id} has no descriptor");
        twins.are_shared = true;
        let twins = twins.places.clone();
        let listener = self.table.slot(id).rare.listener.as_ref().expect("a listener's part");
        let timeouts = listener.timeouts.clone();
        for (part, (twin, descriptor)) in (1..).zip(twins.into_iter().zip(descriptors)) {
            let opening = TwinOpening {
                listener: id,
                owner,
                descriptor,
                options: options.clone(),
                timeouts: timeouts.clone(),
                part,
                is_reading,
            };
            self.ask_twin(twin, TwinOrder::Open(Box::new(opening)));
        }
    }

    fn ask_twin(&mut self, id: SocketId, order: TwinOrder) {
        assert!(self.table.used() > 0, "{id} is a part of nothing");
        self.ask_shard(id.shard(), ShardOrder::Twin { id, order });
    }

    /// Says the same to every part of a listener that is elsewhere; nothing to who has none.
    pub(super) fn ask_twins(&mut self, id: SocketId, order: impl Fn() -> TwinOrder) {
        let Some(listener) = self.table.slot(id).rare.listener.as_ref() else { return };
        let Some(twins) = listener.twins.as_ref().filter(|twins| twins.are_shared) else { return };
        assert!(listener.twin_of.is_none(), "{id} is a part itself");
        for twin in twins.places.clone() {
            assert_ne!(twin.shard(), self.shard, "{id} has a part here");
            self.ask_twin(twin, order());
        }
    }

    /// The listener ends, and so do its parts. `Close` waits for them.
    pub(super) fn close_twins(&mut self, id: SocketId) {
        self.ask_twins(id, || TwinOrder::Close);
        let Some(listener) = self.table.slot_mut(id).rare.listener.as_mut() else { return };
        let Some(twins) = listener.twins.as_mut().filter(|twins| !twins.are_shared) else { return };
        // They know nothing of it yet. Each gives its own id back, because somebody there may wait
        // for one.
        for twin in std::mem::take(&mut twins.places) {
            self.ask_shard(twin.shard(), ShardOrder::GiveBack { id: twin });
        }
        assert!(!self.table.slot(id).waits_for_twins(), "{id} waits for who was never there");
    }

    /// The owner paused a listener: `Paused` is told when no part accepts any more. Answers whether
    /// that is waited for.
    pub(super) fn pause_twins(&mut self, id: SocketId) -> bool {
        self.ask_twins(id, || TwinOrder::Pause);
        let slot = self.table.slot_mut(id);
        let Some(listener) = slot.rare.listener.as_mut() else { return false };
        let Some(twins) = listener.twins.as_mut().filter(|twins| twins.are_shared) else {
            return false;
        };
        twins.pauses_awaited += twins.places.len();
        slot.is_pause_owed = twins.pauses_awaited > 0;
        assert_eq!(slot.state, SocketState::Listening, "{id} pauses before it listens");
        assert!(!slot.is_reading, "{id} is paused and accepts");
        slot.is_pause_owed
    }

    fn hear_of_twin(&mut self, id: SocketId, twin: SocketId, report: TwinReport) {
        assert_eq!(id.shard(), self.shard, "{id} is of another shard");
        assert_ne!(twin.shard(), self.shard, "{twin} is a part of its own");
        let Some(slot) = self.table.get(id) else {
            // `Close` waits for every part, but not for what they say of failures.
            assert!(matches!(report, TwinReport::AcceptFailed(_)), "{id} did not wait for {twin}");
            return;
        };
        let is_listening = slot.state == SocketState::Listening;
        match report {
            TwinReport::AcceptFailed(fault) if is_listening => {
                self.tell_passing_error(id, fault, Operation::Accept);
            }
            TwinReport::AcceptFailed(_too_late) => {}
            TwinReport::Paused => {
                let twins = self.twins_mut(id);
                assert!(twins.pauses_awaited > 0, "{twin} paused and nobody asked");
                twins.pauses_awaited -= 1;
                if twins.pauses_awaited == 0 && is_listening {
                    self.pay_owed_pause(id);
                    assert!(!self.table.slot(id).is_pause_owed, "{id} paused and did not say so");
                }
            }
            TwinReport::Closed(fault) => {
                let twins = self.twins_mut(id);
                let before = twins.places.len();
                twins.places.retain(|place| *place != twin);
                assert_eq!(twins.places.len() + 1, before, "{twin} was no part of {id}");
                if let Some(fault) = fault.filter(|_| is_listening) {
                    self.tell_passing_error(id, fault, Operation::Listen);
                }
            }
        }
        self.settle(id);
    }

    fn twins_mut(&mut self, id: SocketId) -> &mut Twins {
        let slot = self.table.slot_mut(id);
        assert_eq!(slot.kind, Kind::Listener, "{id} is no listener");
        let listener = slot.rare.listener.as_mut().expect("a listener's part");
        assert_eq!(listener.twin_of, None, "{id} is a part itself");
        listener.twins.as_mut().expect("it has parts")
    }

    // The Mux that has a part of it.

    fn obey_as_twin(&mut self, id: SocketId, order: TwinOrder) {
        assert_eq!(id.shard(), self.shard, "{id} is of another shard");
        let order = match order {
            TwinOrder::Open(opening) => return self.open_twin(id, *opening),
            order => order,
        };
        let Some(slot) = self.table.get_mut(id) else {
            // The runtime stops, and so does the listener.
            return;
        };
        assert!(slot.is_twin(), "{id} is no part of a listener");
        assert!(!slot.is_pause_owed, "{id} owes its owner a word");
        let is_over = slot.state == SocketState::Closing;
        match order {
            TwinOrder::Open(_) => unreachable!("{id} is open"),
            TwinOrder::Start { by } if !is_over => {
                slot.is_reading = true;
                if slot.owner != Some(by) {
                    self.change_owner(id, by);
                }
            }
            TwinOrder::Pause => {
                slot.is_reading = false;
                assert!(!slot.wants_input() || is_over, "{id} paused and accepts");
                self.report_as_twin(id, TwinReport::Paused);
            }
            TwinOrder::SetOption(option) if !is_over => {
                slot.rare.deferred.push_back(super::deferred::Deferred::Option(option));
            }
            TwinOrder::Close if !is_over => {
                slot.add_cause(CloseReason::Closed);
                self.begin_close(id);
            }
            TwinOrder::Start { .. } | TwinOrder::SetOption(_) | TwinOrder::Close => {}
        }
        self.settle(id);
    }

    fn open_twin(&mut self, id: SocketId, opening: TwinOpening) {
        let TwinOpening { listener, owner, descriptor, options, timeouts, part, is_reading } =
            opening;
        assert_ne!(listener.shard(), self.shard, "{listener} is a part of itself");
        assert!((1..self.directory.shards()).contains(&part), "{listener} has no part {part}");
        self.directory.open_reserved(id, GateKind::Listener);
        let mut slot = self.new_slot(id, Kind::Listener, SocketState::Opening);
        let (auto_start, twin_of) = (options.auto_start, Some(listener));
        let (now, parts) = (self.now, self.directory.shards());
        let pace = options.accept_rate.map(|rate| Pace::of_part(rate, part, parts, now));
        let part = Listener { auto_start, twin_of, timeouts, pace, ..Listener::default() };
        slot.rare.listener = Some(Box::new(part));
        let options = Box::new(options);
        slot.rare.opening = Some(Box::new(Opening::Twin { descriptor, options }));
        slot.is_told = false;
        slot.is_helper = true;
        slot.is_reading = is_reading;
        self.add_slot(slot);
        self.change_owner(id, owner);
        self.refuse_after_exit(id);
        assert!(self.table.slot(id).is_twin(), "{id} forgot what it is a part of");
        self.settle(id);
    }

    /// A part of a listener listens, or does not.
    pub(super) fn twin_opened(&mut self, id: SocketId, result: Result<Endpoint, Fault>) {
        let now = self.now;
        match result {
            Ok(local) => {
                let slot = self.table.slot_mut(id);
                assert!(slot.is_twin() && slot.input == Latch::Ready, "{id} is no new part");
                slot.is_open = true;
                slot.rare.local = Some(local);
                slot.enter(SocketState::Listening, now);
            }
            Err(fault) => self.fail(id, fault, Operation::Listen),
        }
        let state = self.table.slot(id).state;
        let is_open = matches!(state, SocketState::Listening | SocketState::Closing);
        assert!(is_open, "{id} was opened and is {state:?}");
    }

    /// A part of a listener lost its owner: what becomes of it the listener says, who has the same
    /// owner. Answers whether it is such a part.
    pub(super) fn orphan_twin(&mut self, id: SocketId) -> bool {
        let slot = self.table.slot_mut(id);
        if !slot.is_twin() {
            return false;
        }
        assert!(slot.owner.is_none(), "{id} has an owner");
        slot.is_reading = false;
        assert!(!slot.waits_for_mailbox, "{id} waits for a mailbox that is gone");
        self.settle(id);
        true
    }

    /// What a part of a listener would tell its owner, it tells the listener.
    pub(super) fn report_as_twin(&mut self, id: SocketId, report: TwinReport) {
        let listener = self.table.slot(id).rare.listener.as_ref();
        let listener = listener.and_then(|listener| listener.twin_of).expect("a part of one");
        assert!(!self.table.slot(id).is_told, "{id} can tell its owner itself");
        self.report_of_twin(listener, id, report);
    }

    fn report_of_twin(&mut self, listener: SocketId, twin: SocketId, report: TwinReport) {
        assert_eq!(twin.shard(), self.shard, "{twin} is of another shard");
        assert_ne!(listener.shard(), self.shard, "{listener} is a part of its own");
        self.ask_shard(listener.shard(), ShardOrder::TwinReport { listener, twin, report });
    }

    /// The listener that a socket accepts for: itself, or the one that it is a part of.
    pub(super) fn listener_of(&self, id: SocketId) -> SocketId {
        let listener = self.table.slot(id).rare.listener.as_ref().expect("a listener's part");
        assert_ne!(listener.twin_of, Some(id), "{id} is a part of itself");
        listener.twin_of.unwrap_or(id)
    }

    /// A part of a listener is gone.
    pub(super) fn twin_closed(&mut self, listener: SocketId, twin: SocketId, fault: Option<Fault>) {
        assert!(self.table.get(twin).is_none(), "{twin} is still there");
        self.report_of_twin(listener, twin, TwinReport::Closed(fault));
    }

    /// An option of a listener holds for all of its parts; what is wrong with it is told once.
    pub(super) fn set_option_of_twins(&mut self, id: SocketId, option: &SocketOption) {
        assert!(self.table.slot(id).is_open, "{id}: what is to have the option?");
        let is_time = matches!(option, SocketOption::Timeout(..));
        assert!(!is_time, "{id}: times are the Mux's own");
        self.ask_twins(id, || TwinOrder::SetOption(option.clone()));
    }

    // Services.

    /// A service has handled `Exit`; every Mux shuts its sockets down.
    pub(super) fn drain_everywhere(&mut self, service: ServiceId) {
        assert!(self.is_home_of(service), "{service} was told of the exit elsewhere");
        assert!(self.exit.is_some(), "{service} was told of an exit that there is not");
        for shard in self.others() {
            self.ask_shard(shard, ShardOrder::Drain { service });
        }
        self.drain_service(service);
    }

    /// Tells every service that the runtime stops: each is told at home.
    pub(super) fn tell_exit(&mut self) {
        let services: Vec<ServiceId> = self.services.iter().map(|entry| entry.id).collect();
        for id in services {
            if self.is_home_of(id) {
                self.tell(Some(id), Message::Exit);
            }
        }
        debug_assert!(self.exit.is_some(), "nobody is told of an exit that does not begin");
    }
}

/// The parts of a listener that other Muxes have.
#[derive(Default, Hash)]
pub(super) struct Twins {
    /// Their ids. `Close` waits until none is left.
    pub(super) places: Vec<SocketId>,
    /// Their Muxes know of them.
    pub(super) are_shared: bool,
    /// So many have not said yet that they paused.
    pub(super) pauses_awaited: usize,
}

impl super::slot::Slot {
    /// Whether it is the part of a listener whose id another Mux has.
    #[inline]
    pub(super) fn is_twin(&self) -> bool {
        let twin_of = self.rare.listener.as_ref().and_then(|listener| listener.twin_of);
        debug_assert!(twin_of.is_none() || self.kind == Kind::Listener, "{}", self.id);
        debug_assert!(twin_of.is_none() || !self.is_told, "{} is known", self.id);
        twin_of.is_some()
    }

    /// Whether its `Close` waits for parts that other Muxes have.
    #[inline]
    pub(super) fn waits_for_twins(&self) -> bool {
        let twins = self.rare.listener.as_ref().and_then(|listener| listener.twins.as_ref());
        let waits = twins.is_some_and(|twins| !twins.places.is_empty());
        debug_assert!(!waits || self.kind == Kind::Listener, "{}", self.id);
        debug_assert!(!waits || !self.is_twin(), "{} is a part itself", self.id);
        waits
    }
}
