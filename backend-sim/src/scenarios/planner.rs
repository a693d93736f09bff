//! The makings of plans: connections, and what happens on each in order of time.

use tidelock_net::chance::streams::Stream;
use tidelock_net::words::operation::{Action, Label, Operation, Side, When};
use tidelock_net::words::ports::CLIENT;

use crate::stage::options::Options;

/// A plan that grows.
pub(super) struct Planner<'a> {
    /// Where numbers come from.
    pub stream: &'a mut Stream,
    span_nanos: u64,
    plan: Vec<Operation>,
    lines: Vec<Line>,
    /// The next number of each letter.
    numbers: [u32; 26],
}

/// The events on one socket.
struct Line {
    on: Side,
    at_nanos: u64,
    /// The next message, of high and of low priority.
    messages: [u32; 2],
}

impl<'a> Planner<'a> {
    /// An empty plan whose operations lie before the end of faults.
    pub(super) fn new(options: &Options, stream: &'a mut Stream) -> Self {
        let span_nanos = options.quiet_at_nanos;
        Self { stream, span_nanos, plan: Vec::new(), lines: Vec::new(), numbers: [0; 26] }
    }

    /// The plan.
    pub(super) fn finish(self) -> Vec<Operation> {
        self.plan
    }

    /// A point of time in the first `1/part` of the plan.
    pub(super) fn early(&mut self, part: u64) -> u64 {
        self.stream.below(self.span_nanos / part + 1)
    }

    /// Opens a socket; answers its line.
    pub(super) fn open(&mut self, at_nanos: u64, action: Action) -> usize {
        let letter = match action {
            Action::Udp { .. } => Label::DATAGRAM,
            _ => Label::CONNECT,
        };
        let label = self.push(letter, at_nanos, action);
        self.lines.push(Line {
            on: Side { label, is_accepted: false },
            at_nanos,
            messages: [0, 0],
        });
        self.lines.len() - 1
    }

    /// Lets time pass on a line: less than a `1/part` of what is left.
    pub(super) fn wait(&mut self, line: usize, part: u64) {
        let line = &mut self.lines[line];
        let left = self.span_nanos.saturating_sub(line.at_nanos);
        line.at_nanos += self.stream.below(left / part + 1);
    }

    /// Lets this much time pass on a line.
    pub(super) fn wait_nanos(&mut self, line: usize, nanos: u64) {
        self.lines[line].at_nanos += nanos;
    }

    /// Sends the next message of a line.
    pub(super) fn send(&mut self, line: usize, bytes: u64, is_low: bool) {
        let (on, message) = self.next_message(line, is_low);
        let bytes = bytes as u32;
        self.push(b's', self.lines[line].at_nanos, Action::Send { on, message, bytes, is_low });
    }

    /// Sends the next message of a line, framed.
    pub(super) fn frame(&mut self, line: usize, bytes: u64) {
        let (on, message) = self.next_message(line, false);
        let bytes = bytes as u32;
        self.push(b's', self.lines[line].at_nanos, Action::Frame { on, message, bytes });
    }

    /// Sends the next datagram of a line.
    pub(super) fn send_to(&mut self, line: usize, to: u16, port: u16, bytes: u64) {
        let (on, message) = self.next_message(line, false);
        let bytes = bytes as u32;
        let action = Action::SendTo { on, to, port, message, bytes };
        self.push(b's', self.lines[line].at_nanos, action);
    }

    /// Anything else about a line's socket.
    pub(super) fn ask(&mut self, line: usize, action: impl FnOnce(Side) -> Action) {
        let Line { on, at_nanos, .. } = self.lines[line];
        let action = action(on);
        let is_ending = matches!(
            action,
            Action::Shutdown { .. } | Action::Finish { .. } | Action::Close { .. }
        );
        self.push(if is_ending { b'x' } else { b'o' }, at_nanos, action);
    }

    /// A line ends in one of all ways, or is left open; without force where all is calm.
    pub(super) fn end(&mut self, line: usize, is_calm: bool) {
        self.wait(line, 2);
        match self.stream.below(if is_calm { 3 } else { 4 }) {
            0 => self.ask(line, |on| Action::Finish { on }),
            1 => self.ask(line, |on| Action::Shutdown { on }),
            2 => {}
            _ => self.ask(line, |on| Action::Close { on }),
        }
    }

    /// Something that is about no socket.
    pub(super) fn ask_at(&mut self, at_nanos: u64, action: Action) {
        self.push(b'o', at_nanos, action);
    }

    fn next_message(&mut self, line: usize, is_low: bool) -> (Side, u32) {
        let line = &mut self.lines[line];
        let message = &mut line.messages[usize::from(is_low)];
        *message += 1;
        (line.on, *message - 1)
    }

    fn push(&mut self, letter: u8, at_nanos: u64, action: Action) -> Label {
        let number = &mut self.numbers[usize::from(letter - b'a')];
        let label = Label { letter, number: *number };
        *number += 1;
        let when = When::At { nanos: at_nanos };
        self.plan.push(Operation { label, when, host: CLIENT, action });
        label
    }
}

/// The plan of a world whose services do everything themselves: from outside it is only looked at
/// them.
pub(super) fn only_looks(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    for _ in 0..1 + plan.stream.below(3) {
        let at = plan.early(1);
        plan.ask_at(at, Action::Info);
    }
    plan.finish()
}

/// In a calm world nothing may take so long that a timeout ends it.
pub(super) fn keep_calm(options: &mut Options) {
    if options.is_calm() {
        let least = options.message_bytes_max;
        options.send_buffer_bytes = options.send_buffer_bytes.max(least / 8).max(1);
        options.receive_buffer_bytes = options.receive_buffer_bytes.max(least / 8).max(1);
        options.peer_read_bytes = options.peer_read_bytes.max(least / 32);
        options.latency_nanos = options.latency_nanos.min(1_000_000);
        options.jitter_nanos = options.jitter_nanos.min(options.latency_nanos);
        options.peer_think_nanos = options.peer_think_nanos.min(100_000);
    }
}

/// The limits fit each other again, and every message of the plan.
pub(super) fn keep_valid(options: &mut Options) {
    let least = (2 * options.warn_bytes).max(options.message_bytes_max + 64);
    options.outbox_bytes_max = options.outbox_bytes_max.max(least);
    options.total_bytes_max = options.total_bytes_max.max(options.outbox_bytes_max);
}
