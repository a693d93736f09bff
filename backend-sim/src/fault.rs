//! What the simulated kernel's errors mean to the core.

use tidelock_core::{Fault, FaultKind};

use crate::kernel::Errno;

/// The meaning of an error.
pub(crate) fn fault(errno: Errno) -> Fault {
    let kind = match errno {
        Errno::WouldBlock => unreachable!("to wait is no fault"),
        Errno::ConnectionRefused => FaultKind::ConnectionRefused,
        Errno::ConnectionReset => FaultKind::ConnectionReset,
        Errno::ConnectionAborted => FaultKind::ConnectionAborted,
        Errno::BrokenPipe => FaultKind::BrokenPipe,
        Errno::TimedOut => FaultKind::TimedOut,
        Errno::HostUnreachable => FaultKind::HostUnreachable,
        Errno::NetworkUnreachable => FaultKind::NetworkUnreachable,
        Errno::AddressInUse => FaultKind::AddressInUse,
        Errno::AddressNotAvailable => FaultKind::AddressNotAvailable,
        Errno::TooManyFiles => FaultKind::DescriptorsExhausted,
        Errno::NoBuffers => FaultKind::OutOfMemory,
        Errno::MessageTooLarge => FaultKind::MessageTooLarge,
        Errno::NoDestination => FaultKind::InvalidInput,
        Errno::Cancelled => FaultKind::Cancelled,
        Errno::NotConnected => FaultKind::Other,
    };
    Fault { kind, os: Some(errno.number()) }
}
