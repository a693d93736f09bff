//! The span of one socket's life.

use std::fmt::Display;

use tracing::Span;
use tracing::span::Entered;

/// What everything that the network thread does with one socket is in, from its opening to its
/// close. One word, and no allocation, where nobody listens to such spans.
#[derive(Debug)]
pub(crate) struct SocketSpan(Option<Box<Span>>);

impl SocketSpan {
    /// The life of a socket begins.
    pub(crate) fn new(span: Span) -> Self {
        assert!(span.is_disabled() || span.has_field("id"), "a socket's span names it");
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// What happens until the guard is dropped is about this socket.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_deref().map(Span::enter)
    }

    /// What happens in `act` is about this socket.
    pub(crate) fn in_scope<T>(&self, act: impl FnOnce() -> T) -> T {
        let _about = self.enter();
        act()
    }

    /// Fills in what was not known when it began.
    pub(crate) fn record(&self, field: &'static str, value: &dyn Display) {
        if let Some(span) = &self.0 {
            assert!(span.has_field(field), "{field} is no field of a socket's span");
            span.record(field, tracing::field::display(value));
        }
    }
}
