//! Services, their mailboxes, and whose turn it is.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::directory::Directory;
use crate::handled_bytes::HandledBytes;
use crate::net::Net;
use crate::outlet::Outlet;
use crate::service_state::ServiceState;
use crate::{Command, Delivery, Instant, MESSAGE_OVERHEAD_BYTES, Message, Service, ServiceId};

/// Services, their mailboxes, and whose turn it is.
///
/// A driver puts in what [`Mux::poll_delivery`](crate::Mux::poll_delivery) gives, takes a
/// [`Batch`], runs it (on any thread), hands the resulting commands to the Mux, and gives the
/// batch back. A service is in at most one batch at a time, and services take turns.
///
/// A driver whose services run on the thread of the Mux may offer its outputs to
/// [`handle_in_front`](Self::handle_in_front) first.
pub struct Dispatcher {
    directory: Arc<Directory>,
    random_seed: u64,
    dispose: Dispose,
    /// The number of rounds that have begun.
    round: u64,
    /// By index of the service.
    places: Vec<Option<Place>>,
    /// Services with messages that nobody runs. Invariant: each at most once.
    runnable: VecDeque<ServiceId>,
    /// The memory of mailboxes that were emptied: idle services keep none, however many there are,
    /// and those that are told something next need no new. Invariant: few, small and empty.
    spare: Vec<VecDeque<Message>>,
}

/// The most spare mailboxes that are kept, and the most messages that one of them has room for.
const SPARE_MAX: usize = 64;
const SPARE_MESSAGES_MAX: usize = 64;

struct Place {
    id: ServiceId,
    mailbox: VecDeque<Message>,
    /// `None` while a batch is out, and where several Muxes are, before it is spawned and after it
    /// was released.
    resident: Option<Resident>,
    is_queued: bool,
    is_spawned: bool,
    /// The number of Muxes that released it.
    releases: u32,
    in_front: InFront,
}

/// The part of a round that a service did without its mailbox.
#[derive(Clone, Copy, Default)]
struct InFront {
    round: u64,
    messages: u32,
    /// The commands that it asked.
    asked: usize,
}

struct Resident {
    service: Owned,
    state: ServiceState,
    is_started: bool,
}

/// A service, and what drops it.
struct Owned {
    /// `None` only while it is dropped.
    service: Option<Box<dyn Service>>,
    dispose: Dispose,
}

/// The function that drops a service in the place of `drop`, which runs the user's code.
type Dispose = fn(Box<dyn Service>);

impl Owned {
    #[inline]
    fn as_mut(&mut self) -> &mut dyn Service {
        self.service.as_deref_mut().expect("a service is there until it is dropped")
    }

    fn as_ref(&self) -> &dyn Service {
        self.service.as_deref().expect("a service is there until it is dropped")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.service.take().into_iter().for_each(self.dispose);
    }
}

/// One service with messages to handle, out of the dispatcher until it is given back.
pub struct Batch {
    id: ServiceId,
    resident: Resident,
    messages: VecDeque<Message>,
}

/// The messages that a service handled without a batch, for
/// [`Mux::settle_handled`](crate::Mux::settle_handled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// The service.
    pub service: ServiceId,
    /// The sum of the messages' [`charge_bytes`](Message::charge_bytes).
    pub charge_bytes: usize,
    /// `Exit` was among them.
    pub exit: bool,
}

impl Handled {
    /// The same as a command, for a Mux that takes it later.
    pub fn into_command(self, shard: u32) -> Command {
        let Self { service, charge_bytes, exit } = self;
        Command::Handled { service, charge_bytes, exit, shard }
    }
}

/// The remains of a service that was released: itself, and the messages that it will not handle.
/// Dropping it runs the user's code, so whoever holds a lock drops it after the lock.
pub struct Leftovers {
    _resident: Option<Resident>,
    _mailbox: VecDeque<Message>,
}

impl Dispatcher {
    /// An empty one. `random_seed` decides what services' [`Net::random`] answers.
    pub fn new(directory: Arc<Directory>, random_seed: u64) -> Self {
        let (places, runnable, spare) = Default::default();
        Self { directory, random_seed, dispose: drop, round: 0, places, runnable, spare }
    }

    /// Drops services with `dispose`, wherever they end: for a driver that must outlive a panic of
    /// a service's `Drop`.
    #[must_use]
    pub fn with_dispose(self, dispose: fn(Box<dyn Service>)) -> Self {
        Self { dispose, ..self }
    }

    /// Takes one output of a Mux in. A message to a service that is gone is dropped.
    ///
    /// Several Muxes may tell of one service in any order: messages wait until it is spawned, and
    /// it is gone for good when all of them have released it.
    ///
    /// # Panics
    /// With [`Delivery::Command`], which is for another Mux.
    pub fn deliver(&mut self, delivery: Delivery) -> Option<Leftovers> {
        match delivery {
            Delivery::Spawn(id, service) => self.spawn(id, service),
            Delivery::Message(id, message) => {
                message.check();
                self.put(id, message);
                None
            }
            Delivery::Release(id) => self.release(id),
            Delivery::Command { shard, command } => {
                unreachable!("{command:?} is for the Mux of shard {shard}")
            }
        }
    }

    fn release(&mut self, id: ServiceId) -> Option<Leftovers> {
        let shards = self.directory.shards();
        if shards > 1 {
            self.expect(id);
        }
        let place = self.place_mut(id)?;
        // A batch that is out is dropped when it comes back.
        let leftovers = Leftovers {
            _resident: place.resident.take(),
            _mailbox: std::mem::take(&mut place.mailbox),
        };
        place.is_queued = false;
        place.releases += 1;
        assert!(place.is_spawned || shards > 1, "{id} is released before it is spawned");
        assert!(place.releases <= shards, "{id} is released more often than it is known");
        if place.releases == shards {
            self.places[id.index() as usize] = None;
            if shards > 1 {
                self.directory.free_service(id);
            }
        }
        assert!(self.living_mut(id).is_none(), "{id} survived its release");
        Some(leftovers)
    }

    /// Makes a place for a service that one Mux knows already and another has still to spawn.
    fn expect(&mut self, id: ServiceId) {
        let index = id.index() as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        let place = self.places[index].get_or_insert_with(|| Place::new(id));
        assert_eq!(place.id, id, "{id} comes before {} is gone", place.id);
        assert!(place.releases < self.directory.shards(), "{id} is gone for all");
    }

    fn put(&mut self, id: ServiceId, message: Message) {
        if self.directory.shards() > 1 {
            self.expect(id);
        }
        let place = self.places.get_mut(id.index() as usize).and_then(Option::as_mut);
        let Some(place) = place.filter(|place| place.id == id && place.releases == 0) else {
            return;
        };
        if place.mailbox.capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            assert!(spare.is_empty(), "a message waits in nobody's mailbox");
            place.mailbox = spare;
        }
        place.mailbox.push_back(message);
        let is_out = place.resident.is_none();
        assert!(!(is_out && place.is_queued), "{id} runs and is runnable");
        if !is_out && !place.is_queued {
            place.is_queued = true;
            self.runnable.push_back(id);
        }
        assert!(is_out || !self.is_idle(), "{id} has a message and nobody runs it");
    }

    /// Keeps the memory of a mailbox that was emptied.
    fn keep(&mut self, mailbox: VecDeque<Message>) {
        assert!(mailbox.is_empty(), "a message is thrown away");
        let is_small = (1..=SPARE_MESSAGES_MAX).contains(&mailbox.capacity());
        if is_small && self.spare.len() < SPARE_MAX {
            self.spare.push(mailbox);
        }
        debug_assert!(self.spare.len() <= SPARE_MAX, "memory is kept for nothing");
    }

    /// The next service that has something to handle, with at most `messages_per_batch` messages.
    pub fn take(&mut self) -> Option<Batch> {
        loop {
            let id = self.runnable.pop_front()?;
            let messages_max = self.directory.config().messages_per_batch as usize;
            let Some(place) = self.living_mut(id) else {
                continue;
            };
            assert!(place.is_queued, "{id} was runnable without being queued");
            assert_eq!(place.id, id, "another service stands in the place");
            place.is_queued = false;
            let is_new = place.resident.as_ref().is_some_and(|resident| !resident.is_started);
            let waiting = place.mailbox.len();
            let resident = place.resident.take().expect("a service that runs is not runnable");
            // All of it moves with its memory, which is kept when the batch comes back. Else taking
            // from the front costs what is taken, however much is left.
            let messages: VecDeque<Message> = match waiting <= messages_max {
                true => std::mem::take(&mut place.mailbox),
                false => place.mailbox.drain(..messages_max).collect(),
            };
            assert!(messages.len() <= messages_max, "{id}: a batch is too long");
            assert_eq!(messages.len() + place.mailbox.len(), waiting, "{id} lost messages");
            assert!(is_new || !messages.is_empty(), "{id} has nothing to handle");
            debug_assert!(!self.runnable.contains(&id), "{id} is runnable twice");
            return Some(Batch { id, resident, messages });
        }
    }

    /// Takes a service back after its batch ran. It is dropped if it was released meanwhile.
    pub fn give_back(&mut self, batch: Batch) -> Option<Leftovers> {
        let id = batch.id;
        let Some(place) = self.living_mut(id) else {
            let (resident, mailbox) = (Some(batch.resident), batch.messages);
            return Some(Leftovers { _resident: resident, _mailbox: mailbox });
        };
        assert!(place.resident.is_none(), "{id} was run twice at a time");
        assert!(!place.is_queued, "{id} was runnable while it ran");
        assert!(batch.resident.is_started, "{id} comes back before it began");
        place.resident = Some(batch.resident);
        // What it did not come to, because it asked for so much, is still before the rest.
        let waiting = batch.messages.len() + place.mailbox.len();
        let mut mailbox = batch.messages;
        // Whichever is empty gives way, so that nothing is moved one by one.
        if !mailbox.is_empty() {
            mailbox.append(&mut place.mailbox);
            mailbox = std::mem::replace(&mut place.mailbox, mailbox);
        }
        assert_eq!(place.mailbox.len(), waiting, "{id} lost messages");
        if waiting > 0 {
            self.queue(id);
            let is_queued = self.place_mut(id).is_some_and(|place| place.is_queued);
            assert!(is_queued, "{id} has messages and is forgotten");
        }
        self.keep(mailbox);
        None
    }

    /// A round of the driver begins: each service may handle messages in front again.
    #[inline]
    pub fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Lets the service in front of `deliveries` handle its messages there, one after the other,
    /// until one is for somebody else: for a driver whose services run on the thread of the Mux
    /// that put them out. Answers what it handled, or `None` if the one in front must go through
    /// [`deliver`](Self::deliver), because it is no message, or others wait before it.
    ///
    /// So services of one turn run in the order of their messages, and a message neither enters a
    /// mailbox nor becomes a batch. A service that has handled `messages_per_batch` of a round, or
    /// asked `commands_per_service`, gets its next ones through its mailbox; see
    /// [`begin_round`](Self::begin_round).
    ///
    /// If the service panics, the panic passes through, and the driver calls
    /// [`forget`](Self::forget).
    #[inline]
    pub fn handle_in_front(
        &mut self,
        deliveries: &mut VecDeque<Delivery>,
        now: Instant,
        commands: &mut Vec<Command>,
        outlet: &mut dyn Outlet,
    ) -> Option<Handled> {
        let Some(&Delivery::Message(id, _)) = deliveries.front() else { return None };
        let place = self.places.get_mut(id.index() as usize)?.as_mut()?;
        if place.id != id || !place.mailbox.is_empty() {
            return None;
        }
        let resident = place.resident.as_mut().filter(|resident| resident.is_started)?;
        let directory = &*self.directory;
        let config = directory.config();
        if place.in_front.round != self.round {
            place.in_front = InFront { round: self.round, messages: 0, asked: 0 };
        }
        let InFront { messages, asked, .. } = &mut place.in_front;
        let is_allowed = |messages: u32, asked: usize| {
            messages < config.messages_per_batch && asked < config.commands_per_service as usize
        };
        if !is_allowed(*messages, *asked) {
            return None;
        }
        let mut handled = Handled { service: id, charge_bytes: 0, exit: false };
        let Resident { service, state, .. } = resident;
        let mut net = Net::new(directory, id, now, state, commands, outlet);
        net.asked = *asked;
        let service = service.as_mut();
        while let Some(Delivery::Message(to, message)) = deliveries.front()
            && *to == id
            && is_allowed(*messages, net.asked)
        {
            let is_data = matches!(message, Message::Data { .. });
            handled.charge_bytes += message.charge_bytes(config);
            handled.exit |= matches!(message, Message::Exit);
            *messages += 1;
            let Some(Delivery::Message(_, message)) = deliveries.pop_front() else { break };
            if is_data {
                // The runtime owes nothing after it.
                service.on_message(&mut net, message);
            } else {
                handle(service, &mut net, message);
            }
        }
        *asked = net.asked;
        Some(handled)
    }

    /// A service panicked while it handled messages in front: answers what is left of it. The
    /// driver releases it.
    pub fn forget(&mut self, id: ServiceId) -> Option<Leftovers> {
        let place = self.place_mut(id)?;
        let mailbox = std::mem::take(&mut place.mailbox);
        Some(Leftovers { _resident: place.resident.take(), _mailbox: mailbox })
    }

    /// Returns `true` if nothing waits to be run. Batches that are out do not count.
    pub fn is_idle(&self) -> bool {
        debug_assert!(self.runnable.is_empty() || !self.places.is_empty(), "nobody is runnable");
        self.runnable.is_empty()
    }

    /// Returns the number of services that wait to be run.
    pub fn runnable(&self) -> usize {
        self.runnable.len()
    }

    /// Returns the number of services, those in a batch included.
    pub fn services(&self) -> usize {
        self.places.iter().flatten().filter(|place| place.is_living()).count()
    }

    /// Adds to `state` everything that what the services do from now on depends on. `history` is
    /// asked for those that do not say it themselves: a hash of all that they were told. Answers
    /// whether it could: batches that are out and messages that wait are not seen into.
    pub fn fingerprint<H: Hasher>(
        &self,
        state: &mut H,
        history: impl Fn(ServiceId) -> u64,
    ) -> bool {
        let Self { directory: _, random_seed: _, dispose: _, round: _, places, runnable, spare: _ } =
            self;
        for (index, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            let Place {
                id,
                mailbox,
                resident: Some(resident),
                is_queued,
                is_spawned: true,
                releases: 0,
                in_front: _,
            } = place
            else {
                return false;
            };
            if !mailbox.is_empty() {
                return false;
            }
            assert_eq!(id.index() as usize, index, "{id} stands in another's place");
            assert!(!is_queued || runnable.contains(id), "{id} is queued nowhere");
            assert!(resident.is_started || *is_queued, "{id} never begins");
            (id, is_queued, resident.is_started).hash(state);
            resident.state.fingerprint(state);
            match resident.service.as_ref().fingerprint() {
                Some(own) => (true, own).hash(state),
                None => (false, history(*id)).hash(state),
            }
        }
        runnable.hash(state);
        assert!(self.services() <= places.len(), "a service without a place");
        true
    }

    /// Checks every invariant, in time proportional to the services.
    ///
    /// # Panics
    /// If one is broken.
    pub fn check_invariants(&self) {
        let mut queued = 0;
        for (index, place) in self.places.iter().enumerate() {
            let Some(place) = place else { continue };
            let id = place.id;
            assert_eq!(id.index() as usize, index, "{id} stands in another's place");
            let is_out = place.resident.is_none();
            assert!(!(is_out && place.is_queued), "{id} runs and is runnable");
            assert!(place.releases == 0 || is_out, "{id} was released and is here");
            let waits = !place.mailbox.is_empty();
            assert!(is_out || place.is_queued || !waits, "{id} has messages and is forgotten");
            if place.is_queued {
                queued += 1;
                assert!(self.runnable.contains(&id), "{id} is queued nowhere");
            }
        }
        let is_spare = |mailbox: &VecDeque<Message>| {
            mailbox.is_empty() && mailbox.capacity() <= SPARE_MESSAGES_MAX
        };
        assert!(self.spare.len() <= SPARE_MAX && self.spare.iter().all(is_spare), "spare memory");
        // Who was released while it was runnable is passed over when its turn comes.
        assert!(queued <= self.runnable.len(), "more are queued than are runnable");
    }

    fn spawn(&mut self, id: ServiceId, service: Box<dyn Service>) -> Option<Leftovers> {
        self.expect(id);
        let state = ServiceState::new(crate::random::mix(self.random_seed, id.to_bits()));
        let service = Owned { service: Some(service), dispose: self.dispose };
        let resident = Some(Resident { service, state, is_started: false });
        let place = self.place_mut(id).expect("a place was made");
        assert!(!place.is_spawned, "{id} is spawned twice");
        place.is_spawned = true;
        if place.releases > 0 {
            // Another Mux has released it already.
            return Some(Leftovers { _resident: resident, _mailbox: VecDeque::new() });
        }
        place.resident = resident;
        self.queue(id);
        assert!(self.place_mut(id).is_some_and(|place| place.is_queued), "{id} is to begin");
        None
    }

    fn queue(&mut self, id: ServiceId) {
        let place = self.place_mut(id).expect("only a living service is queued");
        let must_wait = place.resident.is_none();
        assert!(!(must_wait && place.is_queued), "{id} runs and is runnable");
        if !must_wait && !place.is_queued {
            place.is_queued = true;
            self.runnable.push_back(id);
        }
    }

    /// The place of a service that goes on.
    fn living_mut(&mut self, id: ServiceId) -> Option<&mut Place> {
        self.place_mut(id).filter(|place| place.is_living())
    }

    fn place_mut(&mut self, id: ServiceId) -> Option<&mut Place> {
        let place = self.places.get_mut(id.index() as usize)?.as_mut()?;
        assert_eq!(place.id.index(), id.index(), "{} stands in another's place", place.id);
        (place.id == id).then_some(place)
    }
}

impl Place {
    fn new(id: ServiceId) -> Self {
        let (mailbox, in_front) = Default::default();
        let (is_queued, is_spawned, resident, releases) = (false, false, None, 0);
        Self { id, mailbox, resident, is_queued, is_spawned, releases, in_front }
    }

    fn is_living(&self) -> bool {
        assert!(self.resident.is_none() || self.is_spawned, "{} is not spawned", self.id);
        assert!(self.releases == 0 || self.resident.is_none(), "{} survived", self.id);
        assert!(self.releases == 0 || self.mailbox.is_empty(), "{} is told more", self.id);
        self.is_spawned && self.releases == 0
    }
}

impl Batch {
    /// Whose batch it is.
    pub fn service(&self) -> ServiceId {
        self.id
    }

    /// Returns the name that the service gives itself.
    pub fn service_name(&self) -> &'static str {
        self.resident.service.as_ref().name()
    }

    /// The messages that it will handle.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }

    /// Runs the service on its messages; what it asks is added to `commands`, and at the end that
    /// it has handled them. The driver hands all of that to the Mux before it gives the batch
    /// back.
    ///
    /// If the service panics, the panic passes through; what it asked before stands in
    /// `commands`, and the driver adds a `Command::Release` with `abrupt`.
    pub fn run(
        &mut self,
        directory: &Directory,
        now: Instant,
        commands: &mut Vec<Command>,
        outlet: &mut dyn Outlet,
    ) {
        let resident = &mut self.resident;
        let has_work = !resident.is_started || !self.messages.is_empty();
        assert!(has_work, "{} is run twice", self.id);
        let state = &mut resident.state;
        let mut net = Net::new(directory, self.id, now, state, commands, outlet);
        if !resident.is_started {
            resident.is_started = true;
            resident.service.as_mut().on_start(&mut net);
        }
        let mut handled_bytes = HandledBytes::new(directory, self.id);
        let mut exit = false;
        let waiting = self.messages.len();
        let commands_max = directory.config().commands_per_service as usize;
        while net.asked < commands_max
            && let Some(message) = self.messages.pop_front()
        {
            handled_bytes.add(&message, message.charge_bytes(directory.config()));
            exit |= matches!(message, Message::Exit);
            handle(resident.service.as_mut(), &mut net, message);
        }
        let handled = waiting - self.messages.len();
        assert!(handled_bytes.sum() >= handled * MESSAGE_OVERHEAD_BYTES, "a message was free");
        assert!(handled == waiting || net.asked >= commands_max, "{} stopped early", self.id);
        assert!(net.now == now && net.service == self.id, "a call has one time and one service");
        let service = self.id;
        for (shard, charge_bytes) in handled_bytes.each() {
            let exit = exit && shard == handled_bytes.home();
            net.commands.push(Command::Handled { service, charge_bytes, exit, shard });
        }
    }
}

/// Lets the service handle one message, and does what the runtime owes after it.
#[inline]
fn handle(service: &mut dyn Service, net: &mut Net<'_>, message: Message) {
    let eof = match &message {
        Message::Timer { timer } if !net.state.take_timer(*timer) => return,
        Message::SendReady { socket } | Message::Close { socket, .. } => {
            net.state.no_longer_awaits(*socket);
            None
        }
        Message::Eof { socket } => Some(*socket),
        _ => None,
    };
    service.on_message(net, message);
    if let Some(id) = eof {
        let owner = net.service;
        net.commands.push(Command::FinishAfterEof { id, owner });
    }
}
