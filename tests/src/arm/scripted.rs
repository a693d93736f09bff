//! The Mux and the dispatcher over the kernel in memory, in virtual time and on one thread.

use std::time::Duration;

use tidelock_core::{
    Bytes, Command, Config, Descriptor, Dispatcher, Endpoint, ExitReport, Instant, KeepCommands,
    Mux, Progress, Service, ServiceId,
};

use super::{Arm, ArmKind};
use crate::driver::Ask;
use crate::scripted::{PeerRead, ScriptedBackend, ScriptedDescriptor, Style};

/// The Mux and the dispatcher over the kernel in memory.
///
/// After each turn it checks the Mux's invariants, and when the Mux is idle, that nothing which it
/// wishes could be done.
pub struct ScriptedArm {
    style: Style,
    mux: Mux,
    backend: ScriptedBackend,
    dispatcher: Dispatcher,
    /// Commands that were not handed over yet.
    commands: Vec<Command>,
    now: Instant,
    is_over: bool,
}

/// More turns than this without a pause mean that something spins.
const TURNS_MAX: usize = 200_000;

impl ScriptedArm {
    /// An empty runtime.
    ///
    /// # Panics
    /// If the configuration contradicts itself.
    pub fn new(style: Style, config: Config) -> Self {
        let mux = Mux::new(config).expect("the test's limits do not contradict");
        let dispatcher = Dispatcher::new(mux.directory().clone(), 1);
        Self {
            style,
            mux,
            backend: ScriptedBackend::new(style),
            dispatcher,
            commands: Vec::new(),
            now: Instant::ZERO,
            is_over: false,
        }
    }

    /// The Mux, to look at.
    pub fn mux(&self) -> &Mux {
        &self.mux
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// One step: a share of the commands, one event, one turn, what that delivers, one batch.
    /// Answers whether it did anything, or there is more to do, without time passing.
    pub fn step(&mut self) -> bool {
        let share = self.commands.len().min(self.directory_config().commands_per_turn as usize);
        let mut did_something = share > 0;
        for command in self.commands.drain(..share) {
            self.mux.handle_command(command, self.now);
        }
        if let Some(event) = self.backend.next_event() {
            self.mux.handle_event(event, self.now);
            did_something = true;
        }
        let progress = self.mux.turn(&mut self.backend, self.now);
        self.mux.check_invariants();
        self.is_over |= progress == Progress::Exit;
        while let Some(delivery) = self.mux.poll_delivery() {
            self.dispatcher.deliver(delivery);
        }
        self.check_no_lost_edge(progress);
        let charged = self.mux.directory().total_charged_bytes();
        assert!(charged <= self.directory_config().total_bytes_max, "{charged} B in all");
        if let Some(mut batch) = self.dispatcher.take() {
            did_something = true;
            let directory = self.mux.directory().clone();
            let mut commands = Vec::new();
            batch.run(&directory, self.now, &mut commands, &mut KeepCommands);
            self.commands.append(&mut commands);
            self.dispatcher.give_back(batch);
        }
        did_something
            || progress == Progress::More
            || !self.commands.is_empty()
            || self.backend.has_events()
            || !self.dispatcher.is_idle()
    }

    /// Hands a command over, as code outside services does.
    pub fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    fn directory_config(&self) -> &Config {
        self.mux.directory().config()
    }

    /// When the Mux is idle and no event is owed, nothing that it wishes could be done.
    fn check_no_lost_edge(&self, progress: Progress) {
        if progress != Progress::Idle || self.backend.has_events() {
            return;
        }
        for (id, wish) in self.mux.wishes() {
            let (input, output) = (self.backend.could_input(id), self.backend.could_output(id));
            assert!(!(wish.input && input), "lost edge: {id} could read, wish {wish:?}");
            assert!(!(wish.output && output), "lost edge: {id} could write, wish {wish:?}");
        }
    }

    /// The time at which something happens by itself, if it is not too far away.
    fn next_time(&self) -> Option<Instant> {
        // Something that is due and stays due would let time stand still.
        self.mux.next_deadline().map(|deadline| deadline.max(self.now + Duration::from_nanos(1)))
    }
}

impl Arm for ScriptedArm {
    fn kind(&self) -> ArmKind {
        ArmKind::Scripted(self.style)
    }

    fn spawn(&mut self, service: Box<dyn Service>) -> ServiceId {
        let id = self.mux.directory().take_service().expect("a place for a service");
        self.commands.push(Command::Spawn { id, service });
        id
    }

    fn post(&mut self, to: ServiceId, ask: Ask) {
        self.commands.push(Command::Post { to, from: None, value: Box::new(ask) });
    }

    fn time(&self) -> Duration {
        self.now.saturating_since(Instant::ZERO)
    }

    fn advance(&mut self, limit: Duration) -> bool {
        if self.step() {
            return true;
        }
        match self.next_time() {
            Some(deadline) if deadline <= Instant::ZERO + limit => {
                self.now = deadline;
                self.step();
                true
            }
            _ => false,
        }
    }

    fn settle(&mut self) {
        let mut turns = 0;
        while self.step() {
            turns += 1;
            assert!(turns < TURNS_MAX, "the world never comes to rest");
        }
    }

    fn pass_time(&mut self, span: Duration) {
        let until = self.now + span;
        self.settle();
        while let Some(deadline) = self.next_time()
            && deadline <= until
        {
            self.now = deadline;
            self.settle();
        }
        self.now = until;
        self.settle();
    }

    fn begin_exit(&mut self, within: Duration) {
        self.commands.push(Command::Exit { within });
    }

    fn exit_report(&mut self) -> Option<ExitReport> {
        if !self.is_over {
            return None;
        }
        self.settle();
        assert_eq!(self.mux.directory().sockets_used(), 0, "ids are left after the exit");
        assert_eq!(self.mux.directory().total_charged_bytes(), 0, "charges are left");
        assert_eq!(self.backend.sockets_open(), 0, "descriptors are left after the exit");
        assert_eq!(self.mux.next_deadline(), None, "a timer is left after the exit");
        let stats = self.mux.stats();
        assert_eq!(stats.opened, stats.closed, "one Close for each id");
        Some(self.mux.exit_report().clone())
    }

    fn flood_bytes(&self) -> usize {
        4 * self.backend.stream_bytes_max
    }

    fn nobody(&mut self) -> Endpoint {
        Endpoint::from(([127, 0, 0, 1], 9))
    }

    fn peer_listen(&mut self) -> Endpoint {
        self.backend.peer_listen()
    }

    fn peer_accept(&mut self, at: &Endpoint) -> Option<usize> {
        self.backend.peer_accept(at)
    }

    fn peer_connect(&mut self, to: &Endpoint) -> usize {
        self.backend.peer_connect(to).expect("the Mux listens there")
    }

    fn peer_send(&mut self, peer: usize, bytes: &[u8]) {
        self.backend.with_stream(peer, |stream| stream.peer_send(bytes));
    }

    fn peer_read(&mut self, peer: usize, size_max: usize) -> PeerRead {
        self.backend.with_stream(peer, |stream| stream.peer_read(size_max))
    }

    fn peer_finish(&mut self, peer: usize) {
        self.backend.with_stream(peer, |stream| stream.peer_finish());
    }

    fn peer_reset(&mut self, peer: usize) {
        self.backend.with_stream(peer, |stream| stream.peer_reset());
    }

    fn peer_open_datagram(&mut self) -> Endpoint {
        self.backend.peer_open_datagram()
    }

    fn peer_datagram(&mut self, from: &Endpoint, to: &Endpoint, payload: &[u8]) {
        self.backend.peer_datagram(from, to, Bytes::copy_from_slice(payload));
    }

    fn peer_receive(&mut self, at: &Endpoint) -> Option<(Endpoint, Vec<u8>)> {
        self.backend.peer_receive(at).map(|(from, payload)| (from, payload.to_vec()))
    }

    fn adoptable(&mut self) -> (Descriptor, usize) {
        let stream = self.backend.new_stream();
        (Box::new(ScriptedDescriptor { stream: Some(stream) }), stream)
    }

    fn kernel(&mut self) -> Option<&mut ScriptedBackend> {
        Some(&mut self.backend)
    }
}
