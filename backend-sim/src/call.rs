//! The calls that a host's backend makes to its kernel.

/// Which call, for the digest and the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Resolve = 1,
    Listen,
    Connect,
    Accept,
    Read,
    Write,
    Shutdown,
    TakeError,
    OpenDatagram,
    ConnectDatagram,
    SendTo,
    Receive,
    SetOption,
    Close,
    Adopt,
}
