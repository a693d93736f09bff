//! Values of users, dropped where a panic must stop nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidelock_core::Command;

/// Drops messages, or does what drops some: a value that panics there stops nobody else.
pub(crate) fn drop_messages(drop: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(drop)).is_err() {
        tracing::error!("a message panicked while it was dropped");
    }
}

/// Drops commands that nobody handles any more, each for itself, and the parts of each likewise.
pub(crate) fn drop_commands(commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        match command {
            Command::SendVectored { parts, .. } => {
                parts.into_iter().for_each(|part| drop_messages(|| drop(part)));
            }
            other => drop_messages(|| drop(other)),
        }
    }
}
