//! The order in which messages about one socket may come.

use std::collections::BTreeMap;

use tidelock_core::{Message, ServiceId, SocketId};

use crate::driver::Entry;

/// The messages about one socket so far.
#[derive(Debug, Default)]
struct Seen {
    /// `Connect` or `Listening`.
    opened: bool,
    accepted: bool,
    /// The services that were told `Eof`.
    eof_told: Vec<ServiceId>,
    fatal: bool,
    closed: bool,
    /// The service that was told the last message. Another one that waits for room is told of
    /// that in its own time, and of nothing else.
    owner: Option<ServiceId>,
    /// `Warning` with bytes came and the one with zero did not.
    warned: bool,
}

/// Checks what drivers were told against the laws of the message sequence: `Close` once and last,
/// `Data` never empty and never after `Eof`, the opening message once and first, nothing but
/// `Close` after a fatal error, one `Eof` per owner, drained only after a warning.
///
/// With `has_ended`, every socket that was spoken of must have got its `Close`.
///
/// # Panics
/// If a law is broken.
pub fn check(entries: &[Entry], has_ended: bool) {
    let mut sockets: BTreeMap<SocketId, Seen> = BTreeMap::new();
    for (index, Entry { service, message }) in entries.iter().enumerate() {
        if let Message::Refused { .. } = message {
            // Answers a command; no part of the socket's sequence.
            continue;
        }
        if let Message::Accept { accepted, .. } = message {
            let before = sockets.insert(*accepted, Seen { accepted: true, ..Seen::default() });
            assert!(before.is_none(), "entry {index}: {accepted} was spoken of before {message}");
        }
        if let Some(id) = message.socket() {
            let seen = sockets.entry(id).or_default();
            if matches!(message, Message::SendReady { .. }) && seen.owner != Some(*service) {
                continue;
            }
            seen.owner = Some(*service);
            assert!(!seen.closed, "entry {index}: {message} after Close");
            let is_close = matches!(message, Message::Close { .. });
            assert!(!seen.fatal || is_close, "entry {index}: {message} after a fatal error");
            step(seen, *service, message, index);
        }
    }
    if has_ended {
        for (id, seen) in &sockets {
            assert!(seen.closed, "{id} got no Close");
            // An owner is told again only if it gave the socket away in between.
            for service in &seen.eof_told {
                let told = seen.eof_told.iter().filter(|it| *it == service).count();
                let others = seen.eof_told.len() - told;
                assert!(told <= others + 1, "{id}: {told} times Eof for {service}");
            }
        }
    }
}

fn step(seen: &mut Seen, service: ServiceId, message: &Message, index: usize) {
    match message {
        Message::Connect { .. } | Message::Listening { .. } => {
            assert!(!seen.opened, "entry {index}: {message} twice");
            assert!(!seen.accepted, "entry {index}: {message} of an accepted socket");
            seen.opened = true;
        }
        Message::Data { bytes, .. } => {
            assert!(seen.opened || seen.accepted, "entry {index}: {message} before it is open");
            assert!(!bytes.is_empty(), "entry {index}: empty Data");
            assert!(seen.eof_told.is_empty(), "entry {index}: {message} after Eof");
        }
        Message::Eof { .. } => {
            assert!(seen.opened || seen.accepted, "entry {index}: {message} before it is open");
            seen.eof_told.push(service);
        }
        Message::Warning { pending_bytes: 0, .. } => {
            assert!(seen.warned, "entry {index}: {message} without a warning");
            seen.warned = false;
        }
        Message::Warning { .. } => seen.warned = true,
        Message::Error { fatal, .. } => seen.fatal = *fatal,
        Message::Close { .. } => seen.closed = true,
        Message::Accept { .. } | Message::Udp { .. } => {
            assert!(seen.opened, "entry {index}: {message} before it is open");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tidelock_core::{CloseReason, Endpoint};

    use super::*;

    fn id() -> SocketId {
        SocketId::new(3, NonZeroU32::MIN)
    }

    fn entries(messages: Vec<Message>) -> Vec<Entry> {
        let service = ServiceId::new(0, NonZeroU32::MIN);
        messages.into_iter().map(|message| Entry { service, message }).collect()
    }

    fn connect() -> Message {
        Message::Connect { socket: id(), local: Endpoint::Unnamed, peer: Endpoint::Unnamed }
    }

    fn close() -> Message {
        Message::Close { socket: id(), reason: CloseReason::Closed, unsent: 0 }
    }

    fn data() -> Message {
        Message::Data { socket: id(), bytes: "x".into() }
    }

    #[test]
    fn a_whole_life_passes() {
        check(&entries(vec![connect(), data(), Message::Eof { socket: id() }, close()]), true);
    }

    #[test]
    #[should_panic(expected = "after Close")]
    fn a_second_close_is_seen() {
        check(&entries(vec![connect(), close(), close()]), true);
    }

    #[test]
    #[should_panic(expected = "after Eof")]
    fn data_after_eof_is_seen() {
        check(&entries(vec![connect(), Message::Eof { socket: id() }, data()]), false);
    }

    #[test]
    #[should_panic(expected = "2 times Eof")]
    fn a_second_eof_for_one_owner_is_seen() {
        let eof = || Message::Eof { socket: id() };
        check(&entries(vec![connect(), eof(), eof(), close()]), true);
    }

    #[test]
    #[should_panic(expected = "got no Close")]
    fn a_missing_close_is_seen() {
        check(&entries(vec![connect(), data()]), true);
    }

    #[test]
    #[should_panic(expected = "without a warning")]
    fn drained_without_a_warning_is_seen() {
        check(&entries(vec![Message::Warning { socket: id(), pending_bytes: 0 }]), false);
    }
}
