//! A service that records what it is told and does what it is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidelock_core::{Message, Net, Service, ServiceId};

/// One message, and who was told.
#[derive(Debug)]
pub struct Entry {
    /// The service that handled it.
    pub service: ServiceId,
    /// The message.
    pub message: Message,
}

/// Everything that the drivers of one world were told, in the order in which they handled it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Entry>>>);

impl Log {
    /// The entries so far.
    pub fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // A reaction that panicked fails its test anyway; what was recorded is still true.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reaction of a driver to a message, before anything else can happen to it.
pub type Reaction = Box<dyn FnMut(&mut Net<'_>, &Message) + Send>;

/// A closure that is posted to a [`Driver`], which runs it.
pub struct Ask(Box<dyn FnOnce(&mut Net<'_>) + Send>);

impl Ask {
    /// Wraps `run`.
    pub fn new(run: impl FnOnce(&mut Net<'_>) + Send + 'static) -> Self {
        Self(Box::new(run))
    }
}

/// A service that records every message in a [`Log`] and runs every [`Ask`] that is posted to it.
pub struct Driver {
    log: Log,
    reaction: Option<Reaction>,
}

impl Driver {
    /// A driver that only records.
    pub fn new(log: &Log) -> Self {
        Self { log: log.clone(), reaction: None }
    }

    /// A driver that also reacts at once.
    pub fn with_reaction(log: &Log, reaction: Reaction) -> Self {
        Self { log: log.clone(), reaction: Some(reaction) }
    }
}

impl Service for Driver {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let message = match message {
            Message::Posted { from, value } => match value.downcast::<Ask>() {
                Ok(ask) => return (ask.0)(net),
                Err(value) => Message::Posted { from, value },
            },
            other => other,
        };
        // The lock is held over the reaction, so that what it causes is recorded after its cause.
        let mut entries = self.log.entries();
        if let Some(reaction) = &mut self.reaction {
            reaction(net, &message);
        }
        entries.push(Entry { service: net.service(), message });
    }

    fn name(&self) -> &'static str {
        "driver"
    }
}
