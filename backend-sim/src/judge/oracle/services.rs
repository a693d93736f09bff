//! The services of one host as the judge knows them: their mailboxes, and who waits for room.

use std::collections::BTreeMap;

use tidelock_core::{Message, ServiceId, SocketId};

/// The services of one host as the judge knows them.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Services {
    /// By index of the id: every message and every idle socket asks about its owner.
    all: Vec<Option<(ServiceId, Mailbox)>>,
    /// Those that have handled something since the Mux last told anything.
    handlers: Vec<ServiceId>,
    /// Services that were refused because an outbox was full, with the socket.
    waiters: BTreeMap<(SocketId, ServiceId), Waiter>,
}

/// One service's mailbox.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Mailbox {
    charge_bytes: usize,
    /// It was full, and is not half empty yet: nothing may be read for it.
    is_full: bool,
    was_ever_full: bool,
    /// The bytes that it handled last: what the Mux tells next may have been charged before.
    last_handled_bytes: usize,
    /// It handled that since the Mux last told anything.
    has_handled: bool,
    /// `Exit` was handled: its sockets are shut down.
    is_draining: bool,
}

/// The room that a waiter waits for.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Waiter {
    /// The charge that has to fit.
    pub(super) charge_bytes: usize,
    /// The total was full, not the socket.
    pub(super) is_total: bool,
}

impl Services {
    /// A service begins.
    pub(super) fn spawn(&mut self, id: ServiceId) {
        let index = id.index() as usize;
        if self.all.len() <= index {
            self.all.resize(index + 1, None);
        }
        self.all[index] = Some((id, Mailbox::default()));
    }

    /// A service is to end: nothing is owed to it any more.
    pub(super) fn release(&mut self, id: ServiceId) {
        self.waiters.retain(|(_, by), _| *by != id);
    }

    /// A service has ended: nothing is told to it any more.
    pub(super) fn end(&mut self, id: ServiceId) {
        if let Some(place) = self.all.get_mut(id.index() as usize)
            && place.is_some_and(|(known, _)| known == id)
        {
            *place = None;
        }
    }

    fn mailbox(&self, id: ServiceId) -> Option<&Mailbox> {
        let (known, mailbox) = self.all.get(id.index() as usize)?.as_ref()?;
        (*known == id).then_some(mailbox)
    }

    fn mailbox_mut(&mut self, id: ServiceId) -> Option<&mut Mailbox> {
        let (known, mailbox) = self.all.get_mut(id.index() as usize)?.as_mut()?;
        (*known == id).then_some(mailbox)
    }

    /// Returns `true` if it may be told something.
    pub(super) fn is_alive(&self, id: ServiceId) -> bool {
        self.mailbox(id).is_some()
    }

    /// Returns `true` if it may be told something, and its sockets are not being shut down.
    pub(super) fn goes_on(&self, id: ServiceId) -> bool {
        self.mailbox(id).is_some_and(|mailbox| !mailbox.is_draining)
    }

    /// Returns `true` if reading for it may ever have been held back.
    pub(super) fn was_ever_full(&self, id: ServiceId) -> bool {
        self.mailbox(id).is_some_and(|mailbox| mailbox.was_ever_full)
    }

    /// It handled messages of this charge.
    pub(super) fn handled(&mut self, id: ServiceId, charge: usize, exit: bool, max: usize) {
        let Some(mailbox) = self.mailbox_mut(id) else { return };
        mailbox.charge_bytes = mailbox.charge_bytes.saturating_sub(charge);
        mailbox.is_draining |= exit;
        mailbox.is_full &= mailbox.charge_bytes >= max.div_ceil(2);
        if mailbox.has_handled {
            mailbox.last_handled_bytes += charge;
        } else {
            mailbox.last_handled_bytes = charge;
            mailbox.has_handled = true;
            self.handlers.push(id);
        }
    }

    /// Everything was told that the Mux had put out.
    #[inline]
    pub(super) fn all_told(&mut self) {
        while let Some(id) = self.handlers.pop() {
            if let Some(mailbox) = self.mailbox_mut(id) {
                mailbox.has_handled = false;
            }
        }
    }

    /// It is told something. Answers whether nothing might be read for it before.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn tell(
        &mut self,
        id: ServiceId,
        message: &Message,
        charge_bytes: usize,
        max: usize,
    ) -> Result<bool, String> {
        let Some(mailbox) = self.mailbox_mut(id) else {
            return Err(format!("{message}, told to {id}, which has ended"));
        };
        let was_full = mailbox.is_full;
        mailbox.charge_bytes += charge_bytes;
        let is_full = mailbox.charge_bytes >= max;
        mailbox.is_full |= is_full;
        mailbox.was_ever_full |= mailbox.charge_bytes + mailbox.last_handled_bytes >= max;
        Ok(was_full)
    }

    /// Somebody was refused, and waits.
    pub(super) fn wait(&mut self, socket: SocketId, by: ServiceId, waiter: Waiter) {
        self.waiters.insert((socket, by), waiter);
    }

    /// Somebody is told that a socket has room.
    ///
    /// # Errors
    /// If it did not wait for that.
    pub(super) fn ready(&mut self, socket: SocketId, by: ServiceId) -> Result<(), String> {
        match self.waiters.remove(&(socket, by)) {
            Some(_) => Ok(()),
            None => Err(format!("SendReady {socket} for {by}, which does not wait")),
        }
    }

    /// Nobody waits for a socket any more: no send is accepted there.
    pub(super) fn forget_socket(&mut self, socket: SocketId) {
        self.waiters.retain(|(of, _), _| *of != socket);
    }

    /// The waiters, in order.
    pub(super) fn waiters(&self) -> impl Iterator<Item = (SocketId, ServiceId, Waiter)> {
        self.waiters.iter().map(|((socket, by), waiter)| (*socket, *by, *waiter))
    }

    /// Returns `true` if anybody waits.
    pub(super) fn has_waiters(&self) -> bool {
        !self.waiters.is_empty()
    }
}
