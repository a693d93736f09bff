//! Threads outside of services that wait for a listener to open.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use tidelock_core::{
    CloseReason, Delivery, Directory, Endpoint, Fault, FaultKind, Message, SocketId,
};

use crate::inbox::ListenWaiter;

/// Threads outside of services that wait for a listener to open. What its owner is told is their
/// answer as well.
#[derive(Default)]
pub(crate) struct ListenWaiters(BTreeMap<SocketId, SyncSender<Result<Endpoint, Fault>>>);

impl ListenWaiters {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn extend(&mut self, waiters: Vec<ListenWaiter>) {
        self.0.extend(waiters);
    }

    /// Answers the thread that waits for what `delivery` tells.
    pub(crate) fn tell(&mut self, delivery: &Delivery) {
        let Delivery::Message(_owner, message) = delivery else {
            return;
        };
        let (socket, result) = match message {
            Message::Listening { socket, local } => (socket, Ok(local.clone())),
            Message::Error { socket, fault, .. } => (socket, Err(*fault)),
            Message::Close { socket, reason: CloseReason::ConnectFailed(fault), .. } => {
                (socket, Err(*fault))
            }
            Message::Close { socket, .. } => (socket, Err(FaultKind::Cancelled.into())),
            _ => return,
        };
        if let Some(waiter) = self.0.remove(socket) {
            answer(&waiter, result);
        }
    }

    /// Answers the threads whose listener is gone: its owner died on the way, so no message told.
    pub(crate) fn give_up(&mut self, directory: &Directory) {
        self.0.retain(|id, waiter| {
            let is_alive = directory.is_alive(*id);
            if !is_alive {
                answer(waiter, Err(FaultKind::Cancelled.into()));
            }
            is_alive
        });
    }
}

/// Answers one waiter. That it may have gone away meanwhile is no concern of the network thread.
fn answer(waiter: &SyncSender<Result<Endpoint, Fault>>, result: Result<Endpoint, Fault>) {
    if waiter.try_send(result).is_err() {
        tracing::debug!("no thread waits for the listener any more");
    }
}
