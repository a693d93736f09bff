//! When a stream is known to hold nothing more, without asking.

use crate::sys::{self, Event};

/// What is known about the input of one TCP stream.
///
/// After a short read the next one would answer would-block, which costs a call that tells
/// nothing new. It may be left out only if no byte, end or error can be waiting without an event
/// being owed. That holds for TCP on Linux, when the latest event carried none of read-closed,
/// error and priority: a read also stops short before the end of the stream, before an error and
/// before urgent data, and for what lies behind no further event comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drained {
    latest_event: LatestEvent,
    /// Invariant: false since the latest event, unless a read was short after it.
    last_read_was_short: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LatestEvent {
    /// Nothing is known before the first event.
    #[default]
    None,
    Plain,
    /// It told of an end, an error or urgent data.
    Marked,
}

impl Drained {
    /// The poller reported `event`.
    pub(crate) fn handle_event(&mut self, event: &Event) {
        self.handle_marks(event.is_read_closed() || event.is_error() || sys::is_urgent(event));
    }

    fn handle_marks(&mut self, is_marked: bool) {
        self.latest_event = if is_marked { LatestEvent::Marked } else { LatestEvent::Plain };
        self.last_read_was_short = false;
    }

    /// A read asked for `asked` bytes and got `got`.
    pub(crate) fn handle_read(&mut self, asked: usize, got: usize) {
        assert!(got <= asked, "a read gave more than was asked");
        self.last_read_was_short = got < asked;
    }

    /// Whether the next read would answer would-block, and an event is owed for anything else.
    pub(crate) fn is_drained(self) -> bool {
        sys::SHORT_READ_MEANS_DRAINED
            && self.last_read_was_short
            && self.latest_event == LatestEvent::Plain
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_read_after_a_plain_event_drains() {
        let mut input = Drained::default();
        input.handle_read(10, 4);
        assert!(!input.is_drained(), "no event was seen yet");
        input.handle_marks(false);
        assert!(!input.is_drained(), "an event says that there is something");
        input.handle_read(10, 10);
        assert!(!input.is_drained(), "a full read may have left something");
        input.handle_read(10, 4);
        assert!(input.is_drained());
        input.handle_marks(false);
        assert!(!input.is_drained(), "a later event ends it");
    }

    #[test]
    fn after_an_event_with_marks_a_short_read_tells_nothing() {
        let mut input = Drained::default();
        input.handle_marks(true);
        input.handle_read(10, 4);
        assert!(!input.is_drained());
    }
}
