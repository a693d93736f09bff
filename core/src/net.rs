//! The interface of a service inside a call.

use std::any::Any;
use std::time::Duration;

use bytes::Bytes;

use crate::directory::Directory;
use crate::gate::{GateKind, Refusal, SendKind};
use crate::option_value::check_all;
use crate::outlet::Outlet;
use crate::service_state::ServiceState;
use crate::{
    Command, ConnectOptions, Descriptor, Endpoint, Instant, ListenOptions, MESSAGE_OVERHEAD_BYTES,
    OpenError, OptionError, PostError, Queued, SendError, Service, ServiceId, SocketId,
    SocketOption, SpawnError, Stale, Target, TimerId, UdpOptions,
};

/// The interface of a service inside a call: every command of the specification, the time, and
/// seeded randomness.
///
/// Every method returns at once. What is known at once is its `Result`; the rest is a
/// [`Message`](crate::Message). A service sees its own commands in order, and what `shutdown`,
/// `close`, `finish` and `udp_connect` change for later answers changes at the call. Commands of
/// one batch of messages leave together at its end; see [`flush`](Self::flush).
pub struct Net<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) service: ServiceId,
    pub(crate) now: Instant,
    pub(crate) state: &'a mut ServiceState,
    pub(crate) commands: &'a mut Vec<Command>,
    pub(crate) outlet: &'a mut dyn Outlet,
    pub(crate) gathered_bytes: usize,
    /// Commands of this batch, those that have left already included.
    pub(crate) asked: usize,
}

/// Sends of one batch leave before the next one, if there are so many commands …
const GATHERED_COMMANDS_MAX: usize = 64;
/// … or so many payload bytes.
const GATHERED_BYTES_MAX: usize = 64 << 10;

impl<'a> Net<'a> {
    #[inline]
    pub(crate) fn new(
        directory: &'a Directory,
        service: ServiceId,
        now: Instant,
        state: &'a mut ServiceState,
        commands: &'a mut Vec<Command>,
        outlet: &'a mut dyn Outlet,
    ) -> Self {
        Self { directory, service, now, state, commands, outlet, gathered_bytes: 0, asked: 0 }
    }
}

impl Net<'_> {
    /// Returns the id of the service that asks.
    pub fn service(&self) -> ServiceId {
        self.service
    }

    /// Says whether what `probe` names happened just now: something that a good test campaign
    /// reaches now and then, as "a frame came in three pieces". A simulation counts it by name, and
    /// tells of those that were never reached; on real sockets it does nothing.
    #[inline]
    pub fn sometimes(&mut self, has_happened: bool, probe: &'static str) {
        assert!(!probe.is_empty(), "what is to happen sometimes has a name");
        debug_assert!(!probe.contains(['\n', '\t']), "a name stands in one line");
        self.outlet.sometimes(probe, has_happened);
    }

    /// The time at which this batch of messages began; the same for all of them. For a service on
    /// the network thread it is the time of the turn that brought them.
    ///
    /// [`set_timer`](Self::set_timer) does not count from it, but from the call.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The next number of the service's own random sequence, a function of the runtime's seed and
    /// of how often it was asked.
    pub fn random(&mut self) -> u64 {
        self.state.draw_random()
    }

    /// Returns `true` if the runtime is shutting down.
    pub fn is_stopped(&self) -> bool {
        self.directory.is_stopped()
    }

    /// Listens at `at`; port 0 lets the system choose. Answered by `Listening`, or by `Error` and
    /// `Close`. Accepts at once unless the options say `paused`. (`skynet_socket_listen`)
    ///
    /// # Errors
    /// At `sockets_max`, and while the runtime stops, and for an option that no system can hold.
    pub fn listen(
        &mut self,
        at: impl Into<Endpoint>,
        options: ListenOptions,
    ) -> Result<SocketId, OpenError> {
        options.check()?;
        let (owner, at) = (self.service, at.into());
        let (id, parts) = self.directory.take_listener(owner, &at)?;
        assert!(self.directory.is_alive(id), "{id} was just taken");
        self.ask(Command::Listen { id, parts, owner, at, options: Box::new(options) });
        Ok(id)
    }

    /// Connects a stream. Answered by `Connect`, or by `Error` and `Close`. Sends are allowed at
    /// once and queued. (`skynet_socket_connect`)
    ///
    /// # Errors
    /// At `sockets_max`, while the runtime stops, and for a host name that cannot be one or an option
    /// that no system can hold.
    pub fn connect(
        &mut self,
        target: impl Into<Target>,
        options: ConnectOptions,
    ) -> Result<SocketId, OpenError> {
        let target = target.into();
        if !target.is_valid() {
            return Err(OpenError::InvalidTarget);
        }
        check_all(&options.options)?;
        let id = self.open(GateKind::Stream)?;
        assert!(self.directory.is_alive(id), "{id} was just taken");
        let (owner, options) = (self.service, Box::new(options));
        self.ask(Command::Connect { id, owner, target: Box::new(target), options });
        Ok(id)
    }

    /// Makes an existing pollable stream a socket. Answered by `Connect`, or by `Error` and
    /// `Close`. What a descriptor is depends on the backend: tidelock-mio's `NetExt::adopt` takes
    /// an `OwnedFd` and calls this. (`skynet_socket_bind`)
    ///
    /// # Errors
    /// At `sockets_max`, and while the runtime stops.
    pub fn adopt_descriptor(
        &mut self,
        descriptor: Descriptor,
        paused: bool,
    ) -> Result<SocketId, OpenError> {
        let id = self.open(GateKind::Stream)?;
        assert!(self.directory.is_alive(id), "{id} was just taken");
        let owner = self.service;
        self.ask(Command::Adopt { id, owner, descriptor, paused });
        Ok(id)
    }

    /// Opens a datagram socket. Answered by `Listening`, or by `Error` and `Close`. Receives at
    /// once unless the options say `paused`. (`skynet_socket_udp`, `udp_listen`)
    ///
    /// # Errors
    /// At `sockets_max`, and while the runtime stops, and for an option that no system can hold.
    pub fn udp(&mut self, options: UdpOptions) -> Result<SocketId, OpenError> {
        check_all(&options.options)?;
        let id = self.open(GateKind::Datagram)?;
        if options.peer.is_some() {
            let was_alive = self.directory.gate(id).is_some_and(|gate| gate.set_peer(id));
            assert!(was_alive, "{id} was just taken");
        }
        assert!(self.directory.is_alive(id), "{id} was just taken");
        let owner = self.service;
        self.ask(Command::Udp { id, owner, options: Box::new(options) });
        Ok(id)
    }

    /// Opens a datagram socket whose only peer is `peer`. (`skynet_socket_udp_dial`)
    ///
    /// # Errors
    /// As [`udp`](Self::udp).
    pub fn udp_dial(&mut self, peer: impl Into<Endpoint>) -> Result<SocketId, OpenError> {
        self.udp(UdpOptions::default().peer(peer))
    }

    /// Sets the only peer of a datagram socket; later sends go there. A failure is a passing
    /// `Error`. (`skynet_socket_udp_connect`)
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn udp_connect(&mut self, id: SocketId, peer: impl Into<Endpoint>) -> Result<(), Stale> {
        let gate = self.directory.gate(id).ok_or(Stale)?;
        if !gate.set_peer(id) {
            return Err(Stale);
        }
        self.ask(Command::UdpConnect { id, peer: peer.into() });
        Ok(())
    }

    /// Begins or resumes reading (accepting, receiving); the caller becomes the owner. Idempotent
    /// for the owner of a running socket. If the socket dies before this arrives: `Refused`.
    /// (`skynet_socket_start`)
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn start(&mut self, id: SocketId) -> Result<(), Stale> {
        let by = self.service;
        self.ask_living(id, Command::Start { id, by })
    }

    /// Stops reading; answered to the owner by `Paused`. Output still drains.
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn pause(&mut self, id: SocketId) -> Result<(), Stale> {
        self.ask_living(id, Command::Pause { id })
    }

    /// Closes without waiting for the peer: unsent bytes are discarded, and counted in `Close`.
    /// The peer sees a reset if any were. (`skynet_socket_close` in the words of its manual; in
    /// Skynet's C code `close` and `shutdown` have each other's meaning.)
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn close(&mut self, id: SocketId) -> Result<(), Stale> {
        self.end_output(id)?;
        self.ask(Command::Close { id });
        Ok(())
    }

    /// Sends what is queued, then FIN; reads and discards until the peer's FIN, then `Close`.
    /// That the system took the bytes does not mean that the peer's program has them.
    /// (`skynet_socket_shutdown` in the words of its manual; in Skynet's C code `close` and
    /// `shutdown` have each other's meaning.)
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn shutdown(&mut self, id: SocketId) -> Result<(), Stale> {
        self.end_output(id)?;
        self.ask(Command::Shutdown { id });
        Ok(())
    }

    /// Sends what is queued, then FIN, and keeps reading; `Close` after the peer's FIN. The own
    /// half-close: request, FIN, read the answer.
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn finish(&mut self, id: SocketId) -> Result<(), Stale> {
        self.end_output(id)?;
        self.ask(Command::Finish { id });
        Ok(())
    }

    /// Lets a socket outlive the peer's FIN: without it the socket is shut down when its owner
    /// has handled `Eof`. The owner shuts it down itself when it is done.
    ///
    /// # Errors
    /// If the id is not alive.
    pub fn keep_open(&mut self, id: SocketId) -> Result<(), Stale> {
        self.ask_living(id, Command::KeepOpen { id })
    }

    /// Sets an option; if the system refuses it, that is a passing `Error`.
    /// (`skynet_socket_nodelay`)
    ///
    /// # Errors
    /// If the id is not alive, and for a value that no system can hold.
    pub fn set_option(&mut self, id: SocketId, option: SocketOption) -> Result<(), OptionError> {
        option.check()?;
        Ok(self.ask_living(id, Command::SetOption { id, option })?)
    }

    /// Sends one message with high priority; on a datagram socket one datagram to its peer. An
    /// empty stream message is `Ok` and sends nothing. (`skynet_socket_send`)
    ///
    /// # Errors
    /// See [`SendError`], which gives the bytes back.
    pub fn send(&mut self, id: SocketId, bytes: impl Into<Bytes>) -> Result<Queued, SendError> {
        self.send_one(id, bytes.into(), false)
    }

    /// Sends one message with low priority: it leaves when no high one waits, but is never torn.
    /// (`skynet_socket_send_lowpriority`)
    ///
    /// # Errors
    /// See [`SendError`], which gives the bytes back.
    pub fn send_low(&mut self, id: SocketId, bytes: impl Into<Bytes>) -> Result<Queued, SendError> {
        self.send_one(id, bytes.into(), true)
    }

    /// Sends one message that lies in several parts, with high priority. On a datagram socket the
    /// parts are joined.
    ///
    /// # Errors
    /// See [`SendError`], which gives the parts back.
    pub fn send_vectored(
        &mut self,
        id: SocketId,
        mut parts: Vec<Bytes>,
    ) -> Result<Queued, SendError<Vec<Bytes>>> {
        let len = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        match self.announce(id, SendKind::Peer, len) {
            Err(refusal) => Err(self.refused(refusal, parts)),
            Ok(queued) => {
                parts.retain(|part| !part.is_empty());
                assert_eq!(parts.is_empty(), len == 0, "only parts without bytes are dropped");
                debug_assert_eq!(
                    parts.iter().map(Bytes::len).sum::<usize>(),
                    len,
                    "bytes are lost"
                );
                let parts = parts.into_boxed_slice();
                self.ask_send(len, Command::SendVectored { id, low: false, parts });
                Ok(queued)
            }
        }
    }

    /// Sends one datagram to `to`. Empty ones are legal. (`skynet_socket_udp_send`)
    ///
    /// # Errors
    /// See [`SendError`], which gives the bytes back; `NoPeer` on a stream.
    pub fn send_to(
        &mut self,
        id: SocketId,
        to: impl Into<Endpoint>,
        bytes: impl Into<Bytes>,
    ) -> Result<Queued, SendError> {
        let bytes = bytes.into();
        match self.announce(id, SendKind::Address, bytes.len()) {
            Err(refusal) => Err(self.refused(refusal, bytes)),
            Ok(queued) => {
                let len = bytes.len();
                self.ask_send(len, Command::SendTo { id, to: to.into(), bytes });
                Ok(queued)
            }
        }
    }

    /// Lets the commands so far leave now, not at the end of the batch. A service that is going
    /// to compute for long after a send wants it. With services on the network thread nothing can
    /// leave before they return.
    pub fn flush(&mut self, _id: SocketId) {
        self.publish();
    }

    /// Asks about all sockets; answered by `Info`. (`skynet_socket_info`)
    pub fn info(&mut self) {
        let by = self.service;
        debug_assert!(self.directory.is_service_alive(by), "{by} runs and is gone");
        self.ask(Command::Info { by });
    }

    /// Arms a timer: `Timer` comes once, not before `after` has passed since this call.
    pub fn set_timer(&mut self, after: Duration) -> TimerId {
        let timer = self.state.add_timer();
        // A batch may take its time: what is left of it is no part of the wait.
        let called_at = self.outlet.clock().unwrap_or(self.now).max(self.now);
        let (service, deadline) = (self.service, called_at + after);
        self.ask(Command::SetTimer { timer, service, deadline });
        timer
    }

    /// Disarms a timer of this service; its `Timer` is not delivered after this. Answers whether
    /// it was still to come.
    pub fn cancel_timer(&mut self, timer: TimerId) -> bool {
        let was_set = self.state.take_timer(timer);
        assert!(!self.state.is_armed(timer), "{timer} would be delivered after its end");
        if was_set {
            let service = self.service;
            self.ask(Command::CancelTimer { timer, service });
        }
        was_set
    }

    /// Starts another service.
    ///
    /// # Errors
    /// At `services_max`, and while the runtime stops.
    pub fn spawn(&mut self, service: Box<dyn Service>) -> Result<ServiceId, SpawnError> {
        if self.directory.is_stopped() {
            return Err(SpawnError::Stopped);
        }
        let id = self.directory.take_service().ok_or(SpawnError::LimitReached)?;
        assert_ne!(id, self.service, "the asking service still has its id");
        assert!(self.directory.is_service_alive(id), "{id} was just taken");
        self.ask(Command::Spawn { id, service });
        Ok(id)
    }

    /// Hands a value to a service, which gets `Posted`. Values of one sender reach one receiver
    /// in order; a receiver that dies on the way drops them.
    ///
    /// # Errors
    /// If the service is not alive; gives the value back.
    pub fn post<T: Any + Send>(&mut self, to: ServiceId, value: T) -> Result<(), PostError> {
        if !self.directory.is_service_alive(to) {
            return Err(PostError::Stale(Box::new(value)));
        }
        let from = Some(self.service);
        self.ask(Command::Post { to, from, value: Box::new(value) });
        Ok(())
    }

    /// Ends a service, this one or another: its commands so far are applied, its streams are shut
    /// down, its listeners and timers end, its mailbox is dropped.
    ///
    /// # Errors
    /// If the service is not alive.
    pub fn release(&mut self, service: ServiceId) -> Result<(), Stale> {
        if !self.directory.is_service_alive(service) {
            return Err(Stale);
        }
        self.ask(Command::Release { service, abrupt: false });
        Ok(())
    }

    fn open(&mut self, kind: GateKind) -> Result<SocketId, OpenError> {
        if self.directory.is_stopped() {
            return Err(OpenError::Stopped);
        }
        let id = self.directory.take_socket(kind, self.service, self.outlet.shard());
        let id = id.ok_or(OpenError::LimitReached)?;
        let gate = self.directory.gate(id).expect("a taken id has a gate");
        assert!(gate.is_open(id), "{id} admits nothing");
        assert_eq!(gate.charged_bytes(), 0, "{id} begins with a charge");
        Ok(id)
    }

    fn end_output(&mut self, id: SocketId) -> Result<(), Stale> {
        let gate = self.directory.gate(id).ok_or(Stale)?;
        if !gate.close_output(id) {
            return Err(Stale);
        }
        assert!(!gate.is_open(id), "{id} admits sends after its end");
        Ok(())
    }

    fn ask_living(&mut self, id: SocketId, command: Command) -> Result<(), Stale> {
        assert_eq!(command.socket(), Some(id), "{command:?} is about another socket");
        if !self.directory.is_alive(id) {
            return Err(Stale);
        }
        self.ask(command);
        Ok(())
    }

    fn refused<T>(&self, refusal: Refusal, value: T) -> SendError<T> {
        if matches!(refusal, Refusal::Stale | Refusal::Closing) {
            self.directory.count_stale_send();
        }
        SendError::of(refusal, self.directory.is_stopped(), value)
    }

    #[inline]
    fn send_one(&mut self, id: SocketId, bytes: Bytes, low: bool) -> Result<Queued, SendError> {
        match self.outlet.send_at_once(id, bytes, low) {
            Ok(charged_bytes) => {
                self.asked += 1;
                Ok(Queued { charged_bytes })
            }
            Err(bytes) => self.send_by_command(id, bytes, low),
        }
    }

    fn send_by_command(
        &mut self,
        id: SocketId,
        bytes: Bytes,
        low: bool,
    ) -> Result<Queued, SendError> {
        match self.announce(id, SendKind::Peer, bytes.len()) {
            Err(refusal) => Err(self.refused(refusal, bytes)),
            Ok(queued) => {
                self.ask_send(bytes.len(), Command::Send { id, low, bytes });
                Ok(queued)
            }
        }
    }

    fn announce(&mut self, id: SocketId, kind: SendKind, len: usize) -> Result<Queued, Refusal> {
        let gate = self.directory.gate(id).ok_or(Refusal::Stale)?;
        let limits = self.directory.charge_limits();
        let total = self.directory.total();
        if self.state.is_awaited(id)
            && let Some(refusal) = gate.refuses(id, kind, len, limits, total)
        {
            // The Mux knows already that this service waits; a loop of refused sends costs nothing.
            if matches!(refusal, Refusal::Stale | Refusal::Closing) {
                self.state.no_longer_awaits(id);
            }
            return Err(refusal);
        }
        match gate.announce(id, kind, len, limits, total) {
            Ok(charged_bytes) => {
                assert!(charged_bytes >= len + MESSAGE_OVERHEAD_BYTES, "{id} got {len} B for less");
                assert!(charged_bytes <= limits.socket, "{id} is over its limit");
                Ok(Queued { charged_bytes })
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::SocketFull | Refusal::TotalFull) {
                    assert!(len <= limits.socket, "a message that never fits is too large");
                    self.state.await_room(id, self.directory);
                    let (by, total) = (self.service, refusal == Refusal::TotalFull);
                    let charge_bytes = len + MESSAGE_OVERHEAD_BYTES;
                    self.ask(Command::AwaitSendReady { id, by, charge_bytes, total });
                } else if refusal != Refusal::TooLarge {
                    // The socket is gone or going: nobody will say that it has room.
                    self.state.no_longer_awaits(id);
                }
                Err(refusal)
            }
        }
    }

    /// Asks a send; what was asked before leaves early if it is much already.
    fn ask_send(&mut self, len: usize, command: Command) {
        let is_full = self.commands.len() >= GATHERED_COMMANDS_MAX
            || self.gathered_bytes >= GATHERED_BYTES_MAX;
        if is_full {
            self.publish();
        }
        self.gathered_bytes += len;
        self.ask(command);
    }

    /// Lets go what the batch asked so far.
    fn publish(&mut self) {
        let len_before = self.commands.len();
        self.gathered_bytes = 0;
        self.outlet.publish(self.commands);
        assert!(self.commands.len() <= len_before, "an outlet asks for nothing of its own");
    }

    fn ask(&mut self, command: Command) {
        command.check();
        self.asked += 1;
        self.commands.push(command);
    }
}
