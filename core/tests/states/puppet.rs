//! A backend whose answers a test sets.

use std::collections::VecDeque;

use tidelock_core::{
    Accepted, Answer, Backend, Bytes, CloseHow, ConnectOptions, Connected, Descriptor, Endpoint,
    Fault, ListenOptions, Outbox, Read, SocketId, SocketOption, UdpOptions,
};

/// The answers of the backend; `Later` where none is set.
#[derive(Default)]
pub(crate) struct Puppet {
    pub(crate) reads: VecDeque<Result<Bytes, Fault>>,
    pub(crate) accepts: VecDeque<Result<Accepted, Fault>>,
    pub(crate) datagrams: VecDeque<Result<(Endpoint, Bytes), Fault>>,
    pub(crate) connect: Option<Result<(), Fault>>,
    /// The number of bytes that writes still accept. A write beyond it answers `Later`.
    pub(crate) takes_bytes: usize,
    /// The answer to every write, if it is set.
    pub(crate) write_fault: Option<Fault>,
    pub(crate) error: Option<Fault>,
    pub(crate) refuses_to_open: Option<Fault>,
    pub(crate) closes_later: bool,
    /// The ways in which it was asked to close sockets.
    pub(crate) closes: Vec<CloseHow>,
    /// The ids renamed: from and to.
    pub(crate) renamed: Vec<(SocketId, SocketId)>,
    pub(crate) refuses_to_rename: Option<Fault>,
    /// The datagram sockets that were given a peer.
    pub(crate) peers: Vec<SocketId>,
}

pub(crate) fn endpoint(port: u16) -> Endpoint {
    Endpoint::from(([127, 0, 0, 1], port))
}

pub(crate) fn connected() -> Connected {
    Connected { local: endpoint(1), peer: endpoint(2) }
}

fn later<T>(result: Option<Result<T, Fault>>) -> Answer<Result<T, Fault>> {
    result.map_or(Answer::Later, Answer::Ready)
}

impl Backend for Puppet {
    fn resolve(
        &mut self,
        _id: SocketId,
        _host: &str,
        _port: u16,
    ) -> Answer<Result<Vec<Endpoint>, Fault>> {
        Answer::Later
    }

    fn listen(
        &mut self,
        _id: SocketId,
        at: &Endpoint,
        _options: &ListenOptions,
    ) -> Result<Endpoint, Fault> {
        self.refuses_to_open.map_or_else(|| Ok(at.clone()), Err)
    }

    fn connect(
        &mut self,
        _id: SocketId,
        _to: &Endpoint,
        _options: &ConnectOptions,
    ) -> Answer<Result<Connected, Fault>> {
        later(self.connect.map(|result| result.map(|()| connected())))
    }

    fn rename(&mut self, from: SocketId, to: SocketId) -> Result<(), Fault> {
        self.renamed.push((from, to));
        self.refuses_to_rename.map_or(Ok(()), Err)
    }

    fn accept(&mut self, _listener: SocketId, _id: SocketId) -> Answer<Result<Accepted, Fault>> {
        later(self.accepts.pop_front())
    }

    fn adopt(&mut self, _id: SocketId, _descriptor: Descriptor) -> Result<Connected, Fault> {
        self.refuses_to_open.map_or_else(|| Ok(connected()), Err)
    }

    fn read(&mut self, _id: SocketId, _size_hint: usize) -> Answer<Result<Read, Fault>> {
        let read = self.reads.pop_front();
        later(read.map(|read| read.map(|bytes| Read { bytes, is_drained: false })))
    }

    fn write(
        &mut self,
        _id: SocketId,
        unsent: &mut Outbox,
        _size_max: usize,
    ) -> Answer<Result<usize, Fault>> {
        if let Some(fault) = self.write_fault {
            return Answer::Ready(Err(fault));
        }
        let taken = self.takes_bytes.min(unsent.pending_bytes());
        if taken == 0 {
            return Answer::Later;
        }
        self.takes_bytes -= taken;
        unsent.advance(taken);
        Answer::Ready(Ok(taken))
    }

    fn shutdown_write(&mut self, _id: SocketId) -> Result<(), Fault> {
        Ok(())
    }

    fn take_error(&mut self, _id: SocketId) -> Result<(), Fault> {
        self.error.take().map_or(Ok(()), Err)
    }

    fn open_datagram(&mut self, _id: SocketId, _options: &UdpOptions) -> Result<Endpoint, Fault> {
        self.refuses_to_open.map_or_else(|| Ok(endpoint(1)), Err)
    }

    fn connect_datagram(&mut self, id: SocketId, _peer: &Endpoint) -> Result<(), Fault> {
        self.peers.push(id);
        Ok(())
    }

    fn send_to(
        &mut self,
        _id: SocketId,
        _to: Option<&Endpoint>,
        payload: &Bytes,
    ) -> Answer<Result<(), Fault>> {
        if let Some(fault) = self.write_fault {
            return Answer::Ready(Err(fault));
        }
        if self.takes_bytes < payload.len() {
            return Answer::Later;
        }
        self.takes_bytes -= payload.len();
        Answer::Ready(Ok(()))
    }

    fn receive_from(
        &mut self,
        _id: SocketId,
        _size_max: usize,
    ) -> Answer<Result<(Endpoint, Bytes), Fault>> {
        later(self.datagrams.pop_front())
    }

    fn set_option(&mut self, _id: SocketId, _option: &SocketOption) -> Result<(), Fault> {
        Ok(())
    }

    fn close(&mut self, _id: SocketId, how: CloseHow) -> Answer<()> {
        self.closes.push(how);
        if self.closes_later { Answer::Later } else { Answer::Ready(()) }
    }
}
