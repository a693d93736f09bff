//! The routing of commands to the Muxes of one runtime.

use crate::shard::ShardOrder;
use crate::{Command, Directory, Message};

impl Command {
    /// Distributes commands among the Muxes of the runtime and drains `commands`.
    ///
    /// `push` gets the shard and a batch for it, and must take everything out of the batch. The
    /// order of its calls matters: a batch must be in its shard's queue before any later batch,
    /// even of another shard, may be handled. With one Mux the commands are pushed as they are.
    pub fn distribute(
        commands: &mut Vec<Command>,
        directory: &Directory,
        mut push: impl FnMut(u32, &mut Vec<Command>),
    ) {
        let shards = directory.shards();
        if shards == 1 {
            return push(0, commands);
        }
        let mut batches: Vec<Vec<Command>> = (0..shards).map(|_| Vec::new()).collect();
        // Every Mux must know a service before any Mux runs its first call, in which it may ask
        // something of each of them.
        for command in &*commands {
            let Command::Spawn { id, .. } = command else { continue };
            let home = directory.home_of(*id);
            assert!(directory.is_service_alive(*id), "{id} is spawned, but its id was not taken");
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
    }

    /// Returns the shard whose Mux handles the command.
    fn shard(&self, directory: &Directory) -> u32 {
        let shard = match self {
            Command::SetTimer { service, .. } | Command::CancelTimer { service, .. } => {
                directory.home_of(*service)
            }
            Command::Info { by } => directory.home_of(*by),
            Command::Spawn { id, .. } => directory.home_of(*id),
            Command::Post { to, .. } => directory.home_of(*to),
            Command::Handled { shard, .. } => *shard,
            Command::Release { .. } | Command::Exit { .. } => {
                unreachable!("{self:?} is for all Muxes")
            }
            Command::Shard(_) => unreachable!("{self:?} came with its address"),
            // An id that was never issued may name a shard that does not exist; any Mux can answer
            // that it is stale.
            about_a_socket => match about_a_socket.socket() {
                Some(id) => id.shard().min(directory.shards() - 1),
                None => unreachable!("{self:?} has no socket to route it by"),
            },
        };
        assert!(shard < directory.shards(), "{self:?}: no such shard: {shard}");
        shard
    }
}

fn push_all(batches: &mut [Vec<Command>], push: &mut impl FnMut(u32, &mut Vec<Command>)) {
    for (shard, batch) in (0..).zip(batches) {
        if !batch.is_empty() {
            push(shard, batch);
            debug_assert!(batch.is_empty(), "{} commands for shard {shard} are left", batch.len());
            batch.clear();
        }
    }
}

impl Message {
    /// Returns the shard whose Mux delivered the message to a service whose home is `home`. That
    /// is the socket's shard; for `Accept` the accepted socket's, because a listener's twin in any
    /// shard may have accepted it.
    pub(crate) fn shard(&self, home: u32) -> u32 {
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
    use crate::{Config, Net, Service, SocketId};

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
        assert_eq!(pushed, expected, "every `Know` is pushed before any `Spawn`");
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
