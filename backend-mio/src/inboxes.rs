//! The inboxes of all network threads.

use std::sync::Arc;

use tidelock_core::{Command, Directory, SocketId};

use crate::inbox::Inbox;

/// The inboxes of all network threads, by shard. Each command goes to the inboxes of the threads
/// that handle it.
#[derive(Debug)]
pub(crate) struct Inboxes {
    directory: Arc<Directory>,
    all: Box<[Inbox]>,
}

impl Inboxes {
    /// Creates the inboxes of a runtime from one for each of the directory's shards.
    pub(crate) fn new(directory: Arc<Directory>, all: Box<[Inbox]>) -> Self {
        assert_eq!(all.len(), directory.shards() as usize, "inboxes, and shards of the directory");
        Self { directory, all }
    }

    /// Returns the inbox of one network thread.
    pub(crate) fn of(&self, shard: u32) -> &Inbox {
        &self.all[shard as usize]
    }

    /// Returns the inbox of the network thread that has the socket.
    pub(crate) fn of_socket(&self, id: SocketId) -> &Inbox {
        self.of(id.shard())
    }

    /// Takes all of `commands`. Those for a network thread that has ended are dropped, because it
    /// has no socket left.
    pub(crate) fn push_batch(&self, commands: &mut Vec<Command>) {
        Command::distribute(commands, &self.directory, |shard, batch| {
            self.of(shard).push_batch(batch);
        });
    }

    /// Takes one command.
    ///
    /// # Errors
    /// If all network threads have ended. The error gives the command back.
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

    /// Returns the number of commands that wait.
    pub(crate) fn len(&self) -> usize {
        self.all.iter().map(Inbox::len).sum()
    }
}
