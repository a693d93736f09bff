//! A scenario as a value: how its worlds are set up, and what is asked of them.

use std::fmt;
use std::sync::Arc;

use tidelock_net::chance::streams::Stream;
use tidelock_net::words::operation::Operation;

use super::Stage;
use super::options::Options;

/// A kind of world, built once. Every number of a world comes from its seed.
///
/// A closure sets the stage for each world anew: hosts with their services, clients with their
/// scripts, links, and invariants of one's own. Every law of the simulator holds for it besides.
/// Faults, timing, limits, readiness profile and worker threads are drawn from the seed.
///
/// ```
/// use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service};
/// use tidelock_sim::client::Client;
/// use tidelock_sim::scenario::{SERVER_PORT, Scenario};
///
/// /// Answers in capital letters.
/// struct Shout;
///
/// impl Service for Shout {
///     fn on_start(&mut self, net: &mut Net<'_>) {
///         let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
///         net.listen(at, ListenOptions::default().auto_start(true)).expect("the first socket");
///     }
///
///     fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
///         if let Message::Data { socket, bytes } = message {
///             if net.send(socket, bytes.to_ascii_uppercase()).is_err() {
///                 // It does not read, or is gone; then there is nothing to close.
///                 let _gone = net.close(socket);
///             }
///         }
///     }
/// }
///
/// let shout = Scenario::new("shout", "letters become capitals", |stage| {
///     stage.host("server").service(|| Shout);
///     let first = Client::new("first").write("hello ").expect("HELLO ").write("you").expect("YOU");
///     let heard = stage.client("client", first);
///     stage.client("client", Client::new("second").write("once").expect("ONCE"));
///     // The network may cut it short, but never changes it.
///     stage.invariant("a-prefix", move || match b"HELLO YOU".starts_with(&heard.bytes()) {
///         true => Ok(()),
///         false => Err(format!("{:?}", heard.bytes())),
///     });
/// });
/// for seed in 0..20 {
///     let report = shout.run(seed);
///     assert_eq!(report.failure, None, "replay with shout.run({seed})");
/// }
/// ```
#[derive(Clone)]
pub struct Scenario {
    /// The name. Different names give different worlds for the same seed.
    pub name: &'static str,
    /// One line on what it is about.
    pub about: &'static str,
    /// It is wrong on purpose: a campaign that names no scenario leaves it out.
    pub is_flawed: bool,
    /// The messages to its services depend on when things happen, not only on what: its worlds are
    /// not compared with ones in which nothing is cut or late.
    pub is_timed: bool,
    adjust: Arc<Adjust>,
    plan: Arc<MakePlan>,
    set: Arc<SetStage>,
}

type Adjust = dyn Fn(&mut Options) + Send + Sync;
type MakePlan = dyn Fn(&Options, &mut Stream) -> Vec<Operation> + Send + Sync;
type SetStage = dyn Fn(&mut Stage<'_>) + Send + Sync;

impl Scenario {
    /// A scenario whose worlds `set` sets up; it is called for each world, and sometimes only to
    /// learn who takes part, so it does nothing but set the stage.
    pub fn new(
        name: &'static str,
        about: &'static str,
        set: impl Fn(&mut Stage<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            about,
            is_flawed: false,
            is_timed: false,
            adjust: Arc::new(make_fit),
            plan: Arc::new(|_options, _stream| Vec::new()),
            set: Arc::new(set),
        }
    }

    /// Makes the drawn options fit, as a limit that the services need. Instead of the default,
    /// which sees to it that without faults nothing is scarce, and that no host crashes.
    #[must_use]
    pub fn adjust(mut self, adjust: impl Fn(&mut Options) + Send + Sync + 'static) -> Self {
        self.adjust = Arc::new(adjust);
        self
    }

    /// Changes options that fit already further.
    #[must_use]
    pub fn adjust_further(self, further: impl Fn(&mut Options) + Send + Sync + 'static) -> Self {
        let before = Arc::clone(&self.adjust);
        self.adjust(move |options| {
            before(options);
            further(options);
        })
    }

    /// Adds operations that are asked from outside besides the clients' scripts, in order of time.
    #[must_use]
    pub fn plan(
        mut self,
        plan: impl Fn(&Options, &mut Stream) -> Vec<Operation> + Send + Sync + 'static,
    ) -> Self {
        self.plan = Arc::new(plan);
        self
    }

    /// Sets another stage for the same plan and options.
    #[must_use]
    pub fn staged(mut self, set: impl Fn(&mut Stage<'_>) + Send + Sync + 'static) -> Self {
        self.set = Arc::new(set);
        self
    }

    /// It is wrong on purpose: a campaign that names no scenario leaves it out.
    #[must_use]
    pub fn flawed(mut self) -> Self {
        self.is_flawed = true;
        self
    }

    /// Declares that the messages to its services depend on when things happen: they look at the
    /// clock, draw random numbers for each piece, refuse when there is much at once, or tell one
    /// connection what another one did. Then its worlds are not compared with ones in which nothing
    /// is cut or
    /// late (the law `split`).
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }

    /// The options of a seed's world.
    pub fn options(&self, seed: u64) -> Options {
        self.fit(Options::draw(seed, self.name))
    }

    /// Makes options fit this scenario.
    pub(crate) fn fit(&self, mut options: Options) -> Options {
        (self.adjust)(&mut options);
        let sockets_min = self.stage(&options).sockets_min();
        // Without faults there is room for both ends of every client on one host.
        let room = if options.is_calm() { 2 * sockets_min } else { sockets_min };
        options.sockets_max = options.sockets_max.max(room);
        options
    }

    /// The operations of a seed's world, but for the clients' scripts.
    pub(crate) fn operations(&self, options: &Options, stream: &mut Stream) -> Vec<Operation> {
        (self.plan)(options, stream)
    }

    /// Sets the stage of a world.
    ///
    /// # Panics
    /// If it has no host: there would be nothing to run.
    pub(crate) fn stage<'a>(&self, options: &'a Options) -> Stage<'a> {
        let mut stage = Stage::new(options, self.name);
        (self.set)(&mut stage);
        assert!(!stage.hosts.is_empty(), "scenario {} has no host", self.name);
        stage
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Without faults nothing is scarce, and nothing takes so long that a timeout ends it. No host
/// crashes: what a service keeps would be forgotten, and a client expects that it is not.
fn make_fit(options: &mut Options) {
    options.has_crashes = 0;
    if options.is_calm() {
        options.send_buffer_bytes = options.send_buffer_bytes.max(1 << 12);
        options.receive_buffer_bytes = options.receive_buffer_bytes.max(1 << 12);
        options.outbox_bytes_max = options.outbox_bytes_max.max(16 << 20);
        options.total_bytes_max = options.total_bytes_max.max(256 << 20);
        options.latency_nanos = options.latency_nanos.min(1_000_000);
        options.jitter_nanos = options.jitter_nanos.min(options.latency_nanos);
    }
}
