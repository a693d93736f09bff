//! Services that wait for room.

use std::collections::BTreeMap;

use crate::{Instant, MESSAGE_OVERHEAD_BYTES, ServiceId, SocketId};

/// Services that were told *full*.
#[derive(Default, Hash)]
pub(crate) struct Waiters {
    /// For each socket: the services that wait, and for how much.
    pub(crate) sockets: BTreeMap<SocketId, Vec<Waiter>>,
    /// The services that wait for the total, for which socket, in order of arrival.
    pub(crate) total: Vec<(SocketId, Waiter)>,
    /// When the total is looked at again for room that others have made. They would not say so:
    /// each Mux gives back for itself.
    pub(crate) look_at: Option<Instant>,
}

/// A service that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiter {
    pub(crate) service: ServiceId,
    /// The charge that was refused.
    pub(crate) charge_bytes: usize,
}

impl Waiters {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty() && self.total.is_empty()
    }

    pub(crate) fn forget_socket(&mut self, id: SocketId) {
        if self.is_empty() {
            return;
        }
        self.sockets.remove(&id);
        self.total.retain(|(socket, _)| *socket != id);
    }

    pub(crate) fn forget_service(&mut self, service: ServiceId) {
        self.sockets.retain(|_, waiters| {
            waiters.retain(|waiter| waiter.service != service);
            !waiters.is_empty()
        });
        self.total.retain(|(_, waiter)| waiter.service != service);
    }

    /// # Panics
    /// If somebody waits for nothing, or for what can never be.
    pub(crate) fn check(&self, outbox_bytes_max: usize) {
        for (id, waiters) in &self.sockets {
            assert!(!waiters.is_empty(), "the list of {id} is kept, and nobody is in it");
        }
        let of_sockets = self.sockets.values().flatten();
        for waiter in of_sockets.chain(self.total.iter().map(|(_, waiter)| waiter)) {
            let (service, charge) = (waiter.service, waiter.charge_bytes);
            assert!(charge >= MESSAGE_OVERHEAD_BYTES, "{service} waits for {charge} B");
            assert!(charge <= outbox_bytes_max, "{service} waits for {charge} B, which never fit");
        }
    }
}
