//! Where what a service asks goes, before its batch is over.

use bytes::Bytes;

use crate::{Answer, Command, Fault, Instant, Outbox, SocketId};

/// Where a service's commands go when they may not wait for the end of the batch.
pub trait Outlet {
    /// Takes the commands so far. A driver that runs services on the network thread itself may
    /// leave them where they are: nothing could act on them before the service returns.
    fn publish(&mut self, commands: &mut Vec<Command>);

    /// The time now, for a driver whose services see an older one as
    /// [`Net::now`](crate::Net::now): timers are counted from here.
    fn clock(&self) -> Option<Instant> {
        None
    }

    /// Sends on a stream whose Mux is on this thread, in one step; answers the charge of the socket
    /// (see [`Mux::send_at_once`](crate::Mux::send_at_once)).
    ///
    /// # Errors
    /// With the bytes, if the send must go among the commands: always, unless the driver runs
    /// services on the network thread.
    #[inline]
    fn send_at_once(&mut self, _id: SocketId, bytes: Bytes, _low: bool) -> Result<usize, Bytes> {
        Err(bytes)
    }

    /// A service says whether something happened that should happen now and then; see
    /// [`Net::sometimes`](crate::Net::sometimes). Only a simulation counts it.
    #[inline]
    fn sometimes(&mut self, _probe: &'static str, _has_happened: bool) {}

    /// The shard whose thread the service runs on, if it runs on such a thread: what it opens is
    /// opened there. Else it is opened where there are the fewest sockets.
    fn shard(&self) -> Option<u32> {
        None
    }

    /// Returns `true` if [`write`](Self::write) does something, so that it is worth asking for the
    /// right to write. With [`Config::direct_write`](crate::Config::direct_write) off nobody asks.
    fn writes_directly(&self) -> bool {
        false
    }

    /// Writes a stream from the service's own thread: one call to the system for all of `unsent`,
    /// without blocking. It consumes what the system took, and answers as
    /// [`Backend::write`](crate::Backend::write) does; after `Later`, or if something is left, the
    /// Mux goes on. Called only for a stream that is open, and that nobody else writes or closes
    /// meanwhile.
    fn write(&mut self, id: SocketId, unsent: &mut Outbox) -> Answer<Result<usize, Fault>> {
        let is_asked = self.writes_directly();
        assert!(!is_asked, "{id}: {} B, and an outlet that does not write", unsent.pending_bytes());
        Answer::Later
    }

    /// Where a direct write stands. Nothing is to be done; a simulator runs others here.
    fn point(&mut self, _step: Step<'_>) {}
}

/// An [`Outlet`] that leaves the commands where they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepCommands;

impl Outlet for KeepCommands {
    fn publish(&mut self, _commands: &mut Vec<Command>) {}
}

/// Where a write from a service's own thread stands. Between any two steps the network thread and
/// other workers may do anything; a simulator lets them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The gate is about to be asked for the right to write.
    StartSend {
        /// The socket.
        id: SocketId,
    },
    /// The right was given, and these sends are about to be written: nobody else writes the socket,
    /// and what was sent to it before has left.
    Write {
        /// The socket.
        id: SocketId,
        /// The sends to be written, in their order.
        sends: &'a [Command],
    },
    /// The system was asked; the right is about to be given back.
    Finish {
        /// The socket.
        id: SocketId,
    },
    /// What is to be posted is about to be.
    Post {
        /// The socket.
        id: SocketId,
    },
}
