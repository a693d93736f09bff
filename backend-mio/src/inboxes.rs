//! The inboxes of all network threads.

use std::sync::Arc;

use tidelock_core::{Command, Directory, SocketId};

use crate::inbox::Inbox;

/// The inboxes of all network threads, by shard: what is asked goes to those whom it is for.
#[derive(Debug)]
pub(crate) struct Inboxes {
    directory: Arc<Directory>,
    all: Box<[Inbox]>,
}

impl Inboxes {
    /// Those of a runtime, one for each of the directory's shards.
    pub(crate) fn new(directory: Arc<Directory>, all: Box<[Inbox]>) -> Self {
        assert_eq!(all.len(), directory.shards() as usize, "an inbox for each network thread");
        Self { directory, all }
    }

    /// That of one network thread.
    pub(crate) fn of(&self, shard: u32) -> &Inbox {
        &self.all[shard as usize]
    }

    /// That of the network thread which has a socket.
    pub(crate) fn of_socket(&self, id: SocketId) -> &Inbox {
        self.of(id.shard())
    }

    /// Takes all of `commands`; what is for a network thread that has ended is dropped, because no
    /// socket is left there that it could be about.
    pub(crate) fn push_batch(&self, commands: &mut Vec<Command>) {
        Command::distribute(commands, &self.directory, |shard, batch| {
            self.of(shard).push_batch(batch);
        });
    }

    /// Takes one command.
    ///
    /// # Errors
    /// If the network threads have ended; gives the command back.
    pub(crate) fn push(&self, command: Command) -> Result<(), Command> {
        if let [only] = &*self.all {
            return only.push(command);
        }
        if self.all.iter().all(Inbox::is_closed) {
            return Err(command);
        }
        self.push_batch(&mut vec![command]);
        Ok(())
    }

    /// How many commands wait.
    pub(crate) fn len(&self) -> usize {
        self.all.iter().map(Inbox::len).sum()
    }
}
