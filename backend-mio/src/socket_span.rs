//! The tracing span of one socket.

use std::fmt::Display;

use tracing::Span;
use tracing::span::Entered;

/// The span of one socket, from its opening to its close. It covers everything that the network
/// thread does with the socket. If no subscriber listens to it, it takes one word and no
/// allocation.
#[derive(Debug)]
pub(crate) struct SocketSpan(Option<Box<Span>>);

impl SocketSpan {
    /// Wraps the span of a new socket.
    pub(crate) fn new(span: Span) -> Self {
        assert!(span.is_disabled() || span.has_field("id"), "the span of a socket has no `id`");
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// Enters the span until the guard is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_deref().map(Span::enter)
    }

    /// Runs `act` inside the span.
    pub(crate) fn in_scope<T>(&self, act: impl FnOnce() -> T) -> T {
        let _about = self.enter();
        act()
    }

    /// Records a field that was not known when the span began.
    pub(crate) fn record(&self, field: &'static str, value: &dyn Display) {
        if let Some(span) = &self.0 {
            assert!(span.has_field(field), "the span of a socket has no `{field}`");
            span.record(field, tracing::field::display(value));
        }
    }
}
