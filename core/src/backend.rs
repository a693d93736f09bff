//! The kernel as the Mux sees it.

use std::any::Any;

use bytes::Bytes;

use crate::{
    ConnectOptions, Endpoint, Fault, FaultKind, ListenOptions, Outbox, Situation, SocketId,
    SocketOption, UdpOptions,
};

/// A descriptor to adopt, opaque to the core. tidelock-mio expects an `OwnedFd` in it.
pub type Descriptor = Box<dyn Any + Send>;

/// The answer of a call to a [`Backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// The result. It is final; the Mux may ask again at once.
    Ready(T),
    /// Not now. An [`Event`](crate::Event) is owed.
    Later,
}

/// A stream that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connected {
    /// Its own end.
    pub local: Endpoint,
    /// The far end.
    pub peer: Endpoint,
}

/// A stream that was accepted.
pub type Accepted = Connected;

/// The outcome of one [`read`](Backend::read).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The bytes; none are the end of the stream.
    pub bytes: Bytes,
    /// Nothing is left: the next `read` would answer [`Later`](Answer::Later), and an event is owed
    /// as if it had. A backend says so only where it knows, and `false` is always right.
    pub is_drained: bool,
}

/// The way in which a descriptor is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseHow {
    /// As the system does it.
    Plain,
    /// The peer must learn that something was lost: with RST, where the protocol has one.
    Reset,
}

/// The kernel as the Mux sees it: sockets by id, calls that never block.
///
/// # The contract
///
/// The promises of a backend:
///
/// 1. `Ready` is final. The Mux may ask again at once.
/// 2. After `Later` for an id and a direction (in: `accept`, `read`, `receive_from`; out:
///    `connect`, `write`, `send_to`), as soon as the same call would answer anything but `Later`,
///    at least one event for it is *owed* and reported within finite time. It may be spurious or
///    repeated. Before that, none need come.
/// 3. An event is either [`Event::Ready`](crate::Event::Ready): the Mux repeats the call, and the
///    backend recognises it as the same one; or the completion of that very call, which is final.
///    One backend may use one style for one id only.
/// 4. `write` consumes from the outbox exactly what it took, and answers how much. A completion
///    backend calls [`Outbox::offer`] instead, takes (shares of) what that gives, and answers
///    `Later`; the Mux consumes when `Written` tells how much.
/// 5. After `close`, events fetched earlier may still carry the id; none ever carries a generation
///    that was not issued yet. If `close` answers `Later`, exactly one `Closed` follows, after the
///    completions (possibly `Cancelled`) of everything that was pending for the id.
/// 6. No call blocks.
/// 7. A call that failed to open (`listen`, `connect`, `adopt`, `open_datagram`, `accept`) leaves
///    nothing behind: no descriptor, no owed event. The Mux may call `connect` again for the id.
///
/// The promises of the Mux:
///
/// 8. While an id and a direction are pending, it does not call them, except to repeat the call
///    after an `Event::Ready` for it, or, of a backend that [may be asked
///    again](Backend::may_repeat), to `read` after a `write` failed: what broke the stream may have
///    come behind bytes whose event was not reported yet.
/// 9. `close` is called once per id that is open or opening, and after it nothing for that id, but
///    that a `connect` that was given up may be followed, after `Closed` if `close` said `Later`,
///    by a `rename` to the same id, or, if that fails, by a `connect` to another address.
/// 10. `read` and `accept` are asked only while their result is wanted.
/// 11. `rename` is called for a `from` whose `connect` has answered that it is connected, which was
///     asked nothing since, and for a `to` for which nothing is open. After it nothing is called
///     for `from`, unless it failed: then `close`. What events told of `from` before is forgotten,
///     and the Mux asks by itself.
///
/// *Not* promised: that an event means that the call will succeed; the order of events of different
/// ids; that FIN or an error is reported while nothing is pending.
pub trait Backend {
    /// Returns `true` if a call that answered `Later` may be repeated before its event: so it is of
    /// readiness. A backend that completes calls says no, and is not asked twice for one thing.
    fn may_repeat(&self) -> bool {
        true
    }

    /// Takes note of the socket's situation right before the next call about it, for a backend that
    /// watches what is reached. Real backends leave it as it is, and then it costs nothing.
    #[inline]
    fn regard(&mut self, _id: SocketId, _situation: Situation) {}

    /// The connect of `id`, which is the next call, races for that of `told`, for a backend that
    /// watches what is reached. Real backends may say so in a trace.
    #[inline]
    fn beside(&mut self, _id: SocketId, _told: SocketId) {}

    /// Looks a name up. `Later` is followed by `Resolved`, in both styles.
    fn resolve(
        &mut self,
        id: SocketId,
        host: &str,
        port: u16,
    ) -> Answer<Result<Vec<Endpoint>, Fault>>;

    /// Opens a listener and answers its address with the real port.
    fn listen(
        &mut self,
        id: SocketId,
        at: &Endpoint,
        options: &ListenOptions,
    ) -> Result<Endpoint, Fault>;

    /// Opens another listener at the address of `id`, in the same way, so that the system gives
    /// each connection to one of them; and hands it over without keeping anything of it. Asked
    /// right after `listen`, in a runtime of several Muxes.
    ///
    /// # Errors
    /// The system's; `Unsupported`, which is the default, where two cannot share an address.
    fn share_listener(
        &mut self,
        _id: SocketId,
        _local: &Endpoint,
        _options: &ListenOptions,
    ) -> Result<Descriptor, Fault> {
        Err(FaultKind::Unsupported.into())
    }

    /// Takes over, as the listener `id`, what another Mux's backend answered to
    /// [`share_listener`](Self::share_listener), and answers its address.
    ///
    /// # Errors
    /// The system's; then nothing is left of it.
    fn listen_shared(
        &mut self,
        _id: SocketId,
        _listener: Descriptor,
        _options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        Err(FaultKind::Unsupported.into())
    }

    /// Connects a stream.
    fn connect(
        &mut self,
        id: SocketId,
        to: &Endpoint,
        options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>>;

    /// Gives the open stream `from` the name `to`: it won a race for the connect `to`. From now on
    /// everything about it is about `to`, events included.
    ///
    /// # Errors
    /// The system's; then it is as it was, and is closed as `from`.
    fn rename(&mut self, from: SocketId, to: SocketId) -> Result<(), Fault>;

    /// Takes one connection from `listener` and gives it the name `id`.
    fn accept(&mut self, listener: SocketId, id: SocketId) -> Answer<Result<Accepted, Fault>>;

    /// Takes a descriptor over as a stream.
    fn adopt(&mut self, id: SocketId, descriptor: Descriptor) -> Result<Connected, Fault>;

    /// Reads from a stream, about `size_hint` bytes at most.
    fn read(&mut self, id: SocketId, size_hint: usize) -> Answer<Result<Read, Fault>>;

    /// Writes from the front of `unsent`, which is not empty, at most about `size_max` bytes.
    /// `Ready(Ok(n))` has `n ≥ 1`.
    fn write(
        &mut self,
        id: SocketId,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>>;

    /// Sends FIN; nothing is pending in that direction.
    ///
    /// # Errors
    /// The system's, `ENOTCONN` included; `Unsupported` where the descriptor has no such thing
    /// (a pipe): then the Mux closes it.
    fn shutdown_write(&mut self, id: SocketId) -> Result<(), Fault>;

    /// Takes the pending error of a stream whose readiness said `failed` while nothing is read.
    ///
    /// # Errors
    /// The pending error; `Ok` if there is none.
    fn take_error(&mut self, id: SocketId) -> Result<(), Fault>;

    /// Opens a datagram socket and answers its address with the real port.
    fn open_datagram(&mut self, id: SocketId, options: &UdpOptions) -> Result<Endpoint, Fault>;

    /// Sets the only peer of a datagram socket.
    fn connect_datagram(&mut self, id: SocketId, peer: &Endpoint) -> Result<(), Fault>;

    /// Sends one datagram, to the socket's peer if `to` is `None`.
    fn send_to(
        &mut self,
        id: SocketId,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>>;

    /// Receives one datagram of at most `size_max` bytes.
    fn receive_from(
        &mut self,
        id: SocketId,
        size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>>;

    /// Sets an option.
    fn set_option(&mut self, id: SocketId, option: &SocketOption) -> Result<(), Fault>;

    /// Gives the descriptor back. `Later`: see promise 5.
    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()>;
}
