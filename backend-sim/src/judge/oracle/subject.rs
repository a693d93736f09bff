//! The subject of a broken law: the socket, its role, the event before.

use tidelock_core::{Command, SocketId};

use super::grammar::Kind;
use super::{Law, Oracle};

/// The subject of a check; the first part of a failure's signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// On which host.
    pub host: Option<u16>,
    /// Which socket.
    pub id: Option<SocketId>,
    /// The role of the socket: `outgoing`, `accepted`, `listener`, `datagram`, or none of these.
    pub role: Option<&'static str>,
    /// The class of the last event or command about it, as `readable`.
    pub last: Option<&'static str>,
    /// Another aspect that tells this failure from others of its law, as the kind of the operation
    /// that did not complete.
    pub aspect: Option<&'static str>,
}

/// The subject of the checks of one fact: mostly a socket, and nothing more is known.
#[derive(Clone, Copy, Default)]
pub(super) struct About {
    host: Option<u16>,
    id: Option<SocketId>,
    more: Option<More>,
}

/// The rest of a subject, of which mostly nothing is known.
#[derive(Clone, Copy, Default)]
struct More {
    role: Option<&'static str>,
    last: Option<&'static str>,
    aspect: Option<&'static str>,
}

impl Oracle {
    /// From now on what is checked is about no socket.
    #[inline]
    pub fn forget_subject(&mut self) {
        self.about = About::default();
    }

    /// From now on what is checked is about this socket of this host.
    #[inline]
    pub(crate) fn begin(&mut self, host: u16, id: SocketId) {
        self.about = About { host: Some(host), id: Some(id), more: None };
    }

    /// From now on what is checked is about an id that is forgotten, after an event of this class.
    pub(super) fn begin_forgotten(&mut self, host: u16, id: SocketId, last: &'static str) {
        let more = Some(More { last: Some(last), ..More::default() });
        self.about = About { host: Some(host), id: Some(id), more };
    }

    /// From now on what is checked is about this socket of a host, or about the host as a whole,
    /// with what else tells it from other failures of its law.
    pub fn turn_to(&mut self, host: u16, id: Option<SocketId>, aspect: &'static str) {
        let more = Some(More { aspect: Some(aspect), ..More::default() });
        self.about = About { host: Some(host), id, more };
    }

    /// From now on what is checked is about a connection of a scripted peer.
    pub fn turn_to_wire(&mut self, host: u16, is_accepted: bool, aspect: &'static str) {
        let role = Some(if is_accepted { "accepted" } else { "outgoing" });
        let more = Some(More { role, last: Some("wire"), aspect: Some(aspect) });
        self.about = About { host: Some(host), id: None, more };
    }

    /// From now on what is checked is about a host as a whole.
    #[inline]
    pub(super) fn begin_host(&mut self, host: u16) {
        self.about = About { host: Some(host), id: None, more: None };
    }

    /// From now on what is checked is about what arrives at this end, whoever reads it there;
    /// unless it is known already who does.
    pub(super) fn begin_end(&mut self, end: u32) {
        if self.about.id.is_none() {
            let role = Some(if end.is_multiple_of(2) { "outgoing" } else { "accepted" });
            let more = Some(More { role, last: Some("wire"), aspect: None });
            self.about = About { more, ..About::default() };
        }
    }

    /// The subject with all that is known of it now.
    pub(super) fn subject(&mut self, law: Law) -> Subject {
        if law == Law::NoPanic {
            // Whoever was looked at last need not have to do with it.
            return Subject::default();
        }
        let About { host, id, more } = self.about;
        let More { role, last, aspect } = more.unwrap_or_default();
        let mut subject = Subject { host, id, role, last, aspect };
        if let (Some(host), Some(id)) = (subject.host, subject.id)
            && let Some(view) = self.socket(host, id)
        {
            subject.last = Some(view.last);
            subject.role = Some(match view.kind {
                Kind::Outgoing => "outgoing",
                Kind::Accepted => "accepted",
                Kind::Listener => "listener",
                Kind::Datagram => "datagram",
            });
        }
        subject
    }
}

/// Returns the class of a command about a socket in a signature; sends are one class.
pub(super) fn command_class(command: &Command) -> &'static str {
    match command {
        Command::Listen { .. }
        | Command::Connect { .. }
        | Command::Adopt { .. }
        | Command::Udp { .. } => "open",
        Command::UdpConnect { .. } => "udp-connect",
        Command::Start { .. } => "start",
        Command::Pause { .. } => "pause",
        Command::Close { .. } => "close",
        Command::Shutdown { .. } => "shutdown",
        Command::Finish { .. } => "finish",
        Command::KeepOpen { .. } => "keep-open",
        Command::SetOption { .. } => "set-option",
        Command::Send { .. } | Command::SendVectored { .. } | Command::SendTo { .. } => "send",
        Command::AwaitSendReady { .. } => "await-send-ready",
        Command::FinishAfterEof { .. } => "finish-after-eof",
        _about_no_socket => "command",
    }
}
