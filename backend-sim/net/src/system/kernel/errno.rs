//! The errors of calls to the simulated kernel, by the names that the real one gives.

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the system's error of that name")]
pub enum Errno {
    /// Not now. Every other one but `Interrupted` is final for its call.
    WouldBlock,
    ConnectionRefused,
    ConnectionReset,
    ConnectionAborted,
    BrokenPipe,
    TimedOut,
    HostUnreachable,
    NetworkUnreachable,
    AddressInUse,
    AddressNotAvailable,
    TooManyFiles,
    NoBuffers,
    MessageTooLarge,
    NotConnected,
    NoDestination,
    Cancelled,
    Interrupted,
    FileTableFull,
    NoMemory,
    NotPermitted,
    AccessDenied,
    Protocol,
    ProtocolType,
    NoProtocolOption,
    InvalidArgument,
    NetworkDown,
}

/// Calls until the call is not interrupted by a signal, as a program does.
pub fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::Interrupted) => {}
            result => return result,
        }
    }
}

impl Errno {
    /// Linux's number.
    pub const fn number(self) -> i32 {
        match self {
            Errno::NotPermitted => 1,
            Errno::Interrupted => 4,
            Errno::WouldBlock => 11,
            Errno::NoMemory => 12,
            Errno::AccessDenied => 13,
            Errno::InvalidArgument => 22,
            Errno::FileTableFull => 23,
            Errno::TooManyFiles => 24,
            Errno::BrokenPipe => 32,
            Errno::Protocol => 71,
            Errno::NoDestination => 89,
            Errno::MessageTooLarge => 90,
            Errno::ProtocolType => 91,
            Errno::NoProtocolOption => 92,
            Errno::AddressInUse => 98,
            Errno::AddressNotAvailable => 99,
            Errno::NetworkDown => 100,
            Errno::NetworkUnreachable => 101,
            Errno::ConnectionAborted => 103,
            Errno::ConnectionReset => 104,
            Errno::NoBuffers => 105,
            Errno::NotConnected => 107,
            Errno::TimedOut => 110,
            Errno::ConnectionRefused => 111,
            Errno::HostUnreachable => 113,
            Errno::Cancelled => 125,
        }
    }
}
