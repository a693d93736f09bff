//! Sockets that are to be opened.

use super::Mux;
use super::desk::Desk;
use super::focus::{Focus, Typed};
use super::sockets::datagram::{self, DatagramSocket};
use super::sockets::deferred::Deferred;
use super::sockets::head::Head;
use super::sockets::kind::Kind;
use super::sockets::listener::{self, Listener, Opening};
use super::sockets::stream::{self, Stream};
use super::sockets::{AnyPart, Socket};
use crate::timeouts::Timeouts;
use crate::{
    Backend, CloseReason, Descriptor, Endpoint, Fault, FaultKind, Message, Operation, ServiceId,
    SocketId, SocketOption, UdpOptions,
};

impl Desk {
    /// A record for a new id.
    pub(crate) fn new_head(&self, id: SocketId, part: &impl Kind) -> Head {
        assert!(self.directory.is_alive(id), "{id} was not taken");
        assert_eq!(id.shard(), self.shard, "{id} is another Mux's");
        Head::new(id, part.state(), self.now, self.config().warn_bytes)
    }
}

impl Mux {
    pub(super) fn open_adopted(
        &mut self,
        id: SocketId,
        owner: ServiceId,
        descriptor: Descriptor,
        paused: bool,
    ) {
        let stream = Stream::new(stream::Phase::Adopting(Some(Box::new(descriptor))));
        let mut head = self.desk.new_head(id, &stream);
        head.is_reading = !paused;
        self.open(Socket { head, part: AnyPart::Stream(stream) }, owner);
    }

    pub(super) fn open_datagram(
        &mut self,
        id: SocketId,
        owner: ServiceId,
        mut options: Box<UdpOptions>,
    ) {
        let times = Timeouts::extract(&mut options.options);
        let is_reading = !options.paused;
        let datagram = Box::new(DatagramSocket::new(options));
        let mut head = self.desk.new_head(id, &*datagram);
        head.is_reading = is_reading;
        let mut socket = Socket { head, part: AnyPart::Datagram(datagram) };
        socket.take_times(times);
        self.open(socket, owner);
    }

    pub(super) fn open_listener(
        &mut self,
        id: SocketId,
        owner: ServiceId,
        at: Endpoint,
        mut options: Box<crate::ListenOptions>,
        parts: Vec<SocketId>,
    ) {
        let times = Timeouts::extract(&mut options.options);
        let is_reading = !options.paused;
        let listener = Box::new(Listener::new(at, options, self.desk.now, parts));
        let mut head = self.desk.new_head(id, &*listener);
        head.is_reading = is_reading;
        let mut socket = Socket { head, part: AnyPart::Listener(listener) };
        socket.take_times(times);
        self.open(socket, owner);
    }

    /// Puts a new socket where it belongs.
    pub(super) fn open(&mut self, socket: Socket, owner: ServiceId) {
        let id = socket.id();
        self.add_socket(socket);
        self.change_owner(id, owner);
        self.refuse_after_exit(id);
        self.conclude(id);
    }

    /// Puts a new socket into the table. It is whole by then, so that it can end at once.
    pub(super) fn add_socket(&mut self, socket: Socket) {
        assert!(self.sockets.table.get(socket.id()).is_none(), "{} is opened twice", socket.id());
        if cfg!(debug_assertions) {
            socket.part.check(&socket.head);
        }
        // A helper is counted with the socket that it works for.
        if !socket.head.is_helper() {
            self.desk.stats.opened += 1;
            self.desk.stats.count_state(None, Some(socket.state()));
        }
        self.sockets.table.insert(socket);
    }

    /// Closes at once what was asked before the exit was known, and arrives after.
    fn refuse_after_exit(&mut self, id: SocketId) {
        if self.desk.is_exiting {
            self.with_living(id, |focus| {
                focus.head.add_cause(CloseReason::Exit);
                focus.begin_close();
            });
        }
    }
}

impl Socket {
    /// Takes the times that were asked of a socket which is not open yet. An unfit one is refused
    /// once it is.
    pub(crate) fn take_times(&mut self, times: Vec<(crate::Timeout, std::time::Duration)>) {
        for (which, span) in times {
            if !self.head.set_timeout(&self.part, which, span) {
                let unfit = SocketOption::Timeout(which, span);
                self.head.rare.deferred.push_back(Deferred::Option(unfit));
            }
        }
    }
}

impl Head {
    /// Gives the socket a time of its own; answers whether a socket of its kind waits for that.
    pub(crate) fn set_timeout(
        &mut self,
        part: &AnyPart,
        which: crate::Timeout,
        span: std::time::Duration,
    ) -> bool {
        let fits = match part {
            AnyPart::Stream(_) => true,
            AnyPart::Datagram(_) => which == crate::Timeout::Flush,
            AnyPart::Listener(_) => false,
        };
        if fits {
            self.timeouts.get_or_insert_default().set(which, span);
        }
        fits
    }
}

impl Focus<'_, AnyPart> {
    /// Asks the backend to open what it is to open.
    pub(crate) fn serve_opening<B: Backend>(&mut self, backend: &mut B) {
        backend.regard(self.id(), self.situation());
        match self.typed() {
            Typed::Stream(mut focus) => focus.adopt(backend),
            Typed::Datagram(mut focus) => focus.bind(backend),
            Typed::Listener(mut focus) => focus.listen(backend),
        }
    }

    /// Does what waited for the backend: options, a datagram socket's peer.
    #[cold]
    pub(crate) fn serve_deferred<B: Backend>(&mut self, backend: &mut B) {
        while let Some(deferred) = self.head.rare.deferred.pop_front() {
            let id = self.id();
            backend.regard(id, self.situation());
            let (result, operation) = match deferred {
                // The Mux's own, for which a socket of this kind does not wait.
                Deferred::Option(SocketOption::Timeout(..)) => {
                    (Err(FaultKind::Unsupported.into()), Operation::SetOption)
                }
                Deferred::Option(option) => {
                    if let Typed::Listener(mut focus) = self.typed() {
                        focus.set_option_of_twins(&option);
                    }
                    (backend.set_option(id, &option), Operation::SetOption)
                }
                // Told only now: nothing but `Warning` comes before a socket is said to be open.
                Deferred::Peer(_) if !matches!(self.part, AnyPart::Datagram(_)) => {
                    (Err(FaultKind::InvalidInput.into()), Operation::ConnectDatagram)
                }
                Deferred::Peer(peer) => {
                    let result = backend.connect_datagram(id, &peer);
                    if result.is_ok() {
                        self.head.rare.peer = Some(peer);
                    }
                    (result, Operation::ConnectDatagram)
                }
            };
            if let Err(fault) = result {
                self.tell_passing_error(fault, operation);
            }
        }
    }

    fn tell_passing_error(&mut self, fault: Fault, operation: Operation) {
        match self.typed() {
            Typed::Listener(mut focus) => focus.tell_passing_error(fault, operation),
            Typed::Stream(mut focus) => focus.tell_error(fault, operation),
            Typed::Datagram(mut focus) => focus.tell_error(fault, operation),
        }
    }
}

impl Focus<'_, Stream> {
    fn adopt<B: Backend>(&mut self, backend: &mut B) {
        let stream::Phase::Adopting(descriptor) = &mut self.part.phase else {
            unreachable!("{} is opened as what it is not", self.id());
        };
        let descriptor = descriptor.take().expect("a descriptor is adopted once");
        match backend.adopt(self.id(), *descriptor) {
            Ok(connected) => self.connected(connected),
            Err(fault) => self.fail(fault, Operation::Adopt),
        }
    }
}

impl Focus<'_, DatagramSocket> {
    fn bind<B: Backend>(&mut self, backend: &mut B) {
        let datagram::Phase::Opening(options) = &mut self.part.phase else {
            unreachable!("{} is opened as what it is not", self.id());
        };
        let options = options.take().expect("a datagram socket is opened once");
        self.head.rare.peer.clone_from(&options.peer);
        match backend.open_datagram(self.id(), &options) {
            Ok(local) => self.opened(local, datagram::Phase::Open),
            Err(fault) => return self.fail(fault, Operation::Bind),
        }
        if self.head.is_shutdown_wanted {
            self.enter(datagram::Phase::Flushing);
        }
    }
}

impl Focus<'_, Listener> {
    fn listen<B: Backend>(&mut self, backend: &mut B) {
        let listener::Phase::Opening(opening) = &mut self.part.phase else {
            unreachable!("{} is opened as what it is not", self.id());
        };
        match opening.take().expect("a listener is opened once") {
            Opening::Listen { at, options } => self.open_with_twins(&at, &options, backend),
            Opening::Twin { descriptor, options } => {
                match backend.listen_shared(self.id(), descriptor, &options) {
                    Ok(local) => {
                        self.head.rare.local = Some(local);
                        self.enter(listener::Phase::Listening);
                    }
                    Err(fault) => self.fail(fault, Operation::Listen),
                }
            }
        }
    }
}

impl<P: super::sockets::kind::Phased> Focus<'_, P> {
    /// A listener or a datagram socket is open.
    pub(crate) fn opened(&mut self, local: Endpoint, phase: P::Phase) {
        self.head.rare.local = Some(local.clone());
        self.enter(phase);
        let socket = self.id();
        self.tell_owner(Message::Listening { socket, local });
        self.pay_owed_pause();
    }
}
