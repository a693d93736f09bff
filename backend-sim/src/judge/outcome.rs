//! The messages to services, without times: they must not depend on how bytes are cut.

use std::collections::BTreeMap;

use tidelock_core::{CloseReason, Message, SocketId};
use tidelock_net::base::mix::mix;

use crate::judge::digest::{Digest, Joined};

/// The messages about the sockets of one host that are not closed yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// By index of the id.
    sockets: Vec<Option<(SocketId, Told)>>,
    /// Those whose place was taken by another one first.
    displaced: BTreeMap<SocketId, Told>,
}

/// The messages about one socket so far, with consecutive data joined.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    told: u64,
    data: Joined,
}

impl Outcome {
    /// A message is told; its payload goes into the digest, too. Answers the hash of all that was
    /// told about a socket when that was the last of it.
    pub(crate) fn add(&mut self, message: &Message, digest: &mut Digest) -> Option<u64> {
        let id = message.socket()?;
        let socket = self.socket(id);
        match message {
            Message::Data { bytes, .. } => {
                digest.bytes(bytes);
                socket.data.bytes(bytes);
                return None;
            }
            Message::Udp { payload, .. } => digest.bytes(payload),
            Message::Close { reason, unsent, .. } => {
                socket.told = mix(mix(socket.told, *unsent), reason_code(*reason));
                let last = mix(socket.told, socket.data.finish());
                self.forget(id);
                return Some(last);
            }
            // How much waits, when a sender may go on and a reader has stopped, is a matter of time.
            Message::Warning { .. } | Message::SendReady { .. } | Message::Paused { .. } => {
                return None;
            }
            _ => {}
        }
        socket.told = mix(socket.told, mix(message.kind() as u64, socket.data.finish()));
        None
    }

    #[inline]
    fn socket(&mut self, id: SocketId) -> &mut Told {
        let index = id.index() as usize;
        if self.sockets.len() <= index {
            self.sockets.resize(index + 1, None);
        }
        let place = &mut self.sockets[index];
        if place.is_none() && !self.displaced.contains_key(&id) {
            *place = Some((id, Told::default()));
        }
        match place {
            Some((known, told)) if *known == id => told,
            _ => self.displaced.entry(id).or_default(),
        }
    }

    fn forget(&mut self, id: SocketId) {
        let place = &mut self.sockets[id.index() as usize];
        if place.take_if(|(known, _)| *known == id).is_none() {
            self.displaced.remove(&id);
        }
    }
}

/// A number for each reason; of a fault, what kind it was.
fn reason_code(reason: CloseReason) -> u64 {
    match reason {
        CloseReason::Closed => 1,
        CloseReason::Shutdown => 2,
        CloseReason::Peer => 3,
        CloseReason::OwnerGone => 4,
        CloseReason::Exit => 5,
        CloseReason::TimedOut(which) => 0x100 | which as u64,
        CloseReason::ConnectFailed(fault) => 0x200 | fault.kind as u64,
        CloseReason::Fault(fault) => 0x300 | fault.kind as u64,
        other => unreachable!("{other} is no reason that this simulator knows"),
    }
}
