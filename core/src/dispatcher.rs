//! Services, their mailboxes, and whose turn it is.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::directory::Directory;
use crate::net::{Net, Outlet, ServiceState};
use crate::{Command, Delivery, Instant, Message, Service, ServiceId};

/// Services, their mailboxes, and whose turn it is.
///
/// A driver puts in what [`Mux::poll_delivery`](crate::Mux::poll_delivery) gives, takes a
/// [`Batch`], runs it (on any thread), hands the resulting commands to the Mux, and gives the
/// batch back. A service is in at most one batch at a time, and services take turns.
pub struct Dispatcher {
    directory: Arc<Directory>,
    random_seed: u64,
    /// By index of the service.
    places: Vec<Option<Place>>,
    /// Services with messages that nobody runs. Invariant: each at most once.
    runnable: VecDeque<ServiceId>,
}

struct Place {
    id: ServiceId,
    mailbox: VecDeque<Message>,
    /// `None` while a batch is out.
    resident: Option<Resident>,
    is_queued: bool,
}

struct Resident {
    service: Box<dyn Service>,
    state: ServiceState,
    is_started: bool,
}

/// One service with messages to handle, out of the dispatcher until it is given back.
pub struct Batch {
    id: ServiceId,
    resident: Resident,
    messages: VecDeque<Message>,
}

impl Dispatcher {
    /// An empty one. `random_seed` decides what services' [`Net::random`] answers.
    pub fn new(directory: Arc<Directory>, random_seed: u64) -> Self {
        Self { directory, random_seed, places: Vec::new(), runnable: VecDeque::new() }
    }

    /// Takes one output of the Mux in. A message to a service that is gone is dropped; the Mux
    /// sends none.
    pub fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Spawn(id, service) => self.spawn(id, service),
            Delivery::Message(id, message) => {
                if let Some(place) = self.place_mut(id) {
                    place.mailbox.push_back(message);
                    self.queue(id);
                }
            }
            Delivery::Release(id) => {
                // A batch that is out is dropped when it comes back.
                let index = id.index() as usize;
                if self.place_mut(id).is_some() {
                    self.places[index] = None;
                }
            }
        }
    }

    /// The next service that has something to handle, with at most `messages_per_batch` messages.
    pub fn take(&mut self) -> Option<Batch> {
        loop {
            let id = self.runnable.pop_front()?;
            let messages_max = self.directory.config().messages_per_batch as usize;
            let Some(place) = self.place_mut(id) else {
                continue;
            };
            assert!(place.is_queued, "{id} was runnable without being queued");
            place.is_queued = false;
            let resident = place.resident.take().expect("a service that runs is not runnable");
            let rest = place.mailbox.split_off(place.mailbox.len().min(messages_max));
            let messages = std::mem::replace(&mut place.mailbox, rest);
            return Some(Batch { id, resident, messages });
        }
    }

    /// Takes a service back after its batch ran. It is dropped if it was released meanwhile.
    pub fn give_back(&mut self, batch: Batch) {
        assert!(batch.messages.is_empty(), "a batch comes back after it ran");
        let id = batch.id;
        if let Some(place) = self.place_mut(id) {
            assert!(place.resident.is_none(), "{id} was run twice at a time");
            place.resident = Some(batch.resident);
            if !place.mailbox.is_empty() {
                self.queue(id);
            }
        }
    }

    /// Whether nothing waits to be run. Batches that are out do not count.
    pub fn is_idle(&self) -> bool {
        self.runnable.is_empty()
    }

    /// How many services wait to be run.
    pub fn runnable(&self) -> usize {
        self.runnable.len()
    }

    /// How many services there are, those in a batch included.
    pub fn services(&self) -> usize {
        self.places.iter().flatten().count()
    }

    fn spawn(&mut self, id: ServiceId, service: Box<dyn Service>) {
        let index = id.index() as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        assert!(self.places[index].is_none(), "the place of {id} is taken");
        let state = ServiceState::new(crate::random::mix(self.random_seed, id.to_bits()));
        let resident = Some(Resident { service, state, is_started: false });
        let place = Place { id, mailbox: VecDeque::new(), resident, is_queued: false };
        self.places[index] = Some(place);
        self.queue(id);
    }

    fn queue(&mut self, id: ServiceId) {
        let place = self.place_mut(id).expect("only a living service is queued");
        if place.resident.is_some() && !place.is_queued {
            place.is_queued = true;
            self.runnable.push_back(id);
        }
    }

    fn place_mut(&mut self, id: ServiceId) -> Option<&mut Place> {
        let place = self.places.get_mut(id.index() as usize)?.as_mut()?;
        (place.id == id).then_some(place)
    }
}

impl Batch {
    /// Whose batch it is.
    pub fn service(&self) -> ServiceId {
        self.id
    }

    /// What the service calls itself.
    pub fn service_name(&self) -> &'static str {
        self.resident.service.name()
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
        let mut net = Net {
            directory,
            service: self.id,
            now,
            state: &mut resident.state,
            commands,
            outlet,
            gathered_bytes: 0,
        };
        if !resident.is_started {
            resident.is_started = true;
            resident.service.on_start(&mut net);
        }
        let mut charge_bytes = 0;
        let mut exit = false;
        while let Some(message) = self.messages.pop_front() {
            charge_bytes += message.charge_bytes();
            exit |= matches!(message, Message::Exit);
            handle(resident.service.as_mut(), &mut net, message);
        }
        if charge_bytes > 0 {
            net.commands.push(Command::Handled { service: self.id, charge_bytes, exit });
        }
    }
}

/// Lets the service handle one message, and does what the runtime owes after it.
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
