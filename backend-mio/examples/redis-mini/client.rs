//! One client: its unfinished request, and the input and replies that wait until it reads.

use std::collections::VecDeque;

use tidelock_core::{Bytes, Net, SendError, SocketId};

use crate::commands::Settings;
use crate::resp::Parser;

/// One client.
///
/// A client that does not read its replies is *held*: its requests are neither read nor executed
/// until the outbox has room again. Input that had already come waits in its backlog.
pub(crate) struct Client {
    pub(crate) socket: SocketId,
    pub(crate) parser: Parser,
    /// Input that came while the client was held.
    backlog: VecDeque<Bytes>,
    backlog_bytes: usize,
    /// Replies that the outbox refused.
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// The outbox was full, and `SendReady` has not come yet.
    awaits_ready: bool,
    /// A `Warning` came, and the one with zero bytes has not come yet.
    is_warned: bool,
    /// Reading is paused.
    is_paused: bool,
    /// The peer sent FIN while input or replies waited.
    saw_eof: bool,
    /// It quit, or broke the protocol: it gets the replies that wait, and no more.
    pub(crate) is_ending: bool,
    /// The `charge_bytes` that the service has counted.
    pub(crate) counted_bytes: usize,
}

impl Client {
    pub(crate) fn new(socket: SocketId, settings: &Settings) -> Self {
        Self {
            socket,
            parser: Parser::new(settings.limits),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            awaits_ready: false,
            is_warned: false,
            is_paused: false,
            saw_eof: false,
            is_ending: false,
            counted_bytes: 0,
        }
    }

    /// Returns `true` if the client must read its replies before more requests are executed.
    pub(crate) fn is_held(&self) -> bool {
        self.awaits_ready || self.is_warned
    }

    /// Returns the bytes of replies that the outbox refused.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Returns the bytes that the server keeps for the client.
    pub(crate) fn charge_bytes(&self) -> usize {
        self.parser.kept_bytes() + self.backlog_bytes + self.unsent_bytes
    }

    /// Keeps input for later; `in_front` is for the rest of input that came from the backlog.
    pub(crate) fn put_by(&mut self, input: &[u8], in_front: bool) {
        // A copy, because a slice would keep the whole read buffer alive.
        let input = Bytes::copy_from_slice(input);
        self.backlog_bytes += input.len();
        if in_front {
            self.backlog.push_front(input);
        } else {
            self.backlog.push_back(input);
        }
    }

    /// Takes the next input from the backlog, unless the client is held.
    pub(crate) fn next_input(&mut self) -> Option<Bytes> {
        if self.is_held() || self.is_ending {
            return None;
        }
        let input = self.backlog.pop_front()?;
        self.backlog_bytes -= input.len();
        Some(input)
    }

    /// Sends replies, or keeps them until the outbox has room.
    pub(crate) fn send(&mut self, net: &mut Net<'_>, replies: Vec<Bytes>) {
        self.unsent_bytes += replies.iter().map(Bytes::len).sum::<usize>();
        self.unsent.extend(replies);
        self.send_kept(net);
    }

    /// Handles `SendReady`.
    pub(crate) fn handle_ready(&mut self, net: &mut Net<'_>) {
        self.awaits_ready = false;
        self.send_kept(net);
    }

    /// Handles `Warning`.
    pub(crate) fn handle_warning(&mut self, net: &mut Net<'_>, pending_bytes: u64) {
        self.is_warned = pending_bytes > 0;
        self.pause_if_held(net);
    }

    /// Handles `Eof`. Requests and replies that wait are still served; without any, the runtime
    /// shuts the socket down.
    pub(crate) fn handle_eof(&mut self, net: &mut Net<'_>) {
        if self.unsent.is_empty() && self.backlog.is_empty() {
            return;
        }
        self.saw_eof = true;
        // An error means that the socket is gone; its `Close` is on the way.
        let _is_stale = net.keep_open(self.socket);
    }

    /// Tries to send all replies that wait, even without `SendReady`; at the exit.
    pub(crate) fn send_last(&mut self, net: &mut Net<'_>) {
        self.awaits_ready = false;
        self.send_kept(net);
    }

    /// Resumes reading, or ends the connection, once nothing waits.
    pub(crate) fn settle(&mut self, net: &mut Net<'_>) {
        if self.is_ending {
            self.backlog.clear();
            self.backlog_bytes = 0;
        }
        if !self.unsent.is_empty() || !self.backlog.is_empty() {
            assert!(self.is_held(), "input or replies wait, but not for the outbox");
            return;
        }
        if self.is_ending || self.saw_eof {
            // The replies arrive before FIN, and further input is discarded. An error means that
            // the socket is gone; its `Close` is on the way.
            let _is_stale = net.shutdown(self.socket);
        } else if self.is_paused && !self.is_held() {
            self.is_paused = false;
            let _is_stale = net.start(self.socket);
        }
    }

    fn send_kept(&mut self, net: &mut Net<'_>) {
        while !self.awaits_ready
            && let Some(message) = self.unsent.pop_front()
        {
            self.unsent_bytes -= message.len();
            match net.send(self.socket, message) {
                Ok(_queued) => {}
                Err(SendError::SocketFull(message) | SendError::TotalFull(message)) => {
                    self.unsent_bytes += message.len();
                    self.unsent.push_front(message);
                    self.awaits_ready = true;
                }
                Err(SendError::TooLarge(mut message)) => {
                    // The configuration allows only smaller messages than ours.
                    assert!(message.len() > 1, "a message of one byte is too large");
                    self.unsent_bytes += message.len();
                    let rest = message.split_off(message.len() / 2);
                    self.unsent.push_front(rest);
                    self.unsent.push_front(message);
                }
                Err(SendError::Stale(_) | SendError::Closing(_) | SendError::Stopped(_)) => {
                    // The replies are lost: the socket's `Close` is on the way.
                    self.unsent.clear();
                    self.unsent_bytes = 0;
                }
                Err(other) => unreachable!("a send on an accepted stream failed: {other}"),
            }
        }
        self.pause_if_held(net);
    }

    fn pause_if_held(&mut self, net: &mut Net<'_>) {
        if self.is_held() && !self.is_paused {
            self.is_paused = true;
            // An error means that the socket is gone; its `Close` is on the way.
            let _is_stale = net.pause(self.socket);
        }
    }
}
