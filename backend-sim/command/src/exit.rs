//! The ends of the command.

use std::io;

use tidelock_sim::run::FailureClass;

use crate::console::Console;

/// The exit code, as the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// No law was violated.
    Pass,
    /// The gravest violation was of this class.
    Failed(FailureClass),
    /// A stored regression no longer tests what it was written for.
    Stale,
    /// Less was covered than was asked for, or what cannot be.
    Uncovered,
    /// The input was wrong.
    Usage,
    /// Ended before its work was done; what was found is on disk.
    Interrupted,
}

impl Exit {
    /// The number that a shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Failed(FailureClass::Invariant) => 1,
            Exit::Failed(FailureClass::Liveness) => 2,
            Exit::Failed(FailureClass::Nondeterminism) => 3,
            Exit::Stale | Exit::Uncovered => 4,
            Exit::Usage => 64,
            Exit::Interrupted => 75,
        }
    }
}

/// Why a subcommand gave up.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The input is wrong: one line that says what is, and what is allowed.
    Usage(String),
    /// Output could not be written: to whom, and why.
    Output(String, io::Error),
}

impl Problem {
    /// Says it in one line on stderr, and gives the exit code.
    pub(crate) fn tell(self, console: &mut Console<'_>) -> Exit {
        let (line, exit) = match self {
            Problem::Usage(line) => (line, Exit::Usage),
            // Whoever reads has seen enough, as `head` does.
            Problem::Output(_, error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Exit::Interrupted;
            }
            Problem::Output(what, error) => {
                (format!("cannot write {what}: {error}"), Exit::Interrupted)
            }
        };
        console.complain(&line);
        exit
    }
}
