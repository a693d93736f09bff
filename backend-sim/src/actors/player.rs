//! The service that plays a client's script over a real Mux.

use std::sync::Arc;

use tidelock_core::{
    Bytes, ConnectOptions, Message, Net, SendError, Service, SocketId, Target, TimerId,
};
use tidelock_net::words::client::{Client, Next, Part};
use tidelock_net::words::operation::{Label, Side};

use crate::actors::operator::{Note, Notes};

/// Plays one client's script.
pub(crate) struct Player {
    label: Label,
    to: (&'static str, u16),
    part: Part,
    notes: Arc<Notes>,
    socket: Option<SocketId>,
    /// Nothing is done before this timer.
    waiting: Option<TimerId>,
    has_finished: bool,
}

impl Player {
    /// One that leaves its notes there.
    pub(crate) fn new(label: Label, client: &Client, part: Part, notes: Arc<Notes>) -> Self {
        let to = client.to;
        Self { label, to, part, notes, socket: None, waiting: None, has_finished: false }
    }

    /// Takes every step that can be taken now.
    fn go_on(&mut self, net: &mut Net<'_>) {
        let Some(id) = self.socket else { return };
        while self.waiting.is_none() && !self.has_finished {
            match self.part.take_step() {
                Next::Write(bytes) => {
                    if !self.write(net, id, bytes) {
                        return;
                    }
                }
                Next::Hear => return,
                Next::Wait(span) => self.waiting = Some(net.set_timer(span)),
                Next::Read(is_reading) => {
                    // One that is gone is told as closed, here and below.
                    let _gone = if is_reading { net.start(id) } else { net.pause(id) };
                }
                Next::Reset => {
                    self.has_finished = true;
                    let _gone = net.close(id);
                }
                Next::Finish => {
                    self.has_finished = true;
                    let _gone = net.finish(id);
                }
            }
        }
        if self.part.is_over() {
            self.notes.leave(Note::Played(self.label));
        }
    }

    /// Sends one message; answers whether the next step may be taken.
    fn write(&mut self, net: &mut Net<'_>, id: SocketId, bytes: Bytes) -> bool {
        match net.send(id, bytes) {
            Ok(_queued) => true,
            Err(SendError::TooLarge(mut bytes)) => {
                let rest = bytes.split_off(bytes.len() / 2);
                self.part.put_back(rest);
                self.part.put_back(bytes);
                true
            }
            Err(SendError::SocketFull(bytes) | SendError::TotalFull(bytes)) => {
                // `SendReady` comes.
                self.part.put_back(bytes);
                false
            }
            Err(_gone) => false,
        }
    }
}

impl Service for Player {
    fn on_start(&mut self, net: &mut Net<'_>) {
        let (host, port) = self.to;
        let options = ConnectOptions::default().half_open(true);
        // Without a free id, or at the end, there is no client.
        let Ok(id) = net.connect(Target::host(host, port), options) else { return };
        self.socket = Some(id);
        let side = Side { label: self.label, is_accepted: false };
        self.notes.leave(Note::Opened { side, id });
        self.go_on(net);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Data { bytes, .. } => {
                if let Err(detail) = self.part.receive(&bytes) {
                    self.notes.leave(Note::Wrong { label: self.label, detail });
                }
                self.go_on(net);
            }
            Message::SendReady { .. } => self.go_on(net),
            Message::Timer { timer } => {
                assert_eq!(self.waiting.take(), Some(timer), "one timer at a time");
                self.go_on(net);
            }
            Message::Eof { socket } => {
                // Nothing more will be heard; one that is gone is told as closed.
                let _gone = net.shutdown(socket);
            }
            Message::Close { .. } => self.socket = None,
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "player"
    }
}
