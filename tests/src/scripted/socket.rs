//! The state of one id in the scripted kernel.

use std::collections::VecDeque;

use tidelock_core::{Bytes, Endpoint, FaultKind, SocketId};

/// The state of one id in the scripted kernel.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) kind: Kind,
    pub(super) input: Option<Asked>,
    pub(super) output: Option<Asked>,
}

impl Socket {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, input: None, output: None }
    }
}

/// A call that was answered with `Later`.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: Call,
    /// Its event is in the queue.
    pub(super) is_owed: bool,
}

/// The call, with the parts that its completion needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Accept { id: SocketId },
    Read { size_max: usize },
    Receive { size_max: usize },
    Connect,
    Write { shares: Vec<Bytes> },
    SendTo { to: Option<Endpoint>, payload: Bytes },
}

#[derive(Debug)]
pub(super) enum Kind {
    Listener(Listener),
    /// A connect, with its result once there is one.
    Connecting {
        to: Endpoint,
        fate: Option<Result<usize, FaultKind>>,
    },
    /// Index of the stream.
    Stream(usize),
    Datagram(Datagram),
    /// Closed while something was pending.
    Closing,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) local: Endpoint,
    /// Indices of streams.
    pub(super) backlog: VecDeque<usize>,
    /// The faults of the next accepts.
    pub(super) faults: VecDeque<FaultKind>,
}

/// A listener on its way from one Mux to another: where it listens.
pub(super) struct SharedListener(pub(super) Endpoint);

impl Listener {
    /// A listener without clients.
    pub(super) fn at(local: Endpoint) -> Self {
        Self { local, backlog: VecDeque::new(), faults: VecDeque::new() }
    }
}

#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) local: Endpoint,
    pub(super) peer: Option<Endpoint>,
    pub(super) inbox: VecDeque<(Endpoint, Bytes)>,
    /// The faults of the next sends.
    pub(super) send_faults: VecDeque<FaultKind>,
    /// The faults of the next receives.
    pub(super) receive_faults: VecDeque<FaultKind>,
    /// Nothing can be sent at the moment.
    pub(super) is_clogged: bool,
}
