//! The meaning of the simulated kernel's errors to the core.

use tidelock_core::{Fault, FaultKind};
use tidelock_net::system::kernel::Errno;

/// The meaning of an error.
pub(crate) fn fault(errno: Errno) -> Fault {
    let kind = match errno {
        Errno::WouldBlock | Errno::Interrupted => unreachable!("to wait, to repeat is no fault"),
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
        // As the mio backend says it.
        Errno::NotConnected | Errno::Protocol => FaultKind::ConnectionAborted,
        Errno::FileTableFull => FaultKind::DescriptorsExhausted,
        Errno::NoMemory => FaultKind::OutOfMemory,
        Errno::NotPermitted | Errno::AccessDenied => FaultKind::PermissionDenied,
        Errno::ProtocolType | Errno::InvalidArgument => FaultKind::InvalidInput,
        Errno::NoProtocolOption => FaultKind::Unsupported,
        Errno::NetworkDown => FaultKind::NetworkUnreachable,
    };
    Fault::of_system(kind, errno.number())
}
