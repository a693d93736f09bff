//! Where what a service asks goes, before its batch is over.

use bytes::Bytes;

use crate::{Command, Instant, SocketId};

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
}

/// An [`Outlet`] that leaves the commands where they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepCommands;

impl Outlet for KeepCommands {
    fn publish(&mut self, _commands: &mut Vec<Command>) {}
}
