//! The interface of a runtime to other threads.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tidelock_core::{
    Command, Endpoint, ListenOptions, Message, Net, PostError, Service, ServiceId, SocketId,
    SocketInfo, SpawnError, Stale,
};

use crate::errno::io_error;
use crate::inside;
use crate::runtime::ShutdownReport;
use crate::shared::{Counted, Shared};
use crate::stats::RuntimeStats;

/// A handle to a runtime, for code outside of services. Clones refer to the same runtime. Once that
/// has ended, every request is refused.
///
/// A service must not call a method that waits, because it could wait for itself; such a call
/// returns an error at once.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Starts a service and returns its id.
    ///
    /// # Errors
    /// At `services_max`, and once the runtime is shutting down.
    pub fn spawn(&self, service: Box<dyn Service>) -> Result<ServiceId, SpawnError> {
        if self.shared.directory.is_stopped() {
            return Err(SpawnError::Stopped);
        }
        let id = self.shared.directory.take_service().ok_or(SpawnError::LimitReached)?;
        let pushed = self.shared.inboxes.push(Command::Spawn { id, service });
        pushed.map(|()| id).map_err(|_command| SpawnError::Stopped)
    }

    /// Hands a value to a service, which gets `Posted` with `from: None`.
    ///
    /// # Errors
    /// If the service is not alive, or the runtime has ended. The error gives the value back.
    pub fn post<T: Any + Send>(&self, to: ServiceId, value: T) -> Result<(), PostError> {
        if !self.shared.directory.is_service_alive(to) {
            return Err(PostError::Stale(Box::new(value)));
        }
        let pushed =
            self.shared.inboxes.push(Command::Post { to, from: None, value: Box::new(value) });
        match pushed {
            Ok(()) => Ok(()),
            Err(Command::Post { value, .. }) => Err(PostError::Stopped(value)),
            Err(other) => unreachable!("the inbox returned {other:?} instead of the post"),
        }
    }

    /// Ends a service: its streams are shut down, and its listeners and timers end.
    ///
    /// # Errors
    /// If the service is not alive.
    pub fn release(&self, service: ServiceId) -> Result<(), Stale> {
        if !self.shared.directory.is_service_alive(service) {
            return Err(Stale);
        }
        let pushed = self.shared.inboxes.push(Command::Release { service, abrupt: false });
        pushed.map_err(|_command| Stale)
    }

    /// Listens at `at` on behalf of `owner` and waits for the result; meant for start-up code.
    /// Returns the id and the address with the real port. The owner gets `Listening`, too.
    ///
    /// # Errors
    /// The system's own error, with its `raw_os_error`; `NotFound` if the owner is not alive;
    /// `InvalidInput`, with the option and its range, for one that no system can hold; other
    /// errors if the runtime stops, at `sockets_max`, or if a service calls it.
    pub fn listen(
        &self,
        owner: ServiceId,
        at: impl Into<Endpoint>,
        options: ListenOptions,
    ) -> io::Result<(SocketId, Endpoint)> {
        refuse_inside("listen")?;
        if !self.shared.directory.is_service_alive(owner) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the owner is not alive"));
        }
        options.check().map_err(|invalid| io::Error::new(io::ErrorKind::InvalidInput, invalid))?;
        let at = at.into();
        let taken = self.shared.directory.take_listener(owner, &at);
        let (id, parts) = taken.map_err(io::Error::other)?;
        let (waiter, answer) = sync_channel(1);
        let command = Command::Listen { id, parts, owner, at, options: Box::new(options) };
        let inbox = self.shared.inboxes.of_socket(id);
        inbox.push_listen(command, (id, waiter)).map_err(|_command| stopped())?;
        match wait_for(&answer)? {
            Ok(local) => Ok((id, local)),
            Err(fault) => Err(io_error(fault)),
        }
    }

    /// Waits for a report on all sockets, and returns it.
    ///
    /// # Errors
    /// If the runtime stops, at `services_max`, or if a service calls it.
    pub fn info(&self) -> io::Result<Vec<SocketInfo>> {
        refuse_inside("info")?;
        let (reply, answer) = sync_channel(1);
        self.spawn(Box::new(Asker { reply })).map_err(io::Error::other)?;
        wait_for(&answer)
    }

    /// Returns the counters of the runtime. It waits for no thread, so services may call it too; it
    /// costs a short lock and a copy of about a kilobyte for each network thread.
    pub fn stats(&self) -> RuntimeStats {
        let Counted { mux, calls, turns, commands_queued, services } = self.shared.counted();
        let [services, services_waiting, services_running] = match (&self.shared.pool, services) {
            (Some(pool), _) => pool.counts(),
            (None, Some((services, waiting))) => [services, waiting, 0],
            // No network thread has published its counters yet.
            (None, None) => [0; 3],
        };
        RuntimeStats {
            mux,
            calls,
            turns,
            commands_queued: commands_queued + self.shared.inboxes.len() as u64,
            charged_bytes: self.shared.directory.total_charged_bytes() as u64,
            stale_sends: self.shared.directory.stale_sends(),
            services,
            services_waiting,
            services_running,
        }
    }

    /// Returns the number of network threads.
    pub fn shards(&self) -> u32 {
        self.shared.directory.shards()
    }

    /// Asks the runtime to shut down within the time `within`, and returns at once.
    pub fn begin_shutdown(&self, within: Duration) {
        // A runtime that has ended needs no asking.
        let _has_ended = self.shared.inboxes.push(Command::Exit { within });
    }

    /// Shuts the runtime down as [`Runtime::shutdown`](crate::Runtime::shutdown) does, and waits
    /// for its end.
    ///
    /// # Errors
    /// If a service calls it; the runtime then goes on. A service uses
    /// [`begin_shutdown`](Self::begin_shutdown).
    pub fn shutdown(&self, within: Duration) -> io::Result<ShutdownReport> {
        refuse_inside("shutdown")?;
        Ok(self.shut_down_and_wait(within))
    }

    /// Returns `true` if the runtime is shutting down, or has ended.
    pub fn is_stopped(&self) -> bool {
        self.shared.directory.is_stopped()
    }

    pub(crate) fn shut_down_and_wait(&self, within: Duration) -> ShutdownReport {
        // The network threads need a moment after the deadline; a service that runs on one of them
        // and does not return is not waited for any longer.
        const GRACE: Duration = Duration::from_secs(1);
        self.begin_shutdown(within);
        let exit = self.shared.end.wait(within.saturating_add(GRACE));
        let inside = self.shared.services_inside();
        ShutdownReport { is_complete: exit.is_some(), exit: exit.unwrap_or_default(), inside }
    }

    pub(crate) fn is_worker_inside(&self, worker: usize) -> bool {
        self.shared.pool.as_ref().is_some_and(|pool| pool.is_inside(worker))
    }
}

/// A service that asks for `info` on behalf of code outside of services.
struct Asker {
    reply: SyncSender<Vec<SocketInfo>>,
}

impl Service for Asker {
    fn on_start(&mut self, net: &mut Net<'_>) {
        net.info();
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let Message::Info(sockets) = message else {
            return;
        };
        if self.reply.try_send(sockets).is_err() {
            tracing::debug!("the thread that asked for info no longer waits");
        }
        net.release(net.service()).expect("a service that runs is alive");
    }

    fn name(&self) -> &'static str {
        "info"
    }
}

/// Waits for the answer. If the runtime ends first it drops the sender, which is the error.
fn wait_for<T>(answer: &Receiver<T>) -> io::Result<T> {
    answer.recv().map_err(|_gone| stopped())
}

fn stopped() -> io::Error {
    io::Error::other("the runtime has stopped")
}

fn refuse_inside(operation: &str) -> io::Result<()> {
    if inside::is_inside() {
        let text =
            format!("{operation} waits for the runtime: a service that calls it waits for itself");
        return Err(io::Error::new(io::ErrorKind::Deadlock, text));
    }
    Ok(())
}
