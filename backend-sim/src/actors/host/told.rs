//! The state of a service that cannot be seen into, as far as it follows from what it is told.

use std::hash::{Hash, Hasher};

use tidelock_core::{Bytes, Message};
use tidelock_net::base::fingerprint::Fingerprint;

/// Returns the state of a service that was in the state `before` and is told this, as far as one
/// knows who does not see into it. `story` stands for what cannot be seen into.
pub(crate) fn told(before: u64, message: &Message, story: u64) -> u64 {
    let mut state = Fingerprint::default();
    (before, message.kind() as u64, message.to_string()).hash(&mut state);
    let payload: Option<&Bytes> = match message {
        Message::Data { bytes, .. } => Some(bytes),
        Message::Udp { payload, .. } => Some(payload),
        _ => None,
    };
    payload.hash(&mut state);
    if let Message::Error { fault, .. } = message {
        fault.hash(&mut state);
    }
    if matches!(message, Message::Posted { .. } | Message::Info(_)) {
        story.hash(&mut state);
    }
    state.finish()
}
