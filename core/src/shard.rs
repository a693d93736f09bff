//! What the Muxes of one runtime ask of each other, and which of them a command is for.

use std::fmt;

use crate::timeouts::Timeouts;
use crate::{
    Command, Descriptor, Directory, Fault, ListenOptions, Message, ServiceId, SocketId, SocketInfo,
    SocketOption,
};

/// What one Mux of a runtime asks of another; see [`Command::Shard`]. Drivers carry it.
pub struct ShardCommand(pub(crate) ShardOrder);

/// What one Mux asks of another.
pub(crate) enum ShardOrder {
    /// A service is going to be there, whose home is another shard.
    Know { service: ServiceId },
    /// A service has handled `Exit`.
    Drain { service: ServiceId },
    /// Tell `reply_to` about all sockets of the shard, on behalf of a service.
    Info { by: ServiceId, reply_to: u32 },
    /// The answer of shard `from`.
    InfoPart { by: ServiceId, from: u32, part: Box<InfoPart> },
    /// An id that was taken for a part of a listener is not needed.
    GiveBack { id: SocketId },
    /// For the part of a listener that another Mux has.
    Twin { id: SocketId, order: TwinOrder },
    /// From the part of a listener, to the Mux that has its id.
    TwinReport { listener: SocketId, twin: SocketId, report: TwinReport },
}

/// What one shard knows for `info`.
#[derive(Default)]
pub(crate) struct InfoPart {
    /// Its sockets, in order of index.
    pub(crate) sockets: Vec<SocketInfo>,
    /// How many connections it accepted for listeners of other shards.
    pub(crate) accepted: Vec<(SocketId, u64)>,
}

/// What a listener asks of each of its parts.
pub(crate) enum TwinOrder {
    /// Accept from the descriptor, which listens already.
    Open(Box<TwinOpening>),
    Start {
        by: ServiceId,
    },
    /// Accept no more; answered by `Paused`.
    Pause,
    SetOption(SocketOption),
    /// End; answered by `Closed`.
    Close,
}

/// How a part of a listener begins.
pub(crate) struct TwinOpening {
    pub(crate) listener: SocketId,
    pub(crate) owner: ServiceId,
    pub(crate) descriptor: Descriptor,
    pub(crate) options: ListenOptions,
    pub(crate) timeouts: Option<Box<Timeouts>>,
    /// Which part of the listener it is; the first is the listener itself.
    pub(crate) part: u32,
    pub(crate) is_reading: bool,
}

/// What a part of a listener tells.
pub(crate) enum TwinReport {
    Paused,
    AcceptFailed(Fault),
    /// It is gone; the fault says why it never accepted, if it did not.
    Closed(Option<Fault>),
}

impl fmt::Debug for ShardCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ShardOrder::Know { service } => write!(f, "Know {service}"),
            ShardOrder::Drain { service } => write!(f, "Drain {service}"),
            ShardOrder::Info { by, reply_to } => write!(f, "Info for {by} at shard {reply_to}"),
            ShardOrder::InfoPart { by, from, part } => {
                write!(f, "Info for {by} of shard {from}: {} sockets", part.sockets.len())
            }
            ShardOrder::GiveBack { id } => write!(f, "GiveBack {id}"),
            ShardOrder::Twin { id, order } => match order {
                TwinOrder::Open(opening) => write!(f, "Open {id} for {}", opening.listener),
                TwinOrder::Start { by } => write!(f, "Start {id} by {by}"),
                TwinOrder::Pause => write!(f, "Pause {id}"),
                TwinOrder::SetOption(option) => write!(f, "SetOption {id} {option:?}"),
                TwinOrder::Close => write!(f, "Close {id}"),
            },
            ShardOrder::TwinReport { listener, twin, report } => match report {
                TwinReport::Paused => write!(f, "Paused {twin} of {listener}"),
                TwinReport::AcceptFailed(fault) => {
                    write!(f, "Failed {twin} of {listener}: {fault}")
                }
                TwinReport::Closed(None) => write!(f, "Closed {twin} of {listener}"),
                TwinReport::Closed(Some(fault)) => {
                    write!(f, "Closed {twin} of {listener}: {fault}")
                }
            },
        }
    }
}

impl From<ShardOrder> for Command {
    fn from(order: ShardOrder) -> Self {
        Command::Shard(ShardCommand(order))
    }
}

impl Command {
    /// Makes of commands what each Mux of the runtime is to get, in the order in which it is to
    /// get it. `push` takes a batch for one shard. All that it was given first must be where that
    /// Mux finds it before what it was given next may be acted on.
    ///
    /// With one Mux it pushes them as they are.
    pub fn distribute(
        commands: &mut Vec<Command>,
        directory: &Directory,
        mut push: impl FnMut(u32, &mut Vec<Command>),
    ) {
        let shards = directory.shards();
        if shards == 1 {
            return push(0, commands);
        }
        assert!(shards <= crate::SHARDS_MAX, "{shards} shards are more than an id can name");
        let mut batches: Vec<Vec<Command>> = (0..shards).map(|_| Vec::new()).collect();
        // Every Mux knows a service before its first call can ask something of that Mux.
        for command in &*commands {
            let Command::Spawn { id, .. } = command else { continue };
            let home = directory.home_of(*id);
            assert!(directory.is_service_alive(*id), "{id} was not taken");
            for (shard, batch) in (0..).zip(&mut batches) {
                if shard != home {
                    batch.push(ShardOrder::Know { service: *id }.into());
                }
            }
        }
        push_all(&mut batches, &mut push);
        for command in commands.drain(..) {
            match command {
                Command::Release { service, abrupt } => {
                    let all = batches.iter_mut();
                    all.for_each(|batch| batch.push(Command::Release { service, abrupt }));
                }
                Command::Exit { within } => {
                    batches.iter_mut().for_each(|batch| batch.push(Command::Exit { within }));
                }
                command => batches[command.shard(directory) as usize].push(command),
            }
        }
        push_all(&mut batches, &mut push);
        assert!(commands.is_empty(), "a command is for nobody");
    }

    /// The one Mux that it is for.
    fn shard(&self, directory: &Directory) -> u32 {
        let shard = match self {
            Command::SetTimer { service, .. } | Command::CancelTimer { service, .. } => {
                directory.home_of(*service)
            }
            Command::Info { by } => directory.home_of(*by),
            Command::Spawn { id, .. } => directory.home_of(*id),
            Command::Post { to, .. } => directory.home_of(*to),
            Command::Handled { shard, .. } => *shard,
            Command::Release { .. } | Command::Exit { .. } => unreachable!("{self:?} is for all"),
            Command::Shard(_) => unreachable!("{self:?} is addressed already"),
            // Of an id that nobody issued every Mux says that it is stale.
            about_a_socket => match about_a_socket.socket() {
                Some(id) => id.shard().min(directory.shards() - 1),
                None => unreachable!("{self:?} is about no socket"),
            },
        };
        assert!(shard < directory.shards(), "{self:?} is for no shard");
        shard
    }
}

fn push_all(batches: &mut [Vec<Command>], push: &mut impl FnMut(u32, &mut Vec<Command>)) {
    for (shard, batch) in (0..).zip(batches) {
        if !batch.is_empty() {
            push(shard, batch);
            assert!(shard < crate::SHARDS_MAX, "shard {shard} is more than an id can name");
            debug_assert!(batch.is_empty(), "shard {shard} did not take what is its");
            batch.clear();
        }
    }
}

impl Message {
    /// The shard whose Mux told it to a service whose home is `home`: that of the socket, and of
    /// what was accepted, not of the listener.
    pub(crate) fn shard(&self, home: u32) -> u32 {
        let is_home = matches!(self, Message::Timer { .. } | Message::Posted { .. });
        debug_assert!(!is_home || self.socket().is_none(), "{self} is about a socket");
        match (self, self.socket()) {
            (Message::Accept { accepted, .. }, _) => accepted.shard(),
            (_, Some(socket)) => socket.shard(),
            (_, None) => home,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::{Config, Net, Service};

    struct Nobody;

    impl Service for Nobody {
        fn on_message(&mut self, _net: &mut Net<'_>, _message: Message) {}
    }

    fn distributed(directory: &Directory, mut commands: Vec<Command>) -> Vec<(u32, Vec<String>)> {
        let mut pushed = Vec::new();
        Command::distribute(&mut commands, directory, |shard, batch| {
            pushed.push((shard, batch.drain(..).map(|it| format!("{it:?}")).collect()));
        });
        pushed
    }

    #[test]
    fn everybody_knows_a_service_before_it_is_spawned() {
        let directory = Directory::with_shards(Config::default(), 3).unwrap();
        let [first, second] = [0; 2].map(|_| directory.take_service().unwrap());
        let spawn = |id| Command::Spawn { id, service: Box::new(Nobody) };
        let pushed = distributed(&directory, vec![spawn(first), spawn(second)]);
        let of = |shard, lines: &[&str]| (shard, lines.iter().map(|it| (*it).into()).collect());
        let expected = [
            of(0, &["Know service1.1"]),
            of(1, &["Know service0.1"]),
            of(2, &["Know service0.1", "Know service1.1"]),
            of(0, &["Spawn service0.1"]),
            of(1, &["Spawn service1.1"]),
        ];
        assert_eq!(pushed, expected, "whoever is spawned first may ask anything of any Mux");
    }

    #[test]
    fn each_mux_gets_what_is_its_own_in_order_and_all_what_is_for_all() {
        let directory = Directory::with_shards(Config::default(), 2).unwrap();
        let service = directory.take_service().unwrap();
        let id = |shard| SocketId::of_shard(shard, 7, NonZeroU32::MIN);
        let commands = vec![
            Command::Pause { id: id(1) },
            Command::Info { by: service },
            Command::Release { service, abrupt: false },
            Command::Handled { service, charge_bytes: 64, exit: false, shard: 1 },
            Command::Close { id: id(0) },
            Command::Exit { within: Duration::ZERO },
        ];
        let pushed = distributed(&directory, commands);
        let of_all = ["Release service0.1", "Exit within 0ns"];
        let [(0, first), (1, second)] = &pushed[..] else { panic!("{pushed:?}") };
        assert_eq!(*first, ["Info for service0.1", of_all[0], "Close #7.1", of_all[1]]);
        let handled = "Handled service0.1 64 B";
        assert_eq!(*second, ["Pause #1/7.1", of_all[0], handled, of_all[1]]);
    }
}
