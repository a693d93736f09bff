//! The times of one socket that differ from those of the configuration.

use std::time::Duration;

use crate::{SocketOption, Timeout};

/// The times of one socket that differ from those of the configuration.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Timeouts([Option<Duration>; Timeout::ALL.len()]);

impl Timeouts {
    pub(crate) fn set(&mut self, which: Timeout, span: Duration) {
        self.0[which as usize] = Some(span);
    }

    pub(crate) fn get(&self, which: Timeout) -> Option<Duration> {
        self.0[which as usize]
    }

    /// Takes the times out of the options of a socket that does not exist yet, so that no backend
    /// sees them.
    pub(crate) fn taken_from(options: &mut Vec<SocketOption>) -> Option<Box<Self>> {
        let mut timeouts = None::<Box<Self>>;
        for (which, span) in Self::extract(options) {
            timeouts.get_or_insert_default().set(which, span);
        }
        timeouts
    }

    /// Takes the times out of a list of options.
    pub(crate) fn extract(options: &mut Vec<SocketOption>) -> Vec<(Timeout, Duration)> {
        let mut times = Vec::new();
        options.retain(|option| match option {
            SocketOption::Timeout(which, span) => {
                times.push((*which, *span));
                false
            }
            _ => true,
        });
        times
    }
}
