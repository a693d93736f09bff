//! Ctrl-C asks a campaign to end; a second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::{Exit, Problem};

/// Set when a signal came.
pub(crate) type Interrupted = Arc<AtomicBool>;

/// From now on SIGINT and SIGTERM set the flag instead of ending the process.
pub(crate) fn listen() -> Result<Interrupted, Problem> {
    let interrupted = Interrupted::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it.
        let code = i32::from(Exit::Interrupted.code());
        flag::register_conditional_shutdown(signal, code, Arc::clone(&interrupted))
            .and_then(|_| flag::register(signal, Arc::clone(&interrupted)))
            .map_err(|error| Problem::Output("a signal handler".to_owned(), error))?;
    }
    Ok(interrupted)
}
