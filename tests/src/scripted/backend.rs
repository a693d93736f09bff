//! The scripted kernel as the Mux sees it.

use std::collections::VecDeque;

use tidelock_core::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Endpoint,
    Event, Fault, FaultKind, ListenOptions, Outbox, Read, SocketId, SocketOption, UdpOptions,
};

use super::socket::{Asked, Call, Datagram, Kind, SharedListener, Socket};
use super::{ScriptedBackend, Style, with_number};

/// The contents of a [`Descriptor`] that [`Backend::adopt`] of this backend expects.
#[derive(Debug)]
pub struct ScriptedDescriptor {
    /// Index of the stream; `None` is a descriptor that cannot be polled.
    pub stream: Option<usize>,
}

impl ScriptedBackend {
    fn is_completion(&self) -> bool {
        self.style == Style::Completion
    }

    /// The socket, after the contract's word on calls: an id that is open and has nothing
    /// pending in the direction of the call.
    fn socket_for(&mut self, id: SocketId, call: &Call) -> &mut Socket {
        self.calls += 1;
        let socket = self.sockets.get_mut(&id);
        let socket = socket.unwrap_or_else(|| panic!("{call:?} on {id}, which is not open"));
        let pending = if is_input(call) { &socket.input } else { &socket.output };
        assert!(pending.is_none(), "{call:?} on {id} while {pending:?} is pending");
        assert!(!matches!(socket.kind, Kind::Closing), "{call:?} on {id}, which was closed");
        socket
    }

    /// The answer to `call` is `Later`; if that has changed already, an event follows.
    fn later<T>(&mut self, id: SocketId, call: Call) -> Answer<T> {
        let is_input = is_input(&call);
        let socket = self.sockets.get_mut(&id).expect("the caller checked that the id is open");
        let asked = Some(Asked { call, is_owed: false });
        *(if is_input { &mut socket.input } else { &mut socket.output }) = asked;
        self.settle(id);
        Answer::Later
    }

    /// Returns `true` if a read says that it left nothing, as if `call` had answered `Later`. With
    /// draws it does not always.
    fn tells_drained(&mut self, id: SocketId, call: Call) -> bool {
        let is_told = !self.could_input(id) && self.draw(4) != 3;
        if is_told {
            let _later: Answer<()> = self.later(id, call);
        }
        is_told
    }

    fn try_accept(&mut self, listener: SocketId) -> Option<Result<usize, FaultKind>> {
        let exhausted = self.descriptors_left == Some(0);
        let Some(Socket { kind: Kind::Listener(it), .. }) = self.sockets.get_mut(&listener) else {
            panic!("accept on {listener}, which is no listener");
        };
        if let Some(fault) = it.faults.pop_front() {
            return Some(Err(fault));
        }
        if it.backlog.is_empty() {
            return None;
        }
        if exhausted {
            return Some(Err(FaultKind::DescriptorsExhausted));
        }
        if let Some(left) = &mut self.descriptors_left {
            *left -= 1;
        }
        it.backlog.pop_front().map(Ok)
    }

    fn open_stream(&mut self, id: SocketId, stream: usize) -> Connected {
        self.sockets.insert(id, Socket::new(Kind::Stream(stream)));
        self.stream_ids[stream] = Some(id);
        self.connected(stream)
    }

    fn stream_of(&self, id: SocketId) -> usize {
        match &self.sockets.get(&id).expect("the caller checked that the id is open").kind {
            Kind::Stream(stream) => *stream,
            other => panic!("{id} is no stream but {other:?}"),
        }
    }

    fn datagram_of(&mut self, id: SocketId) -> &mut Datagram {
        match &mut self.sockets.get_mut(&id).expect("the caller checked that the id is open").kind {
            Kind::Datagram(datagram) => datagram,
            other => panic!("{id} is no datagram socket but {other:?}"),
        }
    }

    fn try_read(&mut self, id: SocketId, size_max: usize) -> Option<Result<Bytes, Fault>> {
        let size_max = self.cut(size_max);
        let stream = self.stream_of(id);
        self.streams[stream].read(size_max).map(|it| it.map_err(with_number))
    }

    fn try_write(&mut self, id: SocketId, bytes: &[u8]) -> Option<Result<usize, Fault>> {
        let count = self.cut(bytes.len());
        let stream = self.stream_of(id);
        self.streams[stream].write(&bytes[..count]).map(|it| it.map_err(with_number))
    }

    fn try_send(
        &mut self,
        id: SocketId,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Option<Result<(), Fault>> {
        let datagram = self.datagram_of(id);
        if datagram.is_clogged {
            return None;
        }
        if let Some(fault) = datagram.send_faults.pop_front() {
            return Some(Err(with_number(fault)));
        }
        let local = datagram.local.clone();
        let Some(to) = to.or(datagram.peer.as_ref()).cloned() else {
            return Some(Err(with_number(FaultKind::InvalidInput)));
        };
        if let Some(inbox) = self.peer_inboxes.get_mut(&to) {
            inbox.push_back((local, payload.clone()));
        }
        Some(Ok(()))
    }

    fn try_receive(
        &mut self,
        id: SocketId,
        size_max: usize,
    ) -> Option<Result<(Endpoint, Bytes), Fault>> {
        let datagram = self.datagram_of(id);
        if let Some(fault) = datagram.receive_faults.pop_front() {
            return Some(Err(with_number(fault)));
        }
        let (from, payload) = datagram.inbox.pop_front()?;
        Some(Ok((from, payload.slice(..payload.len().min(size_max)))))
    }

    fn finish_connect(&mut self, id: SocketId) -> Option<Result<Connected, Fault>> {
        let Some(Socket { kind: Kind::Connecting { fate, .. }, .. }) = self.sockets.get(&id) else {
            panic!("connect on {id}, which is not connecting");
        };
        match (*fate)? {
            Ok(stream) => Some(Ok(self.open_stream(id, stream))),
            Err(fault) => Some(Err(with_number(fault))),
        }
    }

    /// Does what the pending input call asked, and reports it.
    pub(super) fn complete_input(&mut self, id: SocketId) {
        let socket = self.sockets.get_mut(&id).expect("a call completes only on an open socket");
        let asked = socket.input.as_mut().expect("a pending call completes");
        asked.is_owed = true;
        let event = match asked.call.clone() {
            Call::Accept { id: offered } => {
                let result =
                    match self.try_accept(id).expect("a call completes only when it can answer") {
                        Ok(stream) => Ok(self.open_stream(offered, stream)),
                        Err(fault) => Err(with_number(fault)),
                    };
                Event::Accepted { listener: id, id: offered, result }
            }
            Call::Read { size_max } => {
                let result =
                    self.try_read(id, size_max).expect("a call completes only when it can answer");
                Event::Received { id, result }
            }
            Call::Receive { size_max } => {
                let result = self
                    .try_receive(id, size_max)
                    .expect("a call completes only when it can answer");
                Event::ReceivedFrom { id, result }
            }
            other => panic!("{other:?} is no input"),
        };
        self.events.push_back(event);
    }

    /// Does what the pending output call asked, and reports it.
    pub(super) fn complete_output(&mut self, id: SocketId) {
        let socket = self.sockets.get_mut(&id).expect("a call completes only on an open socket");
        let asked = socket.output.as_mut().expect("a pending call completes");
        asked.is_owed = true;
        let event = match asked.call.clone() {
            Call::Connect => {
                let asked = socket.output.take();
                let result =
                    self.finish_connect(id).expect("a call completes only when it can answer");
                // The socket that the connect became is told by the same event.
                self.sockets.get_mut(&id).expect("the completion keeps the socket").output = asked;
                Event::Connected { id, result }
            }
            Call::Write { shares } => {
                let bytes: Vec<u8> = shares.into_iter().flatten().collect();
                let result =
                    self.try_write(id, &bytes).expect("a call completes only when it can answer");
                Event::Written { id, result }
            }
            Call::SendTo { to, payload } => {
                let result = self
                    .try_send(id, to.as_ref(), &payload)
                    .expect("a call completes only when it can answer");
                Event::SentTo { id, result }
            }
            other => panic!("{other:?} is no output"),
        };
        self.events.push_back(event);
    }

    fn cancel(&mut self, id: SocketId, call: Call) {
        let fault = Fault::new(FaultKind::Cancelled);
        self.events.push_back(match call {
            Call::Accept { id: offered } => {
                Event::Accepted { listener: id, id: offered, result: Err(fault) }
            }
            Call::Read { .. } => Event::Received { id, result: Err(fault) },
            Call::Receive { .. } => Event::ReceivedFrom { id, result: Err(fault) },
            Call::Connect => Event::Connected { id, result: Err(fault) },
            Call::Write { .. } => Event::Written { id, result: Err(fault) },
            Call::SendTo { .. } => Event::SentTo { id, result: Err(fault) },
        });
    }
}

impl Backend for ScriptedBackend {
    fn may_repeat(&self) -> bool {
        !self.is_completion()
    }

    fn resolve(
        &mut self,
        id: SocketId,
        host: &str,
        _port: u16,
    ) -> Answer<Result<Vec<Endpoint>, Fault>> {
        self.calls += 1;
        let not_found = || Err(Fault::new(FaultKind::NameNotFound));
        let result = self.names.get(host).cloned().unwrap_or_else(not_found);
        self.events.push_back(Event::Resolved { id, result });
        Answer::Later
    }

    fn listen(
        &mut self,
        id: SocketId,
        at: &Endpoint,
        _options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        self.calls += 1;
        let local = match at.port() {
            Some(0) | None => self.new_endpoint(),
            Some(_) => at.clone(),
        };
        if self.listener_at(&local).is_some() || self.peer_listeners.contains_key(&local) {
            return Err(with_number(FaultKind::AddressInUse));
        }
        self.insert_listener(id, local.clone());
        Ok(local)
    }

    fn share_listener(
        &mut self,
        id: SocketId,
        local: &Endpoint,
        _options: &ListenOptions,
    ) -> Result<Descriptor, Fault> {
        self.calls += 1;
        assert!(self.sockets.contains_key(&id), "{id} is shared and does not listen");
        Ok(Box::new(SharedListener(local.clone())))
    }

    fn listen_shared(
        &mut self,
        id: SocketId,
        listener: Descriptor,
        _options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        self.calls += 1;
        let SharedListener(local) = *listener.downcast().expect("made by this backend");
        self.insert_listener(id, local.clone());
        Ok(local)
    }

    fn connect(
        &mut self,
        id: SocketId,
        to: &Endpoint,
        _options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>> {
        self.calls += 1;
        if !self.sockets.contains_key(&id) {
            let fate = self.fate_of_connect(to);
            let kind = Kind::Connecting { to: to.clone(), fate };
            self.sockets.insert(id, Socket::new(kind));
            return self.later(id, Call::Connect);
        }
        assert!(!self.is_completion(), "{id} connects again without its completion");
        self.socket_for(id, &Call::Connect);
        match self.finish_connect(id) {
            None => self.later(id, Call::Connect),
            Some(Err(fault)) => {
                self.sockets.remove(&id);
                Answer::Ready(Err(fault))
            }
            Some(Ok(connected)) => Answer::Ready(Ok(connected)),
        }
    }

    fn rename(&mut self, from: SocketId, to: SocketId) -> Result<(), Fault> {
        self.calls += 1;
        assert!(!self.sockets.contains_key(&to), "{to} is open and gets another's socket");
        let stream = self.stream_of(from);
        let socket = self.sockets.remove(&from).expect("the caller checked that the id is open");
        let is_quiet = socket.input.is_none() && socket.output.is_none();
        assert!(is_quiet, "{from} is renamed while something is pending");
        if let Some(fault) = self.rename_fault {
            self.sockets.insert(from, socket);
            return Err(with_number(fault));
        }
        self.sockets.insert(to, socket);
        self.stream_ids[stream] = Some(to);
        Ok(())
    }

    fn accept(&mut self, listener: SocketId, id: SocketId) -> Answer<Result<Accepted, Fault>> {
        let call = Call::Accept { id };
        self.socket_for(listener, &call);
        if self.is_completion() {
            return self.later(listener, call);
        }
        match self.try_accept(listener) {
            None => self.later(listener, call),
            Some(Err(fault)) => Answer::Ready(Err(with_number(fault))),
            Some(Ok(stream)) => Answer::Ready(Ok(self.open_stream(id, stream))),
        }
    }

    fn adopt(&mut self, id: SocketId, descriptor: Descriptor) -> Result<Connected, Fault> {
        self.calls += 1;
        let descriptor = descriptor.downcast::<ScriptedDescriptor>().expect("made by this backend");
        match descriptor.stream {
            None => Err(with_number(FaultKind::NotPollable)),
            Some(stream) => Ok(self.open_stream(id, stream)),
        }
    }

    fn read(&mut self, id: SocketId, size_hint: usize) -> Answer<Result<Read, Fault>> {
        let call = Call::Read { size_max: size_hint };
        self.socket_for(id, &call);
        if self.is_completion() {
            return self.later(id, call);
        }
        match self.try_read(id, size_hint) {
            None => self.later(id, call),
            Some(result) => Answer::Ready(result.map(|bytes| {
                let is_drained = !bytes.is_empty() && self.tells_drained(id, call);
                Read { bytes, is_drained }
            })),
        }
    }

    fn write(
        &mut self,
        id: SocketId,
        unsent: &mut Outbox,
        size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        assert!(!unsent.is_empty() && size_max > 0, "a write of nothing on {id}");
        self.socket_for(id, &Call::Write { shares: Vec::new() });
        if self.is_completion() {
            unsent.offer(size_max);
            let shares = unsent.offered().collect();
            return self.later(id, Call::Write { shares });
        }
        let bytes: Vec<u8> = unsent.parts().flatten().take(size_max).copied().collect();
        match self.try_write(id, &bytes) {
            None => self.later(id, Call::Write { shares: Vec::new() }),
            Some(Err(fault)) => {
                // What broke the stream may have come behind bytes: the Mux may read again.
                self.sockets.get_mut(&id).expect("the caller checked that the id is open").input =
                    None;
                Answer::Ready(Err(fault))
            }
            Some(Ok(count)) => {
                unsent.advance(count);
                Answer::Ready(Ok(count))
            }
        }
    }

    fn shutdown_write(&mut self, id: SocketId) -> Result<(), Fault> {
        self.socket_for(id, &Call::Write { shares: Vec::new() });
        let stream = self.stream_of(id);
        let result = self.streams[stream].finish().map_err(with_number);
        self.settle(id);
        result
    }

    fn take_error(&mut self, id: SocketId) -> Result<(), Fault> {
        self.calls += 1;
        let stream = self.stream_of(id);
        self.streams[stream].take_error().map_or(Ok(()), |fault| Err(with_number(fault)))
    }

    fn open_datagram(&mut self, id: SocketId, options: &UdpOptions) -> Result<Endpoint, Fault> {
        self.calls += 1;
        let local = match &options.bind {
            Some(at) if at.port() != Some(0) => at.clone(),
            _ => self.new_endpoint(),
        };
        let datagram = Datagram {
            local: local.clone(),
            peer: options.peer.clone(),
            inbox: VecDeque::new(),
            send_faults: VecDeque::new(),
            receive_faults: VecDeque::new(),
            is_clogged: false,
        };
        let before = self.sockets.insert(id, Socket::new(Kind::Datagram(datagram)));
        assert!(before.is_none(), "{id} is opened twice");
        Ok(local)
    }

    fn connect_datagram(&mut self, id: SocketId, peer: &Endpoint) -> Result<(), Fault> {
        self.calls += 1;
        self.datagram_of(id).peer = Some(peer.clone());
        Ok(())
    }

    fn send_to(
        &mut self,
        id: SocketId,
        to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        let call = Call::SendTo { to: to.cloned(), payload: payload.clone() };
        self.socket_for(id, &call);
        if self.is_completion() {
            return self.later(id, call);
        }
        match self.try_send(id, to, payload) {
            None => self.later(id, call),
            Some(result) => Answer::Ready(result),
        }
    }

    fn receive_from(
        &mut self,
        id: SocketId,
        size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        let call = Call::Receive { size_max };
        self.socket_for(id, &call);
        if self.is_completion() {
            return self.later(id, call);
        }
        match self.try_receive(id, size_max) {
            None => self.later(id, call),
            Some(result) => Answer::Ready(result),
        }
    }

    fn set_option(&mut self, id: SocketId, _option: &SocketOption) -> Result<(), Fault> {
        self.calls += 1;
        assert!(self.sockets.contains_key(&id), "an option of {id}, which is not open");
        Ok(())
    }

    fn close(&mut self, id: SocketId, how: CloseHow) -> Answer<()> {
        self.calls += 1;
        let socket = self.sockets.get_mut(&id);
        let socket = socket.unwrap_or_else(|| panic!("{id} is closed and was not open"));
        let kind = std::mem::replace(&mut socket.kind, Kind::Closing);
        assert!(!matches!(kind, Kind::Closing), "{id} is closed twice");
        let pending: Vec<Call> = [&mut socket.input, &mut socket.output]
            .into_iter()
            .flatten()
            .filter_map(|asked| {
                let was_owed = std::mem::replace(&mut asked.is_owed, true);
                (!was_owed).then(|| asked.call.clone())
            })
            .collect();
        let has_pending = socket.input.is_some() || socket.output.is_some();
        match kind {
            Kind::Stream(stream) | Kind::Connecting { fate: Some(Ok(stream)), .. } => {
                self.streams[stream].close(how);
                self.stream_ids[stream] = None;
            }
            Kind::Listener(listener) => {
                // Whoever waits in the backlog is reset.
                for stream in listener.backlog {
                    self.streams[stream].close(CloseHow::Reset);
                }
            }
            Kind::Connecting { .. } | Kind::Datagram(_) | Kind::Closing => {}
        }
        if !self.is_completion() || !has_pending {
            self.sockets.remove(&id);
            return Answer::Ready(());
        }
        for call in pending {
            self.cancel(id, call);
        }
        self.events.push_back(Event::Closed { id });
        Answer::Later
    }
}

fn is_input(call: &Call) -> bool {
    matches!(call, Call::Accept { .. } | Call::Read { .. } | Call::Receive { .. })
}
