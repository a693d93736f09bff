//! When a stream is known to hold nothing more, without asking.

use crate::sys;

/// The knowledge about the input of one TCP stream.
///
/// After a short read the next one would answer would-block, which costs a call that tells
/// nothing new. It may be left out only if no byte, end or error can be waiting without an event
/// being owed. That holds for TCP on Linux, when the latest event carried none of read-closed,
/// error and priority: a read also stops short before the end of the stream, before an error and
/// before urgent data, and for what lies behind no further event comes.
///
/// An event also tells of whatever is readable when a socket is registered, and each event tells
/// all that is readable at that time: so nothing is there before the first one, and after one that
/// tells of no input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drained {
    latest_event: LatestEvent,
    /// A read was short since the latest event, or that one told of no input.
    is_empty: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LatestEvent {
    /// Nothing is known.
    #[default]
    None,
    Plain,
    /// It told of an end, an error or urgent data.
    Marked,
}

impl Drained {
    /// A socket was just registered, and nothing was reported yet.
    pub(crate) fn registered() -> Self {
        Self { latest_event: LatestEvent::Plain, is_empty: true }
    }

    /// The poller reported an event; `is_marked`: it told of an end, an error or urgent data.
    #[inline]
    pub(crate) fn handle_event(&mut self, is_readable: bool, is_marked: bool) {
        self.latest_event = if is_marked { LatestEvent::Marked } else { LatestEvent::Plain };
        self.is_empty = !is_readable;
    }

    /// A read asked for `asked` bytes and got `got`.
    pub(crate) fn handle_read(&mut self, asked: usize, got: usize) {
        assert!(got <= asked, "a read gave more than was asked");
        self.is_empty = got < asked;
    }

    /// Returns `true` if the next read would answer would-block, and an event is owed for anything
    /// else.
    pub(crate) fn is_drained(self) -> bool {
        sys::SHORT_READ_MEANS_DRAINED && self.is_empty && self.latest_event == LatestEvent::Plain
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
        input.handle_event(true, false);
        assert!(!input.is_drained(), "an event says that there is something");
        input.handle_read(10, 10);
        assert!(!input.is_drained(), "a full read may have left something");
        input.handle_read(10, 4);
        assert!(input.is_drained());
        input.handle_event(true, false);
        assert!(!input.is_drained(), "a later event ends it");
    }

    #[test]
    fn before_the_first_event_and_after_one_without_input_there_is_nothing() {
        let mut input = Drained::registered();
        assert!(input.is_drained());
        input.handle_event(true, false);
        assert!(!input.is_drained());
        input.handle_event(false, false);
        assert!(input.is_drained());
        input.handle_event(false, true);
        assert!(!input.is_drained(), "an error is to be read");
    }

    #[test]
    fn after_an_event_with_marks_a_short_read_tells_nothing() {
        let mut input = Drained::default();
        input.handle_event(true, true);
        input.handle_read(10, 4);
        assert!(!input.is_drained());
    }
}
