//! The only clock: how long a campaign has been running decides when it ends, never what it does.

#[expect(clippy::disallowed_types, reason = "the campaign's own duration, outside of every world")]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the campaign's own duration")]
    #[expect(clippy::disallowed_types, reason = "the campaign's own duration")]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(std::time::Instant::now())
    }

    /// Since the start.
    pub(crate) fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis())
            .expect("a campaign ends within 585 million years")
    }
}
