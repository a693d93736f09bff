//! The parts that a world is built from: hosts with services, clients with scripts, links, invariants.

pub mod address;
mod option_value;
pub mod options;
pub mod scenario;
pub mod swarm;
pub mod trouble;

use tidelock_core::Service;
use tidelock_net::chance::streams::{Purpose, Stream};
use tidelock_net::system::link::Link;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::cast::Cast;
use tidelock_net::words::client::{Client, Heard};
use tidelock_net::words::operation::{Action, Label, Operation, When};

use crate::stage::options::Options;

/// As many hosts as a world can have: it keeps a link for each two of them.
pub const HOSTS_MAX: usize = 256;
/// As many clients as a world can have.
pub const CLIENTS_MAX: usize = 10_000;

/// One world before it begins.
pub struct Stage<'a> {
    options: &'a Options,
    random: Stream,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) links: Vec<(u16, u16, Link)>,
    pub(crate) invariants: Vec<Invariant>,
    /// The way in which servers answer a plan's marked messages, for the judge; `None` if it is
    /// their own.
    pub(crate) behaviour: Option<Behaviour>,
}

/// One host before it begins.
pub struct HostPlan {
    pub(crate) name: &'static str,
    pub(crate) services: Vec<Box<MakeService>>,
    /// The peer in its place where the options want a scripted one.
    pub(crate) wire: Option<Wire>,
}

/// Makes a service: for each world, and again when its host starts again.
pub type MakeService = dyn Fn() -> Box<dyn Service>;

/// The abilities of a scripted peer in a host's place, so that one end of its connections shows what
/// the wire shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Everything that the host does is asked from outside.
    Asks,
    /// It serves at [`SERVER_PORT`](crate::scenario::SERVER_PORT) in this way.
    Serves(Behaviour),
}

/// A client before it begins.
pub(crate) struct ClientPlan {
    pub(crate) host: u16,
    pub(crate) client: Client,
    pub(crate) heard: Heard,
}

/// Something that must hold after every step of a host.
pub(crate) struct Invariant {
    pub(crate) name: &'static str,
    pub(crate) check: Box<dyn FnMut() -> Result<(), String>>,
}

/// The servers have this long to listen before the first client comes …
const START_NANOS: u64 = 2_000_000;
/// … and the others come at most so much later.
const SPREAD_NANOS: u64 = 3_000_000;

impl<'a> Stage<'a> {
    /// An empty stage.
    pub(crate) fn new(options: &'a Options, scenario: &str) -> Self {
        Self {
            options,
            random: Stream::new(options.stage, scenario, Purpose::Stage),
            hosts: Vec::new(),
            clients: Vec::new(),
            links: Vec::new(),
            invariants: Vec::new(),
            behaviour: None,
        }
    }

    /// The options that were drawn for this world.
    pub fn options(&self) -> &'a Options {
        self.options
    }

    /// A number below `bound`, drawn for this world: for sizes and contents of scripts.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// The host of this name; a new one if there is none. Hosts are numbered in the order in
    /// which they are first named, and their names can be resolved.
    ///
    /// # Panics
    /// If there would be more than [`HOSTS_MAX`].
    pub fn host(&mut self, name: &'static str) -> &mut HostPlan {
        let number = self.number(name);
        &mut self.hosts[number as usize]
    }

    /// Adds a client that plays its script from this host. Gives what it will have received.
    ///
    /// # Panics
    /// If another client has its name: scripts of failures call it by that. If there would be more
    /// than [`CLIENTS_MAX`].
    pub fn client(&mut self, host: &'static str, client: Client) -> Heard {
        let host = self.number(host);
        let heard = Heard::default();
        let is_known = self.clients.iter().any(|known| known.client.name == client.name);
        assert!(!is_known, "two clients are called {}", client.name);
        assert!(self.clients.len() < CLIENTS_MAX, "a world has at most {CLIENTS_MAX} clients");
        self.clients.push(ClientPlan { host, client, heard: heard.clone() });
        heard
    }

    /// Sets the links between two hosts, in both directions; the others are as the options say.
    pub fn link(&mut self, one: &'static str, other: &'static str, link: Link) {
        let (one, other) = (self.number(one), self.number(other));
        self.links.extend([(one, other, link), (other, one, link)]);
    }

    /// Sets the link from one host to another.
    pub fn link_one_way(&mut self, from: &'static str, to: &'static str, link: Link) {
        let (from, to) = (self.number(from), self.number(to));
        self.links.push((from, to, link));
    }

    /// Adds something that must hold after every step of every host. `name` is what a failure of
    /// it is called; the error says what was seen and what was expected.
    pub fn invariant(
        &mut self,
        name: &'static str,
        check: impl FnMut() -> Result<(), String> + 'static,
    ) {
        self.invariants.push(Invariant { name, check: Box::new(check) });
    }

    /// Says how servers answer the marked messages of a plan. Without this the judge does not know what
    /// they must be sent, and looks at the bytes of streams only where a client's script does.
    pub fn answers(&mut self, behaviour: Behaviour) {
        self.behaviour = Some(behaviour);
    }

    fn number(&mut self, name: &'static str) -> u16 {
        if let Some(known) = self.hosts.iter().position(|host| host.name == name) {
            return known as u16;
        }
        assert!(self.hosts.len() < HOSTS_MAX, "{name}: a world has at most {HOSTS_MAX} hosts");
        self.hosts.push(HostPlan { name, services: Vec::new(), wire: None });
        (self.hosts.len() - 1) as u16
    }

    /// The participants.
    pub(crate) fn cast(&self) -> Cast {
        let clients = self.clients.iter().map(|plan| (plan.client.clone(), plan.heard.clone()));
        Cast {
            hosts: self.hosts.iter().map(|host| host.name).collect(),
            clients: clients.collect(),
        }
    }

    /// The operations that let the clients play their scripts.
    pub(crate) fn client_operations(&self, stream: &mut Stream) -> Vec<Operation> {
        let numbered = self.clients.iter().zip(0..);
        let operations = numbered.map(|(plan, number)| {
            let start = match plan.client.start {
                Some(start) => u64::try_from(start.as_nanos()).expect("a world is short"),
                None => START_NANOS + stream.below(SPREAD_NANOS),
            };
            let label = Label { letter: Label::PLAY, number };
            let action = Action::Play { client: number as u16 };
            Operation { label, when: When::At { nanos: start }, host: plan.host, action }
        });
        operations.collect()
    }

    /// The least number of ids that lets every client and every server have a socket.
    pub(crate) fn sockets_min(&self) -> u64 {
        let services: usize = self.hosts.iter().map(|host| host.services.len()).sum();
        (self.clients.len() + services) as u64
    }
}

impl HostPlan {
    /// Adds a service.
    pub fn service<S: Service + 'static>(&mut self, make: impl Fn() -> S + 'static) -> &mut Self {
        self.services.push(Box::new(move || Box::new(make())));
        self
    }

    /// Lets a scripted peer stand in this host's place in some worlds: nothing but what is asked
    /// from outside happens on it.
    pub fn may_be_asking_wire(&mut self) -> &mut Self {
        self.wire = Some(Wire::Asks);
        self
    }

    /// Lets a scripted peer stand in this host's place in some worlds, that serves in this way.
    pub fn may_be_serving_wire(&mut self, behaviour: Behaviour) -> &mut Self {
        self.wire = Some(Wire::Serves(behaviour));
        self
    }
}
