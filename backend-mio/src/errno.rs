//! The mapping of the system's errors to faults.

use std::fmt;
use std::io;

use rustix::io::Errno;
use tidelock_core::{Answer, Fault, FaultKind, OptionName};

/// Repeats a call for as long as a signal interrupts it. Not for `close`: an interrupted close has
/// already released the descriptor on Linux, and a second one could close a descriptor that another
/// thread has just opened under the same number.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Returns the answer for the Mux: `Later` for *would block*, and `Ready` for anything else.
pub(crate) fn answer<T>(result: io::Result<T>) -> Answer<Result<T, Fault>> {
    match result {
        Ok(value) => Answer::Ready(Ok(value)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Answer::Later,
        Err(error) => Answer::Ready(Err(fault(&error))),
    }
}

/// Returns the fault that `error` means.
pub(crate) fn fault(error: &io::Error) -> Fault {
    if let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<OptionRefused>()) {
        return Fault { option: Some(refused.option), ..fault(&refused.error) };
    }
    let kind = match Errno::from_io_error(error) {
        Some(errno) => kind_of(errno),
        None => kind_without_number(error.kind()),
    };
    Fault { os: error.raw_os_error(), ..kind.into() }
}

/// The system's refusal of an option, inside of the [`io::Error`] of the call that was to set it.
#[derive(Debug)]
struct OptionRefused {
    option: OptionName,
    error: io::Error,
}

impl fmt::Display for OptionRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "option {}: {}", self.option, self.error)
    }
}

impl std::error::Error for OptionRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Returns `error` with the name of the option that it is about.
pub(crate) fn option_refused(option: OptionName, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), OptionRefused { option, error })
}

/// Returns the error that start-up code gets for `fault`: the system's own, if it has a number.
pub(crate) fn io_error(fault: Fault) -> io::Error {
    let error = fault.os.map(io::Error::from_raw_os_error);
    match (error, fault.option) {
        (Some(error), None) => error,
        (Some(error), Some(option)) => option_refused(option, error),
        (None, _) => io::Error::other(fault.to_string()),
    }
}

fn kind_of(errno: Errno) -> FaultKind {
    match errno {
        Errno::CONNREFUSED => FaultKind::ConnectionRefused,
        Errno::CONNRESET | Errno::NETRESET => FaultKind::ConnectionReset,
        Errno::CONNABORTED | Errno::NOTCONN | Errno::PROTO => FaultKind::ConnectionAborted,
        Errno::PIPE | Errno::SHUTDOWN => FaultKind::BrokenPipe,
        Errno::TIMEDOUT => FaultKind::TimedOut,
        Errno::HOSTUNREACH | Errno::HOSTDOWN => FaultKind::HostUnreachable,
        Errno::NETUNREACH | Errno::NETDOWN => FaultKind::NetworkUnreachable,
        Errno::ADDRINUSE => FaultKind::AddressInUse,
        // ENOENT, ENOTDIR: there is nothing at the path of a Unix-domain socket.
        Errno::ADDRNOTAVAIL | Errno::NOENT | Errno::NOTDIR => FaultKind::AddressNotAvailable,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => FaultKind::PermissionDenied,
        Errno::MFILE | Errno::NFILE => FaultKind::DescriptorsExhausted,
        // ENOSPC: the poller is out of watches (`fs.epoll.max_user_watches`).
        Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC => FaultKind::OutOfMemory,
        Errno::MSGSIZE => FaultKind::MessageTooLarge,
        Errno::INVAL
        | Errno::AFNOSUPPORT
        | Errno::DESTADDRREQ
        | Errno::ISCONN
        | Errno::ALREADY
        | Errno::PROTOTYPE
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::DOM => FaultKind::InvalidInput,
        Errno::OPNOTSUPP
        | Errno::NOTSOCK
        | Errno::NOPROTOOPT
        | Errno::PROTONOSUPPORT
        | Errno::NOTTY
        | Errno::NOSYS => FaultKind::Unsupported,
        _ => FaultKind::Other,
    }
}

/// Returns the meaning of an error without a number, which the standard library creates itself.
fn kind_without_number(kind: io::ErrorKind) -> FaultKind {
    match kind {
        io::ErrorKind::InvalidInput => FaultKind::InvalidInput,
        io::ErrorKind::Unsupported => FaultKind::Unsupported,
        io::ErrorKind::WriteZero => FaultKind::BrokenPipe,
        io::ErrorKind::TimedOut => FaultKind::TimedOut,
        io::ErrorKind::OutOfMemory => FaultKind::OutOfMemory,
        io::ErrorKind::PermissionDenied => FaultKind::PermissionDenied,
        _ => FaultKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of_number(number: i32) -> FaultKind {
        let fault = fault(&io::Error::from_raw_os_error(number));
        assert_eq!(fault.os, Some(number), "the fault lost the system's number");
        fault.kind
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn each_errno_that_a_socket_call_documents_has_its_meaning() {
        // Numbers instead of the names that the code uses, so that a slip in a name shows.
        let expected = [
            (111, FaultKind::ConnectionRefused),
            (104, FaultKind::ConnectionReset),
            (102, FaultKind::ConnectionReset),
            (103, FaultKind::ConnectionAborted),
            (107, FaultKind::ConnectionAborted),
            (71, FaultKind::ConnectionAborted),
            (32, FaultKind::BrokenPipe),
            (108, FaultKind::BrokenPipe),
            (110, FaultKind::TimedOut),
            (113, FaultKind::HostUnreachable),
            (112, FaultKind::HostUnreachable),
            (101, FaultKind::NetworkUnreachable),
            (100, FaultKind::NetworkUnreachable),
            (98, FaultKind::AddressInUse),
            (99, FaultKind::AddressNotAvailable),
            (13, FaultKind::PermissionDenied),
            (1, FaultKind::PermissionDenied),
            (24, FaultKind::DescriptorsExhausted),
            (23, FaultKind::DescriptorsExhausted),
            (12, FaultKind::OutOfMemory),
            (105, FaultKind::OutOfMemory),
            (28, FaultKind::OutOfMemory),
            (90, FaultKind::MessageTooLarge),
            (22, FaultKind::InvalidInput),
            (97, FaultKind::InvalidInput),
            (89, FaultKind::InvalidInput),
            (95, FaultKind::Unsupported),
            (88, FaultKind::Unsupported),
            (92, FaultKind::Unsupported),
            (125, FaultKind::Other),
            (5, FaultKind::Other),
        ];
        for (number, kind) in expected {
            assert_eq!(kind_of_number(number), kind, "errno {number}");
        }
    }

    #[test]
    fn every_number_has_an_outcome() {
        for number in -1..5_000 {
            let fault = fault(&io::Error::from_raw_os_error(number));
            assert_eq!(fault.os, Some(number));
        }
    }

    #[test]
    fn an_interrupted_call_is_repeated() {
        let mut answers = vec![
            Err(io::ErrorKind::WouldBlock.into()),
            Err(io::Error::from_raw_os_error(Errno::INTR.raw_os_error())),
            Err(io::Error::from_raw_os_error(Errno::INTR.raw_os_error())),
        ];
        let result: io::Result<()> = uninterrupted(|| answers.pop().unwrap());
        assert_eq!(answer(result), Answer::Later);
        assert!(answers.is_empty());
    }

    #[test]
    fn start_up_code_gets_the_systems_own_error() {
        let error = io_error(Fault::of_system(FaultKind::AddressInUse, 98));
        assert_eq!(error.raw_os_error(), Some(98));
        assert!(io_error(FaultKind::LimitReached.into()).to_string().contains("socket table"));
    }
}
