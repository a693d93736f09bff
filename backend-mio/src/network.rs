//! The network thread.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tidelock_core::{Command, ExitReport, Instant, Mux, Progress};

use crate::backend::{MioBackend, WAKE_TOKEN};
use crate::contained::drop_commands;
use crate::gathered::Gathered;
use crate::inbox::Inbox;
use crate::inline::InlineServices;
use crate::listen_waiters::ListenWaiters;
use crate::shared::Shared;
use crate::stats::Histogram;
use crate::sys::{Events, Poll};
use crate::workers::Pool;

/// One network thread: it owns a poller, a Mux and its sockets.
///
/// One round: commands, a turn of the Mux, its outputs, services; workers get their messages after
/// one or a few rounds. Turns are small, so that what a socket's service touches is still in the
/// cache; the poller is asked when there is nothing else to do, and at least every
/// [`TURNS_PER_POLL`] rounds.
pub(crate) struct Network {
    pub(crate) poll: Poll,
    pub(crate) mux: Mux,
    pub(crate) backend: MioBackend,
    pub(crate) shared: Arc<Shared>,
    pub(crate) services: Services,
    /// Commands that were taken and not handed to the Mux yet, the oldest first.
    queued: VecDeque<Command>,
    /// Swapped with the inbox's queue; empty between two uses.
    taken: Vec<Command>,
    /// Outputs for workers and other network threads that were not handed over yet.
    gathered: Gathered,
    turns: Histogram,
    listen_waiters: ListenWaiters,
    /// When an exit is to be over; the first that was asked for.
    exit_deadline: Option<Instant>,
}

/// Where services run.
pub(crate) enum Services {
    Inline(InlineServices),
    Pool(Arc<Pool>),
}

impl Services {
    fn pool(&self) -> Option<&Pool> {
        match self {
            Services::Inline(_) => None,
            Services::Pool(pool) => Some(pool),
        }
    }
}

/// The time for which the poller is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// There is work.
    No,
    UntilDeadline,
    /// All is done here, but not on other network threads, which may still ask something.
    Moment,
}

const MOMENT: Duration = Duration::from_millis(5);
const EVENTS_MAX: usize = 1024;
const TURNS_PER_POLL: usize = 32;

impl Network {
    pub(crate) fn new(
        poll: Poll,
        mux: Mux,
        backend: MioBackend,
        shared: Arc<Shared>,
        services: Services,
    ) -> Self {
        Self {
            gathered: Gathered::new(mux.shard(), shared.directory.shards()),
            poll,
            mux,
            backend,
            shared,
            services,
            queued: VecDeque::new(),
            taken: Vec::new(),
            turns: Histogram::default(),
            listen_waiters: ListenWaiters::default(),
            exit_deadline: None,
        }
    }

    /// Runs until the Mux has exited, and answers what that cost.
    pub(crate) fn run(mut self) -> ExitReport {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut pause = Pause::No;
        loop {
            let mut now = self.wait(&mut events, pause);
            for _ in 0..TURNS_PER_POLL {
                let progress = self.round(now);
                let then = std::mem::replace(&mut now, self.shared.clock.now());
                self.turns.add(now.saturating_since(then));
                if self.gathered.is_due(progress, then, now) {
                    self.hand_over();
                }
                pause = match progress {
                    Progress::More => Pause::No,
                    Progress::Idle if self.has_work() => Pause::No,
                    Progress::Idle => Pause::UntilDeadline,
                    Progress::Exit => {
                        let is_done = self.are_services_done();
                        let are_all_done = self.shared.end.agree(self.mux.shard(), is_done);
                        if is_done && (are_all_done || self.is_time_over()) {
                            return self.finish();
                        }
                        if is_done { Pause::Moment } else { Pause::No }
                    }
                };
                if pause != Pause::No {
                    break;
                }
            }
        }
    }

    fn has_work(&self) -> bool {
        let has_runnable = match &self.services {
            Services::Inline(services) => !services.dispatcher().is_idle(),
            Services::Pool(_runs_by_itself) => false,
        };
        // Services send at once: their sends may have come behind the turn that was idle.
        has_runnable || self.mux.is_ready() || !self.queued.is_empty() || self.inbox().is_filled()
    }

    /// Asks the poller; waits for it only if there is nothing else to do.
    fn wait(&mut self, events: &mut Events, pause: Pause) -> Instant {
        self.hand_over();
        self.publish_counts();
        let sleeps = pause != Pause::No && self.inbox().fall_asleep();
        let timeout = match pause {
            Pause::UntilDeadline if sleeps => self.time_to_deadline(),
            Pause::Moment if sleeps => Some(MOMENT),
            _ => Some(Duration::ZERO),
        };
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            // A signal; mio left no event behind, and the next round asks again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => panic!("the poller failed: {error}"),
        }
        if sleeps {
            self.inbox().wake_up();
        }
        let now = self.shared.clock.now();
        for event in &*events {
            if event.token() == WAKE_TOKEN {
                self.backend.calls.wake_ups += 1;
                continue;
            }
            if let Some((id, readiness)) = self.backend.handle_event(event) {
                self.mux.handle_readiness(id, readiness, now);
            }
        }
        while let Some(event) = self.backend.poll_resolved() {
            self.mux.handle_event(event, now);
        }
        now
    }

    /// Leaves what was counted where others see it.
    fn publish_counts(&mut self) {
        self.backend.calls.polls += 1;
        let services = match &self.services {
            Services::Inline(services) => {
                let all = services.dispatcher();
                Some((all.services() as u64, all.runnable() as u64))
            }
            Services::Pool(_counts_itself) => None,
        };
        let counted = &self.shared.counted[self.mux.shard() as usize];
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.mux.clone_from(self.mux.stats());
        counted.calls = self.backend.calls;
        counted.turns = self.turns;
        counted.commands_queued = self.queued.len() as u64;
        counted.services = services;
    }

    fn time_to_deadline(&self) -> Option<Duration> {
        let deadline = self.mux.next_deadline()?;
        // mio rounds up to the poller's resolution, so that no wait ends before its deadline.
        Some(deadline.saturating_since(self.shared.clock.now()))
    }

    fn round(&mut self, now: Instant) -> Progress {
        let _span = tracing::trace_span!("turn").entered();
        if self.inbox().is_filled() {
            self.take_commands();
        }
        if !self.queued.is_empty() {
            self.hand_commands_over(now);
        }
        let progress = self.turn(now);
        if progress == Progress::Idle && self.queued.is_empty() && self.mux.is_ready() {
            // Services on this thread sent behind the turn: their bytes leave in the same round,
            // unless they asked something that goes first.
            return self.turn(now);
        }
        progress
    }

    /// Lets the Mux work, and gives its outputs away.
    #[inline]
    fn turn(&mut self, now: Instant) -> Progress {
        let progress = self.mux.turn(&mut self.backend, now);
        self.deliver(now);
        progress
    }

    fn inbox(&self) -> &Inbox {
        self.shared.inboxes.of(self.mux.shard())
    }

    fn take_commands(&mut self) {
        let taken = self.shared.inboxes.of(self.mux.shard()).take(&mut self.taken);
        self.listen_waiters.extend(taken.listen_waiters);
        self.queued.extend(self.taken.drain(..));
        if let Services::Inline(services) = &mut self.services {
            taken.deliveries.into_iter().for_each(|delivery| services.deliver(delivery));
        }
    }

    fn hand_commands_over(&mut self, now: Instant) {
        let commands_max = self.shared.directory.config().commands_per_turn as usize;
        for _ in 0..commands_max {
            let Some(command) = self.queued.pop_front() else {
                break;
            };
            if let Command::Exit { within } = &command {
                tracing::info!(?within, "the runtime is shutting down");
                let deadline = now + *within;
                // Asked twice: the earlier deadline counts.
                let earlier = self.exit_deadline.map_or(deadline, |other| other.min(deadline));
                self.exit_deadline = Some(earlier);
            }
            self.mux.handle_command(command, now);
        }
    }

    /// Gives the outputs of the Mux to services.
    fn deliver(&mut self, now: Instant) {
        if !self.listen_waiters.is_empty() {
            self.mux.deliveries().for_each(|delivery| self.listen_waiters.tell(delivery));
            self.listen_waiters.give_up(&self.shared.directory);
        }
        if matches!(self.services, Services::Inline(_)) {
            return self.deliver_inline(now);
        }
        while let Some(delivery) = self.mux.poll_delivery() {
            self.gathered.add_for_workers(delivery, now);
        }
    }

    fn deliver_inline(&mut self, now: Instant) {
        let Self { services: Services::Inline(services), mux, shared, gathered, .. } = self else {
            unreachable!("services run on this thread");
        };
        services.handle_outputs(mux, shared, now, |delivery| {
            gathered.add_for_shard(delivery, &shared.directory, now);
        });
        // What services here ask of another Mux must not overtake what this one asks of it.
        gathered.hand_over(None, &shared.inboxes);
        services.run_mailboxes(mux, shared);
        services.publish(mux.shard(), shared, |commands| self.queued.extend(commands.drain(..)));
    }

    /// Gives workers and other network threads what was gathered for them.
    fn hand_over(&mut self) {
        let has_woken = self.gathered.hand_over(self.services.pool(), &self.shared.inboxes);
        self.backend.calls.hand_overs += u64::from(has_woken);
    }

    /// Every socket is closed: whether services have handled all that is in their mailboxes, or
    /// their time is over. The deadline itself brings them messages, so it leaves them a little
    /// longer; a service that does not return from a call in that time is not waited for. Waits a
    /// moment for workers that have not.
    fn are_services_done(&mut self) -> bool {
        if self.is_time_over() {
            return true;
        }
        if let Services::Pool(pool) = &self.services {
            // Looked at before the inbox: a worker publishes before it is done.
            return pool.wait_until_quiet(MOMENT) && !self.has_work();
        }
        !self.has_work()
    }

    fn is_time_over(&self) -> bool {
        const LAST_WORDS: Duration = Duration::from_millis(250);
        let now = self.shared.clock.now();
        self.exit_deadline.is_some_and(|deadline| deadline + LAST_WORDS <= now)
    }

    fn finish(mut self) -> ExitReport {
        if let Services::Inline(services) = &self.services
            && !services.dispatcher().is_idle()
        {
            tracing::warn!("the deadline has passed; messages are left in mailboxes");
        }
        self.publish_counts();
        assert_eq!(self.backend.open_sockets(), 0, "an exit leaves no socket open");
        self.inbox().close();
        drop_commands(self.queued.drain(..));
        let report = self.mux.exit_report().clone();
        tracing::info!(closed = report.closed, unsent = report.unsent_bytes, "stopped");
        report
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use tidelock_core::{
        Config, ConnectOptions, Dispatcher, FaultKind, Message, Net, Service, Target,
    };

    use super::*;
    use crate::Resolve;
    use crate::clock::Clock;
    use crate::handle::Handle;
    use crate::inboxes::Inboxes;
    use crate::resolver::Lookup;
    use crate::sys::Waker;

    const BOUND: Duration = Duration::from_secs(20);

    /// Connects to a name and tells what came of it.
    struct Dialer {
        name: String,
        told: Sender<Message>,
    }

    impl Service for Dialer {
        fn on_start(&mut self, net: &mut Net<'_>) {
            let target = Target::host(&self.name, 1);
            net.connect(target, ConnectOptions::default()).unwrap();
        }

        fn on_message(&mut self, _net: &mut Net<'_>, message: Message) {
            self.told.send(message).unwrap();
        }
    }

    /// A name here is a list of ports.
    struct Ports;

    impl Resolve for Ports {
        fn resolve(&self, name: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            let ports = name.split('-').map(|port| port.parse().unwrap());
            Ok(ports.map(|port: u16| ([127, 0, 0, 1], port).into()).collect())
        }
    }

    fn start() -> (Handle, thread::JoinHandle<ExitReport>) {
        let (network, shared) = network(0);
        (Handle::new(shared), thread::spawn(|| network.run()))
    }

    /// A network thread that does not run yet; the threads of its workers are not there.
    fn network(workers: usize) -> (Network, Arc<Shared>) {
        let mux = Mux::new(Config::default()).unwrap();
        let directory = Arc::clone(mux.directory());
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN).unwrap());
        let registry = poll.registry().try_clone().unwrap();
        let weak = Arc::downgrade(&waker);
        let lookup = Lookup { resolve: Arc::new(Ports), threads: 1 };
        let backend = MioBackend::new(registry, weak, Arc::clone(&directory), lookup);
        let dispatcher = Dispatcher::new(Arc::clone(&directory), 0);
        let services = match workers {
            0 => Services::Inline(InlineServices::new(dispatcher)),
            workers => Services::Pool(Arc::new(Pool::new(dispatcher, workers))),
        };
        let mailbox_bytes_max = directory.config().mailbox_bytes_max;
        let inboxes: Box<[Inbox]> = Box::new([Inbox::new(waker, mailbox_bytes_max)]);
        let inboxes = Arc::new(Inboxes::new(Arc::clone(&directory), inboxes));
        let shared = Arc::new(Shared::new(directory, inboxes, Clock::start(), None));
        (Network::new(poll, mux, backend, Arc::clone(&shared), services), shared)
    }

    /// A port that refuses: bound, so that nobody else gets it, and not listening.
    fn refused_port() -> (socket2::Socket, u16) {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        (socket, port)
    }

    /// A port whose connects hang: it listens, and as many wait there as may, so that the system
    /// drops what else comes. Those who wait must live on.
    fn silent_port() -> (socket2::Socket, Vec<socket2::Socket>, u16) {
        let kind = socket2::Type::STREAM;
        let open = || socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        let listener = open();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let at = listener.local_addr().unwrap();
        let waiting = (0..4).map(|_| {
            let client = open();
            client.set_nonblocking(true).unwrap();
            // Under way is all that it has to be.
            client.connect(&at).unwrap_err();
            client
        });
        let waiting = waiting.collect();
        (listener, waiting, at.as_socket().unwrap().port())
    }

    #[test]
    fn an_address_that_hangs_costs_a_delay_and_the_next_one_wins() {
        let (handle, network) = start();
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = server.local_addr().unwrap();
        let silent = silent_port();
        let (told, messages) = channel();
        let begin = std::time::Instant::now();
        handle
            .spawn(Box::new(Dialer { name: format!("{}-{}", silent.2, at.port()), told }))
            .unwrap();
        let Message::Connect { socket, peer, .. } = messages.recv_timeout(BOUND).unwrap() else {
            panic!("it does not connect");
        };
        assert_eq!(peer, at.into());
        let took = begin.elapsed();
        let delay = Config::default().connection_attempt_delay;
        assert!(took >= delay, "{took:?} is less than the first address is given");
        // The winner is a socket as any other: what comes for it finds it by its name.
        let (mut far, _) = server.accept().unwrap();
        std::io::Write::write_all(&mut far, b"hello").unwrap();
        match messages.recv_timeout(BOUND).unwrap() {
            Message::Data { socket: told, bytes } => {
                assert_eq!((told, &bytes[..]), (socket, &b"hello"[..]));
            }
            other => panic!("{other}"),
        }
        handle.begin_shutdown(Duration::from_millis(100));
        assert_eq!(network.join().unwrap().closed, 1, "the loser was nobody's");
        let mux = handle.stats().mux;
        assert_eq!((mux.attempts_beside, mux.connects_by_racer), (1, 1));
        assert_eq!((mux.opened, mux.closed), (1, 1));
    }

    #[test]
    fn each_address_of_a_name_is_tried_in_turn() {
        let (handle, network) = start();
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = server.local_addr().unwrap();
        let (told, messages) = channel();
        let (refused, other_refused) = (refused_port(), refused_port());
        let name = format!("{}-{}-{}", refused.1, other_refused.1, at.port());
        handle.spawn(Box::new(Dialer { name, told: told.clone() })).unwrap();
        match messages.recv_timeout(BOUND).unwrap() {
            Message::Connect { peer, .. } => assert_eq!(peer, at.into()),
            other => panic!("{other}"),
        }
        let name = format!("{}-{}", refused.1, other_refused.1);
        handle.spawn(Box::new(Dialer { name, told })).unwrap();
        match messages.recv_timeout(BOUND).unwrap() {
            Message::Error { fault, .. } => assert_eq!(fault.kind, FaultKind::ConnectionRefused),
            other => panic!("{other}"),
        }
        // The first socket is open until then: its far end, which nobody accepted, lives.
        handle.begin_shutdown(Duration::from_millis(100));
        assert_eq!(network.join().unwrap().closed, 1);
        drop(server);
    }
}
