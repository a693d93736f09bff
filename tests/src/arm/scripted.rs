//! The Mux and the dispatcher over the kernel in memory, in virtual time and on one thread.

use std::sync::Arc;
use std::time::Duration;

use tidelock_core::{
    Bytes, Command, Config, Delivery, Descriptor, Directory, Dispatcher, Endpoint, ExitReport,
    Instant, KeepCommands, Mux, Progress, Service, ServiceId, Stats,
};

use super::{Arm, ArmKind};
use crate::driver::Ask;
use crate::scripted::{PeerRead, ScriptedBackend, ScriptedDescriptor, Style};

/// The Mux and the dispatcher over the kernel in memory; or several Muxes over one kernel, as
/// several network threads have them, with one dispatcher, as workers have it.
///
/// After each turn it checks the Mux's invariants, and when nobody has anything to do, that nothing
/// which a Mux wishes could be done.
pub struct ScriptedArm {
    style: Style,
    directory: Arc<Directory>,
    shards: Vec<Shard>,
    backend: ScriptedBackend,
    dispatcher: Dispatcher,
    now: Instant,
}

/// One Mux, with what was not handed over to it yet.
struct Shard {
    mux: Mux,
    commands: Vec<Command>,
    last: Progress,
}

/// More turns than this without a pause mean that something spins.
const TURNS_MAX: usize = 200_000;

impl ScriptedArm {
    /// An empty runtime with this number of Muxes.
    ///
    /// # Panics
    /// If the configuration contradicts itself.
    pub fn new(style: Style, config: Config, shards: u32) -> Self {
        let directory = Directory::with_shards(config, shards);
        let directory = Arc::new(directory.expect("the test's limits do not contradict"));
        let shard = |shard| Shard {
            mux: Mux::of_shard(Arc::clone(&directory), shard),
            commands: Vec::new(),
            last: Progress::Idle,
        };
        Self {
            style,
            shards: (0..shards).map(shard).collect(),
            backend: ScriptedBackend::new(style),
            dispatcher: Dispatcher::new(Arc::clone(&directory), 1),
            directory,
            now: Instant::ZERO,
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// One step: for each Mux a share of its commands, one event, one turn, what that delivers; and
    /// one batch. Answers whether it did anything, or there is more to do, without time passing.
    pub fn step(&mut self) -> bool {
        let mut did_something = false;
        for shard in 0..self.shards.len() {
            did_something |= self.step_shard(shard);
        }
        let charged = self.directory.total_charged_bytes();
        assert!(charged <= self.directory.config().total_bytes_max, "{charged} B in all");
        if let Some(mut batch) = self.dispatcher.take() {
            did_something = true;
            let mut commands = Vec::new();
            batch.run(&self.directory, self.now, &mut commands, &mut KeepCommands);
            self.commands(&mut commands);
            self.dispatcher.give_back(batch);
        }
        let has_more = self.backend.has_events()
            || !self.dispatcher.is_idle()
            || self.shards.iter().any(Shard::has_more);
        if !has_more {
            self.check_no_lost_edge();
        }
        did_something || has_more
    }

    fn step_shard(&mut self, shard: usize) -> bool {
        let commands_max = self.directory.config().commands_per_turn as usize;
        let Shard { mux, commands, .. } = &mut self.shards[shard];
        let share = commands.len().min(commands_max);
        let mut did_something = share > 0;
        for command in commands.drain(..share) {
            mux.handle_command(command, self.now);
        }
        if let Some(event) = self.backend.next_event() {
            // Whichever Mux it is for gets it before its next turn.
            let owner = &mut self.shards[event.socket().shard() as usize];
            owner.mux.handle_event(event, self.now);
            owner.last = Progress::More;
            did_something = true;
        }
        let Shard { mux, last: progress, .. } = &mut self.shards[shard];
        *progress = mux.turn(&mut self.backend, self.now);
        mux.check_invariants();
        let mut others = Vec::new();
        while let Some(delivery) = mux.poll_delivery() {
            match delivery {
                Delivery::Command { shard, command } => others.push((shard, command)),
                other => drop(self.dispatcher.deliver(other)),
            }
        }
        did_something |= !others.is_empty();
        for (shard, command) in others {
            self.shards[shard as usize].commands.push(command);
        }
        did_something
    }

    /// Hands commands over, as code outside services does.
    fn commands(&mut self, commands: &mut Vec<Command>) {
        Command::distribute(commands, &self.directory, |shard, batch| {
            self.shards[shard as usize].commands.append(batch);
        });
    }

    fn command(&mut self, command: Command) {
        self.commands(&mut vec![command]);
    }

    /// When nobody has anything to do, nothing that a Mux wishes could be done.
    fn check_no_lost_edge(&self) {
        for Shard { mux, last, .. } in &self.shards {
            assert_ne!(*last, Progress::More, "a Mux at rest has no work");
            for (id, wish) in mux.wishes() {
                let (input, output) = (self.backend.could_input(id), self.backend.could_output(id));
                assert!(!(wish.input && input), "lost edge: {id} could read, wish {wish:?}");
                assert!(!(wish.output && output), "lost edge: {id} could write, wish {wish:?}");
            }
        }
    }

    /// The time at which something happens by itself, if it is not too far away.
    fn next_time(&self) -> Option<Instant> {
        // Something that is due and stays due would let time stand still.
        let least = self.now + Duration::from_nanos(1);
        let deadlines = self.shards.iter().filter_map(|shard| shard.mux.next_deadline());
        deadlines.min().map(|deadline| deadline.max(least))
    }
}

impl Shard {
    fn has_more(&self) -> bool {
        self.last == Progress::More || !self.commands.is_empty()
    }
}

impl Arm for ScriptedArm {
    fn kind(&self) -> ArmKind {
        match self.shards.len() {
            1 => ArmKind::Scripted(self.style),
            _ => ArmKind::Sharded(self.style),
        }
    }

    fn spawn(&mut self, service: Box<dyn Service>) -> ServiceId {
        let id = self.directory.take_service().expect("a place for a service");
        self.command(Command::Spawn { id, service });
        id
    }

    fn post(&mut self, to: ServiceId, ask: Ask) {
        self.command(Command::Post { to, from: None, value: Box::new(ask) });
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
        self.command(Command::Exit { within });
    }

    fn exit_report(&mut self) -> Option<ExitReport> {
        if self.shards.iter().any(|shard| shard.last != Progress::Exit) {
            return None;
        }
        self.settle();
        assert_eq!(self.directory.sockets_used(), 0, "ids are left after the exit");
        assert_eq!(self.directory.total_charged_bytes(), 0, "charges are left");
        assert_eq!(self.backend.sockets_open(), 0, "descriptors are left after the exit");
        assert_eq!(self.next_time(), None, "a timer is left after the exit");
        let (mut stats, mut report) = (Stats::default(), ExitReport::default());
        for Shard { mux, .. } in &self.shards {
            stats.merge(mux.stats());
            report.merge(mux.exit_report().clone());
        }
        assert_eq!(stats.opened, stats.closed, "one Close for each id");
        Some(report)
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
