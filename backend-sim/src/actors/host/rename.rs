//! Connections that race, and the one that gets the name.

use tidelock_core::{Fault, SocketId};
use tidelock_net::chance::choices::Choices;

use crate::actors::host::backend::SimBackend;
use crate::actors::host::fault::fault;
use crate::judge::coverage::sometimes;

impl<C: Choices> SimBackend<'_, C> {
    /// The connect of `id`, which is the next call, races for that of `told`.
    pub(crate) fn begin_beside(&mut self, id: SocketId, told: SocketId) {
        let side = self.io.sides.get(&told).copied();
        self.io.sides.extend(side.map(|side| (id, side)));
        self.shared.oracle.races(self.host, id, told);
        sometimes!(self.shared.coverage, true, "addresses-race");
    }

    /// A connection that won gets the name that was told.
    pub(crate) fn give_name(&mut self, from: SocketId, to: SocketId) -> Result<(), Fault> {
        let socket = self.socket(from);
        assert!(self.io.socket(to).is_none(), "{to} is open and gets another's connection");
        self.io.touch(from);
        self.io.touch(to);
        let met = self.shared.kernel.rename_meets(socket);
        self.shared.oracle.renames(self.host, from, to, met.map(fault));
        self.shared.digest.word(from.to_bits() ^ to.to_bits().rotate_left(1));
        let (host, now) = (self.shared.kernel.host_name(self.host), self.shared.kernel.now);
        let is_done = met.is_none();
        self.shared.tracer.full(now, || format!("{host} Rename {from} to {to}: {is_done}"));
        sometimes!(self.shared.coverage, is_done, "racer-won");
        sometimes!(self.shared.coverage, !is_done, "rename-failed");
        if let Some(errno) = met {
            return Err(fault(errno));
        }
        let socket = self.io.remove(from);
        self.io.insert(to, socket);
        self.shared.kernel.rename(socket, to.to_bits());
        Ok(())
    }
}
