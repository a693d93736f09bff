//! What the scripted kernel keeps for one id.

use std::collections::VecDeque;

use tidelock_core::{Bytes, Endpoint, FaultKind, SocketId};

/// What the scripted kernel keeps for one id.
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

/// The call, with what a completion needs of it.
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
    /// A connect; what came of it, once something did.
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
    /// What the next accepts fail with.
    pub(super) faults: VecDeque<FaultKind>,
}

/// A listener on its way from one Mux to another: where it listens.
pub(super) struct SharedListener(pub(super) Endpoint);

impl Listener {
    /// One that nobody has come to yet.
    pub(super) fn at(local: Endpoint) -> Self {
        Self { local, backlog: VecDeque::new(), faults: VecDeque::new() }
    }
}

#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) local: Endpoint,
    pub(super) peer: Option<Endpoint>,
    pub(super) inbox: VecDeque<(Endpoint, Bytes)>,
    /// What the next sends fail with.
    pub(super) send_faults: VecDeque<FaultKind>,
    /// What the next receives fail with.
    pub(super) receive_faults: VecDeque<FaultKind>,
    /// Nothing can be sent at the moment.
    pub(super) is_clogged: bool,
}
