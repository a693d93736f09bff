//! The messages about one id, as an automaton.

use tidelock_core::Message;

use super::SocketView;

/// The kind of an id, by what opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A stream that was connected or adopted.
    Outgoing,
    /// A stream that a listener accepted.
    Accepted,
    /// A listener.
    Listener,
    /// A datagram socket.
    Datagram,
}

/// The phase of an id, as its owner was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Accepted by the system; nobody was told.
    Unborn,
    /// Asked for.
    Opening,
    /// Open.
    Open,
    /// A fatal error was told: only `Close` follows.
    Dying,
    /// Closed: nothing follows.
    Closed,
}

impl SocketView {
    /// The grammar of the messages about one id; `step` is the host's step that tells them.
    ///
    /// ```text
    /// outgoing  = { Warning | SendReady } ( Connect stream | [ fatal Error ] ) Close
    /// accepted  = stream Close                           (after the listener's Accept)
    /// stream    = { Data | passing | Paused } [ Eof { Eof | passing | Paused } ] [ fatal Error ]
    /// listener  = ( Listening { Accept | passing Error | Paused } | [ fatal Error ] ) Close
    /// datagram  = { Warning | SendReady }
    ///             ( Listening { Udp | passing | Paused } | [ fatal Error ] ) Close
    /// passing   = passing Error | Warning | SendReady
    /// ```
    ///
    /// `Paused` answers a `pause`; no input follows it until a `start`. A second `Eof` is for
    /// another owner. After own `close` comes no more than the end, after own `shutdown` no input,
    /// after own `finish` no `Eof`.
    pub(super) fn message(&mut self, message: &Message, step: u64) -> Result<(), String> {
        let is_input = matches!(
            message,
            Message::Udp { .. }
                | Message::Accept { .. }
                | Message::Eof { .. }
                | Message::Connect { .. }
                | Message::Listening { .. }
        );
        if is_input && self.is_paused {
            return Err(format!("{message}, after Paused and before start"));
        }
        self.check_own_end(message, step)?;
        self.phase = self.next_phase(message)?;
        match message {
            Message::Eof { .. } => {
                // The first one answers nobody; later ones are for the owners that came since.
                self.new_owners = if self.has_eof { self.new_owners.saturating_sub(1) } else { 0 };
                self.has_eof = true;
            }
            Message::Paused { .. } => {
                self.pauses_told += 1;
                if self.pauses_told > self.pauses_asked {
                    return Err(format!("{message}, and nobody asked to pause"));
                }
                // Of one step's pauses those before a `start` are told after it was handled.
                let was_before_start =
                    self.start_step == step && self.pauses_told <= self.pauses_at_start;
                self.is_paused = !self.is_start_last && !was_before_start;
            }
            _ => {}
        }
        Ok(())
    }

    /// The same grammar for `Data`, of which there is most.
    #[inline]
    pub(super) fn data(&self, message: &Message, step: u64) -> Result<(), String> {
        let is_stream = matches!(self.kind, Kind::Outgoing | Kind::Accepted);
        // What a system completes late for a stream that broke is still its owner's.
        let is_ended = self.close_step.min(self.shutdown_step) < step && !self.is_broken;
        if self.phase == Phase::Open && is_stream && !self.has_eof && !self.is_paused && !is_ended {
            return Ok(());
        }
        let Self { kind, phase, has_eof, .. } = self;
        Err(match (self.is_paused, is_ended) {
            (true, _) => format!("{message}, after Paused and before start"),
            (_, true) => format!("{message}, after own close or shutdown"),
            _ => format!("{message}, of one that is {kind:?} and {phase:?}, end told: {has_eof}"),
        })
    }

    /// Own ends take effect when their command is handled; messages of that very step may be older.
    fn check_own_end(&self, message: &Message, step: u64) -> Result<(), String> {
        let is_before = |own: u64| own < step;
        if !is_before(self.close_step.min(self.shutdown_step).min(self.finish_step)) {
            return Ok(());
        }
        let is_eof = matches!(message, Message::Eof { .. });
        let is_end = matches!(message, Message::Close { .. } | Message::Error { fatal: true, .. });
        if is_before(self.close_step) && !is_end {
            return Err(format!("{message}, after own close"));
        }
        if is_before(self.shutdown_step) && is_eof {
            return Err(format!("{message}, after own shutdown"));
        }
        if is_before(self.finish_step) && is_eof {
            return Err(format!("{message}, after own finish"));
        }
        Ok(())
    }

    fn next_phase(&self, message: &Message) -> Result<Phase, String> {
        let is_stream = matches!(self.kind, Kind::Outgoing | Kind::Accepted);
        let may_send = self.kind != Kind::Listener;
        let next = match (self.phase, message) {
            (Phase::Opening | Phase::Open | Phase::Dying, Message::Close { .. }) => Phase::Closed,
            (Phase::Opening, Message::Connect { .. }) if self.kind == Kind::Outgoing => Phase::Open,
            (Phase::Opening, Message::Listening { .. })
                if matches!(self.kind, Kind::Listener | Kind::Datagram) =>
            {
                Phase::Open
            }
            (Phase::Opening, Message::Error { fatal: true, .. }) => Phase::Dying,
            (Phase::Opening | Phase::Open, Message::Warning { .. } | Message::SendReady { .. })
                if may_send =>
            {
                self.phase
            }
            (Phase::Open, Message::Error { fatal: true, .. }) if is_stream => Phase::Dying,
            (Phase::Open, Message::Error { fatal: false, .. } | Message::Paused { .. }) => {
                Phase::Open
            }
            (Phase::Open, Message::Eof { .. })
                if is_stream && (!self.has_eof || self.new_owners > 0) =>
            {
                Phase::Open
            }
            (Phase::Open, Message::Accept { .. }) if self.kind == Kind::Listener => Phase::Open,
            (Phase::Open, Message::Udp { .. }) if self.kind == Kind::Datagram => Phase::Open,
            (phase, message) => {
                return Err(format!("{message}, of one that is {:?} and {phase:?}", self.kind));
            }
        };
        Ok(next)
    }
}
