//! The errors that a command returns at the call: one small enum per operation.

use std::fmt;

use bytes::Bytes;

use crate::InvalidOption;
use crate::gate::Refusal;

/// The id is not alive: it was closed, or never issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id is not alive")
    }
}

impl std::error::Error for Stale {}

/// The reason why no socket was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// `sockets_max` sockets are open.
    LimitReached,
    /// The runtime is shutting down.
    Stopped,
    /// The host name is empty, longer than 255 bytes, or contains a NUL.
    InvalidTarget,
    /// An option has a value that no system can hold.
    InvalidOption(InvalidOption),
}

impl From<InvalidOption> for OpenError {
    fn from(invalid: InvalidOption) -> Self {
        OpenError::InvalidOption(invalid)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::LimitReached => {
                "sockets_max sockets are open; raise the limit or close some"
            }
            OpenError::Stopped => "the runtime is shutting down",
            OpenError::InvalidTarget => "a host name has 1 to 255 bytes and no NUL",
            OpenError::InvalidOption(invalid) => return invalid.fmt(f),
        })
    }
}

impl std::error::Error for OpenError {}

/// The reason why an option was not set; the answer at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// The id is not alive.
    Stale,
    /// No system can set this value.
    Invalid(InvalidOption),
}

impl From<Stale> for OptionError {
    fn from(_stale: Stale) -> Self {
        OptionError::Stale
    }
}

impl From<InvalidOption> for OptionError {
    fn from(invalid: InvalidOption) -> Self {
        OptionError::Invalid(invalid)
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::Stale => Stale.fmt(f),
            OptionError::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for OptionError {}

/// The reason why no service was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnError {
    /// `services_max` services are alive.
    LimitReached,
    /// The runtime is shutting down.
    Stopped,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpawnError::LimitReached => "services_max services are alive",
            SpawnError::Stopped => "the runtime is shutting down",
        })
    }
}

impl std::error::Error for SpawnError {}

/// The answer to an admitted send: how much now waits on that socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The socket's charge after this send, in bytes: the unsent payload, plus 64 bytes for each
    /// message. A sender that watches it needs no `Warning`.
    pub charged_bytes: usize,
}

/// The reason why nothing was sent. Each variant gives the message back: its `Bytes`, or its
/// parts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<T = Bytes> {
    /// The id is not alive.
    Stale(T),
    /// The output has ended: `shutdown`, `finish` or `close` was called, or a write failed.
    Closing(T),
    /// The socket is a listener, which sends nothing.
    IsListener(T),
    /// The datagram socket has no peer: use `send_to`, or `udp_connect` first. Also the answer to
    /// `send_to` on a stream.
    NoPeer(T),
    /// The message is larger than `outbox_bytes_max` or `datagram_bytes_max` ever allows.
    TooLarge(T),
    /// The socket's outbox is full. One `SendReady` follows once it is below half of its limit.
    SocketFull(T),
    /// All outboxes together are full. One `SendReady` follows once they are below 7/8 of their
    /// limit.
    TotalFull(T),
    /// The runtime is shutting down, and the socket is gone.
    Stopped(T),
}

impl<T> SendError<T> {
    /// Translates a gate's refusal into the error that a service gets.
    pub(crate) fn of(refusal: Refusal, is_stopped: bool, value: T) -> Self {
        match refusal {
            Refusal::Stale if is_stopped => SendError::Stopped(value),
            Refusal::Stale => SendError::Stale(value),
            Refusal::Closing => SendError::Closing(value),
            Refusal::IsListener => SendError::IsListener(value),
            Refusal::NoPeer => SendError::NoPeer(value),
            Refusal::TooLarge => SendError::TooLarge(value),
            Refusal::SocketFull => SendError::SocketFull(value),
            Refusal::TotalFull => SendError::TotalFull(value),
        }
    }

    /// Returns the message that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            SendError::Stale(value)
            | SendError::Closing(value)
            | SendError::IsListener(value)
            | SendError::NoPeer(value)
            | SendError::TooLarge(value)
            | SendError::SocketFull(value)
            | SendError::TotalFull(value)
            | SendError::Stopped(value) => value,
        }
    }

    pub(crate) fn why(&self) -> &'static str {
        match self {
            SendError::Stale(_) => "the id is not alive",
            SendError::Closing(_) => "the socket is closing",
            SendError::IsListener(_) => "a listener sends nothing",
            SendError::NoPeer(_) => "no peer: use send_to, or udp_connect first",
            SendError::TooLarge(_) => "larger than the configuration ever allows",
            SendError::SocketFull(_) => "the socket's outbox is full; wait for SendReady",
            SendError::TotalFull(_) => "all outboxes together are full; wait for SendReady",
            SendError::Stopped(_) => "the runtime has stopped",
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendError({})", self.why())
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

impl<T> std::error::Error for SendError<T> {}

/// The reason why a value was not posted. Each variant gives the value back.
#[non_exhaustive]
pub enum PostError {
    /// The service is not alive.
    Stale(Box<dyn std::any::Any + Send>),
    /// The runtime has stopped.
    Stopped(Box<dyn std::any::Any + Send>),
}

impl fmt::Debug for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostError({self})")
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PostError::Stale(_) => "the service is not alive",
            PostError::Stopped(_) => "the runtime has stopped",
        })
    }
}

impl std::error::Error for PostError {}
